#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
#
# off_t.sh - a small off_t is an error that names copyoff_needs_64_bit_off_t
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname "$0")/common.sh"

compile() {
	"$CC" -m32 -x c -I"$root/include" -fsyntax-only "$@" "$work/in.c" 2>"$work/messages"
}

cat >"$work/in.c" <<'END'
#include <sys/types.h>
typedef char off_t_has_32_bits[sizeof(off_t) == 4 ? 1 : -1];
END
compile || skip "no -m32 with a 32-bit off_t"

echo '#include <copyoff.h>' >"$work/in.c"
! compile || wrong "it compiles with a 32-bit off_t"
grep -q copyoff_needs_64_bit_off_t "$work/messages" ||
	wrong "the message does not name copyoff_needs_64_bit_off_t: $(cat "$work/messages")"
compile -D_FILE_OFFSET_BITS=64 || wrong "it does not compile with a 64-bit off_t"
