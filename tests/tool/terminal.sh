#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# The bar, on a terminal.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname "$0")/common.sh"

need script
make src 8388608

# script(1) gives the command a terminal; its output has a carriage return per line.
run 0 script -qec "'$copyoff' copy -p --backend readwrite src dst" /dev/null
same src dst
tr '\r' '\n' <.log/out | grep '%' >bars
(($(wc -l <bars) > 10)) || die "$(wc -l <bars) bars for 8 MiB of plain writes"
grep -qE '^ *[0-9]+% \[#+ +\]$' bars || die "no bar that is neither empty nor full"
tail -n 1 bars | grep -qE '^100% \[#{50}\]$' || die "the last bar is not full"
! sort -c -n bars 2>&1 | grep . || die "the bar went back"

# A message gets a line of its own.
rm dst
run 1 script -qec "ulimit -f 4096; '$copyoff' copy -p --backend readwrite src dst" /dev/null
tr '\r' '\n' <.log/out | grep '^copyoff: .*incomplete' >/dev/null || die "the message follows the bar"
! grep -q '100%' .log/out || die "a full bar after a failure"
