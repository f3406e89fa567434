# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
#
# Installs the libraries and what pkg-config and find_package() read.  The
# build tree gets the same, so that it can be used without being installed:
# PKG_CONFIG_PATH or copyoff_DIR is then the build directory.
include(CMakePackageConfigHelpers)

set(cmake_dir ${CMAKE_INSTALL_LIBDIR}/cmake/copyoff)
set(pc_dir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# Those that have no module of pkg-config.
set(COPYOFF_PLAIN_LIBS ${COPYOFF_BACKEND_LIBS})
list(FILTER COPYOFF_PLAIN_LIBS EXCLUDE REGEX "^PkgConfig::")

install(FILES include/copyoff.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(TARGETS copyoff EXPORT copyoff-targets
	LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(TARGETS copyoff_static EXPORT copyoff-static-targets
	ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})

# --- find_package() ---------------------------------------------------------

foreach(targets copyoff-targets copyoff-static-targets)
	install(EXPORT ${targets} NAMESPACE copyoff:: DESTINATION ${cmake_dir})
	export(EXPORT ${targets} NAMESPACE copyoff:: FILE ${PROJECT_BINARY_DIR}/${targets}.cmake)
endforeach()
configure_package_config_file(cmake/copyoff-config.cmake.in
	${PROJECT_BINARY_DIR}/copyoff-config.cmake
	INSTALL_DESTINATION ${cmake_dir} NO_SET_AND_CHECK_MACRO)
# The major number is the soname: within it, newer serves older (docs/ABI.md).
write_basic_package_version_file(${PROJECT_BINARY_DIR}/copyoff-config-version.cmake
	COMPATIBILITY SameMajorVersion)
install(FILES
	${PROJECT_BINARY_DIR}/copyoff-config.cmake
	${PROJECT_BINARY_DIR}/copyoff-config-version.cmake
	DESTINATION ${cmake_dir})

# --- pkg-config -------------------------------------------------------------

list(JOIN COPYOFF_BACKEND_PKGS ", " PC_REQUIRES_PRIVATE)
list(TRANSFORM COPYOFF_PLAIN_LIBS PREPEND "-l" OUTPUT_VARIABLE PC_LIBS_PRIVATE)
list(JOIN PC_LIBS_PRIVATE " " PC_LIBS_PRIVATE)

# The installed file finds its tree from its own place: the tree can be moved,
# and "cmake --install" can be given another prefix.  In /usr the paths are
# written out, since pkg-config drops the system's directories only then.
function(pc_path variable directory)
	set(path ${directory})
	if(NOT CMAKE_INSTALL_PREFIX STREQUAL "/usr")
		file(RELATIVE_PATH path ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${directory})
		string(REGEX REPLACE "/$" "" path "\${pcfiledir}/${path}")
	endif()
	set(${variable} ${path} PARENT_SCOPE)
endfunction()
pc_path(PC_PREFIX ${CMAKE_INSTALL_PREFIX})
pc_path(PC_INCLUDEDIR ${CMAKE_INSTALL_FULL_INCLUDEDIR})
pc_path(PC_LIBDIR ${CMAKE_INSTALL_FULL_LIBDIR})
configure_file(copyoff.pc.in ${PROJECT_BINARY_DIR}/copyoff.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/copyoff.pc DESTINATION ${pc_dir})

# pkg-config prefers this one where it finds both.
set(PC_PREFIX ${PROJECT_BINARY_DIR})
set(PC_INCLUDEDIR ${PROJECT_SOURCE_DIR}/include)
set(PC_LIBDIR ${PROJECT_BINARY_DIR}/lib)
configure_file(copyoff.pc.in ${PROJECT_BINARY_DIR}/copyoff-uninstalled.pc @ONLY)
