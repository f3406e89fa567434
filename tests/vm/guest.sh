#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
#
# guest.sh STACK FILE BUILD - run one test in a guest; docs/vm.md says more
#
# Exit status 0: passed, 77: skipped, with the reason, else failed.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../lib.sh
source "$(dirname "$0")/../lib.sh"
here=$(realpath "$(dirname "$0")")
# shellcheck source=stacks.sh
source "$here/stacks.sh"
# shellcheck source=initramfs.sh
source "$here/initramfs.sh"

use_stack "$1"
file=$(realpath "$2")
build=$(realpath "$3")
test_name=vm.$stack.$(basename "$file" .test)
PATH=$PATH:/usr/sbin:/sbin # of the host, also for others than root

# --- what the test needs ------------------------------------------------------

disks=()
options=()
memory=256
seconds=120

# need_line KEY WORD...: from the first lines of the test
need_line() {
	local key=$1
	shift

	case $key in
	stack) [[ " $* " == *" $stack "* ]] || skip "not for $stack" ;;
	disk)
		truncate -s "$2" "$work/$1.img"
		disks+=(-drive "file=$1.img,if=none,id=$1,format=raw${3:+,$3}")
		;;
	image) truncate -s "$2" "$work/$1.img" ;;
	qemu) options+=("$@") ;;
	build) add_built "$@" ;;
	source) add_tree "${@/#/$root/}" ;;
	program) add_program "$@" ;;
	module) add_module "$@" ;;
	reference) add_reference_module ;;
	memory) memory=$1 ;;
	seconds) seconds=$1 ;;
	*) die "$file: what is \"$key\"?" ;;
	esac
}

add_built() {
	local path

	for path in "${@/#/$build/}"; do
		[[ -x $path ]] || skip "${path#"$build/"} was not built"
		add_program "$path"
	done
}

# Compiled for the kernel of the guest, once for all tests of this build.
add_reference_module() {
	local directory=$build/tests/vm/module.$stack

	"$here/module/build.sh" "$stack" "$directory" || exit
	add_module_file "$directory/copyoff_ref.ko"
}

read_needs() {
	local words

	while read -r -a words; do
		[[ ${words[0]-} != '#:' ]] || need_line "${words[@]:1}"
	done <"$file"
}

# --- what the build needs -----------------------------------------------------

# Sanitizers need memory.  What gcov counts is stored below $gcov in the guest,
# and comes back on a disk: the last, so that others keep their numbers.
gcov=
read_build() {
	! grep -q 'fsanitize' "$build/CMakeCache.txt" || memory=$((memory + 512))
	if grep -qE 'CMAKE_C_FLAGS:.*--coverage' "$build/CMakeCache.txt"; then
		gcov=/gcov
		truncate -s 256M "$work/results.img"
		results=(-drive "file=results.img,if=none,id=results,format=raw"
			-device "nvme,serial=results,drive=results")
	fi
}

