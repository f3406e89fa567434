#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# Options that allow and forbid, and -v, which tells.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname "$0")/common.sh"

make src 1000003
make old 200000 500000
cp old dst

# What no backend can is refused before the destination is touched.
refused() {
	cp old dst
	run 3 "$copyoff" copy "$@" src dst
	says "'src'" "'dst'"
	same old dst
	run 3 "$copyoff" copy "$@" src new
	absent new
}
refused --require-offload --backend readwrite
refused --reflink=always --backend readwrite
refused --reflink --backend readwrite
refused --reflink=always --backend readwrite -r 0:0:100

# --reflink=always clones where cp clones, and only there.
if cp --reflink=always src clone 2>/dev/null; then
	run 0 "$copyoff" copy --reflink=always src dst
	same src dst
else
	refused --reflink=always
	refused --reflink
	refused --reflink=never --reflink=always
fi
# The last one counts.
run 0 "$copyoff" copy --reflink=always --reflink=never src dst
same src dst
run 0 "$copyoff" copy --reflink=always --reflink=auto src dst
same src dst

for options in --reflink=auto --reflink=never --sparse --sync --verify --no-raw "--sync --verify --sparse"; do
	rm -f dst
	# shellcheck disable=SC2086
	run 0 "$copyoff" copy $options src dst
	quiet
	same src dst
done

# -v names the backend that copied, and why those before it did not.
run 0 "$copyoff" copy -v --backend readwrite src dst
grep -qxF "1000003 bytes copied, 0 of them known to be offloaded" .log/err || die "no sum"
grep -qE "^readwrite: 1000003 bytes in [0-9]+ calls$" .log/err || die "no backend"
"$copyoff" backends | cut -d' ' -f1 >names
while read -r name && [[ $name != readwrite ]]; do
	grep -qE "^$name: not used: ." .log/err || die "not a word about $name"
done <names

# Those behind the one that copied everything are not mentioned.
rm dst
run 0 "$copyoff" copy -v src dst
tail -n 1 .log/err | grep -qE "^[a-z_]+: [0-9]+ bytes in [0-9]+ calls$" || die "more than asked for"

# The filter of the option is stronger than that of the environment.
run 0 env COPYOFF_BACKENDS=^readwrite "$copyoff" copy -v --backend readwrite src dst
grep -q "^readwrite: 1000003 bytes" .log/err || die "the environment won"
run 3 env COPYOFF_BACKENDS=readwrite "$copyoff" copy --require-offload src dst
