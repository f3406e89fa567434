/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * coherence.c - see coherence.h
 *
 * posix_fadvise(POSIX_FADV_DONTNEED) leaves pages that are only partly in its
 * range, dirty, locked by a reader or mapped, and does not say so; BLKFLSBUF is
 * no better.  Hence ranges are rounded out, and the result is looked at.  What
 * stays is invalidated, which takes a descriptor with O_DIRECT; and what is
 * there even then is overwritten in place.
 */
#include "internal.h"
#include "sysfs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/*
 * The cache holds folios of many pages, at most as large as a huge page of the
 * processor.  One that reaches over the edge of a range goes only if all of it
 * is dropped.
 */
enum { FOLIO_MOST = 2 << 20 };

enum {
	SECTOR = 512, /* what sysfs counts in */
	DROPS_MOST = 4,
	INVALIDATIONS_MOST = 4,
	REWRITE_PIECE = 256 << 10,
	DIRECT_ALIGN = 4096,
};

/* --- which caches there are ------------------------------------------------- */

static struct copyoff_cache *add_cache(struct copyoff_coherence *c, uint64_t rdev, uint64_t disk)
{
	struct copyoff_cache *cache = &c->caches[c->n++];

	*cache = (struct copyoff_cache){ .rdev = rdev, .disk = disk, .fd = -1 };
	return cache;
}

/* What is known while the partitions of a disk are listed. */
struct listing {
	struct copyoff_coherence *c;
	const struct copyoff_level *level;
	uint64_t size; /* of the first device */
};

/* The device @rdev has [@start, @start + @size) of the disk: bytes of the first device? */
static void add_neighbour(const struct listing *l, uint64_t rdev, uint64_t start, uint64_t size)
{
	uint64_t first = l->level->start + l->level->base; /* on the disk */
	uint64_t from = start > first ? start - first : 0;
	uint64_t to = start + size > first ? start + size - first : 0;
	struct copyoff_cache *cache;

	to = copyoff_range_min(to, l->size);
	if (rdev == l->level->rdev || from >= to || l->c->n == COPYOFF_CACHES)
		return;
	cache = add_cache(l->c, rdev, l->level->disk);
	cache->from = from;
	cache->to = to;
	cache->base = first - start;
}

/* What is in the directory @name of the disk: a partition? */
static int add_partition(void *data, const char *name)
{
	const struct listing *l = data;
	uint64_t rdev, start, size;
	char path[300];

	snprintf(path, sizeof(path), "%.255s/start", name);
	if (copyoff_sysfs_number(l->level->disk, path, &start) < 0)
		return 0;
	snprintf(path, sizeof(path), "%.255s/size", name);
	if (copyoff_sysfs_number(l->level->disk, path, &size) < 0)
		return 0;
	snprintf(path, sizeof(path), "%.255s/dev", name);
	if (copyoff_sysfs_device(l->level->disk, path, &rdev) == 0 && start <= INT64_MAX / SECTOR &&
	    size <= INT64_MAX / SECTOR)
		add_neighbour(l, rdev, start * SECTOR, size * SECTOR);
	return 0;
}

static void add_neighbours(struct copyoff_coherence *c, const struct copyoff_level *level,
			   uint64_t size)
{
	struct listing l = { .c = c, .level = level, .size = size };

	if (level->rdev != level->disk)
		add_neighbour(&l, level->disk, 0, INT64_MAX);
	(void)copyoff_sysfs_list(level->disk, "", add_partition, &l);
}

void copyoff_coherence_find(struct copyoff_coherence *c, const struct copyoff_chain *chain,
			    uint64_t size, bool written)
{
	c->n = 0;
	for (size_t i = 0; i < chain->n; i++) {
		struct copyoff_cache *cache =
			add_cache(c, chain->levels[i].rdev, chain->levels[i].disk);

		cache->beneath = i > 0;
		cache->to = size;
		cache->base = chain->levels[i].base;
	}
	for (size_t i = 0; written && i < chain->n; i++)
		add_neighbours(c, &chain->levels[i], size);
}

