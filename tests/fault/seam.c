/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * seam.c - every call into the system fails once
 *
 * For each scenario and each kind of failure: fail the first call of the seam,
 * then the second, and so on until a copy gets through without a failure; once
 * only, and from there on.  After each: what was counted is copied, nothing
 * outside the range has changed, nothing is leaked, and the same context copies
 * the rest once the failures stop.
 *
 * Usage: fault-seam [scenario]
 *
 * Scenarios "device..." need loop devices of 320 KiB and 384 KiB, named by
 * COPYOFF_TEST_SOURCE and COPYOFF_TEST_DESTINATION, and are left out without.
 */
#include "inject.h"
#include "world.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { KIB = 1024, FAILURES_MOST = 200, BLOCKED_SECONDS = 10 };

struct scenario {
	const char *name;
	struct layout layout;
	int64_t src, dst; /* offsets of the first range */
	uint64_t len;
	unsigned ranges; /* > 1: copyoff_ctx_copyv(); 0 is 1 */
	int64_t stride; /* from one range to the next */
	unsigned flags;
	bool context;
	bool warm; /* the context has copied these files before */
	bool positions; /* NULL offsets */
	bool clones; /* FICLONERANGE works */
	bool plan; /* also ask for a plan */
	bool progress;
	const char *backends;
	size_t chunk;
	unsigned depth;
};

#define SHM         "/dev/shm"
#define SOURCE      "COPYOFF_TEST_SOURCE"
#define DESTINATION "COPYOFF_TEST_DESTINATION"

