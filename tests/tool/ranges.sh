#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# Copies of ranges: syntax, order, bounds.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname "$0")/common.sh"

make src 1048576
make old 1048576 500000

# expect FILE SRC_OFF DST_OFF LEN...: FILE is $base with these ranges of src in it.
base=/dev/null
expect() {
	local file=$1
	shift
	cp "$base" expected
	while (($#)); do
		put_range src "$1" expected "$2" "$3"
		shift 3
	done
	same expected "$file"
}

run 0 "$copyoff" copy -r 0:0:4096 src new
expect new 0 0 4096
run 0 "$copyoff" copy -r 100:5000:777 src new1
expect new1 100 5000 777
run 0 "$copyoff" copy src new2 ::
expect new2 0 0 1048576
run 0 "$copyoff" copy src new3 100:0:10 :50:5 1K::1KiB 1KB:: -r 7:2000000:1
expect new3 7 2000000 1 100 0 10 110 50 5 1024 55 1024 1000 1079 1047576
run 0 "$copyoff" copy --ranges=0:0:1 --ranges 1:1:1 src new4
expect new4 0 0 2
run 0 "$copyoff" copy src new5 1048576::
[[ -f new5 && ! -s new5 ]] || die "an empty range made $(stat -c %s new5) bytes"

# An existing destination is not truncated and keeps what is around the ranges.
base=old
cp old dst
run 0 "$copyoff" copy -r 300:9:4567 -r 500000:20000:100000 src dst
expect dst 300 9 4567 500000 20000 100000
cp old dst
run 0 "$copyoff" copy -r 0:1048000:10000 src dst
expect dst 0 1048000 10000

# Holes of the source over data read as zeroes.
truncate -s 1M holes
cp old dst
run 0 "$copyoff" copy --sparse -r 4096:8192:65536 holes dst
cp old expected
put_range /dev/zero 0 expected 8192 65536
same expected dst

# From files.
cp old dst
printf '# comment\n\n0:4096:4096\n::1K\n65536:0:100' >list
printf '200000:200000:5' >second
run 0 "$copyoff" copy -r list --ranges-file second src dst
expect dst 0 4096 4096 4096 8192 1024 65536 0 100 200000 200000 5
cp old dst
mv list 0:0:1
run 0 "$copyoff" copy --ranges-file=0:0:1 src dst
expect dst 0 4096 4096 4096 8192 1024 65536 0 100
for name in - /dev/stdin; do
	cp old dst
	status=0
	printf '1:2:3\n' | "$copyoff" copy -r "$name" src dst || status=$?
	[[ $status -eq 0 ]] || die "status $status with ranges from $name"
	expect dst 1 2 3
done
cp old dst
: >list
run 0 "$copyoff" copy -r list src dst
same old dst

# Within one file.
cp src one
run 0 "$copyoff" copy -r 0:500000:100000 one one
base=src
expect one 0 500000 100000

# What is refused, and then changes nothing.
refused() {
	local status=$1
	shift
	cp old dst
	run "$status" "$copyoff" copy "$@" src dst
	same old dst
	rm -f new
	run "$status" "$copyoff" copy "$@" src new
	absent new
}
for bad in : 1:2 1:2:3:4 a:0:1 0:0:1x -1:0:1 0:-1:1 0:0:-1 0:0:1.5 8E:0:1 0:0:16E \
	0:0:99999999999999999999 "0:0:1 " "0: 0:1" 0:0:1Ki; do
	refused 2 -r "$bad"
	says_usage "invalid range '$bad'"
done
for bad in '0:0:1
x:0:1' '1:2
' 'x' '0:0:1
0:0:1 '; do
	printf '%s' "$bad" >list
	refused 2 -r list
	says_usage "'list'" "(line "
done
printf '0:0:1\n1:1:1\0\n' >list
refused 2 -r list
says_usage "NUL" "(line 2 of 'list')"
refused 2 -r no-such-file
says_usage "'no-such-file'" "No such file or directory"
refused 2 -r .
says_usage "'.'" "Is a directory"
refused 1 -r 0:0:1048577
says "beyond the end of the source (1048576 bytes)" "range 1"
refused 1 -r 0:0:1 -r 1048577::
says "beyond the end of the source" "range 2"
refused 1 -r 0:9223372036854775807:1
says "64 bits"

# Ranges may not overlap in the destination, nor in one file.
refused 1 -r 0:0:100 -r 500:99:100
says "'src'" "'new'" "overlap"
cp src one
run 1 "$copyoff" copy -r 0:50000:100000 one one
says "'one'" "overlap"
same src one

# A source whose end is not known before it is read.
if [[ -r /proc/version ]]; then
	run 0 "$copyoff" copy -r 3:0:5 -r 8:: /proc/version part
	tail -c +4 /proc/version >expected
	same expected part
	run 1 "$copyoff" copy -r :: -r 0:0:1 /proc/version none
	says "the size of the source is not known"
	absent none
	run 1 "$copyoff" copy -r 0:0:1M /proc/version short
	says "the source ends" "range 1" "'short' is incomplete"
	same /proc/version short
fi
