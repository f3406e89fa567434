#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# Files that may not be read or written.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname "$0")/common.sh"

make src 5000
make dst 7000 500000
cp dst old

# Root may read and write everything, unless told otherwise.
without=()
if [[ $(id -u) -eq 0 ]]; then
	need setpriv
	without=(setpriv "--bounding-set=-dac_override,-dac_read_search"
		"--inh-caps=-dac_override,-dac_read_search")
	chown 0:0 src dst
fi

chmod 000 src
! "${without[@]}" cat src >/dev/null 2>&1 || skip "permissions are not enforced here"
run 1 "${without[@]}" "$copyoff" copy src dst
says "'src'" "Permission denied"
same dst old
run 1 "${without[@]}" "$copyoff" copy src new
absent new
chmod 644 src

chmod 444 dst
run 1 "${without[@]}" "$copyoff" copy src dst
says "'dst'" "Permission denied"
run 1 "${without[@]}" "$copyoff" explain src dst
says "'dst'" "Permission denied"
chmod 644 dst
same dst old

mkdir locked
chmod 555 locked
run 1 "${without[@]}" "$copyoff" copy src locked/new
says "'locked/new'" "Permission denied"
run 1 "${without[@]}" "$copyoff" copy src locked
says "'locked/src'" "Permission denied"
chmod 755 locked
[[ -z $(ls locked) ]] || die "something was created"

# Written without being read, except to verify.
chmod 200 dst
run 1 "${without[@]}" "$copyoff" copy --verify src dst
says "'dst'" "Permission denied"
run 0 "${without[@]}" "$copyoff" copy src dst
chmod 644 dst
same src dst