static const struct scenario scenarios[] = {
	{ .name = "small",
	  .layout = { .src_size = 9000, .dst_size = 8000 },
	  .src = 100,
	  .dst = 300,
	  .len = 5000 },
	{ .name = "small-beyond-end",
	  .layout = { .src_size = 9000, .dst_size = 100 },
	  .src = 8000,
	  .dst = 700,
	  .len = 5000 },
	{ .name = "small-positions",
	  .layout = { .src_size = 9000, .dst_size = 8000 },
	  .src = 4096,
	  .dst = 300,
	  .len = 4096,
	  .positions = true },
	{ .name = "large",
	  .layout = { .src_size = 400000, .dst_size = 500000 },
	  .src = 1,
	  .dst = 4097,
	  .len = 390000 },
	{ .name = "large-positions",
	  .layout = { .src_size = 150000, .dst_size = 0 },
	  .src = 4096,
	  .dst = 0,
	  .len = 1 << 20,
	  .positions = true },
	{ .name = "context",
	  .layout = { .src_size = 300000, .dst_size = 100000 },
	  .src = 4096,
	  .dst = 8192,
	  .len = 200000,
	  .context = true },
	{ .name = "warm",
	  .layout = { .src_size = 70000, .dst_size = 8000 },
	  .src = 100,
	  .dst = 300,
	  .len = 40000,
	  .context = true,
	  .warm = true },
	{ .name = "warm-positions",
	  .layout = { .src_size = 70000, .dst_size = 8000 },
	  .src = 100,
	  .dst = 300,
	  .len = 40000,
	  .context = true,
	  .warm = true,
	  .positions = true },
	{ .name = "buffered",
	  .layout = { .src_size = 200000, .dst_size = 250000 },
	  .src = 100,
	  .dst = 300,
	  .len = 190000,
	  .context = true,
	  .backends = "readwrite",
	  .chunk = 64 * KIB },
	{ .name = "spliced",
	  .layout = { .src_size = 600000, .dst_size = 100000 },
	  .src = 100,
	  .dst = 300,
	  .len = 599900,
	  .context = true,
	  .backends = "readwrite" },
	{ .name = "across",
	  .layout = { .src_size = 300000, .dst_size = 100000, .dst_dir = SHM },
	  .src = 0,
	  .dst = 4096,
	  .len = 300000 },
	{ .name = "across-small",
	  .layout = { .src_size = 9000, .dst_size = 20000, .src_dir = SHM },
	  .src = 5,
	  .dst = 4096,
	  .len = 5000 },
	{ .name = "holes-new",
	  .layout = { .src_size = 448 * KIB, .holes = true },
	  .len = 448 * KIB },
	{ .name = "holes-over",
	  .layout = { .src_size = 448 * KIB, .dst_size = 300000, .holes = true },
	  .dst = 4096,
	  .len = 448 * KIB,
	  .context = true },
	{ .name = "sparse",
	  .layout = { .src_size = 448 * KIB, .dst_size = 300000, .holes = true },
	  .src = 8192,
	  .len = 448 * KIB,
	  .flags = COPYOFF_SPARSE,
	  .context = true,
	  .progress = true },
	{ .name = "sparse-verified",
	  .layout = { .src_size = 320 * KIB, .dst_size = 100000, .holes = true },
	  .len = 320 * KIB,
	  .flags = COPYOFF_SPARSE | COPYOFF_VERIFY },
	{ .name = "verified",
	  .layout = { .src_size = 300000, .dst_size = 100000 },
	  .src = 10,
	  .dst = 20,
	  .len = 280000,
	  .flags = COPYOFF_VERIFY,
	  .context = true },
	{ .name = "synced",
	  .layout = { .src_size = 300000, .dst_size = 100000 },
	  .src = 10,
	  .dst = 20,
	  .len = 280000,
	  .flags = COPYOFF_SYNC,
	  .context = true },
	{ .name = "synced-holes-verified",
	  .layout = { .src_size = 320 * KIB, .dst_size = 0, .holes = true },
	  .len = 320 * KIB,
	  .flags = COPYOFF_SYNC | COPYOFF_VERIFY },
	{ .name = "unshared",
	  .layout = { .src_size = 100000, .dst_size = 100000 },
	  .src = 10,
	  .dst = 20,
	  .len = 90000,
	  .flags = COPYOFF_NO_SHARE },
	{ .name = "direct",
	  .layout = { .src_dir = SHM,
		      .dst_dir = SHM,
		      .src_size = 320 * KIB,
		      .dst_size = 100 * KIB,
		      .src_direct = true,
		      .dst_direct = true },
	  .len = 320 * KIB,
	  .context = true,
	  .chunk = 32 * KIB,
	  .depth = 4 },
	{ .name = "direct-warm",
	  .layout = { .src_dir = SHM,
		      .dst_dir = SHM,
		      .src_size = 128 * KIB,
		      .dst_size = 128 * KIB,
		      .src_direct = true,
		      .dst_direct = true },
	  .len = 128 * KIB,
	  .context = true,
	  .warm = true,
	  .chunk = 16 * KIB,
	  .depth = 2 },
	{ .name = "direct-odd",
	  .layout = { .src_dir = SHM,
		      .dst_dir = SHM,
		      .src_size = 150001,
		      .dst_size = 1000,
		      .src_direct = true,
		      .dst_direct = true },
	  .src = 700,
	  .dst = 700,
	  .len = 1 << 20,
	  .context = true,
	  .chunk = 32 * KIB,
	  .depth = 2 },
	{ .name = "direct-to-cached",
	  .layout = { .src_dir = SHM,
		      .dst_dir = SHM,
		      .src_size = 150001,
		      .dst_size = 0,
		      .src_direct = true },
	  .src = 4096,
	  .dst = 4096,
	  .len = 1 << 20,
	  .context = true,
	  .chunk = 32 * KIB,
	  .depth = 2 },
	{ .name = "cached-to-direct",
	  .layout = { .src_dir = SHM,
		      .dst_dir = SHM,
		      .src_size = 150001,
		      .dst_size = 200000,
		      .dst_direct = true },
	  .src = 100,
	  .dst = 8192,
	  .len = 1 << 20,
	  .context = true,
	  .chunk = 32 * KIB,
	  .depth = 2 },
	{ .name = "direct-holes",
	  .layout = { .src_dir = SHM,
		      .dst_dir = SHM,
		      .src_size = 320 * KIB,
		      .dst_size = 100 * KIB,
		      .holes = true,
		      .src_direct = true,
		      .dst_direct = true },
	  .len = 320 * KIB,
	  .context = true,
	  .flags = COPYOFF_SPARSE,
	  .chunk = 32 * KIB,
	  .depth = 2 },
	{ .name = "same-file",
	  .layout = { .src_size = 300000, .same = true },
	  .src = 10,
	  .dst = 150010,
	  .len = 140000 },
	{ .name = "same-file-at-end",
	  .layout = { .src_size = 100000, .same = true },
	  .src = 0,
	  .dst = 100000,
	  .len = 100000,
	  .context = true },
	{ .name = "ranges",
	  .layout = { .src_size = 200000, .dst_size = 100000 },
	  .src = 190000,
	  .dst = 7,
	  .len = 6000,
	  .ranges = 12,
	  .stride = -15000,
	  .context = true },
	{ .name = "ranges-buffered",
	  .layout = { .src_size = 200000, .dst_size = 100000, .src_dir = SHM },
	  .src = 5,
	  .dst = 7,
	  .len = 9000,
	  .ranges = 20,
	  .stride = 10000,
	  .context = true },
	{ .name = "ranges-holes",
	  .layout = { .src_size = 448 * KIB, .dst_size = 100 * KIB, .holes = true },
	  .len = 60 * KIB,
	  .ranges = 7,
	  .stride = 64 * KIB,
	  .context = true,
	  .flags = COPYOFF_SPARSE },
	{ .name = "proc",
	  .layout = { .src_path = "/proc/filesystems", .dst_size = 100 },
	  .dst = 50,
	  .len = 100000 },
	{ .name = "proc-context",
	  .layout = { .src_path = "/proc/filesystems", .dst_size = 1000 },
	  .src = 20,
	  .dst = 50,
	  .len = 100000,
	  .context = true,
	  .chunk = 4096 },
	{ .name = "cloned",
	  .layout = { .src_size = 200001, .dst_size = 10000 },
	  .len = 1 << 20,
	  .context = true,
	  .clones = true },
	{ .name = "cloned-warm",
	  .layout = { .src_size = 64 * KIB, .dst_size = 128 * KIB },
	  .dst = 4096,
	  .len = 60 * KIB,
	  .context = true,
	  .clones = true,
	  .warm = true },
	{ .name = "cloned-odd",
	  .layout = { .src_size = 300000, .dst_size = 300000 },
	  .src = 5000,
	  .dst = 904,
	  .len = 200000,
	  .context = true,
	  .clones = true },
	{ .name = "cloned-holes",
	  .layout = { .src_size = 320 * KIB, .dst_size = 200000, .holes = true },
	  .src = 100,
	  .dst = 100,
	  .len = 310 * KIB,
	  .clones = true },
	{ .name = "cloned-only",
	  .layout = { .src_size = 100 * KIB, .dst_size = 10000 },
	  .len = 1 << 20,
	  .flags = COPYOFF_REQUIRE_SHARE,
	  .clones = true },
	{ .name = "device",
	  .layout = { .src_size = 320 * KIB,
		      .src_device = SOURCE,
		      .dst_size = 384 * KIB,
		      .dst_device = DESTINATION },
	  .src = 4096,
	  .dst = 8192,
	  .len = 280 * KIB,
	  .context = true,
	  .clones = true },
	{ .name = "device-odd",
	  .layout = { .src_size = 320 * KIB,
		      .src_device = SOURCE,
		      .dst_size = 384 * KIB,
		      .dst_device = DESTINATION },
	  .src = 700,
	  .dst = 700,
	  .len = 200 * KIB,
	  .clones = true },
	{ .name = "device-within",
	  .layout = { .src_size = 320 * KIB, .src_device = SOURCE, .same = true },
	  .src = 4096,
	  .dst = 164 * KIB,
	  .len = 150 * KIB,
	  .context = true,
	  .clones = true },
	{ .name = "device-direct-synced",
	  .layout = { .src_size = 320 * KIB,
		      .src_device = SOURCE,
		      .dst_size = 384 * KIB,
		      .dst_device = DESTINATION,
		      .src_direct = true,
		      .dst_direct = true },
	  .src = 0,
	  .dst = 4096,
	  .len = 320 * KIB,
	  .flags = COPYOFF_SYNC,
	  .context = true,
	  .chunk = 32 * KIB,
	  .clones = true },
	{ .name = "device-unshared",
	  .layout = { .src_size = 320 * KIB,
		      .src_device = SOURCE,
		      .dst_size = 384 * KIB,
		      .dst_device = DESTINATION },
	  .len = 320 * KIB,
	  .flags = COPYOFF_NO_SHARE },
	{ .name = "device-to-file",
	  .layout = { .src_size = 320 * KIB, .src_device = SOURCE, .dst_size = 100000 },
	  .len = 1 << 20,
	  .context = true,
	  .clones = true },
	{ .name = "device-from-file",
	  .layout = { .src_size = 200000, .dst_size = 384 * KIB, .dst_device = DESTINATION },
	  .dst = 4096,
	  .len = 1 << 20,
	  .flags = COPYOFF_VERIFY,
	  .clones = true },
	{ .name = "device-end",
	  .layout = { .src_size = 320 * KIB,
		      .src_device = SOURCE,
		      .dst_size = 384 * KIB,
		      .dst_device = DESTINATION },
	  .src = 100 * KIB,
	  .dst = 192 * KIB,
	  .len = 192 * KIB,
	  .context = true },
	{ .name = "device-plan",
	  .layout = { .src_size = 320 * KIB,
		      .src_device = SOURCE,
		      .dst_size = 384 * KIB,
		      .dst_device = DESTINATION },
	  .len = 64 * KIB,
	  .context = true,
	  .clones = true,
	  .plan = true },
	{ .name = "plan",
	  .layout = { .src_size = 10000, .dst_size = 10000 },
	  .len = 10000,
	  .context = true,
	  .clones = true,
	  .plan = true },
	{ .name = "plan-direct",
	  .layout = { .src_dir = SHM,
		      .dst_dir = SHM,
		      .src_size = 128 * KIB,
		      .dst_size = 10000,
		      .src_direct = true },
	  .len = 128 * KIB,
	  .context = true,
	  .plan = true,
	  .chunk = 16 * KIB,
	  .depth = 2 },
};

