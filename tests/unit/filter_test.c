/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * filter_test.c - lists of backend names
 */
#include "unit.h"

#include <errno.h>
#include <string.h>

static copyoff_mask bit(const char *name)
{
	size_t i = copyoff_registry_find(name, strlen(name));

	ck_assert_uint_lt(i, COPYOFF_BACKENDS);
	return (copyoff_mask)1 << i;
}

static copyoff_mask parse(const char *list)
{
	copyoff_mask mask = 0xdead, named = 0xdead;
	const char *bad;
	size_t bad_len;

	ck_assert_msg(copyoff_filter_parse(list, &mask, &named, &bad, &bad_len) == 0,
		      "\"%s\" is refused", list);
	/* Listed by name is what is listed to be used. */
	ck_assert_uint_eq(named, *list == '^' ? 0 : mask);
	return mask;
}

START_TEST(test_include)
{
	ck_assert_uint_eq(parse("readwrite"), bit("readwrite"));
	ck_assert_uint_eq(parse("readwrite,reflink"), bit("reflink") | bit("readwrite"));
	ck_assert_uint_eq(parse("reflink,readwrite"), bit("reflink") | bit("readwrite"));
	ck_assert_uint_eq(parse("uring,uring"), bit("uring"));
}
END_TEST

START_TEST(test_exclude)
{
	ck_assert_uint_eq(parse("^uring"), (copyoff_mask)~bit("uring"));
	ck_assert_uint_eq(parse("^uring,copy_file_range"),
			  (copyoff_mask) ~(bit("uring") | bit("copy_file_range")));
}
END_TEST

/* Names of other versions are no mistake; they name nothing. */
START_TEST(test_known_names)
{
	static const char *const others[] = { "loop", "blkcopy", "nvme", "xcopy", "odx" };

	for (size_t i = 0; i < COUNT(others); i++) {
		char list[64];

		if (copyoff_registry_find(others[i], strlen(others[i])) < COPYOFF_BACKENDS)
			continue;
		ck_assert_uint_eq(parse(others[i]), 0);
		snprintf(list, sizeof(list), "readwrite,%s", others[i]);
		ck_assert_uint_eq(parse(list), bit("readwrite"));
		snprintf(list, sizeof(list), "^%s", others[i]);
		ck_assert_uint_eq(parse(list), COPYOFF_MASK_ALL);
	}
}
END_TEST

START_TEST(test_unknown)
{
	static const struct {
		const char *list, *bad;
	} cases[] = {
		{ "nosuch", "nosuch" },
		{ "readwrite,nosuch", "nosuch" },
		{ "nosuch,readwrite", "nosuch" },
		{ "^nosuch", "nosuch" },
		{ "readwrite,^uring", "^uring" },
		{ "readwrite, uring", " uring" },
		{ "READWRITE", "READWRITE" },
		{ "readwrit", "readwrit" },
		{ "readwritee", "readwritee" },
		{ "", "" },
		{ "^", "" },
		{ "readwrite,", "" },
		{ ",readwrite", "" },
		{ "readwrite,,uring", "" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		copyoff_mask mask = 0xdead, named = 0xbeef;
		const char *bad = NULL;
		size_t bad_len = 999;

		ck_assert_int_eq(copyoff_filter_parse(cases[i].list, &mask, &named, &bad, &bad_len),
				 -EINVAL);
		ck_assert_uint_eq(mask, 0xdead); /* left alone */
		ck_assert_uint_eq(named, 0xbeef);
		ck_assert_uint_eq(bad_len, strlen(cases[i].bad));
		ck_assert(memcmp(bad, cases[i].bad, bad_len) == 0);
		ck_assert(bad >= cases[i].list && bad <= cases[i].list + strlen(cases[i].list));
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("filter");
	TCase *tc = tcase_create("filter");

	tcase_add_test(tc, test_include);
	tcase_add_test(tc, test_exclude);
	tcase_add_test(tc, test_known_names);
	tcase_add_test(tc, test_unknown);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
