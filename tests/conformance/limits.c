/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * limits.c - RLIMIT_FSIZE and the largest offsets
 */
#define _GNU_SOURCE
#include "conformance.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

enum { K = 1024, M = 1024 * K };

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* --- RLIMIT_FSIZE --------------------------------------------------------- */

static volatile sig_atomic_t signals;

static void count_signal(int sig)
{
	(void)sig;
	signals++;
}

static void handle(bool ignore)
{
	struct sigaction action = { .sa_handler = ignore ? SIG_IGN : count_signal };

	ck_assert_int_eq(sigaction(SIGXFSZ, &action, NULL), 0);
	signals = 0;
}

static const uint64_t limits[] = { 1, 4096, 65536, 100000, 262144, 300001 };

/* Across the limit: exactly the bytes before it, and no signal.  Then EFBIG and one. */
START_TEST(test_size_limit)
{
	const bool ignore = _i >= HOW_COUNT;
	enum how how = (enum how)(_i % HOW_COUNT);

	for (size_t l = 0; l < COUNT(limits); l++) {
		const uint64_t starts[] = { 0, 1, limits[l] / 2, limits[l] - 1 };
		const uint64_t sizes[] = { 0, limits[l], M };

		for (size_t s = 0; s < COUNT(starts) * COUNT(sizes); s++) {
			int64_t start = (int64_t)starts[s % COUNT(starts)];
			struct file in, out;
			copyoff_ctx *ctx;

			if (starts[s % COUNT(starts)] >= limits[l])
				continue;
			ctx = context_new(0, 0);
			file_make(&in, M, 1);
			file_make(&out, sizes[s / COUNT(starts)], 2);
			handle(ignore);
			size_limit = limits[l];
			ck_assert_int_eq(checked_copy(how, ctx, &in, 0, &out, start, 512 * K, 0),
					 (int64_t)limits[l] - start);
			checked_copy(how, ctx, &in, 1, &out, start, limits[l] - (uint64_t)start, 0);
			ck_assert_int_eq(signals, 0);
			checked_copy(how, ctx, &in, 0, &out, (int64_t)limits[l], 1000, 0);
			ck_assert_int_eq(signals, ignore ? 0 : 1);
			checked_copy(how, ctx, &in, 0, &out, (int64_t)limits[l] + 5000, 100000, 0);
			ck_assert_int_eq(signals, ignore ? 0 : 2);
			size_limit = UINT64_MAX;
			file_close(&in);
			file_close(&out);
			copyoff_ctx_free(ctx);
		}
	}
}
END_TEST

/* The kernel itself: the same counts, errors and signals. */
START_TEST(test_size_limit_of_the_kernel)
{
	if (!kernel_copies()) {
		skip_case("RLIMIT_FSIZE of the kernel", "copy_file_range(2) does not copy here");
		return;
	}
	for (size_t l = 0; l < COUNT(limits); l++) {
		const int64_t limit = (int64_t)limits[l];
		const int64_t starts[] = { 0, limit / 2, limit - 1, limit, limit + 1, 2 * limit };

		for (size_t s = 0; s < COUNT(starts); s++) {
			copyoff_ctx *ctx = context_new(0, 0);
			struct file in, out;
			int sent;

			file_make(&in, M, 1);
			file_make(&out, M / 2, 2);
			handle(false);
			size_limit = limits[l];
			ck_assert_int_eq(kernel_copy(in.io, 0, out.io, starts[s], (uint64_t)limit),
					 starts[s] < limit ? limit - starts[s] : -EFBIG);
			/* After the limit was reached, the loop asked once more. */
			sent = signals - (starts[s] > 0 && starts[s] < limit);
			signals = 0;
			copy((enum how)_i, ctx, in.fd, 0, out.fd, starts[s], (uint64_t)limit, 0);
			ck_assert_int_eq(signals, sent);
			size_limit = UINT64_MAX;
			file_close(&in);
			file_close(&out);
			copyoff_ctx_free(ctx);
		}
	}
}
END_TEST

