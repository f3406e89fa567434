#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
#
# run.sh - run tests in guests; docs/vm.md explains it
set -euo pipefail
here=$(dirname "$0")
usual_stacks=(bookworm trixie)
all_stacks=("${usual_stacks[@]}" mixed)

usage() {
	cat <<END
Usage: tests/vm/run.sh [OPTION]... [TEST]...

Runs tests in virtual machines, without root and without KVM; all of them, if
none is named.  TEST is a name, as boot, or the path of a file.  Packages of
Debian kernels are fetched the first time.

  -s, --stack STACK  bookworm (the QEMU of this system, Linux 6.1), trixie
                     (QEMU 10, Linux 6.12), which are unpacked in the cache, or
                     mixed (QEMU 10, Linux 6.1); all by default, of which most
                     tests run on the first two
  -b, --build DIR    what to test; build/dev
  -k, --keep DIR     put what QEMU got and gave into DIR/vm.STACK.TEST
  -l, --list         the tests, with their stacks
  -h, --help         show this text

COPYOFF_VM_CACHE is the cache, ~/.cache/copyoff-vm by default.

Exit status: 0 if none failed, 77 if all were skipped.
END
}

# stacks_of FILE: those that it names, or the usual ones
stacks_of() {
	local named

	named=$(sed -n 's/^#: stack //p' "$1")
	echo "${named:-${usual_stacks[*]}}"
}

list() {
	local file

	for file in "$here"/*.test; do
		echo "$(basename "$file" .test): $(stacks_of "$file")"
	done
}

build=$here/../../build/dev
stacks=("${all_stacks[@]}")
tests=()
while (($# > 0)); do
	case $1 in
	-s | --stack) stacks=("${2:?$1 takes a name}") && shift ;;
	-b | --build) build=${2:?$1 takes a directory} && shift ;;
	-k | --keep)
		COPYOFF_VM_KEEP=$(realpath "${2:?$1 takes a directory}")
		export COPYOFF_VM_KEEP
		shift
		;;
	-l | --list)
		list
		exit
		;;
	-h | --help)
		usage
		exit
		;;
	-*)
		usage >&2
		exit 2
		;;
	*) tests+=("$1") ;;
	esac
	shift
done
((${#tests[@]} > 0)) || tests=("$here"/*.test)

[[ -f $build/CMakeCache.txt ]] || {
	echo "run.sh: $build is not a build; see --build" >&2
	exit 2
}

# A command in the background gets no SIGINT.
guest=
interrupt() {
	trap '' INT TERM
	[[ -z $guest ]] || { kill "$guest" && wait "$guest"; } || true
	exit "$1"
}
trap 'interrupt 130' INT
trap 'interrupt 143' TERM

passed=0 failed=0 skipped=0
# run_test STACK FILE
run_test() {
	local status=0 start=$SECONDS result

	echo "== vm.$1.$(basename "$2" .test)"
	"$here/guest.sh" "$1" "$2" "$build" &
	guest=$!
	wait "$guest" || status=$?
	guest=
	case $status in
	0) result=passed ;;
	77) result=skipped ;;
	*) result=failed ;;
	esac
	((++$result))
	echo "== $result, $((SECONDS - start)) s"
}

for name in "${tests[@]}"; do
	[[ $name == */* ]] || name=$here/${name%.test}.test
	[[ -f $name ]] || {
		echo "run.sh: there is no $name" >&2
		exit 2
	}
	for stack in "${stacks[@]}"; do
		[[ " $(stacks_of "$name") " != *" $stack "* ]] || run_test "$stack" "$name"
	done
done
echo "$passed passed, $failed failed, $skipped skipped"
((failed == 0)) || exit 1
((passed > 0)) || exit 77
