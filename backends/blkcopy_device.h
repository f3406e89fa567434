/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * blkcopy_device.h - devices within which the kernel copies
 *
 * For the backends blkcopy and copy_file_range: both have the same block layer
 * beneath them, which some kernels have, with the same traps.
 */
#ifndef COPYOFF_BLKCOPY_DEVICE_H
#define COPYOFF_BLKCOPY_DEVICE_H

#include "backend.h"

/*
 * Attributes in the directory queue/ of a disk.  Each version has a set of its
 * own, by which it is recognised; other kernels have none of them.
 */
enum copyoff_blkcopy_name {
	COPYOFF_BLKCOPY_COPY_OFFLOAD = 1 << 0,
	COPYOFF_BLKCOPY_MAX_BYTES = 1 << 1,
	COPYOFF_BLKCOPY_MAX_BYTES_HW = 1 << 2,
	COPYOFF_BLKCOPY_MAX_HW_BYTES = 1 << 3,
	COPYOFF_BLKCOPY_MAX_RANGE_BYTES = 1 << 4,
	COPYOFF_BLKCOPY_MAX_RANGE_HW_BYTES = 1 << 5,
	COPYOFF_BLKCOPY_MAX_NR_RANGES = 1 << 6,
	COPYOFF_BLKCOPY_MAX_NR_RANGES_HW = 1 << 7,
	COPYOFF_BLKCOPY_OLD_SECTORS = 1 << 8,
	COPYOFF_BLKCOPY_OLD_RANGE_SECTORS = 1 << 9,
	COPYOFF_BLKCOPY_OLD_NR_RANGES = 1 << 10,
	COPYOFF_BLKCOPY_MAX_SEGMENTS = 1 << 11,
	COPYOFF_BLKCOPY_SEGMENT_MAX_BYTES = 1 << 12,
};

/* The one device that both ends are, as it was found. */
struct copyoff_blkcopy_device {
	uint64_t rdev;
	unsigned names; /* which attributes it has; of a partition, its disk */
	bool is_partition;
	uint32_t block; /* logical, bytes */
	bool is_dm;
	bool on_bus; /* and not made by software, which may share blocks */
	struct copyoff_bracket bracket;
};

enum {
	COPYOFF_BLKCOPY_TOTAL_MOST = 64 << 20, /* bytes in one call, which no signal ends */
};

/*
 * Are both ends one device of a kernel that has any of the attributes?  Costs
 * little, and asks the device nothing.  0, -errno or copyoff_decline().
 */
int copyoff_blkcopy_find(const struct copyoff_pair *pair, struct copyoff_blkcopy_device *device,
			 struct copyoff_offer *offer);

/*
 * Is it one that copies do no harm to, and that did not copy wrongly before?  Refused are partitions, zones and
 * protection information, of which kernels lose data without an error, and what is
 * stacked in other ways than by dm-linear.
 */
int copyoff_blkcopy_examine(const struct copyoff_pair *pair, struct copyoff_blkcopy_device *device,
			    struct copyoff_offer *offer);

/* What the copies of such a device may do; they can be carried out in memory, too. */
unsigned copyoff_blkcopy_traits(const struct copyoff_blkcopy_device *device);

/* copyoff_bracket_begin(), for a device that did not copy wrongly in the meantime. */
int copyoff_blkcopy_begin(const struct copyoff_pair *pair, struct copyoff_blkcopy_device *device,
			  struct copyoff_offer *offer, const struct copyoff_range *ranges, size_t n,
			  copyoff_find_fn *find, void *state);

/* How a call failed with the errno @err, > 0, of which nothing was copied for certain. */
int copyoff_blkcopy_refuse(struct copyoff_offer *offer, int err);

/* --- what is known of copies that were made --------------------------------------------- */

/* One per context, in copyoff_offer.keep; this is close() of a backend. */
void copyoff_blkcopy_forget(void *keep);

/*
 * All @total bytes of @n ranges were reported to be copied.  The first time on a
 * device, they are compared, some of them if there are many.  Returns @total, or
 * copyoff_decline().
 */
int64_t copyoff_blkcopy_accept(const struct copyoff_pair *pair,
			       const struct copyoff_blkcopy_device *device,
			       struct copyoff_offer *offer, const struct copyoff_range *ranges,
			       size_t n, uint64_t total);

/*
 * Less was, with an error, which the offer already has: @claimed bytes, from the first
 * range on.  Counted is what is found to be copied: returns that, or
 * copyoff_decline() if there is nothing.
 */
int64_t copyoff_blkcopy_salvage(const struct copyoff_pair *pair,
				const struct copyoff_blkcopy_device *device,
				struct copyoff_offer *offer, const struct copyoff_range *ranges,
				size_t n, uint64_t claimed);

#endif
