/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * fill.c - fill a range of a file with bytes that tell where they belong
 *
 * Each 8 bytes depend on their offset and a seed, so bytes that are missing,
 * misplaced or of another file are found by any comparison.
 */
#define _POSIX_C_SOURCE 200809L
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PIECE = 1 << 20 };

/* The finalizer of splitmix64: every word differs, and none is 0 or repeated. */
static uint64_t word_at(uint64_t off, uint64_t seed)
{
	uint64_t x = (off + 8) * 0x9e3779b97f4a7c15u + seed;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

/* @off is a multiple of 8; the buffer has room for a word more. */
static void fill(char *buf, uint64_t off, size_t len, uint64_t seed)
{
	for (size_t i = 0; i < len; i += 8) {
		uint64_t word = word_at(off + i, seed);

		memcpy(buf + i, &word, sizeof(word));
	}
}

int main(int argc, char **argv)
{
	static char buf[PIECE + 16];
	uint64_t off, end, seed;
	int fd;

	if (argc < 4 || argc > 5) {
		fprintf(stderr, "usage: fs-fill FILE OFFSET LENGTH [SEED]\n");
		return 2;
	}
	off = strtoull(argv[2], NULL, 10);
	end = off + strtoull(argv[3], NULL, 10);
	seed = argc == 5 ? strtoull(argv[4], NULL, 10) : 0;
	fd = open(argv[1], O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
	if (fd < 0) {
		perror(argv[1]);
		return 1;
	}
	while (off < end) {
		size_t lead = off % 8;
		size_t len = end - off < PIECE ? (size_t)(end - off) : PIECE;
		ssize_t ret;

		fill(buf, off - lead, lead + len, seed);
		ret = pwrite(fd, buf + lead, len, (off_t)off);
		if (ret <= 0) {
			perror(argv[1]);
			return 1;
		}
		off += (uint64_t)ret;
	}
	if (close(fd) < 0) {
		perror(argv[1]);
		return 1;
	}
	return 0;
}
