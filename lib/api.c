/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * api.c - the public functions
 *
 * The only file that sets errno: inside the library errors are -errno.
 */
#define _POSIX_C_SOURCE 200809L /* SSIZE_MAX */
#include "internal.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* More does not fit the result; rounded as the kernel does (MAX_RW_COUNT). */
#define LEN_MAX ((uint64_t)SSIZE_MAX & ~(uint64_t)4095)

static int64_t fail(int err)
{
	errno = err < 0 ? -err : err;
	return -1;
}

unsigned copyoff_version(void)
{
	return COPYOFF_VERSION_NUMBER;
}

/* --- copies of one range ----------------------------------------------- */

struct request {
	int fd_in;
	off_t *off_in;
	int fd_out;
	off_t *off_out;
	uint64_t len;
	unsigned flags;
	/* Where it begins, and how much of it is done. */
	int64_t src;
	int64_t dst;
	int position_err; /* why that is not known */
	uint64_t done;
};

/* Where to begin; an error is reported when it is its turn. */
static int64_t position(int fd, const off_t *off, int *err)
{
	int64_t pos = off ? *off : copyoff_sys_tell(fd);

	if (off || pos >= 0)
		return pos;
	*err = (int)pos;
	return 0;
}

static void move_position(int fd, off_t *off, int64_t pos)
{
	if (off)
		*off = pos;
	else
		(void)copyoff_sys_set_position(fd, pos); /* it was readable just now */
}

/* A copy within one file may have moved the end that it must not go beyond. */
static bool may_have_moved_end(const struct request *req, const struct copyoff_end *in,
			       const struct copyoff_end *out)
{
	return req->done > 0 && copyoff_same_file(in, out) &&
	       (uint64_t)req->dst + req->done >= in->size;
}

static int64_t copy_checked(struct copyoff_ctx *ctx, const struct request *req)
{
	struct copyoff_range rest = {
		.src = req->src + (int64_t)req->done,
		.dst = req->dst + (int64_t)req->done,
		.len = req->len - req->done,
	};
	struct copyoff_end in, out;
	int ret;

	ret = copyoff_check_pair(ctx, req->fd_in, req->fd_out, req->flags, &in, &out);
	if (ret < 0)
		return ret;
	if (req->position_err < 0)
		return copyoff_fail(ctx, req->position_err,
				    "fd_in %d or fd_out %d: no file position", req->fd_in,
				    req->fd_out);
	if (may_have_moved_end(req, &in, &out))
		return 0;
	ret = copyoff_check_range(ctx, &in, rest.src, &out, rest.dst, &rest.len);
	if (ret < 0)
		return ret;
	rest.len = copyoff_range_min(rest.len, LEN_MAX - req->done);
	if (rest.len == 0)
		return 0;
	return copyoff_engine_run(ctx, &in, &out, &rest, 1, req->flags, req->done);
}

/* One call into the kernel, if that may be all there is to do. */
static int64_t try_simple(struct copyoff_ctx *ctx, const struct request *req)
{
	const struct copyoff_range range = { req->src, req->dst, req->len };

	if (req->flags != 0 || req->len == 0 || req->position_err < 0)
		return COPYOFF_DECLINE;
	if (ctx ? ctx->progress != NULL : copyoff_environment_is_set())
		return COPYOFF_DECLINE;
	return copyoff_shortcut(ctx, req->fd_in, req->fd_out, &range);
}

/* Is there something left for the long way after try_simple()? */
static bool goes_on(struct request *req, int64_t ret)
{
	req->done = ret > 0 ? (uint64_t)ret : 0;
	return ret == COPYOFF_DECLINE || (ret > 0 && req->done < req->len);
}

/* An error behind bytes that were copied is for the next call to find, if it can. */
static int64_t all_bytes(const struct copyoff_ctx *ctx, const struct request *req, int64_t more)
{
	if (req->done == 0 || ctx->fatal.error)
		return more;
	return (int64_t)req->done + (more > 0 ? more : 0);
}

static void finish(struct copyoff_ctx *ctx, int64_t ret)
{
	if (ret < 0) {
		ctx->result.bytes = 0;
		ctx->result.bytes_offloaded = 0;
		ctx->result.error = (int)-ret;
	}
}

static int64_t copy_with_context(struct copyoff_ctx *ctx, struct request *req)
{
	int64_t ret;

	copyoff_ctx_begin(ctx);
	ret = try_simple(ctx, req);
	if (goes_on(req, ret)) {
		ret = copy_checked(ctx, req);
		if (ret < 0)
			ctx->result.error = (int)-ret;
		ret = all_bytes(ctx, req, ret);
	}
	finish(ctx, ret);
	return ret;
}

