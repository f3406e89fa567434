/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
#include "same.h"

#ifdef __linux__
#include <linux/loop.h>
#include <sys/ioctl.h>

/* Is @device a loop device, or a partition of one, that is backed by @file? */
static bool backed_by(int fd_device, const struct stat *device, const struct stat *file)
{
	struct loop_info64 info;

	return S_ISBLK(device->st_mode) && S_ISREG(file->st_mode) &&
	       ioctl(fd_device, LOOP_GET_STATUS64, &info) == 0 && info.lo_device == file->st_dev &&
	       info.lo_inode == file->st_ino;
}
#else
static bool backed_by(int fd_device, const struct stat *device, const struct stat *file)
{
	(void)fd_device;
	(void)device;
	(void)file;
	return false;
}
#endif

bool same_storage(int fd_a, const struct stat *a, int fd_b, const struct stat *b)
{
	if (a->st_dev == b->st_dev && a->st_ino == b->st_ino)
		return true;
	if (S_ISBLK(a->st_mode) && S_ISBLK(b->st_mode))
		return a->st_rdev == b->st_rdev;
	return backed_by(fd_a, a, b) || backed_by(fd_b, b, a);
}
