#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
#
# header.sh COMPILER STANDARD - the header alone compiles, without a warning
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname "$0")/common.sh"

compiler=$1
standard=$2

need "$compiler"
case $standard in
c++*) language=c++ ;;
*) language=c ;;
esac

# Twice: the second must be harmless.
cat >"$work/alone" <<'END'
#include <copyoff.h>
#include <copyoff.h>

extern copyoff_ctx *ctx;
extern struct copyoff_opts opts;
extern struct copyoff_range range;
extern struct copyoff_stats stats;
END
"$compiler" -x "$language" -std="$standard" -Wall -Wextra -pedantic -Werror \
	-I"$root/include" -fsyntax-only "$work/alone" ||
	wrong "$compiler -std=$standard rejects the header"