static const int errnos[] = { EINTR, EIO,    ENOSPC, EOPNOTSUPP, EINVAL, ENOMEM,
			      EPERM, ENOSYS, EXDEV,  EAGAIN,     EDQUOT };

/* One scenario, while it is run again and again. */
struct trial {
	const struct scenario *s;
	struct fault fault;
	struct world w;
	copyoff_ctx *ctx;
	uint64_t reported; /* by the progress callback */
	bool progress_wrong;
	bool failed; /* in this run */
	bool must_complete; /* in spite of the fault */
	bool final; /* the fault must be what the copy ends with */
};

static volatile sig_atomic_t blocked; /* a call did not return in time */
static unsigned failures;
static unsigned long runs;

static const char *kind_name(enum fault_kind kind)
{
	static const char *const names[] = { "none", "errno", "half", "one", "zero", "more" };

	return names[kind];
}

/* The same in the same function was reported already. */
static bool known_failure(const struct trial *t, const char *what)
{
	static char seen[FAILURES_MOST][160];
	char text[sizeof(seen[0])];

	snprintf(text, sizeof(text), "%s %s %s", t->s->name,
		 inject.hit ? inject_op_name(inject.first) : "none", what);
	for (unsigned i = 0; i < failures; i++) {
		if (strcmp(seen[i], text) == 0)
			return true;
	}
	strcpy(seen[failures], text);
	return false;
}

