# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2034,SC2154
#
# copy-lib.sh - sourced by tests of one backend in the guest; needs cmp, dd, tools/copyoff
#
#   $backend            set before
#   $copyoff $kib $mib
#   random DEVICE OFFSET LENGTH     other bytes than before, in the cache, not yet
#                       written; without closing it, if it is kept open
#   by_device ARGUMENT...   a copy that the device must make, all of it
#   equal DEVICE OFFSET DEVICE OFFSET LENGTH   by the cache, and on the device
#   refuses "WORDS" SOURCE DESTINATION   it is not used, and says why
#   moved DEVICE        sectors that the block layer has read and written
#   on_device DEVICE FILE   what is on the device, without its cache
#   remember DEVICE     what is on it, for
#   exact DEVICE SOURCE DESTINATION LENGTH COUNT   of a copy of LENGTH bytes within
#                       it, COUNT are copied; and no byte outside has changed
#   exact_files SOURCE BEFORE AFTER OFFSET OFFSET LENGTH COUNT   the same of files that
#                       have the source, and the destination before and after
#   wait_for_copy DEVICE SOURCE DESTINATION   until the first page is copied, by the
#                       device; what is read does not come into the cache
#   count_of FILE       how many bytes were copied, from the output of --json

copyoff=$build/tools/copyoff
kib=1024
mib=1048576

random() {
	dd if=/dev/urandom of="$1" bs=64K seek="$2" count="$3" oflag=seek_bytes \
		iflag=count_bytes,fullblock conv=notrunc status=none
}

by_device() {
	"$copyoff" copy --require-offload --backend "$backend" "$@" 2>err || die "copy $*: $(<err)"
}

equal() {
	cmp -n "$5" -i "$2:$4" "$1" "$3" || die "$5 bytes from $2 and $4 differ"
	dd if="$3" of=copy iflag=direct,skip_bytes,count_bytes bs=64K skip="$4" count="$5" \
		status=none
	cmp -n "$5" -i "$2:0" "$1" copy ||
		die "$5 bytes from $2 and $4 differ on the device"
}

refuses() {
	"$copyoff" explain "$2" "$3" | grep "^$backend " >line || die "no line for $backend"
	grep -q "no .*$1" line || die "not \"$1\", but: $(<line)"
}

moved() {
	awk '{ print $3 + $7 }' "/sys/block/${1##*/}/stat"
}

on_device() {
	dd if="$1" of="$2" bs=$mib iflag=direct status=none
}

remember() {
	sync "$1"
	on_device "$1" before
}

exact() {
	on_device "$1" after
	exact_files before before after "${@:2}"
}

exact_files() {
	local end=$(($5 + $6))

	cmp -n "$5" "$2" "$3" || die "bytes before the destination have changed"
	cmp -i "$end:$end" "$2" "$3" || die "bytes behind the destination have changed"
	cmp -n "$7" -i "$4:$5" "$1" "$3" || die "$7 bytes are counted, but not copied"
}

page_at() {
	dd if="$1" iflag=direct,skip_bytes skip="$2" bs=4096 count=1 status=none
}

wait_for_copy() {
	page_at "$1" "$2" >first
	for _ in {1..300}; do
		! page_at "$1" "$3" | cmp -s first - || return 0
	done
	die "the copy does not begin"
}

count_of() {
	sed -n 's/.*"bytes": \([0-9]*\),.*"bytes_offloaded".*/\1/p' "$1"
}
