/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * sys_posix.c - the seam to the system, with nothing but POSIX.1-2008
 */
#define _POSIX_C_SOURCE 200809L
#define _XOPEN_SOURCE   700
#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

int copyoff_sys_open_mode(int fd, struct copyoff_open_mode *mode)
{
	int fl = fcntl(fd, F_GETFL);

	if (fl < 0)
		return -errno;
	*mode = (struct copyoff_open_mode){
		.readable = (fl & O_ACCMODE) == O_RDONLY || (fl & O_ACCMODE) == O_RDWR,
		.writable = (fl & O_ACCMODE) == O_WRONLY || (fl & O_ACCMODE) == O_RDWR,
		.append = fl & O_APPEND,
	};
	return 0;
}

static enum copyoff_kind kind_of(mode_t mode)
{
	if (S_ISREG(mode))
		return COPYOFF_KIND_REGULAR;
	if (S_ISBLK(mode))
		return COPYOFF_KIND_BLOCK;
	return S_ISDIR(mode) ? COPYOFF_KIND_DIRECTORY : COPYOFF_KIND_OTHER;
}

int copyoff_sys_stat(int fd, struct copyoff_stat *st)
{
	struct stat s;

	if (fstat(fd, &s) < 0)
		return -errno;
	*st = (struct copyoff_stat){
		.kind = kind_of(s.st_mode),
		.dev = (uint64_t)s.st_dev,
		.ino = (uint64_t)s.st_ino,
		.rdev = (uint64_t)s.st_rdev,
		.size = S_ISREG(s.st_mode) ? (uint64_t)s.st_size : 0,
		.allocated = (uint64_t)s.st_blocks * 512,
	};
	return 0;
}

/* The size of a block device cannot be had without moving the position. */
int copyoff_sys_block_size(int fd, uint64_t *bytes, uint32_t *logical_block)
{
	(void)fd;
	(void)bytes;
	(void)logical_block;
	return -ENOSYS;
}

int64_t copyoff_sys_tell(int fd)
{
	off_t ret = lseek(fd, 0, SEEK_CUR);

	return ret < 0 ? -errno : ret;
}

int64_t copyoff_sys_set_position(int fd, int64_t off)
{
	off_t ret = lseek(fd, off, SEEK_SET);

	return ret < 0 ? -errno : ret;
}

uint64_t copyoff_sys_file_size_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_FSIZE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
		return UINT64_MAX;
	return limit.rlim_cur;
}

int copyoff_sys_close(int fd)
{
	return close(fd) < 0 ? -errno : 0;
}

ssize_t copyoff_sys_pread(int fd, void *buf, size_t len, int64_t off)
{
	ssize_t ret = pread(fd, buf, len, off);

	return ret < 0 ? -errno : ret;
}

ssize_t copyoff_sys_pwrite(int fd, const void *buf, size_t len, int64_t off)
{
	ssize_t ret = pwrite(fd, buf, len, off);

	return ret < 0 ? -errno : ret;
}

int copyoff_sys_fdatasync(int fd)
{
	return fdatasync(fd) < 0 ? -errno : 0;
}

void *copyoff_sys_alloc(size_t size, size_t align)
{
	void *p = NULL;

	if (align < sizeof(void *))
		align = sizeof(void *);
	return posix_memalign(&p, align, size) == 0 ? p : NULL;
}

void copyoff_sys_free(void *p)
{
	free(p);
}

int64_t copyoff_sys_process(void)
{
	return getpid();
}

void copyoff_sys_pause(uint64_t ns)
{
	const struct timespec ts = { (time_t)(ns / 1000000000u), (long)(ns % 1000000000u) };

	nanosleep(&ts, NULL);
}

uint64_t copyoff_sys_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* POSIX has no secure_getenv(): the environment counts only without set-id. */
const char *copyoff_sys_getenv(const char *name)
{
	if (getuid() != geteuid() || getgid() != getegid())
		return NULL;
	return getenv(name);
}

void copyoff_sys_debug(const char *line, size_t len)
{
	/* Nothing can be done about a failure to complain. */
	(void)!write(STDERR_FILENO, line, len);
}

/* --- what POSIX does not have ------------------------------------------- */

int64_t copyoff_sys_fs_type(int fd)
{
	(void)fd;
	return -ENOSYS;
}

int copyoff_sys_reopen(int fd, enum copyoff_access access)
{
	(void)fd;
	(void)access;
	return -ENOSYS;
}

int64_t copyoff_sys_copy_file_range(int fd_in, int64_t off_in, int fd_out, int64_t off_out,
				    size_t len)
{
	(void)fd_in;
	(void)off_in;
	(void)fd_out;
	(void)off_out;
	(void)len;
	return -ENOSYS;
}

int copyoff_sys_clone_range(int fd_in, int64_t off_in, int fd_out, int64_t off_out, uint64_t len)
{
	(void)fd_in;
	(void)off_in;
	(void)fd_out;
	(void)off_out;
	(void)len;
	return -ENOSYS;
}

int64_t copyoff_sys_clone_align(int fd)
{
	(void)fd;
	return -ENOSYS;
}

