#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
#
# version.sh library SHARED|pkgconfig FILE|changelog|map - the version of the
# header is the version of everything else
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname "$0")/common.sh"

part() {
	sed -n "s/^#define COPYOFF_VERSION_$1 \([0-9]*\)\$/\1/p" "$header"
}
version=$(part MAJOR).$(part MINOR).$(part PATCH)
[[ $version =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]] || wrong "no version in the header: $version"

case $1 in
library)
	file=$(basename "$(realpath "$2")")
	[ "$file" = "libcopyoff.so.$version" ] || wrong "the library is $file, the header $version"
	soname=$(readelf -d "$2" | sed -n 's/.*(SONAME).*\[\(.*\)\]$/\1/p')
	[ "$soname" = "libcopyoff.so.$(part MAJOR)" ] || wrong "the soname is $soname"
	;;
pkgconfig)
	[ -f "$2" ] || skip "no copyoff.pc was generated"
	found=$(sed -n 's/^Version: *//p' "$2")
	[ "$found" = "$version" ] || wrong "copyoff.pc has $found, the header $version"
	;;
changelog)
	found=$(grep -m 1 '^## ' "$root/CHANGELOG.md" | grep -oE '[0-9]+\.[0-9]+\.[0-9]+' || true)
	[ "$found" = "$version" ] || wrong "CHANGELOG.md begins with $found, the header $version"
	;;
map)
	# Each node but the first names the one before it as its parent.
	sed -n 's/^\(COPYOFF_[0-9.]*\) {$/\1/p' "$map" >"$work/nodes"
	sed -n 's/^}  *\(COPYOFF_[0-9.]*\);$/\1/p' "$map" >"$work/parents"
	not_empty "nodes in the version map" "$work/nodes"
	sed '$d' "$work/nodes" >"$work/expected"
	same_lines "the nodes before the last" "$work/expected" "the parents" "$work/parents"
	newest=$(tail -n 1 "$work/nodes")
	last=$(printf '%s\n' "${newest#COPYOFF_}" "$(part MAJOR).$(part MINOR)" | sort -V | tail -n 1)
	[ "$last" = "$(part MAJOR).$(part MINOR)" ] || wrong "$newest is newer than the header, $version"
	;;
*)
	wrong "unknown: $1"
	;;
esac
