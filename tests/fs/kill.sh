#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# A copy that is killed in the middle leaves a prefix, and can be done again.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"

size=$((96 * MIB))
event=$((32 * MIB))
make_fs tmpfs "$work/other" 110
fill "$work/other/src" 0 $size
make_fs "$fs" "$mnt" 600
cp "$work/other/src" "$mnt/src"
cd "$mnt"

# killed ARGUMENT...: system(3) runs a shell, so the parent is the copy.
killed() {
	# shellcheck disable=SC2016
	run 137 "$programs/fs-copy" -a $event -x 'kill -9 $PPID' "$@"
}

for src in "$work/other/src" src; do
	for flags in none no-share sync sparse; do
		rm -f dst
		killed -f $flags "$src" dst
		same_part "$src" 0 dst 0 $event
		(($(stat -c %s dst) < size)) || die "the copy was complete"
		copy -f $flags "$src" dst
		expect "ret=$size"
		same "$src" dst
	done
done

# Nothing that was half done is wrong on the device.
rm -f dst
killed "$work/other/src" dst
cd /
check_fs "$fs" "$mnt"
