#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
#
# fetch.sh STACK - put what a stack consists of into the cache, or skip
#
# The packages come from where this system has its own from, with the name of
# the release exchanged; apt has state and lists of its own, so that neither
# root is needed nor anything installed.  What is there and undamaged is kept.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../lib.sh
source "$(dirname "$0")/../lib.sh"
# shellcheck source=stacks.sh
source "$(dirname "$0")/stacks.sh"

use_stack "$1"
kernel_package=linux-image-cloud-amd64

# Not all that is needed has a name of its own: the sums tell what is damaged.
is_intact() {
	[[ -f $stack_dir/SHA256SUMS ]] &&
		(cd "$stack_dir" && sha256sum --quiet --check SHA256SUMS) >&2
}

# --- packages -----------------------------------------------------------------

# What belongs to the release of this system, as it would be for the other one.
other_sources() {
	local from=$1 to=$2 file

	for file in /etc/apt/sources.list /etc/apt/sources.list.d/*; do
		[[ -f $file ]] || continue
		case $file in
		*.sources) awk -v RS= -v ORS='\n\n' -v from="$from" -v to="$to" '
			function suites(   n, i, line, found) {
				n = split($0, line, "\n")
				$0 = ""
				for (i = 1; i <= n; i++) {
					if (line[i] ~ /^Suites:/)
						found = gsub("[ \t]" from, " " to, line[i])
					$0 = $0 line[i] "\n"
				}
				return found
			}
			suites()' "$file" ;;
		*.list) sed -n "s/^\(deb .*[ \t]\)$from\([-/ \t].*\)/\1$to\2/p" "$file" ;;
		esac >"$work/apt/sources/${file##*/}"
	done
}

private_apt() {
	local command=$1
	shift

	"apt-$command" -qq -o "Dir::State::Lists=$work/apt/lists" -o "Dir::State::status=/dev/null" \
		-o "Dir::Cache=$work/apt/cache" -o "Dir::Etc::SourceList=/dev/null" \
		-o "Dir::Etc::SourceParts=$work/apt/sources" -o "APT::Sandbox::User=" \
		-o "APT::Architecture=amd64" -o "APT::Architectures=amd64" \
		-o "APT::Install-Recommends=false" -o "Acquire::Languages=none" \
		-o "Acquire::Retries=2" -o "Acquire::http::Timeout=30" -o "Debug::NoLocking=1" "$@"
}

download() {
	local name

	private_apt get update || echo "some lists of packages are missing"
	name=$(private_apt cache depends "$kernel_package" |
		sed -n 's/^ *Depends: \(linux-image-.*\)/\1/p')
	[[ -n $name ]] || return 1
	mkdir "$work/kernel" "$work/others"
	(cd "$work/kernel" && private_apt get download "$name") || return 1
	[[ -n $stack_qemu ]] || return 0
	# Nothing counts as installed: this is QEMU with all its libraries.
	private_apt get -y --download-only install "$stack_qemu" &&
		mv "$work/apt/cache/archives/"*.deb "$work/others/"
}

unpack() {
	local package modules

	mkdir -p "$new/qemu"
	for package in "$work"/others/*.deb; do
		[[ ! -f $package ]] || dpkg-deb --fsys-tarfile "$package" | tar -x -C "$new/qemu" \
			--exclude='./usr/share/doc' --exclude='./usr/share/man' \
			--exclude='./usr/share/locale' --no-same-owner
	done
	dpkg-deb -x "$work"/kernel/*.deb "$work/kernel/root"
	mv "$work"/kernel/root/boot/vmlinuz-* "$new/vmlinuz"
	# The newer one knows no other /lib than that in /usr.
	modules=$work/kernel/root/usr/lib/modules
	[[ -d $modules ]] || modules=$work/kernel/root/lib/modules
	mv "$modules" "$new/modules"
	(cd "$new" && find . -type f ! -name SHA256SUMS -exec sha256sum {} + >SHA256SUMS)
}

fetch() {
	local codename

	need apt-get apt-cache dpkg-deb
	codename=$(. /etc/os-release && echo "${VERSION_CODENAME-}")
	[[ -n $codename ]] || skip "the release of this system has no name"
	make_work
	logs+=("$work/log")
	new=$stack_dir.new
	undo+=("rm -rf '$new'")
	rm -rf "$new" "$stack_dir"
	mkdir -p "$new" "$work"/apt/{lists/partial,cache/archives/partial,sources}
	other_sources "$codename" "$stack"
	download >"$work/log" 2>&1 || {
		cat "$work/log"
		skip "the packages of $stack cannot be had"
	}
	unpack
	mv "$new" "$stack_dir"
}

mkdir -p "${stack_dir%/*}"
exec 9>"$stack_dir.lock"
flock 9
is_intact || fetch
