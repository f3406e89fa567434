/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * engine_test.c - splitting, failing over, stopping, with fake backends
 *
 * Each call is also checked by check_contract() in fake.c.
 */
#define _GNU_SOURCE /* fileno() */
#include "fake.h"

#include <errno.h>
#include <string.h>

static void check_copied(const struct copyoff_range *v, size_t n, uint64_t len)
{
	for (size_t i = 0; i < n && len > 0; i++) {
		uint64_t part = v[i].len < len ? v[i].len : len;

		ck_assert(memcmp(fake_dst + v[i].dst, fake_src + v[i].src, (size_t)part) == 0);
		len -= part;
	}
}

static int64_t run_one(int64_t src, int64_t dst, uint64_t len, unsigned flags)
{
	struct copyoff_range r = { src, dst, len };
	int64_t ret = fake_run(&r, 1, flags);

	if (ret > 0)
		check_copied(&r, 1, (uint64_t)ret);
	return ret;
}

static void check_call(size_t fake, size_t call, int64_t src, uint64_t len)
{
	ck_assert_uint_gt(fakes[fake].copies, call);
	ck_assert_int_eq(fakes[fake].calls[call].first.src, src);
	ck_assert_uint_eq(fakes[fake].calls[call].len, len);
}

/* --- splitting ------------------------------------------------------------ */

START_TEST(test_first_does_all)
{
	ck_assert_int_eq(run_one(5, 77, 100001, 0), 100001);
	ck_assert_uint_eq(fakes[0].copies, 1);
	ck_assert_uint_eq(fakes[1].copies, 0);
	ck_assert_uint_eq(fakes[1].probes, 0); /* not asked before it is needed */
	ck_assert_str_eq(fake_ctx.result.backend, "fake0");
	ck_assert_str_eq(fake_ctx.message, "");
}
END_TEST

START_TEST(test_head_middle_tail)
{
	fakes[0].limits.align = 4096;
	ck_assert_int_eq(run_one(100, 8292, 20000, 0), 20000);
	ck_assert_uint_eq(fakes[0].copies, 1);
	check_call(0, 0, 4096, 12288);
	ck_assert_uint_eq(fakes[1].copies, 2);
	check_call(1, 0, 100, 3996);
	check_call(1, 1, 16384, 3716);
	ck_assert_uint_eq(fake_ctx.stats[0].bytes, 12288);
	ck_assert_uint_eq(fake_ctx.stats[1].bytes, 3996 + 3716);
	ck_assert_str_eq(fake_ctx.result.backend, "fake1");
}
END_TEST

/* Not a power of two. */
START_TEST(test_odd_alignment)
{
	fakes[0].limits.align = 520;
	ck_assert_int_eq(run_one(519, 519 + 520, 5000, 0), 5000);
	check_call(1, 0, 519, 1);
	check_call(0, 0, 520, 4680);
	check_call(1, 1, 5200, 319);
}
END_TEST

START_TEST(test_not_congruent)
{
	fakes[0].limits.align = 4096;
	ck_assert_int_eq(run_one(4096, 8193, 20000, 0), 20000);
	ck_assert_uint_eq(fakes[0].copies, 0);
	ck_assert_uint_eq(fakes[1].copies, 1);
	ck_assert_ptr_nonnull(strstr(fake_ctx.message, "fake0"));
}
END_TEST

/* 64 KiB blocks, within them 4 KiB blocks, and what is left. */
START_TEST(test_three_levels)
{
	fakes[0].limits.align = 65536;
	fakes[1].limits.align = 4096;
	ck_assert_int_eq(run_one(60000, 60000, 150000, 0), 150000);
	check_call(2, 0, 60000, 1440);
	check_call(1, 0, 61440, 4096);
	check_call(0, 0, 65536, 131072);
	check_call(1, 1, 196608, 12288);
	check_call(2, 1, 208896, 1104);
}
END_TEST

START_TEST(test_unaligned_end)
{
	uint64_t size = FAKE_BYTES - 1000;

	fakes[0].limits.align = 4096;
	fakes[0].unaligned_eof = true;
	fake_in.size = size;
	fake_in.allocated = size;
	fake_out.size = size;
	ck_assert_int_eq(run_one(0, 0, size, 0), (int64_t)size);
	ck_assert_uint_eq(fakes[0].copies, 1);
	ck_assert_uint_eq(fakes[1].copies, 0);
	/* The destination goes on behind it. */
	fake_out.size = size + 1;
	ck_assert_int_eq(run_one(0, 0, size, 0), (int64_t)size);
	ck_assert_uint_eq(fakes[1].copies, 1);
	/* The source goes on. */
	fake_out.size = 0;
	ck_assert_int_eq(run_one(0, 0, size - 1, 0), (int64_t)size - 1);
	ck_assert_uint_eq(fakes[1].copies, 2);
}
END_TEST

/* --- limits --------------------------------------------------------------- */

START_TEST(test_max_range)
{
	fakes[0].limits.align = 512;
	fakes[0].limits.max_range = 1000; /* 512 of it are of use */
	ck_assert_int_eq(run_one(0, 0, 5120, 0), 5120);
	ck_assert_uint_eq(fakes[0].copies, 10);
	ck_assert_uint_eq(fakes[1].copies, 0);
}
END_TEST

START_TEST(test_max_total)
{
	struct copyoff_range v[10];

	fakes[0].limits.max_ranges = 8;
	fakes[0].limits.max_total = 3500;
	for (size_t i = 0; i < COUNT(v); i++)
		v[i] = (struct copyoff_range){ (int64_t)i * 2000, (int64_t)i * 3000, 1000 };
	ck_assert_int_eq(fake_run(v, COUNT(v), 0), 10000);
	check_copied(v, COUNT(v), 10000);
	ck_assert_uint_eq(fakes[0].copies, 3);
}
END_TEST

