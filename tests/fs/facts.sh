#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# What the library says of loop devices, against what losetup, blockdev, lsblk and stat say.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"

need losetup blockdev lsblk addpart delpart mountpoint
need "mkfs.$fs"
unknown=18446744073709551615
# enum copyoff_answer, copyoff_zoned, copyoff_stack
no=1 yes=2 not_zoned=1 stack_loop=2 stack_virtual=5

cd "$work"
truncate -s 200M "a b.image"

# attach OPTION... FILE: the name of the device is in $device.
attach() {
	device=$(losetup --find --show "$@" 2>>"$work/log") || skip "no loop device"
	# A device that was made read-only would stay so for its next user.
	undo+=("detach $device")
}

detach() {
	if losetup "$1" >/dev/null 2>&1; then
		blockdev --setrw "$1"
		losetup -d "$1"
	fi
}

# facts DEVICE: in words in $description, by name in result.
facts() {
	local lines
	mapfile -t lines < <("$programs/fs-facts" "$1" 2>>"$work/log" || true)
	[[ ${#lines[@]} -eq 2 ]] || die "fs-facts $1: $(tail -n 1 "$work/log")"
	read_result "${lines[0]}"
	description=${lines[1]}
	echo "$description" >>"$work/log"
}

says() {
	[[ $description == "$1" ]] || die "it says \"$description\", not \"$1\""
}

# number FILE: of the device itself, as the kernel has it.
number() {
	echo "$((0x$(stat -Lc %t "$1"))):$((0x$(stat -Lc %T "$1")))"
}

# column NAME DEVICE: what losetup says.
column() {
	losetup --noheadings --output "$1" "$2" | tr -d ' '
}

# compare DEVICE [NAME=VALUE...]: with what the tools say; the rest as given.
compare() {
	facts "$1"
	expect "size=$(blockdev --getsize64 "$1")" "logical=$(blockdev --getss "$1")" \
		"physical=$(blockdev --getpbsz "$1")" \
		"read_only=$(($(blockdev --getro "$1") + 1))" zoned=$not_zoned dm=0 claimed=0
	expect "diskseq=${result[sequence]}"
	expect "${@:2}"
}

# compare_loop DEVICE FILE
compare_loop() {
	expect "stack=$stack_loop" "backing_dev=$(column BACK-MAJ:MIN "$1")" \
		"ino=$(stat -c %i "$2")" "offset=$(column OFFSET "$1")" \
		"limit=$(column SIZELIMIT "$1")" "direct=$(($(column DIO "$1") + 1))"
}

attach -o 4096 --sizelimit $((180 * MIB)) "a b.image"
disk=$device
compare "$disk" partition=$no start=0 "disk=$(number "$disk")" holders=0 mounted=$no \
	backing_rdev=0:0
compare_loop "$disk" "a b.image"
says "disk $(number "$disk"), loop device on $work/a b.image from 4096, 512-byte blocks"
# Since Linux 5.15.
if [[ -f /sys/dev/block/$(number "$disk")/diskseq ]]; then
	expect "sequence=$(cat "/sys/dev/block/$(number "$disk")/diskseq")"
fi

# A partition, which is not at a multiple of anything, and its neighbour.
addpart "$disk" 1 2063 65537 || skip "this kernel knows no partitions of loop devices"
addpart "$disk" 2 67600 260000
undo+=("for part in 1 2; do delpart $disk \$part 2>/dev/null; done; true")
mapfile -t parts < <(lsblk --noheadings --raw --output MAJ:MIN,TYPE "$disk" | awk '$2 == "part" { print $1 }')
[[ ${#parts[@]} -eq 2 ]] || die "lsblk finds ${#parts[@]} partitions"
# Nodes of our own, by number: names mean nothing, and may come late.
mknod node1 b "${parts[0]%:*}" "${parts[0]#*:}"
mknod node2 b "${parts[1]%:*}" "${parts[1]#*:}"
compare node1 partition=$yes start=$((2063 * 512)) "size=$((65537 * 512))" \
	"disk=$(number "$disk")" holders=0 mounted=$no
compare_loop "$disk" "a b.image"
says "partition from $((2063 * 512)) of disk $(number "$disk"), loop device on \
$work/a b.image from 4096, 512-byte blocks"
compare node2 partition=$yes start=$((67600 * 512)) "size=$((260000 * 512))"

# Mounted: it, and the disk it is on, but not its neighbour.
format "$fs" node2
mkdir "$mnt"
mount node2 "$mnt" 2>>"$work/log" || skip "$fs cannot be mounted here"
# Before the partitions go.
undo+=("! mountpoint -q $mnt || umount $mnt")
compare node2 mounted=$yes
says "partition from $((67600 * 512)) of disk $(number "$disk"), loop device on \
$work/a b.image from 4096, 512-byte blocks, mounted"
compare "$disk" mounted=$yes
compare node1 mounted=$no
unmount "$mnt"
compare node2 mounted=$no
compare "$disk" mounted=$no

# Read-only, renamed, removed; each shows at once.
blockdev --setro node1
compare node1 read_only=$yes
compare "$disk" read_only=$no
blockdev --setrw node1
mv "a b.image" c.image
compare "$disk"
compare_loop "$disk" c.image
says "disk $(number "$disk"), loop device on $work/c.image from 4096, 512-byte blocks"
inode=$(stat -c %i c.image)
rm c.image
compare node1 "ino=$inode"
says "partition from $((2063 * 512)) of disk $(number "$disk"), loop device on \
$work/c.image (deleted) from 4096, 512-byte blocks"

# On a block device, with larger blocks, and read-only.
attach --read-only --sector-size 4096 "$disk"
compare "$device" partition=$no read_only=$yes logical=4096 "backing_rdev=$(number "$disk")"
says "disk $(number "$device"), loop device on $disk from 0, 4096-byte blocks, read-only"
detach "$device"

# The number stays, the medium does not.
facts "$disk"
sequence=${result[diskseq]}
delpart "$disk" 1
delpart "$disk" 2
detach "$disk"
facts "$disk"
is "${result[diskseq]} != $sequence || $sequence == 0" "a sequence number is used again"
if losetup "$disk" >>"$work/log" 2>&1; then
	echo "$disk has a new user already"
else
	expect stack=$stack_virtual size=0 "offset=$unknown" "limit=$unknown" ino=0
	says "disk $(number "$disk"), virtual, 512-byte blocks"
fi
