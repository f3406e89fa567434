/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * memory.c - how far the peak of resident memory grows during one copy with a
 * new context, in a process of its own
 */
#define _POSIX_C_SOURCE 200809L
#include "bench.h"

#include <copyoff.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct row {
	const char *what;
	enum state state;
	size_t size;
	size_t quick_size; /* 0: not then */
	const char *backends;
} rows_to_measure[MEMORY_CASES] = {
	{ "cached", OVERWRITE, GIB, 64 * MIB, NULL },
	{ "cached, readwrite only", OVERWRITE, GIB, 64 * MIB, "readwrite" },
	{ "O_DIRECT", DIRECT, GIB, 64 * MIB, NULL },
	{ "sparse 10 GiB", SPARSE, 10 * GIB, 10 * GIB, NULL },
};

/* The peak of this process, in KiB; 0 if the kernel does not tell. */
static size_t peak(void)
{
	FILE *status = fopen("/proc/self/status", "r");
	char line[128];
	size_t kib = 0;

	if (!status)
		return 0;
	while (fgets(line, sizeof(line), status) && sscanf(line, "VmHWM: %zu kB", &kib) != 1)
		;
	fclose(status);
	return kib;
}

static bool forget_peak(void)
{
	int fd = open("/proc/self/clear_refs", O_WRONLY);
	bool done;

	if (fd < 0)
		return false;
	done = write(fd, "5", 1) == 1;
	close(fd);
	return done;
}

static size_t copy_and_look(const struct files *f, const struct row *row, size_t size)
{
	const struct copyoff_opts opts = { .size = sizeof(opts), .backends = row->backends };
	copyoff_ctx *ctx = copyoff_ctx_new(&opts);
	struct copy copy = { .files = f };
	off_t src = 0, dst = 0;
	size_t before, after;

	if (!ctx || files_open(f, row->state, &copy) < 0 || !forget_peak())
		return 0;
	before = peak();
	while ((size_t)src < size &&
	       copyoff_ctx_copy(ctx, copy.in, &src, copy.out, &dst, size, 0) > 0)
		;
	after = peak();
	files_close(&copy);
	copyoff_ctx_free(ctx);
	return (size_t)src == size && before > 0 ? (after - before) * KIB : 0;
}

/* In a child: memory of this process that it does not need yet must not hide anything. */
static size_t measure_row(const struct files *f, const struct row *row, size_t size)
{
	size_t bytes = 0;
	int fds[2];
	pid_t pid;

	if (files_make_source(f, row->state, size) < 0 || files_spoil(f, row->state, size) < 0 ||
	    pipe(fds) < 0)
		return 0;
	pid = fork();
	if (pid == 0) {
		bytes = copy_and_look(f, row, size);
		_exit(write(fds[1], &bytes, sizeof(bytes)) == (ssize_t)sizeof(bytes) ? 0 : 1);
	}
	close(fds[1]);
	if (pid < 0 || read(fds[0], &bytes, sizeof(bytes)) != (ssize_t)sizeof(bytes))
		bytes = 0;
	close(fds[0]);
	if (pid > 0)
		waitpid(pid, NULL, 0);
	files_remove(f);
	return bytes;
}

size_t measure_memory(const struct files *f, bool quick, struct memory *rows)
{
	for (size_t i = 0; i < MEMORY_CASES; i++) {
		const struct row *row = &rows_to_measure[i];

		rows[i].what = row->what;
		rows[i].bytes = measure_row(f, row, quick ? row->quick_size : row->size);
	}
	return MEMORY_CASES;
}
