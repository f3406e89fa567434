#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# Copies beneath block devices and the page caches above: see coherence.c.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"

case=$fs
need losetup blockdev
make_fs xfs "$mnt"

# attach FILE [OPTION...]: the name of the device is in $device.
attach() {
	device=$(losetup --find --show "${@:2}" "$1" 2>>"$work/log") || skip "no loop device"
	undo+=("losetup -d $device")
}

# partition DISK: one from 1 MiB with 16 MiB.
partition() {
	need addpart delpart
	addpart "$1" 1 2048 32768 2>>"$work/log" || skip "no partitions on loop devices here"
	undo+=("delpart $1 1")
	for _ in 1 2 3 4 5; do
		[[ ! -b ${1}p1 ]] || return 0
		sleep 0.2
	done
	skip "no device node for a partition"
}

truncate -s $((32 * MIB)) "$mnt/a" "$mnt/b"
place=()
case $case in
# With a size of whole pages, the cache writes whole pages.
edges) place=(--offset 4608 --sizelimit $((24 * MIB))) ;;
# More than one write(2) takes, and an end within a page.
invalidate) truncate -s $((5 * 1024 * MIB + 512)) "$mnt/b" ;;
invalidate-4096)
	truncate -s $((5 * 1024 * MIB)) "$mnt/b"
	place=(--sector-size 4096)
	;;
esac
attach "$mnt/a" "${place[@]}"
a=$device
attach "$mnt/b" "${place[@]}"
b=$device
# Large folios come from reading ahead.
ahead=$(blockdev --getra "$b")
undo+=("blockdev --setra $ahead $b")
blockdev --setra 8192 "$b"
# In small requests, reads are under way for longer.
limit=/sys/block/${b#/dev/}/queue/max_sectors_kb
undo+=("echo $(<"$limit") >$limit")
echo 16 >"$limit" || skip "requests cannot be made smaller"

case $case in
partition)
	partition "$b"
	devices=("$a" "${b}p1" "$b")
	;;
disk)
	partition "$b"
	devices=("$a" "$b" "${b}p1")
	;;
stacked)
	attach "$b"
	devices=("$a" "$device" "$b")
	;;
*) devices=("$a" "$b") ;;
esac
"$programs/fs-coherence" "${case%-4096}" "${devices[@]}"
# Nothing was written that had not been there.
[[ $case != invalidate* || $(allocated "$mnt/b") -le $((8 * 1024)) ]] ||
	die "$(allocated "$mnt/b") KiB were written"
