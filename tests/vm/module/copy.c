// SPDX-License-Identifier: GPL-2.0-only
/*
 * copy.c - what a copy does, with the faults that are wanted
 *
 * A range is divided into commands, as large as the device allows.  As in the
 * patches that are imitated, commands are independent: when one fails, those behind
 * it are carried out all the same.  Nothing here knows the cache of the block device:
 * those patches neither write it back before nor drop it afterwards.
 */
#include "ref.h"

#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

/* Into how much the kernel divides what it reads and writes itself. */
#define EMULATED_STEP (508ULL << 10)

struct copy {
	struct work_struct work;
	struct completion completion;
	struct ref_device *dev;
	enum ref_retry retry;
	u64 start; /* of the partition, in bytes of the disk */
	u64 size; /* of the partition */
	struct ref_range *ranges;
	unsigned int count;
	u64 before; /* bytes that were asked for in earlier calls and ranges */
	int status;
};

/* A command, or as much as is read and written at a time; in bytes of the disk. */
struct command {
	u64 src, dst, len;
	u64 position; /* in all ranges since the counters were 0, one after the other */
};

/* --- a command ------------------------------------------------------------- */

/* bad: the number of a sector that cannot be read or written, or -1 */
bool ref_is_bad(s64 bad, u64 start, u64 len)
{
	u64 sector = bad;

	return bad >= 0 && sector >= start >> SECTOR_SHIFT &&
	       sector < (start + len + SECTOR_SIZE - 1) >> SECTOR_SHIFT;
}

static bool is_bad(struct ref_device *dev, const struct command *command)
{
	return ref_is_bad(READ_ONCE(dev->bad_read), command->src, command->len) ||
	       ref_is_bad(READ_ONCE(dev->bad_write), command->dst, command->len);
}

static int move_through(struct file *file, void *buffer, const struct command *command)
{
	loff_t src = command->src;
	loff_t dst = command->dst;
	ssize_t n = kernel_read(file, buffer, command->len, &src);

	if (n == command->len)
		n = kernel_write(file, buffer, command->len, &dst);
	if (n < 0)
		return n;
	return n == command->len ? 0 : -EIO;
}

static int emulate(struct ref_device *dev, const struct command *command)
{
	void *buffer = kvmalloc(command->len, GFP_KERNEL);
	int ret;

	if (!buffer)
		return -ENOMEM;
	ret = move_through(dev->file, buffer, command);
	kvfree(buffer);
	if (ret == 0)
		ref_count(dev, REF_EMULATED, command->len);
	return ret;
}

static int copy_in_file(struct ref_device *dev, const struct command *command)
{
	struct file *file = dev->file;
	u64 at;
	ssize_t n;

	for (at = 0; at < command->len; at += n) {
		n = vfs_copy_file_range(file, command->src + at, file, command->dst + at,
					command->len - at, 0);
		if (n < 0)
			return n;
		if (n == 0)
			return -EIO;
	}
	ref_count(dev, REF_COPIED, command->len);
	return 0;
}

/*
 * vfs_copy_file_range() would clone, too, as the first thing it does; but it does
 * not say so, and the tests want to know.
 */
static int copy_by_file_system(struct ref_device *dev, const struct command *command)
{
	struct file *file = dev->file;

	if (vfs_clone_file_range(file, command->src, file, command->dst, command->len, 0) !=
	    command->len)
		return copy_in_file(dev, command);
	ref_count(dev, REF_CLONED, command->len);
	return 0;
}

/* An array's own copy does as memmove() within a command. */
static bool overlaps(const struct command *command)
{
	return command->src < command->dst + command->len &&
	       command->dst < command->src + command->len;
}

static bool fails_by_wish(struct ref_device *dev, const struct command *command)
{
	s64 after = READ_ONCE(dev->fail_after);

	if (after < 0 || command->position + command->len <= after || dev->fail_commands == 0)
		return false;
	if (dev->fail_commands > 0)
		dev->fail_commands--;
	return true;
}

static void pause(struct ref_device *dev, const struct command *command)
{
	s64 at = READ_ONCE(dev->pause_at);

	if (at < command->position || at >= command->position + command->len)
		return;
	ref_count(dev, REF_PAUSED, 1);
	wait_event_idle(dev->resumed, READ_ONCE(dev->pause_at) != at);
	ref_count(dev, REF_PAUSED, -1);
}

/* What the device does by itself. */
static int offload(struct ref_device *dev, const struct command *command)
{
	pause(dev, command);
	if (dev->delay_ms > 0)
		msleep(dev->delay_ms);
	if (fails_by_wish(dev, command))
		return -dev->fail_errno;
	if (is_bad(dev, command))
		return -ENODATA;
	if (dev->emulate || overlaps(command))
		return emulate(dev, command);
	return copy_by_file_system(dev, command);
}

/* What the kernel does if there is no offload, or if that has failed. */
static int read_and_write(struct ref_device *dev, const struct command *command)
{
	if (dev->fail_emulated && fails_by_wish(dev, command))
		return -dev->fail_errno;
	if (is_bad(dev, command))
		return -ENODATA;
	return emulate(dev, command);
}

