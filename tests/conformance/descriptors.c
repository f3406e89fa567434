/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * descriptors.c - the library may open the files a second time, and other things
 * besides: POSIX locks of the caller outlive that, and a lack of descriptors is
 * reported as such
 */
#define _GNU_SOURCE
#include "conformance.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { K = 1024, M = 1024 * K, SIZE = 2 * M };

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* Copies for which a backend or the core may need descriptors of its own. */
static const struct kind {
	const char *name;
	bool holes;
	bool direct; /* O_DIRECT, whatever the backend wants */
	int64_t src, dst;
	uint64_t len, old_size; /* of the destination */
	unsigned flags;
} kinds[] = {
	{ "data", false, false, 0, 0, SIZE, 0, COPYOFF_NO_SHARE },
	{ "any way", false, false, 0, 0, SIZE, 0, 0 },
	{ "holes behind the end", true, false, 0, 0, SIZE, 0, COPYOFF_NO_SHARE },
	{ "holes over data", true, false, 100, 333, SIZE - 100, SIZE, COPYOFF_NO_SHARE },
	{ "punched holes", true, false, 0, 0, SIZE, SIZE, COPYOFF_SPARSE },
	{ "verified", true, false, 1, 0, SIZE - 1, M, COPYOFF_NO_SHARE | COPYOFF_VERIFY },
	{ "O_DIRECT", false, true, 0, 0, SIZE, SIZE, COPYOFF_NO_SHARE },
	{ "odd O_DIRECT", false, true, 100, 100, SIZE - 200, SIZE, COPYOFF_NO_SHARE },
	{ "odd O_DIRECT, any way", false, true, 1, 0, SIZE - 1, 0, COPYOFF_VERIFY },
	{ "O_DIRECT, holes", true, true, 0, 4096, SIZE - 1, 0, COPYOFF_NO_SHARE },
	{ "O_DIRECT, holes, verified", true, true, 0, 0, SIZE, 0, COPYOFF_VERIFY },
};

struct rig {
	const struct kind *kind;
	bool odd; /* O_DIRECT, with ends that it does not take */
	struct file in, out;
	copyoff_ctx *ctx;
};

static bool takes_direct(void)
{
	struct file f;
	char path[64];
	int fd;

	file_make(&f, 4096, 1);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", f.io);
	fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (fd >= 0)
		close(fd);
	file_close(&f);
	return fd >= 0;
}

/* False if there can be no such copy here. */
static bool rig_up(struct rig *rig, const struct kind *kind)
{
	if (kind->direct && (subject.posix || !takes_direct())) {
		skip_case(kind->name, "no O_DIRECT here");
		return false;
	}
	rig->kind = kind;
	rig->odd = (kind->direct || subject.direct) && ((uint64_t)kind->dst | kind->len) % 4096;
	file_make(&rig->in, SIZE, 1);
	file_make(&rig->out, kind->old_size, 2);
	if (kind->holes) {
		file_punch(&rig->in, 256 * K, 512 * K);
		file_punch(&rig->in, SIZE - M / 2, M / 2);
	}
	if (kind->direct) {
		file_reopen(&rig->in, O_RDONLY | O_DIRECT);
		file_reopen(&rig->out, O_RDWR | O_DIRECT);
	}
	rig->ctx = context_new(0, 0);
	return true;
}

static void rig_down(struct rig *rig)
{
	copyoff_ctx_free(rig->ctx);
	file_close(&rig->in);
	file_close(&rig->out);
}

/*
 * The whole copy; odd O_DIRECT may end with @err instead, and then with an exact
 * prefix.
 */
static void copy_or_fail(struct rig *rig, enum how how, int err)
{
	const struct kind *kind = rig->kind;
	uint64_t done = 0;
	int64_t got;

	do {
		got = copy(how, rig->ctx, rig->in.fd, kind->src + (int64_t)done, rig->out.fd,
			   kind->dst + (int64_t)done, kind->len - done, kind->flags);
		done += got > 0 ? (uint64_t)got : 0;
	} while (got > 0 && done < kind->len);
	ck_assert_msg(done == kind->len || (rig->odd && got == -err),
		      "%s by %s: %lld after %llu bytes", kind->name, how_names[how], (long long)got,
		      (unsigned long long)done);
	if (got < 0 && how != HOW_SIMPLE) {
		ck_assert_int_eq(copyoff_ctx_last(rig->ctx)->error, err);
		ck_assert_str_ne(copyoff_ctx_last(rig->ctx)->message, "");
	}
	model_copy(&rig->in.model, kind->src, &rig->out.model, kind->dst, done, 0, UINT64_MAX);
	file_adopt(&rig->out, (uint64_t)kind->dst + done, kind->len - done);
	file_check(&rig->out, kind->name);
	file_check(&rig->in, kind->name);
}

/* --- POSIX locks ---------------------------------------------------------- */

/* Bytes that no copy touches, as databases do it. */
static struct flock lock_of(short type)
{
	return (struct flock){
		.l_type = type,
		.l_whence = SEEK_SET,
		.l_start = 1 << 30,
		.l_len = 512,
	};
}

static void lock(const struct file *f, short type)
{
	struct flock lock = lock_of(type);

	ck_assert_msg(fcntl(f->io, F_SETLK, &lock) == 0, "F_SETLK: %s", strerror(errno));
}

/* As another process sees it. */
static bool is_locked(const struct file *f)
{
	struct flock lock = lock_of(F_WRLCK);
	const pid_t me = getpid();
	int status;
	pid_t pid;

	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		_exit(fcntl(f->io, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK &&
		      lock.l_pid == me);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status) == 1;
}

