/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * nvme_flight.c - see nvme_flight.h
 */
#include "nvme_flight.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
	DEPTH = 8, /* more made nothing faster */
	LIST_ALIGN = 4096,
};

/* --- the character device ------------------------------------------------------- */

struct search {
	uint64_t disk;
	uint32_t nsid;
	char *name; /* the answer */
};

static int rdev_of(uint64_t disk, const char *name, uint64_t *rdev)
{
	char attribute[sizeof("device//dev") + COPYOFF_NVME_GENERIC_NAME];

	if (snprintf(attribute, sizeof(attribute), "device/%s/dev", name) >= (int)sizeof(attribute))
		return -ENAMETOOLONG;
	return copyoff_sysfs_device(disk, attribute, rdev);
}

/*
 * Numbers of character devices are given anew.  The directory of the block device,
 * which the caller has open, still has this one after it was opened: so it is of
 * the same controller or subsystem, and there a namespace is known by its number.
 */
int copyoff_nvme_open_generic(uint64_t disk, uint32_t nsid, const char *name)
{
	uint64_t rdev, now;
	int fd, ret = rdev_of(disk, name, &rdev);

	if (ret < 0)
		return ret;
	fd = copyoff_sys_open_generic(rdev);
	if (fd < 0)
		return fd;
	if (copyoff_sys_nvme_id(fd) == nsid && rdev_of(disk, name, &now) == 0 && now == rdev)
		return fd;
	(void)copyoff_sys_close(fd); /* nothing was sent */
	return -ENXIO;
}

static bool is_short_of(int err)
{
	return err == -EMFILE || err == -ENFILE || err == -ENOMEM;
}

/* 1 if @name is it: most names there are those of attributes and block devices. */
static int is_generic(void *data, const char *name)
{
	const struct search *search = data;
	int fd;

	if (strncmp(name, "ng", 2) != 0 || strlen(name) >= COPYOFF_NVME_GENERIC_NAME)
		return 0;
	fd = copyoff_nvme_open_generic(search->disk, search->nsid, name);
	if (fd < 0)
		return is_short_of(fd) ? fd : 0;
	(void)copyoff_sys_close(fd); /* nothing was sent */
	strcpy(search->name, name);
	return 1;
}

int copyoff_nvme_find_generic(uint64_t disk, uint32_t nsid, char name[COPYOFF_NVME_GENERIC_NAME])
{
	struct search search = { disk, nsid, name };
	int ret = copyoff_sysfs_list(disk, "device", is_generic, &search);

	if (ret > 0)
		return 0;
	return is_short_of(ret) ? ret : -ENXIO;
}

/* --- commands --------------------------------------------------------------------- */

struct slot {
	unsigned char *list; /* descriptors */
	struct copyoff_nvme_piece piece;
};

struct flight {
	struct copyoff_nvme_ring *ring;
	unsigned depth;
	struct copyoff_flight_slot *slots;
	struct slot *commands; /* each with the tag of its slot */
	unsigned char *lists;
};

void copyoff_nvme_land(void *keep)
{
	struct flight *flight = keep;

	if (flight->ring)
		copyoff_sys_nvme_ring_close(flight->ring);
	copyoff_sys_free(flight->lists);
	copyoff_sys_free(flight->commands);
	copyoff_sys_free(flight->slots);
	copyoff_sys_free(flight);
}

static int get_flight(void **keep, unsigned depth)
{
	struct flight *flight;
	int ret = -ENOMEM;

	if (*keep)
		return 0;
	flight = copyoff_sys_alloc(sizeof(*flight), sizeof(void *));
	if (!flight)
		return ret;
	*flight = (struct flight){ .depth = depth ? depth : DEPTH };
	flight->slots = copyoff_sys_alloc(flight->depth * sizeof(*flight->slots), sizeof(void *));
	flight->commands =
		copyoff_sys_alloc(flight->depth * sizeof(*flight->commands), sizeof(void *));
	flight->lists =
		copyoff_sys_alloc((size_t)flight->depth * COPYOFF_NVME_LIST_BYTES, LIST_ALIGN);
	if (flight->slots && flight->commands && flight->lists)
		ret = copyoff_sys_nvme_ring_open(flight->depth, &flight->ring);
	if (ret < 0) {
		copyoff_nvme_land(flight);
		return ret;
	}
	for (unsigned i = 0; i < flight->depth; i++)
		flight->commands[i].list = flight->lists + (size_t)i * COPYOFF_NVME_LIST_BYTES;
	*keep = flight;
	return 0;
}

/* One call of copyoff_nvme_fly(). */
struct run {
	struct flight *flight;
	int fd;
	const struct copyoff_nvme_target *target;
	struct copyoff_nvme_cursor next; /* what is sent next */
	struct copyoff_nvme_cursor *at; /* what counts is before */
	bool broken; /* in the ring is left what could not be sent */
};

static bool more(void *data)
{
	const struct run *run = data;

	return run->next.i < run->next.n;
}

static int send(void *data, unsigned tag)
{
	struct run *run = data;
	const struct copyoff_nvme_target *target = run->target;
	struct slot *slot = &run->flight->commands[tag];
	int ret;

	copyoff_nvme_next(target, &run->next, slot->list, &slot->piece);
	ret = copyoff_sys_nvme_ring_send(run->flight->ring, run->fd, tag, &slot->piece.command);
	run->broken = ret < 0;
	if (ret == 0)
		copyoff_nvme_advance(&run->next,
				     slot->piece.total << target->namespace.block_shift);
	return ret;
}

static int wait_for_one(void *data, unsigned *tag, int *ret)
{
	struct run *run = data;
	uint64_t result;

	*ret = copyoff_sys_nvme_ring_wait(run->flight->ring, tag, &result);
	run->flight->commands[*tag].piece.command.result = result;
	return 0;
}

/* Also what the first one that failed did before it failed. */
static void done(void *data, unsigned tag, int ret)
{
	struct run *run = data;

	copyoff_nvme_advance(run->at, copyoff_nvme_piece_done(
					      run->target, &run->flight->commands[tag].piece, ret));
}

int copyoff_nvme_fly(void **keep, unsigned depth, int fd, const struct copyoff_nvme_target *target,
		     struct copyoff_nvme_cursor *at)
{
	struct run run = { .fd = fd, .target = target, .next = *at, .at = at };
	int ret = get_flight(keep, depth);

	if (ret < 0)
		return ret;
	run.flight = *keep;
	ret = copyoff_flight_run(&(struct copyoff_flight){
		.slots = run.flight->slots,
		.depth = run.flight->depth,
		.data = &run,
		.more = more,
		.send = send,
		.wait = wait_for_one,
		.done = done,
	});
	if (run.broken) {
		copyoff_nvme_land(run.flight);
		*keep = NULL;
	}
	return ret;
}
