/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * data.c - the right bytes at the right place: offsets, lengths, ends of files
 */
#define _GNU_SOURCE
#include "conformance.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { K = 1024, M = 1024 * K };

/* Options under which a backend may work in other steps. */
static const struct {
	size_t chunk;
	unsigned depth;
} options[] = { { 0, 0 }, { 4096, 2 } };

static const uint64_t offsets[] = { 0, 1, 511, 512, 513, 4095, 4096, 4097, 65535, 65536, 65537 };
static const uint64_t lengths[] = { 1,     511,   512,   4095,  4096,   4097,  8191,
				    12288, 65535, 65536, 65537, 131072, 200001 };

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct rig {
	copyoff_ctx *ctx;
	struct file in, out;
};

static void rig_up(struct rig *rig, uint64_t in, uint64_t out, int option)
{
	rig->ctx = context_new(options[option].chunk, options[option].depth);
	file_make(&rig->in, in, 1);
	file_make(&rig->out, out, 2);
}

static void rig_down(struct rig *rig)
{
	file_close(&rig->in);
	file_close(&rig->out);
	copyoff_ctx_free(rig->ctx);
}

/* The backend does the whole of a copy that fits it, and nobody helps. */
START_TEST(test_backend_moves_the_bytes)
{
	struct copyoff_stats stats = { .size = sizeof(stats) };
	struct rig rig;

	rig_up(&rig, 8 * M, 8 * M, _i);
	ck_assert_int_eq(checked_copy(HOW_CONTEXT, rig.ctx, &rig.in, 0, &rig.out, 0, 8 * M, 0),
			 8 * M);
	if (subject.backend) {
		ck_assert_int_eq(copyoff_ctx_stats(rig.ctx, subject.backend, &stats), 0);
		ck_assert_uint_eq(stats.bytes, 8 * M);
		ck_assert_uint_eq(stats.declines, 0);
		ck_assert_uint_eq(stats.errors, 0);
		ck_assert_str_eq(copyoff_ctx_last(rig.ctx)->backend, subject.backend);
	}
	ck_assert_int_eq(copyoff_ctx_stats(rig.ctx, NULL, &stats), 0);
	ck_assert_uint_eq(stats.bytes, 8 * M);
	rig_down(&rig);
}
END_TEST

/* Every source offset with every destination offset and length, by turns. */
START_TEST(test_alignment)
{
	uint64_t src = offsets[_i];
	struct rig rig;

	for (int option = 0; option < (int)COUNT(options); option++) {
		rig_up(&rig, 512 * K, 512 * K, option);
		for (size_t d = 0; d < COUNT(offsets); d++) {
			for (size_t l = 0; l < COUNT(lengths); l++) {
				enum how how = (enum how)((d + l) % HOW_COUNT);

				file_write(&rig.out, 0, 512 * K, (unsigned)(d * 100 + l));
				checked_copy(how, rig.ctx, &rig.in, (int64_t)src, &rig.out,
					     (int64_t)offsets[d], lengths[l], 0);
			}
		}
		rig_down(&rig);
	}
}
END_TEST

/* Offsets congruent, larger than what one operation takes in small chunks. */
START_TEST(test_congruent)
{
	struct rig rig;

	rig_up(&rig, 6 * M, 6 * M, _i);
	for (size_t o = 0; o < COUNT(offsets); o++) {
		int64_t src = (int64_t)offsets[o];

		checked_copy(HOW_CONTEXT, rig.ctx, &rig.in, src, &rig.out, src + 128 * K,
			     5 * M + 1001 * o, 0);
		file_write(&rig.out, 0, 6 * M, (unsigned)o);
	}
	rig_down(&rig);
}
END_TEST

/* Where the ends of both files can be, seen from the range. */
START_TEST(test_end_of_files)
{
	static const uint64_t ends[] = { 1, 4095, 4096, 10001, 65536, 131073 };
	uint64_t size = ends[_i];

	for (size_t o = 0; o < COUNT(ends); o++) {
		const int64_t begins[] = { 0,
					   (int64_t)size / 2,
					   (int64_t)size - 1,
					   (int64_t)size,
					   (int64_t)size + 1,
					   (int64_t)size + 100000 };

		for (size_t b = 0; b < COUNT(begins); b++) {
			const int64_t targets[] = { 0, (int64_t)ends[o] - 1, (int64_t)ends[o],
						    (int64_t)ends[o] + 12345 };

			for (size_t t = 0; t < COUNT(targets); t++) {
				enum how how = (enum how)((b + t) % HOW_COUNT);
				struct rig rig;

				rig_up(&rig, size, ends[o], (int)(t % COUNT(options)));
				checked_copy(how, rig.ctx, &rig.in, begins[b], &rig.out, targets[t],
					     b % 2 ? 200000 : (uint64_t)INT64_MAX - 200000, 0);
				rig_down(&rig);
			}
		}
	}
}
END_TEST

