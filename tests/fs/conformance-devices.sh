#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# The conformance tests on loop devices whose files are on this file system: between
# two, which need not have blocks of the same size, and within one.
# Arguments: file system, programs, conformance, backend...
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"

conformance=$3
backends=" ${*:4} "
need losetup
make_fs "$fs" "$mnt" 600
export COPYOFF_TEST_DIR=$mnt
export COPYOFF_TEST_OPS=${COPYOFF_TEST_OPS:-300}
truncate -s 4M "$mnt/a" "$mnt/b" "$mnt/c"
attach "$mnt/a"
a=$device
attach "$mnt/b" --direct-io=on
b=$device
attach "$mnt/c" --sector-size 4096
c=$device

# conform BACKEND A B: by it, or by all if it is empty
conform() {
	local status=0
	echo "--- $fs, ${1:-all backends}, $2 $3"
	COPYOFF_TEST_DEVICES="$2 $3" "$conformance" ${1:+"$1"} || status=$?
	# Where io_uring is forbidden, it says so.
	[[ $status -eq 0 || ($1 == uring && $status -eq 77) ]] ||
		die "conformance $1 $2 $3: status $status"
}

# Reads and writes do not know what the files are on.
if [[ $fs == xfs ]]; then
	conform "" "$a" "$b"
	conform readwrite "$a" "$a"
	[[ $backends != *" uring "* ]] || conform uring "$b" "$c"
fi
[[ $backends != *" loop "* ]] || {
	conform loop "$a" "$b"
	conform loop "$b" "$c"
	conform loop "$a" "$a"
}
