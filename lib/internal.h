/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * internal.h - what the files of lib/ share with each other
 *
 *   api.c       public functions; the only place that sets errno
 *   ctx.c       contexts, options, results, routes
 *   check.c     arguments: facts about both ends, errors in the kernel's order
 *   engine.c    copy, fail over, until done; progress
 *   split.c     which backend takes how much
 *   shortcut.c  one call into the kernel, before anything else
 *   plan.c      probing, policy, verdicts
 *   explain.c   a plan as text
 *   extents.c   where a sparse file has data
 *   holes.c     what becomes of holes
 *   zeroes.c    which backend makes a hole of a device
 *   verify.c    read back and compare, find the end of a file by reading
 *   filter.c    lists of backend names
 *   range.c     checked arithmetic on offsets, overlap (pure)
 *   registry.c  the table of backends
 *   trace.c     log lines
 *
 * Functions return 0 or a count, or -errno.
 */
#ifndef COPYOFF_INTERNAL_H
#define COPYOFF_INTERNAL_H

#include "backend.h"

#include <stdarg.h>

/* --- registry.c -------------------------------------------------------- */

/* The row numbers of the generated table, in order of preference. */
enum {
#define COPYOFF_BACKEND(name)             COPYOFF_INDEX_##name,
#define COPYOFF_BACKEND_ABSENT(name, why) COPYOFF_INDEX_##name,
#include "backends.list.h"
#undef COPYOFF_BACKEND
#undef COPYOFF_BACKEND_ABSENT
	COPYOFF_BACKENDS
};

/* NULL if the backend at @i was left out of this build. */
const struct copyoff_backend *copyoff_registry_get(size_t i);
const struct copyoff_backend_info *copyoff_registry_info(size_t i);
/* COPYOFF_BACKENDS if there is none of that name. */
size_t copyoff_registry_find(const char *name, size_t len);

/* --- filter.c ---------------------------------------------------------- */

/* Bit i: the backend at i may be used. */
typedef uint32_t copyoff_mask;
_Static_assert(COPYOFF_BACKENDS <= 32, "copyoff_mask has a bit for each backend");
#define COPYOFF_MASK_ALL ((copyoff_mask)-1)

/*
 * "a,b" or "^a,b": which may be used, and which of these are in the list.
 * -EINVAL at a name that is no backend; then *@bad is where it begins and
 * *@bad_len how long it is.
 */
int copyoff_filter_parse(const char *list, copyoff_mask *mask, copyoff_mask *named,
			 const char **bad, size_t *bad_len);

/* --- range.c ----------------------------------------------------------- */

/* copyoff_range_min() and copyoff_range_down() are in backend.h. */
bool copyoff_range_end(uint64_t off, uint64_t len, uint64_t *end);
/* UINT64_MAX if the result does not fit. */
uint64_t copyoff_range_up(uint64_t value, uint64_t align);
bool copyoff_range_overlap(uint64_t a, uint64_t b, uint64_t len);

/* A half-open interval. */
struct copyoff_span {
	uint64_t start;
	uint64_t end;
};

/*
 * Do the destinations of @v overlap each other, or, if both ends are at the same
 * place, any source?
 * Ranges count up to the end of the source, @src_size.  No sum of an offset and
 * a length overflows.  @scratch has room for @n spans.
 */
bool copyoff_ranges_overlap(const struct copyoff_range *v, size_t n, uint64_t src_size,
			    const struct copyoff_place *in, const struct copyoff_place *out,
			    struct copyoff_span *scratch);

/* --- plan.c ------------------------------------------------------------ */

/* A pair of files and what each backend offered for it. */
struct copyoff_route {
	struct copyoff_pair pair;
	struct copyoff_offer offers[COPYOFF_BACKENDS];
	uint64_t last_used;
};

void copyoff_route_init(struct copyoff_ctx *ctx, struct copyoff_route *route,
			const struct copyoff_end *in, const struct copyoff_end *out);
void copyoff_route_release(struct copyoff_route *route);

/* The same files, but facts may have changed: forget what must not be kept. */
void copyoff_route_refresh(struct copyoff_route *route, const struct copyoff_end *in,
			   const struct copyoff_end *out);

/* Was it declined for what was true of one range or one moment only? */
bool copyoff_offer_may_pass(const struct copyoff_offer *offer);

/*
 * The offer of the backend at @i, which is asked if it was not before; NULL if
 * it is left out, filtered, forbidden by @flags, or declined.
 */
struct copyoff_offer *copyoff_route_offer(struct copyoff_ctx *ctx, struct copyoff_route *route,
					  size_t i, unsigned flags);