/* Both ends at once, whole blocks in the source only, odd rest in the other. */
START_TEST(test_unaligned_end)
{
	static const uint64_t sizes[] = { 10001, 20000, 131072 + 1, M + 4095 };
	static const uint64_t targets[] = { 0, 10001, 10000, 4 * K, M + 4095, 2 * M };

	for (size_t t = 0; t < COUNT(targets); t++) {
		for (int how = 0; how < HOW_COUNT; how++) {
			struct rig rig;

			rig_up(&rig, sizes[_i], targets[t], 0);
			checked_copy((enum how)how, rig.ctx, &rig.in, 0, &rig.out, 0, sizes[_i], 0);
			checked_copy((enum how)how, rig.ctx, &rig.in, 4096, &rig.out, 8192,
				     sizes[_i], 0);
			rig_down(&rig);
		}
	}
}
END_TEST

START_TEST(test_empty_files)
{
	struct rig rig;

	rig_up(&rig, 0, 10000, 0);
	ck_assert_int_eq(checked_copy((enum how)_i, rig.ctx, &rig.in, 0, &rig.out, 0, 4096, 0), 0);
	ck_assert_int_eq(checked_copy((enum how)_i, rig.ctx, &rig.in, 0, &rig.out, 0, 0, 0), 0);
	ck_assert_int_eq(checked_copy((enum how)_i, rig.ctx, &rig.in, 0, &rig.out, 0, INT64_MAX, 0),
			 0);
	ck_assert_int_eq(checked_copy((enum how)_i, rig.ctx, &rig.in, 0, &rig.in, 0, 4096, 0), 0);
	ck_assert_int_eq(checked_copy((enum how)_i, rig.ctx, &rig.out, 0, &rig.in, 0, 0, 0), 0);
	ck_assert_int_eq(checked_copy((enum how)_i, rig.ctx, &rig.out, 0, &rig.in, 0, 10000, 0),
			 10000);
	rig_down(&rig);
}
END_TEST

START_TEST(test_within_one_file)
{
	enum how how = (enum how)_i;
	struct rig rig;
	struct file *f = &rig.in;

	rig_up(&rig, M, 0, 0);
	checked_copy(how, rig.ctx, f, 0, f, 512 * K, 64 * K, 0);
	checked_copy(how, rig.ctx, f, 512 * K + 7, f, 3, 65537, 0);
	/* Adjacent on either side. */
	ck_assert_int_eq(checked_copy(how, rig.ctx, f, 0, f, 64 * K, 64 * K, 0), 64 * K);
	ck_assert_int_eq(checked_copy(how, rig.ctx, f, 64 * K, f, 0, 64 * K, 0), 64 * K);
	ck_assert_int_eq(checked_copy(how, rig.ctx, f, 1001, f, 2001, 1000, 0), 1000);
	/* Overlap by one byte, by much, in both directions; identical. */
	ck_assert_int_eq(checked_copy(how, rig.ctx, f, 0, f, 64 * K - 1, 64 * K, 0), -EINVAL);
	ck_assert_int_eq(checked_copy(how, rig.ctx, f, 64 * K - 1, f, 0, 64 * K, 0), -EINVAL);
	ck_assert_int_eq(checked_copy(how, rig.ctx, f, 4096, f, 0, 256 * K, 0), -EINVAL);
	ck_assert_int_eq(checked_copy(how, rig.ctx, f, 8192, f, 8192, 1, 0), -EINVAL);
	ck_assert_int_eq(checked_copy(how, rig.ctx, f, 0, f, 0, M, 0), -EINVAL);
	/* They would overlap, but the file ends before; a length of 0 never overlaps. */
	ck_assert_int_eq(checked_copy(how, rig.ctx, f, M - 10, f, M + 10, 4096, 0), 10);
	ck_assert_int_eq(checked_copy(how, rig.ctx, f, 8192, f, 8192, 0, 0), 0);
	rig_down(&rig);
}
END_TEST

