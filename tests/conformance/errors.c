/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * errors.c - refused arguments, and which mistake is reported first
 */
#define _GNU_SOURCE
#include "conformance.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

enum { UNKNOWN_FLAG = 0x8000, SIZE = 200000 };

/* What a descriptor may be, in the order in which it is found out. */
enum side {
	NEGATIVE,
	CLOSED,
	PATH_ONLY,
	DIRECTORY,
	PIPE,
	SOCKET,
	NULL_DEVICE,
	ZERO_DEVICE,
	WRITE_ONLY,
	READ_ONLY,
	APPENDING,
	GOOD,
	SIDES
};

static const char *const side_names[SIDES] = {
	"-1",        "closed",    "O_PATH",   "directory", "pipe",     "socket",
	"/dev/null", "/dev/zero", "O_WRONLY", "O_RDONLY",  "O_APPEND", "good",
};

/* Descriptors of every kind, for each side of a copy. */
struct sides {
	struct file in, out;
	int fds[2][SIDES];
};

static void make(struct file *f, unsigned which)
{
	if (subject.devices[0])
		file_of_device(f, subject.devices[which], O_RDWR);
	else
		file_make(f, SIZE, which + 1);
}

static void open_files(const struct file *f, int *fds)
{
	fds[NEGATIVE] = -1;
	if (subject.posix)
		skip_case("O_PATH", "POSIX does not know it");
	fds[PATH_ONLY] = subject.posix ? -1 : file_open(f, O_PATH);
	fds[DIRECTORY] = open(subject.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fds[NULL_DEVICE] = open("/dev/null", O_RDWR | O_CLOEXEC);
	fds[ZERO_DEVICE] = open("/dev/zero", O_RDWR | O_CLOEXEC);
	fds[WRITE_ONLY] = file_open(f, O_WRONLY);
	fds[READ_ONLY] = file_open(f, O_RDONLY);
	fds[APPENDING] = file_open(f, O_RDWR | O_APPEND);
	fds[GOOD] = f->fd;
}

static void sides_open(struct sides *s)
{
	int pipe_fds[2], socket_fds[2];

	make(&s->in, 0);
	make(&s->out, 1);
	open_files(&s->in, s->fds[0]);
	open_files(&s->out, s->fds[1]);
	ck_assert_int_eq(pipe(pipe_fds), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, socket_fds), 0);
	s->fds[0][PIPE] = pipe_fds[0];
	s->fds[1][PIPE] = pipe_fds[1];
	s->fds[0][SOCKET] = socket_fds[0];
	s->fds[1][SOCKET] = socket_fds[1];
	/* Closed when all others are open, so that their numbers stay free. */
	s->fds[0][CLOSED] = dup(s->in.fd);
	s->fds[1][CLOSED] = dup(s->in.fd);
	close(s->fds[0][CLOSED]);
	close(s->fds[1][CLOSED]);
}

static void sides_close(struct sides *s)
{
	for (int i = 0; i < 2; i++) {
		for (int k = PATH_ONLY; k < GOOD; k++) /* f->fd is closed with its file */
			close(s->fds[i][k]);
	}
	file_close(&s->in);
	file_close(&s->out);
}

/* Section 3 of docs/semantics.md. */
static int first_mistake(enum side in, enum side out, int64_t off_in, int64_t off_out, uint64_t len,
			 unsigned flags)
{
	if (in <= PATH_ONLY || out <= PATH_ONLY)
		return EBADF;
	if ((flags & UNKNOWN_FLAG) || (flags & (COPYOFF_NO_SHARE | COPYOFF_REQUIRE_SHARE)) ==
					      (COPYOFF_NO_SHARE | COPYOFF_REQUIRE_SHARE))
		return EINVAL;
	if (in == DIRECTORY || out == DIRECTORY)
		return EISDIR;
	if (in <= ZERO_DEVICE || out <= ZERO_DEVICE)
		return EINVAL;
	if (in == WRITE_ONLY || out == READ_ONLY || out == APPENDING)
		return EBADF;
	if ((flags & COPYOFF_VERIFY) && out == WRITE_ONLY)
		return EBADF;
	if ((uint64_t)off_in + len < len || (uint64_t)off_out + len < len)
		return EOVERFLOW;
	if (off_in < 0 || off_out < 0)
		return EINVAL;
	return 0;
}