START_TEST(test_min_total)
{
	fakes[0].limits.min_total = 10000;
	ck_assert_int_eq(run_one(0, 0, 9999, 0), 9999);
	ck_assert_uint_eq(fakes[0].copies, 0);
	ck_assert_int_eq(run_one(0, 0, 10000, 0), 10000);
	ck_assert_uint_eq(fakes[0].copies, 1);
	/* Each call begins anew. */
	ck_assert_int_eq(run_one(0, 0, 9999, 0), 9999);
	ck_assert_uint_eq(fakes[0].copies, 1);
}
END_TEST

/* Once it is started, small rests are worth it, too. */
START_TEST(test_min_total_of_the_rest)
{
	fakes[0].limits.min_total = 10000;
	fakes[0].limits.max_range = 9000;
	ck_assert_int_eq(run_one(0, 0, 20000, 0), 20000);
	ck_assert_uint_eq(fakes[0].copies, 3);
	ck_assert_uint_eq(fakes[1].copies, 0);
}
END_TEST

/* Where no other can, it is started for little, too. */
START_TEST(test_min_total_alone)
{
	fakes[0].limits.min_total = 10000;
	fake_ctx.filter = 1;
	ck_assert_int_eq(run_one(0, 0, 9999, 0), 9999);
	ck_assert_uint_eq(fakes[0].copies, 1);
}
END_TEST

/* Without a context, a small copy does not ask what is expensive to find out. */
START_TEST(test_least_once)
{
	fakes[0].backend.least_once = 10000;
	fake_ctx.once = true;
	ck_assert_int_eq(run_one(0, 0, 9999, 0), 9999);
	ck_assert_uint_eq(fakes[0].probes, 0);
	ck_assert_uint_eq(fakes[1].copies, 1);
	/* There is no other, or the user wants it. */
	fake_ctx.filter = 1;
	ck_assert_int_eq(run_one(0, 0, 9999, 0), 9999);
	ck_assert_uint_eq(fakes[0].copies, 1);
}
END_TEST

START_TEST(test_least_once_named)
{
	fakes[0].backend.least_once = 10000;
	fake_ctx.once = true;
	fake_ctx.named = 1;
	ck_assert_int_eq(run_one(0, 0, 9999, 0), 9999);
	ck_assert_uint_eq(fakes[0].copies, 1);
}
END_TEST

START_TEST(test_enough_for_once)
{
	fakes[0].backend.least_once = 10000;
	ck_assert_int_eq(run_one(0, 0, 9999, 0), 9999); /* there is a context */
	ck_assert_uint_eq(fakes[0].copies, 1);
	copyoff_ctx_fini(&fake_ctx);
	fake_ctx.n_routes = 0;
	fake_ctx.once = true;
	ck_assert_int_eq(run_one(0, 0, 10000, 0), 10000);
	ck_assert_uint_eq(fakes[0].copies, 2);
}
END_TEST

/* The message says that it was for the length. */
START_TEST(test_min_total_note)
{
	fakes[0].limits.min_total = 10000;
	ck_assert_int_eq(run_one(0, 0, 9999, 0), 9999);
	ck_assert_ptr_nonnull(strstr(fake_ctx.message, "too few bytes"));
}
END_TEST

/* Slower ones come behind all others. */
START_TEST(test_slower)
{
	fakes[0].slower = fakes[1].slower = true;
	ck_assert_int_eq(run_one(0, 0, 1000, 0), 1000);
	ck_assert_uint_eq(fakes[0].copies + fakes[1].copies, 0);
	ck_assert_uint_eq(fakes[2].copies, 1);
	ck_assert_ptr_nonnull(strstr(fake_ctx.message, "told to be slower"));
	/* Where the others cannot, the first of the slower ones. */
	for (size_t i = 2; i < COPYOFF_BACKENDS; i++)
		fakes[i].limits.align = 512;
	copyoff_ctx_fini(&fake_ctx);
	fake_ctx.n_routes = 0;
	ck_assert_int_eq(run_one(0, 0, 1000, 0), 1000);
	ck_assert_uint_eq(fakes[2].copies, 2);
	ck_assert_uint_eq(fakes[2].calls[1].len, 512);
	ck_assert_uint_eq(fakes[0].copies, 1);
	ck_assert_uint_eq(fakes[0].calls[0].len, 1000 - 512);
}
END_TEST

/* An odd head goes to a slower one, and no more than that. */
START_TEST(test_slower_head)
{
	fakes[0].slower = true;
	for (size_t i = 1; i < COPYOFF_BACKENDS; i++)
		fakes[i].limits.align = 512;
	ck_assert_int_eq(run_one(100, 100, 412 + 512, 0), 412 + 512);
	ck_assert_uint_eq(fakes[0].copies, 1);
	ck_assert_uint_eq(fakes[0].calls[0].len, 412);
	ck_assert_uint_eq(fakes[1].copies, 1);
}
END_TEST

/* What the user has listed by name is used, slower or not. */
START_TEST(test_slower_named)
{
	fakes[0].slower = true;
	fake_ctx.named = 1;
	ck_assert_int_eq(run_one(0, 0, 1000, 0), 1000);
	ck_assert_uint_eq(fakes[0].copies, 1);
}
END_TEST

/* A verdict says "slower" only if something faster can be used. */
START_TEST(test_slower_verdict)
{
	struct copyoff_verdict verdict;

	fakes[0].slower = true;
	ck_assert_int_eq(run_one(0, 0, 1000, 0), 1000);
	copyoff_route_verdict(&fake_ctx, &fake_ctx.routes[0], 0, 0, &verdict);
	ck_assert_int_eq(verdict.usable, 0);
	ck_assert_int_eq(verdict.reason, COPYOFF_REASON_SLOWER);
	ck_assert_str_eq(verdict.text, "told to be slower");
	fake_ctx.filter = 1;
	copyoff_route_verdict(&fake_ctx, &fake_ctx.routes[0], 0, 0, &verdict);
	ck_assert_int_eq(verdict.usable, 1);
	ck_assert_int_eq(verdict.reason, COPYOFF_REASON_NONE);
}
END_TEST

