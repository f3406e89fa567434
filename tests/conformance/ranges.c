/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * ranges.c - copyoff_ctx_copyv(): section 9 of docs/semantics.md
 */
#define _GNU_SOURCE
#include "conformance.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { K = 1024, M = 1024 * K, SIZE = M };

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct rig {
	copyoff_ctx *ctx;
	struct file in, out;
};

static void rig_up(struct rig *rig)
{
	rig->ctx = context_new(0, 0);
	file_make(&rig->in, SIZE, 1);
	file_make(&rig->out, SIZE, 2);
}

static void rig_down(struct rig *rig)
{
	file_close(&rig->in);
	file_close(&rig->out);
	copyoff_ctx_free(rig->ctx);
}

START_TEST(test_order_and_prefix)
{
	static const struct copyoff_range mixed[] = {
		{ 0, 0, 0 },
		{ 4096, 8192, 4096 },
		{ 100, 20000, 1 },
		{ SIZE / 2, 40000, 65537 },
		{ 0, 4096, 0 },
		{ 0, 0, 8192 },
		{ 8192, 2 * SIZE, 12288 },
		{ 1, SIZE - 4096, 4000 },
	};
	struct rig rig;

	rig_up(&rig);
	for (size_t n = 0; n <= COUNT(mixed); n++)
		checked_copyv(rig.ctx, &rig.in, &rig.out, mixed, n, _i ? COPYOFF_VERIFY : 0);
	ck_assert_int_eq(checked_copyv(rig.ctx, &rig.in, &rig.out, NULL, 0, 0), 0);
	rig_down(&rig);
}
END_TEST

/* Small ranges in blocks, which a backend may take together, and odd ones, which not. */
START_TEST(test_many_ranges)
{
	static const uint64_t units[] = { 4096, 512, 1000, 1 };
	uint64_t unit = units[_i];
	size_t n = 2000;
	struct copyoff_range *v = calloc(n, sizeof(*v));
	uint64_t state = 99;
	struct rig rig;

	ck_assert_ptr_nonnull(v);
	rig_up(&rig);
	/* Targets backwards with gaps, sources anywhere, also in common. */
	for (size_t i = 0; i < n; i++) {
		v[i].src = (int64_t)(random_below(&state, SIZE / unit - 1) * unit);
		v[i].dst = (int64_t)((n - i) * 2 * unit);
		v[i].len = unit;
	}
	ck_assert_int_eq(checked_copyv(rig.ctx, &rig.in, &rig.out, v, n, 0), (int64_t)(n * unit));
	rig_down(&rig);
	free(v);
}
END_TEST

/* Adjacent ranges; each ends where the next begins. */
START_TEST(test_adjacent_ranges)
{
	struct copyoff_range v[64];
	struct rig rig;

	rig_up(&rig);
	for (size_t i = 0; i < COUNT(v); i++)
		v[i] = (struct copyoff_range){ (int64_t)i * 12288, 4096 + (int64_t)i * 12288,
					       12288 };
	checked_copyv(rig.ctx, &rig.in, &rig.out, v, COUNT(v), 0);
	for (size_t i = 0; i < COUNT(v); i++)
		v[i] = (struct copyoff_range){ (int64_t)i * 1001, 77 + (int64_t)i * 1001, 1001 };
	checked_copyv(rig.ctx, &rig.in, &rig.out, v, COUNT(v), 0);
	rig_down(&rig);
}
END_TEST

/* 9.3: the end of the input ends the copy, in every range, also of blocks. */
START_TEST(test_end_in_the_middle)
{
	static const struct {
		struct copyoff_range v[3];
		int64_t must;
	} cases[] = {
		{ { { 0, 0, 4096 }, { SIZE - 100, 8192, 4096 }, { 0, 16384, 4096 } }, 4196 },
		{ { { SIZE, 0, 4096 }, { 0, 8192, 4096 }, { 0, 16384, 4096 } }, 0 },
		{ { { 0, 0, 4096 }, { SIZE, 8192, 4096 }, { 0, 16384, 4096 } }, 4096 },
		{ { { 0, 0, 4096 }, { SIZE + 100, 8192, 0 }, { 0, 16384, 4096 } }, 8192 },
		{ { { 0, 0, 4096 }, { 0, 8192, 4096 }, { SIZE - 8192, 16384, 100000 } }, 16384 },
		{ { { SIZE - 1, 0, 2 }, { 0, 8192, 4096 }, { 0, 16384, 4096 } }, 1 },
	};
	struct rig rig;

	rig_up(&rig);
	for (size_t i = 0; i < COUNT(cases); i++)
		ck_assert_int_eq(checked_copyv(rig.ctx, &rig.in, &rig.out, cases[i].v, 3, 0),
				 cases[i].must);
	rig_down(&rig);
}
END_TEST

