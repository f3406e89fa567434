/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * engine.c - copy, fail over, until done
 *
 * A run walks the concatenation of the ranges with a cursor; everything before
 * the cursor is copied.  Each step picks the most preferred backend that can
 * start at the cursor, gives it one operation, and moves the cursor by what
 * was confirmed.  A backend that declines is put aside, and the next one goes
 * on at the same place.  Any other error ends the run at the cursor.
 */
#include "engine.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Move the cursor over @len copied bytes, and over empty ranges behind them. */
static void advance(struct copyoff_run *run, uint64_t len)
{
	run->at.done += len;
	while (run->at.range < run->n && len >= copyoff_rest_of_range(run)) {
		len -= copyoff_rest_of_range(run);
		run->at.range++;
		run->at.pos = 0;
	}
	run->at.pos += len;
}

/* Why the backend at @i was not used here: to the end of the message. */
static void explain(const struct copyoff_run *run, size_t i, char *buf, size_t size)
{
	struct copyoff_verdict verdict;

	copyoff_route_verdict(run->ctx, run->route, i, run->flags, &verdict);
	if (verdict.usable && run->total < verdict.limits.min_total)
		verdict.text = "these are too few bytes to be worth starting";
	else if (verdict.usable)
		verdict.text = "offsets or length do not fit its blocks";
	snprintf(buf, size, "%s: %s%s%s", verdict.backend, verdict.text, verdict.error ? ", " : "",
		 verdict.error ? copyoff_errno_name(verdict.error) : "");
}

/* The first backend whose refusal says something: built, and not filtered. */
static size_t first_refused(const struct copyoff_run *run, size_t end)
{
	for (size_t i = 0; i < end; i++) {
		struct copyoff_verdict verdict;

		copyoff_route_verdict(run->ctx, run->route, i, run->flags, &verdict);
		if (verdict.reason != COPYOFF_REASON_NOT_BUILT &&
		    verdict.reason != COPYOFF_REASON_FILTERED)
			return i;
	}
	return end;
}

/* The backend that lacked something for the moment, or failed, if that is the reason. */
static size_t last_failed(const struct copyoff_run *run)
{
	size_t failed = COPYOFF_BACKENDS;

	for (size_t i = 0; i < COPYOFF_BACKENDS; i++) {
		const struct copyoff_offer *offer = &run->route->offers[i];

		if (offer->state == COPYOFF_OFFER_DECLINED && offer->error &&
		    (offer->reason == COPYOFF_REASON_FAILED ||
		     offer->reason == COPYOFF_REASON_RESOURCE) &&
		    !copyoff_forbidden(offer->traits, run->flags))
			failed = i;
	}
	return failed;
}

/*
 * -EOPNOTSUPP, or what is behind it; 0 if there is nothing to copy, and so none
 * is needed.
 */
static int no_backend(struct copyoff_run *run, uint64_t src, uint64_t dst, uint64_t len)
{
	char why[COPYOFF_MESSAGE_SIZE / 2] = "all are filtered or not built";
	int err = -EOPNOTSUPP;
	size_t i = last_failed(run);

	if (!run->route->pair.in.size_known && copyoff_at_end(&run->route->pair.in, src))
		return 0;
	if (i < COPYOFF_BACKENDS)
		err = -run->route->offers[i].error;
	else
		i = first_refused(run, COPYOFF_BACKENDS);
	if (i < COPYOFF_BACKENDS)
		explain(run, i, why, sizeof(why));
	return copyoff_fail(run->ctx, err, "no backend left for %llu bytes from %llu to %llu; %s",
			    (unsigned long long)len, (unsigned long long)src,
			    (unsigned long long)dst, why);
}

static void account(struct copyoff_stats *stats, const struct copyoff_offer *offer, uint64_t asked,
		    int64_t ret, uint64_t ns)
{
	stats->calls++;
	stats->nanoseconds += ns;
	stats->declines += ret == COPYOFF_DECLINE && !offer->fatal;
	stats->errors += (ret < 0 && ret != COPYOFF_DECLINE) || offer->fatal;
	if (ret > 0)
		stats->bytes += (uint64_t)ret;
	if (ret >= 0 && (uint64_t)ret < asked)
		stats->short_copies++;
}