# What was counted here before is added to.
take_counts() {
	local file old

	mkdir "$work/counts"
	tar -x -f "$work/results.img" -C "$work/counts" || die "the guest brought no counts"
	while read -r -d '' file; do
		old=${file#"$work/counts"}
		if [[ -f $old ]]; then
			mkdir "$work"/{old,new}
			mv "$file" "$work/new/x.gcda"
			cp "$old" "$work/old/x.gcda"
			gcov-tool merge "$work/old" "$work/new" -o "$work/merged" >/dev/null ||
				die "gcov-tool does not merge $old"
			file=$work/merged/x.gcda
		fi
		mv "$file" "$old"
		rm -rf "$work"/{old,new,merged}
	done < <(find "$work/counts" -name '*.gcda' -print0)
}

# --- the guest ----------------------------------------------------------------

# Those which a test is called with, and what is only known here.
write_environment() {
	local name

	{
		for name in ${!COPYOFF_TEST_SEED@} ${!COPYOFF_TEST_OPS@} ${!COPYOFF_TEST_ABIS@} ${!CK_@}; do
			printf 'export %s=%q\n' "$name" "${!name}"
		done
		printf 'export %s=%q\n' GUEST_LIB "$here/guest-lib.sh" GUEST_TEST "$file" \
			GCOV_PREFIX "$gcov" stack "$stack" build "$build"
	} >"$stage/environment"
}

# A busy host makes the guest stand still for seconds: that is no fault of it.
patient="no_timer_check nowatchdog rcupdate.rcu_cpu_stall_suppress=1"

# Memory that QEMU allocates is all zeroes.  Its NVMe controller looks, when a Copy fails
# or is canceled before its first write, at the type of a write that it never began, in
# memory that it never wrote to (nvme_copy_done() up to QEMU 10.0 at least), and aborts
# where that is no type.  Zero is the type of nothing.
allocate_zeroes=GLIBC_TUNABLES=glibc.malloc.perturb=255:glibc.malloc.tcache_count=0

pid=
stop_guest() {
	[[ -z $pid ]] || ! kill "$pid" 2>/dev/null || wait "$pid" || true
}

# It does not outlive this script, even where that is killed.
boot() {
	local status=0

	cd "$work"
	: >console.log
	env "$allocate_zeroes" \
		setpriv --pdeathsig TERM timeout --kill-after 5 "$seconds" "${qemu[@]}" \
		-M pc -accel tcg,thread=multi -smp 2 -m "$memory" \
		-nodefaults -no-user-config -display none -no-reboot \
		-serial file:console.log -serial file:output.log \
		-kernel "$stack_dir/vmlinuz" -initrd initramfs \
		-append "console=ttyS0 panic=-1 loglevel=5 mitigations=off $patient" \
		"${disks[@]}" "${options[@]}" "${results[@]}" >qemu.log 2>&1 </dev/null &
	pid=$!
	undo+=(stop_guest)
	wait $pid || status=$?
	pid=
	cd /
	return $status
}

# --- the verdict --------------------------------------------------------------

complaints='WARNING: |BUG: |Oops|Call Trace|blocked for more than|Kernel panic|protection fault'
complaints+='|UBSAN: |KASAN: '

judge() {
	local ended=$1 status

	status=$(sed -n '$s/^exit status \([0-9]*\)$/\1/p' "$work/output.log")
	sed '${/^exit status [0-9]*$/d}' "$work/output.log"
	((ended != 124 && ended != 137)) || die "it took longer than $seconds seconds"
	((ended == 0)) || die "QEMU ended with status $ended"
	if grep -qE "$complaints" "$work/console.log"; then
		die "the kernel complains: $(grep -m 1 -E "$complaints" "$work/console.log")"
	fi
	[[ -n $status ]] || die "the guest ended without an exit status"
	[[ -z $gcov ]] || take_counts
	if ((status == 77)); then
		grep -q '^SKIP: ' "$work/output.log" || die "skipped without a reason"
		exit 77
	fi
	((status == 0)) || die "exit status $status"
}

# keep DIRECTORY: for who wants to see more
keep() {
	local file

	mkdir -p "$1"
	for file in "$work"/{console.log,output.log,qemu.log,initramfs}; do
		[[ ! -f $file ]] || cp "$file" "$1/"
	done
}

[[ $(uname -m) == x86_64 ]] || skip "the guest runs programs of x86-64"
need cpio setpriv timeout ldd
[[ -n $stack_qemu ]] || need "${qemu[0]}"
for part in "${stack_parts[@]}"; do
	"$here/fetch.sh" "$part" || exit
done
make_work
logs+=("$work/qemu.log" "$work/console.log")
[[ -z ${COPYOFF_VM_KEEP-} ]] || undo+=("keep '$COPYOFF_VM_KEEP/$test_name'")
results=()
start_stage
add_file "$file"
read_needs
read_build
write_environment
pack "$work/initramfs"
rm -rf "$stage"
ended=0
boot || ended=$?
judge $ended
