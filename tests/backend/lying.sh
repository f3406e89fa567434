#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
#
# lying.sh - the conformance suite finds every backend that lies
#
# liar.c is built in; without a lie it passes, so that it is the lie that fails.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname "$0")/common.sh"

copy_tree
cp "$(dirname "$0")/liar.c" "$tree/backends/liar.c"
add_line liar
build_tree

# Seeds would make this test another one each time.
export COPYOFF_TEST_SEED=1 COPYOFF_TEST_OPS=200
mkdir "$work/files"
export COPYOFF_TEST_DIR=$work/files

# suite LIE [CASE]: run it, or one case of it; the output goes to $work/LIE
suite() {
	env COPYOFF_TEST_LIE="$1" ${2:+"CK_RUN_CASE=$2"} \
		"$build/tests/conformance/conformance" liar >"$work/$1" 2>&1
}

# found LIE: by a test of the suite; which fails, and does nothing else
found() {
	local case status

	for case in data ranges descriptors errors limits holes policy; do
		status=0
		suite "$1" $case || status=$?
		failed=$({ grep -oE ':[FE]:[a-z]+:[a-z_0-9]+' "$work/$1" || true; } | sort -u | wc -l)
		[[ $status -le 1 ]] || die "$1: status $status"
		[[ $status -eq 0 ]] || break
	done
	[[ $status -eq 1 && $failed -gt 0 ]] || die "$1: nobody noticed, status $status"
	echo "$1: found by $failed tests of the case $case"
}

logs=("$work/none")
suite none || die "the backend fails also without a lie"
grep -q '^100%: Checks: [1-9]' "$work/none" || die "no test was run"
echo "none: passes"
grep -o '"[a-z-]*", /\* lie \*/' "$(dirname "$0")/liar.c" | cut -d'"' -f2 >"$work/lies"
[[ $(wc -l <"$work/lies") -ge 6 ]] || die "found no lies in liar.c"
while read -r lie; do
	logs=("$work/$lie")
	found "$lie"
done <"$work/lies"
