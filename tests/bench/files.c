/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
#define _GNU_SOURCE /* O_DIRECT, fallocate() */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { STEP = 1 << 20, SPARSE_PIECE = 64 << 10 };

static int failed(const char *what, const char *path)
{
	int err = errno;

	fprintf(stderr, "bench: %s %s: %s\n", what, path, strerror(err));
	return -err;
}

static bool can_clone(const struct files *f)
{
	int in = open(f->in_path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	int out = open(f->out_path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	char block[4096] = "x";
	bool yes;

	yes = in >= 0 && out >= 0 && write(in, block, sizeof(block)) == (ssize_t)sizeof(block) &&
	      ioctl(out, FICLONE, in) == 0;
	if (in >= 0)
		close(in);
	if (out >= 0)
		close(out);
	return yes;
}

int files_init(struct files *f, const char *fs, const char *dir)
{
	*f = (struct files){ .fs = fs };
	if (snprintf(f->in_path, sizeof(f->in_path), "%s/bench.in", dir) >= (int)sizeof(f->in_path))
		return -ENAMETOOLONG;
	snprintf(f->out_path, sizeof(f->out_path), "%s/bench.out", dir);
	f->clones = can_clone(f);
	return access(f->in_path, R_OK | W_OK) == 0 ? 0 : failed("cannot make", f->in_path);
}

void files_remove(const struct files *f)
{
	/* Those behind the devices belong to who attached them. */
	if (f->loop)
		return;
	unlink(f->in_path);
	unlink(f->out_path);
}

/* Random bytes: some peers look for zeroes. */
static void fill(char *buf, size_t size)
{
	static uint64_t x = 88172645463325252u;

	for (size_t i = 0; i + sizeof(x) <= size; i += sizeof(x)) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		memcpy(buf + i, &x, sizeof(x));
	}
}

/* @byte < 0: random. */
static int write_all(int fd, size_t size, int byte)
{
	char *buf = malloc(STEP);
	int ret = 0;

	if (!buf)
		return -ENOMEM;
	memset(buf, byte, STEP);
	for (size_t off = 0; off < size && ret == 0; off += STEP) {
		size_t n = size - off < STEP ? size - off : STEP;

		if (byte < 0)
			fill(buf, n);
		if (pwrite(fd, buf, n, (off_t)off) != (ssize_t)n)
			ret = -errno;
	}
	free(buf);
	return ret;
}

/* 1 % data in pieces of 64 KiB, at the same distance from each other. */
static int write_sparse(int fd, size_t size)
{
	char buf[SPARSE_PIECE];

	for (size_t off = 0; off < size; off += (size_t)100 * SPARSE_PIECE) {
		fill(buf, sizeof(buf));
		if (pwrite(fd, buf, sizeof(buf), (off_t)off) != (ssize_t)sizeof(buf))
			return -errno;
	}
	return ftruncate(fd, (off_t)size) < 0 ? -errno : 0;
}

int files_make_source(const struct files *f, enum state state, size_t size)
{
	int fd, ret;

	/* A new file, so that nothing is left of how the old one was laid out. */
	if (!f->loop)
		unlink(f->in_path);
	fd = open(f->in_path, f->loop ? O_RDWR : O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd < 0)
		return failed("cannot make", f->in_path);
	ret = state == SPARSE ? write_sparse(fd, size) : write_all(fd, size, -1);
	if (ret == 0 && fsync(fd) < 0)
		ret = -errno;
	close(fd);
	errno = -ret;
	return ret == 0 ? 0 : failed("cannot write", f->in_path);
}

static bool starts_empty(enum state state)
{
	return state != OVERWRITE && state != DIRECT && !is_loop(state);
}

int files_spoil(const struct files *f, enum state state, size_t size)
{
	int fd, ret;

	if (f->loop)
		return 0; /* so it is before each sample */
	unlink(f->out_path);
	if (starts_empty(state))
		return 0;
	fd = open(f->out_path, O_RDWR | O_CREAT, 0600);
	if (fd < 0)
		return failed("cannot make", f->out_path);
	ret = write_all(fd, size, 0xff);
	if (ret == 0 && fsync(fd) < 0)
		ret = -errno;
	close(fd);
	errno = -ret;
	return ret == 0 ? 0 : failed("cannot write", f->out_path);
}

/*
 * Nobody should have to write back, or free, what another one left; in small
 * amounts it does not matter.
 */
int files_prepare(const struct files *f, enum state state, size_t size)
{
	int fd, ret = 0;

	if (f->loop) {
		ret = loop_prepare(state, size);
		errno = -ret;
		return ret == 0 ? 0 : failed("cannot prepare", f->out_path);
	}
	if (starts_empty(state) && unlink(f->out_path) < 0 && errno != ENOENT)
		return failed("cannot remove", f->out_path);
	if (size <= 16 * MIB)
		return 0;
	fd = open(f->in_path, O_RDONLY);
	if (fd < 0 || syncfs(fd) < 0)
		ret = failed("cannot write back", f->in_path);
	if (fd >= 0)
		close(fd);
	return ret;
}

int files_open(const struct files *f, enum state state, struct copy *copy)
{
	int direct = state == DIRECT ? O_DIRECT : 0;

	copy->in = open(f->in_path, O_RDONLY | direct);
	if (copy->in < 0)
		return failed("cannot open", f->in_path);
	copy->out = open(f->out_path, O_RDWR | O_CREAT | direct, 0600);
	if (copy->out < 0) {
		int ret = failed("cannot open", f->out_path);

		close(copy->in);
		return ret;
	}
	return 0;
}

void files_close(const struct copy *copy)
{
	close(copy->in);
	close(copy->out);
}

static int compare_piece(int in, int out, const struct copy *copy, off_t pos, size_t n, char *buf)
{
	if (pread(in, buf, n, copy->src + pos) != (ssize_t)n ||
	    pread(out, buf + STEP, n, copy->dst + pos) != (ssize_t)n)
		return -EIO;
	return memcmp(buf, buf + STEP, n) == 0 ? 0 : -EIO;
}

/* Only the data of a sparse file: its holes would take longer than all copies. */
static off_t next_data(int fd, off_t pos, const struct copy *copy)
{
	off_t data = lseek(fd, copy->src + pos, SEEK_DATA);

	/* Devices do not tell. */
	if (data < 0 && copy->files->loop)
		return pos;
	return data < 0 ? (off_t)copy->len : data - copy->src;
}

int files_compare(const struct copy *copy)
{
	int in = open(copy->files->in_path, O_RDONLY);
	int out = open(copy->files->out_path, O_RDONLY);
	char *buf = malloc(2 * (size_t)STEP);
	off_t end = (off_t)copy->len;
	int ret = in >= 0 && out >= 0 && buf ? 0 : -EIO;

	if (ret == 0 && lseek(out, 0, SEEK_END) < copy->dst + end)
		ret = -EIO;
	for (off_t pos = 0; ret == 0; pos += STEP) {
		pos = next_data(in, pos, copy);
		if (pos >= end)
			break;
		ret = compare_piece(in, out, copy, pos,
				    end - pos < STEP ? (size_t)(end - pos) : STEP, buf);
	}
	free(buf);
	if (in >= 0)
		close(in);
	if (out >= 0)
		close(out);
	return ret;
}
