#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# From one file system to each, by the library and compared by cmp(1).
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"

kinds=(xfs xfs-1k xfs-noreflink btrfs ext4 tmpfs overlay-xfs overlay-ext4)
for kind in "${kinds[@]}"; do
	make_fs "$kind" "$work/to/$kind" 400
done
make_fs "$fs" "$mnt" 400
cd "$mnt"

fill dense 0 $((5 * MIB + 12345))
fill small 0 777
: >empty
truncate -s $((9 * MIB + 1)) sparse
fill sparse $((2 * MIB + 100)) 300000
fill sparse $((6 * MIB)) 4096
files=(dense small empty sparse)

for kind in "${kinds[@]}" same; do
	to=$work/to/$kind
	[[ $kind != same ]] || to=$mnt/copies
	mkdir -p "$to"
	# Between two kinds the flags change little.
	all_flags=(none sparse)
	[[ $kind != same && $kind != "$fs" ]] || all_flags+=(no-share "verify,sync")
	for flags in "${all_flags[@]}"; do
		for file in "${files[@]}"; do
			rm -f "$to/$file"
			copy -f $flags "$file" "$to/$file"
			expect "ret=$(stat -c %s "$file")" errno=0
			same "$file" "$to/$file"
			# Over something that is longer.
			fill "$to/$file" 0 $((10 * MIB)) 2
			copy -f $flags -i 3 -o 4096 "$file" "$to/$file"
			length=$(($(stat -c %s "$file") - 3))
			((length > 0)) || continue
			expect "ret=$length"
			same_part "$file" 3 "$to/$file" 4096 $length
		done
	done
done

cd /
check_fs "$fs" "$mnt"
for kind in "${kinds[@]}"; do
	check_fs "$kind" "$work/to/$kind"
done
