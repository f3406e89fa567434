#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
#
# list.sh TEST STATIC_LIBRARY HEADER... - the seam is the same everywhere
#
# The functions that the headers declare, that the library defines, and that the
# test wraps are the same ones; and the library talks to the system through
# nothing else.
set -euo pipefail

test=$1
library=$2
shift 2
work=$(mktemp -d "${TMPDIR:-/tmp}/copyoff-list.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Functions that touch nothing but their arguments.
pure='mem(chr|cmp|cpy|move|set)|str(chr|cmp|cpy|cspn|len|ncmp)|v?snprintf|qsort|io_uring_get_sqe'
# What compilers put in.
compiler='__(asan|ubsan|tsan|sanitizer|gcov|llvm)_.*|__stack_chk_fail|__errno_location'
compiler+='|__(mem|str|snprintf|vsnprintf)[a-z]*_chk|_GLOBAL_OFFSET_TABLE_'

grep -hoE '^[a-z].*\bcopyoff_sys_[a-z_]+\(' "$@" | grep -oE 'copyoff_sys_[a-z_]+' |
	sort >"$work/declared"
nm "$library" 2>/dev/null | sed -n 's/.* [TW] \(copyoff_sys_[a-z_]*\)$/\1/p' | sort >"$work/defined"
nm "$test" | sed -n 's/.* T __wrap_\(copyoff_sys_[a-z_]*\)$/\1/p' | sort >"$work/wrapped"
[[ $(wc -l <"$work/declared") -ge 30 ]] || {
	echo "FAILED: the headers declare only $(wc -l <"$work/declared") functions"
	exit 1
}

status=0
for other in defined wrapped; do
	if ! diff "$work/declared" "$work/$other" >"$work/diff"; then
		echo "FAILED: declared (<) and $other (>) functions of the seam differ:"
		cat "$work/diff"
		status=1
	fi
done

# Undefined symbols of all objects but those of the seam itself.
nm -u "$library" 2>/dev/null | awk '
	/:$/ { seam = /^sys_/ }
	/^ +[Uw] / && !seam { print $2 }' | sort -u >"$work/used"
if grep -vxE "copyoff_.*|$pure|$compiler" "$work/used"; then
	echo "FAILED: the functions above are called past the seam"
	status=1
fi
[[ $status -ne 0 ]] || echo "$(wc -l <"$work/declared") functions"
exit "$status"
