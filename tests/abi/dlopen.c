/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * dlopen.c LIBRARY SYMBOL... - a plugin host
 *
 * Loads the library, resolves every public symbol, copies a file and unloads
 * again: many times alone, where each time ends with the library gone from
 * memory, and then from several threads at once.  No descriptor is left open.
 */
#define _POSIX_C_SOURCE 200809L

#include <copyoff.h>
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { THREADS = 4, ROUNDS = 100, SIZE = 70001 };

static char **args; /* library, symbols, NULL */

#define CHECK(condition) check(condition, #condition, __LINE__)

static void check(int ok, const char *what, int line)
{
	if (ok)
		return;
	fprintf(stderr, "dlopen.c:%d: not true: %s (errno %d)\n", line, what, errno);
	exit(1);
}

/* A pointer to an object, as dlsym(3) returns it, made one to a function, as POSIX says. */
static void resolve(void *library, const char *name, void *function)
{
	void *symbol = dlsym(library, name);

	CHECK(symbol != NULL);
	memcpy(function, &symbol, sizeof(symbol));
}

static int temporary_file(void)
{
	char path[] = "/tmp/copyoff-dlopen-XXXXXX";
	int fd = mkstemp(path);

	CHECK(fd >= 0);
	CHECK(unlink(path) == 0);
	return fd;
}

static void copy_and_compare(void *library, int fd_in, int fd_out, const char *expected)
{
	static _Thread_local char got[SIZE];
	ssize_t (*copy)(int, off_t *, int, off_t *, size_t, unsigned);
	unsigned (*version)(void);
	off_t off_in = 0, off_out = 0;
	ssize_t n;

	resolve(library, "copyoff_version", &version);
	CHECK(version() == COPYOFF_VERSION_NUMBER);
	resolve(library, "copyoff_copy", &copy);
	CHECK(ftruncate(fd_out, 0) == 0);
	do {
		n = copy(fd_in, &off_in, fd_out, &off_out, SIZE, 0);
	} while (n > 0);
	CHECK(n == 0 && off_in == SIZE && off_out == SIZE);
	CHECK(pread(fd_out, got, SIZE, 0) == SIZE);
	CHECK(memcmp(got, expected, SIZE) == 0);
}

static void *load_and_unload(void *arg)
{
	static _Thread_local char data[SIZE];
	int fd_in = temporary_file();
	int fd_out = temporary_file();
	int round, i;

	memset(data, 'a' + *(int *)arg, sizeof(data));
	CHECK(pwrite(fd_in, data, SIZE, 0) == SIZE);
	for (round = 0; round < ROUNDS; round++) {
		void *library = dlopen(args[0], RTLD_NOW | RTLD_LOCAL);

		if (!library)
			fprintf(stderr, "%s\n", dlerror());
		CHECK(library != NULL);
		for (i = 1; args[i]; i++)
			CHECK(dlsym(library, args[i]) != NULL);
		copy_and_compare(library, fd_in, fd_out, data);
		CHECK(dlclose(library) == 0);
	}
	CHECK(close(fd_in) == 0 && close(fd_out) == 0);
	return NULL;
}

static int lowest_free_descriptor(void)
{
	int fd = dup(STDERR_FILENO);

	CHECK(fd >= 0 && close(fd) == 0);
	return fd;
}

int main(int argc, char **argv)
{
	pthread_t threads[THREADS];
	int numbers[THREADS];
	int before, i;

	CHECK(argc > 2);
	args = argv + 1;
	before = lowest_free_descriptor();
	numbers[0] = 0;
	load_and_unload(&numbers[0]);
	CHECK(dlopen(args[0], RTLD_NOW | RTLD_NOLOAD) == NULL);
	for (i = 0; i < THREADS; i++) {
		numbers[i] = i;
		CHECK(pthread_create(&threads[i], NULL, load_and_unload, &numbers[i]) == 0);
	}
	for (i = 0; i < THREADS; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
	CHECK(lowest_free_descriptor() == before);
	CHECK(dlopen(args[0], RTLD_NOW | RTLD_NOLOAD) == NULL);
	printf("ok: %d loads of %d symbols\n", (THREADS + 1) * ROUNDS, argc - 2);
	return 0;
}
