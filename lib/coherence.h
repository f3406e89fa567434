/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * coherence.h - page caches of block devices, for copies made behind them
 *
 * A copy that is carried out beneath a block device is not seen by those who
 * have its bytes cached, and is lost if older data in the cache is written back
 * after it.  So, in this order: flush what is read and what is written, copy,
 * drop what was written, or may have been.
 *
 * Each level of a chain has a cache, and so have the disk of a partition and
 * the partitions of a disk.
 */
#ifndef COPYOFF_COHERENCE_H
#define COPYOFF_COHERENCE_H

#include "chain.h"

#include <copyoff.h>

enum { COPYOFF_CACHES = 64 }; /* further neighbours are left out */

/* A device that caches bytes of another one, the first. */
struct copyoff_cache {
	uint64_t rdev;
	uint64_t disk; /* number of the whole disk */
	int fd; /* -1: not open */
	bool beneath; /* reading the first may read from it */
	uint64_t from, to; /* what of the first it has, bytes */
	uint64_t base; /* where byte 0 of the first would be on it, modulo 2^64 */
};

struct copyoff_coherence {
	struct copyoff_cache caches[COPYOFF_CACHES]; /* the first one first */
	size_t n;
};

/*
 * Find the caches of the device at the top of @chain, which has @size bytes, as
 * they are now: a partition that is made later is not among them.  Only if
 * @written do neighbours matter.
 */
void copyoff_coherence_find(struct copyoff_coherence *c, const struct copyoff_chain *chain,
			    uint64_t size, bool written);

/*
 * Begin with the device open at @fd.  Neighbours that cannot be opened are left
 * out: what is read through them may be old, as it is after a write(2) to @fd.
 * -errno if a device beneath cannot be opened.
 */
int copyoff_coherence_begin(struct copyoff_coherence *c, int fd);
void copyoff_coherence_end(struct copyoff_coherence *c);

/*
 * Write back what is dirty in [@off, @off + @len) of the first device.  -errno:
 * writing failed, now or before, and nobody else may be told.
 */
int copyoff_coherence_flush_source(const struct copyoff_coherence *c, uint64_t off, uint64_t len);
int copyoff_coherence_flush_destination(const struct copyoff_coherence *c, uint64_t off,
					uint64_t len);

/*
 * Where what was copied can be read: what @ranges, whose destinations lie one
 * behind the other, copied from is in @fd at their source offsets plus @shift.
 * Or it is zeroes, and @fd is none.
 */
struct copyoff_origin {
	bool zeroes;
	int fd;
	uint64_t shift;
	const struct copyoff_range *ranges;
	size_t n;
};

/*
 * Let nobody see what was cached of [@off, @off + @len), and prove it; of
 * neighbours, as far as their pages are neither mapped nor locked.  @direct:
 * the first device is open with O_DIRECT.  What cannot be dropped is overwritten
 * from @from.  -errno: old data may have remained.
 */
int copyoff_coherence_drop(const struct copyoff_coherence *c, uint64_t off, uint64_t len,
			   bool direct, const struct copyoff_origin *from);

#endif
