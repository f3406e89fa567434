# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# shellcheck shell=bash
#
# Sourced by scripts/try and scripts/test.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
builds=$root/build
unset COPYOFF_BACKENDS COPYOFF_DEBUG

die() {
	echo "$(basename "$0"): $*" >&2
	exit 1
}

have() {
	command -v "$1" >/dev/null
}

is_root() {
	[ "$(id -u)" = 0 ]
}

is_installed() {
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# install_packages PACKAGE...: those that are missing; without root, only says so
install_packages() {
	local package missing=()

	have dpkg-query || return 0
	for package; do
		is_installed "$package" || missing+=("$package")
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	if ! is_root || [ -n "${no_install-}" ]; then
		echo "Not installed: ${missing[*]}"
		return 0
	fi
	echo "Installing: ${missing[*]}"
	export DEBIAN_FRONTEND=noninteractive
	# A list that cannot be had is no reason to stop: the package may be in another.
	apt-get -qq update || true
	apt-get -qq -y --no-install-recommends install "${missing[@]}" </dev/null >"$builds/apt.log" \
		2>&1 || {
		tail -n 20 "$builds/apt.log" >&2
		die "the packages cannot be installed"
	}
}

# What it takes to compile the library with all its backends.
# shellcheck disable=SC2034  # used by those who source this
build_packages=(gcc libc6-dev cmake ninja-build pkg-config liburing-dev libsgutils2-dev)

need_build_tools() {
	local tool

	for tool in cmake ninja pkg-config; do
		have "$tool" || die "$tool was not found"
	done
}
