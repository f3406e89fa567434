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
# With a size of whole pages, the cache writes whole pages.
[[ $case != edges ]] || place=(--offset 4608 --sizelimit $((24 * MIB)))
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
"$programs/fs-coherence" "$case" "${devices[@]}"
