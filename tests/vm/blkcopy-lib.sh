# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2034,SC2154
#
# blkcopy-lib.sh - sourced by the tests of the reference block device: disks in files
# on an XFS, calls, and what should be in them
call=$build/tests/vm/vm-block-copy
kib=1024
mib=1048576
find_namespace files
make_fs xfs "$device"
mkdir /tmp/expected
cd /tmp/expected || exit # in memory

# new ABI [OPTION...]: the disk $disk in $file, of 4 MiB, all random
disks=0
new() {
	disk=ref$((++disks))
	file=$mnt/$disk
	head -c $((4 * mib)) /dev/urandom >"$file"
	add_reference "$disk" "$file" "$@"
	limits=/sys/block/$disk/queue
}

# calls "RESULT" [OPTION...] -- RANGE...: by the interface $interface
calls() {
	local expected=$1 options=() result
	shift

	while [[ $1 != -- ]]; do
		options+=("$1")
		shift
	done
	shift
	result=$("$call" "${options[@]}" "$interface" "/dev/${node:-$disk}" "$@") || die "$*"
	[[ $result == "$expected" ]] ||
		wrong "$disk, $interface ${options[*]} $*: $result instead of $expected"
}

# counts COUNTER=VALUE...
counts() {
	local expected

	for expected; do
		[[ $(counter "$disk" "${expected%%=*}") == "${expected#*=}" ]] ||
			wrong "$disk: $(counter "$disk" "${expected%%=*}") instead of $expected"
	done
}

# before: what follows is compared with the bytes as they are now
before() {
	cp "$file" old
	expected=old
	reset_counters "$disk"
}

# put SOURCE DESTINATION LENGTH: has been copied
put() {
	[[ $expected == changed ]] || cp old changed
	expected=changed
	dd if=old of=changed bs=64K iflag=skip_bytes,count_bytes oflag=seek_bytes conv=notrunc \
		status=none skip="$1" seek="$2" count="$3"
}

after() {
	cmp "$file" $expected || wrong "$disk: other bytes"
}

# bad read|write OFFSET: or none
bad() {
	fault "$disk" "bad_$1=$(($2 / 512))"
}

# names NAME...: the files that say what there is
names() {
	local path

	: >wanted
	for path in "$limits"/*copy*; do
		[[ ! -e $path ]] || echo "${path##*/}"
	done | sort >found
	(($# == 0)) || printf '%s\n' "$@" | sort >wanted
	same_lines "names that should be" wanted "names that are" found
}