static const struct {
	int64_t src, dst;
	uint64_t len;
} arguments[] = {
	{ 0, 0, 0 },
	{ 0, 0, 1000 },
	{ 4096, 0, UINT64_MAX },
	{ 0, 4096, UINT64_MAX },
	{ -1, 0, 1 },
	{ -1, 0, 0 },
	{ 0, -1, 0 },
	{ -4096, 0, 100 },
	{ 0, -4096, 100 },
	{ INT64_MIN, INT64_MIN, 100 },
	{ 0, -4096, 8192 },
	{ SIZE + 1, -5, 3 },
	{ SIZE + 1, 0, 100 },
};

static const unsigned flag_sets[] = { 0, UNKNOWN_FLAG, COPYOFF_NO_SHARE | COPYOFF_REQUIRE_SHARE,
				      UNKNOWN_FLAG | COPYOFF_SYNC, COPYOFF_VERIFY };

/* Every kind of descriptor with every other, every argument, and all flags. */
START_TEST(test_order_of_checks)
{
	copyoff_ctx *ctx = context_new(0, 0);
	enum side in = (enum side)_i;
	struct sides s;

	sides_open(&s);
	for (int out = 0; out < SIDES; out++) {
		for (size_t a = 0; a < COUNT(arguments); a++) {
			for (size_t k = 0; k < COUNT(flag_sets); k++) {
				int64_t src = arguments[a].src, dst = arguments[a].dst;
				uint64_t len = arguments[a].len;
				int must = first_mistake(in, (enum side)out, src, dst, len,
							 flag_sets[k]);

				if (must == 0 || !fits_size_t(len))
					continue;
				for (int how = 0; how < HOW_COUNT; how++) {
					int64_t got = copy((enum how)how, ctx, s.fds[0][in], src,
							   s.fds[1][out], dst, len, flag_sets[k]);

					ck_assert_msg(got == -must,
						      "%s: %s %lld -> %s %lld, %llu, flags 0x%x: "
						      "%lld, and must be %d",
						      how_names[how], side_names[in],
						      (long long)src, side_names[out],
						      (long long)dst, (unsigned long long)len,
						      flag_sets[k], (long long)got, -must);
					ck_assert(how == HOW_SIMPLE ||
						  (copyoff_ctx_last(ctx)->error == must &&
						   copyoff_ctx_last(ctx)->message[0] &&
						   copyoff_ctx_last(ctx)->bytes == 0 &&
						   strcmp(copyoff_ctx_last(ctx)->backend, "none") ==
							   0));
				}
			}
		}
	}
	file_check(&s.in, "after refusals");
	file_check(&s.out, "after refusals");
	sides_close(&s);
	copyoff_ctx_free(ctx);
}
END_TEST

/* The same against the kernel itself, which knows no flags. */
START_TEST(test_order_of_the_kernel)
{
	enum side in = (enum side)_i;
	copyoff_ctx *ctx;
	struct sides s;

	if (!kernel_copies()) {
		skip_case("order of checks of the kernel", "copy_file_range(2) does not copy here");
		return;
	}
	ctx = context_new(0, 0);
	sides_open(&s);
	for (int out = 0; out < SIDES; out++) {
		for (size_t a = 0; a < COUNT(arguments); a++) {
			int64_t src = arguments[a].src, dst = arguments[a].dst;
			uint64_t len = arguments[a].len;
			int64_t must;

			if (first_mistake(in, (enum side)out, src, dst, len, 0) == 0 ||
			    !fits_size_t(len))
				continue;
			must = kernel_copy(s.fds[0][in], src, s.fds[1][out], dst, len);
			for (int how = 0; how < HOW_COUNT; how++) {
				int64_t got = copy((enum how)how, ctx, s.fds[0][in], src,
						   s.fds[1][out], dst, len, 0);

				ck_assert_msg(
					got == must,
					"%s: %s %lld -> %s %lld, %llu: %lld, the kernel says %lld",
					how_names[how], side_names[in], (long long)src,
					side_names[out], (long long)dst, (unsigned long long)len,
					(long long)got, (long long)must);
			}
		}
	}
	sides_close(&s);
	copyoff_ctx_free(ctx);
}
END_TEST

