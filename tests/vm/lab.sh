#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# What goes wrong in a guest is noticed, and nothing is left behind.
# Argument: the build.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../lib.sh
source "$(dirname "$0")/../lib.sh"

need pgrep
build=$(realpath "$1")
here=$(realpath "$(dirname "$0")")
make_work
unset COPYOFF_VM_KEEP
mkdir "$work/tmp"
export TMPDIR=$work/tmp

# guest STATUS LINE...: a test of these lines ends with this status of run.sh.
guest() {
	local status=$1
	shift

	printf '%s\n' "$@" >"$work/made.test"
	run "$status" "$here/run.sh" --stack bookworm --build "$build" "$work/made.test"
	nothing_remains
}

says() {
	grep -qE "$1" "$work/.log/out" "$work/.log/err" || die "it does not say: $1"
}

nothing_remains() {
	[[ -z $(ls "$TMPDIR") ]] || die "files remain: $(ls "$TMPDIR")"
	! pgrep -f "$TMPDIR" >/dev/null || die "processes remain: $(pgrep -af "$TMPDIR")"
}

"$here/fetch.sh" bookworm || exit

guest 0 'echo "it runs Linux $kernel"'
says 'it runs Linux 6\.1\.'

guest 1 'false'
says 'exit status 1'

guest 77 'skip "it is only a try"'
says '^SKIP: it is only a try'
guest 1 'exit 77'
says 'without a reason'
guest 77 '#: program copyoff-none-such' 'true'
says '^SKIP: copyoff-none-such was not found'
guest 77 '#: module none_such' 'true'
says '^SKIP: the kernel of bookworm has no module none_such'

# The kernel: a backtrace, a task that waits, a crash.  None of it changes the
# exit status of the test.
guest 1 'echo l >/proc/sysrq-trigger'
says 'the kernel complains: .*(Call Trace|NMI backtrace)'
guest 1 '#: disk frozen 64M' '#: qemu -device nvme,serial=frozen,drive=frozen' \
	'#: program mkfs.ext4 fsfreeze' \
	'find_namespace frozen' 'make_fs ext4 "$device"' \
	'echo 2 >/proc/sys/kernel/hung_task_timeout_secs' \
	'fsfreeze -f "$mnt"' 'touch "$mnt/file" &' 'sleep 6' 'fsfreeze -u "$mnt"' 'wait'
says 'the kernel complains: .*blocked for more than'
guest 1 'echo c >/proc/sysrq-trigger'
says 'the kernel complains: '

guest 1 'poweroff -f'
says 'ended without an exit status'
guest 1 '#: seconds 10' 'sleep 1000'
says 'it took longer than 10 seconds'
guest 1 '#: qemu -device none-such' 'true'
says 'QEMU ended with status 1'

# start: run.sh, until its guest runs
start() {
	echo 'sleep 1000' >"$work/made.test"
	env --default-signal=INT "$here/run.sh" --stack bookworm --build "$build" \
		"$work/made.test" >"$work/.log/out" 2>"$work/.log/err" </dev/null &
	pid=$!
	for _ in {1..600}; do
		[[ ! -s $(echo "$TMPDIR"/*/console.log) ]] || return 0
		sleep 0.1
	done
	die "the guest does not start"
}

for signal in INT TERM; do
	start
	kill -$signal $pid
	status=0
	wait $pid || status=$?
	((status == 128 + $(kill -l $signal))) || die "status $status after SIG$signal"
	nothing_remains
done
