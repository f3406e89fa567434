# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
#
# copyoff_backend(NAME [SOURCE file...] [HEADER header...] [PKG module...] [LIB library...])
#
# Adds the backend in backends/NAME.c, and the other files that it is made of,
# unless one of its headers, pkg-config modules or libraries is missing or the
# option COPYOFF_BACKEND_NAME is OFF.
# Two backends may have files and libraries in common.
# HEADER names what only some systems have; such backends are left out of a
# portable build, too.
#
# Collects, in the scope of the caller's directory:
#   COPYOFF_BACKEND_TABLE    lines of the generated table, in order
#   COPYOFF_BACKEND_SOURCES  absolute paths
#   COPYOFF_BACKEND_NAMES    those that are built
#   COPYOFF_BACKEND_PKGS     pkg-config modules that they need
#   COPYOFF_BACKEND_LIBS     libraries that they need
include(CheckIncludeFile)
include(CheckCSourceCompiles)
find_package(PkgConfig QUIET)

function(copyoff_backend name)
	cmake_parse_arguments(arg "" "" "SOURCE;HEADER;PKG;LIB" ${ARGN})
	string(TOUPPER ${name} upper)
	option(COPYOFF_BACKEND_${upper} "Build the ${name} backend" ON)

	set(missing "")
	set(libs ${arg_LIB})
	if(NOT COPYOFF_BACKEND_${upper})
		set(missing "switched off by COPYOFF_BACKEND_${upper}")
	elseif(COPYOFF_PORTABLE AND arg_HEADER)
		set(missing "not part of a portable build")
	endif()
	foreach(header IN LISTS arg_HEADER)
		string(MAKE_C_IDENTIFIER "COPYOFF_HAVE_${header}" have)
		check_include_file(${header} ${have})
		if(NOT missing AND NOT ${have})
			set(missing "${header} was not found")
		endif()
	endforeach()
	foreach(module IN LISTS arg_PKG)
		if(NOT missing AND PKG_CONFIG_FOUND)
			pkg_check_modules(COPYOFF_PKG_${module} QUIET IMPORTED_TARGET GLOBAL ${module})
		endif()
		if(COPYOFF_PKG_${module}_FOUND)
			list(APPEND libs PkgConfig::COPYOFF_PKG_${module})
		elseif(NOT missing)
			set(missing "${module} was not found")
		endif()
	endforeach()
	foreach(library IN LISTS arg_LIB)
		# Linked for the machine that this is built for, as it will be.
		set(CMAKE_REQUIRED_LIBRARIES ${library})
		check_c_source_compiles("int main(void) { return 0; }" COPYOFF_LIB_${library})
		if(NOT missing AND NOT COPYOFF_LIB_${library})
			set(missing "lib${library} was not found")
		endif()
	endforeach()

	if(missing)
		message(STATUS "Backend ${name}: left out, ${missing}")
		set(row "COPYOFF_BACKEND_ABSENT(${name}, \"${missing}\")")
	else()
		message(STATUS "Backend ${name}: yes")
		set(row "COPYOFF_BACKEND(${name})")
		list(APPEND COPYOFF_BACKEND_NAMES ${name})
		foreach(source IN ITEMS ${name}.c ${arg_SOURCE})
			list(APPEND COPYOFF_BACKEND_SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/${source})
		endforeach()
		list(APPEND COPYOFF_BACKEND_PKGS ${arg_PKG})
		list(APPEND COPYOFF_BACKEND_LIBS ${libs})
		foreach(list IN ITEMS SOURCES PKGS LIBS)
			list(REMOVE_DUPLICATES COPYOFF_BACKEND_${list})
		endforeach()
	endif()
	set(COPYOFF_BACKEND_TABLE "${COPYOFF_BACKEND_TABLE}${row}\n" PARENT_SCOPE)
	set(COPYOFF_BACKEND_NAMES "${COPYOFF_BACKEND_NAMES}" PARENT_SCOPE)
	set(COPYOFF_BACKEND_SOURCES "${COPYOFF_BACKEND_SOURCES}" PARENT_SCOPE)
	set(COPYOFF_BACKEND_PKGS "${COPYOFF_BACKEND_PKGS}" PARENT_SCOPE)
	set(COPYOFF_BACKEND_LIBS "${COPYOFF_BACKEND_LIBS}" PARENT_SCOPE)
endfunction()
