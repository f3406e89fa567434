/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * coherence.c - is each step of lib/coherence.c needed, and enough?
 *
 *	fs-coherence CASE SOURCE DESTINATION [OTHER]
 *
 * Each case makes a copy between two devices twice: with one step switched off at
 * the seam, which must go wrong, and with all of them, which must not.  They are
 * loop devices, or, with COPYOFF_TEST_BACKEND=nvme, partitions of an NVMe namespace.
 * COPYOFF_TEST_OPS: rounds, in the cases that take many.
 * Exit status 77 with "SKIP: ...: not shown here" if nothing went wrong without
 * the step; where that takes luck, or a kernel with large folios, only a line.
 */
#define _GNU_SOURCE
#include "sys.h"

#include <copyoff.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	KIB = 1 << 10,
	MIB = 1 << 20,
	PAGE = 4096,
	AREA = 8 * MIB, /* what is used of each device */
	FOLIO_ROUNDS = 60,
	ATTEMPTS = 20,
};

static unsigned show_rounds = 4000; /* attempts to see what goes wrong without a step */
static unsigned rounds = 3000; /* in which nothing may go wrong with it */

/* --- the seam, with switches -------------------------------------------------- */

enum proof {
	PROOF,
	NO_PROOF, /* the answer is always that nothing is cached */
	BY_MINCORE, /* as before Linux 6.5 */
	MINCORE_LIES, /* likewise, and it says that nothing is cached */
	NO_ANSWER, /* neither tells */
};

enum invalidation {
	INVALIDATES,
	CANNOT, /* as without a descriptor for it */
	IN_VAIN, /* nothing is done, and no error */
};

static struct {
	dev_t no_flush, no_drop; /* nothing is done for this device */
	bool exact; /* ranges to drop are cut to the one that is copied */
	int64_t off, end; /* which is this */
	enum proof proof;
	enum invalidation invalidation;
	bool no_rewrite;
	void (*before_copy)(void);
	void (*after_copy)(void);
	unsigned copies, mincores, invalidations, rewrites;
} seam;

static dev_t number_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 ? st.st_rdev : 0;
}

#define WRAP(ret, name, ...)                                                                       \
	ret __real_copyoff_sys_##name(__VA_ARGS__);                                                \
	ret __wrap_copyoff_sys_##name(__VA_ARGS__);                                                \
	ret __wrap_copyoff_sys_##name(__VA_ARGS__)

WRAP(int, flush_range, int fd, int64_t off, int64_t len)
{
	if (seam.no_flush && number_of(fd) == seam.no_flush)
		return 0;
	return __real_copyoff_sys_flush_range(fd, off, len);
}

WRAP(int, drop_cache, int fd, int64_t off, int64_t len)
{
	int64_t end = off + len;

	if (seam.no_drop && number_of(fd) == seam.no_drop)
		return 0;
	if (seam.exact) {
		off = off > seam.off ? off : seam.off;
		end = end < seam.end ? end : seam.end;
	}
	return __real_copyoff_sys_drop_cache(fd, off, end - off);
}

WRAP(int64_t, cachestat, int fd, int64_t off, int64_t len)
{
	if (seam.proof == NO_PROOF)
		return 0;
	return seam.proof == PROOF ? __real_copyoff_sys_cachestat(fd, off, len) : -ENOSYS;
}

WRAP(int64_t, mincore, int fd, int64_t off, int64_t len)
{
	seam.mincores++;
	if (seam.proof == MINCORE_LIES)
		return 0;
	return seam.proof == NO_ANSWER ? -ENOMEM : __real_copyoff_sys_mincore(fd, off, len);
}

WRAP(int, invalidate_range, int fd, int64_t off, int64_t len)
{
	seam.invalidations++;
	if (seam.invalidation == INVALIDATES)
		return __real_copyoff_sys_invalidate_range(fd, off, len);
	return seam.invalidation == CANNOT ? -ENOSYS : 0;
}

WRAP(ssize_t, pwrite, int fd, const void *buf, size_t len, int64_t off)
{
	seam.rewrites++;
	return seam.no_rewrite ? (ssize_t)len : __real_copyoff_sys_pwrite(fd, buf, len, off);
}

static void begin_copy(void)
{
	if (seam.before_copy)
		seam.before_copy();
}

static void end_copy(int ret)
{
	seam.copies += ret == 0;
	if (seam.after_copy)
		seam.after_copy();
}