enum { MANY = 10000 };

static struct copyoff_range many[MANY];

/* 10,000 ranges of 8 blocks, 256 in one command. */
START_TEST(test_batches)
{
	const uint64_t len = 8 * 512, room = FAKE_BYTES / len;

	/* They come again and again: the engine is not the one that looks for overlap. */
	fakes[0].limits = (struct copyoff_limits){ .align = 512, .max_ranges = 256 };
	for (size_t i = 0; i < MANY; i++)
		many[i] = (struct copyoff_range){ (int64_t)(i % room * len),
						  (int64_t)(i % room * len), len };
	ck_assert_int_eq(fake_run(many, MANY, 0), (int64_t)(MANY * len));
	ck_assert_uint_eq(fakes[0].copies, (MANY + 255) / 256);
	ck_assert_uint_eq(fakes[0].calls[0].n, 256);
	ck_assert_uint_eq(fakes[0].calls[39].n, MANY - 39 * 256);
	ck_assert_uint_eq(fakes[1].copies, 0);
}
END_TEST

/* A long range is as many ranges as one operation takes. */
START_TEST(test_batch_of_pieces)
{
	fakes[0].limits = (struct copyoff_limits){
		.align = 512, .max_range = 4096 + 100, .max_ranges = 8, .max_total = 20480
	};
	fakes[0].adjacent = true;
	ck_assert_int_eq(run_one(512, 1024, 65536 + 10, 0), 65536 + 10);
	ck_assert_uint_eq(fakes[0].copies, 4);
	for (size_t i = 0; i < 3; i++) {
		check_call(0, i, 512 + (int64_t)i * 20480, 20480);
		ck_assert_uint_eq(fakes[0].calls[i].n, 5);
	}
	check_call(0, 3, 512 + 61440, 4096);
	ck_assert_uint_eq(fakes[1].copies, 1);
	/* And no longer than the input. */
	fake_in.size = 10240;
	ck_assert_int_eq(run_one(0, 0, 65536, 0), 10240);
	ck_assert_uint_eq(fakes[0].copies, 5);
	ck_assert_uint_eq(fakes[0].calls[4].n, 3);
}
END_TEST

/* Nor longer than the device that it goes to. */
START_TEST(test_batch_ends_with_the_device)
{
	const struct copyoff_range v[] = { { 0, 0, 8192 }, { 16384, 8192, 8192 } };

	fakes[0].limits = (struct copyoff_limits){ .align = 512, .max_ranges = 8 };
	fake_out.kind = COPYOFF_KIND_BLOCK;
	fake_out.size = 12288;
	ck_assert_int_eq(fake_run(v, COUNT(v), 0), 12288);
	ck_assert_int_eq(fake_ctx.result.error, ENOSPC);
	ck_assert_uint_eq(fakes[0].copies, 1);
	check_call(0, 0, 0, 12288);
}
END_TEST

/* Scattered sources, one behind the other in the destination; then a gap. */
START_TEST(test_batch_adjacent)
{
	const struct copyoff_range v[] = {
		{ 8192, 0, 512 }, { 0, 512, 1024 },     { 4096, 1536, 512 },
		{ 512, 4096, 0 }, { 16384, 2560, 512 }, { 20480, 3072, 512 },
	};

	fakes[0].limits = (struct copyoff_limits){ .align = 512, .max_ranges = 100 };
	fakes[0].adjacent = true;
	ck_assert_int_eq(fake_run(v, COUNT(v), 0), 3072);
	check_copied(v, COUNT(v), 3072);
	ck_assert_uint_eq(fakes[0].copies, 2);
	check_call(0, 0, 8192, 2048);
	check_call(0, 1, 16384, 1024);
}
END_TEST

/* A range that does not fit ends the batch, and an empty one does not. */
START_TEST(test_batch_ends)
{
	const struct copyoff_range v[] = {
		{ 0, 0, 512 },        { 512, 1024, 0 },    { 1024, 2048, 512 },
		{ 5000, 4096, 512 },  { 2048, 8192, 512 }, { 4096, 9216, 1024 },
		{ 8192, 16384, 700 },
	};

	fakes[0].limits = (struct copyoff_limits){ .align = 512, .max_ranges = 100 };
	ck_assert_int_eq(fake_run(v, COUNT(v), 0), 512 * 4 + 1024 + 700);
	check_copied(v, COUNT(v), 512 * 4 + 1024 + 700);
	ck_assert_uint_eq(fakes[0].calls[0].n, 2);
	ck_assert_uint_eq(fakes[0].calls[1].n, 3); /* what fits of the last one, too */
	check_call(1, 0, 5000, 512);
	check_call(1, 1, 8704, 188);
}
END_TEST

/* --- failing over --------------------------------------------------------- */

START_TEST(test_decline_at_the_prefix)
{
	static const struct fake_step steps[] = { { FAKE_ALL, 0 },
						  { FAKE_SHORT, 300 },
						  { FAKE_DECLINE, COPYOFF_REASON_UNSUPPORTED } };

	fakes[0].limits.max_range = 1000;
	fakes[0].scribbles = true;
	fake_script(0, steps, COUNT(steps));
	ck_assert_int_eq(run_one(7, 9, 10000, 0), 10000);
	ck_assert_uint_eq(fakes[0].copies, 3); /* and never again in this call */
	ck_assert_uint_eq(fakes[1].copies, 1);
	check_call(1, 0, 7 + 1300, 8700);
	ck_assert_uint_eq(fake_ctx.stats[0].declines, 1);
	ck_assert_uint_eq(fake_ctx.stats[0].short_copies, 1);
	ck_assert_uint_eq(fake_ctx.stats[0].calls, 3);
	ck_assert_uint_eq(fake_ctx.stats[0].bytes, 1300);
	ck_assert_str_eq(fake_ctx.result.backend, "fake1");
	ck_assert_int_eq(fake_ctx.result.error, 0);
	ck_assert_ptr_nonnull(strstr(fake_ctx.message, "told to decline"));
	ck_assert_ptr_nonnull(strstr(fake_ctx.message, "ENODATA"));
}
END_TEST

