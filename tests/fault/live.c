/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * live.c - what other processes, threads and signals do in the middle of a copy
 *
 * Usage: fault-live kill|signal|closed|truncate|threads
 *
 * When something happens is left to chance (seed: COPYOFF_TEST_SEED), what must
 * hold is not.
 */
#include "world.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MIB = 1 << 20 };

static uint64_t seed;
static pid_t child; /* to be ended with us */

static uint64_t chance(uint64_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % below;
}

static void end_child(void)
{
	int status;

	if (child <= 0)
		return;
	kill(child, SIGKILL);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	child = 0;
}

static void start_child(void)
{
	fflush(NULL);
	child = fork();
	REQUIRE(child >= 0);
	if (child == 0)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static void make(struct world *w, const struct layout *layout, int64_t dst)
{
	const char *why;

	if (!world_make(w, layout, &why))
		quit(77, "no such files here: %s", why);
	world_add(w, 0, dst, layout->src_size);
	world_reset(w);
}

/* The whole copy from byte @done on, by as many calls as it takes. */
static void finish(const struct world *w, uint64_t done, unsigned flags)
{
	while (done < w->total) {
		off_t src = w->v[0].src + (off_t)done;
		off_t dst = w->v[0].dst + (off_t)done;
		ssize_t ret = copyoff_copy(w->fd_in, &src, w->fd_out, &dst,
					   (size_t)(w->total - done), flags);

		if (ret <= 0)
			quit(1, "the rest cannot be copied: %s", ret < 0 ? strerror(errno) : "0");
		done += (uint64_t)ret;
	}
}

static void check(const char *why, const char *when)
{
	if (why)
		quit(1, "%s: %s", when, why);
}

/* --- kill ---------------------------------------------------------------------------- */

static const struct {
	const char *name;
	struct layout layout;
	unsigned flags;
	const char *backends;
} kinds[] = {
	{ "any backend", { .src_size = 4 * MIB, .dst_size = 5 * MIB }, 0, NULL },
	{ "read and write", { .src_size = 4 * MIB, .dst_size = MIB }, 0, "readwrite" },
	{ "holes",
	  { .src_size = 4 * MIB, .dst_size = 3 * MIB, .holes = true },
	  COPYOFF_SPARSE,
	  NULL },
	{ "O_DIRECT",
	  { .src_size = 4 * MIB, .dst_size = 5 * MIB, .src_direct = true, .dst_direct = true },
	  0,
	  NULL },
};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]), KILL_ROUNDS = 8 };

/* Copies again and again, until it is killed. */
static _Noreturn void copy_forever(const struct world *w, size_t kind, int started)
{
	const struct copyoff_opts opts = { .size = sizeof(opts), .backends = kinds[kind].backends };
	copyoff_ctx *ctx = copyoff_ctx_new(&opts);

	REQUIRE(ctx && write(started, "", 1) == 1);
	for (;;)
		REQUIRE(copyoff_ctx_copyv(ctx, w->fd_in, w->fd_out, w->v, w->n, kinds[kind].flags) >
			0);
}

static void kill_once(struct world *w, size_t kind)
{
	int fds[2];
	char c;

	world_reset(w);
	REQUIRE(pipe(fds) == 0);
	start_child();
	if (child == 0)
		copy_forever(w, kind, fds[1]);
	close(fds[1]);
	REQUIRE(read(fds[0], &c, 1) == 1);
	close(fds[0]);
	usleep((useconds_t)chance(2000));
	end_child();
	check(world_wrong(w, 0), "after kill -9");
	finish(w, 0, kinds[kind].flags);
	check(world_incomplete(w), "after kill -9 and another copy");
}

static void test_kill(void)
{
	for (size_t kind = 0; kind < KINDS; kind++) {
		struct world w;

		make(&w, &kinds[kind].layout, 4096);
		for (unsigned i = 0; i < KILL_ROUNDS; i++)
			kill_once(&w, kind);
		world_free(&w);
		printf("%s: %d times\n", kinds[kind].name, KILL_ROUNDS);
	}
}

