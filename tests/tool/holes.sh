#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# Holes of the source, where the file system has them.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname "$0")/common.sh"

not_portable "finds no holes"
truncate -s 16M holes
printf x | dd of=holes bs=1 seek=8000000 conv=notrunc status=none
truncate -s 16M reference
[[ $(stat -c %b reference) -eq 0 ]] || skip "no holes on this file system"

# In a new file they stay holes.
for option in --reflink=auto --reflink=never --sparse; do
	rm -f copied
	run 0 "$copyoff" copy "$option" holes copied
	same holes copied
	(($(stat -c %b copied) * 512 < 1 << 20)) ||
		die "$option: $(stat -c %b copied) blocks for a file of holes"
done

# Over data they become holes with --sparse, and zeroes without.
fallocate -p -o 0 -l 4096 copied 2>/dev/null || skip "holes cannot be punched here"
truncate -s 4M empty
make data 4194304
run 0 "$copyoff" copy --sparse -r :: empty data
same empty data
(($(stat -c %b data) * 512 < 1 << 20)) || die "--sparse left $(stat -c %b data) blocks"
make data 4194304
run 0 "$copyoff" copy --backend readwrite -r :: empty data
same empty data
(($(stat -c %b data) * 512 >= 4194304)) || die "without --sparse, blocks were freed"
