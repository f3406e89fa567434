#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# explain says something about every backend and changes nothing.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname "$0")/common.sh"

need python3
make src 100000
make dst 5000 500000
cp dst old
touch -d @1000000000 dst src
before=$(stat -c '%n %Y %Z %s %b %a' src dst)

"$copyoff" backends | cut -d' ' -f1 >names
run 0 "$copyoff" explain src dst
while read -r name; do
	grep -qF "$name" .log/out || die "not a word about $name"
done <names
run 0 "$copyoff" explain --json src dst
json "[b['name'] for b in d['backends']] == open('names').read().split()"
json "d['source'] == 'src' and d['destination'] == 'dst' and d['destination_exists']"
json "all(b['usable'] == (b['reason'] == 'none') and b['text'] for b in d['backends'])"
json "all(set(b['limits']) == {'align', 'min_total', 'max_range', 'max_ranges', 'max_total'}
	for b in d['backends'])"
json "[b['usable'] for b in d['backends'] if b['name'] == 'readwrite'] == [True]"
[[ $(stat -c '%n %Y %Z %s %b %a' src dst) == "$before" ]] || die "src or dst changed"
same old dst

# The options of a copy change the answer.
run 0 "$copyoff" explain --json --backend readwrite src dst
json "all(b['reason'] in ('filtered', 'not-built') for b in d['backends']
	if b['name'] != 'readwrite')"
run 3 "$copyoff" explain --json --backend readwrite --require-offload src dst
json "not any(b['usable'] for b in d['backends'])"
json "[b['reason'] for b in d['backends'] if b['name'] == 'readwrite'] == ['policy']"
"$copyoff" backends --json >list
run 0 "$copyoff" explain --json --reflink=never src dst
json "{b['name'] for b in d['backends'] if b['reason'] == 'policy'} ==
	{b['name'] for b in json.load(open('list'))['backends']
		if b['built'] and {'shares', 'may-share'} & set(b['traits'])}"

# A destination that does not exist is not created.
if python3 -c 'import os; os.open(".", os.O_TMPFILE | os.O_RDWR)' 2>/dev/null; then
	mkdir directory
	for new in new directory directory/; do
		run 0 "$copyoff" explain --json src "$new"
		json "d['destination'].split('/')[-1] in ('new', 'src')"
		json "not d['destination_exists']"
		[[ -z $(ls directory) ]] || die "something was created"
		absent new
	done
fi
run 1 "$copyoff" explain src no/such/new
says "'no/such/new'" "No such file or directory"
if [[ -d /proc/self ]]; then
	run 1 "$copyoff" explain src /proc/copyoff-test
	says "'/proc/copyoff-test'"
fi

run 1 "$copyoff" explain missing dst
says "'missing'" "No such file or directory"
run 1 "$copyoff" explain . dst
says "is a directory"
mkfifo pipe
run 1 "$copyoff" explain src pipe
says "'pipe'"
