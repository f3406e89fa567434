/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * sys_block.c - the seam to Linux for work beneath block devices: their page
 * cache, the devices and files that lie beneath, and what makes them copy
 */
#define _GNU_SOURCE
#include "sys_nvme.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

uint64_t copyoff_sys_page_size(void)
{
	long size = sysconf(_SC_PAGESIZE);

	return size > 0 ? (uint64_t)size : 4096;
}

int copyoff_sys_flush_range(int fd, int64_t off, int64_t len)
{
	const unsigned all =
		SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;

	if (sync_file_range(fd, off, len, all) == 0)
		return 0;
	switch (errno) {
	case ENOSYS:
	case EPERM: /* seccomp has these instead */
	case EACCES:
	case EINVAL:
	case EOPNOTSUPP:
		return fdatasync(fd) < 0 ? -errno : 0;
	default:
		return -errno;
	}
}

int copyoff_sys_drop_cache(int fd, int64_t off, int64_t len)
{
	return -posix_fadvise(fd, off, len, POSIX_FADV_DONTNEED);
}

/* Since 6.5; not in the headers of most systems. */
#ifndef SYS_cachestat
#define SYS_cachestat 451
#endif

int64_t copyoff_sys_cachestat(int fd, int64_t off, int64_t len)
{
	struct {
		uint64_t off, len;
	} range = { (uint64_t)off, (uint64_t)len };
	struct {
		uint64_t cached, dirty, writeback, evicted, recently_evicted;
	} stat = { 0 };

	if (syscall(SYS_cachestat, fd, &range, &stat, 0u) < 0)
		return -errno;
	return (int64_t)(stat.cached + stat.writeback);
}

/*
 * Before a write with O_DIRECT looks at its data, the kernel invalidates the range:
 * data that nobody can read leaves it at that.  If some page is to stay, it writes
 * to the cache instead, where it looks at the data first, too.
 */
int copyoff_sys_invalidate_range(int fd, int64_t off, int64_t len)
{
	enum { PIECE = 64 << 20 };
	const size_t size = len < PIECE ? (size_t)len : PIECE;
	void *nothing = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int ret = 0;

	if (nothing == MAP_FAILED)
		return -errno;
	for (int64_t done = 0; done < len && ret == 0; done += PIECE) {
		int64_t piece = len - done < PIECE ? len - done : PIECE;

		if (pwrite(fd, nothing, (size_t)piece, off + done) >= 0)
			ret = -EIO; /* that cannot be */
		else if (errno != EFAULT)
			ret = -errno;
	}
	munmap(nothing, size);
	return ret;
}

/* Resident pages of a mapping of at most MINCORE_PAGES pages. */
enum { MINCORE_PAGES = 16384 };

static int64_t resident(int fd, int64_t off, size_t len, size_t page)
{
	unsigned char vec[MINCORE_PAGES];
	int64_t n = 0;
	void *p = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, off);
	int ret;

	if (p == MAP_FAILED)
		return -errno;
	ret = mincore(p, len, vec) < 0 ? -errno : 0;
	munmap(p, len);
	for (size_t i = 0; ret == 0 && i < (len + page - 1) / page; i++)
		n += vec[i] & 1;
	return ret < 0 ? ret : n;
}

static int64_t count_resident(int fd, int64_t off, int64_t end)
{
	const int64_t page = (int64_t)copyoff_sys_page_size();
	const int64_t most = page * MINCORE_PAGES;
	int64_t n = 0;

	for (off -= off % page; off < end; off += most) {
		int64_t piece = end - off < most ? end - off : most;
		int64_t ret = resident(fd, off, (size_t)piece, (size_t)page);

		if (ret < 0)
			return ret;
		n += ret;
	}
	return n;
}

