#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
#
# list.sh TEST STATIC_LIBRARY HEADER... - the seam is the same everywhere
#
# The functions that the headers declare, that the library defines, and that the
# test wraps are the same ones; and the library talks to the system through
# nothing else.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../lib.sh
source "$(dirname "$0")/../lib.sh"

test=$1
library=$2
shift 2
make_work

# Functions that touch nothing but their arguments.
pure='mem(chr|cmp|cpy|move|set)|str(chr|cmp|cpy|cspn|len|ncmp)|v?snprintf|qsort|io_uring_get_sqe'
pure+='|sg_(get_sense_cmd_spec_fld|get_sense_key|scsi_normalize_sense|scsi_sense_desc_find)'
# What compilers put in.
compiler='__(asan|ubsan|tsan|sanitizer|gcov|llvm)_.*|__stack_chk_fail|__errno_location'
compiler+='|__(mem|str|snprintf|vsnprintf)[a-z]*_chk|_GLOBAL_OFFSET_TABLE_'

grep -hoE '^[a-z].*\bcopyoff_sys_[a-z_]+\(' "$@" | grep -oE 'copyoff_sys_[a-z_]+' |
	sort >"$work/declared"
nm "$library" 2>/dev/null | sed -n 's/.* [TW] \(copyoff_sys_[a-z_]*\)$/\1/p' | sort >"$work/defined"
nm "$test" | sed -n 's/.* T __wrap_\(copyoff_sys_[a-z_]*\)$/\1/p' | sort >"$work/wrapped"
[[ $(wc -l <"$work/declared") -ge 30 ]] ||
	die "the headers declare only $(wc -l <"$work/declared") functions"
for other in defined wrapped; do
	same_lines "declared functions of the seam" "$work/declared" "$other ones" "$work/$other"
done

# Undefined symbols of all objects but those of the seam itself.
nm -u "$library" 2>/dev/null | awk '
	/:$/ { seam = /^sys_/ }
	/^ +[Uw] / && !seam { print $2 }' | sort -u >"$work/used"
! grep -vxE "copyoff_.*|$pure|$compiler" "$work/used" ||
	wrong "the functions above are called past the seam"
