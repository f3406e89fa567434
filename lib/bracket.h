/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * bracket.h - what surrounds a copy that is made beneath block devices
 *
 * Who looks at two devices first, and later has something copied beneath them,
 * must find the same devices, keep their page caches out of the way, and know
 * that the devices were not exchanged in the meantime:
 *
 *	probe:	copyoff_bracket_probe(), which has the backend find out all it needs,
 *		with copyoff_bracket_find() first
 *	copy:	copyoff_bracket_begin(): the same devices, or find again; the ranges
 *		fit them, and nobody else has the destination
 *		copyoff_bracket_copy(): flush, copy, drop, look again
 */
#ifndef COPYOFF_BRACKET_H
#define COPYOFF_BRACKET_H

#include "chain.h"
#include "coherence.h"

#include <copyoff.h>

struct copyoff_end;
struct copyoff_offer;
struct copyoff_pair;

/* One end of a copy: a block device as it was found, or a regular file, which needs nothing. */
struct copyoff_side {
	bool is_device;
	struct copyoff_chain chain; /* its descriptors are closed */
	uint64_t sequence; /* of the device's medium; 0: not known */
	uint64_t size; /* of the device, bytes */
	struct copyoff_coherence caches;
};

struct copyoff_bracket {
	struct copyoff_side in;
	struct copyoff_side out;
	/* By the backend, when it has found out all that it needs: */
	bool valid;
	uint32_t block; /* logical, bytes, of both devices */
};

/* Sets everything but @block; not valid yet. */
void copyoff_bracket_find(struct copyoff_bracket *b, const struct copyoff_pair *pair);

/* Are the devices, and what lies beneath them, as they were found?  As far as can be seen. */
bool copyoff_bracket_holds(const struct copyoff_bracket *b, const struct copyoff_pair *pair);

/*
 * What a backend finds out about a pair, in a @state of its own, of which the bracket
 * is a part, and in the offer.  0, -errno or copyoff_decline().
 */
typedef int copyoff_find_fn(const struct copyoff_pair *pair, void *state,
			    struct copyoff_offer *offer);

/*
 * probe() of such a backend: @find, and see that nobody else has the destination.
 * The state has @size bytes, all 0 before, and is aligned to @align.  It is
 * @offer->priv until copyoff_bracket_release(), which is release().
 */
int copyoff_bracket_probe(const struct copyoff_pair *pair, struct copyoff_offer *offer, size_t size,
			  size_t align, copyoff_find_fn *find);
void copyoff_bracket_release(struct copyoff_offer *offer);

/*
 * Before a copy of @ranges: unless @b is valid, and holds for certain, @find again;
 * then see that they end within the devices as they are now, and nobody else has
 * the destination.  0 or copyoff_decline(), also if the ranges were cut for other
 * blocks or for wider limits than are found now.
 */
int copyoff_bracket_begin(struct copyoff_bracket *b, const struct copyoff_pair *pair,
			  struct copyoff_offer *offer, const struct copyoff_range *ranges, size_t n,
			  copyoff_find_fn *find, void *state);

/*
 * Call @copy, which copies @from->ranges (their destinations may be anywhere) and
 * returns what copy() of a backend does, with the caches of both devices flushed
 * before, and those of the destination dropped behind it: of all the ranges,
 * also of what was not counted, since it may have changed.  Returns what @copy
 * returned; or copyoff_decline() if the caches cannot be opened or dropped: copied
 * through the cache, it becomes right; or -errno, which is fatal, if they cannot be
 * written back, which nobody else may be told; or -EIO, likewise, if there are other
 * devices now: bytes may have gone anywhere, and what was counted before is there no more.
 */
int64_t copyoff_bracket_copy(struct copyoff_bracket *b, const struct copyoff_pair *pair,
			     struct copyoff_offer *offer, const struct copyoff_origin *from,
			     int64_t (*copy)(void *data), void *data);

#endif
