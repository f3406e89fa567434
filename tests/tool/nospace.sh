#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# A destination without room: what was copied is told, the rest is not hidden.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname "$0")/common.sh"

need_root
mkdir small
mount -t tmpfs -o size=1m tmpfs small || skip "tmpfs cannot be mounted"
undo+=("umount '$work/small'")
make src 3000000

run 1 "$copyoff" copy src small/new
says "'small/new'" "bytes were copied, 'small/new' is incomplete"
copied=$(grep -oE '[0-9]+ bytes were copied' .log/err | cut -d' ' -f1)
((copied > 0 && copied <= 1 << 20)) || die "$copied bytes on 1 MiB"
cmp -n "$copied" src small/new || die "the prefix differs"

# Old content that was truncated is not passed over in silence.
rm small/new
dd if=/dev/zero of=small/fill bs=4096 count=256 status=none
run 1 "$copyoff" copy src small/new
says "'small/new'" "No space left on device"
absent small/new
: >small/fill
make small/old 4096 7
dd if=/dev/zero of=small/fill bs=4096 count=250 status=none
run 1 "$copyoff" copy src small/old
says "'small/old' is incomplete"

# With ranges, the rest of the destination stays.
run 1 "$copyoff" copy --json -r 0:900000:2000000 src small/fill
says "'small/fill' is incomplete"