static int64_t copy_without_context(struct request *req)
{
	int64_t ret = try_simple(NULL, req);
	struct copyoff_ctx ctx;

	if (!goes_on(req, ret))
		return ret;
	copyoff_ctx_init(&ctx);
	ctx.once = true;
	copyoff_ctx_read_environment(&ctx);
	ret = all_bytes(&ctx, req, copy_checked(&ctx, req));
	copyoff_ctx_fini(&ctx);
	return ret;
}

static ssize_t copy(struct copyoff_ctx *ctx, struct request *req)
{
	int64_t ret;

	req->src = position(req->fd_in, req->off_in, &req->position_err);
	req->dst = position(req->fd_out, req->off_out, &req->position_err);
	ret = ctx ? copy_with_context(ctx, req) : copy_without_context(req);
	if (ret < 0)
		return (ssize_t)fail((int)ret);
	if (ret > 0) {
		move_position(req->fd_in, req->off_in, req->src + ret);
		move_position(req->fd_out, req->off_out, req->dst + ret);
	}
	return (ssize_t)ret;
}

ssize_t copyoff_copy(int fd_in, off_t *off_in, int fd_out, off_t *off_out, size_t len,
		     unsigned flags)
{
	struct request req = {
		.fd_in = fd_in,
		.off_in = off_in,
		.fd_out = fd_out,
		.off_out = off_out,
		.len = len,
		.flags = flags,
	};

	return copy(NULL, &req);
}

ssize_t copyoff_ctx_copy(copyoff_ctx *ctx, int fd_in, off_t *off_in, int fd_out, off_t *off_out,
			 size_t len, unsigned flags)
{
	struct request req = {
		.fd_in = fd_in,
		.off_in = off_in,
		.fd_out = fd_out,
		.off_out = off_out,
		.len = len,
		.flags = flags,
	};

	return ctx ? copy(ctx, &req) : (ssize_t)fail(EINVAL);
}

/* --- copies of many ranges --------------------------------------------- */

static int check_ranges(struct copyoff_ctx *ctx, const struct copyoff_end *in,
			const struct copyoff_end *out, const struct copyoff_range *v, size_t n)
{
	struct copyoff_span *scratch;
	uint64_t sum = 0;
	bool overlap;

	for (size_t i = 0; i < n; i++) {
		uint64_t len = v[i].len;
		int ret = copyoff_check_range(ctx, in, v[i].src, out, v[i].dst, &len);

		if (ret < 0) {
			char message[COPYOFF_MESSAGE_SIZE];

			strcpy(message, ctx->message);
			return copyoff_fail(ctx, ret, "range %zu of %zu: %.200s", i + 1, n,
					    message);
		}
		if (!copyoff_range_end(sum, v[i].len, &sum) || sum > INT64_MAX)
			return copyoff_fail(ctx, -EOVERFLOW,
					    "range %zu of %zu: the sum of all lengths overflows",
					    i + 1, n);
	}
	if (n < 2)
		return 0;
	scratch = copyoff_sys_alloc(n * sizeof(*scratch), sizeof(void *));
	if (!scratch)
		return copyoff_fail(ctx, -ENOMEM, "no memory to check %zu ranges", n);
	overlap = copyoff_ranges_overlap(v, n, in->size_known ? in->size : UINT64_MAX, &in->place,
					 &out->place, scratch);
	copyoff_sys_free(scratch);
	if (overlap)
		return copyoff_fail(
			ctx, -EINVAL,
			"a range overlaps the destination of another, or its own source");
	return 0;
}

static int64_t copyv(struct copyoff_ctx *ctx, int fd_in, int fd_out, const struct copyoff_range *v,
		     size_t n, unsigned flags)
{
	struct copyoff_end in, out;
	int ret;

	ret = copyoff_check_pair(ctx, fd_in, fd_out, flags, &in, &out);
	if (ret < 0)
		return ret;
	if (n > 0 && !v)
		return copyoff_fail(ctx, -EINVAL, "v is NULL, n is %zu", n);
	if (n > COPYOFF_RANGES_MAX)
		return copyoff_fail(ctx, -EINVAL, "%zu ranges: more than %d", n,
				    COPYOFF_RANGES_MAX);
	ret = check_ranges(ctx, &in, &out, v, n);
	if (ret < 0)
		return ret;
	return copyoff_engine_run(ctx, &in, &out, v, n, flags, 0);
}

