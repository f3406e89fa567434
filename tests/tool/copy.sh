#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# Whole files: content, size, mode, names.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname "$0")/common.sh"

for size in 0 1 4095 4096 65537 3000000; do
	make src "$size"
	run 0 "$copyoff" copy src "new$size"
	quiet
	same src "new$size"
done

# A longer and a shorter destination end with exactly the source's size.
make src 100000
make longer 1000000 500000
make shorter 10 500000
run 0 "$copyoff" copy src longer
run 0 "$copyoff" copy src shorter
same src longer
same src shorter
: >empty
run 0 "$copyoff" copy empty longer
same empty longer

# The command adds nothing to and takes nothing from the source.
make again 100000
same src again

# Options may stand behind the operands, and -- ends them.
run 0 "$copyoff" copy src behind --sync --sparse
same src behind
run 0 "$copyoff" copy -- src -dash
same src ./-dash
run 0 "$copyoff" copy -- -dash back
same src back

# A directory as destination.
mkdir directory
run 0 "$copyoff" copy src directory
same src directory/src
run 0 "$copyoff" copy "$work//src" directory/
same src directory/src
mkdir directory/again
run 1 "$copyoff" copy again directory
says "directory/again" "is a directory"

# Through symbolic links: content is copied, links stay.
ln -s src link-in
: >target
ln -s target link-out
run 0 "$copyoff" copy link-in link-out
[[ -L link-out ]] || die "the link was replaced"
same src target
ln -s nowhere dangling
run 1 "$copyoff" copy src dangling
says "'dangling'" "dangling symbolic link"
absent nowhere

# New file: source mode without the umask.  Existing file: its own mode.
chmod 4764 src
for mask in 000 022 077 177; do
	(umask "$mask" && run 0 "$copyoff" copy src "mode$mask")
	expected=$(printf %o $((0764 & ~0$mask)))
	[[ $(stat -c %a "mode$mask") == "$expected" ]] ||
		die "umask $mask: mode $(stat -c %a "mode$mask"), not $expected"
done
chmod 600 target
run 0 "$copyoff" copy src target
[[ $(stat -c %a target) == 600 ]] || die "the mode of an existing file changed"
chmod 444 src
run 0 "$copyoff" copy src readonly
same src readonly
[[ $(stat -c %a readonly) == 444 ]] || die "mode $(stat -c %a readonly), not 444"

# Other hard links to the destination see the copy: it is written, not replaced.
: >one
ln one two
run 0 "$copyoff" copy src one
same src two

# Files that report size 0 but have content.
if [[ -r /proc/version ]]; then
	run 0 "$copyoff" copy /proc/version version
	same /proc/version version
fi
