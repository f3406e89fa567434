/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * backend.h - all that a backend may include, and the manual for writing one
 *
 * A backend is one file in backends/ and one line in backends/CMakeLists.txt.
 * The file defines one constant,
 *
 *	const struct copyoff_backend copyoff_backend_NAME = { ... };
 *
 * and nothing else that is not static.  It includes this header, sys.h for the
 * system calls, and what the hardware or library it drives needs; it includes
 * no other backend and nothing else from lib/.  backends/skeleton.c.in is a
 * complete example, compiled by the tests.
 *
 * The core splits, loops, fails over, checks arguments, handles holes, policy
 * and progress.  A backend answers two questions: can you copy between these
 * two, and did this piece work?
 */
#ifndef COPYOFF_BACKEND_H
#define COPYOFF_BACKEND_H

#include <copyoff.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bracket.h"
#include "chain.h"
#include "coherence.h"
#include "facts.h"
#include "flight.h"
#include "sys.h"
#include "sysfs.h"

/* One side of a copy.  Facts are as of the beginning of the call. */
struct copyoff_end {
	int fd; /* the caller's; never close it or move its position */
	enum copyoff_kind kind; /* REGULAR or BLOCK */
	uint64_t dev, ino; /* identity of a regular file */
	uint64_t rdev; /* identity of a block device */
	struct copyoff_place place; /* where its bytes are */
	uint64_t size; /* bytes */
	bool size_known; /* false: procfs and the like; read until the end */
	uint64_t allocated; /* bytes, of a regular file */
	bool direct; /* open with O_DIRECT */
	uint32_t io_align; /* offsets and lengths for read and write; 1 unless direct */
};

struct copyoff_pair {
	struct copyoff_end in;
	struct copyoff_end out;
	/* From copyoff_opts, checked; 0: the backend chooses. */
	size_t chunk;
	unsigned depth;
};

/*
 * What one backend says of one pair.  The core zeroes it, sets backend, traits
 * (those of the backend) and keep, and hands it to probe(), which may change
 * limits and traits.  It is kept as long as the core thinks that the pair may
 * come again; then release() is called.
 */
struct copyoff_offer {
	const struct copyoff_backend *backend;
	unsigned traits; /* COPYOFF_TRAIT_*; change them where a pair is better or worse */
	struct copyoff_limits limits; /* copy() may change max_range later */

	/*
	 * Added to source and destination offsets before limits.align is
	 * applied to them, where the blocks are those of what lies beneath.
	 */
	uint64_t base_in, base_out;

	/*
	 * The length may be unaligned if the range ends at the end of the
	 * source and at or beyond the end of the destination (FICLONERANGE).
	 */
	bool unaligned_eof;

	/* In one operation, each range lands right behind the one before it. */
	bool adjacent;

	/* Holes of the source become holes without help of the core. */
	bool keeps_holes;

	/* zero() can be called, too, for a pair of which both ends are the same. */
	bool makes_zeroes;

	/*
	 * It works, but a less preferred backend is faster here, so it comes
	 * behind all others, unless the user has asked for it by name: a
	 * sentence, and what the user can do about it, string literals; NULL
	 * if it is not so.
	 */
	const char *slower;
	const char *slower_remedy;

	/* Private to the backend, for this pair; freed by release(). */
	void *priv;

	/*
	 * Private to the backend, one per context, shared by all pairs and
	 * NULL at first: rings, pipes, buffers.  Freed by close().
	 */
	void **keep;

	/* Set by copyoff_decline(). */
	enum copyoff_reason reason;
	int error; /* positive errno, 0: none */
	const char *text;
	const char *remedy;

	/*
	 * Set by copy() together with a short count when a signal ended it;
	 * cleared by the core before each call.
	 */
	bool interrupted;

	/*
	 * Set by copy() together with a short count, behind copyoff_decline(): what
	 * is left of the call is not for this backend, which has tried it.  Cleared
	 * by the core before each call.
	 */
	bool spent;

	/*
	 * Set by copyoff_fatal(), in probe(), copy() or zero(), whatever they return: the
	 * positive errno that the call of the user fails with, and why.  Cleared by
	 * the core before both.
	 */
	int fatal;
	const char *fatal_text, *fatal_too; /* what else there was, or NULL */

	/*
	 * Set by the core around copy() and zero(): has the user canceled?  To be asked
	 * by those who wait for a device, some times a second, by way of
	 * copyoff_canceled().  Then copy() stops what it began, and returns
	 * what is certain.
	 */
	bool (*canceled)(void *data);
	void *canceled_data;

	/* The core's own. */
	enum { COPYOFF_OFFER_UNKNOWN, COPYOFF_OFFER_OPEN, COPYOFF_OFFER_DECLINED } state;
	bool probed_ok; /* release() is due */
	bool used; /* in the present call */
};

/*
 * "Not here": what probe() and copy() return, by way of copyoff_decline(),
 * when another backend should do it.  Unlike any -errno.
 */
#define COPYOFF_DECLINE (-65536)

/*
 * copyoff_decline() - note why, and return COPYOFF_DECLINE
 * @err:    errno behind it, positive or negative, 0 if none
 * @text:   one sentence without full stop, a string literal
 * @remedy: what the user can do about it, a string literal, or ""
 *
 * COPYOFF_REASON_ALIGNMENT and _RESOURCE from copy() put the backend aside
 * for the rest of the present call only, all others for the pair.
 */
