/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * facts.h - what a block device is: where it lies, what it is made of, who uses it
 *
 * Facts come from the kernel, by sysfs, ioctl(2) and the list of mounts; no name
 * of a device is looked at.  What cannot be found out has a value of its own,
 * which is never the harmless one: who decides by a fact must ask for the value
 * that allows it.
 *
 * They are true of the moment: a device can be mounted, or a loop device get
 * another offset, right behind the question.
 */
#ifndef COPYOFF_FACTS_H
#define COPYOFF_FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum copyoff_answer {
	COPYOFF_ANSWER_UNKNOWN,
	COPYOFF_ANSWER_NO,
	COPYOFF_ANSWER_YES,
};

/* For offsets, of which 0 is one. */
#define COPYOFF_OFFSET_UNKNOWN UINT64_MAX

enum copyoff_zoned {
	COPYOFF_ZONED_UNKNOWN,
	COPYOFF_ZONED_NONE,
	COPYOFF_ZONED_HOST_AWARE,
	COPYOFF_ZONED_HOST_MANAGED, /* writes must be sequential */
};

/* What the whole disk is made of. */
enum copyoff_stack {
	COPYOFF_STACK_UNKNOWN,
	COPYOFF_STACK_DISK, /* a device of a bus: NVMe, SCSI, virtio, ... */
	COPYOFF_STACK_LOOP, /* a loop device with a file attached */
	COPYOFF_STACK_DM, /* device mapper */
	COPYOFF_STACK_MD, /* software RAID */
	COPYOFF_STACK_VIRTUAL, /* no bus, and none of those: zram, nbd, bcache, free loop, ... */
};

/* The targets of a device mapper device. */
enum copyoff_dm {
	COPYOFF_DM_UNKNOWN,
	COPYOFF_DM_LINEAR,
	COPYOFF_DM_STRIPED,
	COPYOFF_DM_CRYPT,
	COPYOFF_DM_MULTIPATH,
	COPYOFF_DM_THIN,
	COPYOFF_DM_SNAPSHOT, /* or the origin of one, or one being merged */
	COPYOFF_DM_OTHER, /* another type, or several types */
	COPYOFF_DM_LVM, /* a logical volume, of any type */
};

/* The file behind a loop device; unknown for all others. */
struct copyoff_backing {
	uint64_t dev; /* its file system, as in copyoff_stat; 0: unknown */
	uint64_t ino; /* 0: unknown */
	uint64_t rdev; /* if it is a block device, 0 if not; valid if ino is known */
	uint64_t offset; /* of the loop device in it, bytes; or COPYOFF_OFFSET_UNKNOWN */
	uint64_t size_limit; /* bytes, 0: none; or COPYOFF_OFFSET_UNKNOWN */
	enum copyoff_answer direct; /* is it used with O_DIRECT? */
	/*
	 * The kernel's path, seen from our root; "": unknown.  " (deleted)"
	 * stands behind a file without a name, which is no different from a
	 * file of such a name: only dev and ino of what was opened tell.
	 */
	char path[4096];
};

struct copyoff_block {
	uint64_t rdev; /* its number, as in copyoff_stat */
	uint64_t size; /* bytes; 0: unknown, or no medium */
	uint32_t logical_block; /* bytes; 0: unknown */
	uint32_t physical_block; /* bytes; 0: unknown */

	enum copyoff_answer partition;
	uint64_t
		start; /* on the whole disk, bytes; 0 for a whole disk; or COPYOFF_OFFSET_UNKNOWN */
	uint64_t disk; /* number of the whole disk, rdev if it is one; 0: unknown */
	uint64_t diskseq; /* of the whole disk's medium, unique until the next boot; 0: unknown */

	enum copyoff_answer read_only;
	enum copyoff_zoned zoned;
	enum copyoff_answer integrity; /* have its blocks protection information? */

	enum copyoff_stack stack;
	enum copyoff_dm dm; /* COPYOFF_DM_UNKNOWN unless the stack is DM */
	/*
	 * dm is what the uuid says, which is up to who made the device: the
	 * table could not be read.
	 */
	bool dm_claimed;
	char md_level[16]; /* "raid1"; "": unknown, or not MD */
	/*
	 * Is it the device in front of the paths of NVMe multipath?  The paths
	 * themselves are hidden: they have no number, and cannot be opened.
	 */
	enum copyoff_answer nvme_head;
	struct copyoff_backing backing;

	/*
	 * How many devices (of md, dm, bcache) are stacked on it, or on what
	 * shares bytes with it: the whole disk of a partition, the partitions
	 * of a whole disk.  One on two partitions counts twice.  -1: unknown.
	 */
	int holders;
	/*
	 * Is it mounted, or what shares bytes with it?  NO is not proof that
	 * nobody uses it.  Not seen are:
	 *  - mounts in other mount namespaces, except those of btrfs;
	 *  - other file systems of several devices (ZFS, bcachefs), and journals
	 *    and logs on a device of their own;
	 *  - swap;
	 *  - loop devices and targets (NVMe, SCSI) that serve it, virtual machines,
	 *    and whoever else has it open, exclusively or not.
	 * To open it with O_EXCL would tell more, but to open and close a device
	 * has effects of its own: caches are dropped, and events are sent.
	 */
	enum copyoff_answer mounted;
};

/*
 * What can be found out by the number alone, @rdev as in copyoff_stat.
 * -ENOENT if sysfs has no such device, or is not there; -ENODEV if it has
 * another one in its place.  Fills *@block in any case.
 */
int copyoff_facts_sysfs(uint64_t rdev, struct copyoff_block *block);

/*
 * All about the block device @fd, whose number is @rdev.  Without sysfs much
 * stays unknown, which is no error.  -ENODEV if another device has got the
 * number since it was opened, -errno if its size is refused; then all is
 * unknown.
 */
int copyoff_facts_block(int fd, uint64_t rdev, struct copyoff_block *block);

/* In words: "partition from 1048576 of disk 8:0, 512-byte blocks"; snprintf rules. */
size_t copyoff_facts_describe(const struct copyoff_block *block, char *buf, size_t size);

#endif
