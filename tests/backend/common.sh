# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# shellcheck shell=bash
#
# Sourced by the tests of new backends.  They work on a copy of the tree, $tree, and
# a build of it, $build.
# shellcheck source=../lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

need cmake pkg-config
pkg-config --exists check || skip "check was not found"
make_work
tree=$work/tree
build=$work/build

# The tree without builds in it, and without the tests and examples that are not needed.
copy_tree() {
	mkdir "$tree"
	tar -C "$root" --exclude-vcs --exclude-tag-all=CMakeCache.txt -cf - . |
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
	run 0 cmake -S "$tree" -B "$build" -DCOPYOFF_TOOLS=OFF -DCOPYOFF_WERROR=ON \
		-DCMAKE_BUILD_TYPE=Debug
	run 0 cmake --build "$build"
}
