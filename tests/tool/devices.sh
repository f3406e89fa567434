#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# Block devices on both sides.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname "$0")/common.sh"

need_root
not_portable "knows no block devices"
need losetup
make src 1048576
make image 1048576 500000
make other 524288 900000
cp image old

attach other
small=$device
attach image

run 0 "$copyoff" copy src "$device"
same src "$device"
run 0 "$copyoff" copy "$device" back
same src back
[[ -f back ]] || die "not a regular file"
run 0 "$copyoff" copy --sync "$small" "$device"
cmp -n 524288 other "$device" || die "device to device"
tail -c 524288 src >expected
tail -c 524288 "$device" >rest
same expected rest
run 0 "$copyoff" copy --verify -r 1000:3000:5000 src "$device"
rm expected
put_range src 1000 expected 0 5000
put_range "$device" 3000 part 0 5000
same expected part
run 0 "$copyoff" explain "$device" "$small"

# A device does not grow: refused before it is touched.
cp "$small" before
run 1 "$copyoff" copy src "$small"
says "'$small' is too small" "524288" "1048576"
same before "$small"
run 1 "$copyoff" copy -r 0:524287:2 src "$small"
says "'$small' is too small" "524289"
same before "$small"
run 1 "$copyoff" copy -r 1048570:0:10 "$device" new
says "beyond the end of the source (1048576 bytes)"
absent new

# The same bytes under another name: nothing may be truncated.
mknod node b "$((0x$(stat -Lc %t "$device")))" "$((0x$(stat -Lc %T "$device")))"
cp "$device" before
sync image
run 1 "$copyoff" copy "$device" "$device"
says "same file"
run 1 "$copyoff" copy node "$device"
says "same file"
run 1 "$copyoff" copy "$device" image
says "same file"
run 1 "$copyoff" copy image "$device"
says "same file"
same before "$device"
[[ $(stat -c %s image) -eq 1048576 ]] || die "the backing file was truncated"
