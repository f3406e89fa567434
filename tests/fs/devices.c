/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * devices.c - a random run over block devices, in the manner of fsx
 *
 * Each medium is a file, or a disk, with a model of all its bytes in memory.  Views
 * are windows of it: a loop device, a partition of that, or the file itself; a disk,
 * and its partitions.  Views
 * of one medium have caches of their own, which Linux does not keep coherent.
 * So one of them is active: plain reads and writes go there, and before another
 * one is used, everything is written back and dropped.  What the library
 * promises beyond that is tried: a copy may go to a view that is not active,
 * and then all views show it.
 *
 * COPYOFF_TEST_OPS: number of operations; COPYOFF_TEST_SEED: to repeat a run;
 * COPYOFF_TEST_BACKENDS: the only ones in contexts, as copyoff_opts has them.
 */
#define _GNU_SOURCE /* O_DIRECT, sync_file_range() */
#include <copyoff.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	MOST_VIEWS = 8,
	MOST_RANGES = 8,
	LENGTH_MOST = 4 << 20,
	HOT = 1 << 20, /* half of all offsets are below, so that things meet */
	AROUND = 64 << 10, /* compared on both sides of what was touched */
	BUFFER = LENGTH_MOST + 2 * AROUND + 8192,
	FILE_ALIGN = 4096,
	CHECK_EVERY = 1000,
	LOG_LINES = 40,
	OPS_DEFAULT = 20000,
};

struct view;

struct medium {
	const char *path;
	bool is_disk;
	int fd; /* of a disk, with O_DIRECT */
	uint64_t size;
	uint64_t align; /* of reads from fd */
	unsigned char *model;
	struct view *active; /* the only one that may be dirty */
};

struct view {
	char name;
	bool is_device;
	bool is_backing; /* a file with a loop device on it */
	struct medium *medium;
	uint64_t base; /* on the medium */
	uint64_t size;
	uint64_t align; /* of direct access */
	int cached; /* descriptors */
	int direct;
	unsigned char *map; /* NULL: not mapped */
};

static struct medium media[MOST_VIEWS];
static size_t n_media;
static struct view views[MOST_VIEWS];
static size_t n_views;
static copyoff_ctx *ctx;
static uint64_t beneath_bytes; /* of contexts that are gone */
static uint64_t n_ops; /* to do */
static uint64_t n_short; /* copies that ended early */
static uint64_t random_state;
static bool stacked; /* a device lies on another one: COPYOFF_TEST_STACKED */
static bool keeps_discarded; /* a device may */
static const char *only_backends; /* in contexts; NULL: any */
static unsigned char *buffer; /* aligned for direct access */

/* The ioctl() of musl takes an int, which these requests do not fit. */
static int control(int fd, unsigned long request, void *arg)
{
	return (int)syscall(SYS_ioctl, fd, request, arg);
}

static struct {
	char lines[LOG_LINES][200];
	unsigned long n;
} history;

/* --- messages ------------------------------------------------------------------ */

