/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * device.c - how long copies within a block device take, in a guest
 *
 *	bench-device PATH MIB METHOD...
 *
 * From the beginning of PATH to its middle, MIB MiB.  A METHOD is a backend, which the
 * library uses alone, by descriptors with the page cache; or BACKEND,direct: by
 * descriptors without; or "clone": FICLONERANGE and fdatasync() on PATH, a file, as the
 * limit of what a device on that file can reach.  Each is done twice, in turns.
 * Prints lines "METHOD SECONDS COMMANDS".
 */
#define _GNU_SOURCE /* O_DIRECT */
#include <copyoff.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 2, NAME_MOST = 40 };

static const char *path;
static uint64_t len; /* bytes; also where they go to */

static void check(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "bench-device: %s: %s: %s\n", path, what, strerror(errno));
	exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int open_device(int flags)
{
	int fd = open(path, O_RDWR | O_CLOEXEC | flags);

	check(fd >= 0, "open");
	return fd;
}

static void print(const char *method, double seconds, uint64_t commands)
{
	printf("%-24s %8.4f %6llu\n", method, seconds, (unsigned long long)commands);
	fflush(stdout);
}

/* The context is part of the time: it finds out what the device is. */
static void by_library(const char *method)
{
	char backend[NAME_MOST] = "";
	const char *direct = strstr(method, ",direct");
	struct copyoff_opts opts = { .size = sizeof(opts), .backends = backend };
	struct copyoff_stats stats = { .size = sizeof(stats) };
	int fd = open_device(direct ? O_DIRECT : 0);
	off_t in = 0, out = (off_t)len;
	copyoff_ctx *ctx;
	double seconds = now();

	snprintf(backend, sizeof(backend), "%.*s",
		 (int)(direct ? (size_t)(direct - method) : strlen(method)), method);
	ctx = copyoff_ctx_new(&opts);
	check(ctx != NULL, method);
	while ((uint64_t)in < len)
		check(copyoff_ctx_copy(ctx, fd, &in, fd, &out, (size_t)(len - (uint64_t)in), 0) > 0,
		      method);
	seconds = now() - seconds;
	check(copyoff_ctx_stats(ctx, backend, &stats) == 0, method);
	print(method, seconds, stats.calls);
	copyoff_ctx_free(ctx);
	close(fd);
}

static void by_clone(void)
{
	int fd = open_device(0);
	struct file_clone_range range = {
		.src_fd = fd,
		.src_length = len,
		.dest_offset = len,
	};
	double seconds = now();

	check(fdatasync(fd) == 0, "fdatasync");
	check(ioctl(fd, FICLONERANGE, &range) == 0, "FICLONERANGE");
	print("clone", now() - seconds, 1);
	close(fd);
}

int main(int argc, char **argv)
{
	if (argc < 4) {
		fprintf(stderr, "usage: bench-device PATH MIB METHOD...\n");
		return 2;
	}
	path = argv[1];
	len = strtoull(argv[2], NULL, 10) << 20;
	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 3; i < argc; i++) {
			if (strcmp(argv[i], "clone") == 0)
				by_clone();
			else
				by_library(argv[i]);
		}
	}
	return 0;
}
