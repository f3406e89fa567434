#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
#
# synopsis.sh - the SYNOPSIS of each page compiles and is what the header says
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname "$0")/common.sh"

for page in "$docs"/copyoff_*.3; do
	name=$(basename "$page" .3)
	page_synopsis "$page" >"$work/$name.c"
	"$CC" -std=c11 -Wall -Wextra -Werror -D_FILE_OFFSET_BITS=64 -I"$root/include" \
		-fsyntax-only "$work/$name.c" || wrong "$name.3: SYNOPSIS does not compile"
	grep -qx '#include <copyoff.h>' "$work/$name.c" || wrong "$name.3: SYNOPSIS lacks #include"

	header_prototypes | grep "\b$name(" >"$work/expected"
	sed '/^#/d' "$work/$name.c" | normalize | sed '/^$/d' >"$work/found"
	same_lines "$name in the header" "$work/expected" "in $name.3" "$work/found"
done
