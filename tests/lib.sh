# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2034
#
# lib.sh - sourced by the tests that are scripts
#
#   $root               the source tree
#   make_work [PARENT]  makes an empty directory, $work, which is removed at the end
#   undo+=(COMMAND)     is run at the end, before that; the last one first
#   logs+=(FILE)        its end is shown if the test dies
#   attach FILE [OPTION...]  makes a loop device, $device, until the end
#
#   skip REASON         ends the test as skipped, with status 77
#   need COMMAND...     skips without one of them
#   need_root           skips without root
#
#   die MESSAGE         ends the test as failed
#   wrong MESSAGE       goes on, but the test fails at its end; not for subshells
#   run STATUS COMMAND...    dies if that is not its exit status; the output is in
#                       $work/.log/out and $work/.log/err
#   same FILE FILE      dies if they differ
#   same_lines TITLE FILE TITLE FILE   shows how they differ, and is wrong then
#
#   put_range SOURCE OFFSET DESTINATION OFFSET LENGTH   copies by dd(1)
#
# The end is also that of a test that fails or gets SIGINT or SIGTERM.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
test_name=$(basename "$(dirname "$(realpath "$0")")")/${0##*/}
work=
undo=()
logs=()
failures=0
unset COPYOFF_BACKENDS COPYOFF_DEBUG

# --- the end ------------------------------------------------------------------

cleanup() {
	local status=$? i

	trap - EXIT
	trap '' INT TERM # once more: what was begun here is finished
	set +e
	((status == 0 || status == 77 || failures > 0)) || wrong "exit status $status"
	cd /
	for ((i = ${#undo[@]} - 1; i >= 0; i--)); do
		eval "${undo[i]}" || wrong "at the end: ${undo[i]}"
	done
	[[ -z $work ]] || rm -rf --one-file-system "$work" || wrong "$work remains"
	((failures == 0 || (status != 0 && status != 77))) || status=1
	exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

make_work() {
	work=$(realpath "$(mktemp -d "${1:-${TMPDIR:-/tmp}}/copyoff-test.XXXXXX")")
	mkdir "$work/.log"
	logs+=("$work/.log/out" "$work/.log/err")
}

attach() {
	device=$(losetup --find --show "${@:2}" "$1") || skip "no loop device for $1"
	undo+=("losetup -d $device")
}

# --- skipped ------------------------------------------------------------------

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

need_root() {
	[[ $(id -u) -eq 0 ]] || skip "needs root"
}

# --- failed -------------------------------------------------------------------

# The lines of the script that led here, the outermost first; a trap has none.
lines() {
	local i

	for ((i = ${#BASH_SOURCE[@]} - 1; i > 0; i--)); do
		[[ ${BASH_SOURCE[i]} != "$0" || ${FUNCNAME[i - 1]} == cleanup ]] ||
			printf ':%s' "${BASH_LINENO[i - 1]}"
	done
}

wrong() {
	failures=$((failures + 1))
	echo "FAILED: $test_name$(lines): $*" >&2
}

die() {
	local log

	wrong "$@"
	for log in "${logs[@]}"; do
		[[ ! -s $log ]] || tail -n 50 "$log" | sed "s|^|${log##*/}: |" >&2
	done
	exit 1
}

run() {
	local expected=$1 status=0
	shift

	"$@" >"$work/.log/out" 2>"$work/.log/err" </dev/null || status=$?
	[[ $status -eq $expected ]] || die "status $status instead of $expected: $*"
}

same() {
	cmp "$1" "$2" >&2 || die "$1 and $2 differ"
}

same_lines() {
	diff -u --label "$1" --label "$3" "$2" "$4" >&2 || wrong "$1 and $3 differ"
}

# --- files --------------------------------------------------------------------

put_range() {
	dd if="$1" iflag=skip_bytes,count_bytes skip="$2" count="$5" bs=64K status=none \
		of="$3" oflag=seek_bytes seek="$4" conv=notrunc
}
