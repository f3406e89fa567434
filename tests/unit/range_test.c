/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * range_test.c - arithmetic on offsets, and overlap against a bitmap
 */
#include "unit.h"

#include <string.h>
#include <time.h>

START_TEST(test_end)
{
	uint64_t end;

	ck_assert(copyoff_range_end(0, 0, &end) && end == 0);
	ck_assert(copyoff_range_end(5, 7, &end) && end == 12);
	ck_assert(copyoff_range_end(UINT64_MAX, 0, &end) && end == UINT64_MAX);
	ck_assert(copyoff_range_end(UINT64_MAX - 1, 1, &end) && end == UINT64_MAX);
	ck_assert(!copyoff_range_end(UINT64_MAX, 1, &end));
	ck_assert(!copyoff_range_end(1, UINT64_MAX, &end));
	ck_assert(!copyoff_range_end(UINT64_MAX, UINT64_MAX, &end));
}
END_TEST

/* By counting, for every small value and alignment, powers of two or not. */
START_TEST(test_rounding)
{
	for (uint64_t align = 0; align < 40; align++) {
		for (uint64_t value = 0; value < 200; value++) {
			uint64_t down = value, up = value;

			while (align > 0 && down % align)
				down--;
			while (align > 0 && up % align)
				up++;
			ck_assert_uint_eq(copyoff_range_down(value, align), down);
			ck_assert_uint_eq(copyoff_range_up(value, align), up);
		}
	}
}
END_TEST

START_TEST(test_rounding_at_the_end)
{
	ck_assert_uint_eq(copyoff_range_up(UINT64_MAX, 4096), UINT64_MAX);
	ck_assert_uint_eq(copyoff_range_up(UINT64_MAX - 4095, 4096), UINT64_MAX - 4095);
	ck_assert_uint_eq(copyoff_range_up(UINT64_MAX - 4094, 4096), UINT64_MAX);
	ck_assert_uint_eq(copyoff_range_down(UINT64_MAX, 4096), UINT64_MAX - 4095);
	ck_assert_uint_eq(copyoff_range_up(UINT64_MAX, 3), UINT64_MAX); /* 3 divides it */
	ck_assert_uint_eq(copyoff_range_up(UINT64_MAX, 7), UINT64_MAX); /* 7 does not */
	ck_assert_uint_eq(copyoff_range_down(UINT64_MAX, UINT64_MAX), UINT64_MAX);
	ck_assert_uint_eq(copyoff_range_down(UINT64_MAX - 1, UINT64_MAX), 0);
}
END_TEST

START_TEST(test_min)
{
	ck_assert_uint_eq(copyoff_range_min(1, 2), 1);
	ck_assert_uint_eq(copyoff_range_min(2, 1), 1);
	ck_assert_uint_eq(copyoff_range_min(0, UINT64_MAX), 0);
}
END_TEST

START_TEST(test_overlap)
{
	for (uint64_t a = 0; a < 20; a++) {
		for (uint64_t b = 0; b < 20; b++) {
			for (uint64_t len = 0; len < 12; len++) {
				bool shared = false;

				for (uint64_t i = a; i < a + len; i++)
					shared = shared || (i >= b && i < b + len);
				ck_assert_int_eq(copyoff_range_overlap(a, b, len), shared);
			}
		}
	}
	ck_assert(copyoff_range_overlap(UINT64_MAX - 1, UINT64_MAX, 2)); /* the sum wraps */
	ck_assert(!copyoff_range_overlap(0, UINT64_MAX, UINT64_MAX));
	ck_assert(copyoff_range_overlap(0, UINT64_MAX - 1, UINT64_MAX));
}
END_TEST

enum { SPACE = 2000, RANGES = 40 };

static bool copied(const struct copyoff_range *r, uint64_t i, uint64_t src_size)
{
	return i < r->len && (uint64_t)r->src + i < src_size;
}

