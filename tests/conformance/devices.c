/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * devices.c - copies between the block devices that COPYOFF_TEST_DEVICES names
 *
 * What was on them is lost.  All of a device is compared with its model after
 * each copy, through the page cache, and what was copied also without it.
 */
#define _GNU_SOURCE
#include "conformance.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum { K = 1024, M = 1024 * K, AROUND = 8192 };

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* Which of the two descriptors has O_DIRECT. */
enum { MODES = 4 };

static const uint64_t offsets[] = { 0, 1, 511, 512, 4095, 4096, 65536, 65537 };
static const uint64_t lengths[] = { 1, 512, 4095, 4096, 4097, 65536, 131072, 200001 };

struct rig {
	struct devices d;
	copyoff_ctx *ctx;
};

static void rig_up(struct rig *rig, int mode)
{
	devices_open(&rig->d, O_RDWR | (mode & 1 ? O_DIRECT : 0),
		     O_RDWR | (mode & 2 ? O_DIRECT : 0));
	rig->ctx = context_new(0, 0);
}

static void rig_down(struct rig *rig)
{
	copyoff_ctx_free(rig->ctx);
	file_check(rig->d.in, "the source at the end");
	file_check(rig->d.out, "the destination at the end");
	file_check_direct(rig->d.in, 0, UINT64_MAX, "the source at the end");
	file_check_direct(rig->d.out, 0, UINT64_MAX, "the destination at the end");
	devices_close(&rig->d);
}

static void new_bytes(struct file *f, int64_t off, uint64_t len)
{
	static unsigned seed = 1000;
	uint64_t start = off > AROUND ? (uint64_t)off - AROUND : 0;
	uint64_t end = (uint64_t)off + len + AROUND;

	if (end > f->model.size)
		end = f->model.size;
	if (start < end)
		file_write(f, start, end - start, seed++);
}

/* Other bytes at both places, then the copy; @off_out does not count the shift. */
static int64_t fresh_copy(struct rig *rig, enum how how, int64_t off_in, int64_t off_out,
			  uint64_t len, unsigned flags)
{
	uint64_t most = len < M ? len : M;

	off_out += rig->d.shift;
	new_bytes(rig->d.out, off_out, most);
	new_bytes(rig->d.in, off_in, most);
	return checked_copy(how, rig->ctx, rig->d.in, off_in, rig->d.out, off_out, len, flags);
}

/* --- bytes ------------------------------------------------------------------------- */

/* The backend does the whole of a copy that fits it, and nobody helps. */
START_TEST(test_backend_moves_the_bytes)
{
	struct copyoff_stats stats = { .size = sizeof(stats) };
	const int64_t len = 2 * M;
	struct rig rig;

	rig_up(&rig, _i);
	if (subject.backend && !verdict_of(rig.ctx, rig.d.in->fd, rig.d.out->fd, 0).usable) {
		skip_case("a mode of O_DIRECT", "the backend does not take it");
		rig_down(&rig);
		return;
	}
	file_write(rig.d.out, (uint64_t)rig.d.shift, 2 * M, 5);
	file_write(rig.d.in, 0, 2 * M, 6);
	ck_assert_int_eq(
		checked_copy(HOW_CONTEXT, rig.ctx, rig.d.in, 0, rig.d.out, rig.d.shift, 2 * M, 0),
		len);
	if (subject.backend) {
		ck_assert_int_eq(copyoff_ctx_stats(rig.ctx, subject.backend, &stats), 0);
		ck_assert_uint_eq(stats.bytes, 2 * M);
		ck_assert_uint_eq(stats.declines, 0);
		ck_assert_uint_eq(stats.errors, 0);
		ck_assert_str_eq(copyoff_ctx_last(rig.ctx)->backend, subject.backend);
	}
	rig_down(&rig);
}
END_TEST

/* Every source offset with every destination offset and length, in all modes. */
START_TEST(test_alignment)
{
	for (int mode = 0; mode < MODES; mode++) {
		struct rig rig;

		rig_up(&rig, mode);
		for (size_t d = 0; d < COUNT(offsets); d++) {
			size_t l = (d + (size_t)_i + (size_t)mode) % 3;

			for (; l < COUNT(lengths); l += 3)
				fresh_copy(&rig, (enum how)((d + l) % HOW_COUNT),
					   (int64_t)offsets[_i], (int64_t)offsets[d], lengths[l],
					   0);
		}
		rig_down(&rig);
	}
}
END_TEST