/* NULL offsets: descriptors without a position are refused for what they are. */
START_TEST(test_null_offsets)
{
	copyoff_ctx *ctx = context_new(0, 0);
	struct sides s;

	sides_open(&s);
	for (int in = 0; in < SIDES; in++) {
		for (int out = 0; out < SIDES; out++) {
			int must = first_mistake((enum side)in, (enum side)out, 0, 0, 100, 0);
			ssize_t ret;

			if (must == 0)
				continue;
			errno = 0;
			ret = _i ? copyoff_ctx_copy(ctx, s.fds[0][in], NULL, s.fds[1][out], NULL,
						    100, 0)
				 : copyoff_copy(s.fds[0][in], NULL, s.fds[1][out], NULL, 100, 0);
			ck_assert_msg(ret == -1 && errno == must,
				      "%s -> %s: %zd, errno %d, must be %d", side_names[in],
				      side_names[out], ret, errno, must);
		}
	}
	sides_close(&s);
	copyoff_ctx_free(ctx);
}
END_TEST

START_TEST(test_null_pointers)
{
	struct copyoff_stats stats = { .size = sizeof(stats) };
	struct copyoff_range range = { 0, 0, 1 };
	struct file f;
	char c;

	file_make(&f, 100, 1);
	errno = 0;
	ck_assert_int_eq(copyoff_ctx_copy(NULL, f.fd, NULL, f.fd, NULL, 1, 0), -1);
	ck_assert_int_eq(errno, EINVAL);
	errno = 0;
	ck_assert_int_eq(copyoff_ctx_copyv(NULL, f.fd, f.fd, &range, 1, 0), -1);
	ck_assert_int_eq(errno, EINVAL);
	errno = 0;
	ck_assert_ptr_null(copyoff_ctx_last(NULL));
	ck_assert_int_eq(errno, EINVAL);
	errno = 0;
	ck_assert_ptr_null(copyoff_plan_new(NULL, f.fd, f.fd, 0));
	ck_assert_int_eq(errno, EINVAL);
	errno = 0;
	ck_assert_uint_eq(copyoff_plan_count(NULL), 0);
	ck_assert_int_eq(errno, EINVAL);
	errno = 0;
	ck_assert_ptr_null(copyoff_plan_verdict(NULL, 0));
	ck_assert_int_eq(errno, EINVAL);
	errno = 0;
	ck_assert_uint_eq(copyoff_plan_explain(NULL, &c, 1), 0);
	ck_assert_int_eq(errno, EINVAL);
	errno = 0;
	ck_assert_int_eq(copyoff_ctx_stats(NULL, NULL, &stats), -1);
	ck_assert_int_eq(errno, EINVAL);
	copyoff_ctx_free(NULL);
	copyoff_plan_free(NULL);
	file_check(&f, "after NULL");
	file_close(&f);
}
END_TEST

/* A plan refuses what a copy refuses. */
START_TEST(test_plan)
{
	copyoff_ctx *ctx = context_new(0, 0);
	struct sides s;

	sides_open(&s);
	for (int in = 0; in < SIDES; in++) {
		for (int out = 0; out < SIDES; out++) {
			for (size_t k = 0; k < COUNT(flag_sets); k++) {
				int must = first_mistake((enum side)in, (enum side)out, 0, 0, 0,
							 flag_sets[k]);
				copyoff_plan *plan = copyoff_plan_new(ctx, s.fds[0][in],
								      s.fds[1][out], flag_sets[k]);

				if (must == 0) {
					ck_assert_ptr_nonnull(plan);
					copyoff_plan_free(plan);
					continue;
				}
				ck_assert_msg(!plan && errno == must, "%s -> %s: plan %p, errno %d",
					      side_names[in], side_names[out], (void *)plan, errno);
				ck_assert_int_eq(copyoff_ctx_last(ctx)->error, must);
			}
		}
	}
	sides_close(&s);
	copyoff_ctx_free(ctx);
}
END_TEST

TCase *cases_errors(void)
{
	TCase *tc = tcase_create("errors");

	tcase_set_timeout(tc, 0);
	tcase_add_loop_test(tc, test_order_of_checks, 0, SIDES);
	if (!subject.devices[0]) /* for them, the kernel has no such call */
		tcase_add_loop_test(tc, test_order_of_the_kernel, 0, SIDES);
	tcase_add_loop_test(tc, test_null_offsets, 0, 2);
	tcase_add_test(tc, test_null_pointers);
	tcase_add_test(tc, test_plan);
	return tc;
}
