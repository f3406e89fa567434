# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2034,SC2154
#
# scsi-lib.sh - SCSI disks of the guest; sourced by tests, which name the modules
#
#   make_fileio NAME BYTES [BLOCK]   a store of LIO in $image, a file; BLOCK is 512
#   make_ramdisk NAME BYTES [BLOCK]  one in memory
#   make_iblock NAME DEVICE [BLOCK]  one on a block device
#   set_attribute NAME ATTRIBUTE VALUE   of one of these, before it is attached
#   attach_store NAME [GROUP]  makes it a disk, in target port group 1 or this:
#                              $device, $generic
#   start_target UNIT...  our own target serves these units, which are described in
#                         tests/scsi-target/README.md, with file=FILE; needs the program
#                         tests/scsi-target/scsi-target of the build; settles them
#   settle_disks          no disk has a unit attention to report; when all are attached
#   find_disk NAME        $device and $generic of one of these disks
#   set_faults [LINE...]  of our target; none without a line.  What it has done since
#                         the last time is in ./counts
#   counted WORD         the number behind it in there, or 0
#
# Disks are found by their serial numbers: names vary from boot to boot.

lio=/sys/kernel/config/target
loopback=$lio/loopback/naa.5001405c0ffee001

prepare_lio() {
	[[ ! -d $lio/core ]] || return 0
	mountpoint -q /sys/kernel/config || mount -t configfs configfs /sys/kernel/config
	mkdir -p /var/target/{pr,alua} /etc/target "$lio/core"
}

# --- stores --------------------------------------------------------------------

declare -A store_of serial_of
stores=0

# new_store KIND NAME CONTROL BLOCK: the designator is made of the digits of the
# serial number alone, so that only a whole UUID is one that no other has.
new_store() {
	local directory=$lio/core/$1_$((++stores))/$2

	prepare_lio
	mkdir -p "$directory"
	undo+=("remove_store '$directory'")
	echo "$3" >"$directory/control"
	serial_of[$2]=$(printf 'c0ffee%02x-0000-4000-8000-%012x' $stores $((0xabcdef00 + stores)))
	echo "${serial_of[$2]}" >"$directory/wwn/vpd_unit_serial"
	echo 1 >"$directory/enable"
	[[ $1 == user || $4 == 512 ]] || echo "$4" >"$directory/attrib/block_size"
	store_of[$2]=$directory
}

remove_store() {
	rmdir "$1" "${1%/*}"
}

make_fileio() {
	image=/tmp/$1.img
	truncate -s "$2" "$image"
	new_store fileio "$1" "fd_dev_name=$image,fd_dev_size=$2" "${3-512}"
}

make_ramdisk() {
	new_store rd_mcp "$1" "rd_pages=$(($2 / 4096))" "${3-512}"
}

make_iblock() {
	new_store iblock "$1" "udev_path=$2" "${3-512}"
}

set_attribute() {
	echo "$3" >"${store_of[$1]}/attrib/$2"
}

# --- disks ---------------------------------------------------------------------

luns=0
attached=()

# One that is no store of the kernel is its own target: see start_target.
attach_store() {
	local group=$loopback/tpgt_${2-1} lun

	mkdir -p "$group"
	[[ -n $(<"$group/nexus") ]] 2>/dev/null || {
		echo "naa.5001405c0ffee0ff" >"$group/nexus"
		undo+=("remove_group '$group'")
	}
	lun=$group/lun/lun_$((luns++))
	mkdir "$lun"
	ln -s "${store_of[$1]}" "$lun/port"
	undo+=("rm '$lun/port'; rmdir '$lun'")
	attached+=("$1")
	find_disk "$1"
}

# New ones make the others report a unit attention, once.
settle_disks() {
	local name

	for name in "${attached[@]}"; do
		find_disk "$name"
		dd if="$device" of=/dev/null bs=4096 count=1 iflag=direct status=none || true
	done
}

remove_group() {
	echo NULL >"$1/nexus"
	rmdir "$1"
	[[ -n $(find "$loopback" -name 'tpgt_*') ]] || rmdir "$loopback"
}

# The kernel looks for disks while the test goes on.
find_disk() {
	local disk page

	for _ in {1..400}; do
		for disk in /sys/block/sd*; do
			[[ -f $disk/device/vpd_pg80 && $(<"$disk/size") != 0 ]] || continue
			# 0, the page, 0, and behind the length the serial number.
			mapfile -d '' -t page <"$disk/device/vpd_pg80"
			[[ ${page[2]-} == ?"${serial_of[$1]}" ]] || continue
			generic=$(echo "$disk"/device/scsi_generic/*)
			[[ -d $generic ]] || continue
			generic=/dev/${generic##*/}
			device=/dev/${disk##*/}
			link_number "$(<"$disk/dev")"
			return
		done
		sleep 0.05
	done
	die "there is no disk $1"
}

# That is udev's task, and sg_xcopy looks there.
link_number() {
	[[ -d /dev/block ]] || mkdir /dev/block
	[[ -e /dev/block/$1 ]] || ln -s "$device" "/dev/block/$1"
}

# --- our target ----------------------------------------------------------------

target_pid=

# value_of NAME UNIT
value_of() {
	local word

	for word in ${2//,/ }; do
		[[ $word != "$1="* ]] || echo "${word#*=}"
	done
}

# The kernel's devices are there before the program, and that before the disks.
start_target() {
	local unit name file size

	for unit; do
		name=$(value_of name "$unit") file=$(value_of file "$unit")
		size=$(stat -c %s "$file")
		new_user_store "$name" "$size" "$(value_of block-size "$unit")"
	done
	: >faults
	start_program "$@"
	for unit; do
		attach_store "$(value_of name "$unit")"
	done
	settle_disks
}

new_user_store() {
	local block=${3:-512}

	new_store user "$1" \
		"dev_config=copyoff/$1,dev_size=$2,hw_block_size=$block,hw_max_sectors=2048" "$block"
	serial_of[$1]=$1
}

# start_program UNIT...: also again, after the program was killed
start_program() {
	rm -f counts
	"$build/tests/scsi-target/scsi-target" --faults faults --counts counts "$@" &
	target_pid=$!
	undo+=(stop_target)
	wait_for_counts
}

stop_target() {
	[[ -z $target_pid ]] || ! kill "$target_pid" 2>/dev/null || wait "$target_pid" || true
	target_pid=
}

wait_for_counts() {
	for _ in {1..200}; do
		[[ ! -f counts ]] || return 0
		kill -0 "$target_pid" || die "the target has ended"
		sleep 0.05
	done
	die "the target does not answer"
}

set_faults() {
	printf '%s\n' "$@" >faults
	rm -f counts
	kill -USR1 "$target_pid" || die "the target has ended"
	wait_for_counts
}

counted() {
	awk -v word="$1" '$1 == word { n = $2 } END { print n + 0 }' counts
}
