#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
#
# add.sh SOURCE-TREE - one new file and one new line add a backend: it is in the
# registry, and passes the conformance suite
set -euo pipefail

# shellcheck source=tests/backend/common.sh
. "$(dirname "$0")/common.sh"

copy_tree
sed 's/@NAME@/skeleton/g' "$tree/backends/skeleton.c.in" >"$tree/backends/skeleton.c"
add_line skeleton
build_tree

# Everything but the file and the line is as it was.
changes=$(diff -rq "$source_tree/lib" "$tree/lib"; diff -rq "$source_tree/include" "$tree/include";
	diff -rq "$source_tree/cmake" "$tree/cmake"; diff -rq "$source_tree/backends" "$tree/backends" || true)
expected="Only in $tree/backends: skeleton.c"
grep -qF "$expected" <<<"$changes" || die "the backend is not there: $changes"
[[ $(wc -l <<<"$changes") -eq 2 ]] || die "more was changed than one file and one line: $changes"

cd "$build"
tests=$(ctest -N)
grep -q ' conformance\.skeleton$' <<<"$tests" || die "there is no test conformance.skeleton"
ctest -R '^conformance\.skeleton$' --no-tests=error --output-on-failure