int copyoff_coherence_begin(struct copyoff_coherence *c, int fd)
{
	c->caches[0].fd = fd;
	for (size_t i = 1; i < c->n; i++) {
		struct copyoff_cache *cache = &c->caches[i];

		cache->fd = copyoff_sys_open_device(cache->rdev);
		if (cache->fd < 0 && cache->beneath)
			return cache->fd;
	}
	return 0;
}

void copyoff_coherence_end(struct copyoff_coherence *c)
{
	c->caches[0].fd = -1;
	for (size_t i = 1; i < c->n; i++) {
		if (c->caches[i].fd >= 0)
			(void)copyoff_sys_close(c->caches[i].fd); /* nothing is written */
		c->caches[i].fd = -1;
	}
}

/* --- before the copy ---------------------------------------------------------- */

/* The part of [@off, @end) that @cache has, in its own offsets. */
static bool part_of(const struct copyoff_cache *cache, uint64_t off, uint64_t end,
		    struct copyoff_span *part)
{
	if (off < cache->from)
		off = cache->from;
	end = copyoff_range_min(end, cache->to);
	if (cache->fd < 0 || off >= end)
		return false;
	*part = (struct copyoff_span){ cache->base + off, cache->base + end };
	return true;
}

static struct copyoff_span round_out(const struct copyoff_span *part)
{
	uint64_t end = copyoff_range_up(part->end, FOLIO_MOST);

	return (struct copyoff_span){
		copyoff_range_down(part->start, FOLIO_MOST),
		copyoff_range_min(end, INT64_MAX),
	};
}

static int flush(const struct copyoff_cache *cache, const struct copyoff_span *part)
{
	return copyoff_sys_flush_range(cache->fd, (int64_t)part->start,
				       (int64_t)(part->end - part->start));
}

/* From the top down: what one cache writes back may be in the next one. */
int copyoff_coherence_flush_source(const struct copyoff_coherence *c, uint64_t off, uint64_t len)
{
	struct copyoff_span part;
	int ret = 0;

	for (size_t i = 0; i < c->n && ret == 0; i++) {
		if ((i == 0 || c->caches[i].beneath) &&
		    part_of(&c->caches[i], off, off + len, &part))
			ret = flush(&c->caches[i], &part);
	}
	return ret;
}

/*
 * Rounded out, since what is dirty cannot be dropped.  A neighbour's dirty data
 * would be written over the copy some day.  One that reports an error, of any page
 * and of any time since it was told to somebody, has not begun to write these back.
 */
int copyoff_coherence_flush_destination(const struct copyoff_coherence *c, uint64_t off,
					uint64_t len)
{
	for (size_t i = 0; i < c->n; i++) {
		struct copyoff_span part;
		int ret;

		if (!part_of(&c->caches[i], off, off + len, &part))
			continue;
		part = round_out(&part);
		ret = flush(&c->caches[i], &part);
		if (ret < 0)
			return ret;
	}
	return 0;
}

/* --- after the copy ------------------------------------------------------------- */

/*
 * What is clean, and neither locked nor mapped, goes.  True if nothing is left,
 * which only cachestat(2) tells: mincore(2) does not count pages that are being
 * read, with old bytes if the read began before the copy.
 */
static bool drop_unused(const struct copyoff_cache *cache, const struct copyoff_span *part)
{
	struct copyoff_span wide = round_out(part);
	int64_t left = 1;

	for (int i = 0; i < DROPS_MOST && left > 0; i++) {
		(void)copyoff_sys_drop_cache(cache->fd, (int64_t)wide.start,
					     (int64_t)(wide.end - wide.start));
		left = copyoff_sys_cachestat(cache->fd, (int64_t)part->start,
					     (int64_t)(part->end - part->start));
	}
	return left == 0;
}

