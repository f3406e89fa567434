/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * sysfs.h - attributes of block devices in sysfs
 *
 * A device is named by its number, as in copyoff_stat: the kernel leads from
 * /sys/dev/block/MAJOR:MINOR to its directory, so no name of a device is ever
 * used.  Attributes are paths in that directory: "queue/zoned".
 *
 * All functions return a negative errno on failure.  -ENOENT means that the
 * attribute is not there, or that there is no such device.
 */
#ifndef COPYOFF_SYSFS_H
#define COPYOFF_SYSFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The text of an attribute without its last newline; returns its length. */
ssize_t copyoff_sysfs_text(uint64_t dev, const char *attribute, char *buf, size_t size);

/* A decimal number.  -EINVAL for anything else, -ERANGE if it does not fit. */
int copyoff_sysfs_number(uint64_t dev, const char *attribute, uint64_t *value);

/* A number of sectors, in bytes.  -ERANGE if no offset of a file is as large. */
int copyoff_sysfs_sectors(uint64_t dev, const char *attribute, uint64_t *bytes);

/* A device number, "8:1". */
int copyoff_sysfs_device(uint64_t dev, const char *attribute, uint64_t *value);

/* The number of the disk of @dev: if that is not a @partition, its own. */
int copyoff_sysfs_disk(uint64_t dev, bool partition, uint64_t *disk);

/* 1 if there is such an attribute or directory, 0 if not. */
int copyoff_sysfs_has(uint64_t dev, const char *attribute);
int copyoff_sysfs_has_directory(uint64_t dev, const char *directory);

/* Calls @entry for each name in a directory, until it returns not 0; returns that. */
int copyoff_sysfs_list(uint64_t dev, const char *directory,
		       int (*entry)(void *data, const char *name), void *data);

/* How many names there are in a directory. */
int copyoff_sysfs_count(uint64_t dev, const char *directory);

/*
 * Calls @device for the number of each block device that a mounted btrfs is on,
 * also of those mounted in other mount namespaces, until it returns not 0.
 */
int copyoff_sysfs_btrfs_devices(int (*device)(void *data, uint64_t dev), void *data);

/* A device number in text, all of it. */
int copyoff_parse_device(const char *text, uint64_t *dev);

#endif
