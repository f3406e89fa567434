#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
#
# run.sh NAME PROGRAM - run one example and check what it did
set -euo pipefail

name=$1
program=$(realpath "$2")
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

fail() {
	echo "FAIL: $*" >&2
	exit 1
}

# Ten megabytes that are not a multiple of any block size, no two pages alike.
make_source() {
	seq 1 1500000 >numbers
	head -c 10000001 numbers >source
}

run_copy() {
	make_source
	"$program" source copy
	cmp source copy
	! "$program" source copy 2>error || fail "it overwrote an existing file"
	grep -q 'copy: File exists' error || fail "no reason given: $(cat error)"
	cmp source copy
	! "$program" missing other 2>/dev/null || fail "it copied a missing file"
	[ ! -e other ] || fail "it left a file behind"
}

# Pages marked u are in use, all others are free.
run_ranges() {
	local map=uuu..u.uuuuuuuu...u i

	: >source
	: >expected
	for ((i = 0; i < ${#map}; i++)); do
		if [ "${map:i:1}" = u ]; then
			{ yes "page $i" || true; } 2>/dev/null | head -c 4096 >>expected
			tail -c 4096 expected >>source
		else
			head -c 4096 /dev/zero >>source
		fi
	done
	[ "$("$program" source copy)" = "4 ranges" ] || fail "wrong number of ranges"
	cmp expected copy
}

run_explain() {
	local first

	make_source
	: >destination
	"$program" source destination >out
	cat out
	grep -Eqx 'copyoff [0-9]+\.[0-9]+\.[0-9]+' out || fail "no version"
	grep -q readwrite out || fail "the table does not list every backend"
	grep -Eqx 'first: [a-z_]+, (not )?through host memory' out || fail "no backend is usable"
	[ ! -s destination ] || fail "it wrote to the destination"

	COPYOFF_BACKENDS=readwrite "$program" source destination >out
	first=$(sed -n 's/^first: //p' out)
	[ "$first" = "readwrite, through host memory" ] || fail "filter: first is $first"
}

# Whether files can be cloned depends on the file system of $dir.
run_require() {
	local status=0

	make_source
	"$program" source copy 2>error || status=$?
	cat error
	case $status in
	0)
		cmp source copy
		;;
	3)
		grep -Eq '^[a-z_]+: .' error || fail "no reason given"
		[ ! -e copy ] || fail "it left a file behind"
		;;
	*)
		fail "exit status $status"
		;;
	esac

	status=0
	COPYOFF_BACKENDS=readwrite "$program" source other 2>error || status=$?
	[ $status = 3 ] || fail "exit status $status with only readwrite allowed"
	[ ! -e other ] || fail "it left a file behind"
}

run_progress() {
	local at

	make_source
	"$program" source copy >out 2>error
	cmp source copy
	grep -qx 'complete at 10000001' out || fail "$(cat out)"
	grep -q '^log: .' error || fail "nothing was logged"
	grep -q '^progress: 10000001 of ' error || fail "no progress at the end"

	"$program" source part 2000000 >out 2>error
	at=$(sed -n 's/^cancelled at //p' out)
	[ -n "$at" ] || fail "not cancelled: $(cat out)"
	[ "$at" -ge 2000000 ] || fail "cancelled at $at, too early"
	cmp -n "$at" source part
	awk '/^progress: / { if ($2 >= 2000000) n++ } END { exit n != 1 }' error ||
		fail "it went on after it was cancelled"
}

run_stats() {
	make_source
	"$program" source copy >out
	cat out
	cmp source copy
	awk '$3 == "calls" && $1 == "sum" { sum = $4 }
	     $3 == "calls" && $1 != "sum" { parts += $4 }
	     END { exit !(sum == 10000001 && parts == sum) }' out || fail "the sums are wrong"
}

"run_$name"
