/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * random_test.c - the engine over fake backends with random limits that go short,
 * decline, lie and fail at random
 *
 * Whatever they do: the count is what was confirmed, that much of the concatenation
 * is equal, and no byte outside of the ranges has changed.
 */
#include "fake.h"

#include <errno.h>
#include <string.h>
#include <time.h>

enum { ROUNDS = 1000, RANGES_MOST = 30, STEPS = 12 };

static uint64_t state;

static uint64_t below(uint64_t n)
{
	return random_below(&state, n);
}

static uint64_t one_of(const uint64_t *values, size_t n)
{
	return values[below(n)];
}

static void random_limits(struct fake *fake)
{
	static const uint64_t aligns[] = { 0, 1, 512, 4096, 520, 3 };
	static const uint64_t ranges[] = { 0, 4096, 5000, 65536, 12480 };
	static const uint64_t counts[] = { 0, 1, 2, 5, 256, 1000 };
	static const uint64_t totals[] = { 0, 8192, 20000, 131072 };
	static const uint64_t least[] = { 0, 0, 0, 10000 };

	fake->limits = (struct copyoff_limits){
		.align = one_of(aligns, COUNT(aligns)),
		.min_total = one_of(least, COUNT(least)),
		.max_range = one_of(ranges, COUNT(ranges)),
		.max_ranges = one_of(counts, COUNT(counts)),
		.max_total = one_of(totals, COUNT(totals)),
	};
	fake->unaligned_eof = below(2);
	fake->adjacent = below(2);
	fake->scribbles = below(2);
}

static struct fake_step random_step(bool may_end)
{
	static const int64_t reasons[] = { COPYOFF_REASON_ALIGNMENT, COPYOFF_REASON_UNSUPPORTED };
	static const int64_t errors[] = { EIO, ENOSPC, EINTR };

	switch (below(may_end ? 13 : 9)) {
	case 0:
	case 1:
		return (struct fake_step){ FAKE_SHORT, 1 + (int64_t)below(6000) };
	case 12:
		return (struct fake_step){ FAKE_SPENT, 1 + (int64_t)below(6000) };
	case 2:
		return (struct fake_step){ FAKE_DECLINE, reasons[below(2)] };
	case 3:
		return (struct fake_step){ FAKE_TOO_MANY, 1 + (int64_t)below(10) };
	case 9:
		return (struct fake_step){ FAKE_ERROR, errors[below(3)] };
	case 10:
		return (struct fake_step){ FAKE_INTERRUPTED, 1 + (int64_t)below(6000) };
	case 11:
		return (struct fake_step){ FAKE_END, 0 };
	default:
		return (struct fake_step){ FAKE_ALL, 0 };
	}
}

/* Ranges in slots of the destination, so that they do not overlap. */
static size_t random_ranges(struct copyoff_range *v)
{
	static const uint64_t units[] = { 1, 512, 4096, 520 };
	size_t n = 1 + (size_t)below(RANGES_MOST);
	uint64_t slot = FAKE_BYTES / n / 4096 * 4096;
	uint64_t unit = one_of(units, COUNT(units));

	for (size_t i = 0; i < n; i++) {
		uint64_t len = below(5) ? below(slot / 2) / unit * unit : 0;

		v[i].len = len;
		v[i].src = (int64_t)(below(FAKE_BYTES - len) / unit * unit);
		if (below(8) == 0) /* up to the end of the source */
			v[i].src = (int64_t)(FAKE_BYTES - len);
		v[i].dst = (int64_t)((n - 1 - i) * slot + below(slot / 2) / unit * unit);
	}
	return n;
}

static uint64_t sum(const struct copyoff_range *v, size_t n)
{
	uint64_t total = 0;

	for (size_t i = 0; i < n; i++)
		total += v[i].len;
	return total;
}

/* Everything outside of the ranges is as it was, and @len of them is copied. */
static void check_bytes(const struct copyoff_range *v, size_t n, uint64_t len)
{
	static unsigned char must[sizeof(fake_dst)];

	memset(must, 0xa5, sizeof(must));
	for (size_t i = 0; i < n; i++) {
		uint64_t part = v[i].len < len ? v[i].len : len;
		uint64_t rest = v[i].len - part;
		size_t dst = (size_t)v[i].dst;

		memcpy(must + dst, fake_src + v[i].src, (size_t)part);
		memcpy(must + dst + part, fake_dst + dst + part, (size_t)rest); /* undefined */
		len -= part;
	}
	ck_assert(memcmp(must, fake_dst, sizeof(must)) == 0);
}

START_TEST(test_random)
{
	unsigned complete = 0, ended = 0, failed = 0;

	state = random_seed((uint64_t)time(NULL));
	for (int round = 0; round < ROUNDS; round++) {
		struct fake_step steps[COPYOFF_BACKENDS][STEPS];
		struct copyoff_range v[RANGES_MOST];
		size_t n = random_ranges(v);
		bool may_end = below(2);
		int64_t ret;

		fake_reset();
		fake_out.size = below(2) ? below(FAKE_BYTES) : 0;
		for (size_t i = 0; i + 1 < COPYOFF_BACKENDS; i++) {
			random_limits(&fakes[i]);
			for (size_t k = 0; k < STEPS; k++)
				steps[i][k] = random_step(may_end);
			fake_script(i, steps[i], STEPS);
		}
		ret = fake_run(v, n, 0);
		ck_assert_uint_eq(ret > 0 ? (uint64_t)ret : 0, fake_confirmed);
		check_bytes(v, n, fake_confirmed);
		/* The last one takes everything: only an end or an error makes it short. */
		ck_assert(may_end || fake_confirmed == sum(v, n));
		ck_assert_uint_eq(fake_ctx.result.bytes, fake_confirmed);
		if (ret == (int64_t)sum(v, n))
			complete++;
		else if (fake_ctx.result.error)
			failed++;
		else
			ended++;
		for (size_t i = 0; i < COPYOFF_BACKENDS; i++)
			ck_assert_uint_eq(fake_ctx.stats[i].bytes, fakes[i].confirmed);
		copyoff_ctx_fini(&fake_ctx);
		for (size_t i = 0; i < COPYOFF_BACKENDS; i++)
			ck_assert_uint_eq(fakes[i].releases, fakes[i].probes);
	}
	/* The random numbers did test something. */
	ck_assert(complete > ROUNDS / 10 && ended > ROUNDS / 100 && failed > ROUNDS / 100);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("random");
	TCase *tc = tcase_create("random");

	tcase_set_timeout(tc, 0);
	tcase_add_test(tc, test_random);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
