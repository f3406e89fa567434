#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# The destination's file system gets full in the middle of a copy.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"

size=$((64 * MIB))
guard=65536
make_fs tmpfs "$work/other" 80
fill "$work/other/src" 0 $size
make_fs "$fs" "$mnt" 400
cd "$mnt"
fill inside 0 $size

# Leave about 24 MiB; the rest in one file, so that it is there again at once.
# XFS frees what was deleted some time later.
fill_up() {
	local left
	rm -f filler
	for _ in 1 2 3 4 5 6 7 8; do
		left=$(($(free_kib .) - 24 * 1024))
		((left <= 256)) || add_to_filler $((left * 1024))
		sleep 0.1
	done
	((left <= 256)) || die "$left KiB more than wanted are free"
}

add_to_filler() {
	local size
	size=$(stat -c %s filler 2>/dev/null || echo 0)
	fallocate -o "$size" -l "$1" filler 2>>"$work/log" || fill filler "$size" "$1" 9
}

# A destination with guards before and behind a hole that the copy goes to.
make_destination() {
	rm -f dst
	fill dst 0 $guard 2
	truncate -s $((guard + size)) dst
	fill dst $((guard + size)) $guard 2
	sync -f .
}

check_guards() {
	rm -f "$work/expected"
	fill "$work/expected" 0 $guard 2
	fill "$work/expected" $((guard + size)) $guard 2
	same_part "$work/expected" 0 dst 0 $guard
	same_part "$work/expected" $((guard + size)) dst $((guard + size)) $guard
	[[ $(stat -c %s dst) -eq $((size + 2 * guard)) ]] || die "size $(stat -c %s dst)"
}

# runs_full SOURCE FLAGS
runs_full() {
	local src=$1 flags=$2 done_bytes=0
	make_destination
	fill_up
	# One call tells a prefix; calls are repeated until nothing comes any more.
	copy -f "$flags" -o $guard "$src" dst
	if [[ ${result[ret]} -gt 0 ]]; then
		expect last=ENOSPC
		is "ret < $size" "$src $flags"
		done_bytes=${result[ret]}
		same_part "$src" 0 dst $guard "$done_bytes"
		check_guards
	else
		# The bytes cannot be made durable, or none fit.
		expect ret=-1 errno=ENOSPC
	fi
	copy -r -f "$flags" -i "$done_bytes" -o $((guard + done_bytes)) \
		-l $((size - done_bytes)) "$src" dst
	expect errno=ENOSPC last=ENOSPC
	[[ ${result[ret]} -lt 0 ]] || done_bytes=$((done_bytes + result[ret]))
	((done_bytes < size)) || die "everything fits"
	((done_bytes == 0)) || same_part "$src" 0 dst $guard "$done_bytes"
	check_guards
	# With room, the next call goes on.
	rm filler
	sync -f .
	copy -r -f "$flags" -i "$done_bytes" -o $((guard + done_bytes)) \
		-l $((size - done_bytes)) "$src" dst
	expect "ret=$((size - done_bytes))" errno=0
	same_part "$src" 0 dst $guard $size
	check_guards
	echo "$src $flags: $done_bytes of $size bytes, then ENOSPC, then the rest"
}

for flags in none no-share sync verify no-share,sync,verify sparse; do
	runs_full "$work/other/src" "$flags"
done
runs_full inside no-share
if shares "$fs"; then
	# Extents that are shared take no room.
	make_destination
	fill_up
	copy -f require-share -o $guard -l $size inside dst
	expect "ret=$size"
	same_part inside 0 dst $guard $size
	check_guards
else
	runs_full inside none
fi

# A hole needs no room, wherever it is; its end may need a block.
rm -f filler dst
truncate -s $size hole
fill_up
for flags in none no-share sparse; do
	rm -f dst
	copy -f $flags hole dst
	expect "ret=$size" errno=0
	same hole dst
done

cd /
check_fs "$fs" "$mnt"