/* --- a range --------------------------------------------------------------- */

static bool is_outside(const struct copy *copy, u64 offset, u64 len)
{
	return len > copy->size || offset > copy->size - len;
}

/*
 * Returns 0 or the first error, and sets range->done to where the kernel thinks that
 * it happened.  The block layer knows the end of a partition before it has added the
 * start of that.
 */
static int run_commands(struct copy *copy, struct ref_range *range, u64 from, u64 step,
			int (*run)(struct ref_device *dev, const struct command *command))
{
	u64 misplaced = copy->retry == REF_RESUME ? copy->start : 0;
	int status = 0;
	u64 at, n;
	int ret;

	range->done = range->len;
	for (at = from; at < range->len; at += n) {
		struct command command = { .src = copy->start + range->src + at,
					   .dst = copy->start + range->dst + at,
					   .position = copy->before + at };
		u64 failed = at;

		n = min(step, range->len - at);
		command.len = n;
		ref_count(copy->dev, REF_COMMANDS, 1);
		if (is_outside(copy, range->src + at, n) || is_outside(copy, range->dst + at, n)) {
			ref_count(copy->dev, REF_OUTSIDE, 1);
			ret = -EIO;
		} else {
			ret = run(copy->dev, &command);
			failed += misplaced;
		}
		if (ret == 0)
			continue;
		ref_count(copy->dev, REF_FAILED, 1);
		range->done = min(range->done, failed);
		status = status ? status : ret;
	}
	return status;
}

static int emulate_from(struct copy *copy, struct ref_range *range, u64 from)
{
	return run_commands(copy, range, from, EMULATED_STEP, read_and_write);
}

static int copy_range(struct copy *copy, struct ref_range *range)
{
	struct ref_device *dev = copy->dev;
	u64 limit = READ_ONCE(dev->max_bytes);
	int status;

	if (!dev->offload || dev->max_bytes_hw == 0)
		return emulate_from(copy, range, 0);
	if (limit == 0) {
		ref_count(dev, REF_ENDLESS, 1);
		range->done = 0;
		return -EIO;
	}
	status = run_commands(copy, range, 0, limit, offload);
	if (status == 0 || copy->retry == REF_NO_RETRY)
		return status;
	/* The fault: all counts as copied, though it was not. */
	if (range->done == range->len)
		return 0;
	return emulate_from(copy, range, copy->retry == REF_RESUME ? range->done : 0);
}

/* --- a call ---------------------------------------------------------------- */

static int lie(struct ref_device *dev, struct ref_range *range, int status)
{
	switch (dev->lie) {
	case REF_SHORT:
		return 0;
	case REF_SUCCESS:
		range->done = range->len;
		return 0;
	case REF_OVERSTATE:
		range->done = range->len;
		return status;
	case REF_UNDERSTATE:
		range->done = round_down(range->done / 2, dev->block);
		return status;
	default:
		return status;
	}
}

static void copy_all(struct work_struct *work)
{
	struct copy *copy = container_of(work, struct copy, work);
	unsigned int i;

	for (i = 0; i < copy->count; i++) {
		struct ref_range *range = &copy->ranges[i];
		int status = lie(copy->dev, range, copy_range(copy, range));

		if (copy->status == 0)
			copy->status = status;
		copy->before += range->len;
	}
	complete(&copy->completion);
}

static void count_call(struct ref_device *dev, const struct ref_range *ranges, unsigned int count)
{
	unsigned int i;

	ref_count(dev, REF_CALLS, 1);
	ref_count(dev, REF_RANGES, count);
	for (i = 0; i < count; i++) {
		struct command whole = { ranges[i].src, ranges[i].dst, ranges[i].len };

		ref_count(dev, REF_BYTES_ASKED, ranges[i].len);
		if (overlaps(&whole))
			ref_count(dev, REF_OVERLAPS, 1);
	}
}

static struct workqueue_struct *copies;

/*
 * By a thread of the kernel: limits and signals of the caller have no meaning for a
 * device.  Who waits cannot be killed, as there.
 */
int ref_copy(struct block_device *bdev, enum ref_retry retry, struct ref_range *ranges,
	     unsigned int count)
{
	struct copy copy = {
		.dev = ref_of(bdev),
		.retry = retry,
		.start = (u64)bdev->bd_start_sect << SECTOR_SHIFT,
		.size = bdev_nr_bytes(bdev),
		.ranges = ranges,
		.count = count,
		.before = atomic64_read(&ref_of(bdev)->counters[REF_BYTES_ASKED]),
	};

	count_call(copy.dev, ranges, count);
	init_completion(&copy.completion);
	INIT_WORK_ONSTACK(&copy.work, copy_all);
	queue_work(copies, &copy.work);
	wait_for_completion_io(&copy.completion);
	destroy_work_on_stack(&copy.work);
	return copy.status;
}

int ref_copy_init(void)
{
	copies = alloc_workqueue("copyoff_copy", WQ_UNBOUND, 0);
	return copies ? 0 : -ENOMEM;
}

void ref_copy_exit(void)
{
	destroy_workqueue(copies);
}