/* Of a run that went wrong, the first thing is reported. */
static void wrong(struct trial *t, const char *what)
{
	const struct fault *f = &t->fault;

	if (t->failed)
		return;
	t->failed = true;
	if (known_failure(t, what))
		return;
	printf("FAILED: %s: %s%s%s, %s call %lu (%s): %s\n", t->s->name, kind_name(f->kind),
	       f->kind == FAULT_ERRNO ? " " : "", f->kind == FAULT_ERRNO ? strerror(f->err) : "",
	       f->persistent ? "from" : "only", f->at,
	       inject.hit ? inject_op_name(inject.first) : "none", what);
	if (++failures == FAILURES_MOST)
		quit(1, "and more");
}

static void expect(struct trial *t, bool cond, const char *what)
{
	if (!cond)
		wrong(t, what);
}

static bool hit(enum fault_op op)
{
	return inject.hit & FAULT_BIT(op);
}

/* --- calling --------------------------------------------------------------------- */

static int progress(void *data, uint64_t done, uint64_t total)
{
	struct trial *t = data;

	t->progress_wrong = t->progress_wrong || done <= t->reported || done > total;
	t->reported = done;
	return 0;
}

static copyoff_ctx *new_context(struct trial *t)
{
	const struct copyoff_opts opts = {
		.size = sizeof(opts),
		.backends = t->s->backends,
		.chunk = t->s->chunk,
		.depth = t->s->depth,
		.progress = t->s->progress ? progress : NULL,
		.progress_data = t,
	};

	t->reported = 0;
	return copyoff_ctx_new(&opts);
}

static void set_positions(const struct trial *t, int64_t src, int64_t dst)
{
	REQUIRE(lseek(t->w.fd_in, src, SEEK_SET) == src);
	REQUIRE(lseek(t->w.fd_out, dst, SEEK_SET) == dst);
}

static bool positions_are(const struct trial *t, int64_t src, int64_t dst)
{
	return lseek(t->w.fd_in, 0, SEEK_CUR) == src && lseek(t->w.fd_out, 0, SEEK_CUR) == dst;
}

