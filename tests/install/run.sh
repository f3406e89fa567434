#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
#
# run.sh FIXTURE TEST [ARGUMENT...] - one test of the installed library
#
# FIXTURE, a directory shared by all of them, has:
#   source/  a copy of the tree       prefix/  what was installed, moved there
#   build/   the build of that copy
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../lib.sh
source "$(dirname "$0")/../lib.sh"

consumer=$root/tests/install/consumer
fixture=$1
shift
source=$fixture/source
build=$fixture/build
prefix=$fixture/prefix
lib=lib/$("$CC" -print-multiarch) # two levels, as Debian has it
lib=${lib%/}
version=$(sed -n 's/^#define COPYOFF_VERSION_[A-Z]* \([0-9]*\)$/\1/p' "$root/include/copyoff.h" |
	paste -sd .)
unset DESTDIR LD_LIBRARY_PATH PKG_CONFIG_PATH

# Names, kinds and contents of everything in a directory.
snapshot() {
	(cd "$1" && find . -printf '%p %y %m\n' | sort && find . -type f -print0 | sort -z |
		xargs -0 sha256sum)
}

# --- the fixture --------------------------------------------------------------

test_build() {
	rm -rf "$fixture"
	mkdir -p "$source"
	tar -C "$root" --exclude=./.git --exclude=./build -c . | tar -C "$source" -x

	make_work "$fixture"
	snapshot "$source" >"$work/before"
	run 0 cmake -S "$source" -B "$build" --install-prefix /opt/copyoff \
		-DCMAKE_INSTALL_LIBDIR="$lib" -DCMAKE_BUILD_TYPE=Release -DCOPYOFF_TESTS=OFF
	run 0 cmake --build "$build"
	DESTDIR=$fixture/staged run 0 cmake --install "$build"
	snapshot "$source" >"$work/after"
	same_lines "the source tree" "$work/before" "the source tree after the build" "$work/after"

	# Nothing but the prefix was written to, and nothing names that place.
	[ "$(cd "$fixture/staged" && find . -maxdepth 2 | sort | xargs)" = ". ./opt ./opt/copyoff" ] ||
		die "installed beside the prefix: $(find "$fixture/staged" -maxdepth 2)"
	! grep -rIl -e /opt/copyoff -e "$fixture" "$fixture/staged" || die "paths in installed files"
	mv "$fixture/staged/opt/copyoff" "$prefix"
}

# --- what is there ------------------------------------------------------------

test_files() {
	make_work "$fixture"
	{
		sed "/^#/d; s,^LIB,$lib,; s,VERSION,$version," "$root/tests/install/files.txt"
		sed -n 's,^\t\(copyoff_[a-z0-9_]*\);$,share/man/man3/\1.3,p' "$root/lib/libcopyoff.map"
	} | sort >"$work/expected"
	(cd "$prefix" && find . ! -type d -printf '%P\n' | sort) >"$work/found"
	same_lines files.txt "$work/expected" "the prefix" "$work/found"
	same "$root/include/copyoff.h" "$prefix/include/copyoff.h"
}

test_command() {
	make_work "$fixture"
	seq 100000 >"$work/in"
	LD_LIBRARY_PATH=$prefix/$lib run 0 "$prefix/bin/copyoff" copy "$work/in" "$work/out"
	same "$work/in" "$work/out"
}

# In /usr, pkg-config adds nothing to the compiler's own search paths.
test_usr() {
	local flags

	need pkg-config
	make_work "$fixture"
	run 0 cmake -S "$source" -B "$work" --install-prefix /usr -DCMAKE_INSTALL_LIBDIR=lib \
		-DCOPYOFF_TESTS=OFF -DCOPYOFF_BACKEND_URING=OFF
	rm "$work/copyoff-uninstalled.pc"
	flags=$(PKG_CONFIG_LIBDIR=$work PKG_CONFIG_SYSTEM_LIBRARY_PATH=/usr/lib \
		pkg-config --cflags --libs copyoff | xargs)
	[ "$flags" = -lcopyoff ] || die "flags are $flags"
}

# README.md shows the example as it is, and the backends there are, in their order.
test_readme() {
	make_work "$fixture"
	sed -n '/^#define/,$p' "$root/examples/copy.c" | grep . >"$work/program"
	sed -n '/^## A program/,/^## /s/^\t//p' "$root/README.md" >"$work/shown"
	[ -s "$work/shown" ] || die "no program in README.md"
	same_lines examples/copy.c "$work/program" "the program in README.md" "$work/shown"

	sed -n 's/^copyoff_backend(\([a-z_]*\).*/\1/p' "$root/backends/CMakeLists.txt" \
		>"$work/backends"
	# shellcheck disable=SC2016  # no expansion
	sed -n 's/^| `\([a-z_]*\)` |.*/\1/p' "$root/README.md" >"$work/listed"
	[ -s "$work/listed" ] || die "no backends in README.md"
	same_lines backends/CMakeLists.txt "$work/backends" README.md "$work/listed"
}

# --- pkg-config ---------------------------------------------------------------

needed() {
	readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]$/\1/p'
}

# compile_and_run COMPILER LANGUAGE LIBRARY-DIRECTORY FLAG...
compile_and_run() {
	local compiler=$1 language=$2 library=$3
	shift 3

	run 0 "$compiler" -Wall -Wextra -Werror -o "$work/consumer" \
		-x "$language" "$consumer/consumer.c" -x none "$@"
	LD_LIBRARY_PATH=$library run 0 "$work/consumer"
}