/* Pages of the range in the cache; -errno if the kernel does not tell. */
static int64_t cached_pages(int fd, const struct copyoff_span *part)
{
	const int64_t off = (int64_t)part->start, len = (int64_t)(part->end - part->start);
	int64_t ret = copyoff_sys_cachestat(fd, off, len);

	return ret >= 0 ? ret : copyoff_sys_mincore(fd, off, len);
}

/*
 * @fd is open for writing with O_DIRECT.  True if nothing old is left: what was
 * being read when this began was waited for, and what is read later is new.  So it
 * does not matter that mincore(2) does not count all.  False also if others read
 * new bytes all the time.
 */
static bool invalidate(int fd, const struct copyoff_span *part)
{
	struct copyoff_span wide = round_out(part);

	for (int i = 0; fd >= 0 && i < INVALIDATIONS_MOST; i++) {
		if (copyoff_sys_invalidate_range(fd, (int64_t)wide.start,
						 (int64_t)(wide.end - wide.start)) < 0)
			return false;
		if (cached_pages(fd, part) == 0)
			return true;
	}
	return false;
}

static void close_if_open(int fd)
{
	if (fd >= 0)
		(void)copyoff_sys_close(fd); /* what was written is in the cache */
}

/* Of a device beneath the first. */
static bool drop_beneath(const struct copyoff_cache *cache, const struct copyoff_span *part)
{
	bool gone = drop_unused(cache, part);
	int direct;

	if (gone)
		return true;
	direct = copyoff_sys_reopen(cache->fd, COPYOFF_ACCESS_DIRECT);
	gone = invalidate(direct, part);
	close_if_open(direct);
	return gone;
}

/* For overwriting the cache of the first device. */
struct rewriter {
	int cached; /* writes to the cache */
	int direct; /* invalidates it; < 0: none */
	struct copyoff_origin from;
	char *buf;
};

/* As pread(2). */
static ssize_t read_origin(const struct rewriter *w, uint64_t off, size_t len)
{
	if (!w->from.zeroes)
		return copyoff_sys_pread(w->from.fd, w->buf, len, (int64_t)off);
	memset(w->buf, 0, len);
	return (ssize_t)len;
}

/* [@off, @off + @len), which is at @src of the origin, as a whole. */
static int rewrite_part(const struct rewriter *w, uint64_t src, uint64_t off, uint64_t len)
{
	uint64_t start = copyoff_range_down(src, DIRECT_ALIGN);
	uint64_t want = copyoff_range_up(src + len, DIRECT_ALIGN) - start;
	ssize_t ret;

	/* It is shorter at the end of the source only. */
	ret = read_origin(w, start, (size_t)want);
	if (ret < 0)
		return (int)ret;
	if ((uint64_t)ret < src - start + len || (uint64_t)ret > want)
		return -EIO;
	for (uint64_t done = 0; done < len; done += (uint64_t)ret) {
		ret = copyoff_sys_pwrite(w->cached, w->buf + (src - start) + done,
					 (size_t)(len - done), (int64_t)(off + done));
		if (ret <= 0 || (uint64_t)ret > len - done)
			return ret < 0 ? (int)ret : -EIO;
	}
	return 0;
}

/* At most REWRITE_PIECE bytes, from as many ranges as it takes. */
static int rewrite_piece(const struct rewriter *w, uint64_t off, uint64_t len)
{
	int ret = 0;

	for (size_t i = 0; i < w->from.n && ret == 0; i++) {
		const struct copyoff_range *r = &w->from.ranges[i];
		uint64_t start = off > (uint64_t)r->dst ? off : (uint64_t)r->dst;
		uint64_t end = copyoff_range_min(off + len, (uint64_t)r->dst + r->len);

		if (start < end)
			ret = rewrite_part(
				w, (uint64_t)r->src + w->from.shift + start - (uint64_t)r->dst,
				start, end - start);
	}
	return ret;
}

