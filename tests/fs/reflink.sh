#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# Extents are really shared where they can be, and only where they may be.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"

need xfs_io
make_fs "$fs" "$mnt"
cd "$mnt"
block=$(stat -f -c %S .)
size=$((4 * MIB))
fill src 0 "$size"

if ! shares "$fs"; then
	# Nothing is written before the refusal.
	fill dst 0 "$MIB" 2
	cp dst before
	for range in "-l $size" "-l 4096" "-i 4096 -o 8192 -l 65536"; do
		# shellcheck disable=SC2086  # words
		copy -f require-share $range src dst
		expect ret=-1 errno=EOPNOTSUPP
		same before dst
	done
	copy -f require-share src new
	expect ret=-1 errno=EOPNOTSUPP
	[[ ! -s new ]] || die "new has content"
	copy src new
	expect "ret=$size" errno=0 offloaded=0 reflink=0
	same src new
	[[ $(shared_bytes new) -eq 0 ]] || die "shared"
	cd /
	check_fs "$fs" "$mnt"
	exit 0
fi

# A whole file.
copy src whole
expect "ret=$size" "reflink=$size" "offloaded=$size" backend=reflink
same src whole
[[ $(shared_bytes whole) -eq $size ]] || die "not shared: $(shared_bytes whole)"

# Blocks of its own.
for flags in no-share no-share,sparse no-share,verify,sync; do
	rm -f own
	copy -f "$flags" whole own
	expect "ret=$size" reflink=0 copy_file_range=0 "readwrite=$size"
	same src own
	[[ $(shared_bytes own) -eq 0 ]] || die "shared in spite of $flags"
done

# Aligned, at other offsets, into data.
fill dst 0 "$size" 2
cp --reflink=never dst expected
copy -f require-share -i $((3 * block)) -o $((7 * block)) -l $((16 * block)) src dst
expect "ret=$((16 * block))" "reflink=$((16 * block))"
put_range src $((3 * block)) expected $((7 * block)) $((16 * block))
same expected dst
[[ $(shared_bytes dst) -eq $((16 * block)) ]] || die "shared: $(shared_bytes dst)"

# Congruent offsets: head and tail are copied, the middle is cloned.
for head in 1 100 $((block - 1)); do
	fill dst 0 "$size" 2
	cp --reflink=never dst expected
	off_in=$((2 * block + head))
	off_out=$((5 * block + head))
	length=$((20 * block + 17))
	copy -i $off_in -o $off_out -l $length src dst
	middle=$(((length - block + head) / block * block))
	expect "ret=$length" "reflink=$middle"
	put_range src $off_in expected $off_out $length
	same expected dst
	[[ $(shared_bytes dst) -eq $middle ]] || die "shared: $(shared_bytes dst), not $middle"
	copy -f require-share -i $off_in -o $off_out -l $length src dst
	expect ret=-1 errno=EOPNOTSUPP
	copy -f require-offload -i $off_in -o $off_out -l $length src dst
	expect ret=-1 errno=EOPNOTSUPP
	same expected dst
done

# Offsets that are not congruent do not share.
fill dst 0 "$size" 2
copy -i 1 -l $((64 * block)) src dst
expect "ret=$((64 * block))" reflink=0
same_part src 1 dst 0 $((64 * block))
[[ $(shared_bytes dst) -eq 0 ]] || die "shared"

# The odd end of the source: shared if the destination ends there, too.
odd=$((10 * block + 5))
fill odd 0 $odd 3
copy -f require-share odd oddcopy
expect "ret=$odd" "reflink=$odd"
same odd oddcopy
[[ $(shared_bytes oddcopy) -eq $((11 * block)) ]] || die "shared: $(shared_bytes oddcopy)"
fill dst 0 "$size" 2
cp --reflink=never dst expected
copy odd dst
expect "ret=$odd" "reflink=$((10 * block))"
put_range odd 0 expected 0 $odd
same expected dst
copy -i 5 -o 5 odd oddcopy2
expect "ret=$((odd - 5))" "reflink=$((9 * block + 5))"
same_part odd 5 oddcopy2 5 $((odd - 5))

# Same file.
cp --reflink=never src twice
copy -f require-share -o "$size" twice twice
expect "ret=$size" "reflink=$size"
same_part src 0 twice "$size" "$size"
[[ $(shared_bytes twice) -eq $((2 * size)) ]] || die "shared: $(shared_bytes twice)"

# A clone takes no space.
fill chunk 0 $((16 * MIB)) 4
for ((i = 0; i < 32; i++)); do
	copy -f require-share -o $((i * 16 * MIB)) chunk large
done
before=$(free_kib .)
copy -f require-share large larger
expect "ret=$((512 * MIB))"
after=$(free_kib .)
((before - after < 8192)) || die "512 MiB cost $((before - after)) KiB"
same_part large $((500 * MIB)) larger $((500 * MIB)) "$MIB"

# What was cloned is a copy: writing to one side leaves the other alone.
cp --reflink=never whole expected
fill src 0 "$MIB" 5
same expected whole

# Through another mount of the same file system.
mkdir "$work/bind"
mount --bind "$mnt" "$work/bind"
mounts+=("$work/bind")
copy -f require-share "$work/bind/src" fromsame
expect "ret=$size"
same src fromsame

if [[ $fs == btrfs ]]; then
	# st_dev differs between subvolumes.
	btrfs subvolume create "$mnt/sub" >>"$work/log"
	copy -f require-share src sub/copy
	expect "ret=$size" "reflink=$size"
	same src sub/copy
	# One file without copy-on-write and one with it do not share, two do.
	touch nocow nocow2
	chattr +C nocow nocow2
	for direction in "whole nocow" "nocow whole2"; do
		# shellcheck disable=SC2086  # words
		copy -f require-share $direction
		expect ret=-1 errno=EOPNOTSUPP
		# shellcheck disable=SC2086
		copy $direction
		expect "ret=$size" reflink=0
		same whole "${direction#* }"
	done
	copy -f require-share nocow nocow2
	expect "ret=$size" "reflink=$size"
	same whole nocow2
fi

cd /
unmount_fs "$work/bind"
check_fs "$fs" "$mnt"
