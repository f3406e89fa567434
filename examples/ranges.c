/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * ranges.c - compact a file of pages: gather those in use into a new file
 *
 * A page has 4096 bytes; one that begins with a zero byte is free.
 */
#define _POSIX_C_SOURCE 200809L

#include <copyoff.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE 4096

/* Lists the pages in use, neighbours as one range; returns how many ranges, or -1. */
static int64_t list_used(int fd, int64_t size, struct copyoff_range *v)
{
	int64_t src, dst = 0, n = 0;
	char first;

	for (src = 0; src + PAGE <= size; src += PAGE) {
		if (pread(fd, &first, 1, src) != 1)
			return -1;
		if (first == 0)
			continue;
		if (n > 0 && v[n - 1].src + (int64_t)v[n - 1].len == src)
			v[n - 1].len += PAGE;
		else
			v[n++] = (struct copyoff_range){ .src = src, .dst = dst, .len = PAGE };
		dst += PAGE;
	}
	return n;
}

/* Copies all of the ranges, changing the list on the way. */
static int copy_all(copyoff_ctx *ctx, int in, int out, struct copyoff_range *v, size_t n)
{
	int64_t done;

	while (n > 0) {
		done = copyoff_ctx_copyv(ctx, in, out, v, n, COPYOFF_SYNC);
		if (done < 0 && errno != EINTR)
			return -1;
		if (done == 0) {
			errno = ENODATA; /* the file became shorter than it was */
			return -1;
		}
		for (; done > 0 && (uint64_t)done >= v->len; v++, n--)
			done -= (int64_t)v->len;
		if (done > 0) {
			v->src += done;
			v->dst += done;
			v->len -= (uint64_t)done;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	int in = argc == 3 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;
	int out = in >= 0 ? open(argv[2], O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666) : -1;
	copyoff_ctx *ctx = copyoff_ctx_new(NULL);
	struct copyoff_range *v = NULL;
	struct stat st;
	int64_t n = -1;
	int failed;

	if (out >= 0 && ctx && fstat(in, &st) == 0)
		v = calloc((size_t)(st.st_size / PAGE) + 1, sizeof(*v));
	if (v)
		n = list_used(in, st.st_size, v);
	failed = n < 0 || copy_all(ctx, in, out, v, (size_t)n) < 0 || close(out) < 0;
	if (failed)
		perror("ranges SOURCE DESTINATION");
	else
		printf("%lld ranges\n", (long long)n);
	free(v);
	copyoff_ctx_free(ctx);
	return failed;
}