/* The end is that of the beginning of the call: what is appended is not copied again. */
START_TEST(test_append_to_itself)
{
	static const uint64_t sizes[] = { 1000, 4096, 60000, 65536, 65537, M };

	for (size_t s = 0; s < COUNT(sizes); s++) {
		struct rig rig;
		struct file *f = &rig.in;
		int64_t size = (int64_t)sizes[s];
		/* SIZE_MAX from the start; else the sum overflows. */
		uint64_t len = UINT64_MAX - sizes[s];

		rig_up(&rig, sizes[s], 0, 0);
		ck_assert_int_eq(checked_copy((enum how)_i, rig.ctx, f, 0, f, size,
					      _i == HOW_VECTOR ? INT64_MAX - sizes[s] : len, 0),
				 size);
		ck_assert_uint_eq(f->model.size, 2 * sizes[s]);
		ck_assert_int_eq(
			checked_copy((enum how)_i, rig.ctx, f, size, f, 2 * size, 4 * K * K, 0),
			size);
		rig_down(&rig);
	}
}
END_TEST

/* Two descriptors of one file are one file. */
START_TEST(test_two_descriptors)
{
	struct rig rig;
	int other;

	rig_up(&rig, 256 * K, 0, 0);
	other = file_open(&rig.in, O_RDWR);
	ck_assert_int_eq(copy((enum how)_i, rig.ctx, rig.in.fd, 0, other, 100, 4096, 0), -EINVAL);
	file_check(&rig.in, "overlap by two descriptors");
	ck_assert_int_eq(copy((enum how)_i, rig.ctx, rig.in.fd, 0, other, 128 * K, 128 * K, 0),
			 128 * K);
	model_copy(&rig.in.model, 0, &rig.in.model, 128 * K, 128 * K, 0, UINT64_MAX);
	file_check(&rig.in, "halves by two descriptors");
	close(other);
	rig_down(&rig);
}
END_TEST

static ssize_t copy_by_position(copyoff_ctx *ctx, const struct rig *rig, off_t *off_in,
				off_t *off_out, size_t len)
{
	return ctx ? copyoff_ctx_copy(ctx, rig->in.fd, off_in, rig->out.fd, off_out, len, 0)
		   : copyoff_copy(rig->in.fd, off_in, rig->out.fd, off_out, len, 0);
}

/* NULL uses and moves the position; an offset leaves the position alone. */
START_TEST(test_positions)
{
	static const size_t lens[] = { 1, 4096, 70000, 300000 };

	for (size_t l = 0; l < COUNT(lens); l++) {
		struct rig rig;
		copyoff_ctx *ctx;
		off_t off = 5000;
		ssize_t len = (ssize_t)lens[l];

		rig_up(&rig, 512 * K, 512 * K, 0);
		ctx = _i ? rig.ctx : NULL;
		lseek(rig.in.fd, 4096, SEEK_SET);
		lseek(rig.out.fd, 8192, SEEK_SET);
		ck_assert_int_eq(copy_by_position(ctx, &rig, NULL, NULL, lens[l]), len);
		ck_assert_int_eq(lseek(rig.in.fd, 0, SEEK_CUR), 4096 + len);
		ck_assert_int_eq(lseek(rig.out.fd, 0, SEEK_CUR), 8192 + len);
		model_copy(&rig.in.model, 4096, &rig.out.model, 8192, lens[l], 0, UINT64_MAX);
		file_check(&rig.out, "both by position");

		ck_assert_int_eq(copy_by_position(ctx, &rig, &off, NULL, 10), 10);
		ck_assert_int_eq(off, 5010);
		ck_assert_int_eq(lseek(rig.in.fd, 0, SEEK_CUR), 4096 + len);
		ck_assert_int_eq(lseek(rig.out.fd, 0, SEEK_CUR), 8192 + len + 10);
		model_copy(&rig.in.model, 5000, &rig.out.model, 8192 + len, 10, 0, UINT64_MAX);
		file_check(&rig.out, "destination by position");

		off = 100;
		ck_assert_int_eq(copy_by_position(ctx, &rig, NULL, &off, 10), 10);
		ck_assert_int_eq(off, 110);
		ck_assert_int_eq(lseek(rig.in.fd, 0, SEEK_CUR), 4096 + len + 10);
		ck_assert_int_eq(lseek(rig.out.fd, 0, SEEK_CUR), 8192 + len + 10);
		model_copy(&rig.in.model, 4096 + len, &rig.out.model, 100, 10, 0, UINT64_MAX);
		file_check(&rig.out, "source by position");

		/* At the end nothing moves. */
		lseek(rig.in.fd, 512 * K + 5, SEEK_SET);
		ck_assert_int_eq(copy_by_position(ctx, &rig, NULL, NULL, 10), 0);
		ck_assert_int_eq(lseek(rig.in.fd, 0, SEEK_CUR), 512 * K + 5);
		ck_assert_int_eq(lseek(rig.out.fd, 0, SEEK_CUR), 8192 + len + 10);
		rig_down(&rig);
	}
}
END_TEST

