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

# suite LIE: run it, the output goes to $work/LIE
suite() {
	COPYOFF_TEST_LIE=$1 "$build/tests/conformance/conformance" liar >"$work/$1" 2>&1
}

logs=("$work/none")
suite none || die "the backend fails also without a lie"
echo "none: passes"
grep -o '"[a-z-]*", /\* lie \*/' "$(dirname "$0")/liar.c" | cut -d'"' -f2 >"$work/lies"
[[ $(wc -l <"$work/lies") -ge 6 ]] || die "found no lies in liar.c"
while read -r lie; do
	status=0
	suite "$lie" || status=$?
	failed=$({ grep -oE ':[FE]:[a-z]+:[a-z_0-9]+' "$work/$lie" || true; } | sort -u | wc -l)
	logs=("$work/$lie")
	[[ $status -eq 1 && $failed -gt 0 ]] || die "$lie: nobody noticed, status $status"
	echo "$lie: found by $failed tests"
done <"$work/lies"
