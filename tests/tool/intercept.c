/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Loaded with LD_PRELOAD into the copyoff command by intercept.sh:
 *   COPYOFF_TEST_LOG=FILE    a line for each write and sync, "write PATH"
 *   COPYOFF_TEST_CORRUPT=1   flips a bit in the first byte of each write
 *   COPYOFF_TEST_FAIL=fsync  fsync() fails with EIO
 *   COPYOFF_TEST_FAIL=close  close() of a file open for writing fails with EDQUOT
 */
#undef _FILE_OFFSET_BITS /* both names of pwrite() are defined here */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int (*next(const char *name))(int)
{
	void *symbol = dlsym(RTLD_NEXT, name);
	int (*function)(int);

	memcpy(&function, &symbol, sizeof(function));
	return function;
}

static void log_call(const char *call, int fd)
{
	const char *log = getenv("COPYOFF_TEST_LOG");
	char link[64], path[4096];
	ssize_t length;
	FILE *file;

	if (!log)
		return;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	length = readlink(link, path, sizeof(path) - 1);
	file = fopen(log, "ae");
	if (length < 0 || !file)
		abort();
	path[length] = '\0';
	fprintf(file, "%s %s\n", call, path);
	fclose(file);
}

static int must_fail(const char *call)
{
	const char *failing = getenv("COPYOFF_TEST_FAIL");

	return failing && strcmp(failing, call) == 0;
}

static ssize_t do_pwrite(int fd, const void *buffer, size_t length, off64_t offset)
{
	ssize_t (*real)(int, const void *, size_t, off64_t);
	void *symbol = dlsym(RTLD_NEXT, "pwrite64");
	char *copy;
	ssize_t ret;

	memcpy(&real, &symbol, sizeof(real));
	log_call("write", fd);
	if (!getenv("COPYOFF_TEST_CORRUPT") || length == 0)
		return real(fd, buffer, length, offset);
	copy = malloc(length);
	if (!copy)
		abort();
	memcpy(copy, buffer, length);
	copy[0] ^= 0x10;
	ret = real(fd, copy, length, offset);
	free(copy);
	return ret;
}

ssize_t pwrite(int fd, const void *buffer, size_t length, off_t offset)
{
	return do_pwrite(fd, buffer, length, offset);
}

#ifdef __GLIBC__ /* elsewhere it is a macro */
ssize_t pwrite64(int fd, const void *buffer, size_t length, off64_t offset)
{
	return do_pwrite(fd, buffer, length, offset);
}
#endif

int fsync(int fd)
{
	log_call("sync", fd);
	if (must_fail("fsync")) {
		errno = EIO;
		return -1;
	}
	return next("fsync")(fd);
}

int fdatasync(int fd)
{
	log_call("datasync", fd);
	return next("fdatasync")(fd);
}

int close(int fd)
{
	struct stat st;
	int flags = fcntl(fd, F_GETFL);
	int fails = must_fail("close") && flags >= 0 && (flags & O_ACCMODE) == O_WRONLY &&
		    fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
	int ret = next("close")(fd);

	if (!fails)
		return ret;
	errno = EDQUOT;
	return -1;
}
