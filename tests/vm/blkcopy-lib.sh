# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2034,SC2154
#
# blkcopy-lib.sh - sourced by the tests with the reference block device: disks in
# files, calls, and what should be in them
call=$build/tests/vm/vm-block-copy
copyoff=$build/tools/copyoff
kib=1024
mib=1048576
mkdir /tmp/expected
cd /tmp/expected || exit # in memory

# files_on KIND: the files of the disks, on the whole namespace "files"
files_on() {
	find_namespace files
	make_fs "$1" "$device"
}

# new ABI [OPTION...]: the disk $disk in $file, of $size bytes, all random
disks=0
size=$((4 * mib))
new() {
	disk=ref$((++disks))
	file=$mnt/$disk
	[[ -f random ]] || head -c "$size" /dev/urandom >random
	cp random "$file"
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

# --- copies by the library ----------------------------------------------------

# library [OPTION...] RANGE...: within $disk, or $node; its exit status is in $status,
# what it says in $bytes and ${moved[BACKEND]}
library() {
	local options=() range

	while [[ $1 == -* ]]; do
		options+=("$1")
		shift
	done
	for range; do
		options+=(-r "$range")
	done
	status=0
	"$copyoff" copy --json "${options[@]}" "/dev/${node:-$disk}" "/dev/${node:-$disk}" \
		>json 2>err </dev/null || status=$?
	echo $status >status
	read_result
}

# The same once more: for who ran it in the background
read_result() {
	local json

	status=$(<status)
	json=$(<json)
	[[ $json =~ \"destination\":\ \"[^\"]*\",\ \"bytes\":\ ([0-9]+), ]] || die "not JSON: $json"
	bytes=${BASH_REMATCH[1]}
	declare -gA moved=()
	while [[ $json =~ \"name\":\ \"([a-z_]+)\",\ \"bytes\":\ ([0-9]+), ]]; do
		moved[${BASH_REMATCH[1]}]=${BASH_REMATCH[2]}
		json=${json#*"${BASH_REMATCH[0]}"}
	done
}

# by BACKEND RANGE...: all is copied, and right, and by nobody else
by() {
	local backend=$1 range src dst len all=0
	shift

	library "$@"
	((status == 0)) || die "$disk: $(<err)"
	for range; do
		IFS=: read -r src dst len <<<"$range"
		put "$src" "$dst" "$len"
		all=$((all + len))
	done
	((moved[$backend] == all)) || wrong "$disk: $backend copied ${moved[$backend]} of $all"
	shows
}

# shows: what was copied can be seen through the cache of the disk, and behind it
shows() {
	cmp "/dev/$disk" $expected || wrong "$disk: other bytes through the cache"
	dd if="/dev/$disk" iflag=direct bs=$mib status=none | cmp - $expected ||
		wrong "$disk: other bytes without the cache"
}

# sane: nothing was asked for that would hang a real kernel, or destroy data there
sane() {
	counts overlaps=0 outside=0 too_large=0 endless=0 strange=0
}

# explains "PATTERN" BACKEND: how the backend is judged, for $disk or $node
explains() {
	local line

	"$copyoff" explain "/dev/${node:-$disk}" "/dev/${node:-$disk}" >explained
	while read -r line; do
		[[ $line != "$2 "* ]] || break
	done <explained
	[[ $line =~ $1 ]] || wrong "${node:-$disk}: not \"$1\", but: $line"
}