static void note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void fail(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

static void note(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(history.lines[history.n % LOG_LINES], sizeof(history.lines[0]), fmt, ap);
	va_end(ap);
	history.n++;
}

static void fail(const char *fmt, ...)
{
	unsigned long first = history.n > LOG_LINES ? history.n - LOG_LINES : 0;
	va_list ap;

	printf("The last operations:\n");
	for (unsigned long i = first; i < history.n; i++)
		printf("%6lu: %s\n", i, history.lines[i % LOG_LINES]);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	exit(EXIT_FAILURE);
}

static void must(bool ok, const char *what, const struct view *v)
{
	if (!ok)
		fail("%s on %c: %s", what, v->name, strerror(errno));
}

/* --- chance -------------------------------------------------------------------- */

static uint64_t next_random(void)
{
	uint64_t x = random_state += 0x9e3779b97f4a7c15u;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

static uint64_t below(uint64_t n)
{
	return next_random() % n;
}

static struct view *any_view(void)
{
	return &views[below(n_views)];
}

/* Of the views that data is written to otherwise than by copies. */
static struct view *any_device(void)
{
	struct view *v = any_view();

	while (!v->is_device)
		v = any_view();
	return v;
}

static uint64_t any_unit(void)
{
	static const uint64_t units[] = { 1, 1, 512, 4096, 4096, 65536 };

	return units[below(sizeof(units) / sizeof(units[0]))];
}

/* Most are small; some end where the view ends. */
static uint64_t any_offset(const struct view *v)
{
	uint64_t most = below(2) ? HOT : v->size;

	if (below(16) == 0)
		return v->size - below(20000);
	return below(most < v->size ? most : v->size) / any_unit() * any_unit() % v->size;
}

static uint64_t any_length(void)
{
	static const uint64_t most[] = { 100,   5000,  5000,   40000,  40000,
					 40000, 40000, 300000, 300000, LENGTH_MOST };
	uint64_t unit = any_unit();

	return (1 + below(most[below(sizeof(most) / sizeof(most[0]))])) / unit * unit;
}

/* --- media and views ------------------------------------------------------------- */

static unsigned char *model_of(const struct view *v, uint64_t off)
{
	return v->medium->model + v->base + off;
}

static void map(struct view *v)
{
	if (v->map)
		return;
	v->map = mmap(NULL, (size_t)v->size, PROT_READ | PROT_WRITE, MAP_SHARED, v->cached, 0);
	must(v->map != MAP_FAILED, "mmap", v);
}

static void unmap(struct view *v)
{
	if (v->map)
		munmap(v->map, (size_t)v->size);
	v->map = NULL;
}

/* Of the range; a stack of devices has to be flushed as a whole. */
static void write_back(const struct view *v, uint64_t off, uint64_t len)
{
	const unsigned all =
		SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;

	if (stacked)
		must(fdatasync(v->cached) == 0, "fdatasync", v);
	else
		must(sync_file_range(v->cached, (off_t)off, (off_t)len, all) == 0,
		     "sync_file_range", v);
}

static void write_back_all(const struct medium *m)
{
	for (size_t i = 0; i < n_views; i++) {
		if (views[i].medium == m && views[i].is_device)
			write_back(&views[i], 0, views[i].size);
	}
}

/*
 * POSIX_FADV_DONTNEED leaves pages that are being read, and they come with what
 * was there before.  A direct write that fails for its buffer drops them, too.
 */
static void drop(const struct view *v)
{
	void *nothing = mmap(NULL, (size_t)v->size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(nothing != MAP_FAILED, "mmap", v);
	must(pwrite(v->direct, nothing, (size_t)v->size, 0) < 0 && errno == EFAULT, "drop", v);
	munmap(nothing, (size_t)v->size);
}

/* Write back and drop all that is cached of the medium above the file. */
static void settle(struct medium *m)
{
	write_back_all(m);
	for (size_t i = 0; i < n_views; i++) {
		struct view *v = &views[i];

		if (v->medium != m)
			continue;
		unmap(v);
		if (v->is_device)
			drop(v);
	}
}

static void use(struct view *v)
{
	if (v->medium->active == v)
		return;
	settle(v->medium);
	v->medium->active = v;
}

/* --- comparisons ------------------------------------------------------------------ */

static void read_at(int fd, unsigned char *buf, uint64_t off, uint64_t len, const struct view *v)
{
	for (uint64_t done = 0; done < len;) {
		ssize_t ret = pread(fd, buf + done, (size_t)(len - done), (off_t)(off + done));

		if (ret <= 0)
			fail("reading %c at %llu: %s", v->name, (unsigned long long)(off + done),
			     ret < 0 ? strerror(errno) : "the end");
		done += (uint64_t)ret;
	}
}

/* At most LENGTH_MOST bytes at @off of the medium itself; the result is in the buffer. */
static const unsigned char *read_medium(const struct medium *m, uint64_t off, uint64_t len,
					const struct view *v)
{
	uint64_t start = off / m->align * m->align;
	uint64_t end = (off + len + m->align - 1) / m->align * m->align;

	read_at(m->fd, buffer, start, end - start, v);
	return buffer + (off - start);
}

static void compare(const struct view *v, const unsigned char *got, uint64_t off, uint64_t len,
		    const char *by, const char *what)
{
	const unsigned char *want = model_of(v, off);
	uint64_t i = 0, bad = 0;

	if (memcmp(got, want, (size_t)len) == 0)
		return;
	while (got[i] == want[i])
		i++;
	for (uint64_t j = i; j < len; j++)
		bad += got[j] != want[j];
	fail("%s: %c by %s differs in %llu bytes of %llu from %llu, the first at %llu: 0x%02x, "
	     "must be 0x%02x",
	     what, v->name, by, (unsigned long long)bad, (unsigned long long)len,
	     (unsigned long long)off, (unsigned long long)(off + i), got[i], want[i]);
}

static void check_cached(struct view *v, uint64_t off, uint64_t len, const char *what)
{
	if (v->map && below(4) == 0) {
		compare(v, v->map + off, off, len, "its mapping", what);
		return;
	}
	read_at(v->cached, buffer, off, len, v);
	compare(v, buffer, off, len, "the page cache", what);
}

static void check_direct(const struct view *v, uint64_t off, uint64_t len, const char *what)
{
	uint64_t start = off / v->align * v->align;
	uint64_t end = (off + len + v->align - 1) / v->align * v->align;

	if (end > v->size)
		end = v->size;
	read_at(v->direct, buffer, start, end - start, v);
	compare(v, buffer + (off - start), off, len, "O_DIRECT", what);
}

/* What the medium has, once the active view has been written back. */
static void check_backing(const struct view *v, uint64_t off, uint64_t len, const char *what)
{
	write_back(v, off, len);
	compare(v, read_medium(v->medium, v->base + off, len, v), off, len, "the medium", what);
}

typedef void check_fn(struct view *v, uint64_t off, uint64_t len);

static void in_pieces(struct view *v, uint64_t off, uint64_t end, check_fn *check)
{
	while (off < end) {
		uint64_t len = end - off < LENGTH_MOST ? end - off : LENGTH_MOST;

		check(v, off, len);
		off += len;
	}
}

static void check_three_ways(struct view *v, uint64_t off, uint64_t len)
{
	check_cached(v, off, len, "around the copy");
	if (below(4))
		check_direct(v, off, len, "around the copy");
	if (below(4))
		check_backing(v, off, len, "around the copy");
}

/* With what is around it. */
static void check_around(struct view *v, uint64_t off, uint64_t len)
{
	uint64_t start = off > AROUND ? off - AROUND : 0;
	uint64_t end = v->size - off > len + AROUND ? off + len + AROUND : v->size;

	in_pieces(v, start, end, check_three_ways);
}

static void check_copied(struct view *v, uint64_t off, uint64_t len)
{
	check_cached(v, off, len, "what was copied");
	if (below(2))
		check_direct(v, off, len, "what was copied");
}

static void touch(struct view *v, uint64_t off, uint64_t len)
{
	read_at(v->cached, buffer, off, len, v);
}

/* For every view of the medium that has some of it. */
static void for_all_views(const struct view *v, uint64_t off, uint64_t len, check_fn *check)
{
	uint64_t start = v->base + off, end = start + len;

	for (size_t i = 0; i < n_views && len > 0; i++) {
		struct view *w = &views[i];
		uint64_t from = start > w->base ? start : w->base;
		uint64_t to = end < w->base + w->size ? end : w->base + w->size;

		if (w->medium == v->medium && from < to)
			in_pieces(w, from - w->base, to - w->base, check);
	}
}

static void check_everywhere(const struct view *v, uint64_t off, uint64_t len)
{
	for_all_views(v, off, len, check_copied);
}

/* Let all have cached what is going to be changed. */
static void touch_everywhere(const struct view *v, uint64_t off, uint64_t len)
{
	for_all_views(v, off, len, touch);
}

static void check_whole_cached(struct view *v, uint64_t off, uint64_t len)
{
	check_cached(v, off, len, "everything");
}

static void check_whole_direct(struct view *v, uint64_t off, uint64_t len)
{
	check_direct(v, off, len, "everything");
}

/* All of it, also what is before and behind the device. */
static void check_medium(const struct medium *m)
{
	struct view whole = { .name = m->active->name, .medium = (struct medium *)m };

	for (uint64_t off = 0; off < m->size; off += LENGTH_MOST) {
		uint64_t len = m->size - off < LENGTH_MOST ? m->size - off : LENGTH_MOST;

		compare(&whole, read_medium(m, off, len, &whole), off, len, "all of the medium",
			"everything");
	}
}

static void check_all(void)
{
	for (size_t i = 0; i < n_media; i++) {
		in_pieces(media[i].active, 0, media[i].active->size, check_whole_cached);
		write_back_all(&media[i]);
		in_pieces(media[i].active, 0, media[i].active->size, check_whole_direct);
		check_medium(&media[i]);
	}
}

/* --- what changes a device, but copies ----------------------------------------------- */

/* New bytes for the model; they are where they are to be written from. */
static unsigned char *new_bytes(const struct view *v, uint64_t off, uint64_t len)
{
	unsigned char *p = model_of(v, off);
	uint64_t word = next_random();

	for (uint64_t i = 0; i < len; i++) {
		p[i] = (unsigned char)(word >> (i % 8 * 8));
		if (i % 8 == 7)
			word = word * 0x9e3779b97f4a7c15u + i;
	}
	return p;
}

static uint64_t clip(const struct view *v, uint64_t off, uint64_t len)
{
	return len < v->size - off ? len : v->size - off;
}

static void write_all(int fd, const unsigned char *p, uint64_t off, uint64_t len,
		      const struct view *v)
{
	for (uint64_t done = 0; done < len;) {
		ssize_t ret = pwrite(fd, p + done, (size_t)(len - done), (off_t)(off + done));

		must(ret > 0, "write", v);
		done += (uint64_t)ret;
	}
}

static void op_write(void)
{
	struct view *v = any_view();
	uint64_t off = any_offset(v), len = clip(v, off, any_length());

	note("write %c %llu, %llu bytes", v->name, (unsigned long long)off,
	     (unsigned long long)len);
	use(v);
	write_all(v->cached, new_bytes(v, off, len), off, len, v);
	if (v->is_backing)
		settle(v->medium);
}

static void op_write_direct(void)
{
	struct view *v = any_device();
	uint64_t off = any_offset(v) / v->align * v->align;
	uint64_t len = clip(v, off, any_length()) / v->align * v->align;

	note("direct write %c %llu, %llu bytes", v->name, (unsigned long long)off,
	     (unsigned long long)len);
	use(v);
	memcpy(buffer, new_bytes(v, off, len), (size_t)len);
	write_all(v->direct, buffer, off, len, v);
}

static void op_write_mapped(void)
{
	struct view *v = any_device();
	uint64_t off = any_offset(v), len = clip(v, off, any_length());

	note("mapped write %c %llu, %llu bytes", v->name, (unsigned long long)off,
	     (unsigned long long)len);
	use(v);
	map(v);
	memcpy(v->map + off, new_bytes(v, off, len), (size_t)len);
}

static void op_read_mapped(void)
{
	struct view *v = any_device();
	uint64_t off = any_offset(v), len = clip(v, off, any_length());

	note("mapped read %c %llu, %llu bytes", v->name, (unsigned long long)off,
	     (unsigned long long)len);
	use(v);
	map(v);
	compare(v, v->map + off, off, len, "its mapping", "mapped read");
}

/* Of a view that is not active, this may be old; it is cached, and that is all. */
static void op_read(void)
{
	struct view *v = any_view();
	uint64_t off = any_offset(v), len = clip(v, off, any_length());

	note("read %c %llu, %llu bytes", v->name, (unsigned long long)off, (unsigned long long)len);
	read_at(v->cached, buffer, off, len, v);
	if (v->medium->active == v)
		compare(v, buffer, off, len, "the page cache", "read");
}

/* A stack of devices may refuse in its middle: some is zero then. */
static void adopt_zeroes(struct view *v, uint64_t off, uint64_t len)
{
	unsigned char *model = model_of(v, off);

	for (uint64_t done = 0; done < len; done += LENGTH_MOST) {
		uint64_t piece = len - done < LENGTH_MOST ? len - done : LENGTH_MOST;

		read_at(v->cached, buffer, off + done, piece, v);
		for (uint64_t i = 0; i < piece; i++) {
			if (!buffer[i])
				model[done + i] = 0;
		}
	}
}

/* The file systems make a hole, or zeroes. */
static void op_zero(unsigned long request, const char *name)
{
	struct view *v = any_device();
	uint64_t off = any_offset(v) / v->align * v->align;
	uint64_t range[2] = { off, clip(v, off, any_length()) / v->align * v->align };

	note("%s %c %llu, %llu bytes", name, v->name, (unsigned long long)off,
	     (unsigned long long)range[1]);
	if (range[1] == 0)
		return;
	use(v);
	if (control(v->cached, request, range) == 0) {
		memset(model_of(v, off), 0, (size_t)range[1]);
		return;
	}
	must(stacked && errno == EOPNOTSUPP, name, v);
	adopt_zeroes(v, off, range[1]);
}

static void op_unmap(void)
{
	struct view *v = any_view();

	note("unmap %c", v->name);
	unmap(v);
}

static void op_sync(void)
{
	struct view *v = any_device();

	note("fdatasync %c", v->name);
	must(fdatasync(v->cached) == 0, "fdatasync", v);
}

/* --- copies ------------------------------------------------------------------------- */

/* In this context, by backends that copy beneath all caches. */
static uint64_t beneath_copied(void)
{
	static const char *const names[] = { "loop", "nvme", "xcopy", "odx" };
	uint64_t bytes = 0;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct copyoff_stats stats = { .size = sizeof(stats) };

		if (copyoff_ctx_stats(ctx, names[i], &stats) == 0)
			bytes += stats.bytes;
	}
	return bytes;
}

static void op_new_context(void)
{
	static const char *const backends[] = { NULL,
						NULL,
						NULL,
						"loop,nvme,xcopy,readwrite",
						"odx,readwrite",
						"^loop,nvme,xcopy,odx" };
	struct copyoff_opts opts = { .size = sizeof(opts) };

	opts.backends = backends[below(sizeof(backends) / sizeof(backends[0]))];
	if (only_backends)
		opts.backends = only_backends;
	opts.chunk = below(2) ? (size_t)(4096 * (1 + below(16))) : 0;
	note("new context, backends %s, chunk %zu", opts.backends ? opts.backends : "all",
	     opts.chunk);
	if (ctx)
		beneath_bytes += beneath_copied();
	copyoff_ctx_free(ctx);
	ctx = copyoff_ctx_new(&opts);
	if (!ctx)
		fail("copyoff_ctx_new: %s", strerror(errno));
}

static unsigned any_flags(void)
{
	static const unsigned flags[] = {
		0,
		0,
		0,
		0,
		0,
		COPYOFF_SPARSE,
		COPYOFF_NO_SHARE,
		COPYOFF_NO_RAW,
		COPYOFF_VERIFY,
		COPYOFF_VERIFY | COPYOFF_SPARSE,
		COPYOFF_SYNC,
		COPYOFF_REQUIRE_SHARE,
		COPYOFF_REQUIRE_OFFLOAD,
	};

	return flags[below(sizeof(flags) / sizeof(flags[0]))];
}

static bool overlap(uint64_t a, uint64_t a_len, uint64_t b, uint64_t b_len)
{
	return a < b + b_len && b < a + a_len;
}

/* Do the destinations meet each other, or a source? */
static bool meet(const struct view *in, const struct view *out, const struct copyoff_range *v,
		 size_t n)
{
	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j < n; j++) {
			uint64_t len_i = clip(in, (uint64_t)v[i].src, v[i].len);
			uint64_t len_j = clip(in, (uint64_t)v[j].src, v[j].len);
			uint64_t dst = out->base + (uint64_t)v[i].dst;

			if (len_i == 0 || len_j == 0)
				continue;
			if (in->medium == out->medium &&
			    overlap(dst, len_i, in->base + (uint64_t)v[j].src, len_j))
				return true;
			if (i != j && overlap(dst, len_i, out->base + (uint64_t)v[j].dst, len_j))
				return true;
		}
	}
	return false;
}

