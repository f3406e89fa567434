#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
#
# add.sh - one new file and one new line add a backend: it is in the
# registry, and passes the conformance suite
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname "$0")/common.sh"

copy_tree
sed 's/@NAME@/skeleton/g' "$tree/backends/skeleton.c.in" >"$tree/backends/skeleton.c"
add_line skeleton
build_tree

# Everything but the file and the line is as it was.
changes=$(diff -rq "$root/lib" "$tree/lib"; diff -rq "$root/include" "$tree/include";
	diff -rq "$root/cmake" "$tree/cmake"; diff -rq "$root/backends" "$tree/backends" || true)
expected="Only in $tree/backends: skeleton.c"
grep -qF "$expected" <<<"$changes" || die "the backend is not there: $changes"
[[ $(wc -l <<<"$changes") -eq 2 ]] || die "more was changed than one file and one line: $changes"

cd "$build"
tests=$(ctest -N)
grep -q ' conformance\.skeleton$' <<<"$tests" || die "there is no test conformance.skeleton"
ctest -R '^conformance\.skeleton$' --no-tests=error --output-on-failure
