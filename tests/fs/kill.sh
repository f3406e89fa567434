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

for src in "$work/other/src" src; do
	for flags in none no-share sync sparse; do
		rm -f dst
		status=0
		# system(3) runs a shell, so the parent is the copy.
		# shellcheck disable=SC2016
		"$programs/fs-copy" -f $flags -a $event -x 'kill -9 $PPID' "$src" dst \
			>>"$work/log" 2>&1 || status=$?
		[[ $status -eq 137 ]] || die "status $status of a copy that was killed"
		same_part "$src" 0 dst 0 $event
		(($(stat -c %s dst) < size)) || die "the copy was complete"
		copy -f $flags "$src" dst
		expect "ret=$size"
		same "$src" dst
	done
done

# Nothing that was half done is wrong on the device.
rm -f dst
status=0
# shellcheck disable=SC2016
"$programs/fs-copy" -a $event -x 'kill -9 $PPID' "$work/other/src" dst >>"$work/log" 2>&1 ||
	status=$?
[[ $status -eq 137 ]] || die "status $status of a copy that was killed"
cd /
check_fs "$fs" "$mnt"