/* Nothing may be written at all.  Of a copy of nothing the kernel may send a signal. */
START_TEST(test_size_limit_0)
{
	copyoff_ctx *ctx;
	struct file in, out;
	int sent;

#ifdef __SANITIZE_THREAD__
	skip_case("RLIMIT_FSIZE 0", "the thread sanitizer delivers signals later");
	return;
#endif
	ctx = context_new(0, 0);
	file_make(&in, M, 1);
	file_make(&out, 1000, 2);
	handle(false);
	size_limit = 0;
	ck_assert_int_eq(checked_copy((enum how)_i, ctx, &in, 0, &out, 0, 1000, 0), -EFBIG);
	ck_assert_int_eq(signals, 1);
	signals = 0;
	kernel_copy(in.io, M, out.io, 0, 1000);
	sent = signals;
	signals = 0;
	checked_copy((enum how)_i, ctx, &in, M, &out, 0, 1000, 0);
	ck_assert_int_le(signals, sent);
	size_limit = UINT64_MAX;
	file_close(&in);
	file_close(&out);
	copyoff_ctx_free(ctx);
}
END_TEST

/* A hole does not reach beyond the limit, either. */
START_TEST(test_size_limit_in_a_hole)
{
	static const unsigned flags[] = { 0, COPYOFF_SPARSE, COPYOFF_NO_SHARE };

	for (size_t k = 0; k < COUNT(flags); k++) {
		for (uint64_t size = 0; size <= M; size += M / 2) {
			copyoff_ctx *ctx = context_new(0, 0);
			struct file in, out;

			file_make(&in, M, 1);
			file_punch(&in, 128 * K, 512 * K);
			file_make(&out, size, 2);
			handle(false);
			size_limit = 300000;
			ck_assert_int_eq(
				checked_copy((enum how)_i, ctx, &in, 0, &out, 0, M, flags[k]),
				300000);
			ck_assert_int_eq(signals, 0);
			size_limit = UINT64_MAX;
			file_close(&in);
			file_close(&out);
			copyoff_ctx_free(ctx);
		}
	}
}
END_TEST

START_TEST(test_size_limit_of_ranges)
{
	const struct copyoff_range v[] = {
		{ 0, 0, 50000 },
		{ 100000, 60000, 30000 }, /* crosses 65536 */
		{ 200000, 50000, 1000 },
	};
	const struct copyoff_range beyond[] = { { 0, 0, 4096 }, { 8192, 65536, 4096 } };
	copyoff_ctx *ctx = context_new(0, 0);
	struct file in, out;

	file_make(&in, M, 1);
	file_make(&out, _i ? M : 0, 2);
	handle(false);
	size_limit = 65536;
	ck_assert_int_eq(checked_copyv(ctx, &in, &out, v, COUNT(v), 0), 55536);
	ck_assert_int_eq(checked_copyv(ctx, &in, &out, beyond, 2, 0), 4096);
	ck_assert_int_eq(signals, 0);
	ck_assert_int_eq(checked_copyv(ctx, &in, &out, beyond + 1, 1, 0), -EFBIG);
	ck_assert_int_eq(signals, 1);
	size_limit = UINT64_MAX;
	file_close(&in);
	file_close(&out);
	copyoff_ctx_free(ctx);
}
END_TEST

/* --- large offsets -------------------------------------------------------- */

static const int64_t large[] = { (int64_t)1 << 31, ((int64_t)1 << 32) - 4096, (int64_t)5 << 30,
				 ((int64_t)1 << 40) + 511 };

static void check_window(const struct file *f, int64_t off, const unsigned char *must, size_t len)
{
	static unsigned char got[300000];
	uint64_t where;

	ck_assert_uint_le(len, sizeof(got));
	ck_assert_int_eq(pread(f->io, got, len, off), (ssize_t)len);
	if (!model_equal(got, must, len, &where))
		ck_abort_msg("byte %llu is wrong", (unsigned long long)off + where);
}

