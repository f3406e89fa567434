# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# shellcheck shell=bash
#
# Sourced by the tests of the copyoff command, with their arguments.
# Each runs in an empty directory of its own, $dir, which is removed at the end.

# shellcheck disable=SC2034  # used by those who source this
copyoff=$1
# shellcheck disable=SC2034  # used by those who source this
intercept=$2
unset COPYOFF_BACKENDS COPYOFF_DEBUG

dir=$(mktemp -d "${TMPDIR:-/tmp}/copyoff-tool.XXXXXX")
undo=() # commands for what rm cannot remove, run last first

cleanup() {
	local status=$? i
	trap - EXIT
	for ((i = ${#undo[@]} - 1; i >= 0; i--)); do
		eval "${undo[i]}" || status=1
	done
	chmod -R u+rwX "$dir"
	rm -rf "$dir"
	exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
cd "$dir" || exit 1
mkdir .log

die() {
	echo "FAILED (line ${BASH_LINENO[-2]}): $*"
	for log in .log/out .log/err; do
		[[ -s $log ]] && sed "s|^|$log: |" "$log"
	done
	exit 1
}

skip() {
	echo "SKIP: $*"
	exit 77
}

need() {
	local tool
	for tool; do
		command -v "$tool" >/dev/null || skip "$tool is not installed"
	done
}

need_root() {
	[[ $(id -u) -eq 0 ]] || skip "needs root"
}

not_portable() {
	[[ ${COPYOFF_TEST_PORTABLE:-0} -eq 0 ]] || skip "a portable build $1"
}

# run STATUS COMMAND...: the command must end with STATUS; its output is kept.
run() {
	local expected=$1 status=0
	shift
	"$@" >.log/out 2>.log/err </dev/null || status=$?
	[[ $status -eq $expected ]] || die "status $status instead of $expected: $*"
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

same() {
	cmp "$1" "$2" || die "$1 and $2 differ"
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
