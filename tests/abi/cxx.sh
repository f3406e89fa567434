#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
#
# cxx.sh COMPILER SHARED - a C++ program links with the C functions
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname "$0")/common.sh"

compiler=$1
shared=$2

need "$compiler"
nm -D "$shared" >"$work/dynamic"
! grep -q ' U __\(a\|ub\|t\)san_' "$work/dynamic" || skip "the library is sanitized"

# The address of each: a missing extern "C" is an undefined symbol.
{
	cat <<-'END'
		#include <copyoff.h>
		#include <cstdio>
		typedef void (*function)();
		static const function functions[] = {
	END
	header_functions | sed 's/.*/	reinterpret_cast<function>(\&&),/'
	cat <<-'END'
		};
		int main()
		{
			std::printf("%u %u\n", copyoff_version(),
				    static_cast<unsigned>(sizeof(functions) / sizeof(*functions)));
		}
	END
} >"$work/program.cc"
"$compiler" -std=c++11 -D_FILE_OFFSET_BITS=64 -I"$root/include" "$work/program.cc" \
	-o "$work/program" "$shared" -Wl,-rpath,"$(dirname "$shared")" ||
	wrong "$compiler does not link it"
[ "$failures" != 0 ] || read -r number count < <("$work/program")
[ "${count:-0}" = "$(header_functions | wc -l)" ] || wrong "linked ${count:-no} functions"
[ "${number:-0}" -gt 0 ] || wrong "copyoff_version() returned ${number:-nothing}"