/* One mark for each byte. */
static bool overlap_by_bitmap(const struct copyoff_range *v, size_t n, uint64_t src_size,
			      bool same_file, uint64_t base_in, uint64_t base_out)
{
	unsigned char written[2 * SPACE];

	memset(written, 0, sizeof(written));
	for (size_t i = 0; i < n; i++) {
		for (uint64_t k = 0; copied(&v[i], k, src_size); k++) {
			if (written[base_out + (uint64_t)v[i].dst + k]++)
				return true;
		}
	}
	for (size_t i = 0; same_file && i < n; i++) {
		for (uint64_t k = 0; copied(&v[i], k, src_size); k++) {
			if (written[base_in + (uint64_t)v[i].src + k])
				return true;
		}
	}
	return false;
}

START_TEST(test_ranges_against_a_bitmap)
{
	uint64_t state = random_seed((uint64_t)time(NULL));
	unsigned found[2][2] = { { 0 } };

	for (int round = 0; round < 50000; round++) {
		struct copyoff_range v[RANGES];
		struct copyoff_span scratch[RANGES];
		size_t n = (size_t)random_below(&state, RANGES + 1);
		uint64_t most = 1 + random_below(&state, round % 2 ? 10 : 200);
		uint64_t src_size =
			random_below(&state, 4) ? UINT64_MAX : random_below(&state, SPACE);
		bool same_file = random_below(&state, 2), expected;
		struct copyoff_place in = { .ino = 1, .base = random_below(&state, SPACE) };
		struct copyoff_place out = { .ino = same_file ? 1 : 2 };

		if (round % 4 == 0)
			in.base = 0;
		if (round % 8 == 1)
			out.base = in.base;

		for (size_t i = 0; i < n; i++) {
			v[i].len = random_below(&state, most);
			v[i].src = (int64_t)random_below(&state, SPACE - most);
			v[i].dst = (int64_t)random_below(&state, SPACE - most);
		}
		expected = overlap_by_bitmap(v, n, src_size, same_file, in.base, out.base);
		ck_assert_int_eq(copyoff_ranges_overlap(v, n, src_size, &in, &out, scratch),
				 expected);
		found[same_file][expected]++;
	}
	/* The random numbers did test something. */
	ck_assert(found[0][0] > 1000 && found[0][1] > 1000 && found[1][0] > 1000 &&
		  found[1][1] > 1000);
}
END_TEST

START_TEST(test_ranges_at_the_end)
{
	const struct copyoff_range v[] = { { 0, INT64_MAX - 10, 10 }, { 100, INT64_MAX - 20, 10 } };
	const struct copyoff_range w[] = { { 0, INT64_MAX - 10, 10 }, { 100, INT64_MAX - 20, 11 } };
	const struct copyoff_place a = { .ino = 1 }, b = { .ino = 2 };
	struct copyoff_span scratch[2];

	ck_assert(!copyoff_ranges_overlap(v, 2, UINT64_MAX, &a, &a, scratch));
	ck_assert(copyoff_ranges_overlap(w, 2, UINT64_MAX, &a, &b, scratch));
	ck_assert(!copyoff_ranges_overlap(v, 0, UINT64_MAX, &a, &a, scratch));
}
END_TEST

/* Sums of a base, an offset and a length need not fit. */
START_TEST(test_ranges_far_down)
{
	const struct copyoff_range v[] = { { 0, INT64_MAX, UINT64_MAX }, { INT64_MAX, 0, 10 } };
	const struct copyoff_place far = { .ino = 1, .base = INT64_MAX };
	struct copyoff_span scratch[2];

	ck_assert(copyoff_ranges_overlap(v, 2, UINT64_MAX, &far, &far, scratch));
	ck_assert(!copyoff_ranges_overlap(v + 1, 1, UINT64_MAX, &far, &far, scratch));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("range");
	TCase *tc = tcase_create("range");

	tcase_set_timeout(tc, 0);
	tcase_add_test(tc, test_end);
	tcase_add_test(tc, test_rounding);
	tcase_add_test(tc, test_rounding_at_the_end);
	tcase_add_test(tc, test_min);
	tcase_add_test(tc, test_overlap);
	tcase_add_test(tc, test_ranges_against_a_bitmap);
	tcase_add_test(tc, test_ranges_at_the_end);
	tcase_add_test(tc, test_ranges_far_down);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
