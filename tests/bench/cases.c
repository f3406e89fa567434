/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
#include "bench.h"

static const size_t all[] = { 4 * KIB, 64 * KIB, MIB, 64 * MIB, GIB, 0 };
static const size_t up_to_64m[] = { 4 * KIB, 64 * KIB, MIB, 64 * MIB, 0 };
static const size_t from_64m[] = { 64 * MIB, GIB, 0 };
static const size_t only_4k[] = { 4 * KIB, 0 };
static const size_t only_64k[] = { 64 * KIB, 0 };
static const size_t only_64m[] = { 64 * MIB, 0 };
static const size_t only_1g[] = { GIB, 0 };
static const size_t only_10g[] = { 10 * GIB, 0 };
static const size_t from_1m[] = { MIB, 64 * MIB, 0 };
static const size_t none[] = { 0 };

const struct scenario scenarios[] = {
	{ "overwrite", OVERWRITE, BYTES, false, all, up_to_64m },
	{ "new file", NEW_FILE, BYTES, false, up_to_64m, only_64m },
	{ "O_DIRECT", DIRECT, BYTES, false, all, from_1m },
	{ "sparse", SPARSE, BYTES, false, only_10g, only_10g },
	{ "clone, overwrite", OVERWRITE, CLONE, false, only_4k, only_4k },
	{ "clone, new file", NEW_FILE, CLONE, false, all, only_64k },
	{ "clone, sparse", SPARSE, CLONE, false, only_10g, none },
	{ "clone, unaligned but congruent", UNALIGNED, CLONE, false, only_1g, only_1g },
	{ "loop, cold", LOOP_COLD, CLONE, false, from_64m, only_64m },
	{ "loop, warm", LOOP_WARM, CLONE, false, from_64m, none },
	{ "loop, within one", LOOP_WITHIN, CLONE, false, from_64m, none },
	{ "loop, unaligned but congruent", LOOP_UNALIGNED, CLONE, false, from_64m, none },
	{ "command, new file", NEW_FILE, BYTES, true, all, only_64m },
	{ "command, O_DIRECT", DIRECT, BYTES, true, only_64m, none },
	{ "command, sparse", SPARSE, BYTES, true, only_10g, none },
	{ "command, clone", NEW_FILE, CLONE, true, from_64m, none },
};
const size_t scenario_count = sizeof(scenarios) / sizeof(scenarios[0]);