/* Works, but is likely to be slower than another one, and was not asked for by name. */
bool copyoff_route_is_slower(const struct copyoff_ctx *ctx, const struct copyoff_route *route,
			     size_t i);

/* Why @flags forbid what @traits (COPYOFF_TRAIT_*) do; NULL if they do not. */
const char *copyoff_forbidden(unsigned traits, unsigned flags);

/* What there is to say of the backend at @i, when all have been asked. */
void copyoff_route_verdict(const struct copyoff_ctx *ctx, const struct copyoff_route *route,
			   size_t i, unsigned flags, struct copyoff_verdict *verdict);

/* Room for what is said of a block device; a path of 4096 bytes may be in it. */
enum { COPYOFF_DEVICE_TEXT = 4608 };

struct copyoff_plan {
	struct copyoff_verdict verdicts[COPYOFF_BACKENDS];
	struct copyoff_end in;
	struct copyoff_end out;
	char in_text[COPYOFF_DEVICE_TEXT], out_text[COPYOFF_DEVICE_TEXT]; /* of block devices */
	unsigned flags;
};

int copyoff_plan_make(struct copyoff_ctx *ctx, int fd_in, int fd_out, unsigned flags,
		      struct copyoff_plan *plan);

/* --- explain.c --------------------------------------------------------- */

size_t copyoff_explain(const struct copyoff_plan *plan, char *buf, size_t size);

/* --- ctx.c ------------------------------------------------------------- */

enum { COPYOFF_ROUTES = 4, COPYOFF_MESSAGE_SIZE = 320 };

struct copyoff_ctx {
	/* Options. */
	copyoff_mask filter;
	copyoff_mask named; /* of these, the ones that the user listed by name */
	bool filter_given; /* the environment's is weaker */
	size_t chunk;
	unsigned depth;
	void (*log)(void *log_data, const char *line);
	void *log_data;
	int (*progress)(void *progress_data, uint64_t done, uint64_t total);
	void *progress_data;
	bool debug; /* COPYOFF_DEBUG */
	bool once; /* for one call of copyoff_copy() */

	/* Of the present call: what makes it fail, however much is copied. */
	struct {
		int error; /* positive errno, 0: nothing */
		const char *backend, *text, *too; /* the last may be NULL */
	} fatal;

	/* What backends keep, see copyoff_offer.keep, and the process that made it. */
	void *keep[COPYOFF_BACKENDS];
	int64_t process;

	/* Verdicts for the pairs used last; the first n_routes are valid. */
	struct copyoff_route routes[COPYOFF_ROUTES];
	size_t n_routes;
	uint64_t clock;

	struct copyoff_stats stats[COPYOFF_BACKENDS];
	struct copyoff_result result;
	char message[COPYOFF_MESSAGE_SIZE];
};

/* No options, nothing kept.  Leaves the routes alone: they are large. */
void copyoff_ctx_init(struct copyoff_ctx *ctx);
/* -EINVAL, -E2BIG; the log callback is told why. */
int copyoff_ctx_set_opts(struct copyoff_ctx *ctx, const struct copyoff_opts *opts);
void copyoff_ctx_read_environment(struct copyoff_ctx *ctx);
void copyoff_ctx_fini(struct copyoff_ctx *ctx);

/*
 * After fork(2) both processes have the same rings and pipes: this one gets its
 * own.
 */
void copyoff_ctx_own(struct copyoff_ctx *ctx);

/* Is there anything in the environment for us? */
bool copyoff_environment_is_set(void);

/* The route of this pair; a new one if there is none. */
struct copyoff_route *copyoff_ctx_route(struct copyoff_ctx *ctx, const struct copyoff_end *in,
					const struct copyoff_end *out);
/* The route that was last used with these descriptors, whatever they are now. */
struct copyoff_route *copyoff_ctx_guess_route(struct copyoff_ctx *ctx, int fd_in, int fd_out);

