# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
#
# 32-bit x86 with gcc of a 64-bit Debian (gcc-12-multilib).  That package does
# not bring the link /usr/include/asm: gcc-multilib, which does, conflicts with
# the cross compilers.  Where the kernel does not run such programs (it may be
# built without IA32_EMULATION), the emulator of qemu-user-static does.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR i686)
set(CMAKE_C_COMPILER gcc)
set(CMAKE_CXX_COMPILER g++)
set(CMAKE_C_FLAGS_INIT "-m32 -idirafter /usr/include/x86_64-linux-gnu")
set(CMAKE_CXX_FLAGS_INIT ${CMAKE_C_FLAGS_INIT})
set(CMAKE_LIBRARY_ARCHITECTURE i386-linux-gnu)
execute_process(COMMAND /lib/ld-linux.so.2 --version RESULT_VARIABLE runs_here
	OUTPUT_QUIET ERROR_QUIET)
if(NOT runs_here EQUAL 0)
	set(CMAKE_CROSSCOMPILING_EMULATOR qemu-i386-static)
endif()
if(NOT DEFINED ENV{PKG_CONFIG_LIBDIR})
	set(ENV{PKG_CONFIG_LIBDIR} /usr/lib/i386-linux-gnu/pkgconfig)
endif()
