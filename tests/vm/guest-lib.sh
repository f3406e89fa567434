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
#   unmount DIRECTORY   if it is mounted
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

unmount() {
	! mountpoint -q "$1" || umount "$1"
}