/* Offsets congruent: an odd head, blocks, and an odd tail. */
START_TEST(test_congruent)
{
	struct rig rig;

	rig_up(&rig, _i);
	for (size_t o = 0; o < COUNT(offsets); o++)
		fresh_copy(&rig, HOW_CONTEXT, (int64_t)offsets[o], (int64_t)offsets[o] + 128 * K,
			   M - 1001 * o, 0);
	rig_down(&rig);
}
END_TEST

/* Written just before, by write(2) and in a mapping, on both sides. */
START_TEST(test_dirty)
{
	struct rig rig;

	rig_up(&rig, _i);
	for (unsigned i = 0; i < 10; i++) {
		uint64_t off = i * 50000, shift = (uint64_t)rig.d.shift;

		file_map_write(rig.d.in, off, 123456, i + 10);
		file_write(rig.d.in, off + M / 2, 54321, i + 11);
		file_map_write(rig.d.out, shift + off + 100000, 30000, i + 12);
		file_write(rig.d.out, shift + M - off, 30000, i + 13);
		checked_copy((enum how)(i % HOW_COUNT), rig.ctx, rig.d.in, 0, rig.d.out,
			     rig.d.shift, M, 0);
	}
	rig_down(&rig);
}
END_TEST

/* --- ends and overlaps --------------------------------------------------------------- */

/* The source ends with 0, the destination with ENOSPC; what is before is copied. */
START_TEST(test_ends)
{
	static const int64_t before[] = { 65536, 4096, 513, 1, 0, -1, -4096, -M };
	struct rig rig;
	int64_t size;

	rig_up(&rig, _i);
	for (size_t i = 0; i < COUNT(before); i++) {
		for (int how = 0; how < HOW_COUNT; how++) {
			size = (int64_t)rig.d.in->model.size;
			fresh_copy(&rig, (enum how)how, size - before[i], 4096, 200000, 0);
			fresh_copy(&rig, (enum how)how, size - before[i], 0, (uint64_t)1 << 30, 0);
			size = (int64_t)rig.d.out->model.size - rig.d.shift;
			fresh_copy(&rig, (enum how)how, 0, size - before[i], 200000, 0);
			fresh_copy(&rig, (enum how)how, 4095, size - before[i], 65537, 0);
		}
	}
	rig_down(&rig);
}
END_TEST

/* Another name of the same device; -1 if there can be none here. */
static int open_other_node(const struct file *f, int flags)
{
	char path[PATH_MAX];
	struct stat st;
	int fd = -1;

	snprintf(path, sizeof(path), "%s/conformance-node.%d", subject.dir, (int)getpid());
	ck_assert_int_eq(fstat(f->io, &st), 0);
	if (mknod(path, S_IFBLK | 0600, st.st_rdev) == 0)
		fd = open(path, flags | O_CLOEXEC);
	unlink(path);
	if (fd < 0)
		skip_case("another node of the device", strerror(errno));
	return fd;
}

static const struct {
	int64_t src, dst;
	uint64_t len;
} overlaps[] = {
	{ 0, 65535, 65536 }, { 65535, 0, 65536 },  { 4096, 0, 262144 }, { 0, 4096, 65536 },
	{ 8192, 8192, 1 },   { 0, 0, M },          { 512, 513, 2 },     { 0, 65536, 65536 },
	{ 65536, 0, 65536 }, { 1001, 2001, 1000 }, { 8192, 8192, 0 },
};