/* What a copy of these ranges has to return. */
static int64_t expected(const struct view *in, const struct view *out,
			const struct copyoff_range *v, size_t n)
{
	uint64_t done = 0;

	if (meet(in, out, v, n))
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		uint64_t len = clip(in, (uint64_t)v[i].src, v[i].len);
		uint64_t room = out->size - (uint64_t)v[i].dst;

		if (len > room)
			return done + room > 0 ? (int64_t)(done + room) : -ENOSPC;
		done += len;
		if (len < v[i].len)
			break;
	}
	return (int64_t)done;
}

static int64_t call(struct view *in, struct view *out, const struct copyoff_range *v, size_t n,
		    bool simple, unsigned flags)
{
	off_t off_in = (off_t)v[0].src, off_out = (off_t)v[0].dst;
	int fd_in = below(3) ? in->cached : in->direct;
	int fd_out = below(3) ? out->cached : out->direct;
	int64_t ret;

	if (n > 1)
		ret = copyoff_ctx_copyv(ctx, fd_in, fd_out, v, n, flags);
	else if (simple)
		ret = copyoff_copy(fd_in, &off_in, fd_out, &off_out, (size_t)v[0].len, flags);
	else
		ret = copyoff_ctx_copy(ctx, fd_in, &off_in, fd_out, &off_out, (size_t)v[0].len,
				       flags);
	return ret < 0 ? -errno : ret;
}