/* Sparse files, data at large offsets; a byte on each side is not to be touched. */
START_TEST(test_large_offsets)
{
	enum { LEN = 200000 };
	static unsigned char data[LEN], guarded[LEN + 2];
	int64_t off = large[_i];

	fill(data, LEN, 1);
	for (int how = 0; how < HOW_COUNT; how++) {
		copyoff_ctx *ctx = context_new(0, 0);
		struct file in, out;

		file_make(&in, 0, 0);
		file_make(&out, 0, 0);
		ck_assert_int_eq(pwrite(in.io, data, LEN, off), LEN);
		fill(guarded, sizeof(guarded), 2);
		ck_assert_int_eq(pwrite(out.io, guarded, sizeof(guarded), off + 4095), LEN + 2);
		ck_assert_int_eq(copy((enum how)how, ctx, in.fd, off, out.fd, off + 4096, LEN, 0),
				 LEN);
		memcpy(guarded + 1, data, LEN);
		check_window(&out, off + 4095, guarded, sizeof(guarded));
		/* Down, and over the end of the input. */
		ck_assert_int_eq(copy((enum how)how, ctx, in.fd, off + 1000, out.fd, 0, 5 * M, 0),
				 LEN - 1000);
		check_window(&out, 0, data + 1000, LEN - 1000);
		/* Within one file. */
		ck_assert_int_eq(copy((enum how)how, ctx, in.fd, off, in.fd, 0, LEN, 0), LEN);
		check_window(&in, 0, data, LEN);
		file_close(&in);
		file_close(&out);
		copyoff_ctx_free(ctx);
	}
}
END_TEST

/* More than 4 GiB in one call, nearly all of it hole. */
START_TEST(test_large_length)
{
	enum { LEN = 70000 };
	static unsigned char data[LEN];
	int64_t total = ((int64_t)5 << 30) + LEN;
	copyoff_ctx *ctx;
	struct file in, out;

	if (!fits_size_t((uint64_t)total)) {
		skip_case("more than 4 GiB in one call", "size_t has 32 bits");
		return;
	}
	if (subject.posix) {
		skip_case("more than 4 GiB in one call", "without holes, it takes that much");
		return;
	}
	ctx = context_new(0, 0);
	fill(data, LEN, 1);
	file_make(&in, 0, 0);
	file_make(&out, 0, 0);
	ck_assert_int_eq(pwrite(in.io, data, LEN, (off_t)5 << 30), LEN);
	ck_assert_int_eq(pwrite(in.io, data, LEN, (off_t)3 << 30), LEN);
	ck_assert_int_eq(copy((enum how)_i, ctx, in.fd, 0, out.fd, 0, INT64_MAX, 0), total);
	check_window(&out, (int64_t)5 << 30, data, LEN);
	check_window(&out, (int64_t)3 << 30, data, LEN);
	ck_assert_int_eq(lseek(out.io, 0, SEEK_END), total);
	file_close(&in);
	file_close(&out);
	copyoff_ctx_free(ctx);
}
END_TEST

/* O_DIRECT reads whole blocks, and the last one ends beyond the largest offset. */
static bool can_read_last_byte(const struct file *f)
{
	static unsigned char block[4096] __attribute__((aligned(4096)));

	return pread(f->fd, block, subject.direct ? sizeof(block) : 1,
		     INT64_MAX - (subject.direct ? 4095 : 1)) > 0;
}

