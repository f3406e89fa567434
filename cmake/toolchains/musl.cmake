# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
#
# musl on a Debian with glibc (musl-tools).  The headers of the kernel are taken
# from the system, none else; COPYOFF_KERNEL_HEADERS=OFF: not even these.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR ${CMAKE_HOST_SYSTEM_PROCESSOR})
set(CMAKE_C_COMPILER musl-gcc)
set(CMAKE_LIBRARY_ARCHITECTURE ${CMAKE_HOST_SYSTEM_PROCESSOR}-linux-musl)
if(NOT DEFINED ENV{PKG_CONFIG_LIBDIR})
	set(ENV{PKG_CONFIG_LIBDIR} /usr/lib/${CMAKE_LIBRARY_ARCHITECTURE}/pkgconfig)
endif()

list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES COPYOFF_KERNEL_HEADERS)
if(NOT DEFINED COPYOFF_KERNEL_HEADERS OR COPYOFF_KERNEL_HEADERS)
	set(kernel_headers ${CMAKE_BINARY_DIR}/kernel-headers)
	file(MAKE_DIRECTORY ${kernel_headers})
	file(CREATE_LINK /usr/include/linux ${kernel_headers}/linux SYMBOLIC)
	file(CREATE_LINK /usr/include/asm-generic ${kernel_headers}/asm-generic SYMBOLIC)
	file(CREATE_LINK /usr/include/${CMAKE_HOST_SYSTEM_PROCESSOR}-linux-gnu/asm
		${kernel_headers}/asm SYMBOLIC)
	set(CMAKE_C_FLAGS_INIT "-idirafter ${kernel_headers}")
endif()
