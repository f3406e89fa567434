#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# Another process truncates one of the files in the middle of the copy.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"

size=$((160 * MIB))
event=$((32 * MIB))
make_fs "$fs" "$mnt"
cd "$mnt"
fill original 0 $size

# Ways to copy; a clone moves in pieces of 64 MiB at first.
for options in "" "-f no-share" "-b copy_file_range,readwrite" "-f verify" "-f no-share,sparse"; do
	# The source: what was there is copied, and the call ends as at its end.
	for left in $((100 * MIB + 1234)) $((100 * MIB)); do
		rm -f dst src
		cp original src
		# shellcheck disable=SC2086  # words
		copy $options -a $event -x "truncate -s $left src" src dst
		expect "ret=$left" errno=0
		same_part original 0 dst 0 "$left"
		# shellcheck disable=SC2086
		copy $options -i "$left" -o "$left" src dst
		expect ret=0
	done
	# To less than what was copied, and to nothing.
	for left in $((16 * MIB)) 0; do
		rm -f dst src
		cp original src
		# shellcheck disable=SC2086
		copy $options -a $event -x "truncate -s $left src" src dst
		expect errno=0
		is "ret >= $event && ret < $size"
		[[ ${result[backend]} != none ]] || die "no backend"
		[[ $options == *verify* ]] || same_part original 0 dst 0 $event
	done
	# The destination: the rest lands where it belongs, with a hole before it.
	rm -f dst src
	cp original src
	# shellcheck disable=SC2086
	copy $options -a $event -x "truncate -s $((16 * MIB)) dst" src dst
	expect "ret=$size" errno=0
	[[ $(stat -c %s dst) -eq $size ]] || die "size $(stat -c %s dst)"
	same_part original 0 dst 0 $((16 * MIB))
	same_part original $((100 * MIB)) dst $((100 * MIB)) $((60 * MIB))
done

cd /
check_fs "$fs" "$mnt"
