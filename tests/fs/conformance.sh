#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# The conformance tests on this file system: with all backends, and with those named.
# Arguments: file system, programs, conformance, backend...
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"

conformance=$3
make_fs "$fs" "$mnt"
export COPYOFF_TEST_DIR=$mnt
export COPYOFF_TEST_OPS=200 # fs.random does more

"$conformance" || die "conformance"
for backend in "${@:4}"; do
	status=0
	"$conformance" "$backend" || status=$?
	# What cannot be used on a file system says so, and is tested on others.
	[[ $status -eq 0 || $status -eq 77 ]] || die "conformance $backend"
done
check_fs "$fs" "$mnt"