/* What is open for writing only cannot be mapped; another descriptor of it can. */
int64_t copyoff_sys_mincore(int fd, int64_t off, int64_t len)
{
	int64_t n = count_resident(fd, off, off + len);
	int again;

	if (n != -EACCES)
		return n;
	again = copyoff_sys_reopen(fd, COPYOFF_ACCESS_READ);
	if (again < 0)
		return again;
	n = count_resident(again, off, off + len);
	(void)copyoff_sys_close(again); /* nothing is written */
	return n;
}

/*
 * Does anybody have a lock on the file?  Locks of this process are on one that it
 * has open, for it would have lost them by closing that.  A descriptor made with
 * O_PATH has none.
 */
static bool is_locked(int fd)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	if (fcntl(fd, F_OFD_GETLK, &lock) < 0)
		return errno != EBADF;
	return lock.l_type != F_UNLCK;
}

/* To read /proc/locks would take milliseconds, and hold up all who lock files. */
bool copyoff_sys_has_locks(const uint64_t *inodes, size_t n)
{
	DIR *dir = opendir("/proc/thread-self/fd");
	const struct dirent *entry;
	bool found = !dir; /* in doubt, there may be some */

	while (!found && (entry = readdir(dir))) {
		int fd = atoi(entry->d_name);
		struct stat st;

		if (entry->d_name[0] == '.' || fstat(fd, &st) < 0)
			continue;
		for (size_t i = 0; !found && i < n; i++)
			found = st.st_ino == inodes[i] && is_locked(fd);
	}
	if (dir)
		closedir(dir);
	return found;
}

/* A kind of device nodes. */
struct node_kind {
	const char *directory; /* in /dev and in /sys/dev, with all numbers */
	mode_t type;
	int flags; /* to open it */
};

static const struct node_kind block_node = { "block", S_IFBLK, O_RDONLY | O_NONBLOCK };
static const struct node_kind generic_node = { "char", S_IFCHR, O_RDWR | O_NONBLOCK };

/* The kernel's own name for the node of a device, which may be there or not. */
static int name_in_dev(const struct node_kind *kind, const char *number, char *path, size_t size)
{
	static const char key[] = "DEVNAME=";
	char attribute[48], text[1024];
	const char *name;
	ssize_t len;

	snprintf(attribute, sizeof(attribute), "dev/%s/%s/uevent", kind->directory, number);
	len = copyoff_sys_read_sysfs(attribute, text, sizeof(text));
	if (len < 0)
		return (int)len;
	name = strstr(text, key);
	if (!name)
		return -ENOENT;
	name += strlen(key);
	snprintf(path, size, "/dev/%.*s", (int)strcspn(name, "\n"), name);
	return 0;
}

static bool is_that_node(const struct node_kind *kind, uint64_t rdev, const struct stat *st)
{
	return (st->st_mode & S_IFMT) == kind->type &&
	       copyoff_device(major(st->st_rdev), minor(st->st_rdev)) == rdev;
}

/* Is it the node of that device, and may it be opened and closed? */
static int check_node(const struct node_kind *kind, uint64_t rdev, const char *path)
{
	int place = open(path, O_PATH | O_CLOEXEC);
	uint64_t inode;
	struct stat st;
	int ret;

	if (place < 0)
		return -errno;
	ret = fstat(place, &st) < 0 ? -errno : 0;
	close(place);
	if (ret < 0)
		return ret;
	if (!is_that_node(kind, rdev, &st))
		return -ENXIO;
	inode = st.st_ino;
	return copyoff_sys_has_locks(&inode, 1) ? -EBUSY : 0;
}

