#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# Operands that cannot be copied, and what is left behind.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname "$0")/common.sh"

make src 100000
make old 200000 500000
cp old dst

intact() {
	same old dst
}

run 1 "$copyoff" copy missing dst
says "'missing'" "No such file or directory"
intact
run 1 "$copyoff" copy missing new
absent new
run 1 "$copyoff" copy "" new
says "No such file or directory"
absent new
run 1 "$copyoff" copy src ""
says "No such file or directory"

# Paths that vanished, or never were.
mkdir gone
(
	cd gone
	rmdir ../gone
	status=0
	"$copyoff" copy "$work/src" here 2>"$work/.log/err" || status=$?
	cd "$work"
	[[ $status -eq 1 ]] || die "status $status in a removed directory"
	says "'here'" "No such file or directory"
)
run 1 "$copyoff" copy src no/such/directory
says "'no/such/directory'" "No such file or directory"
run 1 "$copyoff" copy src src/below
says "'src/below'" "Not a directory"

# Not a regular file or block device.
mkdir directory
run 1 "$copyoff" copy directory dst
says "'directory' is a directory"
intact
run 1 "$copyoff" copy directory new
absent new
mkfifo pipe
run 1 "$copyoff" copy pipe dst
says "'pipe' is not a regular file or block device"
intact
run 1 "$copyoff" copy src pipe
says "'pipe' is not a regular file or block device"
run 1 "$copyoff" copy /dev/null dst
says "'/dev/null' is not a regular file or block device"
intact

# One file under two names.
cp src backup
ln src hard
ln -s src symbolic
mkdir sub
ln src sub/src
for one in src hard symbolic; do
	for other in src ./src hard symbolic sub/src "$work/src"; do
		run 1 "$copyoff" copy "$one" "$other"
		says "same file"
		same src backup
	done
done
run 1 "$copyoff" copy src sub
says "'sub/src'" "same file"
same src backup

# The limit on the size of files: the number of bytes that were copied is told.
for mode in auto never; do
	rm -f new
	(
		ulimit -f 32
		run 1 "$copyoff" copy --reflink="$mode" src new
	)
	says "'src'" "'new'" "bytes were copied, 'new' is incomplete"
	copied=$(grep -oE '[0-9]+ bytes were copied' .log/err | cut -d' ' -f1)
	((copied <= 32768)) || die "$copied bytes in a file of at most 32768"
	cmp -n "$copied" src new || die "the prefix differs"
done

# Control characters in names stay out of the message.
run 1 "$copyoff" copy $'no\nsuch\e[1m' new
says "'no?such?[1m'"

# A closed standard output or error must not become the destination.
for closed in 0 1 2; do
	rm -f new
	status=0
	eval '"$copyoff" copy -v src new' "$closed>&-" >.log/out 2>.log/err || status=$?
	[[ $status -eq 0 ]] || die "status $status with descriptor $closed closed"
	same src new
done
rm -f new
status=0
(
	ulimit -f 32
	exec "$copyoff" copy --backend readwrite src new >&- 2>&-
) || status=$?
[[ $status -eq 1 ]] || die "status $status with two descriptors closed and a limit"
cmp -n 32768 src new || die "the message was written into the destination"
rm -f new
status=0
"$copyoff" copy --json src new >&- 2>.log/err || status=$?
[[ $status -eq 4 ]] || die "status $status with standard output closed"
says "cannot write to standard output" "Bad file descriptor"
same src new

if [[ -c /dev/full ]]; then
	for arguments in "copy --json src new" "explain src new" "explain --json src new" backends \
		"backends --json" help --help --version "copy --help"; do
		status=0
		# shellcheck disable=SC2086
		"$copyoff" $arguments >/dev/full 2>.log/err || status=$?
		[[ $status -eq 4 ]] || die "$arguments: status $status with a full standard output"
		says "cannot write to standard output" "No space left on device"
	done
fi