START_TEST(test_all_decline)
{
	static const struct fake_step decline[] = { { FAKE_DECLINE, COPYOFF_REASON_UNSUPPORTED } };

	for (size_t i = 0; i < COPYOFF_BACKENDS; i++)
		fake_script(i, decline, 1);
	ck_assert_int_eq(run_one(0, 0, 1000, 0), -EOPNOTSUPP);
	ck_assert_str_eq(fake_ctx.result.backend, "none");
	for (size_t i = 0; i < COPYOFF_BACKENDS; i++)
		ck_assert_uint_eq(fakes[i].copies, 1);
}
END_TEST

START_TEST(test_final_error)
{
	static const struct fake_step steps[] = { { FAKE_ALL, 0 },
						  { FAKE_SHORT, 10 },
						  { FAKE_ERROR, ENOSPC } };

	fakes[0].limits.max_range = 1000;
	fake_script(0, steps, COUNT(steps));
	ck_assert_int_eq(run_one(0, 0, 5000, 0), 1010);
	ck_assert_uint_eq(fakes[1].copies, 0);
	ck_assert_int_eq(fake_ctx.result.error, ENOSPC);
	ck_assert_uint_eq(fake_ctx.result.bytes, 1010);
	ck_assert_ptr_nonnull(strstr(fake_ctx.message, "fake0"));
	ck_assert_ptr_nonnull(strstr(fake_ctx.message, "ENOSPC"));
	ck_assert_ptr_nonnull(strstr(fake_ctx.message, "1010"));
	ck_assert_uint_eq(fake_ctx.stats[0].errors, 1);
}
END_TEST

START_TEST(test_final_error_at_once)
{
	static const struct fake_step steps[] = { { FAKE_ERROR, EIO } };

	fake_script(0, steps, 1);
	ck_assert_int_eq(run_one(0, 0, 5000, 0), -EIO);
	ck_assert_uint_eq(fakes[1].probes, 0);
}
END_TEST

/* What cannot be true is not counted, and the range is copied again by another. */
START_TEST(test_too_many)
{
	static const struct fake_step steps[] = { { FAKE_ALL, 0 }, { FAKE_TOO_MANY, 1 } };

	fakes[0].limits.max_range = 1000;
	fake_script(0, steps, COUNT(steps));
	ck_assert_int_eq(run_one(0, 0, 5000, 0), 5000);
	ck_assert_uint_eq(fake_ctx.stats[0].bytes, 1000);
	ck_assert_uint_eq(fake_ctx.stats[0].declines, 1);
	check_call(1, 0, 1000, 4000);
	ck_assert_int_eq(fake_ctx.routes[0].offers[0].reason, COPYOFF_REASON_MISBEHAVED);
	/* Not trusted again. */
	ck_assert_int_eq(run_one(0, 0, 5000, 0), 5000);
	ck_assert_uint_eq(fakes[0].copies, 2);
}
END_TEST

START_TEST(test_end_of_input)
{
	static const struct fake_step steps[] = { { FAKE_ALL, 0 }, { FAKE_END, 0 } };

	fakes[0].limits.max_range = 1000;
	fake_script(0, steps, COUNT(steps));
	ck_assert_int_eq(run_one(0, 0, 5000, 0), 1000);
	ck_assert_int_eq(fake_ctx.result.error, 0);
	ck_assert_uint_eq(fakes[1].copies, 0);
	fake_script(0, steps + 1, 1);
	ck_assert_int_eq(run_one(0, 0, 5000, 0), 0);
	ck_assert_str_eq(fake_ctx.result.backend, "none");
}
END_TEST

START_TEST(test_signals)
{
	static const struct fake_step at_once[] = { { FAKE_ERROR, EINTR } };
	static const struct fake_step later[] = { { FAKE_ALL, 0 }, { FAKE_INTERRUPTED, 77 } };
	static const struct fake_step at_the_end[] = { { FAKE_INTERRUPTED, 1000 } };

	fakes[0].limits.max_range = 1000;
	fake_script(0, at_once, 1);
	ck_assert_int_eq(run_one(0, 0, 5000, 0), -EINTR);
	fake_script(0, later, COUNT(later));
	ck_assert_int_eq(run_one(0, 0, 5000, 0), 1077);
	ck_assert_int_eq(fake_ctx.result.error, EINTR);
	ck_assert_uint_eq(fakes[1].copies, 0);
	/* Nothing was left to interrupt. */
	fake_script(0, at_the_end, 1);
	ck_assert_int_eq(run_one(0, 0, 1000, 0), 1000);
	ck_assert_int_eq(fake_ctx.result.error, 0);
	/* And it is over. */
	ck_assert_int_eq(run_one(0, 0, 5000, 0), 5000);
}
END_TEST

