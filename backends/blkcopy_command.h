/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * blkcopy_command.h - the kernel's block copy interfaces: versions, bytes, checks
 *
 * Pure functions and one table for blkcopy.c.  None of these interfaces is in a
 * mainline kernel; the series were posted from 2020 to 2025, and changed from one
 * version to the next.
 */
#ifndef COPYOFF_BLKCOPY_COMMAND_H
#define COPYOFF_BLKCOPY_COMMAND_H

#include "blkcopy_device.h"

/* What the request of the ioctl looks like. */
enum copyoff_blkcopy_layout {
	COPYOFF_BLKCOPY_GATHER, /* one destination, a pointer to a list of sources */
	COPYOFF_BLKCOPY_LIST, /* a list of ranges, each with a result */
	COPYOFF_BLKCOPY_SINGLE, /* one range */
	COPYOFF_BLKCOPY_VECTOR, /* one destination, a pointer to a list of sources, in sectors */
};

/* What the result of a range is worth. */
enum copyoff_blkcopy_result {
	COPYOFF_BLKCOPY_NO_RESULT, /* there is none */
	/* If the call succeeds, it must be the length; if not, it means nothing. */
	COPYOFF_BLKCOPY_OF_SUCCESS,
	/* Also after an error: ranges that are complete before the first that is not. */
	COPYOFF_BLKCOPY_OF_FAILURE,
};

/* A limit of the device, which must be more than 0. */
struct copyoff_blkcopy_limit {
	const char *attribute; /* NULL: there is none */
	uint32_t unit; /* bytes that it counts in; 1 for a number of ranges */
};

struct copyoff_blkcopy_abi {
	const char *series;
	uint32_t request; /* of ioctl(2) */
	enum copyoff_blkcopy_layout layout;
	uint32_t unit; /* bytes that the request counts in; 0: it cannot be known */
	uint32_t ranges; /* most of them in one call */
	uint64_t total; /* most bytes in one call; multiples of 4096 */
	enum copyoff_blkcopy_result result;
	unsigned names; /* the attributes, all of them */
	const char *enabled; /* the attribute that must be 1; NULL: there is none */
	struct copyoff_blkcopy_limit max_total, max_range, max_ranges;
	/*
	 * A call stays within these limits.  The kernels of other versions make
	 * as many commands of it as it takes.
	 */
	bool one_command;
};

enum { COPYOFF_BLKCOPY_ABIS = 8 };
/* In order of preference, where several have the same attributes. */
extern const struct copyoff_blkcopy_abi copyoff_blkcopy_abis[COPYOFF_BLKCOPY_ABIS];

enum {
	COPYOFF_BLKCOPY_RANGES_MOST = 256, /* in one call */
	COPYOFF_BLKCOPY_WORDS = 2 + 4 * COPYOFF_BLKCOPY_RANGES_MOST,
};

/*
 * Does the version put all ranges of a call one behind the other in the
 * destination, as NVMe does?
 */
bool copyoff_blkcopy_adjacent(const struct copyoff_blkcopy_abi *abi);

/*
 * What the kernels do not look at, or not well: that each range is within the
 * device of @size bytes, consists of its blocks, and overlaps no other; how many
 * ranges there are, and their sum.  NULL if all is well, or a sentence.
 */
const char *copyoff_blkcopy_check(const struct copyoff_blkcopy_abi *abi,
				  const struct copyoff_range *ranges, size_t n, uint64_t size,
				  uint32_t block);

/*
 * What one call takes of @n ranges, of which @done bytes are copied: as many pieces
 * of at most @limits->max_range bytes as @limits->max_ranges and max_total allow, in
 * @call.  Returns how many; 0 if nothing is left, or if there is no room for a block.
 */
size_t copyoff_blkcopy_cut(const struct copyoff_range *ranges, size_t n, uint64_t done,
			   const struct copyoff_limits *limits, struct copyoff_range *call);

/* The request for ranges that were checked.  It has a pointer into @words. */
void copyoff_blkcopy_encode(const struct copyoff_blkcopy_abi *abi,
			    const struct copyoff_range *ranges, size_t n, uint64_t *words);

/*
 * How many of the ranges, from the first one, the kernel says are complete; all of
 * them where there is no result.
 */
size_t copyoff_blkcopy_complete(const struct copyoff_blkcopy_abi *abi, const uint64_t *words,
				const struct copyoff_range *ranges, size_t n);

#endif
