/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * files.c - files under test and their models
 */
#define _GNU_SOURCE
#include "conformance.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECE = 1 << 20 };

/* xorshift64*, Vigna 2014 */
uint64_t random_next(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 2685821657736338717u;
}

uint64_t random_below(uint64_t *state, uint64_t n)
{
	return (random_next(state) >> 11) % n;
}

/* No byte is zero, so that data is never mistaken for a hole. */
void fill(unsigned char *p, uint64_t len, unsigned seed)
{
	uint64_t state = 0x9e3779b97f4a7c15u ^ ((uint64_t)seed << 17 | seed);

	for (uint64_t i = 0; i < len; i += sizeof(uint64_t)) {
		uint64_t bytes = random_next(&state) | 0x0101010101010101u;
		uint64_t left = len - i;

		memcpy(p + i, &bytes, left < sizeof(bytes) ? (size_t)left : sizeof(bytes));
	}
}

int file_open(const struct file *f, int flags)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", f->io);
	fd = open(path, flags | O_CLOEXEC);
	ck_assert_msg(fd >= 0, "cannot open %s again: %s", path, strerror(errno));
	return fd;
}

void file_reopen(struct file *f, int flags)
{
	if (f->fd >= 0)
		close(f->fd);
	f->fd = file_open(f, flags);
}

void file_make(struct file *f, uint64_t size, unsigned seed)
{
	char path[PATH_MAX];

	model_init(&f->model);
	f->fd = -1;
	snprintf(path, sizeof(path), "%s/conformance.XXXXXX", subject.dir);
	f->io = mkstemp(path);
	ck_assert_msg(f->io >= 0, "cannot make %s: %s", path, strerror(errno));
	unlink(path);
	if (size > 0)
		file_write(f, 0, size, seed);
	file_reopen(f, O_RDWR | (subject.direct ? O_DIRECT : 0));
}

void file_close(struct file *f)
{
	if (f->fd >= 0)
		close(f->fd);
	close(f->io);
	model_free(&f->model);
}

static void write_out(struct file *f, uint64_t off, uint64_t len)
{
	while (len > 0) {
		ssize_t ret = pwrite(f->io, f->model.data + off, (size_t)len, (off_t)off);

		ck_assert_msg(ret > 0, "cannot prepare the file: %s", strerror(errno));
		off += (uint64_t)ret;
		len -= (uint64_t)ret;
	}
}

static void random_to_model(struct file *f, uint64_t off, uint64_t len, unsigned seed)
{
	unsigned char *p = malloc((size_t)len);

	ck_assert_ptr_nonnull(p);
	fill(p, len, seed);
	model_write(&f->model, off, p, len);
	free(p);
}

void file_write(struct file *f, uint64_t off, uint64_t len, unsigned seed)
{
	random_to_model(f, off, len, seed);
	write_out(f, off, len);
}

void file_map_write(struct file *f, uint64_t off, uint64_t len, unsigned seed)
{
	uint64_t lead = off % (uint64_t)sysconf(_SC_PAGESIZE);
	char *p;

	if (len == 0)
		return;
	ck_assert_uint_le(off + len, f->model.size);
	p = mmap(NULL, (size_t)(lead + len), PROT_READ | PROT_WRITE, MAP_SHARED, f->io,
		 (off_t)(off - lead));
	ck_assert_msg(p != MAP_FAILED, "mmap: %s", strerror(errno));
	random_to_model(f, off, len, seed);
	memcpy(p + lead, f->model.data + off, (size_t)len);
	munmap(p, (size_t)(lead + len));
}

void file_truncate(struct file *f, uint64_t size)
{
	ck_assert_int_eq(ftruncate(f->io, (off_t)size), 0);
	model_truncate(&f->model, size);
}

static void zero(struct file *f, int mode, uint64_t off, uint64_t len)
{
	model_zero(&f->model, off, len);
	if (len == 0 || fallocate(f->io, mode | FALLOC_FL_KEEP_SIZE, (off_t)off, (off_t)len) == 0)
		return;
	ck_assert_msg(errno == EOPNOTSUPP, "fallocate: %s", strerror(errno));
	if (off + len > f->model.size)
		len = off < f->model.size ? f->model.size - off : 0;
	write_out(f, off, len);
}

void file_punch(struct file *f, uint64_t off, uint64_t len)
{
	zero(f, FALLOC_FL_PUNCH_HOLE, off, len);
}

void file_zero_range(struct file *f, uint64_t off, uint64_t len)
{
	zero(f, FALLOC_FL_ZERO_RANGE, off, len);
}

static uint64_t size_of(const struct file *f)
{
	struct stat st;

	ck_assert_int_eq(fstat(f->io, &st), 0);
	return (uint64_t)st.st_size;
}

uint64_t file_allocated(const struct file *f)
{
	struct stat st;

	ck_assert_int_eq(fsync(f->io), 0);
	ck_assert_int_eq(fstat(f->io, &st), 0);
	return (uint64_t)st.st_blocks * 512;
}

static void read_in(const struct file *f, uint64_t off, unsigned char *p, uint64_t len)
{
	while (len > 0) {
		ssize_t ret = pread(f->io, p, (size_t)len, (off_t)off);

		ck_assert_msg(ret > 0, "cannot read the file at %llu: %s", (unsigned long long)off,
			      ret < 0 ? strerror(errno) : "it ends there");
		off += (uint64_t)ret;
		p += ret;
		len -= (uint64_t)ret;
	}
}

void file_check(const struct file *f, const char *what)
{
	static unsigned char piece[PIECE];
	uint64_t size = size_of(f);

	ck_assert_msg(size == f->model.size, "%s: the file has %llu bytes, and must have %llu",
		      what, (unsigned long long)size, (unsigned long long)f->model.size);
	for (uint64_t off = 0; off < size; off += PIECE) {
		uint64_t len = size - off < PIECE ? size - off : PIECE;
		uint64_t where;

		read_in(f, off, piece, len);
		if (!model_equal(piece, f->model.data + off, len, &where))
			ck_abort_msg("%s: byte %llu is 0x%02x, and must be 0x%02x", what,
				     (unsigned long long)(off + where), piece[where],
				     f->model.data[off + where]);
	}
}

void file_adopt(struct file *f, uint64_t off, uint64_t len)
{
	uint64_t size = size_of(f);
	unsigned char *p;

	if (size > f->model.size && size <= off + len)
		model_truncate(&f->model, size);
	if (off + len > f->model.size)
		len = off < f->model.size ? f->model.size - off : 0;
	if (len == 0 || size < off + len)
		return; /* file_check() says what is wrong */
	p = malloc((size_t)len);
	ck_assert_ptr_nonnull(p);
	read_in(f, off, p, len);
	model_write(&f->model, off, p, len);
	free(p);
}