/* The first @len bytes of the concatenation; ranges do not meet. */
static void copy_model(const struct view *in, const struct view *out, const struct copyoff_range *v,
		       size_t n, uint64_t len)
{
	for (size_t i = 0; i < n && len > 0; i++) {
		uint64_t part = v[i].len < len ? v[i].len : len;

		memcpy(model_of(out, (uint64_t)v[i].dst), model_of(in, (uint64_t)v[i].src),
		       (size_t)part);
		len -= part;
	}
}

/* Behind the prefix, what the ranges have now is undefined: take it as it is. */
static void adopt(struct view *out, const struct copyoff_range *v, size_t n, uint64_t prefix)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t skip = prefix < v[i].len ? prefix : v[i].len;
		uint64_t off = (uint64_t)v[i].dst + skip;

		if (off < out->size)
			read_at(out->cached, model_of(out, off), off,
				clip(out, off, v[i].len - skip), out);
		prefix -= skip;
	}
}

/*
 * What ends a copy early, and is no mistake, but rare: the kernel takes the
 * end of an io_uring, which may come after its context is gone, for a signal.
 */
static bool was_interrupted(bool simple)
{
	n_short++;
	if (n_short > 2 + n_ops / 200)
		return false;
	return simple || copyoff_ctx_last(ctx)->error == EINTR;
}

