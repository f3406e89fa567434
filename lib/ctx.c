/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * ctx.c - contexts: options, results, and the routes they remember
 */
#include "internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

void copyoff_ctx_init(struct copyoff_ctx *ctx)
{
	memset(ctx, 0, offsetof(struct copyoff_ctx, routes));
	ctx->filter = COPYOFF_MASK_ALL;
	ctx->n_routes = 0;
	ctx->clock = 0;
	memset(ctx->stats, 0, sizeof(ctx->stats));
	copyoff_ctx_begin(ctx);
}

static void close_kept(struct copyoff_ctx *ctx)
{
	for (size_t i = 0; i < COPYOFF_BACKENDS; i++) {
		const struct copyoff_backend *backend = copyoff_registry_get(i);

		if (ctx->keep[i] && backend->close)
			backend->close(ctx->keep[i]);
		ctx->keep[i] = NULL;
	}
}

void copyoff_ctx_fini(struct copyoff_ctx *ctx)
{
	for (size_t i = 0; i < ctx->n_routes; i++)
		copyoff_route_release(&ctx->routes[i]);
	close_kept(ctx);
}

void copyoff_ctx_own(struct copyoff_ctx *ctx)
{
	int64_t process;

	if (ctx->once)
		return;
	process = copyoff_sys_process();
	if (process != ctx->process)
		close_kept(ctx); /* closes the descriptors of this process only */
	ctx->process = process;
}

/* Option structs of newer programs may be larger; what is unknown must be zero. */
static bool tail_is_zero(const void *p, size_t from, size_t size)
{
	const unsigned char *bytes = p;

	for (size_t i = from; i < size; i++) {
		if (bytes[i])
			return false;
	}
	return true;
}

enum {
	CHUNK_MIN = 4096,
	CHUNK_MAX = 16 << 20,
	DEPTH_MAX = 64,
	MEMORY_MAX = 64 << 20, /* chunk * depth */
	DEPTH_DEFAULT = 8,
};

static int check_sizes(struct copyoff_ctx *ctx, const struct copyoff_opts *opts)
{
	size_t depth = opts->depth ? opts->depth : DEPTH_DEFAULT;

	if (opts->chunk &&
	    (opts->chunk < CHUNK_MIN || opts->chunk > CHUNK_MAX || opts->chunk % CHUNK_MIN))
		return copyoff_fail(ctx, -EINVAL,
				    "opts.chunk %zu: not a multiple of %d from %d to %d",
				    opts->chunk, CHUNK_MIN, CHUNK_MIN, CHUNK_MAX);
	if (opts->depth > DEPTH_MAX)
		return copyoff_fail(ctx, -EINVAL, "opts.depth %u: more than %d", opts->depth,
				    DEPTH_MAX);
	if (opts->chunk > MEMORY_MAX / depth)
		return copyoff_fail(ctx, -EINVAL,
				    "opts.chunk %zu times opts.depth %zu: more than %d",
				    opts->chunk, depth, MEMORY_MAX);
	return 0;
}

int copyoff_ctx_set_opts(struct copyoff_ctx *ctx, const struct copyoff_opts *given)
{
	struct copyoff_opts opts = { 0 };
	const char *bad;
	size_t bad_len;
	int ret;

	if (given->size < sizeof(given->size))
		return -EINVAL;
	memcpy(&opts, given, given->size < sizeof(opts) ? given->size : sizeof(opts));
	ctx->log = opts.log;
	ctx->log_data = opts.log_data;
	if (!tail_is_zero(given, sizeof(opts), given->size))
		return copyoff_fail(ctx, -E2BIG,
				    "opts.size %zu: fields behind byte %zu are set, but not known "
				    "to this version",
				    given->size, sizeof(opts));
	ret = check_sizes(ctx, &opts);
	if (ret < 0)
		return ret;
	if (opts.backends) {
		ctx->filter_given = true;
		ret = copyoff_filter_parse(opts.backends, &ctx->filter, &ctx->named, &bad,
					   &bad_len);
		if (ret < 0)
			return copyoff_fail(ctx, ret, "opts.backends: \"%.*s\" is no backend",
					    (int)copyoff_range_min(bad_len, 64), bad);
	}
	ctx->chunk = opts.chunk;
	ctx->depth = opts.depth;
	ctx->progress = opts.progress;
	ctx->progress_data = opts.progress_data;
	return 0;
}

