/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * holes.c - what becomes of the holes of the source
 *
 * Beyond the end of the destination a hole stays a hole.  Over what the
 * destination has allocated it is zeroed in place, or punched with
 * COPYOFF_SPARSE; what a block device has allocated is not known, and it is
 * punched only.  Whatever the file system or the device cannot do is declined
 * and copied like data, which also finds the right errno.
 */
#include "internal.h"

#include <errno.h>

void copyoff_holes_begin(struct copyoff_holes *h, const struct copyoff_pair *pair, bool punch,
			 uint64_t size_limit)
{
	const struct copyoff_end *in = &pair->in;
	const bool to_file = pair->out.kind == COPYOFF_KIND_REGULAR;

	*h = (struct copyoff_holes){ .punch = punch, .limit = size_limit };
	h->src.fd = -1;
	h->dst.fd = -1;
	h->dst_size = pair->out.size;
	h->on = in->kind == COPYOFF_KIND_REGULAR && in->size_known &&
		(punch || (to_file && in->allocated < in->size));
}

void copyoff_holes_end(struct copyoff_holes *h)
{
	copyoff_extents_close(&h->src);
	copyoff_extents_close(&h->dst);
}

/* Zero what is allocated in [@dst, @end); holes of the destination are left. */
static int64_t zero_allocated(struct copyoff_holes *h, const struct copyoff_pair *pair,
			      uint64_t dst, uint64_t end)
{
	uint64_t p = dst;
	uint64_t next;
	bool hole;

	if (h->dst.fd < 0 && copyoff_extents_open(&h->dst, pair->out.fd) < 0)
		return COPYOFF_DECLINE;
	while (p < end) {
		if (copyoff_extents_at(&h->dst, p, end, &next, &hole) < 0)
			break;
		if (!hole &&
		    copyoff_sys_zero_range(pair->out.fd, (int64_t)p, (int64_t)(next - p)) < 0)
			break;
		p = next;
	}
	return p > dst ? (int64_t)(p - dst) : COPYOFF_DECLINE;
}

static void add_pending(struct copyoff_holes *h, uint64_t start, uint64_t end)
{
	if (end <= h->pending.end)
		return;
	if (start != h->pending.end)
		h->pending.start = start;
	h->pending.end = end;
}

/*
 * The kernel has the device make zeroes, and deallocate, or refuses: it writes none
 * itself (Linux 4.9).  Whole pages: one that has data, too, may be in its cache.
 */
static int64_t punch_device(const struct copyoff_pair *pair, uint64_t dst, uint64_t end)
{
	const uint64_t page = copyoff_sys_page_size();

	end = copyoff_range_down(end, page);
	if (dst % page || dst >= end ||
	    copyoff_sys_punch_hole(pair->out.fd, (int64_t)dst, (int64_t)(end - dst)) < 0)
		return COPYOFF_DECLINE;
	return (int64_t)(end - dst);
}

int64_t copyoff_holes_make(struct copyoff_holes *h, const struct copyoff_pair *pair, uint64_t dst,
			   uint64_t len)
{
	uint64_t end = copyoff_range_min(dst + len, h->limit);

	if (dst >= end)
		return COPYOFF_DECLINE;
	if (pair->out.kind == COPYOFF_KIND_BLOCK)
		return punch_device(pair, dst, copyoff_range_min(end, pair->out.size));
	if (dst >= h->dst_size) {
		/*
		 * XFS preallocates behind data that makes a file longer; the
		 * next data would make that permanent.
		 */
		if (h->wrote)
			(void)copyoff_sys_punch_hole(pair->out.fd, (int64_t)dst,
						     (int64_t)(end - dst));
		add_pending(h, dst, end);
		return (int64_t)(end - dst);
	}
	end = copyoff_range_min(end, h->dst_size);
	if (!h->punch)
		return zero_allocated(h, pair, dst, end);
	if (copyoff_sys_punch_hole(pair->out.fd, (int64_t)dst, (int64_t)(end - dst)) < 0)
		return COPYOFF_DECLINE;
	return (int64_t)(end - dst);
}

void copyoff_holes_wrote(struct copyoff_holes *h, uint64_t end)
{
	h->wrote = true;
	if (end > h->dst_size)
		h->dst_size = end;
}

/*
 * Not by ftruncate(2): if another process has made the file longer meanwhile,
 * that would cut off its data.  The byte written here is one of ours; punching
 * frees the block that it took, where the file system can.
 */
int copyoff_holes_settle(struct copyoff_holes *h, const struct copyoff_pair *pair)
{
	static const char zero;
	uint64_t start = h->pending.start > h->dst_size ? h->pending.start : h->dst_size;
	int fd = pair->out.fd;
	ssize_t ret;

	if (pair->out.direct) {
		fd = copyoff_sys_reopen(pair->out.fd, COPYOFF_ACCESS_WRITE);
		if (fd < 0)
			return fd;
	}
	ret = copyoff_sys_pwrite(fd, &zero, 1, (int64_t)(h->pending.end - 1));
	if (ret == 1) {
		(void)copyoff_sys_punch_hole(fd, (int64_t)start, (int64_t)(h->pending.end - start));
		h->dst_size = h->pending.end;
	}
	if (fd != pair->out.fd)
		(void)copyoff_sys_close(fd);
	return ret == 1 ? 0 : ret < 0 ? (int)ret : -EIO;
}