WRAP(int, clone_range, int fd_in, int64_t off_in, int fd_out, int64_t off_out, uint64_t len)
{
	int ret;

	/* Questions of the probe have odd offsets, or none. */
	if (off_out < 0 || off_out % PAGE != 0)
		return __real_copyoff_sys_clone_range(fd_in, off_in, fd_out, off_out, len);
	begin_copy();
	ret = __real_copyoff_sys_clone_range(fd_in, off_in, fd_out, off_out, len);
	end_copy(ret);
	return ret;
}

WRAP(int, nvme_command, int fd, enum copyoff_nvme_queue queue, struct copyoff_nvme_command *command)
{
	int ret;

	if (queue == COPYOFF_NVME_ADMIN)
		return __real_copyoff_sys_nvme_command(fd, queue, command);
	begin_copy();
	ret = __real_copyoff_sys_nvme_command(fd, queue, command);
	end_copy(ret);
	return ret;
}

static void all_steps(void)
{
	memset(&seam, 0, sizeof(seam));
}

/* --- devices and what is on them ------------------------------------------------ */

__attribute__((format(printf, 1, 2), noreturn)) static void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	printf("FAILED: ");
	vprintf(fmt, ap);
	printf("\n");
	exit(1);
}

static void check(bool ok, const char *what)
{
	if (!ok)
		die("%s", what);
}

struct device {
	const char *path;
	int cached;
	int direct;
	dev_t number;
};

static struct device src, dst, other;
static copyoff_ctx *ctx;
static atomic_bool stop; /* threads are to end */

static void open_device(struct device *d, const char *path)
{
	d->path = path;
	d->cached = open(path, O_RDWR | O_CLOEXEC);
	d->direct = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (d->cached < 0 || d->direct < 0)
		die("%s: %s", path, strerror(errno));
	d->number = number_of(d->cached);
}

static char *buffer(void)
{
	void *p = NULL;

	check(posix_memalign(&p, PAGE, AREA) == 0, "no memory");
	return p;
}

/* Each version of a device has other bytes everywhere; @at: their offset in the version. */
static void make(char *buf, uint64_t at, size_t len, unsigned version)
{
	for (size_t i = 0; i < len;) {
		uint64_t word = ((at + i) / 8 + 1) * 0x9e3779b97f4a7c15 + version;

		word *= 0xff51afd7ed558ccd;
		for (bool more = true; more && i < len; i++) {
			buf[i] = (char)(word >> (8 * ((at + i) % 8)));
			more = (at + i) % 8 != 7;
		}
	}
}

static void put(int fd, int64_t off, size_t len, uint64_t at, unsigned version)
{
	char *buf = buffer();

	make(buf, at, len, version);
	if (pwrite(fd, buf, len, off) != (ssize_t)len)
		die("pwrite: %s", strerror(errno));
	free(buf);
}

/* The first byte of [@off, @off + @len) that is not of @version; -1: none. */
static int64_t wrong(int fd, int64_t off, size_t len, uint64_t at, unsigned version)
{
	static char *is, *should;
	int64_t start = off / PAGE * PAGE;
	size_t skip = (size_t)(off - start);
	size_t want = (skip + len + PAGE - 1) / PAGE * PAGE;
	int64_t ret = -1;

	is = is ? is : buffer();
	should = should ? should : buffer();
	if (pread(fd, is, want, start) != (ssize_t)want)
		die("pread: %s", strerror(errno));
	make(should, at, len, version);
	if (memcmp(is + skip, should, len) == 0)
		return -1;
	for (size_t i = 0; i < len && ret < 0; i++) {
		if (is[skip + i] != should[i])
			ret = off + (int64_t)i;
	}
	return ret;
}

static void sync_device(const struct device *d)
{
	check(fsync(d->cached) == 0, "fsync");
}

/* The device has @version, and nothing of it is cached. */
static void reset(const struct device *d, unsigned version)
{
	put(d->cached, 0, AREA, 0, version);
	sync_device(d);
	check(posix_fadvise(d->cached, 0, 0, POSIX_FADV_DONTNEED) == 0, "fadvise");
}

static void load(const struct device *d, int64_t off, size_t len)
{
	char *buf = buffer();

	for (size_t done = 0; done < len; done += 64 * KIB)
		check(pread(d->cached, buf, 64 * KIB, off + (int64_t)done) == 64 * KIB, "pread");
	free(buf);
}

static void copy(int64_t off_in, int64_t off_out, size_t len)
{
	unsigned before = seam.copies;
	size_t left = len;

	while (left > 0) {
		off_t in = off_in + (int64_t)(len - left), out = off_out + (int64_t)(len - left);
		ssize_t ret = copyoff_ctx_copy(ctx, src.cached, &in, dst.cached, &out, left, 0);

		if (ret <= 0)
			die("copy of %zu bytes from %lld to %lld: %s", left, (long long)off_in,
			    (long long)off_out, ret < 0 ? strerror(errno) : "end of the device");
		left -= (size_t)ret;
	}
	check(seam.copies > before, "nothing was copied beneath");
}

