# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# shellcheck shell=bash
#
# Sourced by the tests of the copyoff command, with their arguments.  Each runs in
# an empty directory of its own, $work.
# shellcheck source=../lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

# shellcheck disable=SC2034  # used by those who source this
copyoff=$(realpath "$1")
# shellcheck disable=SC2034  # used by those who source this
intercept=$(realpath "$2")
make_work
cd "$work" || exit 1
undo+=('chmod -R u+rwX "$work"') # rm removes nothing from a locked directory

not_portable() {
	[[ ${COPYOFF_TEST_PORTABLE:-0} -eq 0 ]] || skip "a portable build $1"
}

# The last command's standard error is one line, "copyoff: ...", and has all TEXTs in it.
says() {
	local text
	[[ $(wc -l <.log/err) -eq 1 ]] || die "not one line of error"
	[[ $(<.log/err) == "copyoff: "* ]] || die "the error does not begin with 'copyoff: '"
	for text; do
		grep -qF -e "$text" .log/err || die "no '$text' in the error"
	done
}

# Likewise, followed by the line about --help.
says_usage() {
	[[ $(wc -l <.log/err) -eq 2 ]] || die "not two lines of error"
	sed -n 2p .log/err | grep -q "^Try 'copyoff .*--help'\.$" || die "no word about --help"
	sed -i 2d .log/err
	says "$@"
}

quiet() {
	[[ ! -s .log/out && ! -s .log/err ]] || die "unexpected output"
}

absent() {
	[[ ! -e $1 && ! -L $1 ]] || die "$1 exists"
}

# make FILE BYTES [FIRST]: no 16 bytes of it occur twice, and FIRST makes another file.
make() {
	local first=${3:-1}
	seq -f '%015.0f' "$first" $((first + $2 / 16)) >"$1"
	truncate -s "$2" "$1"
}

# json EXPRESSION: the last command's standard output is JSON, d, and EXPRESSION is true.
json() {
	python3 -c 'import json, sys
d = json.load(open(sys.argv[1], encoding="utf-8"))
sys.exit(0 if eval("(" + sys.argv[2] + ")") else 1)' .log/out "$1" || die "JSON: not $1"
}
