/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * chain.h - a block device, and the devices and the file beneath it
 *
 * A partition lies on a disk, and a loop device in a file, or on another block
 * device.  Device mapper and RAID are not followed: they may move data.
 */
#ifndef COPYOFF_CHAIN_H
#define COPYOFF_CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where the first byte of a file or a device is, as far down as can be known. */
struct copyoff_place {
	bool in_file; /* or on a disk */
	uint64_t dev; /* of the file system, or of the disk, as in copyoff_stat */
	uint64_t ino; /* of the file; 0 for a disk */
	uint64_t base; /* bytes, at most INT64_MAX */
};

static inline bool copyoff_same_place(const struct copyoff_place *a, const struct copyoff_place *b)
{
	return a->in_file == b->in_file && a->dev == b->dev && a->ino == b->ino;
}

struct copyoff_level {
	int fd; /* the caller's for the first level, ours for the others */
	uint64_t rdev;
	uint64_t disk; /* number of the whole disk; rdev if it is one */
	uint64_t start; /* of a partition on its disk, bytes */
	uint64_t base; /* where the first byte of the first level is on this one, bytes */
};

enum { COPYOFF_LEVELS = 4 };

/* From the top down; the last level is the one that place is in. */
struct copyoff_chain {
	struct copyoff_level levels[COPYOFF_LEVELS];
	size_t n;
	uint64_t lowest; /* number of the whole disk of the last level */
	struct copyoff_place place;
};

/*
 * Follow the block device @fd, whose number is @rdev, down as far as it can be
 * followed.  Cannot fail: in the worst case the chain is that device alone.
 */
void copyoff_chain_open(struct copyoff_chain *chain, int fd, uint64_t rdev);
/* Close what was opened; all else stays as it was. */
void copyoff_chain_close(struct copyoff_chain *chain);

/* Does @chain, which may be closed, still hold for @fd, the device at its top? */
bool copyoff_chain_unchanged(const struct copyoff_chain *chain, int fd);

#endif
