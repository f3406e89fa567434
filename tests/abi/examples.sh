#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
#
# examples.sh - what a manual page quotes stands in the file that it names
#
# A quotation is marked with a comment, .\" quote FILE, right before .EX; the
# code of the header is compared by pages.sh.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname "$0")/common.sh"

# Is file $1 a contiguous part of file $2, line by line?
is_part_of() {
	awk 'NR == FNR { want[++n] = $0; next }
	     { have[++m] = $0 }
	     END {
		for (i = 0; i + n <= m; i++) {
			for (j = 1; j <= n && have[i + j] == want[j]; j++)
				;
			if (j > n)
				exit 0
		}
		exit 1
	     }' "$1" "$2"
}

quotes=0
for page in "$docs"/copyoff*.[37]; do
	name=$(basename "$page")
	# Quotation i of the page: $work/i, its first line being the file's name.
	rm -f "$work"/q*
	awk -v prefix="$work/q" '
		/^\.\\" quote / { file = $3; next }
		/^\.EX/ { n++; out = prefix n; print file >out; file = ""; code = 1; next }
		/^\.EE/ { code = 0; close(out) }
		code { print >out }' "$page"
	! grep -q '^\.SH EXAMPLE' "$page" || grep -q '^\.\\" quote examples/' "$page" ||
		wrong "$name: EXAMPLE quotes nothing"
	for quote in "$work"/q*; do
		[ -e "$quote" ] || continue
		file=$(head -n 1 "$quote")
		[ -f "$root/${file:-none}" ] || {
			wrong "$name: code from no file: $(sed -n 2p "$quote")"
			continue
		}
		[ "$file" != include/copyoff.h ] || continue
		tail -n +2 "$quote" | unescape >"$work/code"
		not_empty "quotation in $name" "$work/code"
		is_part_of "$work/code" "$root/$file" ||
			wrong "$name: not in $file: $(cat "$work/code")"
		grep -q "^\.IR\? $file\b" "$page" ||
			wrong "$name: the text does not name $file"
		quotes=$((quotes + 1))
	done
done
[ "$quotes" -gt 0 ] || wrong "no quotation found"