int64_t copyoff_engine_attempt(struct copyoff_ctx *ctx, const struct copyoff_pair *pair,
			       const struct copyoff_operation *op,
			       const struct copyoff_range *ranges)
{
	struct copyoff_offer *offer = op->offer;
	const char *name = offer->backend->info.name;
	uint64_t start = copyoff_sys_now();
	int64_t ret;

	offer->interrupted = false;
	offer->spent = false;
	offer->fatal = 0;
	offer->used = true;
	ret = (op->zeroes ? offer->backend->zero : offer->backend->copy)(pair, offer, ranges,
									 op->n);
	if (ret > 0 && (uint64_t)ret > op->len)
		ret = copyoff_decline(offer, COPYOFF_REASON_MISBEHAVED, 0,
				      "reported more bytes than it was asked to copy", "");
	else if (op->zeroes && ret <= 0 && ret != COPYOFF_DECLINE)
		ret = copyoff_decline(offer, COPYOFF_REASON_FAILED, (int)ret,
				      "the device did not make zeroes", "");
	account(&ctx->stats[op->index], offer, op->len, ret, copyoff_sys_now() - start);
	copyoff_ctx_heed(ctx, offer);
	if (ret == COPYOFF_DECLINE)
		copyoff_trace_decline(ctx, offer);
	else if (ret < 0)
		copyoff_fail(ctx, (int)ret, "%s: %s at source offset %lld, destination offset %lld",
			     name, copyoff_errno_name((int)ret), (long long)ranges[0].src,
			     (long long)ranges[0].dst);
	else if (op->zeroes)
		copyoff_trace(ctx, "%s made %lld bytes zeroes of %llu, at %lld", name,
			      (long long)ret, (unsigned long long)op->len,
			      (long long)ranges[0].dst);
	else
		copyoff_trace(ctx, "%s copied %lld bytes of %llu, from %lld to %lld, ranges: %zu",
			      name, (long long)ret, (unsigned long long)op->len,
			      (long long)ranges[0].src, (long long)ranges[0].dst, op->n);
	return ret;
}

static int verify_failed(struct copyoff_run *run, const struct copyoff_operation *op, int err)
{
	const struct copyoff_range *r = &run->v[run->at.range];

	return copyoff_fail(run->ctx, err, "%s: %s at source offset %llu, destination offset %llu",
			    op->offer->backend->info.name,
			    err == -EIO ? "the copy differs from its source, or cannot be read back"
					: "the copy cannot be verified",
			    (unsigned long long)r->src + run->at.pos,
			    (unsigned long long)r->dst + run->at.pos);
}

/* Take @len bytes of the batch as copied. */
static int accept(struct copyoff_run *run, const struct copyoff_operation *op, uint64_t len)
{
	uint64_t left = len;
	int err = 0;

	if (run->flags & COPYOFF_VERIFY)
		len = copyoff_verify(&run->route->pair, run->batch, op->n, len, &err);
	for (size_t i = 0; i < op->n && left > 0; i++) {
		uint64_t part = copyoff_range_min(run->batch[i].len, left);

		copyoff_holes_wrote(&run->holes, (uint64_t)run->batch[i].dst + part);
		left -= part;
	}
	if (len > 0) {
		run->at.last = op->index;
		if (!(op->offer->traits & COPYOFF_TRAIT_HOST))
			run->at.offloaded += len;
		advance(run, len);
	}
	return err ? verify_failed(run, op, err) : 0;
}

/* Asked by a backend that waits: nothing more is done, and the user may have had enough. */
static bool is_canceled(void *data)
{
	struct copyoff_run *run = data;
	const struct copyoff_ctx *ctx = run->ctx;

	if (!run->canceled && ctx->progress)
		run->canceled = ctx->progress(ctx->progress_data, run->at.done, run->total) != 0;
	return run->canceled;
}

static int canceled(struct copyoff_run *run)
{
	return copyoff_fail(run->ctx, -ECANCELED, "canceled by the progress callback");
}