/* Also of different descriptors, and of different nodes. */
START_TEST(test_overlap)
{
	struct rig rig;
	struct file *f;
	int fds[3];

	rig_up(&rig, _i);
	f = rig.d.out;
	fds[0] = f->fd;
	fds[1] = file_open(f, O_RDWR);
	fds[2] = open_other_node(f, O_RDWR);
	for (size_t k = 0; k < COUNT(fds); k++) {
		for (size_t i = 0; fds[k] >= 0 && i < COUNT(overlaps) * HOW_COUNT; i++) {
			int64_t src = overlaps[i / HOW_COUNT].src,
				dst = overlaps[i / HOW_COUNT].dst;
			uint64_t len = overlaps[i / HOW_COUNT].len;
			int64_t must =
				model_copy(&f->model, src, &f->model, dst, len, 0, UINT64_MAX);

			ck_assert_int_eq(copy((enum how)(i % HOW_COUNT), rig.ctx, fds[k], src,
					      f->fd, dst, len, 0),
					 must);
		}
		file_check(f, "ranges that overlap, or are adjacent");
	}
	close(fds[1]);
	if (fds[2] >= 0)
		close(fds[2]);
	rig_down(&rig);
}
END_TEST

/* --- many ranges ---------------------------------------------------------------------- */

static int64_t copy_ranges(struct rig *rig, const struct copyoff_range *v, size_t n, unsigned flags)
{
	struct copyoff_range shifted[128];

	ck_assert_uint_le(n, COUNT(shifted));
	for (size_t i = 0; i < n; i++) {
		shifted[i] = v[i];
		shifted[i].dst += rig->d.shift;
	}
	new_bytes(rig->d.in, 0, M);
	new_bytes(rig->d.out, rig->d.shift, M);
	return checked_copyv(rig->ctx, rig->d.in, rig->d.out, shifted, n, flags);
}

START_TEST(test_ranges)
{
	static const struct copyoff_range mixed[] = {
		{ 0, 0, 0 },
		{ 4096, 8192, 4096 },
		{ 100, 20000, 1 },
		{ M / 2, 40000, 65537 },
		{ 0, 4096, 0 },
		{ 0, 0, 8192 },
		{ 8192, 131072, 12288 },
		{ 1, M - 4096, 4000 },
	};
	struct copyoff_range v[100];
	struct rig rig;

	rig_up(&rig, _i);
	for (size_t n = 0; n <= COUNT(mixed); n++)
		copy_ranges(&rig, mixed, n, n % 2 ? COPYOFF_VERIFY : 0);
	/* Adjacent; with gaps, and backwards; odd. */
	for (size_t i = 0; i < COUNT(v); i++)
		v[i] = (struct copyoff_range){ (int64_t)i * 8192, (int64_t)i * 4096, 4096 };
	copy_ranges(&rig, v, COUNT(v), 0);
	for (size_t i = 0; i < COUNT(v); i++)
		v[i] = (struct copyoff_range){ (int64_t)i * 4096, (int64_t)(COUNT(v) - i) * 8192,
					       4096 };
	copy_ranges(&rig, v, COUNT(v), 0);
	for (size_t i = 0; i < COUNT(v); i++)
		v[i] = (struct copyoff_range){ (int64_t)i * 1001, 77 + (int64_t)i * 1001, 1001 };
	copy_ranges(&rig, v, COUNT(v), 0);
	rig_down(&rig);
}
END_TEST

/* A range that is refused, or ends, with ranges before and behind it. */
START_TEST(test_ranges_that_end)
{
	struct rig rig;
	int64_t in, out;

	rig_up(&rig, _i);
	in = (int64_t)rig.d.in->model.size;
	out = (int64_t)rig.d.out->model.size - rig.d.shift;
	for (int64_t back = -4096; back <= 4096; back += 4096) {
		const struct copyoff_range source[] = { { 0, 0, 4096 },
							{ in - back, 8192, 8192 },
							{ 0, 65536, 4096 } };
		const struct copyoff_range destination[] = { { 0, 0, 4096 },
							     { 8192, out - back, 8192 },
							     { 0, 65536, 4096 } };
		const struct copyoff_range overlap[] = { { 0, 0, 4096 }, { 8192, 4095, 4096 } };
		const struct copyoff_range negative[] = { { 0, 0, 4096 }, { -4096, 8192, 1 } };

		copy_ranges(&rig, source, 3, 0);
		copy_ranges(&rig, destination, 3, 0);
		ck_assert_int_eq(copy_ranges(&rig, overlap, 2, 0), -EINVAL);
		ck_assert_int_eq(copy_ranges(&rig, negative, 2, 0), -EINVAL);
	}
	rig_down(&rig);
}
END_TEST

/* --- descriptors ------------------------------------------------------------------------ */

