#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
#
# symbols.sh SHARED STATIC - header, version map, libraries and manual pages
# have the same functions
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname "$0")/common.sh"

shared=$1
static=$2

header_functions >"$work/header"
not_empty "functions in the header" "$work/header"
map_symbols >"$work/map"
same_lines "the header" "$work/header" "the version map" "$work/map"

# Each with the version of the node that lists it.
sed -n 's/^\(COPYOFF_[0-9.]*\) {$/node \1/p; s/^\t\(copyoff_[a-z0-9_]*\);$/\1/p' "$map" |
	awk '$1 == "node" { node = $2; next } { print $1 "@@" node }' | sort >"$work/versioned"
nm -D --defined-only "$shared" | awk '$2 != "A" { print $3 }' | sort >"$work/exported"
same_lines "the version map" "$work/versioned" "the exported symbols" "$work/exported"

nm -g --defined-only "$static" | awk 'NF == 3 { print $3 }' >"$work/static"
not_empty "symbols in the static library" "$work/static"
# Address sanitizers add a marker of their own to each.
grep -v -e '^copyoff_' -e '^__odr_asan' "$work/static" >"$work/foreign" || true
[ ! -s "$work/foreign" ] || wrong "not prefixed: $(tr '\n' ' ' <"$work/foreign")"

for page in "$docs"/*.3; do
	basename "$page" .3
done | sort >"$work/pages"
same_lines "the header" "$work/header" "the manual pages" "$work/pages"
