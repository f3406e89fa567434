#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# Block devices: their ends, odd offsets, O_DIRECT, and themselves.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"

need losetup blockdev
cd "$work"
size=$((6 * MIB))
fill a.image 0 $size 1
fill b.image 0 $size 2
fill file 0 $((20 * MIB)) 3

# A device that was made read-only would stay so for its next user.
attach_writable() {
	attach "$@"
	undo+=("blockdev --setrw $device")
}
attach_writable a.image
a=$device
attach_writable b.image --sector-size "$fs"
b=$device
[[ $(blockdev --getss "$b") -eq $fs ]] || die "$b has blocks of $(blockdev --getss "$b")"

# reset: the devices are as they were first.
reset() {
	fill "$a" 0 $size 1
	fill "$b" 0 $size 2
	sync "$a" "$b"
}

# The device, by its cache and without it, is what the file says.
is_on() {
	cmp "$1" "$2" >>"$work/log" 2>&1 || die "$1: what is cached differs from $2"
	dd if="$1" iflag=direct bs=64K status=none | cmp - "$2" >>"$work/log" 2>&1 ||
		die "$1: what is on the device differs from $2"
}

# expect_range SOURCE OFF_IN OFF_OUT LENGTH: what b must be.
expect_range() {
	rm -f expected
	fill expected 0 $size 2
	put_range "$1" "$2" expected "$3" "$4"
}

ranges="0:0:$size 4096:8192:4194304 512:1024:1048576 1:1:3000000 1:0:3000000 0:1:3000000
	4095:4097:65537 100:100:10 3000000:1048576:700001 $((size - 5)):7:5"
# options_for WHICH: the option for O_DIRECT, in $options.
options_for() {
	options=()
	[[ $1 == none ]] || options=(-D "$1")
}

for direct in none in out both; do
	options_for $direct
	for flags in none no-share sync,verify sparse; do
		for range in $ranges; do
			IFS=: read -r off_in off_out length <<<"$range"
			reset
			expect_range "$a" "$off_in" "$off_out" "$length"
			copy "${options[@]}" -f $flags -i "$off_in" -o "$off_out" -l "$length" "$a" "$b"
			expect "ret=$length" errno=0
			is_on "$b" expected
		done
	done
done

# From a file and to a file.
for direct in none in out both; do
	options_for $direct
	reset
	expect_range file 12345 54321 1234567
	copy "${options[@]}" -i 12345 -o 54321 -l 1234567 file "$b"
	expect ret=1234567
	is_on "$b" expected
	rm -f out
	copy "${options[@]}" -i 4099 "$b" out
	expect "ret=$((size - 4099))"
	same_part "$b" 4099 out 0 $((size - 4099))
	[[ $(stat -c %s out) -eq $((size - 4099)) ]] || die "size $(stat -c %s out)"

	# The end of a device: of the input, and of the output.
	copy "${options[@]}" -i $size "$a" out
	expect ret=0
	copy "${options[@]}" -i $((size + 4096)) "$a" out
	expect ret=0
	copy "${options[@]}" -i $((size - 4096)) -l 65536 "$a" out
	expect ret=4096
	reset
	expect_range file 0 $((size - 1000000)) 1000000
	copy "${options[@]}" -o $((size - 1000000)) file "$b"
	expect ret=1000000 last=ENOSPC
	is_on "$b" expected
	for at in $size $((size + 1)) $((size + MIB)); do
		copy "${options[@]}" -i 1000000 -o "$at" file "$b"
		expect ret=-1 errno=ENOSPC
	done
	is_on "$b" expected
	[[ $(blockdev --getsize64 "$b") -eq $size ]] || die "the device has another size"

	# Ranges of one device that overlap, also by another name.
	reset
	fill expected 0 $size 2
	rm -f node
	mknod node b "$((0x$(stat -Lc %t "$b")))" "$((0x$(stat -Lc %T "$b")))"
	for other in "$b" node; do
		for range in 0:0:65536 0:4096:65536 4096:0:65536 0:65535:65536; do
			IFS=: read -r off_in off_out length <<<"$range"
			copy "${options[@]}" -i "$off_in" -o "$off_out" -l "$length" "$b" "$other"
			expect ret=-1 errno=EINVAL
		done
		is_on "$b" expected
	done
	# Adjacent ranges do not overlap.
	expect_range "$b" 0 $((2 * MIB)) $((2 * MIB))
	copy "${options[@]}" -o $((2 * MIB)) -l $((2 * MIB)) "$b" node
	expect "ret=$((2 * MIB))"
	is_on "$b" expected
done

# A device that becomes read-only takes nothing more, and one that is can be read.
reset
fill expected 0 $size 2
blockdev --setro "$b"
copy "$b" out
expect "ret=$size"
same "$b" out
blockdev --setrw "$b"
truncate -s $((24 * MIB)) c.image
attach_writable c.image
copy -a $((16 * MIB)) -x "blockdev --setro $device" file "$device"
expect last=EPERM
is "ret >= $((16 * MIB)) && ret < $((20 * MIB))"
same_part file 0 "$device" 0 "${result[ret]}"
attach_writable a.image --read-only
copy "$device" out
expect "ret=$size"
same a.image out
