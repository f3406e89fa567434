/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * coherence.c - see coherence.h
 *
 * posix_fadvise(POSIX_FADV_DONTNEED) leaves pages that are only partly in its
 * range, dirty, locked by a reader or mapped, and does not say so; BLKFLSBUF is
 * no better.  Hence ranges are rounded out, the result is looked at, and what
 * stays is overwritten in place.
 */
#include "internal.h"
#include "sysfs.h"

#include <errno.h>
#include <stdio.h>

/*
 * The cache holds folios of many pages, at most as large as a huge page of the
 * processor.  One that reaches over the edge of a range goes only if all of it
 * is dropped.
 */
enum { FOLIO_MOST = 2 << 20 };

enum {
	SECTOR = 512, /* what sysfs counts in */
	DROPS_MOST = 64,
	DROPS_IN_VAIN = 8,
	WAITS_MOST = 200,
	PAUSE_NS = 1000 * 1000,
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
			    uint64_t size)
{
	c->n = 0;
	for (size_t i = 0; i < chain->n; i++) {
		struct copyoff_cache *cache =
			add_cache(c, chain->levels[i].rdev, chain->levels[i].disk);

		cache->beneath = i > 0;
		cache->to = size;
		cache->base = chain->levels[i].base;
	}
	for (size_t i = 0; i < chain->n; i++)
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
 * would be written over the copy some day; a failure of that is its own.
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
		if (ret < 0 && (i == 0 || c->caches[i].beneath))
			return ret;
	}
	return 0;
}

/* --- after the copy ------------------------------------------------------------- */

/* Pages of the range in the cache; -errno if the kernel does not tell. */
static int64_t cached_pages(int fd, uint64_t off, uint64_t len)
{
	int64_t ret = copyoff_sys_cachestat(fd, (int64_t)off, (int64_t)len);

	return ret >= 0 ? ret : copyoff_sys_mincore(fd, (int64_t)off, (int64_t)len);
}

static bool has_cachestat(int fd)
{
	return copyoff_sys_cachestat(fd, 0, 1) >= 0;
}

/*
 * mincore(2) does not count pages that are being read.  They may get old bytes
 * only if the read was in flight when the copy was made; so once there was none,
 * and a moment later, since a request is not counted any more shortly before its
 * pages are there, no such page is left.  That is no proof, other than what
 * cachestat(2) says.  False: there are always some, or the kernel does not count.
 */
static bool reads_have_ended(uint64_t rdev, uint64_t disk)
{
	uint64_t counts;

	if (copyoff_sysfs_number(disk, "queue/iostats", &counts) < 0 || !counts)
		return false;
	for (int i = 0; i < WAITS_MOST; i++) {
		char text[64];
		const char *reads = text;

		/* "       0        1": reads and writes */
		if (copyoff_sysfs_text(rdev, "inflight", text, sizeof(text)) < 0)
			return false;
		while (*reads == ' ')
			reads++;
		copyoff_sys_pause(PAUSE_NS);
		if (reads[0] == '0')
			return true;
	}
	return false;
}

/*
 * A page that a reader has locked is free soon, one that is mapped is not: go
 * on as long as it helps.  True if nothing is cached any more.
 */
static bool drop(const struct copyoff_cache *cache, const struct copyoff_span *part)
{
	struct copyoff_span wide = round_out(part);
	int64_t least = INT64_MAX;
	int in_vain = 0;

	if (!has_cachestat(cache->fd) && !reads_have_ended(cache->rdev, cache->disk))
		return false;
	for (int i = 0; i < DROPS_MOST && in_vain < DROPS_IN_VAIN; i++) {
		int64_t left;

		(void)copyoff_sys_drop_cache(cache->fd, (int64_t)wide.start,
					     (int64_t)(wide.end - wide.start));
		left = cached_pages(cache->fd, part->start, part->end - part->start);
		if (left <= 0)
			return left == 0;
		in_vain = left < least ? 0 : in_vain + 1;
		least = left < least ? left : least;
	}
	return false;
}

/* For overwriting the cache of the first device. */
struct rewriter {
	int cached; /* writes to the cache */
	struct copyoff_origin from;
	char *buf;
};

/* [@off, @off + @len), which is at @src of the origin, as a whole. */
static int rewrite_part(const struct rewriter *w, uint64_t src, uint64_t off, uint64_t len)
{
	uint64_t start = copyoff_range_down(src, DIRECT_ALIGN);
	uint64_t want = copyoff_range_up(src + len, DIRECT_ALIGN) - start;
	ssize_t ret;

	/* It is shorter at the end of the source only. */
	ret = copyoff_sys_pread(w->from.fd, w->buf, (size_t)want, (int64_t)start);
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

/* What is cached of [@off, @end), or all of it if the kernel does not tell all. */
static int rewrite_cached(const struct rewriter *w, uint64_t off, uint64_t end)
{
	bool all = !has_cachestat(w->cached);
	int ret = 0;

	while (off < end && ret == 0) {
		uint64_t next = copyoff_range_down(off, REWRITE_PIECE) + REWRITE_PIECE;

		next = copyoff_range_min(next, end);
		if (all || cached_pages(w->cached, off, next - off) != 0)
			ret = rewrite_piece(w, off, next - off);
		off = next;
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

static int rewrite(int fd, bool is_direct, const struct copyoff_origin *from, uint64_t off,
		   uint64_t end, uint64_t page, bool all)
{
	struct rewriter w = { .cached = fd, .from = *from };
	int ret = 0;

	w.buf = copyoff_sys_alloc(REWRITE_PIECE + 2 * DIRECT_ALIGN, DIRECT_ALIGN);
	if (!w.buf)
		return -ENOMEM;
	if (is_direct)
		w.cached = copyoff_sys_reopen(fd, COPYOFF_ACCESS_WRITE);
	if (w.cached < 0)
		ret = w.cached;
	if (ret == 0 && all)
		ret = rewrite_cached(&w, off, end);
	if (ret == 0)
		ret = rewrite_edges(&w, off, end, page);
	if (is_direct && w.cached >= 0)
		(void)copyoff_sys_close(w.cached); /* what was written is in the cache */
	copyoff_sys_free(w.buf);
	return ret;
}

int copyoff_coherence_drop(const struct copyoff_coherence *c, uint64_t off, uint64_t len,
			   bool direct, const struct copyoff_origin *from)
{
	const uint64_t page = copyoff_sys_page_size();
	const struct copyoff_cache *first = &c->caches[0];
	uint64_t end = copyoff_range_min(off + len, first->to);
	struct copyoff_span part;
	bool gone = true;

	/* From the bottom up: what is read again further up comes from there. */
	for (size_t i = c->n; i-- > 1;) {
		/* Reading without a cache above it would still use this one. */
		if (c->caches[i].beneath && part_of(&c->caches[i], off, end, &part) &&
		    !drop(&c->caches[i], &part))
			return -EBUSY;
	}
	for (size_t i = 1; i < c->n; i++) {
		if (!c->caches[i].beneath && part_of(&c->caches[i], off, end, &part))
			(void)drop(&c->caches[i], &part); /* as far as it goes */
	}
	if (part_of(first, off, end, &part))
		gone = drop(first, &part);
	if (off >= end || (gone && off % page == 0 && end % page == 0))
		return 0;
	return rewrite(first->fd, direct, from, off, end, page, !gone);
}
