/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * chain.c - see chain.h
 */
#include "chain.h"

#include "internal.h"
#include "sysfs.h"

enum {
	LOOP_MAJOR = 7, /* linux/major.h */
};

/* No offset is larger. */
static bool add(uint64_t a, uint64_t b, uint64_t *sum)
{
	return copyoff_range_end(a, b, sum) && *sum <= INT64_MAX;
}

/* Without sysfs a partition cannot be told from a disk, and is taken for one. */
static void find_disk(struct copyoff_level *level)
{
	uint64_t disk, start;

	level->disk = level->rdev;
	if (copyoff_sysfs_has(level->rdev, "partition") != 1 ||
	    copyoff_sysfs_disk(level->rdev, true, &disk) < 0 ||
	    copyoff_sysfs_sectors(level->rdev, "start", &start) < 0)
		return;
	level->disk = disk;
	level->start = start;
}

/*
 * Only loop devices are asked: device mapper hands the question down to the device
 * beneath it, whose answer would be taken for its own.  Their number is fixed, also
 * where that of a partition is not.
 */
static bool is_loop(uint64_t disk)
{
	return disk >> 32 == LOOP_MAJOR;
}

/* The next level beneath @level, if it is a block device; or the file. */
static bool go_down(struct copyoff_chain *chain, const struct copyoff_level *level)
{
	struct copyoff_level *next = &chain->levels[chain->n];
	struct copyoff_loop_status status;
	uint64_t base;

	if (!is_loop(level->disk) || copyoff_sys_loop_status(level->fd, &status) < 0 ||
	    !add(chain->place.base, status.offset, &base))
		return false;
	if (!status.backing_rdev) {
		chain->place = (struct copyoff_place){
			.in_file = true,
			.dev = status.backing_dev,
			.ino = status.backing_ino,
			.base = base,
		};
		return false;
	}
	if (chain->n == COPYOFF_LEVELS)
		return false;
	*next = (struct copyoff_level){ .rdev = status.backing_rdev, .base = base };
	next->fd = copyoff_sys_open_device(next->rdev);
	return next->fd >= 0;
}

void copyoff_chain_open(struct copyoff_chain *chain, int fd, uint64_t rdev)
{
	bool more = true;

	chain->levels[0] = (struct copyoff_level){ .fd = fd, .rdev = rdev };
	chain->n = 0;
	while (more) {
		struct copyoff_level *level = &chain->levels[chain->n++];

		find_disk(level);
		chain->lowest = level->disk;
		chain->place = (struct copyoff_place){ .dev = level->disk };
		if (!add(level->base, level->start, &chain->place.base)) {
			chain->place.base = level->base;
			return;
		}
		more = go_down(chain, level);
	}
}

/*
 * A partition cannot move as long as it is open, so of a single level only the
 * loop device has to be asked.
 */
static bool one_level_unchanged(const struct copyoff_chain *chain, int fd)
{
	struct copyoff_loop_status status;
	const struct copyoff_place *place = &chain->place;

	return copyoff_sys_loop_status(fd, &status) == 0 && !status.backing_rdev &&
	       status.backing_dev == place->dev && status.backing_ino == place->ino &&
	       status.offset == place->base - chain->levels[0].start;
}

bool copyoff_chain_unchanged(const struct copyoff_chain *chain, int fd)
{
	struct copyoff_chain now;

	if (chain->n == 1 && chain->place.in_file)
		return one_level_unchanged(chain, fd);
	copyoff_chain_open(&now, fd, chain->levels[0].rdev);
	copyoff_chain_close(&now);
	return copyoff_same_place(&now.place, &chain->place) && now.place.base == chain->place.base;
}

void copyoff_chain_close(struct copyoff_chain *chain)
{
	for (size_t i = 1; i < chain->n; i++) {
		if (chain->levels[i].fd >= 0)
			(void)copyoff_sys_close(chain->levels[i].fd); /* only looked at */
		chain->levels[i].fd = -1;
	}
}
