/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * loop.c - loop devices on files of the file system that is measured
 *
 * They detach when this process ends, however it ends.
 */
#define _GNU_SOURCE /* sync_file_range(), O_CLOEXEC */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* A device and the file behind it; -1: none. */
struct device {
	int number;
	int fd;
	int file;
};

static struct device in = { -1, -1, -1 }, out = { -1, -1, -1 };

bool is_loop(enum state state)
{
	return state >= LOOP_COLD;
}

static void detach(struct device *d)
{
	if (d->fd >= 0)
		close(d->fd);
	if (d->file >= 0)
		close(d->file);
	*d = (struct device){ -1, -1, -1 };
}

void loop_detach(const struct files *f)
{
	if (out.fd != in.fd)
		detach(&out);
	out = (struct device){ -1, -1, -1 };
	detach(&in);
	files_remove(f);
}

/* Somebody else may take the free device first. */
static int attach(struct device *d, const char *path, size_t size, char *name, size_t name_size)
{
	struct loop_config config = { .info.lo_flags = LO_FLAGS_AUTOCLEAR };
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	int ret = -1;

	d->file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (control < 0 || d->file < 0 || ftruncate(d->file, (off_t)size) < 0)
		goto out;
	config.fd = (unsigned)d->file;
	for (int i = 0; i < 10 && ret < 0; i++) {
		d->number = ioctl(control, LOOP_CTL_GET_FREE);
		snprintf(name, name_size, "/dev/loop%d", d->number);
		d->fd = d->number < 0 ? -1 : open(name, O_RDWR | O_CLOEXEC);
		if (d->fd < 0)
			break;
		ret = ioctl(d->fd, LOOP_CONFIGURE, &config);
		if (ret < 0) {
			int err = errno;

			close(d->fd);
			d->fd = -1;
			errno = err;
			if (err != EBUSY)
				break;
		}
	}
out:
	ret = ret < 0 ? -errno : 0;
	if (control >= 0)
		close(control);
	return ret;
}

int loop_attach(const struct files *f, enum state state, size_t size, struct files *devices)
{
	int ret;

	*devices = *f;
	devices->loop = true;
	if (state == LOOP_WITHIN) {
		ret = attach(&in, f->in_path, 2 * size, devices->in_path, sizeof(devices->in_path));
		memcpy(devices->out_path, devices->in_path, sizeof(devices->out_path));
		out = in;
	} else {
		ret = attach(&in, f->in_path, size, devices->in_path, sizeof(devices->in_path));
		if (ret == 0)
			ret = attach(&out, f->out_path, size, devices->out_path,
				     sizeof(devices->out_path));
	}
	if (ret < 0) {
		printf("missing: loop devices on %s (%s)\n", f->fs, strerror(-ret));
		loop_detach(f);
	}
	return ret;
}

static int drop(int fd)
{
	return fsync(fd) < 0 ? -errno : -posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}

static int load(int fd)
{
	char *buf = malloc(MIB);
	off_t off = 0;
	ssize_t n = buf ? 1 : 0;

	while (n > 0) {
		n = pread(fd, buf, MIB, off);
		off += n;
	}
	free(buf);
	return n < 0 || !buf ? -EIO : 0;
}

/*
 * The destination has blocks of its own again, whatever was shared before; and
 * the caches are cold, or have both devices.
 */
int loop_prepare(enum state state, size_t size)
{
	const off_t dst = state == LOOP_WITHIN ? (off_t)size : 0;
	char *buf = malloc(MIB);
	int ret = buf ? 0 : -ENOMEM;

	if (buf)
		memset(buf, 0xff, MIB);
	for (size_t done = 0; done < size && ret == 0; done += MIB) {
		size_t n = size - done < MIB ? size - done : MIB;

		if (pwrite(out.file, buf, n, dst + (off_t)done) != (ssize_t)n)
			ret = -EIO;
	}
	free(buf);
	if (ret == 0 && syncfs(out.file) < 0)
		ret = -errno;
	/* From the top: what is dirty goes down. */
	if (ret == 0)
		ret = drop(in.fd);
	if (ret == 0)
		ret = drop(out.fd);
	if (ret == 0)
		ret = drop(in.file);
	if (ret == 0)
		ret = drop(out.file);
	if (ret == 0 && state == LOOP_WARM)
		ret = load(in.fd);
	if (ret == 0 && state == LOOP_WARM)
		ret = load(out.fd);
	return ret;
}

/* What must be done at least: both ranges written back, and extents shared. */
int run_clone_beneath(const struct competitor *c, const struct copy *copy)
{
	const unsigned all =
		SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
	struct file_clone_range arg = {
		.src_fd = in.file,
		.src_offset = (uint64_t)copy->src,
		.src_length = copy->len,
		.dest_offset = (uint64_t)copy->dst,
	};

	(void)c;
	if (sync_file_range(in.fd, copy->src, (off_t)copy->len, all) < 0 ||
	    sync_file_range(out.fd, copy->dst, (off_t)copy->len, all) < 0 ||
	    ioctl(out.file, FICLONERANGE, &arg) < 0)
		return -errno;
	return 0;
}

/* dd counts in bytes here; @flag: "direct" or "". */
static int run_dd(const struct copy *copy, const char *conv, const char *flag)
{
	char skip[40], seek[40], count[40], iflag[60], oflag[60];
	const char *const argv[] = { "dd",  "bs=1M", "if=%s", "of=%d", conv, iflag,
				     oflag, skip,    seek,    count,   NULL };
	const struct competitor dd = { .argv = argv };

	snprintf(iflag, sizeof(iflag), "iflag=skip_bytes,count_bytes%s", flag);
	snprintf(oflag, sizeof(oflag), "oflag=seek_bytes%s", flag);
	snprintf(skip, sizeof(skip), "skip=%lld", (long long)copy->src);
	snprintf(seek, sizeof(seek), "seek=%lld", (long long)copy->dst);
	snprintf(count, sizeof(count), "count=%zu", copy->len);
	return run_command(&dd, copy);
}

int run_dd_fsync(const struct competitor *c, const struct copy *copy)
{
	(void)c;
	return run_dd(copy, "conv=fsync,notrunc", "");
}

int run_dd_direct(const struct competitor *c, const struct copy *copy)
{
	(void)c;
	return run_dd(copy, "conv=notrunc", ",direct");
}

/* --- bytes through the devices ---------------------------------------------------- */

/* Sectors read and written; /sys/block/NAME/stat has them in its fields 3 and 7. */
static double sectors(int number)
{
	unsigned long long n[7] = { 0 };
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/sys/block/loop%d/stat", number);
	f = fopen(path, "re");
	if (!f)
		return 0;
	for (size_t i = 0; i < 7; i++) {
		if (fscanf(f, "%llu", &n[i]) != 1)
			break;
	}
	fclose(f);
	return (double)n[2] + (double)n[6];
}

/* What this process read and wrote by system calls. */
static double own_bytes(void)
{
	unsigned long long rchar = 0, wchar = 0;
	FILE *f = fopen("/proc/self/io", "re");

	if (!f)
		return 0;
	if (fscanf(f, "rchar: %llu wchar: %llu", &rchar, &wchar) != 2)
		rchar = wchar = 0;
	fclose(f);
	return (double)rchar + (double)wchar;
}

struct traffic loop_traffic(void)
{
	struct traffic t = { .own = own_bytes() };

	if (in.number >= 0)
		t.devices = 512 * sectors(in.number);
	if (out.number >= 0 && out.number != in.number)
		t.devices += 512 * sectors(out.number);
	return t;
}