static int64_t copy_one(struct trial *t, const struct copyoff_range *r)
{
	const struct world *w = &t->w;
	off_t src = r->src;
	off_t dst = r->dst;
	off_t *off_in = t->s->positions ? NULL : &src;
	off_t *off_out = t->s->positions ? NULL : &dst;
	ssize_t ret;
	int64_t moved;

	if (t->s->positions)
		set_positions(t, r->src, r->dst);
	else
		set_positions(t, 1, 2);
	ret = t->ctx ? copyoff_ctx_copy(t->ctx, w->fd_in, off_in, w->fd_out, off_out,
					(size_t)r->len, t->s->flags)
		     : copyoff_copy(w->fd_in, off_in, w->fd_out, off_out, (size_t)r->len,
				    t->s->flags);
	moved = ret > 0 ? ret : 0;
	if (!t->s->positions) {
		expect(t, positions_are(t, 1, 2), "a file position was moved");
		expect(t, src == r->src + moved && dst == r->dst + moved,
		       "the offsets were not advanced by the count");
	} else if (!hit(FAULT_set_position)) {
		expect(t, positions_are(t, r->src + moved, r->dst + moved),
		       "the file positions were not advanced by the count");
	}
	return ret;
}

/* From byte @done of the concatenation on. */
static int64_t copy(struct trial *t, uint64_t done)
{
	struct copyoff_range v[WORLD_RANGES];
	size_t n = world_rest(&t->w, done, v);
	int saved = errno;
	int64_t ret;

	errno = 0;
	if (t->s->ranges > 1)
		ret = copyoff_ctx_copyv(t->ctx, t->w.fd_in, t->w.fd_out, v, n, t->s->flags);
	else
		ret = n > 0 ? copy_one(t, &v[0]) : 0;
	if (ret < 0)
		return -errno;
	errno = saved;
	return ret;
}

/* --- judging ---------------------------------------------------------------------- */

/* The errno that was injected, or one that follows from it. */
static bool plausible(int err)
{
	const struct fault *f = &inject.fault;

	if (f->kind == FAULT_ERRNO && err == f->err)
		return true;
	/* A reader or writer that does not do as it says. */
	if (f->kind == FAULT_ZERO || f->kind == FAULT_MORE)
		return err == EIO || err == EOPNOTSUPP;
	/* The only backend was refused. */
	if (err == EOPNOTSUPP)
		return hit(FAULT_clone_range) || hit(FAULT_clone_align);
	/* O_DIRECT, an odd range, and no second descriptor. */
	if (err == EINVAL)
		return hit(FAULT_reopen);
	/* That it still is the same loop device could not be made sure. */
	if (err == EIO)
		return hit(FAULT_loop_status) || hit(FAULT_disk_sequence) || hit(FAULT_read_sysfs);
	/* A hole that was made and cannot be verified. */
	return false;
}

static bool names_something(const char *message)
{
	static const char *const words[] = { "fd_in",      "fd_out", "source", "COPYOFF_",
					     "no backend", "range",  "memory" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strstr(message, words[i]))
			return true;
	}
	return false;
}

static bool is_backend(const char *name)
{
	for (size_t i = 0; i < copyoff_backend_count(); i++) {
		if (strcmp(copyoff_backend_info(i)->name, name) == 0)
			return true;
	}
	return false;
}

static void judge_result(struct trial *t, int64_t ret, uint64_t asked)
{
	const struct copyoff_result *last = copyoff_ctx_last(t->ctx);

	if (ret < 0) {
		expect(t, last->error == -ret, "the error of the result is not errno");
		expect(t, last->bytes == 0 && last->bytes_offloaded == 0,
		       "the result counts bytes of a failed copy");
		expect(t, names_something(last->message), "the message does not name what failed");
		return;
	}
	expect(t, last->bytes == (uint64_t)ret, "the result has another count");
	expect(t, last->bytes_offloaded <= last->bytes, "more was offloaded than copied");
	/* Where the source said that it ends, there is no error. */
	if ((uint64_t)ret < asked && inject.fault.kind != FAULT_ZERO)
		expect(t, last->error > 0, "the copy is short, and the result says of no error");
	if (last->error) {
		/* That there is no more of a file without a size is found by reading on. */
		expect(t, (uint64_t)ret < asked || t->s->layout.src_path,
		       "the copy is complete, and the result has an error");
		expect(t, last->message[0] != '\0', "the result has an error without a message");
	}
	if (ret > 0 && !t->s->layout.holes)
		expect(t, is_backend(last->backend),
		       "the result does not say which backend copied");
}