/* Without it, all is invalidated. */
static bool has_cachestat(void)
{
	return __real_copyoff_sys_cachestat(dst.cached, 0, PAGE) >= 0;
}

/* What is on the device, and what those see who read with the cache. */
static bool is_right(const struct device *d, int64_t off, size_t len, uint64_t at, unsigned version)
{
	bool seen = wrong(d->cached, off, len, at, version) < 0;

	sync_device(d);
	return seen && wrong(d->direct, off, len, at, version) < 0;
}

static int shown(bool yes, const char *what)
{
	if (yes) {
		printf("shown: %s\n", what);
		return 0;
	}
	printf("SKIP: not shown here: %s\n", what);
	return 77;
}

/* What need not happen each time does not decide the test. */
static void shown_by_chance(bool yes, const char *what)
{
	printf("%s: %s\n", yes ? "shown" : "not shown here", what);
}

/* --- the cases --------------------------------------------------------------------- */

/* Old bytes of the destination are cached. */
static void copy_over_cached(void)
{
	reset(&src, 1);
	reset(&dst, 2);
	load(&dst, 0, AREA);
	copy(MIB, 2 * MIB, MIB);
}

static int test_stale(void)
{
	int ret;

	all_steps();
	seam.no_drop = dst.number;
	seam.proof = NO_PROOF;
	copy_over_cached();
	check(wrong(dst.direct, 2 * MIB, MIB, MIB, 1) < 0, "the copy itself");
	ret = shown(wrong(dst.cached, 2 * MIB, MIB, MIB, 1) >= 0,
		    "what was cached is read if it is not dropped");

	/* The proof alone finds it, and it is invalidated. */
	seam.proof = PROOF;
	copy_over_cached();
	check(seam.invalidations > 0, "what was not dropped was not invalidated either");
	check(seam.rewrites == 0, "what was invalidated was overwritten, too");
	check(is_right(&dst, 2 * MIB, MIB, MIB, 1), "invalidated");

	/* If that does not help, or is not possible, it is written anew. */
	for (int i = CANNOT; i <= IN_VAIN; i++) {
		seam.rewrites = 0;
		seam.invalidation = (enum invalidation)i;
		copy_over_cached();
		check(seam.rewrites > 0, "what was not dropped was not overwritten either");
		check(is_right(&dst, 2 * MIB, MIB, MIB, 1), "overwritten in the cache");
	}

	/* The kernel may have a reason to hold a page, but not each time. */
	for (int i = 0; i == 0 || (has_cachestat() && seam.invalidations > 0); i++) {
		check(i < ATTEMPTS, "clean pages were not dropped but invalidated");
		all_steps();
		copy_over_cached();
	}
	check(is_right(&dst, 2 * MIB, MIB, MIB, 1), "all steps");
	return ret;
}

/* Bytes of the destination wait to be written. */
static void copy_over_dirty(void)
{
	reset(&src, 1);
	reset(&dst, 2);
	put(dst.cached, 2 * MIB, MIB, 0, 3);
	copy(MIB, 2 * MIB, MIB);
}

static int test_lost(void)
{
	int ret;

	all_steps();
	seam.no_flush = dst.number;
	seam.proof = NO_PROOF; /* pages under writeback would be overwritten from the source */
	copy_over_dirty();
	sync_device(&dst);
	ret = shown(wrong(dst.direct, 2 * MIB, MIB, MIB, 1) >= 0,
		    "older dirty bytes are written over the copy if they are not written before");

	all_steps();
	copy_over_dirty();
	check(is_right(&dst, 2 * MIB, MIB, MIB, 1), "all steps");
	return ret;
}

static void copy_dirty(void)
{
	reset(&src, 1);
	reset(&dst, 2);
	put(src.cached, MIB, MIB, 0, 3);
	copy(MIB, 2 * MIB, MIB);
}

static int test_source(void)
{
	int ret;

	all_steps();
	seam.no_flush = src.number;
	copy_dirty();
	ret = shown(!is_right(&dst, 2 * MIB, MIB, 0, 3),
		    "dirty bytes of the source are not copied if they are not written before");

	all_steps();
	copy_dirty();
	check(is_right(&dst, 2 * MIB, MIB, 0, 3), "all steps");
	return ret;
}

