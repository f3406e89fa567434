#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
#
# fuse.sh FAULTFS STEP SERIES CASE - a file system and a device that fail where they are
# told to
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../lib.sh
source "$(dirname "$0")/../lib.sh"

faultfs=$1
step=$2
series=$3
case=$4
mib=1048576
size=$((6 * mib))
EIO=5 EXDEV=18 EINVAL=22 ENOSPC=28 ENOSYS=38 EOPNOTSUPP=95 EPERM=1

[[ -r /dev/fuse && -w /dev/fuse ]] || skip "/dev/fuse cannot be used"
need fusermount3
make_work
undo+=(release)
loop=

detach() {
	[[ -z $loop ]] || losetup -d "$loop"
	loop=
}

release() {
	detach
	! mountpoint -q "$work/mnt" || fusermount3 -u "$work/mnt" || fusermount3 -uz "$work/mnt"
}

mkdir "$work/back" "$work/mnt"
src=$work/mnt/src
dst=$work/mnt/dst

# A new mount, new files, and no rules: the kernel remembers some refusals for as
# long as a file system is mounted.  $1: more options of the mount.
start() {
	release
	head -c "$size" /dev/urandom >"$work/back/src"
	head -c "$size" /dev/urandom >"$work/back/dst"
	"$faultfs" "$work/back" "$work/mnt" -s -o "default_permissions${1:+,$1}" 2>"$work/err" ||
		skip "a file system in user space cannot be mounted: $(<"$work/err")"
}

rule() {
	echo "$*" >"$work/mnt/.rules"
}

no_rules() {
	: >"$work/mnt/.rules"
}

# expect COUNT ERRNO BACKEND STEP-ARGUMENTS...: one call does exactly that; "-" is
# whatever it is.
expect() {
	local want=("$1" "$2" "$3") got i
	shift 3
	run 0 "$step" "$@"
	read -r -a got <"$work/.log/out"
	for i in 0 1 2; do
		[[ ${want[i]} == - || ${want[i]} == "${got[i]}" ]] ||
			die "$case: ${got[*]} instead of ${want[*]} ($*)"
	done
	echo "$case: ${got[*]}"
}

# The rest, from the count of the last call on, is copied once there are no faults.
rest() {
	local from
	read -r from _ <"$work/.log/out"
	((from >= 0)) || from=0
	no_rules
	run 0 "$step" "$1" "$2" "$from"
	same "$work/back/src" "$work/back/dst"
}

need_loop() {
	need_root
	losetup -f >/dev/null 2>&1 || skip "there are no loop devices"
	start
	loop=$(losetup -f --show --direct-io=off "$work/mnt/$1" 2>"$work/err") ||
		skip "no loop device: $(<"$work/err")"
}

case $case in
read-eio)
	for backend in copy_file_range readwrite; do
		start
		# The kernel copies, and so it is the kernel that reads.
		rule "copy_file_range $EXDEV 0 $size -1
read $EIO $((2 * mib)) 4096 -1"
		expect $((2 * mib)) $EIO - "$src" "$dst" 0 "$backend"
		expect -1 $EIO none "$src" "$dst" $((2 * mib)) "$backend"
		rest "$src" "$dst"
	done
	;;
write-enospc)
	for backend in copy_file_range readwrite; do
		start
		rule "copy_file_range $EXDEV 0 $size -1
write $ENOSPC $((3 * mib)) $((3 * mib)) -1"
		expect $((3 * mib)) $ENOSPC - "$src" "$dst" 0 "$backend"
		expect -1 $ENOSPC none "$src" "$dst" $((3 * mib)) "$backend"
	done
	;;
server-short)
	# A server with limits of its own: the copy goes on, and is complete.
	start
	rule "copy_file_range 0 0 $size -1 300000"
	expect $size 0 copy_file_range "$src" "$dst" 0
	rest "$src" "$dst"
	;;
server-zero)
	# 0 before the end of the file is no end: another backend goes on.
	start
	rule "copy_file_range 0 $((4 * mib)) $((2 * mib)) -1 0
