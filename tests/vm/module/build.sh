#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# build.sh STACK DIRECTORY - compile the reference block device for the kernel of
# STACK, into DIRECTORY, if it is not there; or skip
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../../lib.sh
source "$(dirname "$0")/../../lib.sh"
here=$(realpath "$(dirname "$0")")
# shellcheck source=../stacks.sh
source "$here/../stacks.sh"

use_stack "$1"
directory=$2
result=$directory/copyoff_ref.ko
log=$directory/log

is_current() {
	[[ -f $result ]] &&
		[[ -z $(find "$here" "$headers_dir/SHA256SUMS" -newer "$result" -print -quit) ]]
}

# That of the distribution may be newer, and know options that this one does not.
compiler=gcc-12

compile() {
	local release

	release=$(basename "$stack_dir"/modules/*)
	cp "$here"/{Kbuild,*.[ch]} "$directory/"
	env -i "PATH=$PATH" "REF_LOADER=$loader" "REF_LIBRARIES=$libraries" \
		make -C "$headers_dir/usr/src/linux-headers-$release" "M=$directory" "CC=$compiler" \
		CONFIG_DEBUG_INFO_BTF_MODULES= CONFIG_CC_HAS_MIN_FUNCTION_ALIGNMENT= modules \
		>"$log" 2>&1 || {
		cat "$log" >&2
		die "the reference block device is not compiled for $stack"
	}
	strip --strip-debug "$result"
}

mkdir -p "$directory"
exec 9>"$directory/lock"
flock 9
if ! is_current; then
	need make "$compiler" strip
	"$here/../fetch.sh" "$stack" headers || exit
	compile
fi
