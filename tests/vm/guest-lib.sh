# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2034
#
# guest-lib.sh - sourced in the guest before a test; tests/lib.sh, and
#
#   $stack $kernel $build   the stack, the release of its kernel, the build
#   find_namespace SERIAL [NSID]   $device is that namespace, by default the first
#   make_partition DEVICE START SECTORS   $device is its only partition, which
#                       no table names; a sector is 512 bytes; needs addpart
#   make_fs KIND DEVICE [OPTION...]   $mnt is the new file system, mounted;
#                       needs the program mkfs.KIND and the module KIND
#   make_dm NAME [TABLE]   $device is a new mapped device; the table, as dmsetup(8) has
#                       it, is on the standard input otherwise; needs dmsetup
#   load_dm NAME TABLE   gives it another table
#   remove_dm NAME      if it is there, as also at the end
#   unmount DIRECTORY   if it is mounted
#   shared_bytes FILE OFFSET LENGTH   how many of these bytes of the file are in
#                       blocks that others use, too; needs filefrag
#
# For tests with the line "reference", see module/README.md:
#
#   add_reference NAME FILE ABI [OPTION...]   /dev/NAME is a disk in that file
#   fault NAME SETTING=VALUE...   what goes wrong in it from now on
#   counter NAME COUNTER    the count since reset_counters NAME
# shellcheck source=../lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

kernel=$(uname -r)

# Names are given in the order in which the kernel finds them, which varies; the
# paths of a multipath namespace are hidden.  It may not have found all yet.
find_namespace() {
	local serial=$1 nsid=${2-1} dir

	for _ in {1..100}; do
		for dir in /sys/block/nvme*; do
			[[ ${dir##*/} != *c*n* && -f $dir/nsid && $(<"$dir/nsid") == "$nsid" ]] || continue
			read -r device <"$dir/device/serial"
			[[ $device != "$serial" ]] || {
				device=/dev/${dir##*/}
				return
			}
		done
		sleep 0.1
	done
	die "no namespace $nsid of the controller $serial"
}

make_partition() {
	local dir

	addpart "$1" 1 "$2" "$3" || die "no partition on $1"
	for dir in "/sys/block/${1##*/}"/*/; do
		[[ ! -f $dir/partition ]] || device=/dev/$(basename "$dir")
	done
	[[ $device != "$1" && -b $device ]] || die "the partition of $1 does not appear"
}

make_fs() {
	local kind=$1

	# They hesitate where they find another one.
	dd if=/dev/zero of="$2" bs=1M count=1 status=none
	mnt=$(mktemp -d /tmp/mnt.XXXXXX)
	"mkfs.$kind" -q "${@:3}" "$2" || die "mkfs.$kind"
	mount -t "$kind" "$2" "$mnt" || die "the kernel does not mount $kind"
	undo+=("unmount '$mnt'")
}

# Without udev, the kernel makes the node.
make_dm() {
	local number

	dmsetup create "$1" --noudevsync ${2+--table "$2"} || die "dmsetup create $1"
	undo+=("remove_dm '$1'")
	number=$(dmsetup info -c --noheadings -o minor "$1")
	device=/dev/dm-$number
	[[ -b $device ]] || die "no $device"
}

load_dm() {
	dmsetup load "$1" --table "$2" && dmsetup resume --noudevsync "$1" || die "dmsetup load $1"
}

remove_dm() {
	! dmsetup info "$1" >/dev/null 2>&1 || dmsetup remove --noudevsync --retry "$1"
}

unmount() {
	! mountpoint -q "$1" || umount "$1"
}

shared_bytes() {
	filefrag -v -b512 "$1" | tr ':.' '  ' | awk -v from=$(($2 / 512)) -v to=$((($2 + $3) / 512)) '
		$1 ~ /^[0-9]+$/ && /shared/ {
			first = $2 > from ? $2 : from
			behind = $3 + 1 < to ? $3 + 1 : to
			if (behind > first)
				n += behind - first
		}
		END { print n * 512 }'
}

# --- the reference block device -----------------------------------------------

add_reference() {
	echo "$*" >/sys/module/copyoff_ref/parameters/add || die "no reference device $*"
	undo+=("remove_reference $1")
}

# Whoever looked at it when it came may not have closed it yet.
remove_reference() {
	[[ -b /dev/$1 ]] || return 0
	for _ in {1..50}; do
		! echo "$1" >/sys/module/copyoff_ref/parameters/remove 2>/dev/null || return 0
		sleep 0.1
	done
	wrong "the device $1 remains"
}

fault() {
	local setting

	for setting in "${@:2}"; do
		echo "${setting#*=}" >"/sys/block/$1/reference/${setting%%=*}" || die "$1: $setting"
	done
}

counter() {
	local name count

	while read -r name count; do
		[[ $name != "$2" ]] || echo "$count"
	done <"/sys/block/$1/reference/counters"
}

reset_counters() {
	echo 0 >"/sys/block/$1/reference/counters"
}
