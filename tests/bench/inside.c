/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
#define _GNU_SOURCE /* splice(), SEEK_DATA */
#include "bench.h"

#include <copyoff.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	CP_PIECE = 128 << 10, /* as cp, cat and others of coreutils */
	PIPE_SIZE = 512 << 10,
	MEMCPY_MOST = 64 << 20, /* larger copies go over these buffers again */
	PAGE = 4096,
};

/* Made once: what is measured is copying, not getting ready for it. */
static struct {
	char *buf;
	char *memory[2];
	int pipe[2];
	copyoff_ctx *ctx;
} own = { .pipe = { -1, -1 } };

static char *new_buffer(size_t size)
{
	void *p;

	if (posix_memalign(&p, PAGE, size) != 0)
		return NULL;
	memset(p, 1, size);
	return p;
}

int inside_init(void)
{
	own.buf = new_buffer(CP_PIECE);
	own.memory[0] = new_buffer(MEMCPY_MOST);
	own.memory[1] = new_buffer(MEMCPY_MOST);
	own.ctx = copyoff_ctx_new(NULL);
	if (!own.buf || !own.memory[0] || !own.memory[1] || !own.ctx)
		return -ENOMEM;
	if (pipe(own.pipe) < 0 || fcntl(own.pipe[1], F_SETPIPE_SZ, (int)PIPE_SIZE) < 0)
		return -errno;
	return 0;
}

void inside_exit(void)
{
	copyoff_ctx_free(own.ctx);
	free(own.memory[0]);
	free(own.memory[1]);
	free(own.buf);
	close(own.pipe[0]);
	close(own.pipe[1]);
}

static int loop_copyoff(copyoff_ctx *ctx, const struct copy *copy)
{
	off_t src = copy->src, dst = copy->dst;
	size_t left = copy->len;

	while (left > 0) {
		ssize_t n = ctx ? copyoff_ctx_copy(ctx, copy->in, &src, copy->out, &dst, left,
						   copy->flags)
				: copyoff_copy(copy->in, &src, copy->out, &dst, left, copy->flags);
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		left -= (size_t)n;
	}
	return 0;
}

int run_copyoff(const struct competitor *c, const struct copy *copy)
{
	(void)c;
	return loop_copyoff(NULL, copy);
}

int run_copyoff_ctx(const struct competitor *c, const struct copy *copy)
{
	(void)c;
	return loop_copyoff(own.ctx, copy);
}

static int readwrite(const struct copy *copy, off_t src, off_t dst, size_t left)
{
	while (left > 0) {
		ssize_t n = pread(copy->in, own.buf, left < CP_PIECE ? left : CP_PIECE, src);

		if (n <= 0 || pwrite(copy->out, own.buf, (size_t)n, dst) != n)
			return n != 0 && errno ? -errno : -EIO;
		src += n;
		dst += n;
		left -= (size_t)n;
	}
	return 0;
}

int run_readwrite(const struct competitor *c, const struct copy *copy)
{
	(void)c;
	return readwrite(copy, copy->src, copy->dst, copy->len);
}

static int kernel_copy(const struct copy *copy, off_t src, off_t dst, size_t left)
{
	while (left > 0) {
		long n = syscall(SYS_copy_file_range, copy->in, &src, copy->out, &dst, left, 0u);

		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		left -= (size_t)n;
	}
	return 0;
}

int run_copy_file_range(const struct competitor *c, const struct copy *copy)
{
	(void)c;
	return kernel_copy(copy, copy->src, copy->dst, copy->len);
}

int run_splice(const struct competitor *c, const struct copy *copy)
{
	off_t src = copy->src, dst = copy->dst;
	size_t left = copy->len;

	(void)c;
	while (left > 0) {
		ssize_t in = splice(copy->in, &src, own.pipe[1], NULL,
				    left < PIPE_SIZE ? left : PIPE_SIZE, 0);
		if (in <= 0)
			return in < 0 ? -errno : -EIO;
		left -= (size_t)in;
		while (in > 0) {
			ssize_t out = splice(own.pipe[0], NULL, copy->out, &dst, (size_t)in, 0);

			if (out <= 0)
				return out < 0 ? -errno : -EIO;
			in -= out;
		}
	}
	return 0;
}

int run_clone(const struct competitor *c, const struct copy *copy)
{
	struct file_clone_range arg = {
		.src_fd = copy->in,
		.src_offset = (uint64_t)copy->src,
		.src_length = copy->len,
		.dest_offset = (uint64_t)copy->dst,
	};

	(void)c;
	return ioctl(copy->out, FICLONERANGE, &arg) < 0 ? -errno : 0;
}

static int walk(const struct copy *copy,
		int (*copy_data)(const struct copy *copy, off_t src, off_t dst, size_t len))
{
	off_t end = (off_t)copy->len;
	off_t pos = 0;

	if (ftruncate(copy->out, end) < 0)
		return -errno;
	while (pos < end) {
		off_t data = lseek(copy->in, pos, SEEK_DATA);
		int ret;

		if (data < 0)
			return errno == ENXIO ? 0 : -errno;
		pos = lseek(copy->in, data, SEEK_HOLE);
		ret = copy_data(copy, data, data, (size_t)(pos - data));
		if (ret < 0)
			return ret;
	}
	return 0;
}

int run_walk_kernel(const struct competitor *c, const struct copy *copy)
{
	(void)c;
	return walk(copy, kernel_copy);
}

int run_walk_readwrite(const struct competitor *c, const struct copy *copy)
{
	(void)c;
	return walk(copy, readwrite);
}

int run_memcpy(const struct competitor *c, const struct copy *copy)
{
	(void)c;
	for (size_t done = 0; done < copy->len;) {
		size_t left = copy->len - done;
		size_t n = left < MEMCPY_MOST ? left : MEMCPY_MOST;

		memcpy(own.memory[1], own.memory[0], n);
		/* The compiler must not notice that nobody reads it. */
		__asm__ volatile("" : : "r"(own.memory[1]) : "memory");
		done += n;
	}
	return 0;
}