/* --- signals --------------------------------------------------------------------------- */

static volatile sig_atomic_t signals;

static void on_signal(int signal)
{
	(void)signal;
	signals++;
}

static void set_timer(long us)
{
	const struct itimerval timer = {
		.it_value = { .tv_usec = us },
		.it_interval = { .tv_usec = us },
	};

	REQUIRE(setitimer(ITIMER_REAL, &timer, NULL) == 0);
}

/* Signals at any moment, until the copy is complete; returns how often it was stopped. */
static unsigned copy_under_signals(struct world *w, unsigned flags)
{
	const unsigned enough = 10;
	unsigned stopped = 0;
	uint64_t done = 0;

	while (done < w->total) {
		off_t src = w->v[0].src + (off_t)done;
		off_t dst = w->v[0].dst + (off_t)done;
		ssize_t ret;
		int err;

		if (stopped < enough)
			set_timer(100 + (long)chance(2000));
		ret = copyoff_copy(w->fd_in, &src, w->fd_out, &dst, (size_t)(w->total - done),
				   flags);
		err = errno;
		set_timer(0);
		if (ret < 0 && err != EINTR)
			quit(1, "under signals: %s", strerror(err));
		if (ret == 0)
			quit(1, "under signals: 0 at %llu of %llu bytes", (unsigned long long)done,
			     (unsigned long long)w->total);
		done += ret > 0 ? (uint64_t)ret : 0;
		REQUIRE(src == w->v[0].src + (off_t)done);
		stopped += done < w->total;
		check(world_wrong(w, done), "interrupted by a signal");
	}
	return stopped;
}

static void test_signal(void)
{
	const struct sigaction action = { .sa_handler = on_signal };
	unsigned stopped = 0;

	REQUIRE(sigaction(SIGALRM, &action, NULL) == 0);
	/* Reads and writes of local files do not care for signals. */
	REQUIRE(setenv("COPYOFF_BACKENDS", "copy_file_range,readwrite", 1) == 0);
	for (size_t kind = 0; kind < KINDS; kind++) {
		struct world w;

		make(&w, &kinds[kind].layout, 4096);
		for (unsigned i = 0; i < 5; i++) {
			world_reset(&w);
			stopped += copy_under_signals(&w, kinds[kind].flags);
		}
		world_free(&w);
	}
	printf("%d signals, %u short copies\n", (int)signals, stopped);
	if (stopped == 0)
		quit(77, "no signal came in the middle of a copy");
}

/* --- descriptors that are closed, or become another file --------------------------------- */

/*
 * Nothing can keep the bytes out of a file that takes over the number of
 * fd_out: the same is true of write(2).  What holds: bytes go nowhere but into
 * the range, and those that were counted are in one of the files.
 */
struct closer {
	int fd; /* to be closed */
	int by; /* what becomes of its number; -1: nothing */
	useconds_t delay;
};

static void *close_soon(void *data)
{
	const struct closer *c = data;

	usleep(c->delay);
	if (c->by >= 0)
		dup2(c->by, c->fd);
	else
		close(c->fd);
	return NULL;
}

static bool old_or_copied(const struct world *w, const char *now, size_t i)
{
	return now[i] == w->old[i] || (i >= 4096 && now[i] == w->src[i - 4096]);
}

static void check_both(const struct world *w, int other, uint64_t done)
{
	char *a = xalloc(w->room);
	char *b = xalloc(w->room);
	size_t wrong = SIZE_MAX;

	REQUIRE(read_all(w->dst_fd, a, w->room, 0) == w->old_size);
	REQUIRE(read_all(other, b, w->room, 0) == w->old_size);
	for (size_t i = 0; i < w->old_size && wrong == SIZE_MAX; i++) {
		bool counted = i >= 4096 && i - 4096 < done;

		if (!old_or_copied(w, a, i) || !old_or_copied(w, b, i) ||
		    (counted && a[i] != w->src[i - 4096] && b[i] != w->src[i - 4096]))
			wrong = i;
	}
	free(a);
	free(b);
	if (wrong != SIZE_MAX)
		quit(1, "byte %zu is neither old nor copied, or was counted and is nowhere", wrong);
}

