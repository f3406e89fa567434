#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# Swap files in use are neither read nor written.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"

need mkswap swapon swapoff
make_fs "$fs" "$mnt" 400
make_fs tmpfs "$work/other" 16
swap_off() {
	local file
	for file in "$mnt"/src "$mnt"/dst; do
		swapoff "$file" 2>/dev/null || true # it is off unless something crashed
	done
}
undo+=(swap_off)
status=0
"$programs/fs-errno" "$mnt" "$work/other" swap || status=$?
[[ $status -ne 77 ]] || exit 77
[[ $status -eq 0 ]] || die "see above"
