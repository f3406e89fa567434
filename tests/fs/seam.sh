#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# Every call into the system fails once, in copies between loop devices.
# Arguments: file system, programs, fault-seam.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"

seam=$3
need losetup
make_fs "$fs" "$mnt"
cd "$mnt"

# attach NAME KIB: the device is in $device.
attach() {
	truncate -s "$2K" "$1"
	device=$(losetup --find --show "$1" 2>>"$work/log") || skip "no loop device"
	undo+=("losetup -d $device")
}
attach source 320
export COPYOFF_TEST_SOURCE=$device
attach destination 384
export COPYOFF_TEST_DESTINATION=$device

for scenario in device device-odd device-within device-direct-synced device-unshared \
	device-to-file device-from-file device-end device-plan; do
	"$seam" "$scenario" || wrong "$scenario"
done
