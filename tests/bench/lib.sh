# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154
#
# lib.sh - sourced by the benchmarks in guests
#
#   timed METHOD COMMAND...     prints the seconds, as the programs do
#   sectors_of DEVICE           that the block layer has moved

timed() {
	local start=$EPOCHREALTIME

	"${@:2}" >/tmp/timed 2>&1 || die "$1: $(</tmp/timed)"
	awk -v "m=$1" -v "s=$start" -v "e=$EPOCHREALTIME" \
		'BEGIN { printf "%-24s %8.4f\n", m, e - s }'
}

sectors_of() {
	awk '{ print $3 + $7 }' "/sys/block/${1##*/}/stat"
}
