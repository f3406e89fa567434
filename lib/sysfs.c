/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * sysfs.c - see sysfs.h
 */
#include "sysfs.h"

#include "sys.h"

#include <errno.h>
#include <stdio.h>

/* Attributes here are short; names of files in sysfs have at most 255 bytes. */
enum { SHORT_TEXT = 64, SHORT_PATH = 640 };

/* sysfs counts in these whatever the blocks of the device are. */
enum { SECTOR = 512 };

/* Decimal digits at *@text, which is moved behind them. */
static int parse_number(const char **text, uint64_t *value)
{
	const char *p = *text;
	uint64_t n = 0;

	if (*p < '0' || *p > '9')
		return -EINVAL;
	for (; *p >= '0' && *p <= '9'; p++) {
		uint64_t digit = (uint64_t)(*p - '0');

		if (n > (UINT64_MAX - digit) / 10)
			return -ERANGE;
		n = n * 10 + digit;
	}
	*text = p;
	*value = n;
	return 0;
}

int copyoff_parse_device(const char *text, uint64_t *dev)
{
	uint64_t major, minor;
	int ret = parse_number(&text, &major);

	if (ret == 0 && *text++ != ':')
		ret = -EINVAL;
	if (ret == 0)
		ret = parse_number(&text, &minor);
	if (ret < 0)
		return ret;
	if (*text != '\0')
		return -EINVAL;
	if (major > UINT32_MAX || minor > UINT32_MAX)
		return -ERANGE;
	*dev = copyoff_device((uint32_t)major, (uint32_t)minor);
	return 0;
}

static int path_of(char path[SHORT_PATH], uint64_t dev, const char *attribute)
{
	int len = snprintf(path, SHORT_PATH, "dev/block/%u:%u/%s", (unsigned)(dev >> 32),
			   (unsigned)(dev & UINT32_MAX), attribute);

	return len < SHORT_PATH ? 0 : -ENAMETOOLONG;
}

ssize_t copyoff_sysfs_text(uint64_t dev, const char *attribute, char *buf, size_t size)
{
	char path[SHORT_PATH];
	int ret = path_of(path, dev, attribute);

	return ret < 0 ? ret : copyoff_sys_read_sysfs(path, buf, size);
}

int copyoff_sysfs_number(uint64_t dev, const char *attribute, uint64_t *value)
{
	char buf[SHORT_TEXT];
	const char *text = buf;
	ssize_t len = copyoff_sysfs_text(dev, attribute, buf, sizeof(buf));
	uint64_t n;
	int ret;

	if (len < 0)
		return (int)len;
	ret = parse_number(&text, &n);
	if (ret < 0)
		return ret;
	if (text != buf + len)
		return -EINVAL;
	*value = n;
	return 0;
}

int copyoff_sysfs_device(uint64_t dev, const char *attribute, uint64_t *value)
{
	char buf[SHORT_TEXT];
	ssize_t len = copyoff_sysfs_text(dev, attribute, buf, sizeof(buf));

	return len < 0 ? (int)len : copyoff_parse_device(buf, value);
}

int copyoff_sysfs_sectors(uint64_t dev, const char *attribute, uint64_t *bytes)
{
	uint64_t sectors = 0;
	int ret = copyoff_sysfs_number(dev, attribute, &sectors);

	if (ret < 0)
		return ret;
	if (sectors > INT64_MAX / SECTOR) /* no offset of a file is larger */
		return -ERANGE;
	*bytes = sectors * SECTOR;
	return 0;
}

/* The directory of a partition is in that of its disk. */
int copyoff_sysfs_disk(uint64_t dev, bool partition, uint64_t *disk)
{
	*disk = dev;
	return partition ? copyoff_sysfs_device(dev, "../dev", disk) : 0;
}

/* One of a text that is longer is there, too. */
int copyoff_sysfs_has(uint64_t dev, const char *attribute)
{
	char buf[SHORT_TEXT];
	ssize_t len = copyoff_sysfs_text(dev, attribute, buf, sizeof(buf));

	if (len == -ENOENT)
		return 0;
	return len >= 0 || len == -E2BIG ? 1 : (int)len;
}

int copyoff_sysfs_list(uint64_t dev, const char *directory,
		       int (*entry)(void *data, const char *name), void *data)
{
	char path[SHORT_PATH];
	int ret = path_of(path, dev, directory);

	return ret < 0 ? ret : copyoff_sys_list_sysfs(path, entry, data);
}

static int count_entry(void *data, const char *name)
{
	(void)name;
	++*(int *)data;
	return 0;
}

int copyoff_sysfs_count(uint64_t dev, const char *directory)
{
	int count = 0;
	int ret = copyoff_sysfs_list(dev, directory, count_entry, &count);

	return ret < 0 ? ret : count;
}

int copyoff_sysfs_has_directory(uint64_t dev, const char *directory)
{
	int ret = copyoff_sysfs_count(dev, directory);

	if (ret == -ENOENT)
		return 0;
	return ret < 0 ? ret : 1;
}

/* --- btrfs ---------------------------------------------------------------- */

struct btrfs_walk {
	const char *uuid; /* of the file system that is looked at */
	int (*device)(void *data, uint64_t dev);
	void *data;
};

static int btrfs_device(void *data, const char *name)
{
	const struct btrfs_walk *walk = data;
	char path[SHORT_PATH], text[SHORT_TEXT];
	uint64_t dev;
	ssize_t len;
	int ret;

	if (snprintf(path, sizeof(path), "fs/btrfs/%s/devices/%s/dev", walk->uuid, name) >=
	    (int)sizeof(path))
		return -ENAMETOOLONG;
	len = copyoff_sys_read_sysfs(path, text, sizeof(text));
	/* It may just have been unmounted. */
	if (len < 0)
		return len == -ENOENT ? 0 : (int)len;
	ret = copyoff_parse_device(text, &dev);
	return ret < 0 ? ret : walk->device(walk->data, dev);
}

/* Not all names are those of file systems: "features" has no devices. */
static int btrfs_filesystem(void *data, const char *name)
{
	struct btrfs_walk *walk = data;
	char path[SHORT_PATH];
	int ret;

	if (snprintf(path, sizeof(path), "fs/btrfs/%s/devices", name) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	walk->uuid = name;
	ret = copyoff_sys_list_sysfs(path, btrfs_device, walk);
	return ret == -ENOENT ? 0 : ret;
}

int copyoff_sysfs_btrfs_devices(int (*device)(void *data, uint64_t dev), void *data)
{
	struct btrfs_walk walk = { .device = device, .data = data };
	int ret = copyoff_sys_list_sysfs("fs/btrfs", btrfs_filesystem, &walk);

	/* Without btrfs in the kernel nothing is mounted. */
	return ret == -ENOENT ? 0 : ret;
}
