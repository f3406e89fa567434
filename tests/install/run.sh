#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
#
# run.sh WORK TEST [ARGUMENT...] - one test of the installed library
#
# WORK, shared by all of them, has:
#   source/  a copy of the tree       prefix/  what was installed, moved there
#   build/   the build of that copy
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
consumer=$root/tests/install/consumer
work=$1
shift
source=$work/source
build=$work/build
prefix=$work/prefix
lib=lib/$("$CC" -print-multiarch) # two levels, as Debian has it
lib=${lib%/}
version=$(sed -n 's/^#define COPYOFF_VERSION_[A-Z]* \([0-9]*\)$/\1/p' "$root/include/copyoff.h" |
	paste -sd .)
unset DESTDIR LD_LIBRARY_PATH PKG_CONFIG_PATH COPYOFF_BACKENDS COPYOFF_DEBUG

fail() {
	echo "FAIL: $*" >&2
	exit 1
}

skip() {
	echo "SKIP: $*"
	exit 77
}

need() {
	local tool

	for tool; do
		command -v "$tool" >/dev/null || skip "$tool was not found"
	done
}

# A directory of this test's own, empty.
make_dir() {
	dir=$(mktemp -d "$work/test.XXXXXX")
	trap 'rm -rf "$dir"' EXIT
}

# Names, kinds and contents of everything in a directory.
snapshot() {
	(cd "$1" && find . -printf '%p %y %m\n' | sort && find . -type f -print0 | sort -z |
		xargs -0 sha256sum)
}

# --- the fixture --------------------------------------------------------------

test_build() {
	rm -rf "$work"
	mkdir -p "$source"
	tar -C "$root" --exclude=./.git --exclude=./build -c . | tar -C "$source" -x

	snapshot "$source" >"$work/before"
	cmake -S "$source" -B "$build" --install-prefix /opt/copyoff -DCMAKE_INSTALL_LIBDIR="$lib" \
		-DCMAKE_BUILD_TYPE=Release -DCOPYOFF_TESTS=OFF >"$work/log" || fail "$(cat "$work/log")"
	cmake --build "$build" >"$work/log" || fail "$(cat "$work/log")"
	DESTDIR=$work/staged cmake --install "$build" >"$work/log" || fail "$(cat "$work/log")"
	snapshot "$source" >"$work/after"
	diff "$work/before" "$work/after" >&2 || fail "the build changed the source tree"

	# Nothing but the prefix was written to, and nothing names that place.
	[ "$(cd "$work/staged" && find . -maxdepth 2 | sort | xargs)" = ". ./opt ./opt/copyoff" ] ||
		fail "installed beside the prefix: $(find "$work/staged" -maxdepth 2)"
	! grep -rIl -e /opt/copyoff -e "$work" "$work/staged" || fail "paths in installed files"
	mv "$work/staged/opt/copyoff" "$prefix"
}

# --- what is there ------------------------------------------------------------

test_files() {
	make_dir
	{
		sed "/^#/d; s,^LIB,$lib,; s,VERSION,$version," "$root/tests/install/files.txt"
		sed -n 's,^\t\(copyoff_[a-z0-9_]*\);$,share/man/man3/\1.3,p' "$root/lib/libcopyoff.map"
	} | sort >"$dir/expected"
	(cd "$prefix" && find . ! -type d -printf '%P\n' | sort) >"$dir/found"
	diff -u "$dir/expected" "$dir/found" >&2 || fail "these files differ"
	cmp "$root/include/copyoff.h" "$prefix/include/copyoff.h"
}

test_command() {
	make_dir
	seq 100000 >"$dir/in"
	LD_LIBRARY_PATH=$prefix/$lib "$prefix/bin/copyoff" copy "$dir/in" "$dir/out"
	cmp "$dir/in" "$dir/out"
}

# In /usr, pkg-config adds nothing to the compiler's own search paths.
test_usr() {
	local flags

	need pkg-config
	make_dir
	cmake -S "$source" -B "$dir" --install-prefix /usr -DCMAKE_INSTALL_LIBDIR=lib \
		-DCOPYOFF_TESTS=OFF -DCOPYOFF_BACKEND_URING=OFF >"$dir/log"
	rm "$dir/copyoff-uninstalled.pc"
	flags=$(PKG_CONFIG_LIBDIR=$dir PKG_CONFIG_SYSTEM_LIBRARY_PATH=/usr/lib \
		pkg-config --cflags --libs copyoff | xargs)
	[ "$flags" = -lcopyoff ] || fail "flags are $flags"
}