static int64_t read_whole(const char *path, unsigned char *p, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t done = 0;
	ssize_t ret = 0;

	if (fd < 0)
		return -errno;
	while (done < size && (ret = read(fd, p + done, size - done)) > 0)
		done += (size_t)ret;
	close(fd);
	return ret < 0 ? -errno : (int64_t)done;
}

/* Files that say that they are empty, and are not. */
START_TEST(test_files_of_unknown_size)
{
	static const char *const paths[] = { "/proc/self/stat", "/proc/cpuinfo", "/proc/kallsyms",
					     "/proc/filesystems",
					     "/sys/kernel/mm/transparent_hugepage/enabled" };
	enum { SIZE = 32 << 20 };
	unsigned char *p = malloc(SIZE);

	ck_assert_ptr_nonnull(p);
	for (size_t i = 0; i < COUNT(paths); i++) {
		int64_t size = read_whole(paths[i], p, SIZE);
		struct rig rig;
		int64_t ret;
		int fd;

		if (size <= 0) {
			skip_case(paths[i], "cannot be read here");
			continue;
		}
		rig_up(&rig, 0, 0, 0);
		fd = open(paths[i], O_RDONLY | O_CLOEXEC);
		ck_assert_int_ge(fd, 0);
		ret = copy((enum how)_i, rig.ctx, fd, 0, rig.out.fd, 0, INT64_MAX, 0);
		if (strcmp(paths[i], "/proc/self/stat") == 0) {
			/* Numbers in it change; that it is read to the end of the line does not. */
			char last = 0;

			ck_assert_int_gt(ret, 0);
			ck_assert_int_eq(pread(rig.out.io, &last, 1, ret - 1), 1);
			ck_assert_int_eq(last, '\n');
			ck_assert_int_eq(lseek(rig.out.io, 0, SEEK_END), ret);
		} else {
			ck_assert_msg(ret == size || strcmp(paths[i], "/proc/cpuinfo") == 0,
				      "%s: copied %lld of %lld bytes", paths[i], (long long)ret,
				      (long long)size);
			if (strcmp(paths[i], "/proc/cpuinfo") == 0) {
				ck_assert_int_gt(ret, size / 2);
			} else {
				model_write(&rig.out.model, 0, p, (uint64_t)size);
				file_check(&rig.out, paths[i]);
			}
		}
		close(fd);
		rig_down(&rig);
	}
	free(p);
}
END_TEST

/* Written to just before through the page cache, or a mapping: seen by the copy. */
START_TEST(test_dirty_source)
{
	struct rig rig;

	rig_up(&rig, 4 * M, 4 * M, 1);
	for (unsigned i = 0; i < 20; i++) {
		uint64_t off = i * 50000;

		file_map_write(&rig.in, off, 123456, i + 10);
		file_write(&rig.in, off + 2 * M, 54321, i + 11);
		file_map_write(&rig.out, off + M, 30000, i + 12);
		checked_copy(HOW_CONTEXT, rig.ctx, &rig.in, 0, &rig.out, 0, 4 * M, 0);
	}
	rig_down(&rig);
}
END_TEST

/* The file behind a descriptor changes, and the context does not get to know. */
START_TEST(test_descriptor_reused)
{
	struct rig rig;
	int fds[4] = { -1, -1, -1, -1 };

	rig_up(&rig, 200000, 200000, 0);
	for (unsigned i = 0; i < 20; i++) {
		struct file again;
		int fd = rig.in.fd;

		checked_copy(HOW_CONTEXT, rig.ctx, &rig.in, 0, &rig.out, 4096, i % 2 ? 100 : 150000,
			     0);
		file_make(&again, 100000 + 1000 * i, 50 + i);
		ck_assert_int_eq(dup2(again.fd, fd), fd);
		close(again.fd);
		again.fd = fd;
		rig.in.fd = -1;
		file_close(&rig.in);
		rig.in = again;
		checked_copy(HOW_CONTEXT, rig.ctx, &rig.in, 8192, &rig.out, 0, 4096, 0);
	}
	/* A pipe in its place is refused, also by the short way. */
	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_int_eq(dup2(fds[0], rig.in.fd), rig.in.fd);
	ck_assert_int_eq(copy(HOW_CONTEXT, rig.ctx, rig.in.fd, 0, rig.out.fd, 0, 4096, 0), -EINVAL);
	ck_assert_str_ne(copyoff_ctx_last(rig.ctx)->message, "");
	file_check(&rig.out, "from a pipe");
	close(fds[0]);
	close(fds[1]);
	rig_down(&rig);
}
END_TEST

