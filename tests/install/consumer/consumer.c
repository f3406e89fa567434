/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * consumer.c - a program that knows the library only as it is installed
 *
 * Copies ten thousand bytes between two unnamed files and compares.  Valid C99
 * and C++98.
 */
#include <copyoff.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BYTES 10000

static int copied(int fd_in, int fd_out)
{
	char expected[BYTES], found[BYTES];
	off_t in = 0, out = 0;
	int i;

	for (i = 0; i < BYTES; i++)
		expected[i] = (char)(i * 7 + i / 256);
	if (pwrite(fd_in, expected, BYTES, 0) != BYTES)
		return 0;
	if (copyoff_copy(fd_in, &in, fd_out, &out, BYTES + 1, 0) != BYTES)
		return 0;
	memset(found, 0, sizeof(found));
	return pread(fd_out, found, BYTES, 0) == BYTES && memcmp(expected, found, BYTES) == 0;
}

int main(void)
{
	FILE *in = tmpfile(), *out = tmpfile();

	if (copyoff_version() != COPYOFF_VERSION_NUMBER) {
		fprintf(stderr, "header and library differ in version\n");
		return 1;
	}
	if (!in || !out || !copied(fileno(in), fileno(out))) {
		perror("copy");
		return 1;
	}
	fclose(in);
	fclose(out);
	printf("copied with %u\n", copyoff_version());
	return 0;
}