/* What is left is for others, as far as this call goes. */
START_TEST(test_spent)
{
	static const struct fake_step steps[] = { { FAKE_ALL, 0 }, { FAKE_SPENT, 77 } };

	fakes[0].limits.max_range = 1000;
	fake_script(0, steps, COUNT(steps));
	ck_assert_int_eq(run_one(0, 0, 5000, 0), 5000);
	ck_assert_uint_eq(fakes[0].copies, 2);
	ck_assert_uint_eq(fake_ctx.stats[0].bytes, 1077);
	ck_assert_uint_eq(fake_ctx.stats[1].bytes, 5000 - 1077);
	ck_assert_ptr_nonnull(strstr(fake_ctx.message, "told to be spent"));
	ck_assert_int_eq(run_one(0, 0, 5000, 0), 5000);
	ck_assert_uint_eq(fake_ctx.stats[0].bytes, 1077 + 5000);
}
END_TEST

/* Whatever was copied, by it or before: others are not asked, and nothing is counted. */
START_TEST(test_fatal)
{
	static const struct fake_step in_the_middle[] = { { FAKE_ALL, 0 }, { FAKE_FATAL, 77 } };
	static const struct fake_step at_the_end[] = { { FAKE_FATAL, 1000 } };
	static const struct fake_step declining[] = { { FAKE_ALL, 0 }, { FAKE_FATAL, 1 } };

	fakes[0].limits.max_range = 1000;
	fake_script(0, in_the_middle, COUNT(in_the_middle));
	ck_assert_int_eq(run_one(0, 0, 5000, 0), -EIO);
	ck_assert_uint_eq(fakes[0].copies, 2);
	ck_assert_uint_eq(fake_ctx.stats[0].errors, 1);
	ck_assert_ptr_nonnull(strstr(fake_ctx.message, "told to be fatal; at source offset 1000"));
	fake_script(0, at_the_end, 1);
	ck_assert_int_eq(run_one(0, 0, 1000, 0), -EIO);
	fake_script(0, declining, COUNT(declining));
	ck_assert_int_eq(run_one(0, 0, 5000, 0), -EIO);
	ck_assert_uint_eq(fakes[1].copies, 0);
	/* And it is over. */
	ck_assert_int_eq(run_one(0, 0, 5000, 0), 5000);
	ck_assert_int_eq(fake_ctx.result.error, 0);
}
END_TEST

/* Who is asked for the next range. */
START_TEST(test_fatal_question)
{
	static const struct copyoff_range v[] = { { 0, 0, 4096 }, { 4096, 4096, 100 } };

	fakes[0].limits = (struct copyoff_limits){ .align = 512, .max_ranges = 2 };
	fakes[1].probe_fatal = true;
	ck_assert_int_eq(fake_run(v, 2, 0), -EIO);
	ck_assert_ptr_nonnull(strstr(fake_ctx.message, "fake1: told to be fatal"));
	ck_assert_uint_eq(fakes[0].copies, 0);
}
END_TEST

/* Nor is it lost on who only asks. */
START_TEST(test_fatal_plan)
{
	static struct copyoff_plan plan;
	FILE *in = tmpfile(), *out = tmpfile();

	ck_assert(in && out);
	fakes[2].probe_fatal = true;
	ck_assert_int_eq(copyoff_plan_make(&fake_ctx, fileno(in), fileno(out), 0, &plan), -EIO);
	ck_assert_ptr_nonnull(strstr(fake_ctx.message, "fake2: told to be fatal"));
	fclose(in);
	fclose(out);
}
END_TEST

/* --- progress ------------------------------------------------------------- */

static struct {
	uint64_t done, total;
	unsigned calls, cancel_at;
} seen;

static int note(void *data, uint64_t done, uint64_t total)
{
	ck_assert_ptr_eq(data, &seen);
	ck_assert_uint_gt(done, seen.done);
	ck_assert_uint_le(done, total);
	seen.done = done;
	seen.total = total;
	return ++seen.calls == seen.cancel_at ? 1 : 0;
}

static void watch(unsigned cancel_at)
{
	memset(&seen, 0, sizeof(seen));
	seen.cancel_at = cancel_at;
	fake_ctx.progress = note;
	fake_ctx.progress_data = &seen;
}

START_TEST(test_progress)
{
	static const struct fake_step steps[] = { { FAKE_ALL, 0 },
						  { FAKE_DECLINE, COPYOFF_REASON_RESOURCE } };

	fakes[0].limits = (struct copyoff_limits){ .align = 512, .max_range = 1024 };
	watch(0);
	ck_assert_int_eq(run_one(100, 100, 10000, 0), 10000);
	ck_assert_uint_ge(seen.calls, 10);
	ck_assert_uint_eq(seen.done, 10000);
	ck_assert_uint_eq(seen.total, 10000);
	/* Never more than there is. */
	watch(0);
	ck_assert_int_eq(run_one(FAKE_BYTES - 1000, 0, 10000, 0), 1000);
	ck_assert_uint_eq(seen.total, 1000);
	/* A refusal is no progress. */
	fake_script(0, steps, COUNT(steps));
	watch(0);
	ck_assert_int_eq(run_one(0, 0, 10240, 0), 10240);
	ck_assert_uint_eq(seen.calls, 2);
}
END_TEST

START_TEST(test_cancel)
{
	fakes[0].limits.max_range = 1000;
	watch(3);
	ck_assert_int_eq(run_one(0, 0, 10000, 0), 3000);
	ck_assert_uint_eq(fakes[0].copies, 3);
	ck_assert_int_eq(fake_ctx.result.error, ECANCELED);
}
END_TEST

/* --- policy --------------------------------------------------------------- */