/* What the kernel's own call makes of the same range, loop included. */
START_TEST(test_as_the_kernel)
{
	uint64_t state = 0x1234567u + (uint64_t)_i;

	if (!kernel_copies()) {
		skip_case("as the kernel", "copy_file_range(2) does not copy here");
		return;
	}
	for (int i = 0; i < 60; i++) {
		uint64_t size = 1 + random_below(&state, 200000);
		uint64_t src = random_below(&state, 220000);
		uint64_t dst = random_below(&state, 220000);
		uint64_t len = random_below(&state, 2) ? random_below(&state, 220000)
						       : (uint64_t)INT64_MAX - 220000;
		struct rig rig, kernel;
		int64_t ret;

		if (i % 3 == 0) {
			src &= ~(uint64_t)4095;
			dst &= ~(uint64_t)4095;
		}
		rig_up(&rig, size, 100000, 0);
		rig_up(&kernel, size, 100000, 0);
		if (i % 4 == 0) {
			if (src + len > size) /* the end would run away */
				len = src < size ? size - src : 1;
			ret = kernel_copy(kernel.in.io, (int64_t)src, kernel.in.io, (int64_t)dst,
					  len);
			ck_assert_int_eq(checked_copy((enum how)_i, rig.ctx, &rig.in, (int64_t)src,
						      &rig.in, (int64_t)dst, len, 0),
					 ret);
		} else {
			ret = kernel_copy(kernel.in.io, (int64_t)src, kernel.out.io, (int64_t)dst,
					  len);
			ck_assert_int_eq(checked_copy((enum how)_i, rig.ctx, &rig.in, (int64_t)src,
						      &rig.out, (int64_t)dst, len, 0),
					 ret);
			model_copy(&kernel.in.model, (int64_t)src, &kernel.out.model, (int64_t)dst,
				   len, 0, UINT64_MAX);
			file_check(&kernel.out, "the kernel against the model");
		}
		rig_down(&kernel);
		rig_down(&rig);
	}
}
END_TEST

/* The same context in two processes: neither gets the other's bytes. */
static void copy_again_and_again(copyoff_ctx *ctx, unsigned seed)
{
	struct file in, out;

	file_make(&in, 2 * M, seed);
	file_make(&out, 2 * M, seed + 1);
	for (int i = 0; i < 20; i++) {
		file_write(&in, 0, 2 * M, seed + 2 + (unsigned)i);
		checked_copy(HOW_CONTEXT, ctx, &in, 0, &out, 0, 2 * M, 0);
	}
	file_close(&in);
	file_close(&out);
}

START_TEST(test_after_fork)
{
	copyoff_ctx *ctx = context_new(0, 0);
	pid_t child;
	int status;

	copy_again_and_again(ctx, 1000); /* makes what a context keeps */
	child = fork();
	ck_assert_int_ge(child, 0);
	copy_again_and_again(ctx, child == 0 ? 2000 : 3000);
	copyoff_ctx_free(ctx);
	if (child == 0)
		_exit(EXIT_SUCCESS);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS,
		      "the child ended with status 0x%x", (unsigned)status);
}
END_TEST

TCase *cases_data(void)
{
	TCase *tc = tcase_create("data");

	tcase_set_timeout(tc, 0);
	tcase_add_loop_test(tc, test_backend_moves_the_bytes, 0, (int)COUNT(options));
	tcase_add_loop_test(tc, test_alignment, 0, (int)COUNT(offsets));
	tcase_add_loop_test(tc, test_congruent, 0, (int)COUNT(options));
	tcase_add_loop_test(tc, test_end_of_files, 0, 6);
	tcase_add_loop_test(tc, test_unaligned_end, 0, 4);
	tcase_add_loop_test(tc, test_empty_files, 0, HOW_COUNT);
	tcase_add_loop_test(tc, test_within_one_file, 0, HOW_COUNT);
	tcase_add_loop_test(tc, test_append_to_itself, 0, HOW_COUNT);
	tcase_add_loop_test(tc, test_two_descriptors, 0, HOW_COUNT);
	tcase_add_loop_test(tc, test_positions, 0, 2);
	tcase_add_loop_test(tc, test_files_of_unknown_size, 0, HOW_COUNT);
	tcase_add_test(tc, test_dirty_source);
	tcase_add_test(tc, test_descriptor_reused);
	tcase_add_test(tc, test_after_fork);
	tcase_add_loop_test(tc, test_as_the_kernel, 0, HOW_COUNT);
	return tc;
}
