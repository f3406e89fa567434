# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
#
# lib.sh - read the header, the version map and the manual pages; sourced
#
# shellcheck shell=bash disable=SC2034

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
header=$root/include/copyoff.h
map=$root/lib/libcopyoff.map
docs=$root/docs
CC=${CC:-cc}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

failures=0

# Note a failure and go on: one run shows all of them.
wrong() {
	echo "FAIL: $*" >&2
	failures=$((failures + 1))
}

finish() {
	[ "$failures" = 0 ] || exit 1
	echo "ok: $*"
	exit 0
}

skip() {
	echo "SKIP: $*"
	exit 77
}

# same WHAT-A FILE-A WHAT-B FILE-B
same() {
	diff -u --label "$1" --label "$3" "$2" "$4" >&2 || wrong "$1 and $3 differ"
}

# An empty list compares equal to another empty one and proves nothing.
not_empty() {
	[ -s "$2" ] || wrong "found nothing: $1"
}

# The header without comments and preprocessor lines.
header_code() {
	awk '
	{
		while (match($0, /\/\*/)) {
			before = substr($0, 1, RSTART - 1)
			$0 = substr($0, RSTART + 2)
			while (!match($0, /\*\//) && (getline next_line) > 0)
				$0 = next_line
			$0 = before substr($0, RSTART + 2)
		}
		directive = continued || /^#/
		continued = directive && /\\$/
		if (!directive && !/^[ \t]*$/)
			print
	}' "$header"
}

# One prototype a line, without COPYOFF_API and with single blanks.
header_prototypes() {
	header_code | normalize | sed -n 's/^COPYOFF_API //p'
}

header_functions() {
	header_code | grep -o '\bcopyoff_[a-z0-9_]*(' | tr -d '(' | sort
}

# Code on standard input: one declaration a line, with single blanks.
normalize() {
	tr '\t\n' '  ' | sed 's/  */ /g; s/( /(/g; s/; */;\n/g' | sed 's/^ //; s/ $//'
}

map_symbols() {
	sed -n 's/^\t\(copyoff_[a-z0-9_]*\);$/\1/p' "$map" | sort
}

# Roff on standard input: without the escapes of code.
unescape() {
	sed 's/\\-/-/g; s/\\(aq/'\''/g; s/\\(ha/^/g; s/\\(ti/~/g; s/^\\&//; s/\\e/\\/g'
}

# The declarations in the SYNOPSIS of a page.
page_synopsis() {
	awk -f "$root/tests/abi/synopsis.awk" "$1" | unescape
}
