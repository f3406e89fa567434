#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# Every refusal of copy_file_range(2), and what the library makes of it.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"

make_fs "$fs" "$mnt" 400
make_fs tmpfs "$work/other" 16
"$programs/fs-errno" "$mnt" "$work/other" || die "see above"
check_fs "$fs" "$mnt"