/* @ret: of a copy from byte @done on, in which a call was failed. */
static void judge(struct trial *t, int64_t ret, uint64_t done)
{
	const char *why;

	expect(t, !blocked, "a call blocked");
	expect(t, !inject.runaway, "it does not end");
	expect(t, !inject.moved_on, "another backend was tried behind a final error");
	if (ret < 0) {
		char text[64];

		snprintf(text, sizeof(text), "unexpected: %s", strerror((int)-ret));
		expect(t, plausible((int)-ret), text);
		ret = 0;
	} else if ((uint64_t)ret > t->w.total - done) {
		return wrong(t, "the count is larger than what there is to copy");
	}
	if (t->must_complete)
		expect(t, (uint64_t)ret == t->w.total, "the copy did not go on another way");
	if (t->final && inject.final)
		expect(t, (uint64_t)ret < t->w.total, "a final error was passed over");
	if (t->s->flags & COPYOFF_SYNC)
		expect(t, ret == 0 || !inject.dirty, "the bytes counted were not synced");
	expect(t, !t->progress_wrong, "progress went back, or too far");
	why = world_wrong(&t->w, done + (uint64_t)ret);
	if (why)
		wrong(t, why);
}

/* Without failures the rest is copied; offloads once refused stay so for a context. */
static void complete(struct trial *t, uint64_t done)
{
	const char *why;

	if (t->s->flags & COPYOFF_REQUIRE_SHARE && t->ctx) {
		copyoff_ctx_free(t->ctx);
		t->ctx = new_context(t);
	}
	for (unsigned tries = 0; done < t->w.total && tries < 20; tries++) {
		int64_t ret;

		t->reported = 0;
		ret = copy(t, done);
		if (ret <= 0) {
			char text[80];

			snprintf(text, sizeof(text), "afterwards, the rest cannot be copied: %s",
				 ret < 0 ? strerror((int)-ret) : "0");
			return wrong(t, text);
		}
		if (t->ctx)
			judge_result(t, ret, t->w.total - done);
		done += (uint64_t)ret;
	}
	why = world_incomplete(&t->w);
	if (why)
		wrong(t, why);
}

/* --- running ----------------------------------------------------------------------- */

/* So that the context knows the pair. */
static void warm_up(struct trial *t)
{
	off_t src = 0;
	off_t dst = 0;

	REQUIRE(copyoff_ctx_copy(t->ctx, t->w.fd_in, &src, t->w.fd_out, &dst, 4096, 0) == 4096);
	world_reset(&t->w);
}

static void ask_for_plan(struct trial *t)
{
	copyoff_plan *plan;

	errno = 0;
	plan = copyoff_plan_new(t->ctx, t->w.fd_in, t->w.fd_out, t->s->flags);
	if (plan) {
		char text[4096];

		expect(t, copyoff_plan_count(plan) == copyoff_backend_count(),
		       "a verdict is missing");
		expect(t, copyoff_plan_explain(plan, text, sizeof(text)) < sizeof(text) && text[0],
		       "there is no explanation");
	} else {
		const struct copyoff_result *last = copyoff_ctx_last(t->ctx);

		expect(t, plausible(errno), "unexpected errno from copyoff_plan_new()");
		expect(t, last->error == errno && names_something(last->message),
		       "the result of the plan does not say what failed");
	}
	copyoff_plan_free(plan);
}

/* A context made while calls fail, or NULL and a right errno. */
static void open_context(struct trial *t)
{
	errno = 0;
	t->ctx = new_context(t);
	if (t->ctx)
		return;
	expect(t, plausible(errno), "unexpected errno from copyoff_ctx_new()");
	inject_end();
	t->ctx = new_context(t);
	REQUIRE(t->ctx);
}

