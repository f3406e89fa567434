/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * copy.c - copy a file to a new one
 *
 * The loop of a careful caller: a short count is not an error, a signal that
 * came before anything was copied is not one either, and 0 is the end.
 */
#define _POSIX_C_SOURCE 200809L

#include <copyoff.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

/*
 * Copies from the file positions to the end of the input.  COPYOFF_SYNC: a
 * disk that cannot take the data is an error here, not a loss after close().
 */
static int copy_to_end(int fd_in, int fd_out)
{
	ssize_t n;

	do {
		n = copyoff_copy(fd_in, NULL, fd_out, NULL, SSIZE_MAX, COPYOFF_SYNC);
	} while (n > 0 || (n < 0 && errno == EINTR));
	return n < 0 ? -1 : 0;
}

int main(int argc, char **argv)
{
	int fd_in, fd_out;

	if (argc != 3) {
		fprintf(stderr, "usage: copy SOURCE DESTINATION\n");
		return 2;
	}
	fd_in = open(argv[1], O_RDONLY | O_CLOEXEC);
	if (fd_in < 0) {
		perror(argv[1]);
		return 1;
	}
	/* O_EXCL: neither overwrites a file nor truncates the source itself. */
	fd_out = open(argv[2], O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd_out < 0) {
		perror(argv[2]);
		close(fd_in);
		return 1;
	}
	if (copy_to_end(fd_in, fd_out) < 0 || close(fd_out) < 0) {
		perror("copy");
		unlink(argv[2]);
		close(fd_in);
		return 1;
	}
	close(fd_in);
	return 0;
}