/* Begin a result; forget the last one. */
void copyoff_ctx_begin(struct copyoff_ctx *ctx);
/* What an offer has said by copyoff_fatal() holds for the present call. */
void copyoff_ctx_heed(struct copyoff_ctx *ctx, const struct copyoff_offer *offer);
/* Set the message and return @err, a negative errno, or 0 for a mere note. */
int copyoff_fail(struct copyoff_ctx *ctx, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* --- trace.c ----------------------------------------------------------- */

static inline bool copyoff_tracing(const struct copyoff_ctx *ctx)
{
	return ctx->log || ctx->debug;
}
void copyoff_trace(struct copyoff_ctx *ctx, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void copyoff_trace_decline(struct copyoff_ctx *ctx, const struct copyoff_offer *offer);
/* "ENOSPC" and the like, for positive and negative errno. */
const char *copyoff_errno_name(int err);

/* --- check.c ----------------------------------------------------------- */

#define COPYOFF_FLAGS_ALL                                                                          \
	(COPYOFF_REQUIRE_OFFLOAD | COPYOFF_NO_SHARE | COPYOFF_REQUIRE_SHARE | COPYOFF_NO_RAW |     \
	 COPYOFF_SYNC | COPYOFF_SPARSE | COPYOFF_VERIFY)

/*
 * Descriptors and flags, in the order of the kernel (generic_copy_file_checks
 * and its callers); fills both ends.  Sets the message on error.
 */
int copyoff_check_pair(struct copyoff_ctx *ctx, int fd_in, int fd_out, unsigned flags,
		       struct copyoff_end *in, struct copyoff_end *out);

/*
 * Offsets and length of one range, likewise.  Shortens *@len to what can be
 * asked for: to the end of the input if it is known, and to the largest offset
 * of the output.  0 in *@len: at the end of the input.
 */
int copyoff_check_range(struct copyoff_ctx *ctx, const struct copyoff_end *in, int64_t off_in,
			const struct copyoff_end *out, int64_t off_out, uint64_t *len);

/* Do both ends name the same bytes? */
bool copyoff_same_file(const struct copyoff_end *in, const struct copyoff_end *out);

/* --- extents.c --------------------------------------------------------- */

/* A walk over data and holes of a file, by a descriptor of its own. */
struct copyoff_extents {
	int fd; /* -1: not open */
	struct copyoff_span now; /* the extent that was found last */
	bool hole; /* what it is */
};

int copyoff_extents_open(struct copyoff_extents *x, int fd);
void copyoff_extents_close(struct copyoff_extents *x);
/*
 * The extent at @off: its end (at most @limit), and whether it is a hole.
 * -errno if the file system cannot say.
 */
int copyoff_extents_at(struct copyoff_extents *x, uint64_t off, uint64_t limit, uint64_t *end,
		       bool *hole);

/* --- holes.c ----------------------------------------------------------- */

/* What a run knows of holes. */
struct copyoff_holes {
	bool on; /* look for holes */
	bool punch; /* COPYOFF_SPARSE */
	bool wrote; /* data, in this run */
	struct copyoff_extents src;
	struct copyoff_extents dst; /* opened when first needed */
	uint64_t dst_size; /* end of the destination, as far as known */
	uint64_t limit; /* no hole is made beyond it: RLIMIT_FSIZE */
	/*
	 * The hole beyond the end of the destination that reaches furthest,
	 * while no data behind it has made the file that long.
	 */
	struct copyoff_span pending;
};

void copyoff_holes_begin(struct copyoff_holes *h, const struct copyoff_pair *pair, bool punch,
			 uint64_t size_limit);
void copyoff_holes_end(struct copyoff_holes *h);
/*
 * Make [@dst, @dst + @len) read as zeroes.  Returns bytes done from the start,
 * > 0, or COPYOFF_DECLINE: copy it like data.
 */
int64_t copyoff_holes_make(struct copyoff_holes *h, const struct copyoff_pair *pair, uint64_t dst,
			   uint64_t len);
/* Data was written up to @end. */
void copyoff_holes_wrote(struct copyoff_holes *h, uint64_t end);
static inline bool copyoff_holes_pending(const struct copyoff_holes *h)
{
	return h->pending.end > h->dst_size;
}
/* Let the file end behind the pending hole. */
int copyoff_holes_settle(struct copyoff_holes *h, const struct copyoff_pair *pair);

/* --- verify.c ---------------------------------------------------------- */

/* Is there nothing to read at @off?  False if that cannot be found out. */
bool copyoff_at_end(const struct copyoff_end *end, uint64_t off);

/* --- shortcut.c, engine.c ---------------------------------------------- */

/*
 * One call into the kernel, for a copy without flags.  @ctx may be NULL: then
 * nothing is remembered or reported.  COPYOFF_DECLINE: take the long way.
 */
int64_t copyoff_shortcut(struct copyoff_ctx *ctx, int fd_in, int fd_out,
			 const struct copyoff_range *range);

/*
 * Copy valid ranges between checked ends.  @before bytes right before them
 * were copied in the same call of the user.
 */
int64_t copyoff_engine_run(struct copyoff_ctx *ctx, const struct copyoff_end *in,
			   const struct copyoff_end *out, const struct copyoff_range *v, size_t n,
			   unsigned flags, uint64_t before);

#endif