/* One may only be read, the other only be written; and what they may not do is refused. */
START_TEST(test_access)
{
	const int in = _i & 1 ? O_DIRECT : 0, out = _i & 2 ? O_DIRECT : 0;
	struct rig rig;
	int fds[2];

	rig_up(&rig, _i);
	fds[0] = file_open(rig.d.in, O_RDONLY | in);
	fds[1] = file_open(rig.d.out, O_WRONLY | out);
	for (int how = 0; how < HOW_COUNT; how++) {
		for (int64_t off = 0; off <= 4096; off += 1365) {
			new_bytes(rig.d.in, off, 300000);
			new_bytes(rig.d.out, rig.d.shift, 300000);
			ck_assert_int_eq(copy((enum how)how, rig.ctx, fds[0], off, fds[1],
					      rig.d.shift, 300000, 0),
					 300000);
			model_copy(&rig.d.in->model, off, &rig.d.out->model, rig.d.shift, 300000, 0,
				   UINT64_MAX);
			file_check(rig.d.out, "write only");
			file_check_direct(rig.d.out, (uint64_t)rig.d.shift, 300000, "write only");
		}
		ck_assert_int_eq(copy((enum how)how, rig.ctx, fds[1], 0, rig.d.out->fd, rig.d.shift,
				      4096, 0),
				 -EBADF);
		ck_assert_int_eq(
			copy((enum how)how, rig.ctx, rig.d.in->fd, 0, fds[0], rig.d.shift, 4096, 0),
			-EBADF);
		ck_assert_int_eq(copy((enum how)how, rig.ctx, fds[0], 0, fds[1], rig.d.shift, 4096,
				      COPYOFF_VERIFY),
				 -EBADF);
	}
	close(fds[0]);
	close(fds[1]);
	rig_down(&rig);
}
END_TEST

/* NULL uses and moves the position. */
START_TEST(test_positions)
{
	static const size_t lens[] = { 1, 4096, 70000, 300000 };
	struct rig rig;

	rig_up(&rig, _i);
	for (size_t l = 0; l < COUNT(lens); l++) {
		const ssize_t len = (ssize_t)lens[l];
		int in = file_open(rig.d.in, O_RDWR), out = file_open(rig.d.out, O_RDWR);

		new_bytes(rig.d.in, 0, M);
		new_bytes(rig.d.out, rig.d.shift, M);
		lseek(in, 4096, SEEK_SET);
		lseek(out, rig.d.shift + 8192, SEEK_SET);
		ck_assert_int_eq(l % 2 ? copyoff_ctx_copy(rig.ctx, in, NULL, out, NULL, lens[l], 0)
				       : copyoff_copy(in, NULL, out, NULL, lens[l], 0),
				 len);
		ck_assert_int_eq(lseek(in, 0, SEEK_CUR), 4096 + len);
		ck_assert_int_eq(lseek(out, 0, SEEK_CUR), rig.d.shift + 8192 + len);
		model_copy(&rig.d.in->model, 4096, &rig.d.out->model, rig.d.shift + 8192, lens[l],
			   0, UINT64_MAX);
		file_check(rig.d.out, "by position");
		lseek(in, 0, SEEK_END);
		ck_assert_int_eq(copyoff_ctx_copy(rig.ctx, in, NULL, out, NULL, 10, 0), 0);
		close(in);
		close(out);
	}
	rig_down(&rig);
}
END_TEST

/* --- policy ----------------------------------------------------------------------------- */

START_TEST(test_flags)
{
	static const unsigned flags[] = { COPYOFF_SYNC,
					  COPYOFF_VERIFY,
					  COPYOFF_SPARSE,
					  COPYOFF_NO_SHARE,
					  COPYOFF_NO_RAW,
					  COPYOFF_SYNC | COPYOFF_VERIFY,
					  COPYOFF_NO_SHARE | COPYOFF_SPARSE | COPYOFF_VERIFY };
	static const int64_t offs[] = { 0, 1, 4096, 65537 };
	struct rig rig;

	rig_up(&rig, _i);
	for (size_t k = 0; k < COUNT(flags); k++) {
		for (size_t i = 0; i < COUNT(offs); i++) {
			fresh_copy(&rig, (enum how)(i % HOW_COUNT), offs[i], 8192, M / 2, flags[k]);
			fresh_copy(&rig, (enum how)(i % HOW_COUNT), 5, 3 + offs[i], 10, flags[k]);
		}
	}
	rig_down(&rig);
}
END_TEST