int64_t copyoff_sys_pipe(int fds[2], size_t capacity)
{
	(void)fds;
	(void)capacity;
	return -ENOSYS;
}

ssize_t copyoff_sys_splice_in(int fd, int64_t off, int pipe_fd, size_t len)
{
	(void)fd;
	(void)off;
	(void)pipe_fd;
	(void)len;
	return -ENOSYS;
}

ssize_t copyoff_sys_splice_out(int pipe_fd, int fd, int64_t off, size_t len)
{
	(void)pipe_fd;
	(void)fd;
	(void)off;
	(void)len;
	return -ENOSYS;
}

int64_t copyoff_sys_seek_data(int fd, int64_t off)
{
	(void)fd;
	(void)off;
	return -ENOSYS;
}

int64_t copyoff_sys_seek_hole(int fd, int64_t off)
{
	(void)fd;
	(void)off;
	return -ENOSYS;
}

int copyoff_sys_punch_hole(int fd, int64_t off, int64_t len)
{
	(void)fd;
	(void)off;
	(void)len;
	return -ENOSYS;
}

int copyoff_sys_zero_range(int fd, int64_t off, int64_t len)
{
	(void)fd;
	(void)off;
	(void)len;
	return -ENOSYS;
}

int copyoff_sys_open_device(uint64_t rdev)
{
	(void)rdev;
	return -ENOSYS;
}

int copyoff_sys_claim(int fd)
{
	(void)fd;
	return -ENOSYS;
}

int copyoff_sys_open_file(const char *path, uint64_t dev, uint64_t ino, enum copyoff_access access)
{
	(void)path;
	(void)dev;
	(void)ino;
	(void)access;
	return -ENOSYS;
}

bool copyoff_sys_has_locks(const uint64_t *inodes, size_t n)
{
	(void)inodes;
	(void)n;
	return true;
}

int copyoff_sys_flush_range(int fd, int64_t off, int64_t len)
{
	(void)fd;
	(void)off;
	(void)len;
	return -ENOSYS;
}

int copyoff_sys_drop_cache(int fd, int64_t off, int64_t len)
{
	(void)fd;
	(void)off;
	(void)len;
	return -ENOSYS;
}

int copyoff_sys_invalidate_range(int fd, int64_t off, int64_t len)
{
	(void)fd;
	(void)off;
	(void)len;
	return -ENOSYS;
}

int64_t copyoff_sys_cachestat(int fd, int64_t off, int64_t len)
{
	(void)fd;
	(void)off;
	(void)len;
	return -ENOSYS;
}

int64_t copyoff_sys_mincore(int fd, int64_t off, int64_t len)
{
	(void)fd;
	(void)off;
	(void)len;
	return -ENOSYS;
}

uint64_t copyoff_sys_page_size(void)
{
	return 4096;
}

int copyoff_sys_physical_block(int fd, uint32_t *bytes)
{
	(void)fd;
	(void)bytes;
	return -ENOSYS;
}

int copyoff_sys_read_only(int fd, bool *read_only)
{
	(void)fd;
	(void)read_only;
	return -ENOSYS;
}

int copyoff_sys_disk_sequence(int fd, uint64_t *sequence)
{
	(void)fd;
	(void)sequence;
	return -ENOSYS;
}

int copyoff_sys_loop_status(int fd, struct copyoff_loop_status *status)
{
	(void)fd;
	(void)status;
	return -ENOSYS;
}

int copyoff_sys_dm_target(uint64_t dev, char *type, size_t size)
{
	(void)dev;
	(void)type;
	(void)size;
	return -ENOSYS;
}

int64_t copyoff_sys_nvme_id(int fd)
{
	(void)fd;
	return -ENOSYS;
}

int copyoff_sys_block_copy(int fd, uint32_t request, void *arg)
{
	(void)fd;
	(void)request;
	(void)arg;
	return -ENOSYS;
}

int copyoff_sys_nvme_command(int fd, enum copyoff_nvme_queue queue,
			     struct copyoff_nvme_command *command)
{
	(void)fd;
	(void)queue;
	(void)command;
	return -ENOSYS;
}

int copyoff_sys_open_generic(uint64_t rdev)
{
	(void)rdev;
	return -ENOSYS;
}

int copyoff_sys_scsi_command(int fd, struct copyoff_scsi_command *command)
{
	(void)fd;
	(void)command;
	return -ENOSYS;
}

int copyoff_sys_scsi_send(int fd, unsigned tag, struct copyoff_scsi_command *command)
{
	(void)fd;
	(void)tag;
	(void)command;
	return -ENOSYS;
}

int copyoff_sys_scsi_wait(int fd, unsigned *tag)
{
	(void)fd;
	(void)tag;
	return -ENOSYS;
}

ssize_t copyoff_sys_read_sysfs(const char *path, char *buf, size_t size)
{
	(void)path;
	(void)buf;
	(void)size;
	return -ENOSYS;
}

int copyoff_sys_list_sysfs(const char *path, int (*entry)(void *data, const char *name), void *data)
{
	(void)path;
	(void)entry;
	(void)data;
	return -ENOSYS;
}

int copyoff_sys_open_mountinfo(void)
{
	return -ENOSYS;
}
