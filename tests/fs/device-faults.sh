#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# Copies between loop devices when something goes wrong above, beneath or with
# them: what is counted was copied, nothing else was changed, nothing stays.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname "$0")/common.sh"

need losetup blockdev
size=$((32 * MIB))
guard=$((MIB + 4096)) # of the destination, before and behind what is copied
event=$((8 * MIB))
faults=$programs/fs-device-faults
attached=()
held=() # descriptors of them

# The backing file of each loop device, but of those that others use.
ours() {
	losetup -a | grep -F "$work/" | grep -vF "mnt.image" || true
}

# attach FILE [OPTION...]: the name of the device is in $device.  It is kept open:
# the last one who closes a device drops its cache, right or wrong.
attach() {
	local fd
	device=$(losetup --find --show "${@:2}" "$1" 2>>"$work/log") || skip "no loop device"
	attached+=("$device")
	exec {fd}<"$device"
	held+=("$fd")
}
let_go() {
	local fd
	for fd in "${held[@]}"; do
		exec {fd}<&-
	done
	held=()
}

# A device that was detached may have been taken by another test since then.
is_ours() {
	local file
	file=$(losetup --noheadings --output BACK-FILE "$1" 2>/dev/null) &&
		[[ $file == "$work/"* || $file == /dev/* ]]
}

# The last one first, since one may lie on another.
detach_all() {
	local i device
	let_go
	for ((i = ${#attached[@]} - 1; i >= 0; i--)); do
		device=${attached[i]}
		is_ours "$device" || continue
		# A device that was made read-only would stay so for its next user.
		blockdev --setrw "$device" 2>/dev/null || true
		losetup -d "$device" || return 1
	done
	attached=()
}
undo+=(detach_all)

# After a test: no device and no mount is left.
finish() {
	local left
	detach_all || die "losetup -d"
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		left=$(ours)
		[[ -n $left ]] || break
		sleep 0.1
	done
	[[ -z $left ]] || die "left attached: $left"
	[[ $(grep -cF " $work/" /proc/self/mounts) -eq $mounts_before ]] || die "a mount is left"
	echo "$fs: $*"
}

# try_faults ARGUMENT...: what it says is in result, and in $said.
try_faults() {
	echo "faults $*" >>"$work/log"
	said=$(timeout -k 5 60 "$faults" "$@" 2>>"$work/log") || return
	read_result "${said%%$'\n'*}"
}
run_faults() {
	try_faults "$@" || die "fs-device-faults $*: status $?"
}

# verdict WORDS IN OUT [OPTION...]: the loop backend declines with these words.
declines() {
	run_faults -v "${@:4}" "$2" "$3"
	expect plan=0 usable=0
	[[ $said == *"$1"* ]] || die "not said: $1, but: $said"
}
accepts() {
	run_faults -v "$1" "$2"
	expect plan=0 usable=1
}

# Two images: the source is full, the destination has guards and other data.
images() {
	rm -f "$mnt"/*.image
	fill "$mnt/a.image" 0 $size 1
	fill "$mnt/b.image" 0 $((size + 2 * guard)) 2
	sync -f "$mnt"
}
pair() {
	images
	attach "$mnt/a.image" && a=$device
	attach "$mnt/b.image" && b=$device
}

# holds FILE COUNT: in a destination or its image, COUNT bytes are copied, and the
# guards are untouched; what is between is not looked at.
holds() {
	cmp -i "0:$guard" -n "$2" "$work/src" "$1" >>"$work/log" 2>&1 ||
		die "$1: the first $2 bytes are not those of the source"
	cmp -n $guard "$work/dst" "$1" >>"$work/log" 2>&1 || die "$1: changed before the copy"
	cmp -i $((guard + size)) "$work/dst" "$1" >>"$work/log" 2>&1 ||
		die "$1: changed behind the copy"
}
# The same for the rest, where nothing may have come yet.
untouched_from() {
	cmp -i $((guard + $2)) "$work/dst" "$1" >>"$work/log" 2>&1 || die "$1: changed behind $2"
}
# Through the cache, without it, and in the file.
holds_everywhere() {
	holds "$b" "$1"
	dd if="$b" of="$work/direct" iflag=direct bs=1M status=none
	holds "$work/direct" "$1"
	sync "$b"
	holds "$mnt/b.image" "$1"
}

make_fs "$fs" "$mnt" 400
fill "$work/src" 0 $size 1
fill "$work/dst" 0 $((size + 2 * guard)) 2
fill "$work/src2" 0 $size 3
mounts_before=$(grep -cF " $work/" /proc/self/mounts)
copy_all=(-o "$guard" -l "$size")

# --- as a measure: nothing goes wrong ----------------------------------------------

pair
run_faults "${copy_all[@]}" "$a" "$b"
expect "ret=$size" errno=0 "loop=$size"
holds_everywhere $size
finish "nothing goes wrong"

# --- the files beneath ---------------------------------------------------------------

# Leave about 6 MiB, and what ext4 reserves for root; XFS frees what was deleted
# some time later.
fill_up() {
	local left used=0
	for _ in 1 2 3 4 5 6; do
		left=$(($(free_kib "$mnt") - 6 * 1024))
		((left > 256)) || break
		fallocate -o $((used * 1024)) -l $((left * 1024)) "$mnt/filler" ||
			die "cannot fill the file system"
		used=$((used + left))
		sleep 0.1
	done
	((left <= 256)) || die "$left KiB more than wanted are free"
}

if ! shares "$fs"; then
	images
	rm "$mnt/b.image"
	fill "$mnt/b.image" 0 $guard 2
	truncate -s $((guard + size)) "$mnt/b.image"
	fill "$mnt/b.image" $((guard + size)) $guard 2
	attach "$mnt/a.image" && a=$device
	attach "$mnt/b.image" && b=$device
	fill_up
	run_faults "${copy_all[@]}" "$a" "$b"
	expect last=ENOSPC
	is "ret > 0 && ret < $size"
	expect "loop=${result[ret]}"
	holds_everywhere "${result[ret]}"
	[[ $(stat -c %s "$mnt/b.image") -eq $((size + 2 * guard)) ]] || die "the image has another size"
	# With room, it goes on.
	done_bytes=${result[ret]}
	rm "$mnt/filler"
	sync -f "$mnt"
	run_faults -i "$done_bytes" -o $((guard + done_bytes)) -l $((size - done_bytes)) "$a" "$b"
	expect "ret=$((size - done_bytes))" errno=0
	holds_everywhere $size
	finish "file system full after $done_bytes bytes"
fi

shutdown_is_known() {
	[[ $fs != btrfs ]] && command -v xfs_io >/dev/null
}
if shutdown_is_known; then
	shut_down="xfs_io -x -c shutdown '$mnt'"
	image=$work/mnt.image
	pair
	# What was synced before is there afterwards.
	run_faults -s "${copy_all[@]}" "$a" "$b"
	expect "ret=$size"
	# What is cached of the source could be read all the same.
	blockdev --flushbufs "$a"
	run_faults -a $event -x "$shut_down" "${copy_all[@]}" "$a" "$b"
	expect last=EIO
	is "ret >= $event && ret < $size"
	run_faults "${copy_all[@]}" "$a" "$b"
	expect ret=-1 errno=EIO
	# The devices hold the file system.
	detach_all
	unmount_fs "$mnt"
	mount_image "$image" "$mnt"
	holds "$mnt/b.image" $size
	finish "shut down"
fi

# The source ends in its middle.  Linux lets one read whatever was in memory for
# a while behind that (dd does, too), then fails.
for when in before middle; do
	pair
	left=$((20 * MIB + 12345))
	if [[ $when == before ]]; then
		truncate -s $left "$mnt/a.image"
		run_faults "${copy_all[@]}" "$a" "$b"
	else
		run_faults -a $event -x "truncate -s $left '$mnt/a.image'" "${copy_all[@]}" "$a" "$b"
	fi
	expect last=EIO "loop=$((20 * MIB))"
	is "ret >= 20 * $MIB && ret < $size"
	holds "$b" $((result[ret] < left ? result[ret] : left))
	untouched_from "$b" $((result[ret] + MIB))
	finish "source truncated, $when"
done

# The destination: what is written there makes it longer, as write(2) does.
for options in "" "-a $event"; do
	pair
	cut="truncate -s $((guard + 20 * MIB)) '$mnt/b.image'"
	if [[ -z $options ]]; then
		eval "$cut"
		run_faults "${copy_all[@]}" "$a" "$b"
	else
		run_faults -a $event -x "$cut" "${copy_all[@]}" "$a" "$b"
	fi
	expect "ret=$size" errno=0 "loop=$((20 * MIB))"
	sync "$b"
	cmp -i "0:$guard" -n $size "$work/src" "$mnt/b.image" || die "the copy is wrong"
	cmp -n $guard "$work/dst" "$mnt/b.image" || die "changed before the copy"
	finish "destination truncated $options"
done

# The path leads nowhere, or to another file.
pair
mv "$mnt/b.image" "$mnt/moved"
accepts "$a" "$b"
ln "$mnt/moved" "$mnt/other"
rm "$mnt/moved"
cp "$mnt/other" "$mnt/b.image"
declines "cannot be found by its path" "$a" "$b"
run_faults "${copy_all[@]}" "$a" "$b"
expect "ret=$size" errno=0 loop=0
sync "$b"
holds "$mnt/other" $size
cmp "$work/dst" "$mnt/b.image" || die "a file of the same name was written to"
finish "deleted, with another file of that name"
pair
rm "$mnt/b.image"
# What the kernel says of it is a name that a file may have.
cp "$work/dst" "$mnt/b.image (deleted)"
declines "cannot be found by its path" "$a" "$b"
run_faults "${copy_all[@]}" "$a" "$b"
expect "ret=$size" errno=0 loop=0
holds "$b" $size
cmp "$work/dst" "$mnt/b.image (deleted)" || die "another file was written to"
rm "$mnt/b.image (deleted)"
finish "deleted"
pair
line=$(unshare -m --propagation private sh -c \
	"umount -l '$mnt' && '$faults' -o $guard -l $size '$a' '$b'" 2>>"$work/log") ||
	die "in another mount namespace"
read_result "$line"
expect "ret=$size" errno=0 loop=0
holds_everywhere $size
finish "in another mount namespace"

# --- the devices ------------------------------------------------------------------------

# Detached while it is open: the device goes when the copy is done.
pair
run_faults -a $event -x "losetup -d $b && losetup -d $a" "${copy_all[@]}" "$a" "$b"
attached=()
expect "ret=$size" errno=0
holds "$mnt/b.image" $size
finish "detached"

# Set up anew between two copies of one context, with other files.  Between that,
# another process may take a device; then the second copy is not made.
for try in 1 2 3 4 5; do
	pair
	fill "$mnt/a2.image" 0 $size 3
	fill "$mnt/b2.image" 0 $((size + 2 * guard)) 2
	let_go
	anew="losetup -d $a && losetup -d $b && losetup $a '$mnt/a2.image' && losetup $b '$mnt/b2.image'"
	! try_faults -b -r -x "$anew" "${copy_all[@]}" "$a" "$b" || break
	((try < 5)) || die "the devices cannot be set up anew"
	detach_all || die "losetup -d"
done
expect "first_ret=$size" "first_loop=$size" "ret=$size" "loop=$size"
sync "$b"
holds "$mnt/b.image" $size
cmp -i "0:$guard" -n $size "$work/src2" "$mnt/b2.image" || die "not a copy of the second file"
finish "set up anew with other files"

# Made larger between two copies of one context, and all of it cached.
pair
detach_all
truncate -s $((guard + event)) "$mnt/b.image"
attach "$mnt/a.image" && a=$device
attach "$mnt/b.image" && b=$device
grow="cp '$work/dst' '$mnt/b.image' && losetup -c $b && cat $b >'$work/direct'"
run_faults -b -x "$grow" "${copy_all[@]}" "$a" "$b"
expect "first_ret=$event" first_last=ENOSPC "ret=$size"
holds_everywhere $size
finish "made larger"

# The offset of the destination, and of the source, and the file of the source.
shift=$((guard / 2 / 4096 * 4096))
for which in a b file; do
	for when in between middle; do
		images
		fill "$mnt/a2.image" 0 $size 3
		cp "$mnt/a.image" "$mnt/a.old"
		attach "$mnt/a.image" --read-only && a=$device
		attach "$mnt/b.image" && b=$device
		case $which in
		a) change="'$faults' set-offset 8192 $a" ;;
		b) change="'$faults' set-offset $shift $b" ;;
		file) change="'$faults' change-file '$mnt/a2.image' $a" ;;
		esac
		len=$((size / 2))
		if [[ $when == between ]]; then
			run_faults -b -x "$change" -o $guard -l $len "$a" "$b"
			expect "first_ret=$len" "first_loop=$len" "ret=$len"
			before=0
		else
			run_faults -a $event -x "$change" -o $guard -l $len "$a" "$b"
			expect "ret=$len"
			before=$event
		fi
		sync "$b"
		# The first part went where all was as it was first, the rest to the new place.
		cp "$work/dst" "$work/expected"
		part() {
			dd if="$1" of="$work/expected" bs=64K iflag=skip_bytes,count_bytes \
				oflag=seek_bytes conv=notrunc status=none skip="$2" seek="$3" count="$4"
		}
		if [[ $when == between ]]; then
			part "$work/src" 0 $guard $len
		else
			part "$work/src" 0 $guard $before
		fi
		case $which in
		a) part "$work/src" $((before + 8192)) $((guard + before)) $((len - before)) ;;
		b) part "$work/src" $before $((guard + shift + before)) $((len - before)) ;;
		file) part "$work/src2" $before $((guard + before)) $((len - before)) ;;
		esac
		same "$work/expected" "$mnt/b.image"
		same "$mnt/a.image" "$mnt/a.old"
		finish "$which changed, $when"
	done
done

# Killed, and done again.
pair
status=0
# system(3) runs a shell, so the parent is the copy.
# shellcheck disable=SC2016
"$faults" -a $event -x 'kill -9 $PPID' "${copy_all[@]}" "$a" "$b" >>"$work/log" 2>&1 || status=$?
[[ $status -eq 137 ]] || die "status $status of a copy that was killed"
holds "$b" $event
untouched_from "$b" $((event + MIB))
run_faults "${copy_all[@]}" "$a" "$b"
expect "ret=$size" "loop=$size"
holds_everywhere $size
finish "killed"

# Read-only, from the beginning and later.
images
attach "$mnt/a.image" && a=$device
attach "$mnt/b.image" --read-only && b=$device
accepts "$a" "$mnt/b.image"
run_faults "${copy_all[@]}" "$a" "$b"
expect ret=-1 errno=EPERM
cmp "$work/dst" "$mnt/b.image" || die "a read-only device was written to"
run_faults -l $size "$b" "$a"
expect "ret=$size" "loop=$size"
finish "read-only destination"
for when in between middle; do
	pair
	if [[ $when == between ]]; then
		run_faults -b -x "blockdev --setro $b" "${copy_all[@]}" "$a" "$b"
		expect "first_ret=$size" ret=-1 errno=EPERM
		holds "$mnt/b.image" $size
	else
		run_faults -a $event -x "blockdev --setro $b" "${copy_all[@]}" "$a" "$b"
		expect last=EPERM
		is "ret >= $event && ret < $size"
		holds_everywhere "${result[ret]}"
		untouched_from "$mnt/b.image" "${result[ret]}"
	fi
	finish "made read-only, $when"
done

# Stacked, in a file system on a loop device, and on one file.
pair
attach "$b" -o 4096 && top=$device
# Both have all of it cached.
cat "$b" "$top" >"$work/direct"
run_faults -o $((guard - 4096)) -l $size "$a" "$top"
expect "ret=$size" "loop=$size"
cmp -i "0:$((guard - 4096))" -n $size "$work/src" "$top" || die "wrong by its cache"
dd if="$top" of="$work/direct" iflag=direct bs=1M status=none
cmp -i "0:$((guard - 4096))" -n $size "$work/src" "$work/direct" || die "wrong without its cache"
sync "$top" "$b"
holds_everywhere $size
run_faults -l $MIB -i 0 -o $((2048 + MIB)) "$b" "$top"
expect "ret=$MIB"
for range in "0:0" "4096:0" "4096:$MIB" "$((MIB + 4095)):0" "0:$((MIB - 4097))"; do
	IFS=: read -r off_in off_out <<<"$range"
	run_faults -l $MIB -i "$off_in" -o "$off_out" "$b" "$top"
	if ((off_in - off_out - 4096 < MIB && off_out + 4096 - off_in < MIB)); then
		expect ret=-1 errno=EINVAL
	else
		expect "ret=$MIB"
	fi
done
finish "a loop device on a loop device"

images
attach "$mnt/b.image" && a=$device
attach "$mnt/b.image" -o $((16 * MIB)) && b=$device
# Byte 0 of b is byte 16 MiB of a.
for off_out in 0 512 $((MIB - 1)); do
	run_faults -i $((16 * MIB)) -o "$off_out" -l $MIB "$a" "$b"
	expect ret=-1 errno=EINVAL
done
run_faults -o 512 -l $MIB -i $((16 * MIB)) "$mnt/b.image" "$b"
expect ret=-1 errno=EINVAL
run_faults -i 0 -o $((15 * MIB + 1)) -l $MIB "$b" "$mnt/b.image"
expect ret=-1 errno=EINVAL
same "$work/dst" "$mnt/b.image"
run_faults -i $((2 * MIB)) -o $((2 * MIB)) -l $((4 * MIB)) "$a" "$b"
expect "ret=$((4 * MIB))" "loop=$((4 * MIB))"
cmp -i $((2 * MIB)) -n $((4 * MIB)) "$work/dst" "$b" || die "wrong copy within a file"
cmp -i $((2 * MIB)):$((18 * MIB)) -n $((4 * MIB)) "$work/dst" "$mnt/b.image" || die "wrong place"
cmp -n $((18 * MIB)) "$work/dst" "$mnt/b.image" || die "changed before the copy"
finish "two devices on one file"

# Nothing, and less than nothing.
pair
: >"$mnt/empty"
attach "$mnt/empty" && empty=$device
run_faults "${copy_all[@]}" "$empty" "$b"
expect ret=0 errno=0
run_faults -l 4096 "$a" "$empty"
expect ret=-1 errno=ENOSPC
cmp "$work/dst" "$b" || die "changed by nothing"
run_faults -l 4096 -O out-read "$a" "$b"
expect ret=-1 errno=EBADF
run_faults -l 4096 -O in-write "$a" "$b"
expect ret=-1 errno=EBADF
run_faults -l 4096 -O in-path "$a" "$b"
expect ret=-1 errno=EBADF
run_faults -l 4096 -O out-path "$a" "$b"
expect ret=-1 errno=EBADF
for word in "-O out-read:not open for writing" "-O in-path:not an open file"; do
	# shellcheck disable=SC2086  # words
	run_faults -v ${word%%:*} "$a" "$b"
	expect plan=EBADF
	[[ $said == *"${word#*:}"* ]] || die "not said: ${word#*:}"
done
run_faults -l 4096 /dev/zero "$b"
expect ret=-1 errno=EINVAL
run_faults -l 4096 "$a" /dev/null
expect ret=-1 errno=EINVAL
run_faults -v "$a" /dev/null
[[ $said == *"neither a regular file nor a block device"* ]] || die "said: $said"
cmp "$work/dst" "$b" || die "changed by a copy that was refused"
# To open a device once more and close it would drop locks of the process.
run_faults -l 4096 -L "$a" "$b"
expect ret=4096 errno=0 locked=3
finish "no devices"

# --- with a file system on them -----------------------------------------------------------

# The destination is mounted: as write(2) does it, and not behind its back.
pair
mkfs.ext4 -q -F "$b" >>"$work/log" 2>&1 || die "mkfs.ext4"
mkdir -p "$work/on"
mount "$b" "$work/on"
mounts+=("$work/on")
declines "mounted" "$a" "$b"
[[ ${result[error]} == EBUSY ]] || die "error ${result[error]}"
declines "mounted" "$mnt/a.image" "$b"
# Its last block, that no file has.
last=$(($(blockdev --getsize64 "$b") - 4096))
run_faults -o "$last" -l 4096 "$a" "$b"
expect ret=4096 loop=0
cmp -i 0:"$last" -n 4096 "$work/src" "$b" || die "the write is not seen"
unmount_fs "$work/on"
finish "mounted destination"
# Mounted between two copies of one context.
pair
run_faults -b -x "mkfs.ext4 -q -F $b && mount $b '$work/on'" -o "$last" -l 4096 "$a" "$b"
mounts+=("$work/on")
expect first_ret=4096 first_loop=4096 ret=4096 loop=0
unmount_fs "$work/on"
finish "mounted later"

# An idle file system is copied while it is mounted; its copy is whole.
whole() {
	local kind=$1
	rm -f "$mnt"/*.image
	truncate -s "$2" "$mnt/a.image"
	format "$kind" "$mnt/a.image"
	cp --sparse=always "$mnt/a.image" "$mnt/b.image"
	fill "$mnt/b.image" 0 $MIB 2
	attach "$mnt/a.image" && a=$device
	attach "$mnt/b.image" && b=$device
	mount "$a" "$work/on" 2>>"$work/log" || skip "$kind cannot be mounted"
	mounts+=("$work/on")
	for i in 1 2 3 4 5 6 7 8; do
		fill "$work/on/$i" 0 $((i * 123457)) "$i"
		mkdir "$work/on/d$i"
		fill "$work/on/d$i/f" $((i * 10000)) 54321 "$i"
	done
	sync -f "$work/on"
	(cd "$work/on" && find . -type f -exec sha256sum {} + | sort) >"$work/sums"
	run_faults -l "$2" "$a" "$b"
	expect "ret=$2"
	((result[loop] > 0)) || die "not by the loop backend"
	(cd "$work/on" && sha256sum --quiet -c "$work/sums") || die "the source changed"
	unmount_fs "$work/on"
	# What a mount replays, the log of XFS and that of ext4, is not empty on a
	# device that is mounted.
	options=defaults
	check=(e2fsck -fn)
	if [[ $kind == xfs ]]; then
		options=nouuid
		check=(xfs_repair -n)
	fi
	mount -o $options "$b" "$work/on" || die "the copy cannot be mounted"
	umount "$work/on"
	"${check[@]}" "$b" >>"$work/log" 2>&1 || die "${check[*]}"
	mount -o "ro,$options" "$b" "$work/on"
	mounts+=("$work/on")
	(cd "$work/on" && find . -type f -exec sha256sum {} + | sort) | cmp - "$work/sums" ||
		die "the files of the copy differ"
	unmount_fs "$work/on"
	finish "copy of a mounted $kind"
}
need mkfs.ext4 e2fsck mkfs.xfs xfs_repair
whole ext4 $((64 * MIB))
# Two of the smallest fit only where they share.
! shares "$fs" || whole xfs $((300 * MIB))

check_fs "$fs" "$mnt"