copy_file_range 0 0 $((4 * mib)) -1 $((4 * mib))"
	expect $size 0 readwrite "$src" "$dst" 0
	rest "$src" "$dst"
	;;
server-refuses)
	# The kernel or the next backend copies.
	for errno in $ENOSYS $EXDEV $EOPNOTSUPP $EPERM $EINVAL; do
		start
		rule "copy_file_range $errno 0 $size -1"
		expect $size 0 - "$src" "$dst" 0
		rest "$src" "$dst"
	done
	;;
server-final)
	# Errors of data and space are not passed over.
	for errno in $EIO $ENOSPC; do
		start
		rule "copy_file_range $errno 0 $size -1"
		expect -1 "$errno" none "$src" "$dst" 0
		rest "$src" "$dst"
	done
	;;
server-lies)
	# More than was asked for is not believed, by the kernel or by the library.
	start
	rule "copy_file_range 0 0 $size -1 +$size"
	run 0 "$step" "$src" "$dst" 0
	read -r count _ <"$work/.log/out"
	((count <= size)) || die "a count of $count was believed"
	echo "$case: $(<"$work/.log/out")"
	rest "$src" "$dst"
	;;
fsync-eio)
	start
	rule "fsync $EIO 0 1 1"
	expect -1 $EIO - "$src" "$dst" 0 sync
	rest "$src" "$dst"
	;;
slow)
	start
	rule "read 0 0 $size -1 $size 5"
	expect $size 0 - "$src" "$dst" 0 readwrite
	rest "$src" "$dst"
	;;
twins)
	# Two files that look like one: nothing kept for one may be used for the other.
	start one_ino
	cp "$dst" "$work/mnt/twin"
	"$series" twins "$work/back/src" "$dst" "$work/mnt/twin"
	;;
dirty-*)
	# Data in a hole, of which the server does not know yet.
	start writeback
	truncate -s "$size" "$work/back/sparse"
	"$series" "$case" "$work/mnt/sparse" "$work/other"
	;;
device-read)
	# A bad block at 2 MiB of a device that is copied to a file.
	for flag in verify direct; do
		need_loop src
		rm -f "$work/copy"
		rule "read $EIO $((2 * mib)) 4096 -1"
		truncate -s "$size" "$work/copy"
		run 0 "$step" "$loop" "$work/copy" 0 "$flag"
		read -r count error backend <"$work/.log/out"
		# Devices are read ahead, and in larger pieces than files.
		((count > 0 && count <= 2 * mib)) || die "$flag: count $count"
		[[ $error -eq $EIO ]] || die "$flag: error $error"
		echo "$case $flag: $count $error $backend"
		expect -1 $EIO none "$loop" "$work/copy" $((2 * mib)) "$flag"
		no_rules
		expect $((size - count)) 0 - "$loop" "$work/copy" "$count" "$flag"
		same "$work/back/src" "$work/copy"
	done
	;;
device-write)
	# A device that takes no more from 4 MiB on.
	need_loop dst
	cp "$work/back/src" "$work/copy"
	rule "write $ENOSPC $((4 * mib)) $((2 * mib)) -1"
	expect -1 - none "$work/copy" "$loop" $((4 * mib)) direct
	read -r _ error _ <"$work/.log/out"
	[[ $error -eq $ENOSPC || $error -eq $EIO ]] || die "error $error"
	# Through the cache, it is found when the bytes are to be on the device.
	expect -1 - none "$work/copy" "$loop" 0 sync
	read -r _ error _ <"$work/.log/out"
	[[ $error -eq $ENOSPC || $error -eq $EIO ]] || die "error $error"
	no_rules
	blockdev --flushbufs "$loop" || true # what is left of the failure
	expect $size 0 - "$work/copy" "$loop" 0 sync
	same "$work/copy" "$work/back/dst"
	;;
*)
	die "there is no case $case"
	;;
esac
