#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# Offsets that 32 bits do not hold, and clones too large to be copied.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"

need xfs_io
make_fs "$fs" "$mnt"
cd "$mnt"
GIB=$((1 << 30))
TIB=$((1 << 40))

# Around 2 and 4 GiB, each to the other.
truncate -s $((5 * GIB)) src
for at in $((2 * GIB)) $((4 * GIB)); do
	fill src $((at - 70000)) 140000
done
for flags in none no-share verify; do
	for from in $((2 * GIB)) $((4 * GIB)); do
		for to in 0 $((2 * GIB)) $((4 * GIB)) $((4 * GIB + 7)); do
			rm -f dst
			copy -f $flags -i $((from - 70000)) -o $((to + 100000)) -l 140000 src dst
			expect ret=140000
			same_part src $((from - 70000)) dst $((to + 100000)) 140000
			[[ $(stat -c %s dst) -eq $((to + 240000)) ]] || die "size $(stat -c %s dst)"
		done
	done
	rm -f dst
	copy -f $flags src dst
	expect "ret=$((5 * GIB))"
	identical src dst
done

# 5 TiB with little data in it: the tail, and the whole.
rm -f src dst
truncate -s $((5 * TIB)) src
fill src 0 100000
fill src $((4 * TIB + GIB)) 100001
fill src $((5 * TIB - MIB)) $MIB
copy -i $((5 * TIB - MIB)) -o $((4 * GIB + 123)) src dst
expect "ret=$MIB"
same_part src $((5 * TIB - MIB)) dst $((4 * GIB + 123)) $MIB
for flags in none no-share sparse; do
	rm -f dst
	copy -f $flags src dst
	expect "ret=$((5 * TIB))" errno=0
	identical src dst
	(($(allocated dst) < 4096)) || die "$(allocated dst) KiB"
done

# The largest size there is.  SEEK_HOLE of btrfs wraps at the end of 2^63-1.
last=9223372036854775807
[[ $fs != btrfs ]] || last=$((last - 4095))
rm -f src dst
if truncate -s $last src 2>>"$work/log"; then
	fill src $((last - 200000)) 200000
	for flags in none no-share; do
		rm -f dst
		copy -f $flags -i $((last - 200000)) -o $((last - 200000)) src dst
		expect ret=200000
		same_part src $((last - 200000)) dst $((last - 200000)) 200000
		rm -f dst
		copy -f $flags -i $((last - 200000)) src dst
		expect ret=200000
		same_part src $((last - 200000)) dst 0 200000
		# There is nothing behind it.
		copy -f $flags -o 9223372036854775807 dst dst2
		expect ret=-1 errno=EFBIG
	done
	# All of it, in as few calls as the result allows.
	rm -f dst
	copy -r -f no-share src dst
	expect "ret=$last" errno=0
	identical src dst
fi

# 1 GiB at congruent, unaligned offsets does not move.
if shares "$fs"; then
	rm -f src dst
	fill piece 0 $((16 * MIB))
	for ((i = 0; i < 64; i++)); do
		copy -f require-share -o $((i * 16 * MIB)) piece src
	done
	before=$(free_kib .)
	copy -i 1000 -o $((8192 + 1000)) -l $((GIB - 2000)) src dst
	expect "ret=$((GIB - 2000))"
	is "readwrite + copy_file_range + uring < 8192" "bytes moved"
	is "reflink == $((GIB - 8192))"
	after=$(free_kib .)
	((before - after < 16384)) || die "it cost $((before - after)) KiB"
	(($(shared_bytes dst) == GIB - 8192)) || die "shared: $(shared_bytes dst)"
	same_part src 1000 dst 9192 $((GIB - 2000))
fi

cd /
check_fs "$fs" "$mnt"