START_TEST(test_policy)
{
	static const struct {
		unsigned traits, flags;
		bool used;
	} cases[] = {
		{ 0, 0, true },
		{ COPYOFF_TRAIT_SHARES, COPYOFF_NO_SHARE, false },
		{ COPYOFF_TRAIT_MAY_SHARE, COPYOFF_NO_SHARE, false },
		{ 0, COPYOFF_NO_SHARE, true },
		{ COPYOFF_TRAIT_HOST, COPYOFF_NO_SHARE, true },
		{ COPYOFF_TRAIT_HOST, COPYOFF_REQUIRE_OFFLOAD, false },
		{ COPYOFF_TRAIT_SHARES, COPYOFF_REQUIRE_OFFLOAD, true },
		{ COPYOFF_TRAIT_SHARES, COPYOFF_REQUIRE_SHARE, true },
		{ COPYOFF_TRAIT_MAY_SHARE, COPYOFF_REQUIRE_SHARE, false },
		{ 0, COPYOFF_REQUIRE_SHARE, false },
		{ COPYOFF_TRAIT_SHARES, COPYOFF_REQUIRE_SHARE | COPYOFF_REQUIRE_OFFLOAD, true },
		{ 0, COPYOFF_NO_SHARE | COPYOFF_REQUIRE_OFFLOAD, true },
		{ COPYOFF_TRAIT_RAW, 0, true },
		{ COPYOFF_TRAIT_RAW, COPYOFF_REQUIRE_OFFLOAD, true },
		{ COPYOFF_TRAIT_RAW, COPYOFF_NO_RAW, false },
		{ COPYOFF_TRAIT_RAW | COPYOFF_TRAIT_PRIV, COPYOFF_NO_RAW | COPYOFF_REQUIRE_OFFLOAD,
		  false },
		{ COPYOFF_TRAIT_PRIV, COPYOFF_NO_RAW, true },
		{ COPYOFF_TRAIT_SHARES, COPYOFF_NO_RAW | COPYOFF_REQUIRE_SHARE, true },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		fake_reset();
		for (size_t k = 1; k < COPYOFF_BACKENDS; k++)
			fakes[k].backend.info.built = 0;
		fakes[0].offered_traits = cases[i].traits;
		fakes[0].backend.info.traits = cases[i].traits;
		ck_assert_int_eq(run_one(0, 0, 1000, cases[i].flags),
				 cases[i].used ? 1000 : -EOPNOTSUPP);
		ck_assert_uint_eq(fakes[0].copies, cases[i].used);
		/* Where sharing or commands are forbidden, they are not even asked for. */
		if (cases[i].flags & (COPYOFF_NO_SHARE | COPYOFF_NO_RAW))
			ck_assert_uint_eq(fakes[0].probes, cases[i].used);
		if (cases[i].used)
			ck_assert_uint_eq(fake_ctx.result.bytes_offloaded,
					  cases[i].traits & COPYOFF_TRAIT_HOST ? 0 : 1000);
		copyoff_ctx_fini(&fake_ctx);
	}
	fake_reset();
}
END_TEST

/* probe() knows better than the table. */
START_TEST(test_traits_of_the_pair)
{
	fakes[0].offered_traits = 0;
	ck_assert_int_eq(run_one(0, 0, 1000, COPYOFF_REQUIRE_OFFLOAD), 1000);
	ck_assert_uint_eq(fakes[0].copies, 1);
	ck_assert_uint_eq(fake_ctx.result.bytes_offloaded, 1000);
}
END_TEST

START_TEST(test_filter)
{
	fake_ctx.filter = (copyoff_mask)~1u;
	ck_assert_int_eq(run_one(0, 0, 1000, 0), 1000);
	ck_assert_uint_eq(fakes[0].probes, 0);
	ck_assert_uint_eq(fakes[1].copies, 1);
	ck_assert_str_eq(fake_ctx.message, ""); /* it was the user's wish */
	fake_ctx.filter = 0;
	ck_assert_int_eq(run_one(0, 0, 1000, 0), -EOPNOTSUPP);
}
END_TEST

/* Only those that read to the end get files that do not know theirs. */
START_TEST(test_unknown_size)
{
	struct copyoff_verdict verdict;

	fakes[0].backend.unsized = false;
	fake_in.size_known = false;
	fake_in.size = 0;
	fakes[1].probe_reason = COPYOFF_REASON_UNSUPPORTED;
	for (size_t i = 2; i < COPYOFF_BACKENDS; i++)
		fakes[i].backend.unsized = false;
	ck_assert_int_eq(run_one(0, 0, 1000, 0), -EOPNOTSUPP);
	for (size_t i = 0; i < COPYOFF_BACKENDS; i++)
		ck_assert_uint_eq(fakes[i].copies, 0);
	ck_assert_ptr_nonnull(strstr(fake_ctx.message, "size"));
	copyoff_route_verdict(&fake_ctx, &fake_ctx.routes[0], 0, 0, &verdict);
	ck_assert_int_eq(verdict.usable, 0);
	ck_assert_int_eq(verdict.reason, COPYOFF_REASON_FILE_TYPE);
}
END_TEST

/* --- what is remembered --------------------------------------------------- */

START_TEST(test_release_and_close)
{
	static const struct fake_step decline[] = { { FAKE_DECLINE, COPYOFF_REASON_UNSUPPORTED } };

	fake_script(0, decline, 1);
	fakes[1].probe_reason = COPYOFF_REASON_UNSUPPORTED;
	ck_assert_int_eq(run_one(0, 0, 1000, 0), 1000);
	ck_assert_int_eq(run_one(0, 0, 1000, 0), 1000);
	for (size_t i = 0; i < COPYOFF_BACKENDS; i++)
		ck_assert_uint_eq(fakes[i].releases + fakes[i].closes, 0);
	copyoff_ctx_fini(&fake_ctx);
	/* Once iff probe() returned 0, also after a later decline. */
	ck_assert_uint_eq(fakes[0].releases, 1);
	ck_assert_uint_eq(fakes[0].closes, 1);
	ck_assert_uint_eq(fakes[1].releases, 0);
	ck_assert_uint_eq(fakes[1].closes, 0);
	ck_assert_uint_eq(fakes[2].releases, 1);
	ck_assert_uint_eq(fakes[2].closes, 1);
	ck_assert_uint_eq(fakes[3].releases, 0);
	copyoff_ctx_init(&fake_ctx);
}
END_TEST