/* Of the source, of the destination, or of both. */
START_TEST(test_posix_locks)
{
	for (unsigned i = 0; i < 3 * HOW_COUNT; i++) {
		const enum how how = (enum how)(i % HOW_COUNT);
		const bool in = i / HOW_COUNT != 1, out = i / HOW_COUNT != 0;
		struct rig rig;

		if (!rig_up(&rig, &kinds[_i]))
			return;
		if (in)
			lock(&rig.in, F_RDLCK);
		if (out)
			lock(&rig.out, F_WRLCK);
		copy_or_fail(&rig, how, EINVAL);
		ck_assert_msg(is_locked(&rig.in) == in && is_locked(&rig.out) == out,
			      "%s by %s: a lock is lost", rig.kind->name, how_names[how]);
		copyoff_ctx_free(rig.ctx);
		rig.ctx = NULL;
		ck_assert_msg(is_locked(&rig.in) == in && is_locked(&rig.out) == out,
			      "%s by %s: a lock is lost with the context", rig.kind->name,
			      how_names[how]);
		rig_down(&rig);
	}
}
END_TEST

/* Locks that come between two copies: nothing that was kept may drop them. */
START_TEST(test_posix_locks_later)
{
	struct rig rig;

	if (!rig_up(&rig, &kinds[_i]))
		return;
	copy_or_fail(&rig, HOW_CONTEXT, 0);
	lock(&rig.in, F_RDLCK);
	lock(&rig.out, F_WRLCK);
	copy_or_fail(&rig, HOW_CONTEXT, EINVAL);
	copyoff_ctx_free(rig.ctx);
	rig.ctx = NULL;
	ck_assert(is_locked(&rig.in));
	ck_assert(is_locked(&rig.out));
	rig_down(&rig);
}
END_TEST

/* A process that has a lock on the file until it is killed. */
static pid_t lock_elsewhere(const struct file *f)
{
	char locked = 0;
	int fds[2];
	pid_t pid;

	ck_assert_int_eq(pipe(fds), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		struct flock lock = lock_of(F_RDLCK);

		locked = fcntl(f->io, F_SETLK, &lock) == 0;
		if (write(fds[1], &locked, 1) != 1)
			_exit(EXIT_FAILURE);
		for (;;)
			pause();
	}
	ck_assert_int_eq(read(fds[0], &locked, 1), 1);
	ck_assert_int_eq(locked, 1);
	close(fds[0]);
	close(fds[1]);
	return pid;
}

/* Locks of others cannot be dropped, and cost nothing. */
START_TEST(test_posix_locks_of_others)
{
	static const struct kind kind = { "locked elsewhere", true, false, 0, 0, SIZE, 0,
					  COPYOFF_NO_SHARE };
	struct rig rig;
	pid_t pid;

	if (!rig_up(&rig, &kind))
		return;
	pid = lock_elsewhere(&rig.in);
	copy_or_fail(&rig, HOW_CONTEXT, 0);
	if (subject.posix || file_allocated(&rig.in) >= SIZE)
		skip_case(kind.name, "no holes here");
	else
		ck_assert_uint_lt(file_allocated(&rig.out), SIZE);
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	rig_down(&rig);
}
END_TEST

/*
 * Without O_DIRECT the file cannot be made to end behind a hole: what became of
 * the hole is noted, and nothing else.
 */
START_TEST(test_note_of_lost_holes)
{
	static const struct kind kind = { "lost holes", true, true, 0, 0, SIZE, 0, 0 };
	struct kind with_flags = kind;
	struct rig rig;

	with_flags.flags = COPYOFF_NO_SHARE | (_i ? COPYOFF_VERIFY : 0);
	if (!rig_up(&rig, &with_flags))
		return;
	if (file_allocated(&rig.in) >= SIZE) {
		skip_case(kind.name, "the file system makes no holes");
	} else {
		lock(&rig.out, F_WRLCK);
		copy_or_fail(&rig, HOW_CONTEXT, 0);
		ck_assert_msg(strstr(copyoff_ctx_last(rig.ctx)->message, "zeroes were written"),
			      "the message is \"%s\"", copyoff_ctx_last(rig.ctx)->message);
	}
	rig_down(&rig);
}
END_TEST

/* --- RLIMIT_NOFILE -------------------------------------------------------- */

/* At most @n more descriptors can be opened; -1: as many as before. */
static void leave_descriptors(int n)
{
	static struct rlimit before;
	struct rlimit limit;
	int lowest;

	if (n < 0) {
		ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
		return;
	}
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	lowest = dup(STDERR_FILENO);
	ck_assert_int_ge(lowest, 0);
	close(lowest);
	limit = before;
	limit.rlim_cur = (rlim_t)(lowest + n);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

START_TEST(test_no_descriptors)
{
	for (int i = 0; i < 3 * HOW_COUNT; i++) {
		struct rig rig;

		if (!rig_up(&rig, &kinds[_i]))
			return;
		leave_descriptors(i / HOW_COUNT);
		copy_or_fail(&rig, (enum how)(i % HOW_COUNT), EMFILE);
		leave_descriptors(-1);
		/* It was of that moment. */
		copy_or_fail(&rig, (enum how)(i % HOW_COUNT), 0);
		rig_down(&rig);
	}
}
END_TEST

TCase *cases_descriptors(void)
{
	TCase *tc = tcase_create("descriptors");
	const int n = (int)COUNT(kinds);

	tcase_set_timeout(tc, 0);
	tcase_add_loop_test(tc, test_posix_locks, 0, n);
	tcase_add_loop_test(tc, test_posix_locks_later, 0, n);
	tcase_add_test(tc, test_posix_locks_of_others);
	tcase_add_loop_test(tc, test_note_of_lost_holes, 0, 2);
	tcase_add_loop_test(tc, test_no_descriptors, 0, n);
	return tc;
}
