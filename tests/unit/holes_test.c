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

/* For what is left in front of a hole, which no longer fits the blocks of the first one. */
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
	tcase_add_test(tc, test_fatal_question_later);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
