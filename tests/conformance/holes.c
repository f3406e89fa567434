/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * holes.c - holes of the source: section 7 of docs/semantics.md
 */
#define _GNU_SOURCE
#include "conformance.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { K = 1024, M = 1024 * K, SIZE = 4 * M };

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* Holes of a file of SIZE bytes. */
static const struct {
	const char *name;
	struct {
		uint64_t off, len;
	} holes[3];
} sources[] = {
	{ "at the start", { { 0, 2 * M } } },
	{ "in the middle", { { M, 2 * M } } },
	{ "at the end", { { 2 * M, 2 * M } } },
	{ "everywhere", { { 0, SIZE } } },
	{ "three", { { 64 * K, 512 * K }, { M + 64 * K, M }, { 3 * M, 256 * K } } },
	{ "with odd ends", { { M - 1000, M + 3001 }, { 3 * M + 1, 100 * K } } },
};

/* Sizes of the destination, which is full of data. */
static const uint64_t destinations[] = { 0, 100, M + 12345, SIZE, SIZE + 2 * M };

static void make_source(struct file *f, size_t which)
{
	file_make(f, SIZE, 3);
	for (size_t i = 0; i < COUNT(sources[which].holes); i++)
		file_punch(f, sources[which].holes[i].off, sources[which].holes[i].len);
}

static bool is_hole(const struct file *f, uint64_t off, uint64_t end)
{
	off_t data = lseek(f->io, (off_t)off, SEEK_DATA);

	return data < 0 || (uint64_t)data >= end;
}

static bool holes_are_told(void)
{
	struct file f;
	bool told;

	file_make(&f, M, 4);
	file_punch(&f, 256 * K, 512 * K);
	told = is_hole(&f, 256 * K, 768 * K) && !is_hole(&f, 0, 4096);
	file_close(&f);
	return told;
}

/* Blocks may be as large as 64 KiB, and the ends of a hole are within one. */
static void check_holes(const struct file *f, size_t which, uint64_t from, int64_t shift)
{
	const uint64_t margin = 128 * K;

	if (subject.posix) {
		skip_case("holes", "POSIX does not know them");
		return;
	}
	for (size_t i = 0; i < COUNT(sources[which].holes); i++) {
		uint64_t off = (uint64_t)((int64_t)sources[which].holes[i].off + shift);
		uint64_t end = off + sources[which].holes[i].len;

		if (off < from)
			off = from;
		if (off + 2 * margin < end)
			ck_assert_msg(is_hole(f, off + margin, end - margin),
				      "hole %s: %llu to %llu is data", sources[which].name,
				      (unsigned long long)off, (unsigned long long)end);
	}
}

/* All holes over all destinations, with every flag that matters and every call. */
START_TEST(test_content)
{
	static const unsigned flags[] = { 0, COPYOFF_SPARSE, COPYOFF_NO_SHARE,
					  COPYOFF_SPARSE | COPYOFF_NO_SHARE, COPYOFF_VERIFY };
	copyoff_ctx *ctx = context_new(0, 0);

	for (size_t d = 0; d < COUNT(destinations); d++) {
		for (size_t k = 0; k < COUNT(flags); k++) {
			enum how how = (enum how)((d + k) % HOW_COUNT);
			struct file in, out;

			make_source(&in, (size_t)_i);
			file_make(&out, destinations[d], 5);
			checked_copy(how, ctx, &in, 0, &out, 0, SIZE, flags[k]);
			checked_copy(how, ctx, &in, 4097, &out, 511, 3 * M - 1, flags[k]);
			checked_copy(how, ctx, &in, M + 70000, &out, SIZE + 3 * M, M / 2, flags[k]);
			checked_copy(how, ctx, &in, 3 * M, &out, SIZE + 4 * M, 60000, flags[k]);
			file_close(&in);
			file_close(&out);
		}
	}
	copyoff_ctx_free(ctx);
}
END_TEST

/* 7.1, 7.3: beyond the end a hole stays a hole. */
START_TEST(test_beyond_the_end)
{
	static const unsigned flags[] = { 0, COPYOFF_NO_SHARE, COPYOFF_SPARSE };
	copyoff_ctx *ctx;

	if (!holes_are_told()) {
		skip_case("holes beyond the end", "the file system does not tell its holes");
		return;
	}
	ctx = context_new(0, 0);
	for (size_t k = 0; k < COUNT(flags); k++) {
		for (size_t d = 0; d < 3; d++) {
			struct file in, out;
			uint64_t end = destinations[d];

			make_source(&in, (size_t)_i);
			file_make(&out, end, 5);
			checked_copy(HOW_CONTEXT, ctx, &in, 0, &out, 0, SIZE, flags[k]);
			check_holes(&out, (size_t)_i, end, 0);
			file_close(&in);
			file_close(&out);
			/* Shifted by no multiple of a block: by other means. */
			make_source(&in, (size_t)_i);
			file_make(&out, end, 5);
			checked_copy(HOW_VECTOR, ctx, &in, 0, &out, 777, SIZE, flags[k]);
			check_holes(&out, (size_t)_i, end, 777);
			file_close(&in);
			file_close(&out);
		}
	}
	copyoff_ctx_free(ctx);
}
END_TEST

