# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# shellcheck shell=bash
#
# Sourced by the tests of new backends, with the source tree as argument.  Works on
# a copy of the tree, $tree, and a build of it, $build; both are removed at the end.
# shellcheck disable=SC2034  # used by those who source this

source_tree=$1
work=$(mktemp -d "${TMPDIR:-/tmp}/copyoff-backend.XXXXXX")
tree=$work/tree
build=$work/build
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
unset COPYOFF_BACKENDS COPYOFF_DEBUG

skip() {
	echo "SKIP: $*"
	exit 77
}

die() {
	echo "FAILED: $*"
	exit 1
}

for tool in cmake pkg-config; do
	command -v "$tool" >/dev/null || skip "$tool is not installed"
done
pkg-config --exists check || skip "check is not installed"

# The tree without builds in it, and without the tests and examples that are not needed.
copy_tree() {
	mkdir "$tree"
	tar -C "$source_tree" --exclude-vcs --exclude-tag-all=CMakeCache.txt -cf - . |
		tar -C "$tree" -xf -
	echo 'add_subdirectory(conformance)' >"$tree/tests/CMakeLists.txt"
	: >"$tree/examples/CMakeLists.txt"
}

# add_line NAME: the one line of a new backend, before that which takes everything
add_line() {
	local before list=$tree/backends/CMakeLists.txt
	before=$(wc -l <"$list")
	sed -i "/^copyoff_backend(readwrite)/i copyoff_backend($1)" "$list"
	[[ $(wc -l <"$list") -eq $((before + 1)) ]] || die "cannot add a line to $list"
}

build_tree() {
	if ! { cmake -S "$tree" -B "$build" -DCOPYOFF_TOOLS=OFF -DCOPYOFF_WERROR=ON \
		-DCMAKE_BUILD_TYPE=Debug && cmake --build "$build"; } >"$work/log" 2>&1; then
		cat "$work/log"
		die "does not build"
	fi
}