/* By an offload, or not at all; what a plan says, the copy does. */
START_TEST(test_require)
{
	static const unsigned flags[] = { COPYOFF_REQUIRE_OFFLOAD, COPYOFF_REQUIRE_SHARE };
	struct rig rig;

	rig_up(&rig, _i);
	for (size_t i = 0; i < COUNT(flags) * HOW_COUNT; i++) {
		unsigned flag = flags[i / HOW_COUNT];
		enum how how = (enum how)(i % HOW_COUNT);
		bool possible = policy_can_be_met(rig.ctx, rig.d.in->fd, rig.d.out->fd, flag);
		int64_t ret;

		new_bytes(rig.d.in, 0, M);
		new_bytes(rig.d.out, rig.d.shift, M);
		ret = copy(how, rig.ctx, rig.d.in->fd, 0, rig.d.out->fd, rig.d.shift, M, flag);
		ck_assert_int_eq(ret, possible ? M : -EOPNOTSUPP);
		if (possible) {
			model_copy(&rig.d.in->model, 0, &rig.d.out->model, rig.d.shift, M, 0,
				   UINT64_MAX);
			ck_assert(how == HOW_SIMPLE ||
				  copyoff_ctx_last(rig.ctx)->bytes_offloaded == M);
		} else if (how != HOW_SIMPLE) {
			ck_assert_int_eq(copyoff_ctx_last(rig.ctx)->error, EOPNOTSUPP);
			ck_assert_str_ne(copyoff_ctx_last(rig.ctx)->message, "");
		}
		file_check(rig.d.out, "required");
	}
	rig_down(&rig);
}
END_TEST

/* --- files ------------------------------------------------------------------------------ */

/* To a file, which grows, and from a file, which ends. */
START_TEST(test_file)
{
	static const int64_t offs[] = { 0, 512, 4096, 12345 };
	struct rig rig;

	rig_up(&rig, _i);
	for (size_t i = 0; i < COUNT(offs); i++) {
		enum how how = (enum how)(i % HOW_COUNT);
		struct file f;

		file_make(&f, 2 * M + 77, (unsigned)i);
		new_bytes(rig.d.in, offs[i], M);
		checked_copy(how, rig.ctx, rig.d.in, offs[i], &f, 8192 + offs[i], M, 0);
		checked_copy(how, rig.ctx, rig.d.in, offs[i], &f, 2 * M, M, COPYOFF_SPARSE);
		file_punch(&f, 256 * K, 512 * K);
		checked_copy(how, rig.ctx, &f, offs[i], rig.d.out, 4096 + offs[i], M, 0);
		checked_copy(how, rig.ctx, &f, 3 * M - 5000, rig.d.out, 0, 2 * M, COPYOFF_SPARSE);
		checked_copy(how, rig.ctx, &f, 0, rig.d.out, (int64_t)rig.d.out->model.size - 70000,
			     M, 0);
		file_close(&f);
	}
	rig_down(&rig);
}
END_TEST

TCase *cases_devices(void)
{
	TCase *tc = tcase_create("devices");

	tcase_set_timeout(tc, 0);
	tcase_add_loop_test(tc, test_backend_moves_the_bytes, 0, MODES);
	tcase_add_loop_test(tc, test_alignment, 0, (int)COUNT(offsets));
	tcase_add_loop_test(tc, test_congruent, 0, MODES);
	tcase_add_loop_test(tc, test_dirty, 0, MODES);
	tcase_add_loop_test(tc, test_ends, 0, MODES);
	tcase_add_loop_test(tc, test_overlap, 0, MODES);
	tcase_add_loop_test(tc, test_ranges, 0, MODES);
	tcase_add_loop_test(tc, test_ranges_that_end, 0, MODES);
	tcase_add_loop_test(tc, test_access, 0, MODES);
	tcase_add_loop_test(tc, test_positions, 0, MODES);
	tcase_add_loop_test(tc, test_flags, 0, MODES);
	tcase_add_loop_test(tc, test_require, 0, MODES);
	tcase_add_loop_test(tc, test_file, 0, MODES);
	return tc;
}
