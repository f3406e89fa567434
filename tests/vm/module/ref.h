/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * copyoff_ref - the reference block device: a disk in a file, whose block copy is
 * a copy within that file, made by the file system
 *
 * README.md says how it is used.
 */
#ifndef COPYOFF_REF_H
#define COPYOFF_REF_H

#include <linux/blk-mq.h>
#include <linux/blkdev.h>
#include <linux/sysfs.h>
#include <linux/version.h>

/* Two kernels are supported: 6.1 of Debian 12, and 6.12 of Debian 13. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
#define ref_mode_t     blk_mode_t
#define REF_MODE_WRITE BLK_OPEN_WRITE
#else
#define ref_mode_t     fmode_t
#define REF_MODE_WRITE FMODE_WRITE
#endif

struct ref_device;

/* --- what a series of patches is like: abi.c ------------------------------- */

/* What the kernel does when the device has refused a part of a range. */
enum ref_retry {
	REF_NO_RETRY,
	REF_RESUME, /* reads and writes, from where it takes the copy to have got: too far by
		     * the start of a partition, whose sectors are those of the disk by then */
	REF_RESTART, /* the same for the whole range */
};

/* A file in the directory "queue". */
struct ref_limit {
	const char *name;
	enum {
		REF_OFFLOAD,
		REF_BYTES,
		REF_BYTES_HW,
		REF_SECTORS,
		REF_NR_RANGES,
	} value;
	umode_t mode;
};

#define REF_MAX_LIMITS 8

struct ref_abi {
	const char *name;
	unsigned int command;
	unsigned int vector; /* of several ranges, where that is another one */
	int (*ioctl)(const struct ref_abi *abi, struct block_device *bdev, ref_mode_t mode,
		     unsigned int command, void __user *argument);
	unsigned int shift; /* of a byte, to the unit of the arguments */
	u64 max_total; /* bytes of a call, all together, must be fewer; 0: any */
	enum ref_retry retry;
	bool syscall; /* copy_file_range() takes block devices */
	const struct ref_limit *limits; /* up to one without a name */
};

const struct ref_abi *ref_find_abi(const char *name);

/* --- a copy: copy.c -------------------------------------------------------- */

struct ref_range {
	u64 src, dst, len; /* in bytes of the block device, or of its partition */
	u64 done; /* what the kernel says, be it true or not */
};

int ref_copy(struct block_device *bdev, enum ref_retry retry, struct ref_range *ranges,
	     unsigned int count);
bool ref_is_bad(s64 bad, u64 start, u64 len);
int ref_copy_init(void);
void ref_copy_exit(void);

/* --- counters -------------------------------------------------------------- */

enum ref_counter {
	REF_CALLS, /* copies that were begun */
	REF_RANGES,
	REF_COMMANDS, /* into which they were divided */
	REF_BYTES_ASKED, /* in all ranges */
	REF_CLONED, /* bytes that are shared */
	REF_COPIED, /* bytes by the file system, not shared */
	REF_EMULATED, /* bytes that were read and written */
	REF_FAILED, /* commands */
	REF_REFUSED, /* calls, before anything was begun */
	REF_OVERLAPS, /* ranges that overlap themselves */
	REF_OUTSIDE, /* commands that reach beyond the end */
	REF_TOO_LARGE, /* sums of lengths that wrap: real kernels hang */
	REF_ENDLESS, /* offload with the limit 0: real kernels hang */
	REF_STRANGE, /* the command of abi=stranger was carried out */
	REF_PAUSED, /* commands that wait now */
	REF_COUNTERS
};

#define REF_MAX_SEEN 16

/* An ioctl that the block layer did not know. */
struct ref_seen {
	unsigned int command;
	bool write;
	int result;
	u64 count;
};

/* --- a device: device.c ---------------------------------------------------- */

struct ref_device {
	struct list_head list;
	const struct ref_abi *abi;
	struct file *file;
	struct gendisk *disk;
	struct blk_mq_tag_set tags;
	u64 block;

	/* The files in the directory "queue". */
	struct bin_attribute queue_files[REF_MAX_LIMITS];
	u64 max_bytes_hw;
	u64 max_bytes;
	u64 offload;
	u64 max_ranges;

	/* What goes wrong, in the directory "reference"; -1: nothing. */
	s64 fail_after;
	s64 fail_errno;
	s64 fail_commands;
	s64 fail_emulated;
	s64 bad_read;
	s64 bad_write;
	s64 emulate;
	s64 delay_ms;
	s64 pause_at;
	s64 lie;
	wait_queue_head_t resumed;

	atomic64_t counters[REF_COUNTERS];
	spinlock_t seen_lock;
	struct ref_seen seen[REF_MAX_SEEN];
};

extern const struct block_device_operations ref_fops;

static inline struct ref_device *ref_of(struct block_device *bdev)
{
	return bdev->bd_disk->private_data;
}

static inline void ref_count(struct ref_device *dev, enum ref_counter counter, s64 n)
{
	atomic64_add(n, &dev->counters[counter]);
}

int ref_add(const char *name, const char *path, const struct ref_abi *abi, u64 block,
	    u64 max_bytes);
int ref_remove(const char *name);
int ref_device_init(void);
void ref_device_exit(void);

/* --- the files in sysfs: attributes.c -------------------------------------- */

enum ref_lie { REF_HONEST, REF_SHORT, REF_SUCCESS, REF_OVERSTATE, REF_UNDERSTATE };

extern const struct attribute_group *ref_groups[];
int ref_add_queue_files(struct ref_device *dev);
void ref_remove_queue_files(struct ref_device *dev);

/* --- the calls: ioctl.c, syscall.c ----------------------------------------- */

int ref_ioctl(struct block_device *bdev, ref_mode_t mode, unsigned int command,
	      unsigned long argument);

int ref_ioctl_ranges(const struct ref_abi *abi, struct block_device *bdev, ref_mode_t mode,
		     unsigned int command, void __user *argument);
int ref_ioctl_gather(const struct ref_abi *abi, struct block_device *bdev, ref_mode_t mode,
		     unsigned int command, void __user *argument);
int ref_ioctl_four(const struct ref_abi *abi, struct block_device *bdev, ref_mode_t mode,
		   unsigned int command, void __user *argument);
int ref_ioctl_sectors(const struct ref_abi *abi, struct block_device *bdev, ref_mode_t mode,
		      unsigned int command, void __user *argument);
int ref_ioctl_stranger(const struct ref_abi *abi, struct block_device *bdev, ref_mode_t mode,
		       unsigned int command, void __user *argument);

int ref_patch_syscall(void);
void ref_unpatch_syscall(void);

#endif