/* Whatever was copied: who goes on behind it would not learn of it. */
static int fatal(struct copyoff_run *run, uint64_t src, uint64_t dst)
{
	const struct copyoff_ctx *ctx = run->ctx;

	return copyoff_fail(run->ctx, -ctx->fatal.error,
			    "%s: %s; %s%sat source offset %llu, destination offset %llu",
			    ctx->fatal.backend, ctx->fatal.text,
			    ctx->fatal.too ? ctx->fatal.too : "", ctx->fatal.too ? "; " : "",
			    (unsigned long long)src, (unsigned long long)dst);
}

/* With somebody to ask whether to go on. */
static int64_t attempt(struct copyoff_run *run, const struct copyoff_pair *pair,
		       const struct copyoff_operation *op, const struct copyoff_range *ranges)
{
	int64_t ret;

	op->offer->canceled = is_canceled;
	op->offer->canceled_data = run;
	ret = copyoff_engine_attempt(run->ctx, pair, op, ranges);
	op->offer->canceled = NULL;
	return ret;
}

/*
 * What is at @src: a hole or data, and how much of it, at most *@len.  Where it
 * cannot be found out, all is data.
 */
static bool is_hole(struct copyoff_run *run, uint64_t src, uint64_t *len)
{
	struct copyoff_holes *h = &run->holes;
	bool hole;
	uint64_t end;

	if ((h->src.fd < 0 && copyoff_extents_open(&h->src, run->route->pair.in.fd) < 0) ||
	    copyoff_extents_at(&h->src, src, src + *len, &end, &hole) < 0) {
		run->holes_lost = true;
		h->on = false;
		return false;
	}
	*len = end - src;
	return hole;
}

/* Of a hole just made, the bytes that can be counted. */
static int check_hole(struct copyoff_run *run, uint64_t *len)
{
	struct copyoff_holes *h = &run->holes;
	int err = 0;

	if (!(run->flags & COPYOFF_VERIFY))
		return 0;
	/* What is beyond the end of the file cannot be read. */
	if (copyoff_holes_pending(h) && copyoff_holes_settle(h, &run->route->pair) < 0) {
		*len = 0;
		return -EIO;
	}
	*len = copyoff_verify(&run->route->pair, run->batch, 1, *len, &err);
	return err;
}

/* Like copyoff_holes_make(), by the backend *@maker. */
static int64_t make_zeroes(struct copyoff_run *run, uint64_t dst, uint64_t len, size_t *maker)
{
	struct copyoff_operation op;

	while (copyoff_zeroes_choose(run, dst, len, &op) && !run->ctx->fatal.error) {
		struct copyoff_range range = { (int64_t)dst, (int64_t)dst, op.len };
		int64_t ret = attempt(run, &run->zeroes->pair, &op, &range);

		if (ret > 0)
			*maker = op.index;
		if (ret > 0 || run->ctx->fatal.error || run->canceled)
			return ret;
		copyoff_zeroes_refused(run, &op);
	}
	return COPYOFF_DECLINE;
}

/*
 * Deal with the hole at the cursor, if there is one.  1: done, go on; 0: there
 * is data, *@len bytes of it, to copy; -errno.
 */
static int make_hole(struct copyoff_run *run, uint64_t src, uint64_t dst, uint64_t *len)
{
	struct copyoff_holes *h = &run->holes;
	struct copyoff_cursor here = run->at;
	bool was_pending = copyoff_holes_pending(h);
	size_t maker = here.last; /* the kernel is none */
	uint64_t made;
	int64_t ret;
	int err;

	if (!is_hole(run, src, len))
		return 0;
	ret = copyoff_holes_make(h, &run->route->pair, dst, *len);
	if (ret == COPYOFF_DECLINE)
		ret = make_zeroes(run, dst, *len, &maker);
	if (run->ctx->fatal.error)
		return fatal(run, src, dst);
	if (ret <= 0 && run->canceled)
		return canceled(run);
	if (ret <= 0) {
		/* As data, but no further than to the end of the destination. */
		if (dst < h->dst_size)
			*len = copyoff_range_min(*len, h->dst_size - dst);
		return 0;
	}
	made = (uint64_t)ret;
	run->batch[0] = (struct copyoff_range){ (int64_t)src, (int64_t)dst, made };
	if (!was_pending)
		run->before_hole = here;
	err = check_hole(run, &made);
	if (made > 0)
		run->at.last = maker;
	run->at.offloaded += made;
	advance(run, made);
	if (err < 0)
		return copyoff_fail(run->ctx, err,
				    "verification of a hole failed at source offset %llu",
				    (unsigned long long)src + made);
	return run->canceled ? canceled(run) : 1;
}