/* False if the fault did not come to pass: the scenario has fewer calls. */
static bool run(struct trial *t)
{
	const struct inject_live before = inject_live;
	const int descriptors = count_descriptors();
	const bool early = t->s->warm;
	int64_t ret;
	bool was_hit;

	runs++;
	t->progress_wrong = false;
	t->failed = false;
	blocked = 0;
	alarm(BLOCKED_SECONDS);
	world_reset(&t->w);
	if (early) {
		t->ctx = new_context(t);
		REQUIRE(t->ctx);
		warm_up(t);
	}
	inject_begin(&t->fault);
	if (t->s->context && !early)
		open_context(t);
	if (t->s->plan)
		ask_for_plan(t);
	ret = copy(t, 0);
	was_hit = inject.hit != 0;
	judge(t, ret, 0);
	if (t->ctx)
		judge_result(t, ret, t->w.total);
	inject_end();
	complete(t, ret > 0 ? (uint64_t)ret : 0);
	copyoff_ctx_free(t->ctx);
	t->ctx = NULL;
	expect(t, inject_live.memory == before.memory, "memory was leaked");
	expect(t, inject_live.descriptors == before.descriptors, "a descriptor was leaked");
	expect(t, inject_live.rings == before.rings, "a ring was leaked");
	expect(t, count_descriptors() == descriptors,
	       "the process has more descriptors than before");
	return was_hit;
}

static void fail_each_call(struct trial *t, enum fault_kind kind, int err)
{
	for (int persistent = 0; persistent <= 1; persistent++) {
		for (unsigned long at = 1;; at++) {
			t->fault = (struct fault){
				.kind = kind,
				.err = err,
				.at = at,
				.persistent = persistent,
				.ops = FAULT_ALL_OPS,
			};
			if (!run(t))
				break;
		}
	}
}

static bool set_up(struct trial *t, const struct scenario *s)
{
	const char *why;

	*t = (struct trial){ .s = s };
	inject_clones = s->clones;
	if ((s->layout.src_device && !getenv(s->layout.src_device)) ||
	    (s->layout.dst_device && !getenv(s->layout.dst_device)))
		return false;
	if (!world_make(&t->w, &s->layout, &why)) {
		printf("SKIP: %s: %s\n", s->name, why);
		return false;
	}
	for (unsigned i = 0; i < (s->ranges ? s->ranges : 1); i++)
		world_add(&t->w, s->src + i * s->stride, s->dst + (int64_t)(i * (s->len + 1)),
			  s->len);
	return true;
}

static void tear_down(struct trial *t)
{
	world_free(&t->w);
}

/* --- what must not, and what must, go on ---------------------------------------- */

/* One function that never works; the copy must be complete all the same. */
struct refusal {
	enum fault_op op;
	const char *scenario;
	int errnos[8];
};

#define NOT_HERE                                                                                   \
	{                                                                                          \
		EOPNOTSUPP, ENOSYS, EINVAL, EPERM                                                  \
	}
#define NOT_THERE                                                                                  \
	{                                                                                          \
		EOPNOTSUPP, ENOSYS, EINVAL, EPERM, EXDEV, ENOTTY, EACCES                           \
	}
#define WHATEVER                                                                                   \
	{                                                                                          \
		EOPNOTSUPP, ENOSYS, EINVAL, EPERM, EIO, ENOMEM, EAGAIN                             \
	}

static const struct refusal refusals[] = {
	{ FAULT_copy_file_range, "small", NOT_THERE },
	{ FAULT_copy_file_range, "large", NOT_THERE },
	{ FAULT_copy_file_range, "warm", NOT_THERE },
	{ FAULT_copy_file_range, "holes-over", NOT_THERE },
	{ FAULT_clone_range, "cloned", NOT_THERE },
	{ FAULT_clone_range, "cloned-warm", NOT_THERE },
	{ FAULT_clone_range, "cloned-odd", NOT_THERE },
	{ FAULT_clone_align, "cloned", NOT_THERE },
	{ FAULT_fs_type, "direct", WHATEVER },
	{ FAULT_pipe, "spliced", { EMFILE, ENFILE, ENOMEM, EPERM, ENOSYS } },
	{ FAULT_splice_in, "spliced", { EINVAL, ENOSYS, EPERM } },
	{ FAULT_splice_out, "spliced", { EINVAL, ENOSYS, EPERM } },
	{ FAULT_seek_data, "holes-over", WHATEVER },
	{ FAULT_seek_hole, "sparse", WHATEVER },
	{ FAULT_punch_hole, "sparse", NOT_HERE },
	{ FAULT_punch_hole, "holes-new", NOT_HERE },
	{ FAULT_zero_range, "holes-over", NOT_HERE },
	{ FAULT_reopen, "sparse", { ENOENT, EACCES, EMFILE, EPERM } },
	{ FAULT_reopen, "holes-over", { ENOENT, EACCES, EMFILE, EPERM } },
	{ FAULT_close, "sparse", { EIO, EINTR } },
	{ FAULT_uring_allowed, "direct", { ENOSYS, EPERM, EACCES, ENOMEM, EMFILE } },
	{ FAULT_uring_setup, "direct", { ENOSYS, EPERM, EACCES, ENOMEM, EMFILE } },
	{ FAULT_uring_register, "direct", { ENOMEM, EPERM, EOPNOTSUPP, ENOSYS } },
	{ FAULT_uring_submit, "direct", { EAGAIN, EBUSY, EINVAL, EPERM, ENOSYS } },
	{ FAULT_uring_wait, "direct", { EINTR, EAGAIN } },
	{ FAULT_uring_next, "direct", { EAGAIN, EOPNOTSUPP, EINVAL } },
};

