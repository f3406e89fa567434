/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * xcopy_flight.c - see xcopy_flight.h
 */
#include "xcopy_flight.h"

#include "scsi_disk.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* --- the character device ------------------------------------------------------- */

enum { NAME_MOST = 32 }; /* "sg0" */

static int find_name(void *data, const char *name)
{
	if (strncmp(name, "sg", 2) != 0 || strlen(name) >= NAME_MOST)
		return 0;
	strcpy(data, name);
	return 1;
}

/*
 * Numbers of character devices are given anew.  The directory of the disk, which the
 * caller has open, still has this one after it was opened: so it is the disk's.
 */
int copyoff_xcopy_open_generic(uint64_t disk)
{
	char name[NAME_MOST], attribute[sizeof("device/scsi_generic//dev") + NAME_MOST];
	uint64_t rdev, now;
	int fd, ret = copyoff_sysfs_list(disk, "device/scsi_generic", find_name, name);

	if (ret <= 0)
		return ret < 0 ? ret : -ENXIO;
	snprintf(attribute, sizeof(attribute), "device/scsi_generic/%s/dev", name);
	ret = copyoff_sysfs_device(disk, attribute, &rdev);
	if (ret < 0)
		return ret;
	fd = copyoff_sys_open_generic(rdev);
	if (fd < 0 || (copyoff_sysfs_device(disk, attribute, &now) == 0 && now == rdev))
		return fd;
	(void)copyoff_sys_close(fd); /* nothing was sent */
	return -ENXIO;
}

/* --- commands --------------------------------------------------------------------- */

struct slot {
	struct copyoff_scsi_command command;
	struct copyoff_scsi_verdict verdict; /* when it has come back */
	size_t n; /* ranges */
	unsigned char list[COPYOFF_SCSI_LIST_MOST];
};

struct run {
	const struct copyoff_xcopy_target *target;
	struct copyoff_offer *offer;
	int fd;
	const struct copyoff_range *ranges;
	size_t n, next; /* of them: the one that is sent next */
	struct copyoff_xcopy_flown *flown;
	uint32_t list_id; /* of the command that is next; no two in flight have the same */
	struct slot *slots; /* by tag */
	bool canceled;
	struct copyoff_scsi_verdict verdict; /* of the first that failed */
};

/*
 * The disk was removed, or this process may not read there any more, since its user has
 * changed: the commands may be carried out all the same, and later.
 */
static const struct copyoff_scsi_verdict lost = {
	.action = COPYOFF_SCSI_FINAL,
	.error = ETIMEDOUT,
	.text = "answers of commands in flight got lost, and the device may be at it still",
	.outcome = COPYOFF_SCSI_IN_DOUBT,
};

static bool more(void *data)
{
	const struct run *run = data;

	return run->next < run->n && !run->canceled;
}

static int send(void *data, unsigned tag)
{
	struct run *run = data;
	const struct copyoff_range *ranges = run->ranges + run->next;
	struct slot *slot = &run->slots[tag];
	int ret;

	slot->n = copyoff_xcopy_next(run->target, ranges, run->n - run->next);
	slot->command = copyoff_xcopy_command(run->target, run->offer, ranges, slot->n,
					      run->list_id++, slot->list);
	ret = copyoff_sys_scsi_send(run->fd, tag, &slot->command);
	if (ret == 0)
		run->next += slot->n;
	else
		run->verdict = copyoff_scsi_judge(ret, NULL);
	return ret;
}

static int wait_for_one(void *data, unsigned *tag, int *ret)
{
	struct run *run = data;
	struct slot *slot;
	int err = copyoff_sys_scsi_wait(run->fd, tag);

	if (err < 0) {
		run->flown->lost = true;
		copyoff_fatal(run->offer, lost.error, lost.text);
		return err;
	}
	slot = &run->slots[*tag];
	slot->verdict = copyoff_scsi_heed(run->offer, copyoff_scsi_judge(0, &slot->command));
	*ret = slot->verdict.action != COPYOFF_SCSI_GOOD;
	run->canceled = copyoff_canceled(run->offer);
	return 0;
}

static void done(void *data, unsigned tag, int ret)
{
	struct run *run = data;

	if (ret == 0)
		run->flown->done += run->slots[tag].n;
	else if (ret < 0)
		run->verdict = lost;
	else
		run->verdict = run->slots[tag].verdict;
}

struct copyoff_scsi_verdict copyoff_xcopy_fly(const struct copyoff_xcopy_target *target,
					      struct copyoff_offer *offer, int fd, unsigned depth,
					      const struct copyoff_range *ranges, size_t n,
					      struct copyoff_xcopy_flown *flown)
{
	struct copyoff_flight_slot slots[COPYOFF_SCSI_DEPTH_MOST];
	struct run run = {
		.target = target,
		.offer = offer,
		.fd = fd,
		.ranges = ranges,
		.n = n,
		.flown = flown,
		.list_id = copyoff_scsi_list_id(0),
		.slots = copyoff_sys_alloc(depth * sizeof(struct slot), sizeof(void *)),
		.verdict = { .action = COPYOFF_SCSI_GOOD },
	};

	*flown = (struct copyoff_xcopy_flown){ 0 };
	if (!run.slots)
		return copyoff_scsi_judge(-ENOMEM, NULL);
	(void)copyoff_flight_run(&(struct copyoff_flight){
		.slots = slots,
		.depth = depth,
		.data = &run,
		.more = more,
		.send = send,
		.wait = wait_for_one,
		.done = done,
	}); /* what failed is in the verdict */
	copyoff_sys_free(run.slots);
	return run.verdict;
}