static void check_result(int64_t got, int64_t want, bool simple, unsigned flags)
{
	bool may_refuse = flags & (COPYOFF_REQUIRE_SHARE | COPYOFF_REQUIRE_OFFLOAD);
	bool is_short = got > 0 && got < want;

	if (got == want || (is_short && (may_refuse || was_interrupted(simple))))
		return;
	if (may_refuse && want != -EINVAL && got == -EOPNOTSUPP)
		return;
	fail("the copy returned %lld, and must return %lld (%s)", (long long)got, (long long)want,
	     simple ? "simple" : copyoff_ctx_last(ctx)->message);
}

/*
 * Before a copy to a view that is not active.  Only a copy beneath all caches
 * takes care of what another view has dirty; others are like write(2).
 */
static void prepare_turn(struct view *out, const struct copyoff_range *v, size_t n, unsigned flags)
{
	struct medium *m = out->medium;

	for (size_t i = 0; i < n_views; i++) {
		if (views[i].medium == m)
			unmap(&views[i]);
	}
	if (!(flags & (COPYOFF_REQUIRE_SHARE | COPYOFF_REQUIRE_OFFLOAD)))
		settle(m);
	for (size_t i = 0; i < n; i++)
		touch_everywhere(out, (uint64_t)v[i].dst, clip(out, (uint64_t)v[i].dst, v[i].len));
}

