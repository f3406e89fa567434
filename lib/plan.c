/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * plan.c - what each backend can do for a pair of files: probing and policy
 */
#include "internal.h"

#include <errno.h>
#include <string.h>

int copyoff_decline(struct copyoff_offer *offer, enum copyoff_reason reason, int err,
		    const char *text, const char *remedy)
{
	offer->reason = reason;
	offer->error = err < 0 ? -err : err;
	offer->text = text;
	offer->remedy = remedy;
	return COPYOFF_DECLINE;
}

/* The first one is behind those that follow, but what may be written later is worse. */
void copyoff_fatal(struct copyoff_offer *offer, int err, const char *text)
{
	if (offer->fatal && (err != ETIMEDOUT || offer->fatal == ETIMEDOUT))
		return;
	offer->fatal_too = offer->fatal ? offer->fatal_text : NULL;
	offer->fatal = err;
	offer->fatal_text = text;
}

void copyoff_route_init(struct copyoff_ctx *ctx, struct copyoff_route *route,
			const struct copyoff_end *in, const struct copyoff_end *out)
{
	memset(route, 0, sizeof(*route));
	route->pair = (struct copyoff_pair){
		.in = *in,
		.out = *out,
		.chunk = ctx->chunk,
		.depth = ctx->depth,
	};
	for (size_t i = 0; i < COPYOFF_BACKENDS; i++) {
		struct copyoff_offer *offer = &route->offers[i];

		offer->backend = copyoff_registry_get(i);
		offer->keep = &ctx->keep[i];
		offer->text = offer->remedy = "";
		if (offer->backend)
			offer->traits = offer->backend->info.traits;
	}
}

void copyoff_route_release(struct copyoff_route *route)
{
	for (size_t i = 0; i < COPYOFF_BACKENDS; i++) {
		struct copyoff_offer *offer = &route->offers[i];

		if (offer->probed_ok && offer->backend->release)
			offer->backend->release(offer);
		offer->probed_ok = false;
	}
}

bool copyoff_offer_may_pass(const struct copyoff_offer *offer)
{
	return offer->reason == COPYOFF_REASON_ALIGNMENT ||
	       offer->reason == COPYOFF_REASON_RESOURCE || offer->reason == COPYOFF_REASON_FAILED;
}

void copyoff_route_refresh(struct copyoff_route *route, const struct copyoff_end *in,
			   const struct copyoff_end *out)
{
	route->pair.in = *in;
	route->pair.out = *out;
	for (size_t i = 0; i < COPYOFF_BACKENDS; i++) {
		struct copyoff_offer *offer = &route->offers[i];

		offer->used = false;
		if (offer->state == COPYOFF_OFFER_DECLINED && copyoff_offer_may_pass(offer))
			offer->state =
				offer->probed_ok ? COPYOFF_OFFER_OPEN : COPYOFF_OFFER_UNKNOWN;
	}
}

int copyoff_inner_probe(const struct copyoff_pair *pair, struct copyoff_offer *inner)
{
	int ret = COPYOFF_DECLINE;

	*inner = (struct copyoff_offer){ .text = "", .remedy = "" };
	for (size_t i = 0; i < COPYOFF_BACKENDS && ret != 0; i++) {
		const struct copyoff_backend *backend = copyoff_registry_get(i);

		if (!backend || !backend->stateless)
			continue;
		*inner = (struct copyoff_offer){
			.backend = backend,
			.traits = backend->info.traits,
			.text = "",
			.remedy = "",
		};
		ret = backend->probe(pair, inner);
	}
	return ret;
}

static void probe(struct copyoff_ctx *ctx, const struct copyoff_pair *pair,
		  struct copyoff_offer *offer)
{
	int ret;

	offer->fatal = 0;
	ret = offer->backend->probe(pair, offer);
	copyoff_ctx_heed(ctx, offer);
	if (ret == 0) {
		if (!offer->limits.max_ranges)
			offer->limits.max_ranges = 1;
		offer->state = COPYOFF_OFFER_OPEN;
		offer->probed_ok = true;
		return;
	}
	if (ret != COPYOFF_DECLINE)
		copyoff_decline(offer, COPYOFF_REASON_FAILED, ret,
				"could not find out whether it can be used", "");
	offer->state = COPYOFF_OFFER_DECLINED;
	copyoff_trace_decline(ctx, offer);
}

const char *copyoff_forbidden(unsigned traits, unsigned flags)
{
	if ((flags & COPYOFF_NO_SHARE) &&
	    (traits & (COPYOFF_TRAIT_SHARES | COPYOFF_TRAIT_MAY_SHARE)))
		return "may share extents, which COPYOFF_NO_SHARE forbids";
	if ((flags & COPYOFF_NO_RAW) && (traits & COPYOFF_TRAIT_RAW))
		return "sends commands to the device, which COPYOFF_NO_RAW forbids";
	if ((flags & COPYOFF_REQUIRE_SHARE) && !(traits & COPYOFF_TRAIT_SHARES))
		return "does not promise to share extents, which COPYOFF_REQUIRE_SHARE asks for";
	if ((flags & COPYOFF_REQUIRE_OFFLOAD) && (traits & COPYOFF_TRAIT_HOST))
		return "may move bytes through host memory, which COPYOFF_REQUIRE_OFFLOAD forbids";
	return NULL;
}