static const char env_backends[] = "COPYOFF_BACKENDS";
static const char env_debug[] = "COPYOFF_DEBUG";

bool copyoff_environment_is_set(void)
{
	return copyoff_sys_getenv(env_backends) || copyoff_sys_getenv(env_debug);
}

/* A mistake in the environment must not break a program: it is only noted. */
void copyoff_ctx_read_environment(struct copyoff_ctx *ctx)
{
	const char *debug = copyoff_sys_getenv(env_debug);
	const char *list = ctx->filter_given ? NULL : copyoff_sys_getenv(env_backends);
	const char *bad;
	size_t bad_len;

	ctx->debug = debug && strcmp(debug, "0") != 0;
	if (list && copyoff_filter_parse(list, &ctx->filter, &ctx->named, &bad, &bad_len) < 0)
		copyoff_trace(ctx, "%s ignored: \"%.*s\" is no backend", env_backends,
			      (int)copyoff_range_min(bad_len, 64), bad);
}

static bool same_end(const struct copyoff_end *a, const struct copyoff_end *b)
{
	return copyoff_same_file(a, b) && a->direct == b->direct;
}

static struct copyoff_route *find_route(struct copyoff_ctx *ctx, const struct copyoff_end *in,
					const struct copyoff_end *out)
{
	for (size_t i = 0; i < ctx->n_routes; i++) {
		struct copyoff_route *route = &ctx->routes[i];

		if (same_end(&route->pair.in, in) && same_end(&route->pair.out, out))
			return route;
	}
	return NULL;
}

/* An unused one, or the one that was not used for longest. */
static struct copyoff_route *free_route(struct copyoff_ctx *ctx)
{
	struct copyoff_route *oldest = &ctx->routes[0];

	if (ctx->n_routes < COPYOFF_ROUTES)
		return &ctx->routes[ctx->n_routes++];
	for (size_t i = 1; i < COPYOFF_ROUTES; i++) {
		if (ctx->routes[i].last_used < oldest->last_used)
			oldest = &ctx->routes[i];
	}
	copyoff_route_release(oldest);
	return oldest;
}

struct copyoff_route *copyoff_ctx_route(struct copyoff_ctx *ctx, const struct copyoff_end *in,
					const struct copyoff_end *out)
{
	struct copyoff_route *route = find_route(ctx, in, out);

	if (route) {
		copyoff_route_refresh(route, in, out);
	} else {
		route = free_route(ctx);
		copyoff_route_init(ctx, route, in, out);
	}
	route->last_used = ++ctx->clock;
	return route;
}

struct copyoff_route *copyoff_ctx_guess_route(struct copyoff_ctx *ctx, int fd_in, int fd_out)
{
	struct copyoff_route *best = NULL;

	for (size_t i = 0; i < ctx->n_routes; i++) {
		struct copyoff_route *route = &ctx->routes[i];

		if (route->pair.in.fd == fd_in && route->pair.out.fd == fd_out &&
		    (!best || route->last_used > best->last_used))
			best = route;
	}
	return best;
}

void copyoff_ctx_begin(struct copyoff_ctx *ctx)
{
	ctx->message[0] = '\0';
	ctx->fatal.error = 0;
	ctx->result = (struct copyoff_result){ .backend = "none", .message = ctx->message };
}

void copyoff_ctx_heed(struct copyoff_ctx *ctx, const struct copyoff_offer *offer)
{
	if (!offer->fatal || ctx->fatal.error)
		return;
	ctx->fatal.error = offer->fatal;
	ctx->fatal.backend = offer->backend->info.name;
	ctx->fatal.text = offer->fatal_text;
	ctx->fatal.too = offer->fatal_too;
}

int copyoff_fail(struct copyoff_ctx *ctx, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(ctx->message, sizeof(ctx->message), fmt, ap);
	va_end(ap);
	if (err)
		copyoff_trace(ctx, "%s: %s", copyoff_errno_name(err), ctx->message);
	else
		copyoff_trace(ctx, "%s", ctx->message);
	return err;
}
