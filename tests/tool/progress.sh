#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# Progress for machines, and files that change while they are copied.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname "$0")/common.sh"

make src 8388608

# monotone FILE: 0/100 to 100/100, each greater than the one before.
monotone() {
	local line last=-1
	while read -r line; do
		[[ $line =~ ^([0-9]+)/100$ ]] || die "not progress: $line"
		((BASH_REMATCH[1] > last)) || die "$line after $last"
		last=${BASH_REMATCH[1]}
	done <"$1"
	((last == 100)) || die "ends with $last"
}

for option in -p=9 --progress=9; do
	run 0 "$copyoff" copy "$option" src dst 9>numbers
	quiet
	monotone numbers
	same src dst
done
run 0 "$copyoff" copy --backend readwrite -p=9 src dst 9>numbers
monotone numbers
(($(wc -l <numbers) > 10)) || die "$(wc -l <numbers) lines for 8 MiB of plain writes"
run 0 "$copyoff" copy --backend readwrite -p=9 -r 0:0:1M -r 4M:1M:1M src part 9>numbers
monotone numbers
(($(wc -l <numbers) > 2)) || die "$(wc -l <numbers) lines for two ranges"
# More steps than there are numbers.
seq 0 16384 8372224 | sed 's/$/::4K/' >list
run 0 "$copyoff" copy --backend readwrite -p=9 -r list src part 9>numbers
monotone numbers
: >empty
run 0 "$copyoff" copy -p=9 empty dst 9>numbers
monotone numbers
run 0 "$copyoff" copy -p=1 src dst
monotone .log/out

# 100/100 means success and nothing else.
(
	ulimit -f 4096
	run 1 "$copyoff" copy --backend readwrite -p=9 src new 9> >(cat >numbers)
)
says "incomplete"
! grep -q '^100/100$' numbers || die "100/100 after a failure"
run 1 "$copyoff" copy -p=9 src src 9>numbers
[[ ! -s numbers ]] || die "progress of a copy that was refused"

# A bar is for terminals.
run 0 "$copyoff" copy -p src dst
quiet

# The copy does not depend on the reader.
mkfifo pipe
exec 9<>pipe
exec 8>pipe
exec 9>&-
rm dst
run 4 "$copyoff" copy -p=8 src dst
says "descriptor 8" "Broken pipe"
same src dst
if [[ -c /dev/full ]]; then
	rm dst
	run 4 "$copyoff" copy -p=9 src dst 9>/dev/full
	says "descriptor 9" "No space left on device"
	same src dst
fi
exec 8>&-

# paused COMMAND: a copy of src to dst that stands still after its first piece while
# COMMAND runs, because its progress goes to a pipe that is full.  Sets $status.
paused() {
	local pid reader tries
	rm -f dst
	exec 9<>pipe
	dd if=/dev/zero of=pipe bs=4096 oflag=nonblock conv=notrunc status=none 2>/dev/null || :
	"$copyoff" copy --backend readwrite -p=9 src dst 2>.log/err &
	pid=$!
	undo+=("kill $pid 2>/dev/null || :")
	for ((tries = 0; tries < 600; tries++)); do
		[[ -s dst ]] && break
		sleep 0.05
	done
	[[ -s dst ]] || die "the copy did not begin"
	(($(stat -c %s dst) < 8388608)) || die "the copy did not wait"
	"$@"
	cat pipe 9>&- >seen &
	reader=$!
	exec 9>&-
	status=0
	wait "$pid" || status=$?
	wait "$reader"
	unset 'undo[-1]'
}

cp src original
paused truncate -s 1M src
[[ $status -eq 1 ]] || die "status $status after the source shrank"
says "'src' shrank while it was copied"

cp original src
make tail 300000 700000
append() {
	cat tail >>src
}
paused append
[[ $status -eq 0 ]] || die "status $status after the source grew"
same src dst

cp original src
paused truncate -s 9M dst
[[ $status -eq 1 ]] || die "status $status after the destination was extended"
says "'dst' has 9437184 bytes instead of 8388608"
grep -aq '/100$' seen || die "no progress"
! grep -aq '100/100' seen || die "100/100 after a failure at the end"
