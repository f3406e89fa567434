/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * same.c - cmp(1) for files of which most is a hole
 *
 * Where either file has data, both are read and compared; where neither has,
 * both are zero.
 */
#define _GNU_SOURCE /* SEEK_DATA */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECE = 1 << 20 };

static void fail(const char *what)
{
	perror(what);
	exit(2);
}

static int open_file(const char *name, off_t *size)
{
	struct stat st;
	int fd = open(name, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) < 0)
		fail(name);
	*size = st.st_size;
	return fd;
}

/* The first byte of data (SEEK_DATA) or hole (SEEK_HOLE) at or behind @off, or @end. */
static off_t next(int fd, off_t off, int whence, off_t end)
{
	off_t ret = lseek(fd, off, whence);

	if (ret < 0 && errno != ENXIO)
		fail("lseek");
	return ret < 0 || ret > end ? end : ret;
}

/* The next bytes to compare: [return value, *@end), of which both files may have data. */
static off_t next_piece(int fd_a, int fd_b, off_t off, off_t size, off_t *end)
{
	off_t data_a = next(fd_a, off, SEEK_DATA, size);
	off_t data_b = next(fd_b, off, SEEK_DATA, size);
	off_t start = data_a < data_b ? data_a : data_b;
	off_t hole_a = next(fd_a, start, SEEK_HOLE, size);
	off_t hole_b = next(fd_b, start, SEEK_HOLE, size);

	*end = hole_a > hole_b ? hole_a : hole_b;
	if (*end - start > PIECE)
		*end = start + PIECE;
	return start;
}

static void read_all(int fd, char *buf, size_t len, off_t off)
{
	while (len > 0) {
		ssize_t ret = pread(fd, buf, len, off);

		if (ret <= 0)
			fail("read");
		buf += ret;
		len -= (size_t)ret;
		off += ret;
	}
}

int main(int argc, char **argv)
{
	static char a[PIECE], b[PIECE];
	off_t size_a, size_b, end, off = 0;
	uint64_t compared = 0;
	int fd_a, fd_b;

	if (argc != 3) {
		fprintf(stderr, "usage: fs-same FILE FILE\n");
		return 2;
	}
	fd_a = open_file(argv[1], &size_a);
	fd_b = open_file(argv[2], &size_b);
	if (size_a != size_b) {
		printf("%s has %lld bytes, %s has %lld\n", argv[1], (long long)size_a, argv[2],
		       (long long)size_b);
		return 1;
	}
	while (off < size_a) {
		size_t len;

		off = next_piece(fd_a, fd_b, off, size_a, &end);
		len = (size_t)(end - off);
		read_all(fd_a, a, len, off);
		read_all(fd_b, b, len, off);
		if (memcmp(a, b, len) != 0) {
			printf("%s and %s differ within %zu bytes from %lld\n", argv[1], argv[2],
			       len, (long long)off);
			return 1;
		}
		off = end;
		compared += len;
	}
	printf("equal, %llu bytes of data\n", (unsigned long long)compared);
	return 0;
}