int copyoff_decline(struct copyoff_offer *offer, enum copyoff_reason reason, int err,
		    const char *text, const char *remedy);

/*
 * copyoff_fatal() - the call of the user fails, however much was copied
 * @err:  positive errno
 * @text: why, one sentence without full stop, a string literal
 *
 * For what a short count would hide from a caller who goes on behind it: an error
 * of before that is reported once, or that something may be copied later.  The
 * latter, ETIMEDOUT, comes before all others; else it is the first.  Not from a
 * stateless backend.
 */
void copyoff_fatal(struct copyoff_offer *offer, int err, const char *text);

static inline bool copyoff_canceled(const struct copyoff_offer *offer)
{
	return offer->canceled && offer->canceled(offer->canceled_data);
}

/*
 * For backends that stack: find the most preferred stateless backend that can
 * copy between the ends of @pair.  Fills *@inner, as probe() would, and returns
 * 0; or returns COPYOFF_DECLINE or -errno, and *@inner has the refusal of the
 * last one.  What is filtered or forbidden for the stacking backend's user is
 * not asked about here: the offer that is made outside has the traits of @inner.
 */
int copyoff_inner_probe(const struct copyoff_pair *pair, struct copyoff_offer *inner);

/*
 * For backends that copy behind the page cache: may the destination be written
 * to, and does nobody have it for himself?  Mounted file systems and others have
 * caches of their own, which nobody can drop.  0 or copyoff_decline(); 0 for a
 * regular file.
 */
int copyoff_check_destination(const struct copyoff_end *out, struct copyoff_offer *offer);

/*
 * Compare the first @len bytes of the concatenation of @v, as they are read by the
 * descriptors of @pair.  Returns how many of them are equal; if not all, *@err is
 * -EIO for a difference, or why it could not be read.
 */
uint64_t copyoff_verify(const struct copyoff_pair *pair, const struct copyoff_range *v, size_t n,
			uint64_t len, int *err);

/* Name (as in the file's), one line for people, traits for any pair. */
#define COPYOFF_BACKEND_INFO(name, summary, traits)                                                \
	{                                                                                          \
		name, summary, traits, 1                                                           \
	}

struct copyoff_backend {
	struct copyoff_backend_info info; /* COPYOFF_BACKEND_INFO() */

	/*
	 * copy() uses nothing but the descriptors and the ranges: called for
	 * a pair that has changed behind the core's back, it can at worst be
	 * refused, by the kernel.  Allows calls without looking first.  Of pairs
	 * of regular files; others are looked at.
	 */
	bool stateless;

	/*
	 * Implies stateless, and the kernel itself applies the whole contract
	 * of copyoff_copy() (all checks in their order, end of input): may be
	 * the first thing tried for a small copy, without any facts.
	 */
	bool complete;

	/* Can read a file that does not know its size to its end. */
	bool unsized;

	/*
	 * Bytes.  Without a context, what is found out and set up serves one
	 * call: for a smaller one this backend is not even asked, as long as
	 * another one can be used.
	 */
	uint64_t least_once;

	/* Bytes.  Of a hole that is smaller, zeroes are written faster than by zero(). */
	uint64_t least_zeroes;

	/*
	 * probe() - can this pair be copied?
	 *
	 * Reads only, and is quick.  Returns 0 and fills offer->limits (left at
	 * zero: no limits, one range per operation), or copyoff_decline(), or -errno if the question
	 * could not be asked (recorded, asked again in the next call).
	 * A prediction, not a promise.
	 */
	int (*probe)(const struct copyoff_pair *pair, struct copyoff_offer *offer);

	/*
	 * copy() - copy @n ranges, in order
	 *
	 * The ranges are within the limits of the offer, aligned, not empty,
	 * do not overlap, and end within the known size of the input.  One
	 * operation per call: the core loops.  Returns
	 *   > 0    bytes of the leading prefix of the concatenation that were
	 *          copied; short is allowed
	 *   0      the input ended at the first range
	 *   copyoff_decline()  nothing copied, cannot here after all
	 *   -EINTR nothing copied, a signal came
	 *   -errno nothing copied, final: no other backend is tried.  Data
	 *          and space errors are final.
	 * Bytes behind the prefix, but inside the ranges, may have changed.
	 */
	int64_t (*copy)(const struct copyoff_pair *pair, struct copyoff_offer *offer,
			const struct copyoff_range *ranges, size_t n);

	/*
	 * zero() - make the destination read as zeroes, where the kernel cannot have
	 * the device do it
	 *
	 * Both ends of the pair are the destination, which need not be open for
	 * reading, and source and destination of each range are the same.  The ranges
	 * are as for copy(), and so is what a count, copyoff_fatal() or being canceled
	 * means; for all else that is returned, the range is written.
	 * offer->interrupted and offer->spent are not looked at.  May be NULL.
	 */
	int64_t (*zero)(const struct copyoff_pair *pair, struct copyoff_offer *offer,
			const struct copyoff_range *ranges, size_t n);

	/* Free offer->priv.  Called once if probe() returned 0.  May be NULL. */
	void (*release)(struct copyoff_offer *offer);

	/* Free what *offer->keep held.  Called once, if not NULL.  May be NULL. */
	void (*close)(void *keep);
};

/* The smaller one. */
uint64_t copyoff_range_min(uint64_t a, uint64_t b);

/* The largest multiple of @align that is not larger; @value if @align is 0. */
uint64_t copyoff_range_down(uint64_t value, uint64_t align);

#endif