static bool backend_may_share(void)
{
	for (size_t i = 0; i < copyoff_backend_count(); i++) {
		const struct copyoff_backend_info *info = copyoff_backend_info(i);

		if (!subject.backend || strcmp(info->name, subject.backend) == 0)
			return info->traits & (COPYOFF_TRAIT_SHARES | COPYOFF_TRAIT_MAY_SHARE);
	}
	return false;
}

/* 7.2: what was allocated stays so, unless it is exchanged for shared extents. */
START_TEST(test_allocation_is_kept)
{
	const unsigned flags = backend_may_share() ? COPYOFF_NO_SHARE : 0;
	copyoff_ctx *ctx = context_new(0, 0);

	for (int shift = 0; shift < 2; shift++) {
		struct file in, out;
		uint64_t before;

		make_source(&in, (size_t)_i);
		file_make(&out, SIZE + M, 5);
		before = file_allocated(&out);
		checked_copy(HOW_CONTEXT, ctx, &in, 0, &out, shift * 777, SIZE, flags);
		ck_assert_uint_ge(file_allocated(&out), before < SIZE ? before : SIZE);
		file_close(&in);
		file_close(&out);
	}
	copyoff_ctx_free(ctx);
}
END_TEST

/* 7.3: SPARSE makes holes where there was data. */
START_TEST(test_sparse_punches)
{
	copyoff_ctx *ctx;

	if (!holes_are_told()) {
		skip_case("COPYOFF_SPARSE over data",
			  "the file system does not make or tell holes");
		return;
	}
	ctx = context_new(0, 0);
	for (int shift = 0; shift < 2; shift++) {
		struct file in, out;
		uint64_t before;

		make_source(&in, (size_t)_i);
		file_make(&out, SIZE + M, 5);
		before = file_allocated(&out);
		checked_copy(HOW_CONTEXT, ctx, &in, 0, &out, shift * 777, SIZE, COPYOFF_SPARSE);
		check_holes(&out, (size_t)_i, 0, shift * 777);
		if (!subject.posix)
			ck_assert_uint_le(file_allocated(&out), before - M / 2);
		file_close(&in);
		file_close(&out);
	}
	copyoff_ctx_free(ctx);
}
END_TEST

/* Only the hole itself, in small pieces, over data and behind the end. */
START_TEST(test_pieces_of_a_hole)
{
	copyoff_ctx *ctx = context_new(0, 0);
	struct file in, out;

	make_source(&in, 1);
	file_make(&out, M, 6);
	for (int64_t off = M - 5000; off < 3 * M + 5000; off += 131072 + 13)
		checked_copy((enum how)(off % HOW_COUNT), ctx, &in, off, &out, off - M / 2,
			     131072 + 13, _i ? COPYOFF_SPARSE : 0);
	file_close(&in);
	file_close(&out);
	copyoff_ctx_free(ctx);
}
END_TEST

/* Several holes behind the end in one call, given backwards, with data between them. */
START_TEST(test_ranges_with_holes)
{
	const struct copyoff_range v[] = {
		{ M, 6 * M, M }, /* all hole */
		{ 0, 4 * M, M + 300000 }, /* data and hole */
		{ 3 * M, 9 * M, 100000 }, /* data */
		{ M + 1, 10 * M, 2 * M }, /* hole and one byte of data */
		{ M, 7 * M, M - 1 },      { M + 512, 100, 70000 },
	};
	copyoff_ctx *ctx = context_new(0, 0);

	for (size_t n = 1; n <= COUNT(v); n++) {
		struct file in, out;

		make_source(&in, 1);
		file_make(&out, 200000, 6);
		checked_copyv(ctx, &in, &out, v, n, _i ? COPYOFF_SPARSE : 0);
		file_close(&in);
		file_close(&out);
	}
	copyoff_ctx_free(ctx);
}
END_TEST

/* The caller may be allowed to do one thing only with each of them. */
START_TEST(test_read_only_and_write_only)
{
	const int direct = subject.direct ? O_DIRECT : 0;
	copyoff_ctx *ctx = context_new(0, 0);
	struct file in, out;

	make_source(&in, (size_t)_i);
	file_make(&out, 2 * M, 6);
	file_reopen(&in, O_RDONLY | direct);
	file_reopen(&out, O_WRONLY | direct);
	checked_copy(HOW_CONTEXT, ctx, &in, 0, &out, 0, SIZE, 0);
	checked_copy(HOW_CONTEXT, ctx, &in, 0, &out, 1000, SIZE, COPYOFF_SPARSE);
	file_close(&in);
	file_close(&out);
	copyoff_ctx_free(ctx);
}
END_TEST

TCase *cases_holes(void)
{
	TCase *tc = tcase_create("holes");
	const int n = (int)COUNT(sources);

	tcase_set_timeout(tc, 0);
	tcase_add_loop_test(tc, test_content, 0, n);
	tcase_add_loop_test(tc, test_beyond_the_end, 0, n);
	tcase_add_loop_test(tc, test_allocation_is_kept, 0, n);
	tcase_add_loop_test(tc, test_sparse_punches, 0, n);
	tcase_add_loop_test(tc, test_pieces_of_a_hole, 0, 2);
	tcase_add_loop_test(tc, test_ranges_with_holes, 0, 2);
	tcase_add_loop_test(tc, test_read_only_and_write_only, 0, n);
	return tc;
}
