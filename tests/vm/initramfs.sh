# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154
#
# initramfs.sh - the guest's root directory; sourced by guest.sh
#
# Files have the same path in the guest as here, so that whatever names them
# finds them: run paths, backtraces, .gcda files, and the tests themselves.
#
#   add_program NAME|PATH...   with its libraries; skips without it
#   add_file PATH...           what it points to, if it is a link
#   add_tree PATH...           a directory, with the links in it
#   add_module NAME...         with those that it depends on
#   add_module_file FILE       another one, which depends on none
#   pack FILE                  writes the archive
#
# The files are collected in $stage.

start_stage() {
	local dir

	stage=$work/stage
	mkdir -p "$stage"/{dev,proc,sys,run,tmp,applets} "$stage"/usr/{bin,sbin,lib,lib64}
	for dir in bin sbin lib lib64; do
		ln -s "usr/$dir" "$stage/$dir"
	done
	# What scripts call without thinking is the same as elsewhere; for the rest
	# there are the applets of busybox, last in the PATH.
	add_program busybox bash awk basename cat chmod cmp cp cut dd dirname grep head ls mkdir \
		mktemp mount mountpoint mv realpath rm sed seq sh sleep sort stat sync tail touch tr \
		truncate umount
	ln -s busybox "$stage/usr/bin/env"
	install -m 755 "$here/init" "$stage/init"
	: >"$stage/modules"
	add_file "$here/guest-lib.sh" "$here/copy-lib.sh" "$here/../lib.sh"
}

add_file() {
	copy_to_stage -L "$@"
}

add_tree() {
	copy_to_stage -R "$@"
}

# copy_to_stage OPTION-OF-CP PATH...
copy_to_stage() {
	local option=$1 path
	shift

	for path in "$@"; do
		path=$(realpath -s "$path")
		[[ ! -e $stage$path ]] || continue
		mkdir -p "$stage${path%/*}"
		cp "$option" "$path" "$stage$path" || die "$path is needed in the guest"
	done
}

# Those that ldd knows: what a program opens by itself, the test has to name.  It
# fails for a program without libraries.
libraries_of() {
	{ ldd "$@" 2>/dev/null || true; } | awk '
		/not found/ { exit 1 }
		$2 == "=>" && $3 ~ /^\// { print $3 }
		$1 ~ /^\// && $1 !~ /:$/ { print $1 }' || die "libraries are missing: $*"
}

add_program() {
	local name path paths=() libraries

	for name in "$@"; do
		path=$(type -P "$name") || skip "$name was not found"
		paths+=("$path")
	done
	libraries=$(libraries_of "${paths[@]}")
	# shellcheck disable=SC2086  # one a word
	add_file "${paths[@]}" $libraries
}

# --- modules ------------------------------------------------------------------

# Debian packages have no modules.dep, it is made when they are installed.
add_module() {
	local name file depends

	for name in "$@"; do
		name=${name//-/_}
		! grep -qxF "$name" "$stage/modules" || continue
		! grep -qE "/$(module_pattern "$name")\.ko$" "$stack_dir"/modules/*/modules.builtin ||
			continue
		file=$(find "$stack_dir/modules" -regextype posix-extended \
			-regex ".*/$(module_pattern "$name")\.ko(\.xz)?" -print -quit)
		[[ -n $file ]] || skip "the kernel of $stack has no module $name"
		mkdir -p "$stage/ko"
		case $file in
		*.xz) busybox xzcat "$file" >"$stage/ko/$name.ko" ;;
		*) cp "$file" "$stage/ko/$name.ko" ;;
		esac
		depends=$(tr '\0' '\n' <"$stage/ko/$name.ko" | sed -n 's/^depends=//p')
		# shellcheck disable=SC2086  # one a word
		add_module ${depends//,/ }
		echo "$name" >>"$stage/modules"
	done
}

add_module_file() {
	mkdir -p "$stage/ko"
	cp "$1" "$stage/ko/"
	basename "$1" .ko >>"$stage/modules"
}

# A name is the same with either sign.
module_pattern() {
	echo "${1//_/[-_]}"
}

pack() {
	(cd "$stage" && find . -print0 | cpio --null --quiet -o -H newc -R 0:0) >"$1" ||
		die "cpio"
}
