# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# shellcheck shell=bash
#
# Sourced by the tests that read the header, the version map and the manual pages.
# One run shows all that is wrong.
#
# shellcheck disable=SC2034  # variables for those who source this
# shellcheck source=../lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

header=$root/include/copyoff.h
map=$root/lib/libcopyoff.map
docs=$root/docs
CC=${CC:-cc}
make_work

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