/* 1: *@op takes something at the cursor; or as no_backend(). */
static int choose(struct copyoff_run *run, uint64_t src, uint64_t dst, uint64_t *len,
		  struct copyoff_operation *op)
{
	bool found = copyoff_split_choose(run, src, dst, len, op);

	if (run->ctx->fatal.error)
		return fatal(run, src, dst);
	return found ? 1 : no_backend(run, src, dst, *len);
}

/* One operation at the cursor.  1: go on; 0: end of the input; -errno. */
static int step(struct copyoff_run *run)
{
	const struct copyoff_range *range = &run->v[run->at.range];
	uint64_t src = (uint64_t)range->src + run->at.pos;
	uint64_t dst = (uint64_t)range->dst + run->at.pos;
	struct copyoff_operation op;
	uint64_t len = copyoff_split_rest(run, src, dst);
	int64_t ret;

	if (len == 0)
		return 0;
	if (dst >= run->size_limit && run->before + run->at.done > 0)
		return copyoff_fail(
			run->ctx, -EFBIG,
			"destination offset %llu is beyond the largest file size allowed",
			(unsigned long long)dst);
	if (run->route->pair.out.kind == COPYOFF_KIND_BLOCK && dst >= run->route->pair.out.size)
		return copyoff_fail(run->ctx, -ENOSPC,
				    "destination offset %llu is at or beyond the end of the device",
				    (unsigned long long)dst);
	ret = choose(run, src, dst, &len, &op);
	if (ret <= 0)
		return (int)ret;
	if (run->holes.on && !op.offer->keeps_holes) {
		ret = make_hole(run, src, dst, &len);
		if (ret != 0)
			return (int)ret;
		/* There may be less now, and it need not fit that backend. */
		ret = choose(run, src, dst, &len, &op);
		if (ret <= 0)
			return (int)ret;
	}
	copyoff_split_batch(run, src, dst, &op);
	if (run->ctx->fatal.error) /* of who was asked for the next range */
		return fatal(run, src, dst);
	ret = attempt(run, &run->route->pair, &op, run->batch);
	if (run->ctx->fatal.error)
		return fatal(run, src, dst);
	if (ret == COPYOFF_DECLINE && !run->canceled) {
		op.offer->state = COPYOFF_OFFER_DECLINED;
		return 1;
	}
	if (ret == COPYOFF_DECLINE)
		return canceled(run);
	if (ret <= 0)
		return (int)ret;
	ret = accept(run, &op, (uint64_t)ret);
	if (ret < 0)
		return (int)ret;
	if (op.offer->spent) {
		op.offer->state = COPYOFF_OFFER_DECLINED;
		copyoff_trace_decline(run->ctx, op.offer);
	}
	if (run->canceled)
		return canceled(run);
	if (op.offer->interrupted && run->at.range < run->n)
		return copyoff_fail(run->ctx, -EINTR, "interrupted by a signal");
	return 1;
}

static int report_progress(struct copyoff_run *run)
{
	struct copyoff_ctx *ctx = run->ctx;

	if (!ctx->progress || run->at.done <= run->reported)
		return 1;
	run->reported = run->at.done;
	if (ctx->progress(ctx->progress_data, run->at.done, run->total) == 0)
		return 1;
	return canceled(run);
}

/* From the cursor to the end.  0, or -errno of what stopped it. */
static int walk(struct copyoff_run *run)
{
	advance(run, 0);
	while (run->at.range < run->n) {
		int ret = step(run);

		if (ret > 0)
			ret = report_progress(run);
		if (ret <= 0)
			return ret;
	}
	return 0;
}