/* With large folios, the pages at both ends of the range are in some that go on. */
static bool folio_round(unsigned i)
{
	int64_t off = (int64_t)(1 + i * 37 % 509) * PAGE;
	size_t len = (size_t)(1 + i * 101 % 499) * PAGE;

	check(posix_fadvise(dst.cached, 0, 0, POSIX_FADV_DONTNEED) == 0, "fadvise");
	load(&dst, 0, AREA);
	seam.off = off;
	seam.end = off + (int64_t)len;
	copy(0, off, len);
	return wrong(dst.cached, off, len, 0, 1) < 0;
}

static int test_folio(void)
{
	unsigned n = 0;

	all_steps();
	reset(&src, 1);
	reset(&dst, 2);
	seam.exact = true;
	seam.proof = NO_PROOF;
	/* What is on the device must differ from what is copied. */
	while (n < FOLIO_ROUNDS && folio_round(n)) {
		reset(&dst, 2);
		n++;
	}
	printf("rounds without rounding the range out: %u\n", n < FOLIO_ROUNDS ? n + 1 : n);
	shown_by_chance(n < FOLIO_ROUNDS,
			"folios over the edge of a range stay if it is not rounded out");

	/* The proof finds them. */
	all_steps();
	seam.exact = true;
	for (n = 0; n < FOLIO_ROUNDS / 2; n++) {
		reset(&dst, 2);
		check(folio_round(n), "rounded not out, with proof");
	}
	check(seam.rewrites == 0, "folios were not invalidated but overwritten");

	all_steps();
	for (n = 0; n < FOLIO_ROUNDS; n++) {
		reset(&dst, 2);
		check(folio_round(n), "all steps");
	}
	check(!has_cachestat() || seam.invalidations < FOLIO_ROUNDS,
	      "folios were not dropped but invalidated");
	return 0;
}

/* Somebody has the destination mapped, and has looked at it. */
static bool mapped_is_right(void)
{
	char *should = buffer();
	bool right;
	char *map;

	reset(&src, 1);
	reset(&dst, 2);
	map = mmap(NULL, MIB, PROT_READ, MAP_SHARED, dst.cached, 2 * MIB);
	check(map != MAP_FAILED, "mmap");
	for (size_t i = 0; i < MIB; i += PAGE)
		(void)*(volatile char *)&map[i];
	copy(MIB, 2 * MIB, MIB);
	make(should, MIB, MIB, 1);
	right = memcmp(map, should, MIB) == 0;
	munmap(map, MIB);
	free(should);
	return right && is_right(&dst, 2 * MIB, MIB, MIB, 1);
}

static int test_mapped(void)
{
	int ret;

	all_steps();
	seam.proof = NO_PROOF;
	ret = shown(!mapped_is_right(), "mapped pages stay, and nothing tells if nobody looks");

	all_steps();
	check(mapped_is_right(), "all steps");
	check(seam.invalidations > 0, "mapped pages were not invalidated");
	check(seam.rewrites == 0, "mapped pages were overwritten: they do not share any more");

	seam.invalidation = CANNOT;
	check(mapped_is_right(), "mapped pages that cannot be invalidated");
	check(seam.rewrites > 0, "mapped pages were not overwritten");
	return ret;
}

static int test_no_cachestat(void)
{
	int ret;

	all_steps();
	seam.proof = MINCORE_LIES;
	seam.invalidation = IN_VAIN;
	ret = shown(!mapped_is_right(), "without cachestat, it is mincore that tells");

	all_steps();
	seam.proof = BY_MINCORE;
	check(mapped_is_right(), "mincore, mapped pages");
	check(seam.invalidations > 0 && seam.mincores > 0, "mincore was not asked");
	copy_over_cached();
	check(is_right(&dst, 2 * MIB, MIB, MIB, 1), "mincore, cached pages");
	check(seam.rewrites == 0, "mincore did not tell that all was gone");

	all_steps();
	seam.proof = NO_ANSWER;
	check(mapped_is_right(), "neither cachestat nor mincore, mapped pages");
	check(seam.rewrites > 0, "neither cachestat nor mincore, and nothing was overwritten");
	copy_over_cached();
	check(is_right(&dst, 2 * MIB, MIB, MIB, 1), "neither cachestat nor mincore");

	/* Without that, mincore is no proof, whatever it says. */
	all_steps();
	seam.proof = MINCORE_LIES;
	seam.invalidation = CANNOT;
	check(mapped_is_right(), "mincore without invalidating, mapped pages");
	copy_over_cached();
	check(is_right(&dst, 2 * MIB, MIB, MIB, 1), "mincore without invalidating");
	check(seam.rewrites > 0, "mincore was believed, without invalidating");
	return ret;
}

/* --- invalidating ----------------------------------------------------------------- */