START_TEST(test_overlap)
{
	static const struct copyoff_range destinations[] = { { 0, 0, 4096 },
							     { 65536, 8192, 4096 },
							     { 131072, 4095, 10 } };
	static const struct copyoff_range sources[] = { { 0, 65536, 4096 },
							{ 2048, 131072, 4096 } };
	static const struct copyoff_range crossed[] = { { 0, 65536, 4096 },
							{ 69631, 131072, 4096 } };
	static const struct copyoff_range adjacent[] = { { 0, 65536, 4096 },
							 { 69632, 131072, 4096 } };
	static const struct copyoff_range empty[] = { { 0, 4096, 4096 }, { 5000, 5000, 0 } };
	/* 9.4: they would overlap, if the input did not end. */
	static const struct copyoff_range ended[] = { { 0, 8192, 4096 },
						      { SIZE - 10, 8182, 4096 } };
	static const struct copyoff_range swapped[] = { { 0, 4096, 4096 }, { 4096, 0, 4096 } };
	struct rig rig;
	struct file *f;

	rig_up(&rig);
	f = &rig.in;
	ck_assert_int_eq(checked_copyv(rig.ctx, f, &rig.out, destinations, 3, 0), -EINVAL);
	ck_assert_int_eq(checked_copyv(rig.ctx, f, f, destinations, 3, 0), -EINVAL);
	ck_assert_int_eq(checked_copyv(rig.ctx, f, f, crossed, 2, 0), -EINVAL);
	ck_assert_int_eq(checked_copyv(rig.ctx, f, f, swapped, 2, 0), -EINVAL);
	ck_assert_int_eq(checked_copyv(rig.ctx, f, &rig.out, crossed, 2, 0), 8192);
	ck_assert_int_eq(checked_copyv(rig.ctx, f, &rig.out, swapped, 2, 0), 8192);
	ck_assert_int_eq(checked_copyv(rig.ctx, f, &rig.out, ended, 2, 0), 4106);
	ck_assert_int_eq(checked_copyv(rig.ctx, f, f, sources, 2, 0), 8192);
	ck_assert_int_eq(checked_copyv(rig.ctx, f, f, adjacent, 2, 0), 8192);
	ck_assert_int_eq(checked_copyv(rig.ctx, f, f, empty, 2, 0), 4096);
	rig_down(&rig);
}
END_TEST

/* 9.7: mistakes of the last range are found before the first is copied. */
START_TEST(test_mistakes)
{
	static const struct {
		struct copyoff_range last;
		int err;
	} cases[] = {
		{ { -1, 8192, 1 }, EOVERFLOW },
		{ { -4096, 8192, 1 }, EINVAL },
		{ { 0, -4096, 1 }, EINVAL },
		{ { 0, -1, 10 }, EOVERFLOW },
		{ { 4096, 8192, UINT64_MAX }, EOVERFLOW },
		{ { 0, 8192, INT64_MAX }, EOVERFLOW },
		{ { 0, 8192, (uint64_t)INT64_MAX + 1 }, EOVERFLOW },
		{ { 0, 4095, 1 }, EINVAL },
	};
	struct copyoff_range v[2] = { { 0, 0, 4096 } };
	struct rig rig;

	rig_up(&rig);
	for (size_t i = 0; i < COUNT(cases); i++) {
		v[1] = cases[i].last;
		ck_assert_int_eq(checked_copyv(rig.ctx, &rig.in, &rig.out, v, 2, 0), -cases[i].err);
		/* It says which. */
		if (i < COUNT(cases) - 1)
			ck_assert_msg(strstr(copyoff_ctx_last(rig.ctx)->message, "range 2 of 2"),
				      "message: %s", copyoff_ctx_last(rig.ctx)->message);
	}
	rig_down(&rig);
}
END_TEST

START_TEST(test_arguments)
{
	const struct copyoff_range one = { 0, 0, 100 };
	struct rig rig;

	rig_up(&rig);
	errno = 0;
	ck_assert_int_eq(copyoff_ctx_copyv(rig.ctx, rig.in.fd, rig.out.fd, NULL, 1, 0), -1);
	ck_assert_int_eq(errno, EINVAL);
	/* Not looked at: there are too many of them. */
	errno = 0;
	ck_assert_int_eq(copyoff_ctx_copyv(rig.ctx, rig.in.fd, rig.out.fd, &one,
					   (size_t)COPYOFF_RANGES_MAX + 1, 0),
			 -1);
	ck_assert_int_eq(errno, EINVAL);
	/* Descriptors and flags are looked at first. */
	errno = 0;
	ck_assert_int_eq(copyoff_ctx_copyv(rig.ctx, -1, rig.out.fd, NULL, 1, 0x8000), -1);
	ck_assert_int_eq(errno, EBADF);
	errno = 0;
	ck_assert_int_eq(copyoff_ctx_copyv(rig.ctx, rig.in.fd, rig.out.fd, NULL, 0, 0x8000), -1);
	ck_assert_int_eq(errno, EINVAL);
	file_check(&rig.out, "nothing was asked for");
	rig_down(&rig);
}
END_TEST

/* Within one file, ranges to behind its end: it is that of the beginning. */
START_TEST(test_within_one_file)
{
	static const struct copyoff_range v[] = {
		{ 0, SIZE, 100000 },
		{ 4096, 2 * SIZE, 8192 },
		{ 500000, SIZE + 200000, 50000 },
		{ SIZE - 10, 3 * SIZE, 5 },
	};
	struct rig rig;

	rig_up(&rig);
	ck_assert_int_eq(checked_copyv(rig.ctx, &rig.in, &rig.in, v, COUNT(v), 0), 158197);
	rig_down(&rig);
}
END_TEST

TCase *cases_ranges(void)
{
	TCase *tc = tcase_create("ranges");

	tcase_set_timeout(tc, 0);
	tcase_add_loop_test(tc, test_order_and_prefix, 0, 2);
	tcase_add_loop_test(tc, test_many_ranges, 0, 4);
	tcase_add_test(tc, test_adjacent_ranges);
	tcase_add_test(tc, test_end_in_the_middle);
	tcase_add_test(tc, test_overlap);
	tcase_add_test(tc, test_mistakes);
	tcase_add_test(tc, test_arguments);
	tcase_add_test(tc, test_within_one_file);
	return tc;
}
