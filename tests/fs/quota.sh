#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# A quota ends the copy with EDQUOT, at an exact prefix.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"

uid=12345
size=$((64 * MIB))
case $fs in
ext4) make_fs ext4-quota "$mnt" 400 usrquota ;;
xfs) make_fs xfs "$mnt" 400 uquota ;;
*) make_fs "$fs" "$mnt" 400 ;;
esac
make_fs tmpfs "$work/other" 80
fill "$work/other/src" 0 $size
chmod 711 "$work"
cd "$mnt"

# limit KIB: of what the destination may have; 0 for none.
limit() {
	case $fs in
	btrfs) btrfs qgroup limit "$([[ $1 -eq 0 ]] && echo none || echo "${1}K")" own ;;
	*) "$programs/fs-quota" "$(findmnt -n -o SOURCE "$mnt")" $uid "$1" ;;
	esac >>"$work/log" 2>&1
}

if [[ $fs == btrfs ]]; then
	btrfs subvolume create own >>"$work/log"
	btrfs quota enable . >>"$work/log" 2>&1 || skip "btrfs quota cannot be enabled"
else
	need findmnt
	mkdir own
fi
chown $uid own
limit $((24 * 1024)) || skip "the kernel has no quota for $fs"

for flags in none no-share sync verify; do
	rm -f own/dst
	sync -f .
	copy -u $uid -f $flags "$work/other/src" own/dst
	done_bytes=0
	if [[ ${result[ret]} -gt 0 ]]; then
		expect last=EDQUOT
		is "ret < $size"
		done_bytes=${result[ret]}
		same_part "$work/other/src" 0 own/dst 0 "$done_bytes"
	else
		expect ret=-1 errno=EDQUOT
	fi
	copy -u $uid -r -f $flags -i "$done_bytes" -o "$done_bytes" "$work/other/src" own/dst
	expect errno=EDQUOT
	[[ ${result[ret]} -lt 0 ]] || done_bytes=$((done_bytes + result[ret]))
	((done_bytes < size)) || die "everything fits"
	((done_bytes == 0)) || same_part "$work/other/src" 0 own/dst 0 "$done_bytes"
	limit 0 || die "the limit cannot be removed"
	copy -u $uid -r -f $flags -i "$done_bytes" -o "$done_bytes" "$work/other/src" own/dst
	expect "ret=$((size - done_bytes))"
	same "$work/other/src" own/dst
	limit $((24 * 1024)) || die "the limit cannot be set"
	echo "$flags: $done_bytes of $size bytes, then EDQUOT, then the rest"
done

cd /
[[ $fs == btrfs ]] || check_fs "$fs" "$mnt"
