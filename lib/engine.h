/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * engine.h - what a run of the engine is made of
 *
 *   engine.c    copy, fail over, until done
 *   split.c     which backend takes how much at the cursor
 *   zeroes.c    which backend makes a hole of a device
 *   shortcut.c  one call into the kernel, before anything else
 */
#ifndef COPYOFF_ENGINE_H
#define COPYOFF_ENGINE_H

#include "internal.h"

/* Ranges in one operation: what the largest limit of NVMe Copy allows. */
enum { COPYOFF_BATCH = 256 };

/* Where a run is. */
struct copyoff_cursor {
	size_t range;
	uint64_t pos; /* within it */
	uint64_t done; /* of the concatenation */
	uint64_t offloaded;
	size_t last; /* backend that moved the last byte; COPYOFF_BACKENDS: none */
};

struct copyoff_run {
	struct copyoff_ctx *ctx;
	struct copyoff_route *route;
	const struct copyoff_range *v;
	size_t n;
	unsigned flags;
	uint64_t before; /* bytes copied by the same call of the user before this run */
	uint64_t total; /* bytes to do, for progress */
	uint64_t reported; /* by the last progress callback */
	bool canceled; /* by the progress callback */
	/*
	 * RLIMIT_FSIZE, and the largest offset there is.  The kernel stops a
	 * write there, and kills a process that goes on by SIGXFSZ.
	 */
	uint64_t size_limit;
	struct copyoff_cursor at;
	struct copyoff_holes holes;
	bool holes_lost; /* they could not be located, or not be made */
	struct copyoff_route *zeroes; /* the destination twice; NULL: not asked for yet */
	copyoff_mask zeroes_refused; /* by these backends */
	struct copyoff_cursor before_hole; /* where the pending hole began */
	struct copyoff_range batch[COPYOFF_BATCH];
};

/* One step's work: a backend and the ranges for it. */
struct copyoff_operation {
	struct copyoff_offer *offer;
	size_t index; /* of the backend */
	size_t n; /* ranges in the batch */
	uint64_t len; /* bytes in the batch */
	bool zeroes; /* zero() instead of copy() */
};

/* --- split.c ------------------------------------------------------------ */

static inline uint64_t copyoff_rest_of_range(const struct copyoff_run *run)
{
	return run->v[run->at.range].len - run->at.pos;
}

/* Bytes from the cursor to the end of the range, of the input, or of what may be written. */
uint64_t copyoff_split_rest(const struct copyoff_run *run, uint64_t src, uint64_t dst);

/* What of @len bytes, as one range, is within the limits. */
uint64_t copyoff_split_within(const struct copyoff_limits *limits, uint64_t len);

/*
 * Pick the most preferred backend that can begin with [@src, @src + *@len), and
 * what it takes of it; false if there is none.  Shortens *@len so that a more
 * preferred one gets its turn as soon as it can.  One that is slower here, or
 * not worth starting for so little, is taken only where no other can.
 */
bool copyoff_split_choose(struct copyoff_run *run, uint64_t src, uint64_t dst, uint64_t *len,
			  struct copyoff_operation *op);

/* Fill the batch: op->len bytes at the cursor, and further ranges that fit. */
void copyoff_split_batch(struct copyoff_run *run, uint64_t src, uint64_t dst,
			 struct copyoff_operation *op);

/* --- zeroes.c ------------------------------------------------------------ */

/*
 * Pick the most preferred backend that can have the device at @dst of the
 * destination make zeroes, and what it takes of @len bytes: op->len, in one range,
 * for the pair of run->zeroes.  False if there is none, or so few are not worth it.
 */
bool copyoff_zeroes_choose(struct copyoff_run *run, uint64_t dst, uint64_t len,
			   struct copyoff_operation *op);
/* It has declined: not once more in this run, or ever, as its reason is. */
void copyoff_zeroes_refused(struct copyoff_run *run, const struct copyoff_operation *op);

/* --- engine.c ------------------------------------------------------------ */

/*
 * Give the operation to its backend, whose answer is not trusted; account for
 * it, and set the message if it failed.
 */
int64_t copyoff_engine_attempt(struct copyoff_ctx *ctx, const struct copyoff_pair *pair,
			       const struct copyoff_operation *op,
			       const struct copyoff_range *ranges);

#endif
