#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
#
# run.sh TARGET BUILD - build the tree for TARGET in BUILD, and run its tests
#
# Check and liburing of other machines and C libraries are looked for in
# COPYOFF_TEST_FOREIGN, a directory that scripts/foreign-libraries filled.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../lib.sh
source "$(dirname "$0")/../lib.sh"

target=$1
build=$2
foreign=${COPYOFF_TEST_FOREIGN:-/nonexistent}
make_work

# build_tree OPTION...: everything, with warnings as errors
build_tree() {
	rm -rf "$build"
	run 0 cmake -S "$root" -B "$build" -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCOPYOFF_WERROR=ON "$@"
	grep '^-- Backend' "$work/.log/out"
	run 0 cmake --build "$build"
}

# The tests that are one program of the target, each backend once.  Whatever
# else is skipped, the backend that works everywhere must have been tested.
# run_tests [REGEX-OF-TESTS-TO-LEAVE-OUT]
run_tests() {
	ctest --test-dir "$build" --output-on-failure --no-tests=error --timeout 600 \
		-R '^(unit|conformance)\.|^fault\.seam$' -E "^conformance\.all\$${1:+|$1}" |
		tee "$work/ctest"
	grep -Eq ' conformance\.readwrite \.+ +Passed ' "$work/ctest" ||
		die "conformance.readwrite did not run"
}

# for_foreign TOOLCHAIN LIBRARIES LIBRARY-DIRECTORY REGEX-OF-TESTS-TO-LEAVE-OUT
for_foreign() {
	local toolchain=$1 libraries=$foreign/$2 libdir=$3

	if [ -d "$libraries" ]; then
		export PKG_CONFIG_LIBDIR=$libraries/$libdir/pkgconfig
		export PKG_CONFIG_SYSROOT_DIR=$libraries
	fi
	[[ $4 != *"$emulated"* ]] || export CK_FORK=no
	build_tree --toolchain "$root/cmake/toolchains/$toolchain.cmake"
	[ -d "$libraries" ] || skip "it compiles; there is no Check for $target to test it with"
	run_tests "$4"
}

# --- targets ------------------------------------------------------------------

# What one call of the kernel copies does not depend on the C library.
by_one_call='^conformance\.(reflink|copy_file_range)$'
# An emulator is slow, and slower to make a process for each test: one backend is
# enough to see the order of bytes; the random tests, and those that need processes,
# run everywhere else.
emulated='^unit\.(random|flight|nvme_faults|nvme_flight|scsi_target|xcopy_flight|blkcopy|cfr_block)$'
emulated+="|^conformance\.uring$|$by_one_call"

target_m32() {
	local left_out=$by_one_call

	need gcc
	printf '#include <stdio.h>\nint main(void) { return 0; }\n' |
		gcc -m32 -x c -o "$work/runs" - 2>/dev/null || skip "gcc cannot compile with -m32"
	"$work/runs" 2>/dev/null || {
		need qemu-i386-static
		left_out=$emulated
	}
	for_foreign i386 i386 usr/lib/i386-linux-gnu "$left_out"
}

target_musl() {
	need musl-gcc
	# Its .pc files know where they are.
	export PKG_CONFIG_SYSROOT_DIR=
	for_foreign musl musl usr/lib "$by_one_call"
}

target_s390x() {
	need s390x-linux-gnu-gcc qemu-s390x-static
	for_foreign s390x s390x usr/lib/s390x-linux-gnu "$emulated|^fault\.seam$" # see armhf
}

target_armhf() {
	need arm-linux-gnueabihf-gcc qemu-arm-static
	for_foreign armhf armhf usr/lib/arm-linux-gnueabihf "$emulated"
}

# musl declares what is asked for and not more, and comes without the headers of
# the kernel: what compiles there is POSIX.
compile_strictly() {
	command -v musl-gcc >/dev/null || return 1
	build_tree --toolchain "$root/cmake/toolchains/musl.cmake" -DCOPYOFF_KERNEL_HEADERS=OFF \
		-DCOPYOFF_PORTABLE=ON -DCOPYOFF_TOOLS=OFF -DCOPYOFF_TESTS=OFF \
		-DCMAKE_C_FLAGS=-D_POSIX_C_SOURCE=200809L
}

target_posix() {
	compile_strictly || strict=no
	build_tree -DCOPYOFF_PORTABLE=ON
	run_tests '^fault\.seam$' # which fails calls that POSIX does not have
	[ -z "${strict-}" ] || skip "the tests pass; musl-gcc was not found for a strict compilation"
}

target_clang() {
	need clang
	CC=clang build_tree
	run_tests
}

backends() {
	sed -n 's/^copyoff_backend(\([a-z_]*\).*/\1/p' "$root/backends/CMakeLists.txt"
}

# Without libraries; and each backend can be left out alone.
target_minimal() {
	local backend

	for backend in $(backends); do
		build_tree "-DCOPYOFF_BACKEND_${backend^^}=OFF" -DCOPYOFF_TESTS=OFF
		"$build/tools/copyoff" backends >"$work/list"
		[ "$(grep -c ' not built ' "$work/list")" = 1 ] ||
			die "not exactly one backend is left out: $(cat "$work/list")"
		grep -q "^$backend  *not built " "$work/list" || die "$backend is not left out"
	done
	build_tree -DCOPYOFF_BACKEND_URING=OFF -DCOPYOFF_BACKEND_XCOPY=OFF -DCOPYOFF_BACKEND_ODX=OFF
	run_tests "$by_one_call"
}

"target_$target"