static void copy_pair(uint64_t ino)
{
	fake_out.ino = 100 + ino;
	ck_assert_int_eq(run_one(0, 0, 1000, 0), 1000);
}

/* Verdicts of the four pairs used last. */
START_TEST(test_routes)
{
	for (uint64_t i = 0; i < COPYOFF_ROUTES; i++)
		copy_pair(i);
	for (uint64_t i = 0; i < COPYOFF_ROUTES; i++)
		copy_pair(i);
	ck_assert_uint_eq(fakes[0].probes, COPYOFF_ROUTES);
	ck_assert_uint_eq(fakes[0].releases, 0);
	copy_pair(0); /* now 1 is the oldest */
	copy_pair(50);
	ck_assert_uint_eq(fakes[0].probes, COPYOFF_ROUTES + 1);
	ck_assert_uint_eq(fakes[0].releases, 1);
	copy_pair(0);
	copy_pair(2);
	copy_pair(3);
	ck_assert_uint_eq(fakes[0].probes, COPYOFF_ROUTES + 1);
	copy_pair(1);
	ck_assert_uint_eq(fakes[0].probes, COPYOFF_ROUTES + 2);
	copyoff_ctx_fini(&fake_ctx);
	ck_assert_uint_eq(fakes[0].releases, fakes[0].probes);
	ck_assert_uint_eq(fakes[0].closes, 1); /* one for the context */
	copyoff_ctx_init(&fake_ctx);
}
END_TEST

/* The access mode belongs to the pair. */
START_TEST(test_routes_differ_by_mode)
{
	copy_pair(0);
	fake_in.direct = true;
	copy_pair(0);
	ck_assert_uint_eq(fakes[0].probes, 2);
	fake_in.direct = false;
	copy_pair(0);
	ck_assert_uint_eq(fakes[0].probes, 2);
}
END_TEST

/* Reasons of the moment, and reasons of the pair, from copy(). */
START_TEST(test_reopened)
{
	static const struct {
		enum copyoff_reason reason;
		bool again;
	} cases[] = {
		{ COPYOFF_REASON_ALIGNMENT, true },    { COPYOFF_REASON_RESOURCE, true },
		{ COPYOFF_REASON_UNSUPPORTED, false }, { COPYOFF_REASON_CROSS_DEVICE, false },
		{ COPYOFF_REASON_PERMISSION, false },  { COPYOFF_REASON_SLOWER, false },
		{ COPYOFF_REASON_MISBEHAVED, false },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct fake_step step = { FAKE_DECLINE, cases[i].reason };

		fake_reset();
		fake_script(0, &step, 1);
		ck_assert_int_eq(run_one(0, 0, 1000, 0), 1000);
		ck_assert_uint_eq(fakes[0].copies, 1);
		ck_assert_int_eq(run_one(0, 0, 1000, 0), 1000);
		ck_assert_uint_eq(fakes[0].copies, cases[i].again ? 2 : 1);
		ck_assert_uint_eq(fakes[0].probes, 1);
		copyoff_ctx_fini(&fake_ctx);
	}
	fake_reset();
}
END_TEST

/* If that is why there is no backend left, its errno is the answer. */
START_TEST(test_lack_of_resource)
{
	struct fake_step step = { FAKE_DECLINE, COPYOFF_REASON_RESOURCE };

	fake_ctx.filter = 1;
	fake_script(0, &step, 1);
	ck_assert_int_eq(run_one(0, 0, 1000, 0), -ENODATA);
	ck_assert_int_eq(run_one(0, 0, 1000, 0), 1000); /* it is asked again */
}
END_TEST

/* The errno and the message are those of one backend, whatever others refused before. */
START_TEST(test_failed_offload)
{
	struct fake_step steps[] = { { FAKE_SHORT, 400 }, { FAKE_DECLINE, 0 } };

	fakes[0].probe_reason = COPYOFF_REASON_FILE_TYPE;
	steps[1].value = COPYOFF_REASON_RESOURCE;
	fakes[1].offered_traits = 0;
	fake_script(1, steps, COUNT(steps));
	ck_assert_int_eq(run_one(0, 0, 1000, COPYOFF_REQUIRE_OFFLOAD), 400);
	ck_assert_int_eq(fake_ctx.result.error, ENODATA);
	ck_assert_ptr_nonnull(strstr(fake_ctx.message, "fake1: told to decline, ENODATA"));
	ck_assert_uint_eq(fake_confirmed, 400);
}
END_TEST

/* The same from probe(): what could not be asked is asked again. */
START_TEST(test_asked_again)
{
	fakes[0].probe_error = -EMFILE;
	fakes[1].probe_reason = COPYOFF_REASON_UNSUPPORTED;
	fakes[2].probe_reason = COPYOFF_REASON_RESOURCE;
	ck_assert_int_eq(run_one(0, 0, 1000, 0), 1000);
	ck_assert_int_eq(fake_ctx.routes[0].offers[0].reason, COPYOFF_REASON_FAILED);
	ck_assert_int_eq(fake_ctx.routes[0].offers[0].error, EMFILE);
	fakes[0].probe_error = 0;
	ck_assert_int_eq(run_one(0, 0, 1000, 0), 1000);
	ck_assert_uint_eq(fakes[0].probes, 2);
	ck_assert_uint_eq(fakes[0].copies, 1);
	fakes[0].probe_reason = COPYOFF_REASON_NONE;
	fake_ctx.filter = (copyoff_mask)~1u;
	ck_assert_int_eq(run_one(0, 0, 1000, 0), 1000);
	ck_assert_uint_eq(fakes[1].probes, 1);
	ck_assert_uint_eq(fakes[2].probes, 2);
}
END_TEST