static int64_t cached_of(int fd, int64_t off, int64_t len)
{
	int64_t ret = __real_copyoff_sys_cachestat(fd, off, len);

	return ret >= 0 ? ret : __real_copyoff_sys_mincore(fd, off, len);
}

/* Pages that are clean, dirty and mapped go, and the device has what was written last. */
static void invalidate_all_kinds(int64_t off, int64_t len)
{
	char *map = mmap(NULL, MIB, PROT_READ, MAP_SHARED, dst.cached, 0);

	check(map != MAP_FAILED, "mmap");
	reset(&dst, 2);
	put(dst.cached, MIB, MIB, 0, 3);
	load(&dst, 0, AREA);
	for (size_t i = 0; i < MIB; i += PAGE)
		(void)*(volatile char *)&map[i];
	check(cached_of(dst.cached, off, len) > 0, "nothing is cached");
	check(__real_copyoff_sys_invalidate_range(dst.direct, off, len) == 0, "invalidate");
	check(cached_of(dst.cached, off, len) == 0, "pages stayed");
	munmap(map, MIB);
	check(wrong(dst.direct, 0, MIB, 0, 2) < 0, "bytes changed");
	check(off + len <= MIB || wrong(dst.direct, MIB, PAGE, 0, 3) < 0, "dirty bytes are lost");
	sync_device(&dst);
	check(wrong(dst.direct, MIB, MIB, 0, 3) < 0, "dirty bytes changed");
	check(wrong(dst.direct, 2 * MIB, AREA - 2 * MIB, 2 * MIB, 2) < 0, "bytes changed");
}

static void *write_mapped_all_the_time(void *data)
{
	volatile unsigned *map = data;

	for (unsigned i = 1; !atomic_load(&stop); i++) {
		for (size_t k = 0; k < MIB / sizeof(*map); k += PAGE / sizeof(*map))
			map[k] = i;
	}
	return NULL;
}

/* Pages that are dirty again and again cannot be dropped, and lose nothing. */
static void invalidate_written(void)
{
	static unsigned on_device[MIB / sizeof(unsigned)] __attribute__((aligned(PAGE)));
	unsigned *map = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_SHARED, dst.cached, 0);
	pthread_t writer;

	check(map != MAP_FAILED, "mmap");
	reset(&dst, 2);
	atomic_store(&stop, false);
	check(pthread_create(&writer, NULL, write_mapped_all_the_time, map) == 0, "thread");
	for (unsigned n = 0; n < rounds; n++)
		check(__real_copyoff_sys_invalidate_range(dst.direct, 0, MIB) == 0, "invalidate");
	atomic_store(&stop, true);
	pthread_join(writer, NULL);
	sync_device(&dst);
	check(pread(dst.direct, on_device, MIB, 0) == MIB, "pread");
	check(memcmp(map, on_device, MIB) == 0, "what was written to a mapping is lost");
	munmap(map, MIB);
	check(wrong(dst.direct, MIB, AREA - MIB, MIB, 2) < 0, "bytes behind changed");
}

/* Of any length that the device has, and no byte of it is written. */
static int test_invalidate(void)
{
	int64_t size = lseek(dst.cached, 0, SEEK_END);
	int64_t lens[] = { PAGE,
			   64 * KIB,
			   MIB,
			   AREA,
			   64 * MIB,
			   64 * MIB + PAGE,
			   (3ll << 30) + PAGE,
			   size,
			   (size + PAGE - 1) / PAGE * PAGE };
	char *zero = calloc(1, PAGE), *last = buffer();

	check(zero != NULL, "no memory");
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		if (lens[i] >= size + PAGE)
			continue;
		invalidate_all_kinds(0, lens[i]);
		for (int64_t at = 64 * MIB; at <= size - PAGE; at += 64 * MIB) {
			check(pread(dst.direct, last, PAGE, at) == PAGE, "pread");
			check(memcmp(last, zero, PAGE) == 0, "written to behind");
		}
	}
	invalidate_all_kinds(MIB + PAGE, MIB);
	invalidate_written();
	check(__real_copyoff_sys_invalidate_range(dst.direct, (size + PAGE) / PAGE * PAGE, PAGE) ==
		      -ENOSPC,
	      "beyond the end");
	free(zero);
	free(last);
	return 0;
}

/* --- readers -------------------------------------------------------------------- */

enum { READERS = 2, READ_LEN = 512 * KIB };

