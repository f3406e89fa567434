#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
#
# pages.sh - the manual pages say no less than the header
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname "$0")/common.sh"

sections='NAME SYNOPSIS DESCRIPTION RETURN_VALUE ERRORS THREADS EXAMPLE VERSIONS SEE_ALSO'

# Lines "function errno" for what the comment before each prototype names.
header_errnos() {
	awk '
	/^\/\*/ { comment = "" }
	/^(\/| )\*/ { comment = comment " " $0 }
	/^COPYOFF_API/ {
		if (!match($0, /copyoff_[a-z0-9_]+\(/))
			next
		name = substr($0, RSTART, RLENGTH - 1)
		n = split(comment, words, /[^A-Z0-9]+/)
		for (i = 1; i <= n; i++)
			if (words[i] ~ /^E(2BIG|[A-Z][A-Z]+)$/)
				print name, words[i]
	}' "$header" | sort -u
}

check_sections() {
	local found

	found=$(sed -n 's/^\.SH //p' "$1" | tr ' ' '_' | tr '\n' ' ')
	[ "$found" = "$sections " ] || wrong "$(basename "$1"): sections are $found"
}

# Since which version: the node of the map that has the symbol.
check_version() {
	local name node

	name=$(basename "$1" .3)
	node=$(awk -v want="$name;" '/^COPYOFF_/ { node = $1 } $1 == want { print node }' "$map")
	grep -qx "Since copyoff ${node#COPYOFF_}\." "$1" ||
		wrong "$(basename "$1"): VERSIONS does not say ${node#COPYOFF_}"
}

for page in "$docs"/copyoff_*.3; do
	check_sections "$page"
	check_version "$page"
done

header_errnos >"$work/errnos"
not_empty "errnos in the header" "$work/errnos"
while read -r name errno; do
	grep -qw "$errno" "$docs/$name.3" || wrong "$name.3 does not name $errno"
done <"$work/errnos"

# Flags and other constants.
grep -oE '^(#define |	)COPYOFF_[A-Z0-9_]+' "$header" |
	sed 's/^#define //; s/^\t//; /^COPYOFF_\(API\|H\)$/d' | sort -u >"$work/constants"
not_empty "constants in the header" "$work/constants"
while read -r constant; do
	grep -qw "$constant" "$docs"/*.[37] || wrong "no page names $constant"
done <"$work/constants"

# Structures: quoted, and each field named once more, where it is explained.
header_code | sed -n 's/^struct \(copyoff_[a-z]*\) {$/\1/p' >"$work/structs"
not_empty "structures in the header" "$work/structs"
while read -r name; do
	header_code | sed -n "/^struct $name {\$/,/^};/p" | normalize >"$work/expected"
	page=$(grep -l "^struct $name {\$" "$docs"/*.3) || {
		wrong "no page shows struct $name"
		continue
	}
	unescape <"$page" | sed -n "/^struct $name {\$/,/^};/p" | normalize >"$work/shown"
	same_lines "struct $name in the header" "$work/expected" "in $(basename "$page")" "$work/shown"
	sed 's/^struct [a-z_]* {//; s/(\*\([a-z_]*\)).*/ \1;/; s/[{}]//g' "$work/expected" |
		sed -n 's/.*[ *]\([a-z_][a-z_]*\);$/\1/p' >"$work/fields"
	not_empty "fields of struct $name" "$work/fields"
	while read -r field; do
		grep -Eq "^\.(I|IR|RI) $field\b" "$page" ||
			wrong "$(basename "$page") does not explain $field of struct $name"
	done <"$work/fields"
done <"$work/structs"
