/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * stats.c - copy a file and account for the backends that did it
 */
#define _POSIX_C_SOURCE 200809L

#include <copyoff.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

/* @name NULL: the sum. */
static int print_stats(const copyoff_ctx *ctx, const char *name)
{
	struct copyoff_stats st = { .size = sizeof(st) };

	if (copyoff_ctx_stats(ctx, name, &st) < 0)
		return -1;
	printf("%-16s %8llu calls %12llu bytes %8llu declined\n", name ? name : "sum",
	       (unsigned long long)st.calls, (unsigned long long)st.bytes,
	       (unsigned long long)st.declines);
	return 0;
}

static int print_all_stats(const copyoff_ctx *ctx)
{
	size_t i;

	for (i = 0; i < copyoff_backend_count(); i++) {
		const struct copyoff_backend_info *info = copyoff_backend_info(i);

		if (info->built && print_stats(ctx, info->name) < 0)
			return -1;
	}
	return print_stats(ctx, NULL);
}

int main(int argc, char **argv)
{
	int fd_in = argc == 3 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;
	int fd_out = fd_in >= 0 ? open(argv[2], O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666) : -1;
	copyoff_ctx *ctx = copyoff_ctx_new(NULL);
	uint64_t offloaded = 0;
	int failed = 1;
	ssize_t n;

	if (fd_out < 0 || !ctx)
		goto out;
	do {
		n = copyoff_ctx_copy(ctx, fd_in, NULL, fd_out, NULL, SSIZE_MAX, 0);
		offloaded += copyoff_ctx_last(ctx)->bytes_offloaded;
	} while (n > 0 || (n < 0 && errno == EINTR));
	if (n < 0 || print_all_stats(ctx) < 0 || close(fd_out) < 0)
		goto out;
	printf("%llu bytes are known not to have moved through this host\n",
	       (unsigned long long)offloaded);
	failed = 0;
out:
	if (failed)
		perror("stats SOURCE DESTINATION");
	copyoff_ctx_free(ctx);
	return failed;
}
