#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# The file system is shut down by force in the middle of a copy: the error is
# told, and what COPYOFF_SYNC promised is on the device.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"

need xfs_io
size=$((96 * MIB))
event=$((32 * MIB))
make_fs tmpfs "$work/other" 220
src=$work/other/src
fill "$src" 0 $size
make_fs "$fs" "$mnt" 400
image=$work/mnt.image
shut_down="xfs_io -x -c shutdown '$mnt'"
probe=$(xfs_io -x -c shutdown "$mnt" 2>&1) || true
[[ -z $probe ]] || skip "$fs: $probe"
unmount_fs "$mnt"
mount_image "$image" "$mnt"

# Mount it again, which repairs it.
again() {
	unmount_fs "$mnt"
	mount_image "$image" "$mnt"
}

prepare() {
	rm -f "$mnt/dst" "$mnt/inside"
	cp "$src" "$mnt/inside"
	sync -f "$mnt"
}

# The destination's file system.  Each way to copy moves on in pieces.
for from in other inside; do
	for flags in none no-share sync verify sparse; do
		for repeat in "" -r; do
			prepare
			file=$src
			[[ $from == other ]] || file=$mnt/inside
			copy ${repeat:+"$repeat"} -f $flags -a $event -x "$shut_down" "$file" "$mnt/dst"
			expect last=EIO
			# With -r the last call comes after the shutdown, and fails.
			[[ -z $repeat ]] || expect errno=EIO
			if [[ $flags == sync ]]; then
				expect ret=-1 errno=EIO
			else
				is "ret >= $event && ret < $size"
			fi
			again
		done
	done
done

# Between the last byte and the end of the call: only SYNC can know.
for from in other inside; do
	prepare
	file=$src
	[[ $from == other ]] || file=$mnt/inside
	copy -f sync -a $size -x "$shut_down" "$file" "$mnt/dst"
	expect ret=-1 errno=EIO last=EIO
	again
done

# The source's file system.
prepare
again
copy -r -a $event -x "$shut_down" "$mnt/inside" "$work/other/dst"
expect errno=EIO last=EIO
is "ret >= $event && ret < $size"
same_part "$src" 0 "$work/other/dst" 0 "${result[ret]}"
rm "$work/other/dst"
again

# What SYNC counted survives: the log is not written any more after the call.
truncate -s $size "$work/other/sparse"
fill "$work/other/sparse" 0 100000
fill "$work/other/sparse" $((40 * MIB)) 100000
for flags in sync sync,no-share sync,sparse sync,verify; do
	for file in "$src" "$work/other/sparse" "$mnt/inside"; do
		rm -f "$mnt/dst" "$mnt/inside"
		cp "$src" "$mnt/inside"
		: >"$mnt/dst"
		sync -f "$mnt"
		copy -f $flags "$file" "$mnt/dst"
		expect "ret=$size"
		eval "$shut_down"
		again
		same "$file" "$mnt/dst"
	done
done

check_fs "$fs" "$mnt"
