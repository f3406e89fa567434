/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * extents.c - where a file has data, found step by step with SEEK_DATA
 *
 * lseek(2) moves the file position, which belongs to the caller and may be
 * shared with other processes; so the walk has a descriptor of its own.
 */
#include "internal.h"

#include <errno.h>

/*
 * FUSE asks its server for holes, which does not know of data that the kernel
 * has cached and not written back.
 */
static bool tells_holes(int fd)
{
	return copyoff_sys_fs_type(fd) != 0x65735546;
}

int copyoff_extents_open(struct copyoff_extents *x, int fd)
{
	x->now = (struct copyoff_span){ 0, 0 };
	x->hole = false;
	x->fd = -1;
	if (!tells_holes(fd))
		return -EOPNOTSUPP;
	x->fd = copyoff_sys_reopen(fd, COPYOFF_ACCESS_READ);
	/* The user may be allowed to write only. */
	if (x->fd < 0)
		x->fd = copyoff_sys_reopen(fd, COPYOFF_ACCESS_WRITE);
	return x->fd < 0 ? x->fd : 0;
}

void copyoff_extents_close(struct copyoff_extents *x)
{
	if (x->fd >= 0)
		(void)copyoff_sys_close(x->fd); /* nothing was written through it */
	x->fd = -1;
}

/*
 * There is no data behind @off: a hole up to the end of the file.  If the file
 * was cut off before @off meanwhile: data, which will be found missing.
 */
static int64_t hole_to_the_end(const struct copyoff_extents *x, uint64_t off)
{
	struct copyoff_stat st;
	int ret = copyoff_sys_stat(x->fd, &st);

	if (ret < 0)
		return ret;
	return (int64_t)(st.size > off ? st.size : off);
}

/* Find the extent at @off; @limit bounds what a file system may answer. */
static int find(struct copyoff_extents *x, uint64_t off, uint64_t limit)
{
	int64_t data = copyoff_sys_seek_data(x->fd, (int64_t)off);
	int64_t hole;

	if (data == -ENXIO)
		data = hole_to_the_end(x, off);
	if (data < 0)
		return (int)data;
	if ((uint64_t)data > off) {
		x->hole = true;
		x->now = (struct copyoff_span){ off, (uint64_t)data };
		return 0;
	}
	hole = copyoff_sys_seek_hole(x->fd, (int64_t)off);
	if (hole < 0)
		return (int)hole;
	x->hole = false;
	/* A file that changes under us may answer anything: then it is data. */
	x->now = (struct copyoff_span){ off, (uint64_t)hole > off ? (uint64_t)hole : limit };
	return 0;
}

int copyoff_extents_at(struct copyoff_extents *x, uint64_t off, uint64_t limit, uint64_t *end,
		       bool *hole)
{
	if (off < x->now.start || off >= x->now.end) {
		int ret = find(x, off, limit);

		if (ret < 0)
			return ret;
	}
	*end = copyoff_range_min(x->now.end, limit);
	*hole = x->hole;
	return 0;
}
