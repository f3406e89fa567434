/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * reopen.c - files that the library opens a second time: the right ones, and
 * as the caller has opened them
 *
 * Usage: fault-reopen sync|unshared
 */
#include "world.h"

#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MIB = 1 << 20 };

/* --- what the library does ------------------------------------------------------------ */

static unsigned reopened, written; /* times; by descriptors of its own */
static int fd_of_caller = -1;
static int must_have; /* flags of descriptors that are written to */

int __real_copyoff_sys_reopen(int fd, enum copyoff_access access);
int __wrap_copyoff_sys_reopen(int fd, enum copyoff_access access);
ssize_t __real_copyoff_sys_pwrite(int fd, const void *buf, size_t len, int64_t off);
ssize_t __wrap_copyoff_sys_pwrite(int fd, const void *buf, size_t len, int64_t off);

int __wrap_copyoff_sys_reopen(int fd, enum copyoff_access access)
{
	int ret = __real_copyoff_sys_reopen(fd, access);

	reopened += ret >= 0;
	return ret;
}

ssize_t __wrap_copyoff_sys_pwrite(int fd, const void *buf, size_t len, int64_t off)
{
	int flags = fcntl(fd, F_GETFL);

	written += fd != fd_of_caller;
	if ((flags & must_have) != must_have)
		quit(1, "%zu bytes at %lld are written with flags 0%o, without 0%o", len,
		     (long long)off, (unsigned)flags, (unsigned)must_have);
	return __real_copyoff_sys_pwrite(fd, buf, len, off);
}

static void make(struct world *w, const struct layout *layout, int64_t src, int64_t dst)
{
	const char *why;

	if (!world_make(w, layout, &why))
		quit(77, "no such files here: %s", why);
	world_add(w, src, dst, layout->src_size - (size_t)src);
	world_reset(w);
}

static void check(const char *why, const char *when)
{
	if (why)
		quit(1, "%s: %s", when, why);
}

/* --- O_SYNC and O_DSYNC ---------------------------------------------------------------- */

/* Whoever opens a file so relies on each write being durable. */
static void copy_synchronously(int flag, bool holes, int64_t src, int64_t dst)
{
	const struct layout layout = {
		.src_size = MIB + 100,
		.holes = holes,
		.dst_direct = true,
	};
	off_t in = src, out = dst;
	struct world w;
	ssize_t ret;

	make(&w, &layout, src, dst);
	close(w.fd_out);
	w.fd_out = open_again(w.dst_fd, O_RDWR | O_DIRECT | flag);
	REQUIRE(w.fd_out >= 0);
	fd_of_caller = w.fd_out;
	must_have = flag;
	written = 0;
	ret = copyoff_copy(w.fd_in, &in, w.fd_out, &out, (size_t)w.total, COPYOFF_NO_SHARE);
	must_have = 0;
	REQUIRE(ret == (ssize_t)w.total);
	REQUIRE(written > 0);
	check(world_incomplete(&w), "copied with O_SYNC or O_DSYNC");
	world_free(&w);
}

static void test_sync(void)
{
	static const int flags[] = { O_DSYNC, O_SYNC };

	for (unsigned i = 0; i < 2; i++) {
		copy_synchronously(flags[i], false, 0, 0);
		copy_synchronously(flags[i], false, 100, 100);
		copy_synchronously(flags[i], false, 0, 777);
		copy_synchronously(flags[i], true, 0, 0);
	}
}

/* --- a thread with descriptors of its own -------------------------------------------------- */

struct job {
	const struct world *mine; /* by the numbers of the other */
	const struct world *other;
	unsigned flags;
	ssize_t ret;
	int err; /* 0, or what has failed */
};

static void *copy_unshared(void *data)
{
	struct job *job = data;
	off_t src = job->mine->v[0].src, dst = job->mine->v[0].dst;

	if (unshare(CLONE_FILES) < 0 || dup2(job->mine->fd_in, job->other->fd_in) < 0 ||
	    dup2(job->mine->fd_out, job->other->fd_out) < 0) {
		job->err = errno;
		return NULL;
	}
	job->ret = copyoff_copy(job->other->fd_in, &src, job->other->fd_out, &dst,
				(size_t)job->mine->total, job->flags | COPYOFF_NO_SHARE);
	return NULL;
}

/* The numbers are those of files of the other threads, which are to be left alone. */
static void copy_by_numbers_of(const struct layout *other, const struct layout *mine, int64_t dst,
			       unsigned flags)
{
	struct world a, b;
	struct job job = { .mine = &a, .other = &b, .flags = flags };
	pthread_t thread;

	make(&a, mine, 0, dst);
	make(&b, other, 0, dst);
	reopened = 0;
	REQUIRE(pthread_create(&thread, NULL, copy_unshared, &job) == 0);
	pthread_join(thread, NULL);
	if (job.err)
		quit(77, "no descriptors of its own for a thread: %s", strerror(job.err));
	check(world_incomplete(&a), "files of the thread");
	REQUIRE(job.ret == (ssize_t)a.total);
	REQUIRE(reopened > 0);
	b.n = 0; /* nothing of it */
	check(world_wrong(&b, 0), "files of other threads");
	world_free(&a);
	world_free(&b);
}

static void test_unshared(void)
{
	const struct layout data = { .src_size = MIB, .dst_size = 2 * MIB };
	const struct layout holes = { .src_size = MIB, .dst_size = 2 * MIB, .holes = true };
	const struct layout direct = {
		.src_size = MIB, .dst_size = 2 * MIB, .src_direct = true, .dst_direct = true
	};

	copy_by_numbers_of(&holes, &data, 0, COPYOFF_SPARSE);
	copy_by_numbers_of(&data, &holes, 0, COPYOFF_SPARSE);
	copy_by_numbers_of(&data, &holes, 0, 0);
	copy_by_numbers_of(&direct, &direct, 100, 0);
}

int main(int argc, char **argv)
{
	unsetenv("COPYOFF_BACKENDS");
	if (argc > 1 && strcmp(argv[1], "sync") == 0)
		test_sync();
	else if (argc > 1 && strcmp(argv[1], "unshared") == 0)
		test_unshared();
	else
		quit(1, "usage: fault-reopen sync|unshared");
	return 0;
}