/* Of @got bytes, what is in the range at @i. */
static uint64_t part_of(const struct copyoff_range *v, size_t i, int64_t got)
{
	uint64_t left = got > 0 ? (uint64_t)got : 0;

	for (size_t j = 0; j < i; j++)
		left -= v[j].len < left ? v[j].len : left;
	return v[i].len < left ? v[i].len : left;
}

static void copy(struct view *in, struct view *out, const struct copyoff_range *v, size_t n,
		 bool simple, unsigned flags)
{
	int64_t want = expected(in, out, v, n);
	uint64_t before = beneath_copied();
	bool turns;
	int64_t got;

	use(in);
	/* The library knows of devices on a file, not of the file beneath others. */
	if (out->is_backing)
		settle(out->medium);
	turns = out->medium->active != out;
	if (turns && !out->is_backing)
		prepare_turn(out, v, n, flags);
	got = call(in, out, v, n, simple, flags);
	check_result(got, want, simple && n == 1, flags);
	if (got > 0)
		copy_model(in, out, v, n, (uint64_t)got);
	/* What went through the cache of one device is for that one only. */
	for (size_t i = 0; i < n && got > 0 && beneath_copied() - before == (uint64_t)got; i++)
		check_everywhere(out, (uint64_t)v[i].dst, part_of(v, i, got));
	if (turns || out->is_backing) {
		settle(out->medium);
		out->medium->active = out;
	}
	if (got != want)
		adopt(out, v, n, got > 0 ? (uint64_t)got : 0);
	for (size_t i = 0; i < n; i++)
		check_around(out, (uint64_t)v[i].dst, clip(out, (uint64_t)v[i].dst, v[i].len));
}