static void *read_all_the_time(void *data)
{
	char *buf = buffer();

	(void)data;
	for (unsigned i = 0; !atomic_load(&stop); i++) {
		size_t len = i % 3 ? READ_LEN : 64 * KIB;
		int64_t off = i % 3 ? 0 : (int64_t)(i % 8) * 64 * KIB;

		/* What is read while the copy is made is what may stay. */
		if (posix_fadvise(dst.cached, MIB + off, (off_t)len, POSIX_FADV_DONTNEED) != 0 ||
		    pread(dst.cached, buf, len, MIB + off) < 0)
			break;
	}
	free(buf);
	return NULL;
}

/* Rounds until somebody reads old bytes after the copy, and for good. */
static unsigned rounds_until_stale(unsigned most)
{
	pthread_t readers[READERS];
	unsigned n;

	reset(&src, 1);
	reset(&dst, 2);
	atomic_store(&stop, false);
	for (int i = 0; i < READERS; i++)
		check(pthread_create(&readers[i], NULL, read_all_the_time, NULL) == 0, "thread");
	for (n = 0; n < most; n++) {
		int64_t from = (int64_t)(n % 8) * READ_LEN;

		copy(from, MIB, READ_LEN);
		if (wrong(dst.cached, MIB, READ_LEN, (uint64_t)from, 1) >= 0)
			break;
	}
	atomic_store(&stop, true);
	for (int i = 0; i < READERS; i++)
		pthread_join(readers[i], NULL);
	return n;
}

static int readers(enum proof without, enum proof with, const char *what)
{
	unsigned n;

	all_steps();
	seam.proof = without;
	seam.invalidation = IN_VAIN;
	n = rounds_until_stale(show_rounds);
	printf("rounds without proof: %u\n", n < show_rounds ? n + 1 : n);
	shown_by_chance(n < show_rounds, what);

	all_steps();
	seam.proof = with;
	n = rounds_until_stale(rounds);
	printf("rounds with it: %u, invalidations: %u, pieces overwritten: %u\n", n,
	       seam.invalidations, seam.rewrites);
	if (n < rounds)
		die("stale after copy %u", n + 1);
	return 0;
}

static int test_readers(void)
{
	return readers(NO_PROOF, PROOF, "readers keep old pages if nobody looks");
}

static int test_readers_mincore(void)
{
	return readers(MINCORE_LIES, BY_MINCORE, "readers keep old pages if mincore lies");
}

/* --- other devices with the same bytes ----------------------------------------------- */

/* The destination is a partition from 1 MiB, and the other one its disk, or vice versa. */
static int64_t in_other(int64_t off, bool dst_is_disk)
{
	return dst_is_disk ? off - MIB : off + MIB;
}

static int neighbour(bool dst_is_disk)
{
	const int64_t there = in_other(2 * MIB, dst_is_disk);
	int ret, ret2;

	all_steps();
	seam.no_drop = other.number;
	reset(&src, 1);
	reset(&dst, 2);
	load(&other, 0, AREA);
	copy(MIB, 2 * MIB, MIB);
	ret = shown(wrong(other.cached, there, MIB, MIB, 1) >= 0,
		    "the neighbour's cache stays if it is not dropped");

	all_steps();
	reset(&dst, 2);
	check(posix_fadvise(other.cached, 0, 0, POSIX_FADV_DONTNEED) == 0, "fadvise");
	load(&other, 0, AREA);
	copy(MIB, 2 * MIB, MIB);
	check(wrong(other.cached, there, MIB, MIB, 1) < 0, "all steps, neighbour");
	check(is_right(&dst, 2 * MIB, MIB, MIB, 1), "all steps");

	all_steps();
	seam.no_flush = other.number;
	reset(&dst, 2);
	put(other.cached, there, MIB, 0, 3);
	copy(MIB, 2 * MIB, MIB);
	sync_device(&other);
	ret2 = shown(!is_right(&dst, 2 * MIB, MIB, MIB, 1),
		     "the neighbour's dirty bytes are written over the copy");

	all_steps();
	reset(&dst, 2);
	put(other.cached, there, MIB, 0, 3);
	copy(MIB, 2 * MIB, MIB);
	sync_device(&other);
	check(is_right(&dst, 2 * MIB, MIB, MIB, 1), "all steps, dirty neighbour");
	return ret ? ret : ret2;
}

static int test_partition(void)
{
	return neighbour(false);
}

static int test_disk(void)
{
	return neighbour(true);
}

