/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * unit.h - what the unit tests have in common
 */
#ifndef UNIT_H
#define UNIT_H

#include "internal.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* xorshift64*, Vigna 2014; 0 to @n - 1 */
static inline uint64_t random_below(uint64_t *state, uint64_t n)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return (*state * 2685821657736338717u >> 11) % n;
}

/* Printed, so that a run can be repeated. */
static inline uint64_t random_seed(uint64_t otherwise)
{
	const char *text = getenv("COPYOFF_TEST_SEED");
	uint64_t seed = text && *text ? strtoull(text, NULL, 0) : otherwise;

	printf("COPYOFF_TEST_SEED=%llu\n", (unsigned long long)seed);
	fflush(stdout);
	return seed * 2 + 1;
}

static inline int run_suite(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
