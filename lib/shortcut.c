/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * shortcut.c - one call into the kernel, before anything else
 *
 * Most copies of a database are a page or a few.  Asking about the files would
 * cost more than letting the kernel try.
 */
#include "engine.h"

/*
 * Up to here a copy is tried with one call into the kernel before anything is
 * asked about the files, which would cost more than that call.  Holes up to
 * this size may be filled.
 */
enum { SMALL = 64 << 10 };

/* Can an offer made before take the range as it is? */
static bool fits(const struct copyoff_offer *offer, const struct copyoff_range *r)
{
	const struct copyoff_limits *limits = &offer->limits;
	uint64_t align = limits->align > 1 ? limits->align : 1;

	return offer->state == COPYOFF_OFFER_OPEN &&
	       (r->len <= SMALL || (offer->keeps_holes && !offer->slower)) &&
	       (uint64_t)r->src % align == 0 && (uint64_t)r->dst % align == 0 &&
	       r->len % align == 0 && r->len >= limits->min_total &&
	       (!limits->max_range || r->len <= limits->max_range);
}

/* Without a context nothing is known of the files: the kernel must check it all. */
static int64_t try_bare(int fd_in, int fd_out, const struct copyoff_range *range)
{
	const struct copyoff_pair pair = { .in.fd = fd_in, .out.fd = fd_out };
	int64_t ret;

	for (size_t i = 0; range->len <= SMALL && i < COPYOFF_BACKENDS; i++) {
		const struct copyoff_backend *backend = copyoff_registry_get(i);
		struct copyoff_offer offer = { .backend = backend };

		if (!backend || !backend->complete)
			continue;
		ret = backend->copy(&pair, &offer, range, 1);
		return ret > 0 && (uint64_t)ret > range->len ? COPYOFF_DECLINE : ret;
	}
	return COPYOFF_DECLINE;
}

/*
 * The route last used with these descriptors may be of other files by now; a
 * backend that is stateless can at worst be refused.
 */
static int64_t try_route(struct copyoff_ctx *ctx, struct copyoff_route *route,
			 const struct copyoff_range *range)
{
	for (size_t i = 0; i < COPYOFF_BACKENDS; i++) {
		struct copyoff_operation op = {
			.offer = &route->offers[i],
			.index = i,
			.n = 1,
			.len = range->len,
		};
		int64_t ret;

		if (!op.offer->backend || !op.offer->backend->stateless || !fits(op.offer, range))
			continue;
		ret = copyoff_engine_attempt(ctx, &route->pair, &op, range);
		if (ret > 0) {
			ctx->result.bytes = (uint64_t)ret;
			ctx->result.backend = op.offer->backend->info.name;
			if (!(op.offer->traits & COPYOFF_TRAIT_HOST))
				ctx->result.bytes_offloaded = (uint64_t)ret;
		}
		return ret;
	}
	return COPYOFF_DECLINE;
}

int64_t copyoff_shortcut(struct copyoff_ctx *ctx, int fd_in, int fd_out,
			 const struct copyoff_range *range)
{
	struct copyoff_route *route;

	/* A copy within a file may move its end, which must be known before. */
	if (fd_in == fd_out)
		return COPYOFF_DECLINE;
	if (!ctx)
		return try_bare(fd_in, fd_out, range);
	route = copyoff_ctx_guess_route(ctx, fd_in, fd_out);
	/* What was offered for devices may go behind their page caches. */
	if (route && (route->pair.in.kind == COPYOFF_KIND_BLOCK ||
		      route->pair.out.kind == COPYOFF_KIND_BLOCK))
		return COPYOFF_DECLINE;
	return route ? try_route(ctx, route, range) : COPYOFF_DECLINE;
}
