# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# shellcheck shell=bash
#
# Sourced by the tests on real file systems, which are called with the name of
# a file system and the directory of the programs fs-copy, fs-fill and so on.
#
# A test runs in a mount namespace of its own, and its loop devices detach when
# they are unmounted: nothing is left behind, however it ends, but a directory
# of images, which is removed unless the test is killed.
#
# shellcheck disable=SC2034  # variables for those who source this
# shellcheck source=../lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

fs=$1
programs=$(realpath "$2")

if [[ ${COPYOFF_TEST_NAMESPACE:-} != "$$" ]]; then
	need_root
	need unshare
	unshare -m true 2>/dev/null || skip "mount namespaces are not allowed here"
	COPYOFF_TEST_NAMESPACE=$$ exec unshare -m --propagation private "$BASH" "$0" "$@"
fi

make_work "${COPYOFF_TEST_TMP-}"
logs+=("$work/log") # what was said last explains most failures
undo+=(unmount_all)
mounts=()

unmount_all() {
	local i status=0

	for ((i = ${#mounts[@]} - 1; i >= 0; i--)); do
		unmount "${mounts[i]}" || status=1
	done
	return "$status"
}

# A process that was killed may take a moment to let go.
unmount() {
	for _ in 1 2 3 4 5; do
		umount "$1" 2>/dev/null && return 0
		sleep 0.2
	done
	umount "$1" || umount -l "$1"
}

# --- file systems ---------------------------------------------------------

format() {
	local kind=$1 image=$2
	case $kind in
	xfs) mkfs.xfs -q -f -m reflink=1 "$image" ;;
	xfs-1k) mkfs.xfs -q -f -m reflink=1 -b size=1024 "$image" ;;
	xfs-noreflink) mkfs.xfs -q -f -m reflink=0 "$image" ;;
	btrfs) mkfs.btrfs -q -f "$image" ;;
	ext4) mkfs.ext4 -q -F "$image" ;;
	ext4-quota) mkfs.ext4 -q -F -O quota "$image" ;;
	*) die "no file system $kind" ;;
	esac >>"$work/log" 2>&1 || die "mkfs for $kind"
}

tools_of() {
	case $1 in
	xfs* | overlay-xfs) echo mkfs.xfs xfs_repair xfs_io ;;
	btrfs) echo mkfs.btrfs btrfs ;;
	ext4* | overlay-ext4) echo mkfs.ext4 e2fsck ;;
	esac
}

# mount_image IMAGE DIRECTORY [OPTIONS]
mount_image() {
	mkdir -p "$2"
	mount -o "loop${3:+,$3}" "$1" "$2" 2>>"$work/log" ||
		skip "$(basename "$1"): no loop device, or the kernel cannot mount it"
	mounts+=("$2")
}

# make_fs KIND DIRECTORY [MIB [OPTIONS]]: an empty file system, mounted there.
make_fs() {
	local kind=$1 dir=$2 mib=${3:-1024} options=${4:-} image
	image=$work/$(basename "$dir").image
	# shellcheck disable=SC2046  # words
	need $(tools_of "$kind")
	case $kind in
	tmpfs)
		mkdir -p "$dir"
		mount -t tmpfs -o "size=${mib}m" tmpfs "$dir" || skip "tmpfs cannot be mounted"
		mounts+=("$dir")
		;;
	overlay-*)
		make_fs "${kind#overlay-}" "$dir.base" "$mib"
		mkdir "$dir" "$dir.base"/{lower,upper,work}
		mount -t overlay -o \
			"lowerdir=$dir.base/lower,upperdir=$dir.base/upper,workdir=$dir.base/work" \
			overlay "$dir" 2>>"$work/log" || skip "overlay cannot be mounted on $kind"
		mounts+=("$dir")
		;;
	*)
		truncate -s "${mib}M" "$image"
		format "$kind" "$image"
		mount_image "$image" "$dir" "$options"
		;;
	esac
}

forget_mount() {
	local dir kept=()
	for dir in "${mounts[@]}"; do
		[[ $dir == "$1" ]] || kept+=("$dir")
	done
	mounts=("${kept[@]}")
}

unmount_fs() {
	unmount "$1"
	forget_mount "$1"
}

