/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * step.c - one copy of a whole file, or of its rest, and what came of it
 *
 * Usage: fault-step SOURCE DESTINATION OFFSET [FLAG...]
 *
 * FLAG is direct (O_DIRECT on both sides), sync, sparse, verify, or the name of
 * a backend to use.  Prints
 *
 *	COUNT ERRNO BACKEND
 *
 * ERRNO is that of a failed call, or the error in the result of a short one, or
 * 0.  It is an error if the bytes counted are not those of the source.
 */
#include "world.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
	const char *name;
	unsigned flag;
} flags[] = {
	{ "sync", COPYOFF_SYNC },
	{ "sparse", COPYOFF_SPARSE },
	{ "verify", COPYOFF_VERIFY },
};

static unsigned flag_of(const char *name)
{
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		if (strcmp(flags[i].name, name) == 0)
			return flags[i].flag;
	}
	return 0;
}

static int open_file(const char *path, int mode)
{
	int fd = open(path, mode | O_CLOEXEC);

	if (fd < 0)
		quit(1, "%s: %s", path, strerror(errno));
	return fd;
}

/* Bytes cannot be read where reading fails: those before are what was counted. */
static void compare(int in, int out, off_t start, ssize_t count)
{
	const size_t piece = 64 << 10;
	char *a = xalloc(piece);
	char *b = xalloc(piece);

	for (off_t off = start; off < start + count; off += (off_t)piece) {
		size_t left = (size_t)(start + count - off);
		size_t len = left < piece ? left : piece;

		if (read_all(in, a, len, off) != len || read_all(out, b, len, off) != len ||
		    memcmp(a, b, len) != 0)
			quit(1, "the copy is wrong between %lld and %lld", (long long)off,
			     (long long)off + (long long)len);
	}
	free(a);
	free(b);
}

int main(int argc, char **argv)
{
	struct copyoff_opts opts = { .size = sizeof(opts) };
	const struct copyoff_result *last;
	unsigned policy = 0;
	int direct = 0;
	copyoff_ctx *ctx;
	off_t src, dst, start;
	int in, out, err;
	ssize_t ret;

	if (argc < 4)
		quit(1, "usage: fault-step SOURCE DESTINATION OFFSET [FLAG...]");
	start = src = dst = strtoll(argv[3], NULL, 0);
	for (int i = 4; i < argc; i++) {
		if (strcmp(argv[i], "direct") == 0)
			direct = O_DIRECT;
		else if (flag_of(argv[i]))
			policy |= flag_of(argv[i]);
		else
			opts.backends = argv[i];
	}
	in = open_file(argv[1], O_RDONLY | direct);
	out = open_file(argv[2], O_RDWR | direct);
	ctx = copyoff_ctx_new(&opts);
	REQUIRE(ctx);
	ret = copyoff_ctx_copy(ctx, in, &src, out, &dst, SIZE_MAX / 4, policy);
	err = errno;
	last = copyoff_ctx_last(ctx);
	REQUIRE(src == start + (ret > 0 ? ret : 0) && dst == src);
	REQUIRE(ret < 0 ? last->error == err : last->bytes == (uint64_t)ret);
	printf("%lld %d %s\n", (long long)ret, last->error, last->backend);
	fprintf(stderr, "%s\n", last->message);
	copyoff_ctx_free(ctx);
	close(in);
	close(out);
	/* What is to be compared is what the files say when they are opened again. */
	in = open_file(argv[1], O_RDONLY);
	out = open_file(argv[2], O_RDONLY);
	compare(in, out, start, ret);
	return 0;
}
