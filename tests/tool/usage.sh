#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# The command line itself.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname "$0")/common.sh"

run 2 "$copyoff"
says_usage "a command is missing"
run 2 "$copyoff" nonsense
says_usage "'nonsense'"
run 2 "$copyoff" ""
says_usage "no command ''"
run 2 "$copyoff" help nonsense
says_usage "'nonsense'"

make src 100
for command in copy explain; do
	run 2 "$copyoff" "$command"
	says_usage "missing"
	run 2 "$copyoff" "$command" src
	says_usage "missing"
	run 2 "$copyoff" "$command" --nonsense src dst
	says_usage "--nonsense"
	run 2 "$copyoff" "$command" --reflink=maybe src dst
	says_usage "--reflink" "'maybe'"
	run 2 "$copyoff" "$command" --sparse=1 src dst
	says_usage "--sparse"
	run 2 "$copyoff" "$command" src dst --backend
	says_usage "--backend"
	run 2 "$copyoff" "$command" --backend no-such-backend src dst
	says "--backend" "no-such-backend"
	absent dst
done
run 2 "$copyoff" copy src dst third
says_usage "invalid range 'third'"
run 2 "$copyoff" copy src dst -r
says_usage "'r'"
run 2 "$copyoff" explain src dst third
says_usage "too many operands" "'third'"
run 2 "$copyoff" explain -r 0:0:1 src dst
says_usage "--ranges"
run 2 "$copyoff" explain -p src dst
says_usage "--progress"
run 2 "$copyoff" backends src
says_usage "too many operands" "'src'"
run 2 "$copyoff" backends --sync
says_usage "--sync"
for bad in -p= -p=x -p=-1 -p=1x -p=99999999999999999999 -pv --progress= --progress=x; do
	run 2 "$copyoff" copy "$bad" src dst
	says_usage "not the number of a file descriptor"
done
run 2 "$copyoff" copy -p=99 src dst
says_usage "descriptor 99" "Bad file descriptor"
exec 8</dev/null
run 2 "$copyoff" copy -p=8 src dst
says_usage "descriptor 8 is not open for writing"
exec 8<&-
absent dst

for arguments in --help -h help "help copy" "help explain" "help backends" "copy --help" \
	"copy -h" "explain --help" "backends --help"; do
	# shellcheck disable=SC2086
	run 0 "$copyoff" $arguments
	[[ ! -s .log/err ]] || die "$arguments wrote to standard error"
	grep -q "^Usage: copyoff " .log/out || die "$arguments shows no usage"
	! grep -nE '.{81}' .log/out || die "$arguments: a line is longer than 80 characters"
done
for arguments in --version -V "copy --version" "explain -V" "backends -V"; do
	# shellcheck disable=SC2086
	run 0 "$copyoff" $arguments
	grep -qxE 'copyoff ([0-9.]+), libcopyoff \1' .log/out || die "$arguments"
done

# Every long option in the help of a command is one that it takes.
for command in copy explain backends; do
	run 0 "$copyoff" "$command" --help
	grep -oE -e '--[a-z-]+' .log/out | sort -u >"$command.help"
	while read -r option; do
		case $option in
		--ranges-file) try=("$option" /dev/null) ;;
		--ranges) try=("$option" 0:0:0) ;;
		--backend) try=("$option" "^no-such-backend") ;;
		*) try=("$option") ;;
		esac
		status=0
		"$copyoff" "$command" "${try[@]}" >/dev/null 2>.log/err || status=$?
		! grep -qE "unrecognized|does not take" .log/err ||
			die "$command: $option is in the help only"
	done <"$command.help"
done
