/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * series.c - copies on file systems that do not tell all, with what happened
 * before them
 *
 * Usage:
 *	fault-series twins SOURCE DESTINATION DESTINATION
 *		The destinations are two files with one inode number.
 *	fault-series dirty-source SPARSE OTHER
 *	fault-series dirty-destination SPARSE OTHER
 *		SPARSE is a file without data on a file system in user space.  The
 *		kernel has data in it that was not written back.
 */
#include "world.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MIB = 1 << 20, SIZE = 6 * MIB };

static char should[SIZE], now[SIZE];

static int open_file(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	if (fd < 0)
		quit(1, "%s: %s", path, strerror(errno));
	return fd;
}

static void must_be(int fd, const char *what)
{
	REQUIRE(read_all(fd, now, SIZE, 0) == SIZE);
	for (size_t i = 0; i < SIZE; i++) {
		if (now[i] != should[i])
			quit(1, "%s: byte %zu is 0x%02x, and must be 0x%02x", what, i,
			     (unsigned char)now[i], (unsigned char)should[i]);
	}
}

static copyoff_ctx *new_context(void)
{
	copyoff_ctx *ctx = copyoff_ctx_new(NULL);

	REQUIRE(ctx);
	return ctx;
}

static void copy(copyoff_ctx *ctx, int in, int out, off_t src, off_t dst, size_t len,
		 unsigned flags)
{
	ssize_t ret = copyoff_ctx_copy(ctx, in, &src, out, &dst, len, flags);

	if (ret != (ssize_t)len)
		quit(1, "%zd instead of %zu bytes: %s", ret, len, copyoff_ctx_last(ctx)->message);
}

/* --- two files with one inode number ---------------------------------------------------- */

struct twin {
	int fd; /* for the copies */
	int io; /* for looking at it */
	char content[SIZE];
};
static struct twin twins[2];

static void open_twin(struct twin *t, const char *path, int direct)
{
	t->fd = open_file(path, O_RDWR | direct);
	t->io = open_file(path, O_RDONLY);
	REQUIRE(read_all(t->io, t->content, SIZE, 0) == SIZE);
}

static void check_twins(void)
{
	for (unsigned i = 0; i < 2; i++) {
		memcpy(should, twins[i].content, SIZE);
		must_be(twins[i].io, i == 0 ? "the one" : "the other");
	}
}

static void look_alike(void)
{
	struct stat a, b;

	REQUIRE(fstat(twins[0].fd, &a) == 0 && fstat(twins[1].fd, &b) == 0);
	if (a.st_dev != b.st_dev || a.st_ino != b.st_ino)
		quit(77, "the files have inode numbers of their own");
}

static void test_twins(char **paths, int direct, unsigned flags)
{
	static char data[SIZE];
	const int in = open_file(paths[0], O_RDONLY | direct);
	copyoff_ctx *ctx = new_context();

	REQUIRE(read_all(open_file(paths[0], O_RDONLY), data, SIZE, 0) == SIZE);
	open_twin(&twins[0], paths[1], direct);
	open_twin(&twins[1], paths[2], direct);
	look_alike();
	for (unsigned i = 0; i < 6; i++) {
		struct twin *t = &twins[i / 2 % 2];
		const size_t src = i * 4096 + 1, dst = (i * 513) << 10 | 3, len = MIB + i;

		copy(ctx, in, t->fd, (off_t)src, (off_t)dst, len, flags);
		memcpy(t->content + dst, data + src, len);
		check_twins();
	}
	copyoff_ctx_free(ctx);
	check_twins();
	close(in);
}

/* --- data that the server does not know --------------------------------------------------- */

enum { ROUNDS = 4, DIRTY = 64 << 10 };
static const unsigned dirty_flags[ROUNDS] = { 0, COPYOFF_SPARSE, COPYOFF_NO_SHARE,
					      COPYOFF_SPARSE | COPYOFF_VERIFY };

/* To another place each time: whoever closes a descriptor has it written back. */
static off_t write_dirty(int fd, unsigned round)
{
	const off_t off = (off_t)round * MIB + DIRTY;
	char data[DIRTY];
	off_t found;

	fill(data, sizeof(data), round + 1);
	write_all(fd, data, sizeof(data), off);
	memcpy(should + off, data, sizeof(data));
	found = lseek(fd, off, SEEK_DATA);
	if (found >= 0 && found < off + DIRTY)
		quit(77, "the server knows of the data, or need not be asked");
	return off;
}

static void test_dirty_source(const char *sparse, const char *other)
{
	const int in = open_file(sparse, O_RDWR);
	const int out = open_file(other, O_RDWR | O_CREAT);
	copyoff_ctx *ctx = new_context();

	for (unsigned i = 0; i < ROUNDS; i++) {
		write_dirty(in, i);
		copy(ctx, in, out, 0, 0, SIZE, dirty_flags[i]);
		must_be(out, "the copy of a file with dirty data");
	}
	copyoff_ctx_free(ctx);
}

/* Over dirty data, too, a hole of the source reads as zeroes. */
static void test_dirty_destination(const char *sparse, const char *other)
{
	const int in = open_file(other, O_RDWR | O_CREAT);
	const int out = open_file(sparse, O_RDWR);
	copyoff_ctx *ctx = new_context();

	REQUIRE(ftruncate(in, SIZE) == 0);
	for (unsigned i = 0; i < ROUNDS; i++) {
		off_t off;

		REQUIRE(ftruncate(out, 0) == 0 && ftruncate(out, SIZE) == 0);
		off = write_dirty(out, i);
		memset(should + off, 0, DIRTY);
		copy(ctx, in, out, 0, 0, SIZE, dirty_flags[i]);
		must_be(out, "zeroes over dirty data");
	}
	copyoff_ctx_free(ctx);
}

int main(int argc, char **argv)
{
	const char *what = argc > 3 ? argv[1] : "";

	if (strcmp(what, "twins") == 0 && argc == 5) {
		test_twins(argv + 2, 0, 0);
		test_twins(argv + 2, O_DIRECT, 0);
		test_twins(argv + 2, O_DIRECT, COPYOFF_NO_SHARE | COPYOFF_VERIFY);
	} else if (strcmp(what, "dirty-source") == 0) {
		test_dirty_source(argv[2], argv[3]);
	} else if (strcmp(what, "dirty-destination") == 0) {
		test_dirty_destination(argv[2], argv[3]);
	} else {
		quit(1, "usage: fault-series twins|dirty-source|dirty-destination FILE...");
	}
	return 0;
}