/* --- the call for small copies -------------------------------------------- */

static int64_t try_once(struct copyoff_ctx *ctx, const struct copyoff_range *r)
{
	fake_confirmed = 0;
	fake_ranges = r;
	fake_n_ranges = 1;
	return copyoff_shortcut(ctx, fake_in.fd, fake_out.fd, r);
}

START_TEST(test_small_with_context)
{
	struct copyoff_range r = { 512, 1024, 512 };

	/* Nothing is known: take the long way. */
	fakes[1].backend.stateless = true;
	fakes[1].limits.align = 512;
	fakes[2].backend.complete = true; /* is for calls without a context */
	ck_assert_int_eq(try_once(&fake_ctx, &r), COPYOFF_DECLINE);
	fakes[0].probe_reason = COPYOFF_REASON_UNSUPPORTED;
	ck_assert_int_eq(run_one(0, 0, 1024, 0), 1024);
	ck_assert_uint_eq(fakes[1].copies, 1);
	/* Now it is. */
	ck_assert_int_eq(try_once(&fake_ctx, &r), 512);
	ck_assert_uint_eq(fakes[1].copies, 2);
	ck_assert_uint_eq(fake_ctx.result.bytes, 512);
	ck_assert_uint_eq(fake_ctx.stats[1].calls, 2);
	/* Within one file, whose end may move. */
	ck_assert_int_eq(copyoff_shortcut(&fake_ctx, fake_in.fd, fake_in.fd, &r), COPYOFF_DECLINE);
	/* It does not fit. */
	r.len = 511;
	ck_assert_int_eq(try_once(&fake_ctx, &r), COPYOFF_DECLINE);
	ck_assert_uint_eq(fakes[1].copies, 2);
}
END_TEST

/* Without a context there are no facts, and only the kernel can check it all. */
START_TEST(test_small_without_context)
{
	struct copyoff_range r = { 5, 7, 512 };
	const struct fake_step too_many = { FAKE_TOO_MANY, 1 };

	fake_bare = true;
	ck_assert_int_eq(try_once(NULL, &r), COPYOFF_DECLINE);
	fakes[1].backend.stateless = true;
	ck_assert_int_eq(try_once(NULL, &r), COPYOFF_DECLINE);
	fakes[2].backend.stateless = true;
	fakes[2].backend.complete = true;
	ck_assert_int_eq(try_once(NULL, &r), 512);
	ck_assert_uint_eq(fakes[2].copies, 1);
	fake_script(2, &too_many, 1);
	ck_assert_int_eq(try_once(NULL, &r), COPYOFF_DECLINE);
	/* Larger ones are worth to be looked at: they may have holes. */
	r.len = (64 << 10) + 1;
	ck_assert_int_eq(try_once(NULL, &r), COPYOFF_DECLINE);
	ck_assert_uint_eq(fakes[2].copies, 2);
	for (size_t i = 0; i < COPYOFF_BACKENDS; i++)
		ck_assert_uint_eq(fakes[i].probes, 0);
	fake_bare = false;
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("engine");
	TCase *tc = tcase_create("engine");

	tcase_set_timeout(tc, 0);
	tcase_add_checked_fixture(tc, fake_reset, NULL);
	tcase_add_test(tc, test_first_does_all);
	tcase_add_test(tc, test_head_middle_tail);
	tcase_add_test(tc, test_odd_alignment);
	tcase_add_test(tc, test_not_congruent);
	tcase_add_test(tc, test_three_levels);
	tcase_add_test(tc, test_unaligned_end);
	tcase_add_test(tc, test_max_range);
	tcase_add_test(tc, test_max_total);
	tcase_add_test(tc, test_min_total);
	tcase_add_test(tc, test_min_total_of_the_rest);
	tcase_add_test(tc, test_min_total_alone);
	tcase_add_test(tc, test_min_total_note);
	tcase_add_test(tc, test_least_once);
	tcase_add_test(tc, test_least_once_named);
	tcase_add_test(tc, test_enough_for_once);
	tcase_add_test(tc, test_slower);
	tcase_add_test(tc, test_slower_head);
	tcase_add_test(tc, test_slower_named);
	tcase_add_test(tc, test_slower_verdict);
	tcase_add_test(tc, test_batches);
	tcase_add_test(tc, test_batch_of_pieces);
	tcase_add_test(tc, test_batch_ends_with_the_device);
	tcase_add_test(tc, test_batch_adjacent);
	tcase_add_test(tc, test_batch_ends);
	tcase_add_test(tc, test_decline_at_the_prefix);
	tcase_add_test(tc, test_all_decline);
	tcase_add_test(tc, test_final_error);
	tcase_add_test(tc, test_final_error_at_once);
	tcase_add_test(tc, test_too_many);
	tcase_add_test(tc, test_end_of_input);
	tcase_add_test(tc, test_signals);
	tcase_add_test(tc, test_spent);
	tcase_add_test(tc, test_fatal);
	tcase_add_test(tc, test_fatal_question);
	tcase_add_test(tc, test_fatal_plan);
	tcase_add_test(tc, test_progress);
	tcase_add_test(tc, test_cancel);
	tcase_add_test(tc, test_policy);
	tcase_add_test(tc, test_traits_of_the_pair);
	tcase_add_test(tc, test_filter);
	tcase_add_test(tc, test_unknown_size);
	tcase_add_test(tc, test_release_and_close);
	tcase_add_test(tc, test_routes);
	tcase_add_test(tc, test_routes_differ_by_mode);
	tcase_add_test(tc, test_reopened);
	tcase_add_test(tc, test_lack_of_resource);
	tcase_add_test(tc, test_failed_offload);
	tcase_add_test(tc, test_asked_again);
	tcase_add_test(tc, test_small_with_context);
	tcase_add_test(tc, test_small_without_context);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
