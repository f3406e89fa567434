/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * holes_test.c - holes of the source that cannot be made: backends get them as
 * data, within their limits
 *
 * Where the holes are is said here instead of in extents.c.  The descriptors of
 * the fakes are none, so that nothing can be punched or zeroed; beyond the end
 * of the destination, holes need no call into the system until the end.
 */
#include "fake.h"

#include <errno.h>
#include <string.h>

enum { BLOCK = 4096 };

/* --- in the place of extents.c ------------------------------------------------ */

/* Every other piece, from the first or the second on. */
static uint64_t piece;
static bool hole_first;

int __wrap_copyoff_extents_open(struct copyoff_extents *x, int fd);
void __wrap_copyoff_extents_close(struct copyoff_extents *x);
int __wrap_copyoff_extents_at(struct copyoff_extents *x, uint64_t off, uint64_t limit,
			      uint64_t *end, bool *hole);

int __wrap_copyoff_extents_open(struct copyoff_extents *x, int fd)
{
	x->fd = fd == fake_in.fd ? 0 : -1;
	return x->fd < 0 ? -EBADF : 0;
}

void __wrap_copyoff_extents_close(struct copyoff_extents *x)
{
	x->fd = -1;
}

int __wrap_copyoff_extents_at(struct copyoff_extents *x, uint64_t off, uint64_t limit,
			      uint64_t *end, bool *hole)
{
	(void)x;
	*end = copyoff_range_min((off / piece + 1) * piece, limit);
	*hole = (off / piece % 2 == 0) == hole_first;
	return 0;
}

/* --- in the place of a destination, which fakes do not have ------------------ */

static bool settles; /* the file can be made longer */
static uint64_t before_hole; /* confirmed before what is pending */

int64_t __real_copyoff_holes_make(struct copyoff_holes *h, const struct copyoff_pair *pair,
				  uint64_t dst, uint64_t len);
int64_t __wrap_copyoff_holes_make(struct copyoff_holes *h, const struct copyoff_pair *pair,
				  uint64_t dst, uint64_t len);
int __wrap_copyoff_holes_settle(struct copyoff_holes *h, const struct copyoff_pair *pair);

int64_t __wrap_copyoff_holes_make(struct copyoff_holes *h, const struct copyoff_pair *pair,
				  uint64_t dst, uint64_t len)
{
	bool was_pending = copyoff_holes_pending(h);
	int64_t ret = __real_copyoff_holes_make(h, pair, dst, len);

	if (ret <= 0)
		return ret;
	if (!was_pending)
		before_hole = fake_confirmed;
	memset(fake_dst + dst, 0, (size_t)ret);
	fake_confirmed += (uint64_t)ret;
	return ret;
}

int __wrap_copyoff_holes_settle(struct copyoff_holes *h, const struct copyoff_pair *pair)
{
	(void)pair;
	if (!settles) {
		fake_confirmed = before_hole;
		return -ENOSPC;
	}
	h->dst_size = h->pending.end;
	return 0;
}

/* --- copies ------------------------------------------------------------------ */

static void make_holes(uint64_t size, bool first)
{
	piece = size;
	hole_first = first;
	fake_in.allocated = 0;
	for (uint64_t off = first ? 0 : size; off < fake_in.size; off += 2 * size)
		memset(fake_src + off, 0, (size_t)copyoff_range_min(size, fake_in.size - off));
}

/* All of the source; what a backend is given is looked at by check_contract(). */
static void check_copy(uint64_t dst, unsigned flags)
{
	const struct copyoff_range v = { 0, (int64_t)dst, fake_in.size };
	static unsigned char must[sizeof(fake_dst)];

	memcpy(must, fake_dst, sizeof(must));
	memcpy(must + dst, fake_src, (size_t)v.len);
	ck_assert_int_eq(fake_run(&v, 1, flags), (int64_t)v.len);
	ck_assert_int_eq(fake_ctx.result.error, 0);
	ck_assert(memcmp(fake_dst, must, sizeof(must)) == 0);
	copyoff_ctx_fini(&fake_ctx);
}

/* Sizes of the destination: odd ones end a hole where no block ends. */
static const uint64_t sizes[] = { 0, 10000, 65536 + 511, FAKE_BYTES - 77, 2 * FAKE_BYTES };
static const uint64_t pieces[] = { 1000, 5 * BLOCK + 3, 2 * FAKE_BYTES };

