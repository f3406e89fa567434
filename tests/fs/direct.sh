#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# O_DIRECT descriptors, mixed with the page cache and with mappings.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"

need xfs_io
make_fs "$fs" "$mnt"
cd "$mnt"
size=$((8 * MIB))
fill src 0 $size
fill old 0 $size 2

# Without the page cache, and then with it.
check() {
	dd if=dst iflag=direct bs=1M status=none | cmp - "$work/expected" >>"$work/log" 2>&1 ||
		die "what is on the device differs: $*"
	cmp dst "$work/expected" >>"$work/log" 2>&1 || die "what is cached differs: $*"
}

# expect_range OFF_IN OFF_OUT LENGTH: what dst must be.
expect_range() {
	cp old "$work/expected"
	put_range src "$1" "$work/expected" "$2" "$3"
}

ranges="0:0:$size 4096:8192:4194304 512:512:1048576 1:1:3000000 1:0:3000000 0:1:3000000
	4095:4097:65537 100:100:10 1048576:0:4097 3000000:1048576:700001"
for direct in in out both; do
	for flags in none no-share no-share,verify,sync; do
		for range in $ranges; do
			IFS=: read -r off_in off_out length <<<"$range"
			# The destination has dirty pages, the source has been read.
			rm -f dst
			cp --reflink=never --sparse=never old dst
			[[ $direct != in ]] || cat src >/dev/null
			expect_range "$off_in" "$off_out" "$length"
			copy -D $direct -f $flags -i "$off_in" -o "$off_out" -l "$length" src dst
			expect "ret=$length" errno=0
			check "$direct $flags $range"
		done
	done
done
for backends in uring,readwrite uring readwrite; do
	rm -f dst
	cp --reflink=never old dst
	expect_range 4096 8192 4194304
	copy -D both -b $backends -i 4096 -o 8192 -l 4194304 src dst
	[[ ${result[errno]} != EOPNOTSUPP || $backends != uring ]] || continue # no io_uring here
	expect ret=4194304
	check $backends
done

# To a new file, with an odd end.
fill odd 0 $((3 * MIB + 777)) 3
for direct in in out both; do
	rm -f dst
	copy -D $direct -f no-share odd dst
	expect "ret=$((3 * MIB + 777))"
	same odd dst
done

# Bytes that were just written through the page cache or a mapping are copied.
for direct in in out both; do
	for writer in "pwrite -S 0x5a 5000 100000" "mmap 0 $size" ; do
		rm -f dst fresh
		cp --reflink=never --sparse=never src fresh
		sync -f .
		if [[ $writer == mmap* ]]; then
			xfs_io -c "$writer" -c "mwrite -S 0x5b 70000 200000" fresh
		else
			xfs_io -c "$writer" fresh >>"$work/log"
		fi
		cp --reflink=never --sparse=never old dst
		sync -f .
		xfs_io -c "pwrite -S 0x5c 1000 3000" dst >>"$work/log"
		copy -D $direct -f no-share -i 4096 -o 4096 -l $((4 * MIB)) fresh dst
		expect "ret=$((4 * MIB))"
		same_part fresh 4096 dst 4096 $((4 * MIB))
		same_part old 0 dst 0 1000
		cmp -n 3000 -i 1000:0 dst <(head -c 3000 /dev/zero | tr '\0' '\134') \
			>>"$work/log" || die "bytes outside of the range were lost"
	done
	# Both files are mapped all the time, and the mapping shows the copy.
	for range in "0 0 $size" "4096 8192 4194304" "1 1 3000000" "1 4096 3000000"; do
		read -r off_in off_out length <<<"$range"
		for flags in none no-share; do
			rm -f dst
			cp --reflink=never --sparse=never old dst
			copy -m -D $direct -f $flags -i "$off_in" -o "$off_out" -l "$length" src dst
			expect "ret=$length"
		done
	done
done
# Mapped without O_DIRECT, too.
rm -f dst
cp --reflink=never old dst
copy -m src dst
expect "ret=$size"

cd /
check_fs "$fs" "$mnt"