/*
 * The file must end behind a hole that was counted.  If it cannot be made so,
 * the hole is copied as data, which finds out how far that goes.
 */
static int settle(struct copyoff_run *run, int err)
{
	if (!copyoff_holes_pending(&run->holes))
		return err;
	if (copyoff_holes_settle(&run->holes, &run->route->pair) == 0)
		return err;
	run->at = run->before_hole;
	run->holes.on = false;
	run->holes_lost = true;
	run->holes.pending = (struct copyoff_span){ 0, 0 };
	return err == -ECANCELED || err == -EINTR || run->ctx->fatal.error ? err : walk(run);
}

static int make_durable(struct copyoff_run *run)
{
	int ret;

	if (!(run->flags & COPYOFF_SYNC) || run->before + run->at.done == 0)
		return 0;
	ret = copyoff_sys_fdatasync(run->route->pair.out.fd);
	if (ret == 0)
		return 0;
	return copyoff_fail(run->ctx, ret, "COPYOFF_SYNC: fdatasync of fd_out %d: %s",
			    run->route->pair.out.fd, copyoff_errno_name(ret));
}

/* Without an error, say what went another way than it might have. */
static void note_fallback(struct copyoff_run *run)
{
	size_t last = run->at.last < COPYOFF_BACKENDS ? run->at.last : 0;
	size_t i = first_refused(run, last);

	if (run->holes_lost)
		copyoff_fail(run->ctx, 0,
			     "holes of the source, if any, cannot be located or made; zeroes were "
			     "written instead");
	else if (i < last)
		explain(run, i, run->ctx->message, sizeof(run->ctx->message));
}

static uint64_t bytes_to_do(const struct copyoff_run *run)
{
	uint64_t total = 0;

	for (size_t i = 0; i < run->n; i++) {
		uint64_t src = (uint64_t)run->v[i].src;
		uint64_t len = run->v[i].len;

		if (run->route->pair.in.size_known)
			len = src < run->route->pair.in.size
				      ? copyoff_range_min(len, run->route->pair.in.size - src)
				      : 0;
		total += len;
	}
	return total;
}

int64_t copyoff_engine_run(struct copyoff_ctx *ctx, const struct copyoff_end *in,
			   const struct copyoff_end *out, const struct copyoff_range *v, size_t n,
			   unsigned flags, uint64_t before)
{
	struct copyoff_result *result = &ctx->result;
	struct copyoff_run run; /* the batch is large and needs no zeroing */
	int err, sync_err;

	copyoff_ctx_own(ctx);
	run.ctx = ctx;
	run.route = copyoff_ctx_route(ctx, in, out);
	run.v = v;
	run.n = n;
	run.flags = flags;
	run.before = before;
	run.total = bytes_to_do(&run);
	run.reported = 0;
	run.canceled = false;
	run.holes_lost = false;
	run.zeroes = NULL;
	run.zeroes_refused = 0;
	run.size_limit = INT64_MAX;
	if (out->kind == COPYOFF_KIND_REGULAR)
		run.size_limit = copyoff_range_min(INT64_MAX, copyoff_sys_file_size_limit());
	run.at = (struct copyoff_cursor){ .last = COPYOFF_BACKENDS };
	copyoff_holes_begin(&run.holes, &run.route->pair, flags & COPYOFF_SPARSE, run.size_limit);

	err = walk(&run);
	err = settle(&run, err);
	copyoff_holes_end(&run.holes);
	result->error = -err;
	if (ctx->fatal.error)
		return err;
	sync_err = make_durable(&run);
	if (sync_err < 0)
		return sync_err;

	if (err == 0)
		note_fallback(&run);
	result->bytes += run.at.done;
	result->bytes_offloaded += run.at.offloaded;
	if (run.at.last < COPYOFF_BACKENDS)
		result->backend = copyoff_registry_info(run.at.last)->name;
	return run.at.done > 0 || err == 0 ? (int64_t)run.at.done : err;
}