/* The first backend takes blocks, the others what is left. */
START_TEST(test_declined_holes)
{
	for (unsigned i = 0; i < 16 * COUNT(pieces); i++) {
		const bool odd_end = i & 4;

		fake_reset();
		settles = i & 8;
		fake_out.size = sizes[_i];
		fake_in.size = FAKE_BYTES - (odd_end ? 1234 : 0);
		make_holes(pieces[i / 16], i & 1);
		fakes[0].limits.align = BLOCK;
		fakes[0].unaligned_eof = i & 2;
		check_copy(odd_end ? BLOCK : 0, i & 1 ? COPYOFF_SPARSE : 0);
	}
}
END_TEST

/* --- holes of devices that backends make ----------------------------------------- */

/* The second backend makes them, in blocks; the third one could, too. */
static void device_setup(uint64_t size)
{
	fake_reset();
	fake_out.kind = COPYOFF_KIND_BLOCK;
	make_holes(size, true);
	fakes[1].makes_zeroes = fakes[2].makes_zeroes = true;
	fakes[1].limits.align = BLOCK;
}

START_TEST(test_made_by_backend)
{
	static const struct copyoff_limits limits[] = {
		{ .align = BLOCK },
		{ .align = BLOCK, .max_range = 1050 * 1024 },
		{ .align = BLOCK, .max_total = 1024 * 1024 + 5 },
	};

	for (unsigned i = 0; i < COUNT(limits); i++) {
		for (unsigned odd = 0; odd < 2; odd++) {
			device_setup(1100 * 1024);
			fakes[1].limits = limits[i];
			fake_in.size -= odd * 1234;
			check_copy(0, COPYOFF_SPARSE);
			ck_assert_uint_gt(fakes[1].zeroes, 1);
			ck_assert_uint_eq(fakes[1].probes, 1); /* of the destination alone */
		}
	}
}
END_TEST

/* Of a partition that does not begin where a block of its own would. */
START_TEST(test_partition)
{
	device_setup(1024 * 1024);
	fakes[1].base_out = 512;
	check_copy(BLOCK - 512, COPYOFF_SPARSE);
	ck_assert_uint_eq(fakes[1].zeroes, 2);
	ck_assert_uint_eq(fakes[2].zeroes, 0);
}
END_TEST

/* At an odd place the next one makes them; of nobody who does not say so. */
START_TEST(test_next_backend)
{
	device_setup(1024 * 1024);
	check_copy(100, COPYOFF_SPARSE);
	ck_assert_uint_eq(fakes[1].zeroes, 0);
	ck_assert_uint_eq(fakes[2].zeroes, 2);
	ck_assert_uint_eq(fakes[2].confirmed, 2 * 1024 * 1024);
	device_setup(1024 * 1024);
	fakes[1].makes_zeroes = false;
	check_copy(0, COPYOFF_SPARSE);
	ck_assert_uint_eq(fakes[2].zeroes, 2);
	/* Nor of one that takes too little at a time. */
	device_setup(1024 * 1024);
	fakes[1].limits.max_range = 1023 * 1024;
	check_copy(0, COPYOFF_SPARSE);
	ck_assert_uint_eq(fakes[1].zeroes, 0);
	ck_assert_uint_eq(fakes[2].zeroes, 2);
	/* Nor of a file, which can be punched or cannot. */
	device_setup(1024 * 1024);
	fake_out.kind = COPYOFF_KIND_REGULAR;
	check_copy(0, COPYOFF_SPARSE);
	ck_assert_uint_eq(fakes[1].zeroes + fakes[2].zeroes, 0);
}
END_TEST

START_TEST(test_short_zeroes)
{
	device_setup(2048 * 1024);
	fakes[1].zeroes_most = 3 * BLOCK;
	check_copy(0, COPYOFF_SPARSE);
	/* Until less is left than is worth it. */
	ck_assert_uint_eq(fakes[1].zeroes, 86);
	ck_assert_uint_eq(fakes[1].confirmed, 86 * 3 * BLOCK);
}
END_TEST

