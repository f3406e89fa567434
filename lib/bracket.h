/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * bracket.h - what surrounds a copy that is made beneath block devices
 *
 * Who looks at two devices first, and later has something copied beneath them,
 * must find the same devices, keep their page caches out of the way, and know
 * that the devices were not exchanged in the meantime:
 *
 *	probe:	copyoff_bracket_find()
 *	copy:	copyoff_bracket_holds(), or find again
 *		copyoff_bracket_fits()
 *		copyoff_check_destination()
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
};

void copyoff_bracket_find(struct copyoff_bracket *b, const struct copyoff_pair *pair);

/* Are the devices, and what lies beneath them, as they were found?  As far as can be seen. */
bool copyoff_bracket_holds(const struct copyoff_bracket *b, const struct copyoff_pair *pair);

/* Have both devices sequence numbers, so that another medium would be noticed? */
bool copyoff_bracket_certain(const struct copyoff_bracket *b);

/*
 * Do @ranges end within the devices as they are now, and have these logical
 * blocks of @block bytes?  0 or copyoff_decline().
 */
int copyoff_bracket_fits(const struct copyoff_pair *pair, struct copyoff_offer *offer,
			 const struct copyoff_range *ranges, size_t n, uint32_t block);

/*
 * Call @copy, which copies @from->ranges (their destinations may be anywhere) and
 * returns what copy() of a backend does, with the caches of both devices flushed
 * before, and those of the destination dropped behind it: of all the ranges,
 * also of what was not counted, since it may have changed.  Returns what @copy
 * returned; or copyoff_decline() if the caches cannot be dealt with: copied
 * through the cache, it becomes right; or -EIO if there are other devices now:
 * bytes may have gone anywhere.
 */
int64_t copyoff_bracket_copy(struct copyoff_bracket *b, const struct copyoff_pair *pair,
			     struct copyoff_offer *offer, const struct copyoff_origin *from,
			     int64_t (*copy)(void *data), void *data);

#endif
