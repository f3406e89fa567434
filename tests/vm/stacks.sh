# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2034
#
# stacks.sh - a stack is a QEMU and a kernel; sourced by fetch.sh and guest.sh
#
#   bookworm   the QEMU of this system, with the kernel of Debian 12
#   trixie     the QEMU and the kernel of Debian 13, unpacked in the cache
#   mixed      the kernel of bookworm in the QEMU of trixie
#
# use_stack STACK sets
#   $stack      its name
#   $stack_parts  the stacks that fetch.sh has to be called for
#   $stack_dir  where that puts it: vmlinuz, modules/, qemu/ and SHA256SUMS
#   $headers_dir  where it puts what modules are compiled with, for the same kernel
#   $stack_qemu the package of a QEMU that is unpacked there, or nothing
#   $qemu       the command that runs QEMU, once it is there
#   $loader     of the C library that programs of that release need, or nothing
#   $libraries  where that finds them

use_stack() {
	local cache=${COPYOFF_VM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/copyoff-vm} root lib

	stack=$1
	stack_parts=("$stack")
	stack_dir=$cache/$stack
	[[ $stack != mixed ]] || {
		stack_parts=(bookworm trixie)
		stack_dir=$cache/bookworm
	}
	headers_dir=$stack_dir-headers
	stack_qemu=
	loader=
	libraries=
	root=$cache/trixie/qemu
	lib=usr/lib/x86_64-linux-gnu
	case $stack in
	bookworm) qemu=(qemu-system-x86_64) ;;
	trixie | mixed)
		stack_qemu="qemu-system-x86"
		loader=$root/usr/lib64/ld-linux-x86-64.so.2
		libraries=$root/$lib:$root/$lib/systemd
		qemu=(env "QEMU_MODULE_DIR=$root/$lib/qemu"
			"$loader" --library-path "$libraries"
			"$root/usr/bin/qemu-system-x86_64"
			-L "$root/usr/share/qemu" -L "$root/usr/share/seabios"
			-L "$root/usr/lib/ipxe/qemu")
		;;
	*) die "no stack $stack" ;;
	esac
}
