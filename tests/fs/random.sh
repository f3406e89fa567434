#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# A long run of random copies, writes and truncations against a model.  It prints
# its seed; COPYOFF_TEST_SEED repeats it.  Arguments: file system, programs,
# conformance.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"

make_fs "$fs" "$mnt"
CK_RUN_CASE=random COPYOFF_TEST_OPS=${COPYOFF_TEST_OPS:-20000} COPYOFF_TEST_DIR=$mnt "$3" ||
	die "see above"
check_fs "$fs" "$mnt"
