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
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
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
	uint64_t bytes;

	/* With a constant size this is one store, and not a call. */
	for (; len >= sizeof(bytes); p += sizeof(bytes), len -= sizeof(bytes)) {
		bytes = random_next(&state) | 0x0101010101010101u;
		memcpy(p, &bytes, sizeof(bytes));
	}
	bytes = random_next(&state) | 0x0101010101010101u;
	memcpy(p, &bytes, (size_t)len);
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
	if (len == 0)
		return;
	model_extend(&f->model, off + len);
	fill(f->model.data + off, len, seed);
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

/* The ioctl() of musl takes an int, which these requests do not fit. */
static bool control(const struct file *f, unsigned long request, void *arg)
{
	return syscall(SYS_ioctl, f->io, request, arg) == 0;
}

/* Whole blocks, by a command to the device; what is then on it need not be zeroes. */
static void zero_device(struct file *f, int mode, uint64_t off, uint64_t len)
{
	const uint64_t block = 4096;
	uint64_t range[2] = { (off + block - 1) / block * block };

	off = off + len < f->model.size ? off + len : f->model.size;
	if (range[0] + block > off)
		return;
	range[1] = off / block * block - range[0];
	if (mode != FALLOC_FL_PUNCH_HOLE)
		ck_assert_msg(control(f, BLKZEROOUT, range), "BLKZEROOUT: %s", strerror(errno));
	else if (!control(f, BLKDISCARD, range))
		return;
	file_adopt(f, range[0], range[1]);
}

static void zero(struct file *f, int mode, uint64_t off, uint64_t len)
{
	if (f->model.fixed) {
		zero_device(f, mode, off, len);
		return;
	}
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

/* Also of a device, for which fstat(2) says 0. */
static uint64_t size_of(const struct file *f)
{
	off_t size = lseek(f->io, 0, SEEK_END);

	ck_assert_int_ge(size, 0);
	return (uint64_t)size;
}

uint64_t file_allocated(const struct file *f)
{
	struct stat st;

	ck_assert_int_eq(fsync(f->io), 0);
	ck_assert_int_eq(fstat(f->io, &st), 0);
	return (uint64_t)st.st_blocks * 512;
}

static void read_by(int fd, uint64_t off, unsigned char *p, uint64_t len)
{
	while (len > 0) {
		ssize_t ret = pread(fd, p, (size_t)len, (off_t)off);

		ck_assert_msg(ret > 0, "cannot read the file at %llu: %s", (unsigned long long)off,
			      ret < 0 ? strerror(errno) : "it ends there");
		off += (uint64_t)ret;
		p += ret;
		len -= (uint64_t)ret;
	}
}

static void read_in(const struct file *f, uint64_t off, unsigned char *p, uint64_t len)
{
	read_by(f->io, off, p, len);
}

static void check_bytes(const struct file *f, int fd, uint64_t off, uint64_t end, const char *what)
{
	static unsigned char piece[PIECE] __attribute__((aligned(4096)));

	for (; off < end; off += PIECE) {
		uint64_t len = end - off < PIECE ? end - off : PIECE;
		uint64_t where;

		read_by(fd, off, piece, len);
		if (!model_equal(piece, f->model.data + off, len, &where))
			ck_abort_msg("%s: byte %llu is 0x%02x, and must be 0x%02x", what,
				     (unsigned long long)(off + where), piece[where],
				     f->model.data[off + where]);
	}
}

void file_check(const struct file *f, const char *what)
{
	uint64_t size = size_of(f);

	ck_assert_msg(size == f->model.size, "%s: the file has %llu bytes, and must have %llu",
		      what, (unsigned long long)size, (unsigned long long)f->model.size);
	check_bytes(f, f->io, 0, size, what);
}

void file_check_direct(const struct file *f, uint64_t off, uint64_t len, const char *what)
{
	const uint64_t block = 4096, size = f->model.size;
	uint64_t end = len < size - off ? off + len : size;
	char text[256];
	int fd;

	snprintf(text, sizeof(text), "%s, on the device", what);
	fd = file_open(f, O_RDONLY | O_DIRECT);
	end = (end + block - 1) / block * block;
	check_bytes(f, fd, off / block * block, end < size ? end : size, text);
	close(fd);
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

/* --- devices ----------------------------------------------------------------------- */

void file_of_device(struct file *f, const char *path, int flags)
{
	uint64_t size;

	model_init(&f->model);
	f->fd = -1;
	f->io = open(path, O_RDWR | O_CLOEXEC);
	ck_assert_msg(f->io >= 0, "cannot open %s: %s", path, strerror(errno));
	size = size_of(f);
	model_truncate(&f->model, size);
	f->model.fixed = true;
	read_in(f, 0, f->model.data, size);
	file_reopen(f, flags);
}

void devices_open(struct devices *d, int flags_in, int flags_out)
{
	const bool same = strcmp(subject.devices[0], subject.devices[1]) == 0;

	file_of_device(&d->files[0], subject.devices[0], same ? flags_out : flags_in);
	d->in = d->out = &d->files[0];
	d->shift = 0;
	if (same) {
		d->shift = (int64_t)(d->in->model.size / 2 / 65536 * 65536);
		return;
	}
	d->out = &d->files[1];
	file_of_device(d->out, subject.devices[1], flags_out);
}

void devices_close(struct devices *d)
{
	if (d->out != d->in)
		file_close(d->out);
	file_close(d->in);
}
