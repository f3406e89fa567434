/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * require.c - clone a file, or say why that is not possible
 *
 * Exit status: 0 cloned, 1 error, 3 it cannot be cloned here.
 */
#define _POSIX_C_SOURCE 200809L

#include <copyoff.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

/* What keeps each backend from doing it, save those that never share extents. */
static void print_reasons(copyoff_ctx *ctx, int fd_in, int fd_out)
{
	copyoff_plan *plan = copyoff_plan_new(ctx, fd_in, fd_out, COPYOFF_REQUIRE_SHARE);
	size_t i;

	for (i = 0; plan && i < copyoff_plan_count(plan); i++) {
		const struct copyoff_verdict *v = copyoff_plan_verdict(plan, i);

		if (v->usable || v->reason == COPYOFF_REASON_POLICY)
			continue;
		fprintf(stderr, "%s: %s\n", v->backend, v->text);
		if (*v->remedy)
			fprintf(stderr, "  remedy: %s\n", v->remedy);
	}
	copyoff_plan_free(plan);
}

/* Returns the exit status. */
static int clone_to_end(copyoff_ctx *ctx, int fd_in, int fd_out)
{
	ssize_t n;

	do {
		n = copyoff_ctx_copy(ctx, fd_in, NULL, fd_out, NULL, SSIZE_MAX,
				     COPYOFF_REQUIRE_SHARE);
	} while (n > 0 || (n < 0 && errno == EINTR));
	if (n == 0)
		return 0;
	if (errno != EOPNOTSUPP) {
		fprintf(stderr, "require: %s\n", copyoff_ctx_last(ctx)->message);
		return 1;
	}
	print_reasons(ctx, fd_in, fd_out);
	return 3;
}

int main(int argc, char **argv)
{
	int fd_in = argc == 3 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;
	int fd_out = fd_in >= 0 ? open(argv[2], O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666) : -1;
	copyoff_ctx *ctx = copyoff_ctx_new(NULL);
	int status;

	if (fd_out < 0 || !ctx) {
		perror("require SOURCE DESTINATION");
		copyoff_ctx_free(ctx);
		return 1;
	}
	status = clone_to_end(ctx, fd_in, fd_out);
	if (status != 0)
		unlink(argv[2]);
	copyoff_ctx_free(ctx);
	return status;
}