static bool filtered(const struct copyoff_ctx *ctx, size_t i)
{
	return !(ctx->filter >> i & 1);
}

struct copyoff_offer *copyoff_route_offer(struct copyoff_ctx *ctx, struct copyoff_route *route,
					  size_t i, unsigned flags)
{
	struct copyoff_offer *offer = &route->offers[i];

	if (!offer->backend || filtered(ctx, i))
		return NULL;
	if (offer->state == COPYOFF_OFFER_UNKNOWN) {
		/* Where sharing or commands are forbidden, do not even ask for them. */
		if (copyoff_forbidden(offer->traits, flags & (COPYOFF_NO_SHARE | COPYOFF_NO_RAW)))
			return NULL;
		probe(ctx, &route->pair, offer);
	}
	if (offer->state != COPYOFF_OFFER_OPEN || copyoff_forbidden(offer->traits, flags))
		return NULL;
	return offer;
}

bool copyoff_route_is_slower(const struct copyoff_ctx *ctx, const struct copyoff_route *route,
			     size_t i)
{
	return route->offers[i].slower && !(ctx->named >> i & 1);
}

/* Can any backend be used that is not slower than others? */
static bool has_faster(const struct copyoff_ctx *ctx, const struct copyoff_route *route,
		       unsigned flags)
{
	for (size_t i = 0; i < COPYOFF_BACKENDS; i++) {
		const struct copyoff_offer *offer = &route->offers[i];

		if (offer->state == COPYOFF_OFFER_OPEN && !filtered(ctx, i) &&
		    !copyoff_forbidden(offer->traits, flags) &&
		    !copyoff_route_is_slower(ctx, route, i))
			return true;
	}
	return false;
}

static void refuse(struct copyoff_verdict *verdict, enum copyoff_reason reason, const char *text,
		   const char *remedy)
{
	verdict->usable = 0;
	verdict->reason = reason;
	verdict->text = text;
	verdict->remedy = remedy;
	memset(&verdict->limits, 0, sizeof(verdict->limits));
}

void copyoff_route_verdict(const struct copyoff_ctx *ctx, const struct copyoff_route *route,
			   size_t i, unsigned flags, struct copyoff_verdict *verdict)
{
	const struct copyoff_offer *offer = &route->offers[i];
	const struct copyoff_backend_info *info = copyoff_registry_info(i);
	const char *why = copyoff_forbidden(offer->traits, flags);

	*verdict = (struct copyoff_verdict){
		.backend = info->name,
		.usable = 1,
		.text = info->summary,
		.remedy = "",
		.limits = offer->limits,
		.traits = offer->traits,
	};
	if (!offer->backend) {
		refuse(verdict, COPYOFF_REASON_NOT_BUILT, info->summary,
		       "build the library with it");
	} else if (filtered(ctx, i)) {
		refuse(verdict, COPYOFF_REASON_FILTERED,
		       "left out by the option backends or by COPYOFF_BACKENDS",
		       "change the list of backends");
	} else if (offer->state == COPYOFF_OFFER_DECLINED) {
		refuse(verdict, offer->reason, offer->text, offer->remedy);
		verdict->error = offer->error;
	} else if (why) {
		refuse(verdict, COPYOFF_REASON_POLICY, why, "call without that flag");
	} else if (!route->pair.in.size_known && !offer->backend->unsized) {
		refuse(verdict, COPYOFF_REASON_FILE_TYPE,
		       "the source is empty, or does not know its size", "");
	} else if (copyoff_route_is_slower(ctx, route, i) && has_faster(ctx, route, flags)) {
		refuse(verdict, COPYOFF_REASON_SLOWER, offer->slower, offer->slower_remedy);
	}
}

static void describe(const struct copyoff_end *end, char *text)
{
	struct copyoff_block block;

	text[0] = '\0';
	if (end->kind == COPYOFF_KIND_BLOCK && copyoff_facts_block(end->fd, end->rdev, &block) == 0)
		copyoff_facts_describe(&block, text, COPYOFF_DEVICE_TEXT);
}

int copyoff_plan_make(struct copyoff_ctx *ctx, int fd_in, int fd_out, unsigned flags,
		      struct copyoff_plan *plan)
{
	struct copyoff_route *route;
	int ret;

	ret = copyoff_check_pair(ctx, fd_in, fd_out, flags, &plan->in, &plan->out);
	if (ret < 0)
		return ret;
	plan->flags = flags;
	describe(&plan->in, plan->in_text);
	describe(&plan->out, plan->out_text);
	route = copyoff_ctx_route(ctx, &plan->in, &plan->out);
	for (size_t i = 0; i < COPYOFF_BACKENDS; i++)
		copyoff_route_offer(ctx, route, i, flags);
	if (ctx->fatal.error)
		return copyoff_fail(ctx, -ctx->fatal.error, "%s: %s", ctx->fatal.backend,
				    ctx->fatal.text);
	for (size_t i = 0; i < COPYOFF_BACKENDS; i++)
		copyoff_route_verdict(ctx, route, i, flags, &plan->verdicts[i]);
	return 0;
}
