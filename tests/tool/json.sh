#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# JSON results are valid and true.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname "$0")/common.sh"

need python3
make src 100000
make old 1000 500000

zero="all(b[k] == 0 for b in d['backends'] for k in b if k != 'name')"
counters="{'name', 'bytes', 'calls', 'declines', 'errors', 'short_copies', 'nanoseconds'}"

run 0 "$copyoff" copy --json src new
[[ ! -s .log/err ]] || die "unexpected error output"
[[ $(wc -l <.log/out) -eq 1 ]] || die "not one line"
json "set(d) == {'version', 'source', 'destination', 'bytes', 'bytes_offloaded', 'error',
	'backends', 'message'}"
json "d['source'] == 'src' and d['destination'] == 'new' and d['error'] is None"
json "d['bytes'] == 100000 and 0 <= d['bytes_offloaded'] <= 100000"
json "all(set(b) == $counters for b in d['backends'])"
json "sum(b['bytes'] for b in d['backends']) == 100000"
json "all(b['calls'] > 0 for b in d['backends'] if b['bytes'] > 0)"
"$copyoff" backends --json >list
json "[b['name'] for b in d['backends']] ==
	[b['name'] for b in json.load(open('list'))['backends']]"
json "isinstance(d['message'], str) and d['version'] == json.load(open('list'))['version']"

mkdir directory
run 0 "$copyoff" copy --json --backend readwrite -r 5:6:7 -r 50::100 src directory
json "d['destination'] == 'directory/src' and d['bytes'] == 107 and d['bytes_offloaded'] == 0"
json "[b['name'] for b in d['backends'] if b['bytes']] == ['readwrite']"

# After a failure, too.
run 1 "$copyoff" copy --json missing new
says "'missing'"
json "d['bytes'] == 0 and d['error']['errno'] == 'ENOENT' and d['error']['number'] == 2"
json "'missing' in d['error']['message'] and $zero"
run 1 "$copyoff" copy --json src src
json "d['error']['errno'] == 'EINVAL' and 'same file' in d['error']['message'] and $zero"
run 1 "$copyoff" copy --json . new
json "d['error']['errno'] == 'EISDIR'"
run 3 "$copyoff" copy --json --require-offload --backend readwrite src old
json "d['error']['errno'] == 'EOPNOTSUPP' and d['bytes'] == 0"
rm -f new
(
	ulimit -f 32
	run 1 "$copyoff" copy --json --backend readwrite src new
)
json "d['error']['errno'] == 'EFBIG' and d['bytes'] == $(stat -c %s new) == 32768"
json "sum(b['bytes'] for b in d['backends']) == 32768"

# Any file name.
for name in 'quote"back\slash' $'line\nfeed\ttab\e\x7f' 'grüße 日本 🙂'; do
	cp src "$name"
	run 0 "$copyoff" copy --json "$name" new
	json "d['source'] == bytes.fromhex('$(printf %s "$name" | od -An -tx1 | tr -d ' \n')').decode()"
done
# Not UTF-8: a lone byte, an overlong slash, a surrogate, beyond U+10FFFF, cut short.
for bytes in '\xff' '\xc0\xaf' '\xe0\x80\xaf' '\xf0\x80\x80\xaf' '\xed\xa0\x80' '\xf4\x90\x80\x80' '\xe2\x82'; do
	name=$(printf 'a%bz' "$bytes")
	run 1 "$copyoff" copy --json "$name" new
	count=$((${#bytes} / 4))
	json "d['source'] == 'a' + '\ufffd' * $count + 'z'"
done

run 0 "$copyoff" backends --json
json "set(d) == {'version', 'backends'} and len(d['backends']) > 0"
json "all(set(b) == {'name', 'summary', 'built', 'traits'} for b in d['backends'])"
json "[b['built'] for b in d['backends'] if b['name'] == 'readwrite'] == [True]"
run 0 "$copyoff" backends
while read -r name _; do
	grep -qF "\"name\": \"$name\"" list || die "$name is not in the JSON"
done <.log/out
