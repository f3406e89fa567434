/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * calls.c - copies that are checked against the model
 */
#define _GNU_SOURCE
#include "conformance.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

const char *const how_names[HOW_COUNT] = { "copyoff_copy", "copyoff_ctx_copy",
					   "copyoff_ctx_copyv" };

copyoff_ctx *context_new(size_t chunk, unsigned depth)
{
	struct copyoff_opts opts = {
		.size = sizeof(opts),
		.backends = subject.backend ? subject.filter : NULL,
		.chunk = chunk,
		.depth = depth,
	};
	copyoff_ctx *ctx = copyoff_ctx_new(&opts);

	ck_assert_msg(ctx != NULL, "copyoff_ctx_new: %s", strerror(errno));
	return ctx;
}

uint64_t size_limit = UINT64_MAX;

/* Not longer than for the call: the framework writes to files, too. */
static void set_limit(uint64_t bytes)
{
	struct rlimit limit;

	getrlimit(RLIMIT_FSIZE, &limit);
	limit.rlim_cur = bytes == UINT64_MAX ? limit.rlim_max : bytes;
	setrlimit(RLIMIT_FSIZE, &limit);
}

int64_t copyv(copyoff_ctx *ctx, int fd_in, int fd_out, const struct copyoff_range *v, size_t n,
	      unsigned flags)
{
	int64_t ret;

	set_limit(size_limit);
	ret = copyoff_ctx_copyv(ctx, fd_in, fd_out, v, n, flags);
	ret = ret < 0 ? -errno : ret;
	set_limit(UINT64_MAX);
	return ret;
}

int64_t copy(enum how how, copyoff_ctx *ctx, int fd_in, int64_t off_in, int fd_out, int64_t off_out,
	     uint64_t len, unsigned flags)
{
	struct copyoff_range range = { off_in, off_out, len };
	off_t in = off_in, out = off_out;
	int64_t ret;

	if (how == HOW_VECTOR)
		return copyv(ctx, fd_in, fd_out, &range, 1, flags);
	set_limit(size_limit);
	if (how == HOW_CONTEXT)
		ret = copyoff_ctx_copy(ctx, fd_in, &in, fd_out, &out, (size_t)len, flags);
	else
		ret = copyoff_copy(fd_in, &in, fd_out, &out, (size_t)len, flags);
	ret = ret < 0 ? -errno : ret;
	set_limit(UINT64_MAX);
	ck_assert_msg(in - off_in == (ret > 0 ? ret : 0) && out - off_out == (ret > 0 ? ret : 0),
		      "%s returned %lld and moved the offsets by %lld and %lld", how_names[how],
		      (long long)ret, (long long)(in - off_in), (long long)(out - off_out));
	return ret;
}

/* Places where no copy below ends by chance. */
enum { POSITION_IN = 12345, POSITION_OUT = 54321 };

static void set_positions(const struct file *in, const struct file *out)
{
	ck_assert_int_eq(lseek(in->fd, POSITION_IN, SEEK_SET), POSITION_IN);
	if (out->fd != in->fd)
		ck_assert_int_eq(lseek(out->fd, POSITION_OUT, SEEK_SET), POSITION_OUT);
}

static void check_positions(const struct file *in, const struct file *out, const char *what)
{
	off_t now = lseek(in->fd, 0, SEEK_CUR);

	ck_assert_msg(now == POSITION_IN, "%s: moved the file position of fd_in to %lld", what,
		      (long long)now);
	now = lseek(out->fd, 0, SEEK_CUR);
	ck_assert_msg(out->fd == in->fd || now == POSITION_OUT,
		      "%s: moved the file position of fd_out to %lld", what, (long long)now);
}

/* The result struct must tell the same story as the return value. */
static void check_result(copyoff_ctx *ctx, int64_t ret, const char *what)
{
	const struct copyoff_result *r = copyoff_ctx_last(ctx);

	ck_assert_msg(r->bytes == (uint64_t)(ret > 0 ? ret : 0),
		      "%s: returned %lld, result.bytes %llu", what, (long long)ret,
		      (unsigned long long)r->bytes);
	ck_assert_msg(r->bytes_offloaded <= r->bytes, "%s: offloaded more than copied", what);
	ck_assert_msg(ret >= 0 || r->error == -ret, "%s: failed with %lld, result.error %d", what,
		      (long long)ret, r->error);
	ck_assert_msg(ret != 0 || strcmp(r->backend, "none") == 0,
		      "%s: returned 0 by backend \"%s\"", what, r->backend);
	ck_assert_msg(ret >= 0 || r->message[0], "%s: failed without a message", what);
}

/* Bytes of the range that the backend must move itself if it is usable. */
static uint64_t share_of_backend(const struct copyoff_verdict *v, uint64_t src, uint64_t dst,
				 uint64_t len)
{
	uint64_t align = v->limits.align > 1 ? v->limits.align : 1;
	uint64_t head = (align - src % align) % align;
	uint64_t body;

	if (!v->usable || src % align != dst % align || head >= len)
		return 0;
	body = len - head - (len - head) % align;
	return body >= v->limits.min_total ? body : 0;
}

static uint64_t declines(const copyoff_ctx *ctx)
{
	struct copyoff_stats stats = { .size = sizeof(stats) };

	ck_assert_int_eq(copyoff_ctx_stats(ctx, subject.backend, &stats), 0);
	return stats.declines;
}

