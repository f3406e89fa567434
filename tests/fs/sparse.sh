#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# Holes stay holes, and read as zeroes over what was there before.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"

need xfs_io
make_fs "$fs" "$mnt"
cd "$mnt"

# 5 GiB with 1 % of data: 64 KiB in every 6400 KiB, and a hole at the end.
size=$((5120 * MIB))
truncate -s $size src
seq 0 $((6400 * 1024)) $((size - MIB)) | while read -r off; do
	fill src "$off" 65536
done
data=$(allocated src)
((data < 60 * 1024)) || die "the source has $data KiB"

# about FILE KIB: allocated, to an eighth and what a few extents waste.
about() {
	local now
	now=$(allocated "$1")
	((now <= $2 + $2 / 8 + 1024)) || die "$1 has $now KiB, not $2"
	((now + 1024 >= $2 - $2 / 8)) || die "$1 has only $now KiB, not $2"
}

for flags in none no-share sparse no-share,sparse; do
	rm -f dst
	copy -f $flags src dst
	expect "ret=$size" errno=0 last=0
	about dst "$data"
	identical src dst
done
copy -b readwrite src readwrite
about readwrite "$data"
identical src readwrite
rm readwrite

# A destination that was made long before stays sparse.
for flags in none no-share sparse; do
	rm -f dst
	truncate -s $size dst
	copy -f $flags src dst
	expect "ret=$size"
	about dst "$data"
	identical src dst
done
rm dst

# The end is a hole: the destination is as long as the source.
truncate -s $((64 * MIB)) tail
fill tail 0 65536
for flags in none no-share sparse; do
	rm -f dst
	copy -f $flags tail dst
	expect "ret=$((64 * MIB))"
	about dst 64
	same tail dst
done
# Nothing but a hole, to a place with a gap before it.
truncate -s $((8 * MIB)) hole
for flags in none no-share sparse; do
	rm -f dst
	fill dst 0 1000 2
	copy -f $flags -o $((16 * MIB + 1)) hole dst
	expect "ret=$((8 * MIB))"
	[[ $(stat -c %s dst) -eq $((24 * MIB + 1)) ]] || die "size $(stat -c %s dst)"
	about dst 4
	fill expected 0 1000 2
	truncate -s $((24 * MIB + 1)) expected
	same expected dst
	rm expected
done

# Holes over old data: zeroes; with SPARSE, holes.
fill old 0 $((16 * MIB)) 2
truncate -s $((16 * MIB)) holes
fill holes $((4 * MIB)) $((2 * MIB))
fill holes $((12 * MIB)) 100000
for shift in 0 4096 1 3000; do
	fill dst 0 $((16 * MIB)) 2
	cp --sparse=never dst expected
	truncate -s $((16 * MIB + shift)) dst expected
	put_range holes 0 expected $shift $((16 * MIB))
	for flags in none no-share sparse no-share,sparse; do
		cp --sparse=never --reflink=never old dst
		copy -f $flags -o $shift holes dst
		expect "ret=$((16 * MIB))"
		same expected dst
		case $flags in
		no-share) about dst 16384 ;;
		*sparse) about dst $((2048 + 100)) ;;
		esac
	done
	rm expected
done

# Preallocated extents read as zeroes, and so does their copy.
rm -f pre dst
if fallocate -l $((16 * MIB)) pre 2>>"$work/log"; then
	fill pre $((4 * MIB)) 65536
	fill pre $((9 * MIB)) 5000
	for flags in none no-share sparse no-share,sparse,verify; do
		fill dst 0 $((16 * MIB)) 2
		copy -f $flags pre dst
		expect "ret=$((16 * MIB))"
		same pre dst
	done
	# To a preallocated destination: it keeps what it has.
	rm -f dst
	fallocate -l $((16 * MIB)) dst
	copy -f no-share holes dst
	expect "ret=$((16 * MIB))"
	same holes dst
	about dst 16384
fi

# To a device: its file gets back what it deallocates, but for pages that have data, too.
if [[ $fs != tmpfs ]]; then
	need losetup
	fill pattern 0 $((18 * MIB)) 2
	truncate -s $((18 * MIB)) image
	attach image
	for shift in 0 4096 512 1 $((2 * MIB)); do
		cp --sparse=never --reflink=never pattern expected
		put_range holes 0 expected "$shift" $((16 * MIB))
		for flags in no-share sparse no-share,sparse,verify sparse,sync; do
			dd if=pattern of="$device" bs=$MIB conv=notrunc,fsync status=none
			copy -f $flags -o "$shift" holes "$device"
			expect "ret=$((16 * MIB))" last=0
			sync "$device" image
			same expected "$device"
			dd if="$device" iflag=direct bs=$MIB status=none | cmp - expected ||
				die "what is on the device differs"
			case $flags in
			no-share) about image 18432 ;;
			*sparse*) ((shift % 4096 != 0)) || about image $((2048 + 2048 + 100)) ;;
			esac
		done
	done
	losetup -d "$device"
	unset 'undo[-1]'
fi

# Data that is not on the device yet is no hole.
rm -f dst
fill fresh $((3 * MIB)) "$MIB" 6
copy -f no-share fresh dst
expect "ret=$((4 * MIB))"
same fresh dst

cd /
check_fs "$fs" "$mnt"
