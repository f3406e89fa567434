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

/* Of [@src, @src + @len), what there is, and what may be written. */
static uint64_t clip(const struct copyoff_run *run, uint64_t src, uint64_t dst, uint64_t len)
{
	const struct copyoff_pair *pair = &run->route->pair;

	/* No file goes further, and no call takes more. */
	len = src < INT64_MAX ? copyoff_range_min(len, INT64_MAX - src) : 0;
	if (pair->in.size_known)
		len = src < pair->in.size ? copyoff_range_min(len, pair->in.size - src) : 0;
	if (dst < run->size_limit)
		len = copyoff_range_min(len, run->size_limit - dst);
	if (pair->out.kind == COPYOFF_KIND_BLOCK && dst < pair->out.size)
		len = copyoff_range_min(len, pair->out.size - dst);
	return len;
}

uint64_t copyoff_split_rest(const struct copyoff_run *run, uint64_t src, uint64_t dst)
{
	return clip(run, src, dst, copyoff_rest_of_range(run));
}

/* What an offer can take of a range: nothing before @head, then @body bytes. */
struct share {
	uint64_t head;
	uint64_t body; /* 0: nothing */
};

static struct share share_of(const struct copyoff_run *run, const struct copyoff_offer *offer,
			     uint64_t src, uint64_t dst, uint64_t len)
{
	uint64_t align = offer->limits.align > 1 ? offer->limits.align : 1;
	uint64_t phase = (src + offer->base_in) % align;
	uint64_t head = (align - phase) % align;

	if (phase != (dst + offer->base_out) % align || head >= len)
		return (struct share){ 0, 0 };
	if (offer->unaligned_eof && src + len == run->route->pair.in.size &&
	    dst + len >= run->holes.dst_size)
		return (struct share){ head, len - head };
	return (struct share){ head, copyoff_range_down(len - head, align) };
}

uint64_t copyoff_split_within(const struct copyoff_limits *limits, uint64_t len)
{
	uint64_t align = limits->align > 1 ? limits->align : 1;

	if (limits->max_range)
		len = copyoff_range_min(len, copyoff_range_down(limits->max_range, align));
	if (limits->max_total)
		len = copyoff_range_min(len, copyoff_range_down(limits->max_total, align));
	return len;
}

/* Can the offer do this, but another one is likely to do it faster? */
static bool reluctant(const struct copyoff_run *run, const struct copyoff_operation *op,
		      uint64_t body)
{
	return copyoff_route_is_slower(run->ctx, run->route, op->index) ||
	       (!op->offer->used && body < op->offer->limits.min_total);
}

static bool not_worth_asking(const struct copyoff_run *run, size_t i)
{
	const struct copyoff_offer *offer = &run->route->offers[i];

	return run->ctx->once && offer->state == COPYOFF_OFFER_UNKNOWN && offer->backend &&
	       run->total < offer->backend->least_once && !(run->ctx->named >> i & 1);
}

/* The first one that is reluctant, or the first one that is not. */
static bool choose(struct copyoff_run *run, uint64_t src, uint64_t dst, uint64_t *len,
		   bool is_reluctant, struct copyoff_operation *op)
{
	for (size_t i = 0; i < COPYOFF_BACKENDS; i++) {
		bool unasked = not_worth_asking(run, i);
		struct share share;

		if (unasked && !is_reluctant)
			continue;
		*op = (struct copyoff_operation){
			.index = i,
			.offer = copyoff_route_offer(run->ctx, run->route, i, run->flags),
		};
		if (!op->offer || (!run->route->pair.in.size_known && !op->offer->backend->unsized))
			continue;
		share = share_of(run, op->offer, src, dst, *len);
		if (share.body == 0 || (unasked || reluctant(run, op, share.body)) != is_reluctant)
			continue;
		if (share.head == 0) {
			op->len = copyoff_split_within(&op->offer->limits, share.body);
			return true;
		}
		*len = copyoff_range_min(*len, share.head);
	}
	return false;
}

bool copyoff_split_choose(struct copyoff_run *run, uint64_t src, uint64_t dst, uint64_t *len,
			  struct copyoff_operation *op)
{
	return choose(run, src, dst, len, false, op) || choose(run, src, dst, len, true, op);
}

/* How much of [@src, @src + @len) the batch takes in addition, as one range; 0: none. */
static uint64_t next_piece(struct copyoff_run *run, const struct copyoff_operation *op,
			   uint64_t src, uint64_t dst, uint64_t len)
{
	const struct copyoff_limits *limits = &op->offer->limits;
	const struct copyoff_range *last = &run->batch[op->n - 1];
	const struct copyoff_end *out = &run->route->pair.out;
	struct copyoff_operation other;

	/* Where something ends, it is up to step() what that means. */
	if (!run->route->pair.in.size_known || dst >= run->size_limit ||
	    (out->kind == COPYOFF_KIND_BLOCK && dst >= out->size) ||
	    (op->offer->adjacent && dst != (uint64_t)last->dst + last->len))
		return 0;
	len = clip(run, src, dst, len);
	if (limits->max_total)
		len = copyoff_range_min(len, limits->max_total - op->len);
	if (!copyoff_split_choose(run, src, dst, &len, &other) || other.index != op->index)
		return 0;
	return other.len;
}

/* Add what follows to a batch, as long as the same backend takes it. */
static void extend(struct copyoff_run *run, struct copyoff_operation *op)
{
	const uint64_t most = op->offer->limits.max_ranges;
	const size_t max = most < COPYOFF_BATCH ? (size_t)most : COPYOFF_BATCH;
	uint64_t pos = run->at.pos + op->len;
	size_t i = run->at.range;

	while (op->n < max) {
		uint64_t src, dst, len;

		for (; i < run->n && pos == run->v[i].len; i++)
			pos = 0;
		if (i == run->n)
			return;
		src = (uint64_t)run->v[i].src + pos;
		dst = (uint64_t)run->v[i].dst + pos;
		len = next_piece(run, op, src, dst, run->v[i].len - pos);
		if (len == 0)
			return;
		run->batch[op->n++] = (struct copyoff_range){ (int64_t)src, (int64_t)dst, len };
		op->len += len;
		pos += len;
	}
}

void copyoff_split_batch(struct copyoff_run *run, uint64_t src, uint64_t dst,
			 struct copyoff_operation *op)
{
	/* Where bytes move through memory, come up for air. */
	bool air = run->ctx->progress && (op->offer->traits & COPYOFF_TRAIT_HOST);

	if (air)
		op->len = copyoff_range_min(op->len, PROGRESS_PIECE);
	run->batch[0] = (struct copyoff_range){ (int64_t)src, (int64_t)dst, op->len };
	op->n = 1;
	if (!air && !run->holes.on)
		extend(run, op);
}