# check_fs KIND DIRECTORY: unmount it; its own checker finds nothing wrong.
check_fs() {
	local kind=$1 dir=$2 image
	image=$work/$(basename "$dir").image
	unmount_fs "$dir"
	case $kind in
	overlay-*) check_fs "${kind#overlay-}" "$dir.base" ;;
	xfs*) xfs_repair -n "$image" >>"$work/log" 2>&1 || die "xfs_repair -n" ;;
	btrfs) btrfs check --readonly "$image" >>"$work/log" 2>&1 || die "btrfs check" ;;
	ext4*) e2fsck -fn "$image" >>"$work/log" 2>&1 || die "e2fsck -fn" ;;
	esac
}

# Does the file system share extents?
shares() {
	case $1 in
	xfs | xfs-1k | btrfs | overlay-xfs) return 0 ;;
	*) return 1 ;;
	esac
}

# --- files ----------------------------------------------------------------

fill() {
	"$programs/fs-fill" "$@" || die "fill $*"
}

free_kib() {
	sync -f "$1"
	df --output=avail -k "$1" | tail -n 1
}

# extent_bytes FILE MASK: bytes below the end of the file in extents with one of
# these flags, or in any extent if MASK is 0.
extent_bytes() {
	sync -f "$1"
	xfs_io -r -c 'fiemap -v' "$1" | awk -v mask="$2" -v size="$(stat -c %s "$1")" '
		function hex(s,   i, n) {
			for (i = 3; i <= length(s); i++)
				n = n * 16 + index("0123456789abcdef", substr(s, i, 1)) - 1
			return n
		}
		BEGIN { limit = int((size + 4095) / 4096) * 4096 }
		# 0: [FIRST..LAST]: BLOCKS COUNT FLAGS, in sectors
		$1 ~ /^[0-9]+:$/ && $NF ~ /^0x/ && (mask == 0 || int(hex($NF) / mask) % 2 == 1) {
			split($2, sector, /[^0-9]+/)
			start = sector[2] * 512
			end = (sector[3] + 1) * 512
			# XFS allocates ahead of the end.
			if (end > limit)
				end = limit
			if (end > start)
				sum += end - start
		}
		END { printf "%.0f\n", sum }'
}

shared_bytes() {
	extent_bytes "$1" $((0x2000)) # FIEMAP_EXTENT_SHARED
}

# What is allocated, in KiB.
allocated() {
	if [[ $(stat -f -c %T "$1") == tmpfs ]]; then
		echo $(($(stat -c '%b * %B' "$1") / 1024))
	else
		echo $(($(extent_bytes "$1" 0) / 1024))
	fi
}

# identical FILE FILE: equal; large holes in them take no time.
identical() {
	"$programs/fs-same" "$1" "$2" >>"$work/log" || die "$1 and $2 differ"
}

# same_part FILE OFFSET FILE OFFSET LENGTH
same_part() {
	cmp -i "$2:$4" -n "$5" "$1" "$3" >>"$work/log" 2>&1 ||
		die "$5 bytes from $2 of $1 and from $4 of $3 differ"
}

# --- copies ---------------------------------------------------------------

declare -A result=()

read_result() {
	local word words=()
	result=()
	read -r -a words <<<"$1"
	for word in "${words[@]}"; do
		result[${word%%=*}]=${word#*=}
	done
	echo "$1" >>"$work/log"
}

# copy ARGUMENT...: fs-copy, which must not fail itself; what it says is in result.
copy() {
	local line
	echo "copy $*" >>"$work/log"
	line=$("$programs/fs-copy" "$@" 2>>"$work/log") || die "fs-copy $*: status $?"
	read_result "$line"
}

# expect NAME=VALUE...: of the last copy.
expect() {
	local word
	for word; do
		[[ ${result[${word%%=*}]-} == "${word#*=}" ]] ||
			die "${word%%=*} is ${result[${word%%=*}]-}, not ${word#*=}"
	done
}

# is EXPRESSION: of arithmetic, with the counts of the last copy as variables.
is() {
	local ret=${result[ret]-0} calls=${result[calls]-0} offloaded=${result[offloaded]-0}
	local reflink=${result[reflink]-0} copy_file_range=${result[copy_file_range]-0}
	local uring=${result[uring]-0} readwrite=${result[readwrite]-0}
	(($1)) || die "not true: $1 (${*:2})"
}

MIB=$((1 << 20))
mnt=$work/mnt