# shared_by_pkgconfig PC-DIRECTORY LIBRARY-DIRECTORY
shared_by_pkgconfig() {
	local flags

	need pkg-config readelf
	make_work "$fixture"
	export PKG_CONFIG_PATH=$1
	[ "$(pkg-config --modversion copyoff)" = "$version" ] || die "wrong version"
	read -ra flags < <(pkg-config --cflags --libs copyoff)
	compile_and_run "$CC" c "$2" "${flags[@]}"
	needed "$work/consumer" | grep -x libcopyoff.so.0 >/dev/null || die "not linked with libcopyoff.so.0"
	! needed "$work/consumer" | grep -E 'uring|sgutils' ||
		die "a user of the shared library links what its backends need"
	[ -n "$CXX" ] || skip "C compiles and runs; no C++ compiler"
	compile_and_run "$CXX" c++ "$2" "${flags[@]}"
}

test_pkgconfig_shared() {
	shared_by_pkgconfig "$prefix/$lib/pkgconfig" "$prefix/$lib"
}

test_pkgconfig_uninstalled() {
	shared_by_pkgconfig "$build" "$build/lib"
}

test_pkgconfig_static() {
	local flags

	need pkg-config readelf
	make_work "$fixture"
	export PKG_CONFIG_PATH=$prefix/$lib/pkgconfig
	read -ra flags < <(pkg-config --static --cflags --libs copyoff)
	compile_and_run "$CC" c / -static "${flags[@]}"
	[ -z "$(needed "$work/consumer")" ] || die "it is not static"
	[ -n "$CXX" ] || skip "C compiles and runs; no C++ compiler"
	compile_and_run "$CXX" c++ / -static "${flags[@]}"
}

# --- CMake --------------------------------------------------------------------

# build_consumer TARGET OPTION...
build_consumer() {
	local target=$1
	shift

	[ -n "$CXX" ] || skip "no C++ compiler"
	make_work "$fixture"
	run 0 cmake -S "$consumer" -B "$work/build" -DTARGET="$target" "$@"
	run 0 cmake --build "$work/build"
}

check_consumer() {
	local language program

	need readelf
	for language in C CXX; do
		program=$work/build/consumer-$language
		run 0 "$program"
		if [ "$1" = copyoff ]; then
			needed "$program" | grep -x libcopyoff.so.0 >/dev/null || die "not linked: $1"
		else
			! needed "$program" | grep copyoff || die "the static library was not used"
		fi
	done
}

test_find() {
	build_consumer "$1" -DHOW=find -DCMAKE_PREFIX_PATH="$prefix"
	check_consumer "$1"
}

test_find_uninstalled() {
	build_consumer "$1" -DHOW=find -Dcopyoff_DIR="$build"
	check_consumer "$1"
}

# Included in another project it adds no tests, no tools and installs nothing.
test_included() {
	build_consumer "$2" -DHOW="$1" -DSOURCE="$source"
	check_consumer "$2"
	[ -z "$(find "$work/build" -name copyoff -type f)" ] || die "the command was built"
	[ -z "$(find "$work/build" -name CTestTestfile.cmake)" ] || die "tests were added"
	DESTDIR=$work/staged run 0 cmake --install "$work/build"
	[ ! -e "$work/staged" ] || die "installed: $(find "$work/staged" -type f)"
}

# configure STATUS OPTION...: succeeds or fails as said
configure() {
	local expected=$1
	shift

	rm -rf "$work/build"
	run "$expected" cmake -S "$consumer" -B "$work/build" -DHOW=find \
		-DCMAKE_PREFIX_PATH="$prefix" "$@"
}

# The major version is the soname; within it, newer serves older.
test_find_version() {
	local major=${version%%.*}

	make_work "$fixture"
	configure 0 -DTARGET=copyoff -DWITH="$version"
	configure 0 -DTARGET=copyoff -DWITH="$major.0"
	configure 1 -DTARGET=copyoff -DWITH="$major.999"
	configure 1 -DTARGET=copyoff -DWITH="$((major + 1))"
}

expect_reason() {
	tr -s '\n ' ' ' <"$work/.log/err" | grep "$1" >/dev/null || die "no reason given"
}

# Where what the backends need is not installed, the shared library is usable,
# and the static one says what is missing.
test_find_without_pkgs() {
	grep -q '^Requires.private: .' "$build/copyoff.pc" || skip "no backend needs a library"
	make_work "$fixture"
	export PKG_CONFIG_LIBDIR=$work/none
	configure 0 -DTARGET=copyoff
	configure 0 -DTARGET=copyoff "-DWITH=COMPONENTS;shared"
	configure 1 -DTARGET=copyoff_static "-DWITH=COMPONENTS;static"
	expect_reason 'the static library needs liburing'
}

# The same for a library that pkg-config does not know.
test_find_without_libs() {
	grep -q '^Libs.private: .*-lsgutils2' "$build/copyoff.pc" || skip "no backend needs libsgutils2"
	make_work "$fixture"
	configure 0 -DTARGET=copyoff -Dcopyoff_LIBRARY_sgutils2=
	configure 1 -DTARGET=copyoff_static "-DWITH=COMPONENTS;static" -Dcopyoff_LIBRARY_sgutils2=
	expect_reason 'the static library needs libsgutils2'
}

"test_$1" "${@:2}"