static void refuse_one_function(const struct scenario *s)
{
	struct trial t;

	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		const struct refusal *r = &refusals[i];

		if (strcmp(r->scenario, s->name) != 0 || !set_up(&t, s))
			continue;
		t.must_complete = true;
		for (size_t k = 0; k < 8 && r->errnos[k]; k++) {
			t.fault = (struct fault){
				.kind = FAULT_ERRNO,
				.err = r->errnos[k],
				.at = 1,
				.persistent = true,
				.ops = FAULT_BIT(r->op),
			};
			/* Without io_uring on this machine there is nothing to refuse. */
			if (!run(&t) && r->op < FAULT_uring_allowed)
				wrong(&t, "the function to fail is not called");
		}
		tear_down(&t);
	}
}

/*
 * copy_file_range(2) that copies nothing before the end of the file, or reports
 * more than it was asked for: neither is believed, and another backend copies.
 */
static void distrust_counts(const struct scenario *s)
{
	static const enum fault_kind kinds[] = { FAULT_ZERO, FAULT_MORE };
	struct trial t;

	if (!set_up(&t, s))
		return;
	t.must_complete = true;
	for (size_t i = 0; i < 2; i++) {
		t.fault = (struct fault){
			.kind = kinds[i],
			.at = 1,
			.persistent = true,
			.ops = FAULT_BIT(FAULT_copy_file_range),
		};
		run(&t);
	}
	tear_down(&t);
}

/* Errors of data and space where bytes are moved end a copy, whatever else there is. */
static void fail_data(const struct scenario *s)
{
	static const enum fault_op movers[] = { FAULT_copy_file_range, FAULT_clone_range };
	static const int final[] = { EIO, ENOSPC, EDQUOT };
	struct trial t;

	if (!set_up(&t, s))
		return;
	t.final = true;
	for (size_t i = 0; i < 6; i++) {
		for (unsigned long at = 1; at < 10; at++) {
			t.fault = (struct fault){
				.kind = FAULT_ERRNO,
				.err = final[i % 3],
				.at = at,
				.persistent = true,
				.ops = FAULT_BIT(movers[i / 3]),
			};
			if (!run(&t))
				break;
		}
	}
	tear_down(&t);
}

/* --- everything ------------------------------------------------------------------ */

static void run_scenario(const struct scenario *s)
{
	static const enum fault_kind counts[] = { FAULT_HALF, FAULT_ONE, FAULT_ZERO, FAULT_MORE };
	unsigned long runs_before = runs;
	struct trial t;

	if (!set_up(&t, s))
		return;
	for (size_t i = 0; i < sizeof(errnos) / sizeof(errnos[0]); i++)
		fail_each_call(&t, FAULT_ERRNO, errnos[i]);
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		fail_each_call(&t, counts[i], 0);
	tear_down(&t);
	refuse_one_function(s);
	distrust_counts(s);
	fail_data(s);
	printf("%s: %lu runs\n", s->name, runs - runs_before);
}

/* Interrupts what blocks, and notes it. */
static void on_alarm(int signal)
{
	(void)signal;
	blocked = 1;
}

int main(int argc, char **argv)
{
	const struct sigaction alarm_action = { .sa_handler = on_alarm };
	const char *only = argc > 1 ? argv[1] : NULL;

	setvbuf(stdout, NULL, _IOLBF, 0);
	unsetenv("COPYOFF_BACKENDS");
	unsetenv("COPYOFF_DEBUG");
	sigaction(SIGALRM, &alarm_action, NULL);
	for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
		if (!only || strcmp(only, scenarios[i].name) == 0)
			run_scenario(&scenarios[i]);
	}
	if (runs == 0)
		quit(1, "no scenario was run");
	printf("%lu runs, %u failures\n", runs, failures);
	return failures > 0;
}
