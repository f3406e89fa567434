#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# What --sync and --verify do, seen from the system calls below.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname "$0")/common.sh"

make src 50000 # small: larger files are not copied by pwrite(2)
mkdir sub
: >empty

# intercepted [VARIABLE=VALUE]... COMMAND...: with the calls of intercept.c.
intercepted() {
	env ASAN_OPTIONS=verify_asan_link_order=0 LD_PRELOAD="$intercept" "$@"
}
rm -f log
intercepted COPYOFF_TEST_LOG="$work/log" "$copyoff" copy --backend readwrite src probe || :
[[ -s log ]] || skip "calls are not intercepted in this build"

# --verify finds a byte that was not written as it was read.
status=0
intercepted COPYOFF_TEST_CORRUPT=1 "$copyoff" copy --backend readwrite src bad || status=$?
[[ $status -eq 0 ]] || die "status $status without --verify"
! cmp -s src bad || die "nothing was corrupted"
run 1 intercepted COPYOFF_TEST_CORRUPT=1 "$copyoff" copy --verify --backend readwrite src bad
says "'src'" "'bad'" "differ" "incomplete"

# --sync: the file after the last write, and the directory of a new file; otherwise nothing.
synced() {
	: >log
	run 0 intercepted COPYOFF_TEST_LOG="$work/log" "$copyoff" copy --backend readwrite "$@"
}
synced src sub/none
! grep -q sync log || die "synced without --sync"
synced --sync src sub/new
grep -n . log >numbered
last_write=$(grep ':write .*/sub/new$' numbered | tail -n 1 | cut -d: -f1 || :)
last_sync=$(grep ':sync .*/sub/new$' numbered | tail -n 1 | cut -d: -f1 || :)
directory=$(grep ':sync .*/sub$' numbered | tail -n 1 | cut -d: -f1 || :)
[[ -n $last_write && -n $last_sync && -n $directory ]] || die "not synced: $(<log)"
((last_write < last_sync && last_sync < directory)) || die "wrong order: $(<log)"
synced --sync src sub/new
grep -q 'sync .*/sub/new$' log || die "an existing file was not synced"
! grep -q 'sync .*/sub$' log || die "the directory of an existing file was synced"
synced --sync empty sub/empty
grep -q 'sync .*/sub/empty$' log || die "an empty file was not synced"
grep -q 'sync .*/sub$' log || die "the directory of an empty file was not synced"

# A failure to sync or to close is a failure of the copy.
run 1 intercepted COPYOFF_TEST_FAIL=fsync "$copyoff" copy --sync src sub/failed
says "sub/failed" "Input/output error" "incomplete"
run 1 intercepted COPYOFF_TEST_FAIL=close "$copyoff" copy src sub/closed
says "cannot close 'sub/closed'" "Disk quota exceeded" "incomplete"