static void close_once(struct world *w, int other, bool input, bool replace, unsigned flags)
{
	const int victim = fcntl(input ? w->src_fd : w->dst_fd, F_DUPFD_CLOEXEC, 0);
	struct closer closer = {
		.fd = victim,
		.by = replace ? (input ? w->src_fd : other) : -1,
		.delay = (useconds_t)chance(3000),
	};
	uint64_t done = 0;
	pthread_t thread;
	ssize_t ret;

	world_reset(w);
	write_all(other, w->old, w->old_size, 0);
	REQUIRE(pthread_create(&thread, NULL, close_soon, &closer) == 0);
	do {
		off_t src = (off_t)done;
		off_t dst = (off_t)done + 4096;

		ret = copyoff_copy(input ? victim : w->fd_in, &src, input ? w->fd_out : victim,
				   &dst, (size_t)(w->total - done), flags);
		/* A pipe of the library may get the number. */
		if (ret < 0 && errno != EBADF && errno != ESPIPE && errno != EINVAL)
			quit(1, "closed in the middle: %s", strerror(errno));
		done += ret > 0 ? (uint64_t)ret : 0;
	} while (ret > 0 && done < w->total);
	pthread_join(thread, NULL);
	if (replace)
		close(victim);
	check_both(w, other, done);
}

static void test_closed(void)
{
	const struct layout layout = { .src_size = 8 * MIB, .dst_size = 9 * MIB };
	struct world w;
	int other;

#if defined(__SANITIZE_THREAD__)
	quit(77, "the thread sanitizer reports the misuse that is tested here");
#endif
	make(&w, &layout, 4096);
	other = unnamed_file(NULL);
	for (unsigned i = 0; i < 24; i++)
		close_once(&w, other, i & 1, i & 2, i & 4 ? COPYOFF_NO_SHARE : 0);
	close(other);
	world_free(&w);
}

/* --- files that change size ------------------------------------------------------------- */

static _Noreturn void truncate_forever(int fd, off_t size)
{
	for (;;) {
		if (ftruncate(fd, (off_t)chance((uint64_t)size)) < 0)
			_exit(1);
		usleep((useconds_t)chance(500));
		if (ftruncate(fd, size) < 0)
			_exit(1);
		usleep((useconds_t)chance(500));
	}
}

/* In the range: bytes of the source, old ones, or zeroes, where a file was cut off. */
static void check_cut(const struct world *w)
{
	size_t start = (size_t)w->v[0].dst;
	size_t size = read_all(w->dst_fd, w->now, w->room, 0);

	if (size > start + w->total && size > w->old_size)
		quit(1, "the destination is too long");
	for (size_t i = 0; i < size; i++) {
		bool inside = i >= start && i < start + w->total;

		if (w->now[i] && !(i < w->old_size && w->now[i] == w->old[i]) &&
		    !(inside && w->now[i] == w->src[i - start]))
			quit(1, "byte %zu is neither old, nor copied, nor zero", i);
	}
}

static void copy_while_cut(struct world *w, bool input, unsigned flags)
{
	uint64_t done = 0;
	ssize_t ret;

	world_reset(w);
	write_all(w->src_fd, w->src, w->src_size, 0);
	start_child();
	if (child == 0)
		truncate_forever(input ? w->src_fd : w->dst_fd,
				 (off_t)(input ? w->src_size : w->old_size));
	do {
		off_t src = (off_t)done;
		off_t dst = w->v[0].dst + (off_t)done;

		ret = copyoff_copy(w->fd_in, &src, w->fd_out, &dst, (size_t)(w->total - done),
				   flags);
		if (ret < 0 && !(flags & COPYOFF_VERIFY && errno == EIO))
			quit(1, "truncated in the middle: %s", strerror(errno));
		REQUIRE(ret <= (ssize_t)(w->total - done));
		done += ret > 0 ? (uint64_t)ret : 0;
	} while (ret > 0 && done < w->total);
	end_child();
	check_cut(w);
}