/* The destination is a loop device on the other one. */
static int test_stacked(void)
{
	int ret, ret2;

	all_steps();
	seam.no_flush = other.number;
	seam.proof = NO_PROOF;
	reset(&src, 1);
	reset(&dst, 2);
	put(other.cached, 2 * MIB, MIB, 0, 3);
	copy(MIB, 2 * MIB, MIB);
	sync_device(&other);
	ret = shown(!is_right(&dst, 2 * MIB, MIB, MIB, 1),
		    "what is dirty in the cache beneath is written over the copy");

	all_steps();
	seam.no_drop = other.number;
	seam.proof = NO_PROOF;
	reset(&dst, 2);
	load(&other, 0, AREA);
	copy(MIB, 2 * MIB, MIB);
	ret2 = shown(wrong(dst.cached, 2 * MIB, MIB, MIB, 1) >= 0,
		     "what was cached beneath is read if it is not dropped");

	all_steps();
	reset(&dst, 2);
	put(other.cached, 2 * MIB, MIB, 0, 3);
	copy(MIB, 2 * MIB, MIB);
	sync_device(&other);
	check(is_right(&dst, 2 * MIB, MIB, MIB, 1), "all steps, dirty beneath");
	check(is_right(&other, 2 * MIB, MIB, MIB, 1), "all steps, dirty beneath, read there");

	reset(&dst, 2);
	load(&other, 0, AREA);
	copy(MIB, 2 * MIB, MIB);
	check(is_right(&dst, 2 * MIB, MIB, MIB, 1), "all steps, cached beneath");
	return ret ? ret : ret2;
}

/* --- odd edges --------------------------------------------------------------------------- */

/*
 * Loop devices begin at byte 4608 of their files here, so ranges of whole blocks of
 * these begin and end within pages; those of NVMe have 512 bytes.
 */
enum { EDGE = 8192 - 4608, EDGE_OFF = MIB + EDGE, EDGE_LEN = 64 * KIB };

/* 100 bytes before and behind the range, in the pages that it shares. */
static void write_beside(void)
{
	put(dst.cached, EDGE_OFF - 100, 100, 0, 7);
	put(dst.cached, EDGE_OFF + EDGE_LEN, 100, 0, 7);
}

static bool beside_is_right(void)
{
	return is_right(&dst, EDGE_OFF - 100, 100, 0, 7) &&
	       is_right(&dst, EDGE_OFF + EDGE_LEN, 100, 0, 7);
}

/* @when: which hook writes beside the range. */
static bool edges_are_right(void (**when)(void))
{
	bool right;

	reset(&src, 1);
	reset(&dst, 2);
	load(&dst, 0, AREA);
	if (when)
		*when = write_beside;
	else
		write_beside();
	copy(EDGE_OFF, EDGE_OFF, EDGE_LEN);
	seam.before_copy = seam.after_copy = NULL;
	right = is_right(&dst, EDGE_OFF, EDGE_LEN, EDGE_OFF, 1);
	check(beside_is_right(), "bytes beside the range were lost");
	check(is_right(&dst, 0, EDGE_OFF - 100, 0, 2), "bytes before the range were changed");
	check(is_right(&dst, EDGE_OFF + EDGE_LEN + 100, MIB, EDGE_OFF + EDGE_LEN + 100, 2),
	      "bytes behind the range were changed");
	return right;
}

/* Writes single bytes beside the range, each one time, and all stay. */
static void *write_beside_all_the_time(void *data)
{
	unsigned *last = data;

	for (unsigned i = 1; !atomic_load(&stop); i++) {
		char byte = (char)i;

		if (pwrite(dst.cached, &byte, 1, EDGE_OFF - 1) != 1 ||
		    pwrite(dst.cached, &byte, 1, EDGE_OFF + EDGE_LEN) != 1)
			break;
		*last = i;
	}
	return NULL;
}

static unsigned rounds_until_old(unsigned most)
{
	char before = 0, behind = 0;
	pthread_t writer;
	unsigned last = 0, n;

	reset(&src, 1);
	reset(&dst, 2);
	atomic_store(&stop, false);
	check(pthread_create(&writer, NULL, write_beside_all_the_time, &last) == 0, "thread");
	for (n = 0; n < most; n++) {
		int64_t from = EDGE_OFF + (int64_t)(n % 8) * EDGE_LEN;

		copy(from, EDGE_OFF, EDGE_LEN);
		if (wrong(dst.cached, EDGE_OFF, EDGE_LEN, (uint64_t)from, 1) >= 0)
			break;
	}
	atomic_store(&stop, true);
	pthread_join(writer, NULL);
	check(pread(dst.cached, &before, 1, EDGE_OFF - 1) == 1 &&
		      pread(dst.cached, &behind, 1, EDGE_OFF + EDGE_LEN) == 1,
	      "pread");
	check(before == (char)last && behind == (char)last, "the writer's last bytes were lost");
	sync_device(&dst);
	check(n < most || wrong(dst.direct, EDGE_OFF, EDGE_LEN,
				EDGE_OFF + (uint64_t)((n - 1) % 8) * EDGE_LEN, 1) < 0,
	      "old bytes were written over the copy");
	return n;
}