/* Half of them can be shared: equal in the files, modulo their blocks. */
static int64_t maybe_congruent(const struct view *in, int64_t src, const struct view *out,
			       int64_t dst)
{
	int64_t shift = ((int64_t)in->base + src - (int64_t)out->base - dst) % 4096;

	if (below(2) || dst + shift < 0 || dst + shift >= (int64_t)out->size)
		return dst;
	return dst + shift;
}

static void op_copy(void)
{
	struct view *in = any_view(), *out = any_view();
	unsigned flags = any_flags();
	bool simple = below(4) == 0;
	struct copyoff_range r = {
		.src = (int64_t)any_offset(in),
		.dst = (int64_t)any_offset(out),
		.len = any_length(),
	};

	r.dst = maybe_congruent(in, r.src, out, r.dst);
	/* Unlike a device, a file would become longer. */
	if (!out->is_device)
		r.len = clip(out, (uint64_t)r.dst, r.len);
	note("%scopy %c %lld -> %c %lld, %llu bytes, flags 0x%x", simple ? "simple " : "", in->name,
	     (long long)r.src, out->name, (long long)r.dst, (unsigned long long)r.len, flags);
	if (r.len > 0)
		copy(in, out, &r, 1, simple, flags);
}

/* Destinations in slots of their own, in any order. */
static void op_copyv(void)
{
	struct view *in = any_view(), *out = any_view();
	struct copyoff_range v[MOST_RANGES];
	size_t n = 2 + (size_t)below(MOST_RANGES - 1);
	uint64_t unit = below(2) ? 4096 : 1;
	uint64_t slot = (1 + below(256 << 10)) / unit * unit + unit;
	uint64_t start = below(out->size - n * slot) / unit * unit;
	size_t first = (size_t)below(n);
	unsigned flags;

	for (size_t i = 0; i < n; i++) {
		uint64_t place = start + (first + i) % n * slot;
		uint64_t len = below(4) ? (1 + below(slot)) / unit * unit : slot;

		v[i].src = (int64_t)(below(in->size - slot) / unit * unit);
		v[i].dst = (int64_t)place;
		v[i].len = len;
	}
	flags = below(4) ? 0 : any_flags();
	note("copyv %c -> %c %llu, %zu ranges in slots of %llu, unit %llu, flags 0x%x", in->name,
	     out->name, (unsigned long long)start, n, (unsigned long long)slot,
	     (unsigned long long)unit, flags);
	copy(in, out, v, n, false, flags);
}

/* --- the run ------------------------------------------------------------------------- */

static void one_operation(void)
{
	switch (below(24)) {
	case 0:
	case 1:
	case 2:
		return op_write();
	case 3:
	case 4:
		return op_write_direct();
	case 5:
	case 6:
		return op_write_mapped();
	case 7:
		return op_read_mapped();
	case 8:
	case 9:
		return op_read();
	case 10:
		return keeps_discarded ? op_zero(BLKZEROOUT, "BLKZEROOUT")
				       : op_zero(BLKDISCARD, "BLKDISCARD");
	case 11:
		return op_zero(BLKZEROOUT, "BLKZEROOUT");
	case 12:
		return op_unmap();
	case 13:
		return below(8) ? op_unmap() : op_sync();
	case 14:
		return op_new_context();
	case 15:
	case 16:
		return op_copyv();
	default:
		return op_copy();
	}
}

static struct medium *find_medium(const char *path)
{
	struct medium *m;
	struct stat st;

	for (size_t i = 0; i < n_media; i++) {
		if (strcmp(media[i].path, path) == 0)
			return &media[i];
	}
	m = &media[n_media++];
	m->path = path;
	if (stat(path, &st) < 0)
		fail("%s: %s", path, strerror(errno));
	m->is_disk = S_ISBLK(st.st_mode);
	m->fd = open(path, O_RDONLY | O_CLOEXEC | (m->is_disk ? O_DIRECT : 0));
	if (m->fd < 0)
		fail("%s: %s", path, strerror(errno));
	m->size = (uint64_t)st.st_size;
	m->align = 1;
	if (m->is_disk && control(m->fd, BLKGETSIZE64, &m->size) < 0)
		fail("%s: %s", path, strerror(errno));
	if (m->is_disk)
		m->align = FILE_ALIGN;
	/* The kernel does not ask a disk for zeroes. */
	keeps_discarded |= m->is_disk;
	m->model = malloc((size_t)m->size);
	if (!m->model)
		fail("no memory");
	return m;
}

