/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * split.c - which backend takes how much at the cursor
 *
 * A range is split where the alignment of a backend asks for it: an odd head
 * goes to a less preferred one, the aligned middle to the most preferred, the
 * odd tail to a less preferred one again.
 */
#include "engine.h"

enum { PROGRESS_PIECE = 16 << 20 }; /* bytes between two progress callbacks */

uint64_t copyoff_split_rest(const struct copyoff_run *run, uint64_t src, uint64_t dst)
{
	const struct copyoff_pair *pair = &run->route->pair;
	uint64_t len = copyoff_rest_of_range(run);

	/* No file goes further, and no call takes more. */
	len = src < INT64_MAX ? copyoff_range_min(len, INT64_MAX - src) : 0;
	if (pair->in.size_known)
		len = src < pair->in.size ? copyoff_range_min(len, pair->in.size - src) : 0;
	if (dst < run->size_limit)
		len = copyoff_range_min(len, run->size_limit - dst);
	return len;
}

/*
 * How many of @len bytes can the offer take right now?  If 0, *@wait is after
 * how many bytes it could take some, or 0 if never.
 */
static uint64_t takes(const struct copyoff_run *run, const struct copyoff_offer *offer,
		      uint64_t src, uint64_t dst, uint64_t len, uint64_t *wait)
{
	const struct copyoff_limits *limits = &offer->limits;
	uint64_t align = limits->align > 1 ? limits->align : 1;
	uint64_t head = (align - src % align) % align;
	uint64_t body, least;

	*wait = 0;
	if (src % align != dst % align || head >= len)
		return 0;
	if (offer->unaligned_eof && src + len == run->route->pair.in.size &&
	    dst + len >= run->holes.dst_size)
		body = len - head;
	else
		body = copyoff_range_down(len - head, align);
	least = offer->used ? 1 : limits->min_total;
	if (body == 0 || body < least)
		return 0;
	if (head > 0) {
		*wait = head;
		return 0;
	}
	if (limits->max_range)
		body = copyoff_range_min(body, copyoff_range_down(limits->max_range, align));
	if (limits->max_total)
		body = copyoff_range_min(body, copyoff_range_down(limits->max_total, align));
	return body;
}

bool copyoff_split_choose(struct copyoff_run *run, uint64_t src, uint64_t dst, uint64_t *len,
			  struct copyoff_operation *op)
{
	for (size_t i = 0; i < COPYOFF_BACKENDS; i++) {
		uint64_t wait;

		op->index = i;
		op->offer = copyoff_route_offer(run->ctx, run->route, i, run->flags);
		if (!op->offer || (!run->route->pair.in.size_known && !op->offer->backend->unsized))
			continue;
		op->len = takes(run, op->offer, src, dst, *len, &wait);
		if (op->len > 0)
			return true;
		if (wait > 0)
			*len = copyoff_range_min(*len, wait);
	}
	return false;
}

/* Add the following ranges to a batch as long as the same backend takes them whole. */
static void extend(struct copyoff_run *run, struct copyoff_operation *op)
{
	const struct copyoff_limits *limits = &op->offer->limits;
	size_t max =
		limits->max_ranges < COPYOFF_BATCH ? (size_t)limits->max_ranges : COPYOFF_BATCH;

	if (op->len < copyoff_rest_of_range(run) || run->holes.on)
		return;
	for (size_t i = run->at.range + 1; i < run->n && op->n < max; i++) {
		const struct copyoff_range *next = &run->v[i];
		uint64_t src = (uint64_t)next->src;
		uint64_t dst = (uint64_t)next->dst;
		uint64_t len = next->len;
		struct copyoff_operation other;

		if (len == 0)
			continue;
		if (src + len > run->route->pair.in.size || dst + len > run->size_limit ||
		    (limits->max_total && len > limits->max_total - op->len))
			return;
		if (!copyoff_split_choose(run, src, dst, &len, &other) ||
		    other.index != op->index || other.len < next->len)
			return;
		run->batch[op->n++] = *next;
		op->len += other.len;
	}
}

void copyoff_split_batch(struct copyoff_run *run, uint64_t src, uint64_t dst,
			 struct copyoff_operation *op)
{
	/* Where bytes move through memory, come up for air. */
	if (run->ctx->progress && (op->offer->traits & COPYOFF_TRAIT_HOST))
		op->len = copyoff_range_min(op->len, PROGRESS_PIECE);
	run->batch[0] = (struct copyoff_range){ (int64_t)src, (int64_t)dst, op->len };
	op->n = 1;
	extend(run, op);
}