# README.md shows the example as it is, and the backends there are, in their order.
test_readme() {
	make_dir
	sed -n '/^#define/,$p' "$root/examples/copy.c" | grep . >"$dir/program"
	sed -n '/^## A program/,/^## /s/^\t//p' "$root/README.md" >"$dir/shown"
	[ -s "$dir/shown" ] || fail "no program in README.md"
	diff -u "$dir/program" "$dir/shown" >&2 || fail "the program in README.md differs"

	sed -n 's/^copyoff_backend(\([a-z_]*\).*/\1/p' "$root/backends/CMakeLists.txt" \
		>"$dir/backends"
	# shellcheck disable=SC2016  # no expansion
	sed -n 's/^| `\([a-z_]*\)` |.*/\1/p' "$root/README.md" >"$dir/listed"
	[ -s "$dir/listed" ] || fail "no backends in README.md"
	diff -u "$dir/backends" "$dir/listed" >&2 || fail "the backends in README.md differ"
}

# --- pkg-config ---------------------------------------------------------------

needed() {
	readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]$/\1/p'
}

# compile_and_run COMPILER LANGUAGE LIBRARY-DIRECTORY FLAG...
compile_and_run() {
	local compiler=$1 language=$2 library=$3
	shift 3

	"$compiler" -Wall -Wextra -Werror -o "$dir/consumer" -x "$language" "$consumer/consumer.c" \
		-x none "$@"
	LD_LIBRARY_PATH=$library "$dir/consumer"
}

# shared_by_pkgconfig PC-DIRECTORY LIBRARY-DIRECTORY
shared_by_pkgconfig() {
	local flags

	need pkg-config readelf
	make_dir
	export PKG_CONFIG_PATH=$1
	[ "$(pkg-config --modversion copyoff)" = "$version" ] || fail "wrong version"
	read -ra flags < <(pkg-config --cflags --libs copyoff)
	compile_and_run "$CC" c "$2" "${flags[@]}"
	needed "$dir/consumer" | grep -x libcopyoff.so.0 >/dev/null || fail "not linked with libcopyoff.so.0"
	! needed "$dir/consumer" | grep uring || fail "a user of the shared library links liburing"
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
	make_dir
	export PKG_CONFIG_PATH=$prefix/$lib/pkgconfig
	read -ra flags < <(pkg-config --static --cflags --libs copyoff)
	compile_and_run "$CC" c / -static "${flags[@]}"
	[ -z "$(needed "$dir/consumer")" ] || fail "it is not static"
	[ -n "$CXX" ] || skip "C compiles and runs; no C++ compiler"
	compile_and_run "$CXX" c++ / -static "${flags[@]}"
}

# --- CMake --------------------------------------------------------------------

# build_consumer TARGET OPTION...
build_consumer() {
	local target=$1
	shift

	[ -n "$CXX" ] || skip "no C++ compiler"
	make_dir
	cmake -S "$consumer" -B "$dir/build" -DTARGET="$target" "$@" >"$dir/log" ||
		fail "$(cat "$dir/log")"
	cmake --build "$dir/build" >"$dir/log" || fail "$(cat "$dir/log")"
}

check_consumer() {
	local language program

	need readelf
	for language in C CXX; do
		program=$dir/build/consumer-$language
		"$program"
		if [ "$1" = copyoff ]; then
			needed "$program" | grep -x libcopyoff.so.0 >/dev/null || fail "not linked: $1"
		else
			! needed "$program" | grep copyoff || fail "the static library was not used"
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
	[ -z "$(find "$dir/build" -name copyoff -type f)" ] || fail "the command was built"
	[ -z "$(find "$dir/build" -name CTestTestfile.cmake)" ] || fail "tests were added"
	DESTDIR=$dir/staged cmake --install "$dir/build" >"$dir/log"
	[ ! -e "$dir/staged" ] || fail "installed: $(find "$dir/staged" -type f)"
}

# configure STATUS OPTION...: succeeds or fails as said
configure() {
	local expected=$1 status=0
	shift

	rm -rf "$dir/build"
	cmake -S "$consumer" -B "$dir/build" -DHOW=find -DCMAKE_PREFIX_PATH="$prefix" "$@" \
		>"$dir/log" 2>&1 || status=$?
	[ "$status" = "$expected" ] || fail "status $status instead of $expected: $(cat "$dir/log")"
}

# The major version is the soname; within it, newer serves older.
test_find_version() {
	local major=${version%%.*}

	make_dir
	configure 0 -DTARGET=copyoff -DWITH="$version"
	configure 0 -DTARGET=copyoff -DWITH="$major.0"
	configure 1 -DTARGET=copyoff -DWITH="$major.999"
	configure 1 -DTARGET=copyoff -DWITH="$((major + 1))"
}

# Where what the backends need is not installed, the shared library is usable,
# and the static one says what is missing.
test_find_without_pkgs() {
	grep -q '^Requires.private: .' "$build/copyoff.pc" || skip "no backend needs a library"
	make_dir
	export PKG_CONFIG_LIBDIR=$dir/none
	configure 0 -DTARGET=copyoff
	configure 0 -DTARGET=copyoff "-DWITH=COMPONENTS;shared"
	configure 1 -DTARGET=copyoff_static "-DWITH=COMPONENTS;static"
	tr -s '\n ' ' ' <"$dir/log" | grep 'the static library needs liburing' >/dev/null ||
		fail "no reason given: $(cat "$dir/log")"
}

"test_$1" "${@:2}"