int64_t copyoff_ctx_copyv(copyoff_ctx *ctx, int fd_in, int fd_out, const struct copyoff_range *v,
			  size_t n, unsigned flags)
{
	int64_t ret;

	if (!ctx)
		return fail(EINVAL);
	copyoff_ctx_begin(ctx);
	ret = copyv(ctx, fd_in, fd_out, v, n, flags);
	finish(ctx, ret);
	return ret < 0 ? fail((int)ret) : ret;
}

/* --- contexts ---------------------------------------------------------- */

copyoff_ctx *copyoff_ctx_new(const struct copyoff_opts *opts)
{
	struct copyoff_ctx *ctx = copyoff_sys_alloc(sizeof(*ctx), sizeof(void *));
	int ret = 0;

	if (!ctx) {
		errno = ENOMEM;
		return NULL;
	}
	copyoff_ctx_init(ctx);
	if (opts)
		ret = copyoff_ctx_set_opts(ctx, opts);
	if (ret < 0) {
		copyoff_ctx_free(ctx);
		fail(ret);
		return NULL;
	}
	copyoff_ctx_read_environment(ctx);
	copyoff_ctx_begin(ctx);
	return ctx;
}

void copyoff_ctx_free(copyoff_ctx *ctx)
{
	if (!ctx)
		return;
	copyoff_ctx_fini(ctx);
	copyoff_sys_free(ctx);
}

const struct copyoff_result *copyoff_ctx_last(const copyoff_ctx *ctx)
{
	if (!ctx) {
		errno = EINVAL;
		return NULL;
	}
	return &ctx->result;
}

/* --- plans ------------------------------------------------------------- */

copyoff_plan *copyoff_plan_new(copyoff_ctx *ctx, int fd_in, int fd_out, unsigned flags)
{
	struct copyoff_plan *plan;
	int ret;

	if (!ctx) {
		errno = EINVAL;
		return NULL;
	}
	copyoff_ctx_begin(ctx);
	plan = copyoff_sys_alloc(sizeof(*plan), sizeof(void *));
	ret = plan ? copyoff_plan_make(ctx, fd_in, fd_out, flags, plan)
		   : copyoff_fail(ctx, -ENOMEM, "no memory for a plan");
	finish(ctx, ret);
	if (ret < 0) {
		copyoff_sys_free(plan);
		fail(ret);
		return NULL;
	}
	return plan;
}

void copyoff_plan_free(copyoff_plan *plan)
{
	copyoff_sys_free(plan);
}

size_t copyoff_plan_count(const copyoff_plan *plan)
{
	if (!plan) {
		errno = EINVAL;
		return 0;
	}
	return COPYOFF_BACKENDS;
}

const struct copyoff_verdict *copyoff_plan_verdict(const copyoff_plan *plan, size_t i)
{
	if (!plan || i >= COPYOFF_BACKENDS) {
		errno = EINVAL;
		return NULL;
	}
	return &plan->verdicts[i];
}

size_t copyoff_plan_explain(const copyoff_plan *plan, char *buf, size_t size)
{
	if (!plan || (!buf && size > 0)) {
		errno = EINVAL;
		return 0;
	}
	return copyoff_explain(plan, buf, size);
}

size_t copyoff_backend_count(void)
{
	return COPYOFF_BACKENDS;
}

const struct copyoff_backend_info *copyoff_backend_info(size_t i)
{
	if (i >= COPYOFF_BACKENDS) {
		errno = EINVAL;
		return NULL;
	}
	return copyoff_registry_info(i);
}

/* --- statistics -------------------------------------------------------- */

static void add_stats(struct copyoff_stats *sum, const struct copyoff_stats *one)
{
	sum->calls += one->calls;
	sum->bytes += one->bytes;
	sum->declines += one->declines;
	sum->errors += one->errors;
	sum->short_copies += one->short_copies;
	sum->nanoseconds += one->nanoseconds;
}

int copyoff_ctx_stats(const copyoff_ctx *ctx, const char *backend, struct copyoff_stats *stats)
{
	struct copyoff_stats sum = { 0 };
	size_t only = COPYOFF_BACKENDS;
	size_t size;

	if (!ctx || !stats || stats->size < sizeof(stats->size))
		return (int)fail(EINVAL);
	if (backend) {
		only = copyoff_registry_find(backend, strlen(backend));
		if (only == COPYOFF_BACKENDS)
			return (int)fail(ENOENT);
	}
	for (size_t i = 0; i < COPYOFF_BACKENDS; i++) {
		if (!backend || i == only)
			add_stats(&sum, &ctx->stats[i]);
	}
	size = stats->size;
	sum.size = size;
	memset(stats, 0, size);
	memcpy(stats, &sum, size < sizeof(sum) ? size : sizeof(sum));
	return 0;
}