/* @word is FILE, or DEVICE:MEDIUM:OFFSET, where the medium is a file or a disk. */
static void add_view(char *word)
{
	struct view *v = &views[n_views];
	char *file = strchr(word, ':');
	char *offset = file ? strchr(file + 1, ':') : NULL;
	int block = FILE_ALIGN;

	if (n_views == MOST_VIEWS || (file && !offset))
		fail("not a view: %s", word);
	v->name = (char)('A' + n_views++);
	v->is_device = file != NULL;
	if (file) {
		*file++ = *offset++ = '\0';
		v->base = strtoull(offset, NULL, 10);
	}
	v->medium = find_medium(file ? file : word);
	v->cached = open(word, O_RDWR | O_CLOEXEC);
	v->direct = open(word, O_RDWR | O_DIRECT | O_CLOEXEC);
	must(v->cached >= 0 && v->direct >= 0, "open", v);
	v->size = v->medium->size;
	if (v->is_device)
		must(control(v->cached, BLKGETSIZE64, &v->size) == 0 &&
			     control(v->cached, BLKSSZGET, &block) == 0,
		     "size", v);
	v->align = (uint64_t)block;
	if (v->base + v->size > v->medium->size)
		fail("%c reaches beyond its file", v->name);
	if (!v->medium->active)
		v->medium->active = v;
	v->is_backing = !v->is_device && v->medium->active != v;
	printf("%c: %s, %llu bytes from %llu of %s, blocks of %d\n", v->name, word,
	       (unsigned long long)v->size, (unsigned long long)v->base, v->medium->path, block);
}

static void read_whole(struct medium *m)
{
	for (uint64_t off = 0; off < m->size; off += LENGTH_MOST) {
		uint64_t len = m->size - off < LENGTH_MOST ? m->size - off : LENGTH_MOST;

		memcpy(m->model + off, read_medium(m, off, len, m->active), (size_t)len);
	}
}

/* What the media have is the beginning. */
static void read_media(void)
{
	for (size_t i = 0; i < n_media; i++) {
		settle(&media[i]);
		read_whole(&media[i]);
	}
}

static uint64_t from_environment(const char *variable, uint64_t otherwise)
{
	const char *value = getenv(variable);

	return value && *value ? strtoull(value, NULL, 0) : otherwise;
}

int main(int argc, char **argv)
{
	uint64_t seed = from_environment("COPYOFF_TEST_SEED", (uint64_t)getpid());

	if (argc < 2) {
		fprintf(stderr, "usage: fs-devices VIEW...\n"
				"a view is FILE, or DEVICE:MEDIUM:OFFSET; the medium is a file, or "
				"a disk\n");
		return 2;
	}
	n_ops = from_environment("COPYOFF_TEST_OPS", OPS_DEFAULT);
	printf("COPYOFF_TEST_SEED=%llu COPYOFF_TEST_OPS=%llu\n", (unsigned long long)seed,
	       (unsigned long long)n_ops);
	random_state = seed;
	only_backends = getenv("COPYOFF_TEST_BACKENDS");
	/* A device that lies on another one may keep what is discarded. */
	keeps_discarded = stacked = getenv("COPYOFF_TEST_STACKED") != NULL;
	if (posix_memalign((void **)&buffer, 4096, BUFFER) != 0)
		fail("no memory");
	for (int i = 1; i < argc; i++)
		add_view(argv[i]);
	fflush(stdout);
	read_media();
	op_new_context();
	for (uint64_t i = 1; i <= n_ops; i++) {
		one_operation();
		if (i % CHECK_EVERY == 0 || i == n_ops)
			check_all();
	}
	beneath_bytes += beneath_copied();
	copyoff_ctx_free(ctx);
	printf("beneath=%llu interrupted=%llu\n", (unsigned long long)beneath_bytes,
	       (unsigned long long)n_short);
	return EXIT_SUCCESS;
}