uint64_t bytes_moved(const copyoff_ctx *ctx)
{
	struct copyoff_stats stats = { .size = sizeof(stats) };

	ck_assert_int_eq(copyoff_ctx_stats(ctx, subject.backend, &stats), 0);
	return stats.bytes;
}

static bool is_full_of_data(const struct model *m, uint64_t off, uint64_t len)
{
	return len == 0 || !memchr(m->data + off, 0, (size_t)len);
}

int64_t checked_copy(enum how how, copyoff_ctx *ctx, struct file *in, int64_t off_in,
		     struct file *out, int64_t off_out, uint64_t len, unsigned flags)
{
	bool counts = subject.backend && how != HOW_SIMPLE && flags == 0;
	struct copyoff_verdict verdict = { 0 };
	uint64_t moved = 0, declined = 0;
	int64_t expected, got;
	char what[200];

	snprintf(what, sizeof(what), "%s %lld -> %lld, %llu bytes, flags 0x%x", how_names[how],
		 (long long)off_in, (long long)off_out, (unsigned long long)len, flags);
	set_positions(in, out);
	if (counts) {
		verdict = verdict_of(ctx, in->fd, out->fd, flags);
		moved = bytes_moved(ctx);
		declined = declines(ctx);
	}
	got = copy(how, ctx, in->fd, off_in, out->fd, off_out, len, flags);
	expected = model_copy(&in->model, off_in, &out->model, off_out, len, flags, size_limit);
	ck_assert_msg(got == expected, "%s: returned %lld, and must return %lld", what,
		      (long long)got, (long long)expected);
	if (how != HOW_SIMPLE)
		check_result(ctx, got, what);
	check_positions(in, out, what);
	file_check(out, what);
	if (in != out)
		file_check(in, what);
	if (out->model.fixed && got > 0)
		file_check_direct(out, (uint64_t)off_out, (uint64_t)got, what);
	if (counts && got > 0 && (in != out || out->model.fixed) && declines(ctx) == declined &&
	    is_full_of_data(&in->model, (uint64_t)off_in, (uint64_t)got))
		ck_assert_msg(bytes_moved(ctx) - moved >=
				      share_of_backend(&verdict, (uint64_t)off_in,
						       (uint64_t)off_out, (uint64_t)got),
			      "%s: %s said that it is usable, and moved %llu bytes", what,
			      subject.backend, (unsigned long long)(bytes_moved(ctx) - moved));
	return got;
}

int64_t checked_copyv(copyoff_ctx *ctx, struct file *in, struct file *out,
		      const struct copyoff_range *v, size_t n, unsigned flags)
{
	int64_t expected, got;
	char what[64];

	snprintf(what, sizeof(what), "%zu ranges, flags 0x%x", n, flags);
	set_positions(in, out);
	got = copyv(ctx, in->fd, out->fd, v, n, flags);
	expected = model_copyv(&in->model, &out->model, v, n, flags, size_limit);
	ck_assert_msg(got == expected, "%s: returned %lld, and must return %lld", what,
		      (long long)got, (long long)expected);
	check_result(ctx, got, what);
	check_positions(in, out, what);
	file_check(out, what);
	if (in != out)
		file_check(in, what);
	return got;
}

struct copyoff_verdict verdict_of(copyoff_ctx *ctx, int fd_in, int fd_out, unsigned flags)
{
	copyoff_plan *plan = copyoff_plan_new(ctx, fd_in, fd_out, flags);
	struct copyoff_verdict found = { 0 };

	ck_assert_msg(plan != NULL, "copyoff_plan_new: %s", strerror(errno));
	for (size_t i = 0; i < copyoff_plan_count(plan); i++) {
		const struct copyoff_verdict *v = copyoff_plan_verdict(plan, i);

		if (subject.backend && strcmp(v->backend, subject.backend) == 0)
			found = *v;
	}
	copyoff_plan_free(plan);
	return found;
}

bool policy_can_be_met(copyoff_ctx *ctx, int fd_in, int fd_out, unsigned flags)
{
	copyoff_plan *plan = copyoff_plan_new(ctx, fd_in, fd_out, flags);
	bool found = false;

	ck_assert_msg(plan != NULL, "copyoff_plan_new: %s", strerror(errno));
	for (size_t i = 0; i < copyoff_plan_count(plan); i++)
		found = found || copyoff_plan_verdict(plan, i)->usable;
	copyoff_plan_free(plan);
	return found;
}

int64_t kernel_copy(int fd_in, int64_t off_in, int fd_out, int64_t off_out, uint64_t len)
{
	int64_t in = off_in, out = off_out;
	uint64_t done = 0;
	int failed = 0;

	set_limit(size_limit);
	do {
		long ret = syscall(SYS_copy_file_range, fd_in, &in, fd_out, &out,
				   (size_t)(len - done), 0u);

		if (ret < 0 && done == 0)
			failed = -errno;
		if (ret <= 0)
			break;
		done += (uint64_t)ret;
	} while (done < len);
	set_limit(UINT64_MAX);
	return failed ? failed : (int64_t)done;
}

bool kernel_copies(void)
{
	struct file in, out;
	bool ok;

	file_make(&in, 10000, 1);
	file_make(&out, 0, 2);
	ok = kernel_copy(in.io, 0, out.io, 0, 10000) == 10000;
	file_close(&in);
	file_close(&out);
	return ok;
}