/* The last bytes that a file can have, as far as write(2) gets there. */
START_TEST(test_largest_offsets)
{
	copyoff_ctx *ctx = context_new(0, 0);
	struct file in, out, trial;
	unsigned char byte = 0;
	bool possible;

	file_make(&in, M, 1);
	file_make(&out, 0, 2);
	file_make(&trial, 0, 3);
	possible = pwrite(trial.io, &byte, 1, INT64_MAX - 1) == 1;
	for (int64_t back = 1; back <= 65536; back *= 16) {
		int64_t got =
			copy((enum how)_i, ctx, in.fd, 0, out.fd, INT64_MAX - back, 100000, 0);

		ck_assert_msg(possible ? got > 0 && got <= back : got == -EFBIG,
			      "%lld bytes before the largest offset: %lld, and write(2) can%s",
			      (long long)back, (long long)got, possible ? "" : "not");
		if (got > 0)
			check_window(&out, INT64_MAX - back, in.model.data, (size_t)got);
	}
	ck_assert_int_eq(copy((enum how)_i, ctx, in.fd, 0, out.fd, INT64_MAX, 1, 0), -EFBIG);
	ck_assert_int_eq(copy((enum how)_i, ctx, in.fd, 0, out.fd, INT64_MAX, 0, 0), 0);
	/* And from there. */
	if (possible && can_read_last_byte(&trial)) {
		ck_assert_int_eq(copy((enum how)_i, ctx, trial.fd, INT64_MAX - 1, in.fd, 7, 100, 0),
				 1);
		in.model.data[7] = 0;
	} else {
		skip_case("from the largest offset", "neither file system nor O_DIRECT goes there");
	}
	ck_assert_int_eq(copy((enum how)_i, ctx, trial.fd, INT64_MAX, in.fd, 7, 100, 0), 0);
	file_check(&in, "from the largest offset");
	file_close(&in);
	file_close(&out);
	file_close(&trial);
	copyoff_ctx_free(ctx);
}
END_TEST

/* Lengths that no file has, which are no error by themselves. */
START_TEST(test_largest_lengths)
{
	static const struct {
		int64_t src, dst;
		uint64_t len;
	} cases[] = {
		{ 0, 0, SIZE_MAX },
		{ 0, 0, (uint64_t)INT64_MAX },
		{ 0, 0, (uint64_t)INT64_MAX + 1 },
		{ 1, 0, SIZE_MAX - 1 },
		{ 1, 0, SIZE_MAX },
		{ 4096, 8192, SIZE_MAX - 8192 },
		{ 4096, 8192, SIZE_MAX - 8191 },
		{ 0, 4096, (uint64_t)INT64_MAX - 4095 },
	};
	enum how how = (enum how)_i;

	for (size_t i = 0; i < COUNT(cases); i++) {
		copyoff_ctx *ctx;
		struct file in, out;

		if (!fits_size_t(cases[i].len) || (how == HOW_VECTOR && cases[i].len > INT64_MAX))
			continue; /* EOVERFLOW there, see ranges.c */
		ctx = context_new(0, 0);
		file_make(&in, 50000, 1);
		file_make(&out, 100, 2);
		checked_copy(how, ctx, &in, cases[i].src, &out, cases[i].dst, cases[i].len, 0);
		file_close(&in);
		file_close(&out);
		copyoff_ctx_free(ctx);
	}
}
END_TEST

TCase *cases_limits(void)
{
	TCase *tc = tcase_create("limits");

	tcase_set_timeout(tc, 0);
	tcase_add_loop_test(tc, test_size_limit, 0, 2 * HOW_COUNT);
	tcase_add_loop_test(tc, test_size_limit_of_the_kernel, 0, HOW_COUNT);
	tcase_add_loop_test(tc, test_size_limit_0, 0, HOW_COUNT);
	tcase_add_loop_test(tc, test_size_limit_in_a_hole, 0, HOW_COUNT);
	tcase_add_loop_test(tc, test_size_limit_of_ranges, 0, 2);
	tcase_add_loop_test(tc, test_large_offsets, 0, (int)COUNT(large));
	tcase_add_loop_test(tc, test_large_length, 0, HOW_COUNT);
	tcase_add_loop_test(tc, test_largest_offsets, 0, HOW_COUNT);
	tcase_add_loop_test(tc, test_largest_lengths, 0, HOW_COUNT);
	return tc;
}