static int open_node(const struct node_kind *kind, uint64_t rdev)
{
	char number[24], path[256];
	struct stat st;
	int fd, ret;

	/* By its number, where udev runs; whatever it is, it is looked at. */
	snprintf(number, sizeof(number), "%u:%u", (unsigned)(rdev >> 32),
		 (unsigned)(rdev & UINT32_MAX));
	snprintf(path, sizeof(path), "/dev/%s/%s", kind->directory, number);
	ret = check_node(kind, rdev, path);
	if (ret == -ENOENT) {
		ret = name_in_dev(kind, number, path, sizeof(path));
		if (ret == 0)
			ret = check_node(kind, rdev, path);
	}
	if (ret < 0)
		return ret;
	fd = open(path, kind->flags | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) == 0 && is_that_node(kind, rdev, &st))
		return fd;
	close(fd);
	return -ENXIO;
}

int copyoff_sys_open_device(uint64_t rdev)
{
	return open_node(&block_node, rdev);
}

/* Opening it is not to wait, but what is done with it is. */
int copyoff_sys_open_generic(uint64_t rdev)
{
	int fd = open_node(&generic_node, rdev);
	int ret;

	if (fd < 0 || fcntl(fd, F_SETFL, O_RDWR) == 0)
		return fd;
	ret = -errno;
	close(fd);
	return ret;
}

int copyoff_sys_claim(int fd)
{
	char path[40];
	int claim;

	if (is_locked(fd))
		return -EDEADLK;
	snprintf(path, sizeof(path), "/proc/thread-self/fd/%d", fd);
	claim = open(path, O_RDONLY | O_EXCL | O_NONBLOCK | O_CLOEXEC);
	return claim < 0 ? -errno : claim;
}

/* Is @path the regular file that it should be?  It is not opened for that. */
static int is_file(const char *path, uint64_t dev, uint64_t ino)
{
	int place = open(path, O_NOFOLLOW | O_PATH | O_CLOEXEC);
	struct copyoff_stat st;
	int ret;

	if (place < 0)
		return -errno;
	ret = copyoff_sys_stat(place, &st);
	close(place);
	if (ret < 0)
		return ret;
	return st.kind == COPYOFF_KIND_REGULAR && st.dev == dev && st.ino == ino ? 0 : -ESTALE;
}

int copyoff_sys_open_file(const char *path, uint64_t dev, uint64_t ino, enum copyoff_access access)
{
	int flags = access == COPYOFF_ACCESS_READ ? O_RDONLY : O_RDWR;
	struct copyoff_stat st;
	int ret = is_file(path, dev, ino);
	int fd;

	if (ret < 0)
		return ret;
	fd = open(path, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (copyoff_sys_stat(fd, &st) == 0 && st.dev == dev && st.ino == ino)
		return fd;
	close(fd);
	return -ESTALE;
}

/* Through syscall(2): the ioctl() of musl takes an int, which not all requests fit. */
int64_t copyoff_sys_nvme_id(int fd)
{
	long id = syscall(SYS_ioctl, fd, (unsigned long)NVME_IOCTL_ID, 0ul);

	return id < 0 ? -errno : id;
}

int copyoff_sys_nvme_command(int fd, enum copyoff_nvme_queue queue,
			     struct copyoff_nvme_command *command)
{
	static const unsigned long requests[] = {
		[COPYOFF_NVME_ADMIN] = NVME_IOCTL_ADMIN_CMD,
		[COPYOFF_NVME_IO] = NVME_IOCTL_IO64_CMD,
		[COPYOFF_NVME_IO_OLD] = NVME_IOCTL_IO_CMD,
	};
	union {
		struct nvme_passthru_cmd narrow;
		struct nvme_passthru_cmd64 wide;
	} arg = { .wide = copyoff_nvme_passthru(command) };
	long ret = syscall(SYS_ioctl, fd, requests[queue], &arg);

	if (ret < 0)
		return -errno;
	command->result = queue == COPYOFF_NVME_IO ? arg.wide.result : arg.narrow.result;
	return (int)ret;
}

int copyoff_sys_block_copy(int fd, uint32_t request, void *arg)
{
	long ret = syscall(SYS_ioctl, fd, (unsigned long)request, arg);

	return ret < 0 ? -errno : (int)ret;
}
