/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * progress.c - copy with progress and a log, and stop at a limit
 *
 * The copy is cancelled as soon as at least LIMIT bytes are done.
 */
#define _POSIX_C_SOURCE 200809L

#include <copyoff.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void print_line(void *data, const char *line)
{
	fprintf(data, "log: %s\n", line);
}

/* Non-zero cancels. */
static int show(void *data, uint64_t done, uint64_t total)
{
	const uint64_t *limit = data;

	fprintf(stderr, "progress: %llu of %llu\n", (unsigned long long)done,
		(unsigned long long)total);
	return done >= *limit;
}

/* Prints how far the copy came; returns the exit status. */
static int copy(copyoff_ctx *ctx, int fd_in, int fd_out)
{
	off_t off_in = 0, off_out = 0;
	ssize_t n;

	do {
		n = copyoff_ctx_copy(ctx, fd_in, &off_in, fd_out, &off_out, SSIZE_MAX,
				     COPYOFF_VERIFY);
	} while ((n > 0 && copyoff_ctx_last(ctx)->error != ECANCELED) || (n < 0 && errno == EINTR));
	if (n < 0) {
		fprintf(stderr, "progress: %s\n", copyoff_ctx_last(ctx)->message);
		return 1;
	}
	printf("%s at %lld\n", n > 0 ? "cancelled" : "complete", (long long)off_out);
	return 0;
}

int main(int argc, char **argv)
{
	uint64_t limit = argc == 4 ? strtoull(argv[3], NULL, 10) : UINT64_MAX;
	struct copyoff_opts opts = {
		.size = sizeof(opts),
		.log = print_line,
		.log_data = stderr,
		.progress = show,
		.progress_data = &limit,
	};
	int fd_in = argc >= 3 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;
	/* Readable, too: COPYOFF_VERIFY reads back. */
	int fd_out = fd_in >= 0 ? open(argv[2], O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666) : -1;
	copyoff_ctx *ctx = copyoff_ctx_new(&opts);
	int status;

	if (fd_out < 0 || !ctx) {
		perror("progress SOURCE DESTINATION [LIMIT]");
		copyoff_ctx_free(ctx);
		return 1;
	}
	status = copy(ctx, fd_in, fd_out);
	copyoff_ctx_free(ctx);
	if (close(fd_out) < 0) {
		perror(argv[2]);
		status = 1;
	}
	return status;
}
