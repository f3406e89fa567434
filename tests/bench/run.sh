#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
#
# run.sh [--quick] [--rounds N] [--fs NAME | --dir DIRECTORY]...
#        [--scenario TEXT] BENCH COPYOFF
#
# Runs the benchmark on tmpfs, and as root on ext4, XFS and btrfs in images in
# memory, one file system after the other; or only on those named, and in
# existing directories.  BENCH and COPYOFF are the programs that the build made.
# The exit status says only whether it could run.
set -euo pipefail

usage() {
	echo "usage: ${0##*/} [--quick] [--rounds N] [--fs tmpfs|ext4|xfs|btrfs | --dir DIRECTORY]..." \
		"[--scenario TEXT] BENCH COPYOFF" >&2
	exit 2
}

image_mib=5120 # two files of 1 GiB, what they leave behind, and metadata
memory_mib=10240 # image and page cache
options=()
file_systems=()
while [[ ${1-} == --* ]]; do
	case $1 in
	--quick)
		options+=(-q)
		image_mib=1536
		memory_mib=4096
		;;
	--rounds)
		options+=(-r "${2-}")
		shift
		;;
	--fs)
		file_systems+=("${2-}")
		shift
		;;
	--dir)
		file_systems+=("$(realpath "${2-}")")
		shift
		;;
	--scenario)
		options+=(-s "${2-}")
		shift
		;;
	*)
		usage
		;;
	esac
	shift
done
[[ $# -eq 2 ]] || usage
[[ ${#file_systems[@]} -gt 0 ]] || file_systems=(tmpfs ext4 xfs btrfs)
bench=$(realpath "$1")
copyoff=$(realpath "$2")

# /dev/shm is memory wherever it is mounted; otherwise disks are measured.
base=${TMPDIR:-/tmp}
free_mib=$(awk '$1 == "MemAvailable:" { print int($2 / 1024) }' /proc/meminfo)
if [[ $(stat -f -c %T /dev/shm 2>/dev/null) == tmpfs && $free_mib -ge $memory_mib ]]; then
	base=/dev/shm
else
	echo "images are in $base: $free_mib MiB of memory are free, $memory_mib are needed"
fi

dir=$(mktemp -d "$base/copyoff-bench.XXXXXX")
here= # made in a directory of the user
mounted=
device=

detach() {
	if [[ -n $mounted ]]; then
		umount "$mounted" || umount -l "$mounted"
		mounted=
	fi
	if [[ -n $device ]]; then
		losetup -d "$device"
		device=
	fi
	rm -f "$dir/image"
}
cleanup() {
	local status=$?
	trap - EXIT
	detach || true
	rm -rf "$dir" ${here:+"$here"}
	exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# The example is installed as source only.
build_io_uring_cp() {
	local source
	for source in /usr/share/doc/liburing*/examples/io_uring-cp.c{,.gz}; do
		[[ -e $source ]] || continue
		gzip -dcf "$source" >"$dir/io_uring-cp.c"
		if ${CC:-cc} -O2 -o "$dir/io_uring-cp" "$dir/io_uring-cp.c" -luring 2>"$dir/log"; then
			options+=(-u "$dir/io_uring-cp")
		fi
		return
	done
}

# attach NAME: sets $mounted, or returns 1 and says why not.
attach() {
	local fs=$1 flags=(-q)
	if [[ $(id -u) -ne 0 ]]; then
		echo "missing: $fs (needs root)"
		return 1
	fi
	if ! command -v "mkfs.$fs" >/dev/null; then
		echo "missing: $fs (mkfs.$fs is not installed)"
		return 1
	fi
	[[ $fs != ext4 ]] || flags+=(-E "lazy_itable_init=0,lazy_journal_init=0")
	truncate -s "${image_mib}M" "$dir/image"
	if ! "mkfs.$fs" "${flags[@]}" "$dir/image" >"$dir/log" 2>&1; then
		cat "$dir/log"
		echo "missing: $fs (mkfs.$fs failed)"
		return 1
	fi
	mkdir -p "$dir/mnt"
	if ! device=$(losetup --find --show "$dir/image"); then
		echo "missing: $fs (no loop device)"
		return 1
	fi
	if ! mount -t "$fs" -o discard "$device" "$dir/mnt"; then
		echo "missing: $fs (cannot be mounted)"
		return 1
	fi
	mounted=$dir/mnt
}

# measure NAME-OR-DIRECTORY
measure() {
	local fs=$1 where=$dir/tmpfs
	if [[ $fs == /* ]]; then
		here=$(mktemp -d "$fs/copyoff-bench.XXXXXX")
		where=$here
		fs=$(stat -f -c %T "$fs")
	elif [[ $fs == tmpfs ]]; then
		if [[ $base != /dev/shm ]]; then
			echo "missing: tmpfs (see above)"
			return
		fi
		mkdir -p "$where"
	else
		if ! attach "$fs"; then
			detach
			return
		fi
		where=$mounted
	fi
	"$bench" "${options[@]}" -c "$copyoff" "$fs" "$where" | tee "$dir/out"
	grep '^goal' "$dir/out" >>"$dir/goals"
	detach
	[[ -z $here ]] || rmdir "$here"
	here=
}

build_io_uring_cp
: >"$dir/goals"
"$bench" "${options[@]}" -c "$copyoff" -m
for fs in "${file_systems[@]}"; do
	measure "$fs"
done
printf '\nAll goals (met, even: within 5 %%, MISSED, -: not measured):\n'
cat "$dir/goals"