/* Once, and then by the next one, or as data; but not in another call. */
START_TEST(test_zeroes_fail)
{
	static const int errors[] = { COPYOFF_DECLINE, -EIO, -ENOSPC, -EINTR };

	device_setup(1024 * 1024);
	fakes[1].zeroes_error = errors[_i];
	check_copy(0, COPYOFF_SPARSE);
	ck_assert_uint_eq(fakes[1].zeroes, 1);
	ck_assert_uint_eq(fakes[2].zeroes, 2);
	device_setup(1024 * 1024);
	fakes[2].makes_zeroes = false;
	for (unsigned call = 1; call < 4; call++) {
		const struct copyoff_range v = { 0, 0, fake_in.size };

		fakes[1].zeroes_error = call < 3 ? errors[_i] : 0;
		ck_assert_int_eq(fake_run(&v, 1, COPYOFF_SPARSE), (int64_t)v.len);
		ck_assert_int_eq(fake_ctx.result.error, 0);
		ck_assert(memcmp(fake_dst, fake_src, (size_t)v.len) == 0);
		ck_assert_uint_eq(fakes[1].zeroes, call < 3 ? call : call + 1);
	}
	copyoff_ctx_fini(&fake_ctx);
}
END_TEST

/* Whatever it comes to. */
START_TEST(test_zeroes_fatal)
{
	static const int errors[] = { 0, COPYOFF_DECLINE, -ENOSPC };
	const struct copyoff_range v = { 0, 0, FAKE_BYTES };

	device_setup(1024 * 1024);
	fakes[1].zeroes_fatal = true;
	fakes[1].zeroes_error = errors[_i];
	ck_assert_int_eq(fake_run(&v, 1, COPYOFF_SPARSE), -EIO);
	ck_assert_ptr_nonnull(strstr(fake_ctx.message, "told to be fatal"));
	ck_assert_uint_eq(fakes[0].copies, 0);
	copyoff_ctx_fini(&fake_ctx);
}
END_TEST

static int stop(void *data, uint64_t done, uint64_t total)
{
	(void)data;
	(void)done;
	(void)total;
	return 1;
}

/* Then nobody else makes them, or copies. */
START_TEST(test_zeroes_canceled)
{
	const struct copyoff_range v = { 0, 0, FAKE_BYTES };

	device_setup(1024 * 1024);
	fakes[1].zeroes_ask = true;
	fakes[1].zeroes_error = COPYOFF_DECLINE;
	fake_ctx.progress = stop;
	ck_assert_int_eq(fake_run(&v, 1, COPYOFF_SPARSE), -ECANCELED);
	ck_assert_uint_eq(fakes[2].zeroes + fakes[0].copies, 0);
	copyoff_ctx_fini(&fake_ctx);
}
END_TEST

/* Also who is only asked, and first for zeroes. */
START_TEST(test_fatal_question)
{
	const struct copyoff_range v = { 0, 0, FAKE_BYTES };

	device_setup(1024 * 1024);
	fakes[1].probe_fatal = true;
	ck_assert_int_eq(fake_run(&v, 1, COPYOFF_SPARSE), -EIO);
	ck_assert_ptr_nonnull(strstr(fake_ctx.message, "told to be fatal"));
	ck_assert_uint_eq(fakes[1].zeroes, 0);
	ck_assert_uint_eq(fakes[0].copies, 0);
	copyoff_ctx_fini(&fake_ctx);
}
END_TEST

/* Or for what is left in front of a hole, which no longer fits the blocks of the first one. */
START_TEST(test_fatal_question_later)
{
	const struct copyoff_range v = { 0, 0, FAKE_BYTES };

	fake_reset();
	make_holes(100, false);
	fakes[0].limits.align = BLOCK;
	fakes[1].probe_fatal = true;
	ck_assert_int_eq(fake_run(&v, 1, COPYOFF_SPARSE), -EIO);
	ck_assert_uint_eq(fakes[1].copies, 0);
	copyoff_ctx_fini(&fake_ctx);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("holes");
	TCase *tc = tcase_create("holes");

	tcase_set_timeout(tc, 0);
	tcase_add_loop_test(tc, test_declined_holes, 0, (int)COUNT(sizes));
	tcase_add_test(tc, test_made_by_backend);
	tcase_add_test(tc, test_partition);
	tcase_add_test(tc, test_next_backend);
	tcase_add_test(tc, test_short_zeroes);
	tcase_add_loop_test(tc, test_zeroes_fail, 0, 4);
	tcase_add_loop_test(tc, test_zeroes_fatal, 0, 3);
	tcase_add_test(tc, test_zeroes_canceled);
	tcase_add_test(tc, test_fatal_question);
	tcase_add_test(tc, test_fatal_question_later);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
