#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# A long random run over two loop devices, a partition, their backing file and
# another file, against a model.  It prints its seed; COPYOFF_TEST_SEED repeats
# it.  The argument is the file system of the backing files.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname "$0")/common.sh"

need losetup blockdev addpart delpart
variants=(buffered direct offset odd 4k limit stacked)
export COPYOFF_TEST_SEED=${COPYOFF_TEST_SEED:-$(date +%s)}
total=${COPYOFF_TEST_OPS:-20000}
export COPYOFF_TEST_OPS=$(((total + ${#variants[@]} - 1) / ${#variants[@]}))
echo "COPYOFF_TEST_SEED=$COPYOFF_TEST_SEED COPYOFF_TEST_OPS=$total"
make_fs "$fs" "$mnt" 600

size=$((16 * MIB))
part_start=$((2 * MIB + 512)) # of the partition, which is 8 MiB
attached=()

# attach FILE [OPTION...]: the name of the device is in $device.
attach() {
	device=$(losetup --find --show "${@:2}" "$1" 2>>"$work/log") || return 1
	attached+=("$device")
}
detach_all() {
	local i
	for ((i = ${#attached[@]} - 1; i >= 0; i--)); do
		delpart "${attached[i]}" 1 2>/dev/null || true # not all have one
		losetup -d "${attached[i]}" || return 1
	done
	attached=()
}
undo+=(detach_all)

# add_partition DEVICE BLOCK: in sectors of 512 bytes whatever the blocks are.
add_partition() {
	local start=$((part_start / $2 * $2)) try
	for try in 1 2 3 4 5 6; do
		((try < 6)) || return 1
		# One of the device's last user may be there, or going.
		delpart "$1" 1 2>/dev/null || true
		addpart "$1" 1 $((start / 512)) $((8 * MIB / 512)) 2>>"$work/log" && break
		sleep 0.2
	done
	partition=$1p1
	partition_base=$start
	# Without udev the node may have to be made.
	[[ -b $partition ]] && return
	IFS=: read -r major minor <"/sys/class/block/$(basename "$partition")/dev"
	mknod "$work/partition" b "$major" "$minor"
	partition=$work/partition
}

for variant in "${variants[@]}"; do
	options=()
	base=0
	block=512
	unset COPYOFF_TEST_STACKED
	case $variant in
	direct) options=(--direct-io=on) ;;
	offset) base=$MIB ;;
	odd) base=4608 ;;
	4k)
		options=(--sector-size 4096)
		block=4096
		;;
	limit) options=(--sizelimit $((12 * MIB))) ;;
	stacked) export COPYOFF_TEST_STACKED=1 ;;
	esac
	rm -f "$work/partition" "$mnt"/*.image "$mnt/file"
	fill "$mnt/a.image" 0 $((size + base + 8192)) 1
	fill "$mnt/b.image" 0 $((size + base + 8192)) 2
	fill "$mnt/file" 0 $size 3
	attach "$mnt/a.image" -o "$base" "${options[@]}" || skip "no loop device ($variant)"
	a=$device
	add_partition "$a" $block || skip "no partitions on loop devices"
	attach "$mnt/b.image" -o "$base" "${options[@]}" || skip "no loop device"
	b=$device
	b_base=$base
	if [[ $variant == stacked ]]; then
		attach "$b" -o $((MIB + 512)) || skip "no loop device on a loop device"
		b=$device
		b_base=$((b_base + MIB + 512))
	fi
	echo "--- $fs, $variant"
	"$programs/fs-devices" "$a:$mnt/a.image:$base" "$b:$mnt/b.image:$b_base" \
		"$partition:$mnt/a.image:$((base + partition_base))" "$mnt/file" \
		"$mnt/a.image" >"$work/out" 2>&1 || {
		cat "$work/out"
		die "$variant: see above"
	}
	cat "$work/out"
	loop=$(sed -n 's/^beneath=\([0-9]*\) .*/\1/p' "$work/out")
	if shares "$fs"; then
		((loop > 0)) || die "the loop backend copied nothing"
	elif ((loop == 0)); then
		echo "the loop backend is of no use on $fs"
	fi
	detach_all || die "detach"
done
check_fs "$fs" "$mnt"
