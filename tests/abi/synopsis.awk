# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
#
# synopsis.awk - print the code in the SYNOPSIS of a manual page: what stands
# between .nf and .fi, without fonts

/^\.SH / { synopsis = ($2 == "SYNOPSIS") }
/^\.fi/ { code = 0 }
synopsis && code { print_words($0) }
/^\.nf/ { code = 1 }

# .B joins its words with blanks, .BI and the like without.
function print_words(line,    macro, blank, out, word) {
	if (line !~ /^\.[BIR]+ /)
		return
	macro = substr(line, 2, index(line, " ") - 2)
	blank = length(macro) == 1 ? " " : ""
	line = substr(line, length(macro) + 3)
	while (line != "") {
		if (match(line, /^"[^"]*"/))
			word = substr(line, 2, RLENGTH - 2)
		else if (match(line, /^[^ ]+/))
			word = substr(line, 1, RLENGTH)
		out = out (out == "" ? "" : blank) word
		line = substr(line, RLENGTH + 1)
		sub(/^ +/, "", line)
	}
	print out
}
