#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
#
# lint.sh - the manual pages have no mistakes of form
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname "$0")/common.sh"

need mandoc
mandoc -Tlint -W warning "$docs"/*.[137] >&2 || wrong "mandoc complains"

# References to our own pages lead to a page.
for page in "$docs"/*.[137]; do
	{ unescape | grep -oE '\bcopyoff[a-z_]*(\\fP)? ?\([137]\)' || true; } <"$page" |
		sed 's/\\fP//; s/ //; s/(/./; s/)//' | sort -u >"$work/targets"
	while read -r target; do
		[ -f "$docs/$target" ] || wrong "$(basename "$page"): no page $target"
	done <"$work/targets"
done