/* What is still cached of [@off, @end). */
static int rewrite_cached(const struct rewriter *w, uint64_t off, uint64_t end)
{
	int ret = 0;

	while (off < end && ret == 0) {
		uint64_t next = copyoff_range_down(off, REWRITE_PIECE) + REWRITE_PIECE;
		struct copyoff_span piece = { off, copyoff_range_min(next, end) };

		if (!invalidate(w->direct, &piece))
			ret = rewrite_piece(w, off, piece.end - off);
		off = piece.end;
	}
	return ret;
}

/*
 * A page with bytes beside the range cannot be dropped for good: one who writes
 * there dirties it again, with old bytes of ours, and these may have been
 * written over the copy by now, also by the attempt to drop them.  So what is
 * written is read from the source, not from the device.
 */
static int rewrite_edges(const struct rewriter *w, uint64_t off, uint64_t end, uint64_t page)
{
	uint64_t head = copyoff_range_min(copyoff_range_up(off, page), end);
	uint64_t tail = copyoff_range_down(end, page);
	int ret = 0;

	if (head > off)
		ret = rewrite_piece(w, off, head - off);
	if (ret == 0 && tail >= head && tail < end)
		ret = rewrite_piece(w, tail, end - tail);
	return ret;
}

/* With the descriptors open. */
static int rewrite(struct rewriter *w, const struct copyoff_span *part, uint64_t page, bool all)
{
	int ret = 0;

	w->buf = copyoff_sys_alloc(REWRITE_PIECE + 2 * DIRECT_ALIGN, DIRECT_ALIGN);
	if (!w->buf)
		return -ENOMEM;
	if (all)
		ret = rewrite_cached(w, part->start, part->end);
	if (ret == 0)
		ret = rewrite_edges(w, part->start, part->end, page);
	copyoff_sys_free(w->buf);
	return ret;
}

/* Of the first device. */
static int drop_first(const struct copyoff_cache *cache, const struct copyoff_span *part,
		      bool is_direct, const struct copyoff_origin *from)
{
	const uint64_t page = copyoff_sys_page_size();
	const bool whole = part->start % page == 0 && part->end % page == 0;
	struct rewriter w = { .cached = -1, .direct = -1, .from = *from };
	bool gone = drop_unused(cache, part);
	int again = -1, ret = 0;

	if (!gone) {
		if (!is_direct)
			again = copyoff_sys_reopen(cache->fd, COPYOFF_ACCESS_DIRECT);
		w.direct = is_direct ? cache->fd : again;
		gone = invalidate(w.direct, part);
	}
	if (!gone || !whole) {
		w.cached =
			is_direct ? copyoff_sys_reopen(cache->fd, COPYOFF_ACCESS_WRITE) : cache->fd;
		ret = w.cached < 0 ? w.cached : rewrite(&w, part, page, !gone);
		if (is_direct)
			close_if_open(w.cached);
	}
	close_if_open(again);
	return ret;
}

int copyoff_coherence_drop(const struct copyoff_coherence *c, uint64_t off, uint64_t len,
			   bool direct, const struct copyoff_origin *from)
{
	struct copyoff_span part;

	/* From the bottom up: what is read again further up comes from there. */
	for (size_t i = c->n; i-- > 1;) {
		/* Reading without a cache above it would still use this one. */
		if (c->caches[i].beneath && part_of(&c->caches[i], off, off + len, &part) &&
		    !drop_beneath(&c->caches[i], &part))
			return -EBUSY;
	}
	for (size_t i = 1; i < c->n; i++) {
		if (!c->caches[i].beneath && part_of(&c->caches[i], off, off + len, &part))
			(void)drop_unused(&c->caches[i], &part); /* as far as it goes */
	}
	return part_of(&c->caches[0], off, off + len, &part)
		       ? drop_first(&c->caches[0], &part, direct, from)
		       : 0;
}
