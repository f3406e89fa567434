#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
#
# fetch.sh STACK [headers] - put what a stack consists of into the cache, or skip;
# or what modules for its kernel are compiled with
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
part=${2-kernel}
kernel_package=linux-image-cloud-amd64

# Not all that is needed has a name of its own: the sums tell what is damaged.
is_intact() {
	[[ -f $1/SHA256SUMS ]] && (cd "$1" && sha256sum --quiet --check SHA256SUMS) >&2
}

make_sums() {
	(cd "$1" && find . -type f ! -name SHA256SUMS -exec sha256sum {} + >SHA256SUMS)
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

# dependency PACKAGE PATTERN: the name of what it depends on
dependency() {
	private_apt cache depends "$1" | sed -n "s/^ *Depends: \($2\)$/\1/p" | head -n 1
}

# --- a kernel and its QEMU ----------------------------------------------------

download_kernel() {
	local name

	name=$(dependency "$kernel_package" 'linux-image-.*')
	[[ -n $name ]] || return 1
	mkdir "$work/kernel" "$work/others"
	(cd "$work/kernel" && private_apt get download "$name") || return 1
	[[ -n $stack_qemu ]] || return 0
	# Nothing counts as installed: this is QEMU with all its libraries.
	private_apt get -y --download-only install "$stack_qemu" &&
		mv "$work/apt/cache/archives/"*.deb "$work/others/"
}

unpack_kernel() {
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
}

# --- what modules are compiled with -------------------------------------------

# For the kernel that is there, though the release may have a newer one by now.
download_headers() {
	local package common kbuild

	package=linux-headers-$(basename "$stack_dir"/modules/*)
	common=$(dependency "$package" 'linux-headers-.*-common')
	kbuild=$(dependency "$package" 'linux-kbuild-.*')
	[[ -n $common && -n $kbuild ]] || return 1
	mkdir "$work/headers"
	(cd "$work/headers" && private_apt get download "$package" "$common" "$kbuild")
}

# They are not where they expect to be.
unpack_headers() {
	local package makefile

	for package in "$work"/headers/*.deb; do
		dpkg-deb -x "$package" "$new"
	done
	for makefile in "$new"/usr/src/linux-headers-*/Makefile; do
		# shellcheck disable=SC2016  # for make
		sed -i 's|^include /usr/src/|include $(dir $(lastword $(MAKEFILE_LIST)))../|' "$makefile"
	done
	[[ -z $loader ]] || wrap_programs "$new/usr/lib"
}

# The programs of the other release need its C library: module/build.sh says where
# that is.
wrap_programs() {
	local file magic

	while read -r -d '' file; do
		read -r -n 4 magic <"$file" || true
		[[ $magic == $'\x7fELF' ]] || continue
		mv "$file" "$file.elf"
		cat >"$file" <<-'END'
			#!/bin/sh
			exec "$REF_LOADER" --library-path "$REF_LIBRARIES" --argv0 "$0" "$0.elf" "$@"
		END
		chmod +x "$file"
	done < <(find "$1" -type f -perm -100 -print0) 2>/dev/null
}

# --- either -------------------------------------------------------------------

download() {
	private_apt get update || echo "some lists of packages are missing"
	"download_$part"
}

# fetch DIRECTORY
fetch() {
	local codename

	need apt-get apt-cache dpkg-deb
	codename=$(. /etc/os-release && echo "${VERSION_CODENAME-}")
	[[ -n $codename ]] || skip "the release of this system has no name"
	make_work
	logs+=("$work/log")
	new=$1.new
	undo+=("rm -rf '$new'")
	rm -rf "$new" "$1"
	mkdir -p "$new" "$work"/apt/{lists/partial,cache/archives/partial,sources}
	other_sources "$codename" "$stack"
	download >"$work/log" 2>&1 || {
		cat "$work/log"
		skip "the packages of $stack cannot be had: $part"
	}
	"unpack_$part"
	make_sums "$new"
	mv "$new" "$1"
}

case $part in
kernel) directory=$stack_dir ;;
headers) directory=$headers_dir ;;
*) die "what is \"$part\"?" ;;
esac
mkdir -p "${directory%/*}"
exec 9>"$directory.lock"
flock 9
is_intact "$directory" || fetch "$directory"