static int test_edges(void)
{
	unsigned n;
	int ret;

	all_steps();
	seam.no_rewrite = true;
	ret = shown(!edges_are_right(&seam.before_copy) || !edges_are_right(&seam.after_copy),
		    "who writes beside the range brings its old bytes back");

	all_steps();
	check(edges_are_right(NULL), "written beside before");
	check(edges_are_right(&seam.after_copy), "written beside behind the copy");
	check(edges_are_right(&seam.before_copy), "written beside before the copy");
	n = rounds_until_old(rounds);
	printf("rounds with a writer beside: %u\n", n);
	check(n == rounds, "old bytes came back into the range");
	return ret;
}

/* --- a loop device that changes -------------------------------------------------------- */

static const struct device *moving;

static void set_loop_offset(const struct device *d, uint64_t off)
{
	struct loop_info64 info;

	if (ioctl(d->cached, LOOP_GET_STATUS64, &info) < 0)
		die("LOOP_GET_STATUS64: %s", strerror(errno));
	info.lo_offset = off;
	if (ioctl(d->cached, LOOP_SET_STATUS64, &info) < 0)
		die("LOOP_SET_STATUS64: %s", strerror(errno));
}

static void move(void)
{
	set_loop_offset(moving, MIB);
}

static uint64_t counted(void)
{
	struct copyoff_stats stats = { .size = sizeof(stats) };

	check(copyoff_ctx_stats(ctx, "loop", &stats) == 0, "copyoff_ctx_stats");
	return stats.bytes;
}

/* Nobody can tell whether what was cloned is what the caller meant. */
static void moves(const struct device *d, void (**when)(void))
{
	off_t in = MIB, out = 2 * MIB;
	uint64_t before;
	ssize_t ret;
	int err;

	all_steps();
	reset(&src, 1);
	reset(&dst, 2);
	before = counted();
	moving = d;
	*when = move;
	ret = copyoff_ctx_copy(ctx, src.cached, &in, dst.cached, &out, MIB, 0);
	err = errno;
	set_loop_offset(d, 0);
	check(seam.copies == 1, "nothing was cloned");
	check(ret == -1 && err == EIO, "not EIO");
	check(in == MIB && out == 2 * MIB && counted() == before, "something is counted");
}

static int test_moved(void)
{
	const struct device *const devices[] = { &src, &dst };

	for (size_t i = 0; i < 2; i++) {
		moves(devices[i], &seam.before_copy);
		moves(devices[i], &seam.after_copy);
	}
	all_steps();
	reset(&src, 1);
	reset(&dst, 2);
	copy(MIB, 2 * MIB, MIB);
	check(is_right(&dst, 2 * MIB, MIB, MIB, 1), "nothing moves");
	return 0;
}

/* ------------------------------------------------------------------------------------------ */

static const struct {
	const char *name;
	int (*run)(void);
} tests[] = {
	{ "stale", test_stale },
	{ "lost", test_lost },
	{ "source", test_source },
	{ "folio", test_folio },
	{ "mapped", test_mapped },
	{ "no-cachestat", test_no_cachestat },
	{ "invalidate", test_invalidate },
	{ "readers", test_readers },
	{ "readers-mincore", test_readers_mincore },
	{ "partition", test_partition },
	{ "disk", test_disk },
	{ "stacked", test_stacked },
	{ "edges", test_edges },
	{ "moved", test_moved },
};

int main(int argc, char **argv)
{
	struct copyoff_opts opts = { .size = sizeof(opts), .backends = "loop" };
	const char *backend = getenv("COPYOFF_TEST_BACKEND"), *ops = getenv("COPYOFF_TEST_OPS");

	if (argc < 4) {
		fprintf(stderr, "usage: fs-coherence CASE SOURCE DESTINATION [OTHER]\n");
		return 2;
	}
	if (backend)
		opts.backends = backend;
	if (ops)
		show_rounds = rounds = (unsigned)strtoul(ops, NULL, 10);
	setvbuf(stdout, NULL, _IOLBF, 0);
	open_device(&src, argv[2]);
	open_device(&dst, argv[3]);
	if (argc > 4)
		open_device(&other, argv[4]);
	ctx = copyoff_ctx_new(&opts);
	check(ctx, "no context");
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		if (strcmp(tests[i].name, argv[1]) == 0) {
			int ret = tests[i].run();

			copyoff_ctx_free(ctx);
			return ret;
		}
	}
	die("no case %s", argv[1]);
}
