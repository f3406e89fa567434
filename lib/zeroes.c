/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * zeroes.c - which backend makes a hole of a device
 *
 * Comes behind holes.c, for what the kernel does not have the device make: it knows
 * neither WRITE SAME nor UNMAP of it, or the hole does not begin with a page.
 */
#include "engine.h"

/* Without asking it. */
static bool is_allowed(const struct copyoff_run *run, size_t i, uint64_t len)
{
	const struct copyoff_ctx *ctx = run->ctx;
	const struct copyoff_backend *backend = copyoff_registry_get(i);

	if (!backend || !backend->zero || len < backend->least_zeroes || !(ctx->filter >> i & 1) ||
	    (run->zeroes_refused >> i & 1) || copyoff_forbidden(backend->info.traits, run->flags))
		return false;
	return !ctx->once || run->total >= backend->least_once || (ctx->named >> i & 1);
}

/* What the offer takes, from the beginning. */
static uint64_t share_of(const struct copyoff_offer *offer, uint64_t dst, uint64_t len)
{
	const uint64_t align = offer->limits.align > 1 ? offer->limits.align : 1;

	if ((dst + offer->base_out) % align)
		return 0;
	return copyoff_split_within(&offer->limits, copyoff_range_down(len, align));
}

bool copyoff_zeroes_choose(struct copyoff_run *run, uint64_t dst, uint64_t len,
			   struct copyoff_operation *op)
{
	const struct copyoff_end *out = &run->route->pair.out;

	if (out->kind != COPYOFF_KIND_BLOCK)
		return false;
	for (size_t i = 0; i < COPYOFF_BACKENDS; i++) {
		if (!is_allowed(run, i, len))
			continue;
		/* The route of the run was used last, and stays. */
		if (!run->zeroes)
			run->zeroes = copyoff_ctx_route(run->ctx, out, out);
		*op = (struct copyoff_operation){ .index = i, .n = 1, .zeroes = true };
		op->offer = copyoff_route_offer(run->ctx, run->zeroes, i, run->flags);
		if (op->offer && op->offer->makes_zeroes)
			op->len = share_of(op->offer, dst, len);
		if (op->len > 0 && op->len >= copyoff_registry_get(i)->least_zeroes)
			return true;
	}
	return false;
}

void copyoff_zeroes_refused(struct copyoff_run *run, const struct copyoff_operation *op)
{
	run->zeroes_refused |= (copyoff_mask)1 << op->index;
	if (!copyoff_offer_may_pass(op->offer))
		op->offer->makes_zeroes = false; /* it may copy all the same */
}