static void test_truncate(void)
{
	static const unsigned flags[] = { 0, COPYOFF_SPARSE, COPYOFF_VERIFY, COPYOFF_NO_SHARE };

	alarm(300); /* instead of a loop without end */
	for (size_t kind = 0; kind < KINDS; kind++) {
		struct world w;

		make(&w, &kinds[kind].layout, 4096);
		for (unsigned i = 0; i < 16; i++)
			copy_while_cut(&w, i & 1, flags[i / 2 % 4]);
		world_free(&w);
	}
}

/* --- threads ------------------------------------------------------------------------------ */

enum { THREADS = 6, COPIES = 60 };

struct worker {
	const struct world *w; /* source for all; each has its part of the destination */
	unsigned i;
	uint64_t part;
	bool failed;
};

/* Half of the workers have a context. */
static void *copy_part(void *data)
{
	struct worker *me = data;
	copyoff_ctx *ctx = me->i % 2 ? copyoff_ctx_new(NULL) : NULL;
	const int64_t start = (int64_t)(me->i * me->part);

	for (unsigned n = 0; n < COPIES; n++) {
		uint64_t len = n % 3 ? 5000 : me->part;
		uint64_t done = 0;

		while (done < len) {
			off_t src = start + (off_t)done;
			off_t dst = start + (off_t)done;
			ssize_t ret = ctx ? copyoff_ctx_copy(ctx, me->w->fd_in, &src, me->w->fd_out,
							     &dst, (size_t)(len - done), 0)
					  : copyoff_copy(me->w->fd_in, &src, me->w->fd_out, &dst,
							 (size_t)(len - done),
							 n % 5 ? 0 : COPYOFF_NO_SHARE);

			if (ret <= 0) {
				me->failed = true;
				break;
			}
			done += (uint64_t)ret;
		}
	}
	copyoff_ctx_free(ctx);
	return NULL;
}

static void run_threads(const struct layout *layout)
{
	struct worker workers[THREADS];
	pthread_t threads[THREADS];
	struct world w;

	make(&w, layout, 0);
	for (unsigned i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){ &w, i, w.total / THREADS, false };
		REQUIRE(pthread_create(&threads[i], NULL, copy_part, &workers[i]) == 0);
	}
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (unsigned i = 0; i < THREADS; i++)
		REQUIRE(!workers[i].failed);
	check(world_incomplete(&w), "copied by threads");
	world_free(&w);
}

static void test_threads(void)
{
	const struct layout one = { .src_size = THREADS * 300000, .dst_size = 3 * MIB };
	const struct layout across = { .src_size = THREADS * 300000, .dst_dir = "/dev/shm" };
	const struct layout direct = { .src_size = THREADS * 589824,
				       .dst_size = THREADS * 589824,
				       .src_dir = "/dev/shm",
				       .dst_dir = "/dev/shm",
				       .src_direct = true,
				       .dst_direct = true };

	run_threads(&one);
	run_threads(&across);
	run_threads(&direct);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} tests[] = {
		{ "kill", test_kill },       { "signal", test_signal },
		{ "closed", test_closed },   { "truncate", test_truncate },
		{ "threads", test_threads },
	};
	const char *given = getenv("COPYOFF_TEST_SEED");

	seed = given ? strtoull(given, NULL, 0)
		     : (uint64_t)time(NULL) * 1000003 + (uint64_t)getpid();
	seed += seed == 0;
	printf("COPYOFF_TEST_SEED=%llu\n", (unsigned long long)seed);
	unsetenv("COPYOFF_BACKENDS");
	atexit(end_child);
	for (size_t i = 0; argc > 1 && i < sizeof(tests) / sizeof(tests[0]); i++) {
		if (strcmp(argv[1], tests[i].name) == 0) {
			tests[i].run();
			return 0;
		}
	}
	quit(1, "usage: fault-live kill|signal|closed|truncate|threads");
}
