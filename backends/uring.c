/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * uring.c - reads and writes in flight at the same time, by io_uring
 *
 * Wins where the page cache is not used (O_DIRECT) and on block devices.  One
 * ring and its registered buffers are kept by a context.  A copy is a set of
 * slots, each of which reads a piece and then writes it; slots are independent,
 * so pieces complete in any order, and what is reported is the bytes before the
 * first piece that is not complete.
 */
#define _GNU_SOURCE /* liburing.h */
#include "backend.h"
#include "sys_uring.h"

#include <errno.h>

enum {
	CHUNK = 256 << 10,
	DEPTH = 8,
	DEPTH_MOST = 64, /* copyoff_opts.depth */
	RANGE_MOST = 64 << 20, /* bytes between two progress callbacks */
	MEMORY_ALIGN = 4096,
	RETRIES = 1000, /* of requests that the kernel has no room for */
	/* Ring and pinned buffers cost as much as copying some MiB. */
	LEAST_ONCE = 8 << 20,
};

struct keep {
	struct io_uring ring;
	char *memory; /* depth buffers of chunk bytes */
	size_t chunk;
	unsigned depth;
	bool registered;
};

struct slot {
	enum { IDLE, READING, WRITING } state;
	uint64_t off; /* from the start of the range */
	uint32_t len; /* bytes of the piece */
	uint32_t got; /* of these, read */
	uint32_t put; /* of these, written */
};

/* One call of uring_copy(). */
struct job {
	struct keep *keep;
	const struct copyoff_pair *pair;
	const struct copyoff_range *range;
	struct slot slots[DEPTH_MOST];
	uint64_t next; /* where the next piece begins */
	uint64_t end; /* everything before it is complete, or will be */
	int err; /* what is wrong at end; 0: the input ended */
	unsigned queued; /* prepared, not handed to the kernel */
	unsigned flying; /* in the kernel */
	unsigned retries;
};

/* --- ring and buffers ---------------------------------------------------- */

static void uring_close(void *p)
{
	struct keep *keep = p;

	copyoff_sys_uring_exit(&keep->ring);
	copyoff_sys_free(keep->memory);
	copyoff_sys_free(keep);
}

static size_t chunk_size(const struct copyoff_pair *pair)
{
	return pair->chunk ? pair->chunk : CHUNK;
}

static char *buffer(const struct keep *keep, size_t i)
{
	return keep->memory + i * keep->chunk;
}

/* Refused by RLIMIT_MEMLOCK, among others: then the kernel maps them each time. */
static bool register_buffers(struct keep *keep)
{
	struct iovec v[DEPTH_MOST];

	for (unsigned i = 0; i < keep->depth; i++)
		v[i] = (struct iovec){ buffer(keep, i), keep->chunk };
	return copyoff_sys_uring_register(&keep->ring, v, keep->depth) == 0;
}

/* The context's ring; makes it if there is none. */
static int get_keep(const struct copyoff_pair *pair, struct copyoff_offer *offer)
{
	struct keep *keep;
	int ret;

	if (*offer->keep)
		return 0;
	keep = copyoff_sys_alloc(sizeof(*keep), sizeof(void *));
	if (!keep)
		return -ENOMEM;
	keep->chunk = chunk_size(pair);
	keep->depth = pair->depth ? pair->depth : DEPTH;
	keep->memory = copyoff_sys_alloc(keep->chunk * keep->depth, MEMORY_ALIGN);
	ret = keep->memory ? copyoff_sys_uring_setup(&keep->ring, keep->depth) : -ENOMEM;
	if (ret < 0) {
		copyoff_sys_free(keep->memory);
		copyoff_sys_free(keep);
		return ret;
	}
	keep->registered = register_buffers(keep);
	*offer->keep = keep;
	return 0;
}

static int refuse_ring(struct copyoff_offer *offer, int err)
{
	if (err == -ENOSYS)
		return copyoff_decline(offer, COPYOFF_REASON_UNSUPPORTED, err,
				       "the kernel or sandbox does not know io_uring",
				       "use Linux 5.6 or later; allow io_uring in the sandbox");
	if (err == -EPERM || err == -EACCES)
		return copyoff_decline(
			offer, COPYOFF_REASON_PERMISSION, err, "io_uring is forbidden here",
			"see sysctl kernel.io_uring_disabled and the seccomp filter");
	return copyoff_decline(offer, COPYOFF_REASON_RESOURCE, err,
			       "no memory or descriptors for a ring", "");
}

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static bool bypasses_cache(const struct copyoff_end *end)
{
	return end->direct || end->kind == COPYOFF_KIND_BLOCK;
}

static int uring_probe(const struct copyoff_pair *pair, struct copyoff_offer *offer)
{
	uint64_t chunk = chunk_size(pair);
	uint64_t align = larger(pair->in.io_align, pair->out.io_align);
	int ret;

	if (align > chunk || chunk % align)
		return copyoff_decline(offer, COPYOFF_REASON_ALIGNMENT, 0,
				       "O_DIRECT alignment does not fit the chunk",
				       "choose a larger chunk");
	ret = copyoff_sys_uring_allowed();
	if (ret < 0)
		return refuse_ring(offer, ret);
	if (!bypasses_cache(&pair->in) && !bypasses_cache(&pair->out)) {
		offer->slower = "cached files are copied faster by other means";
		offer->slower_remedy = "open the files with O_DIRECT, or list it by name";
	}
	offer->limits.align = align;
	/* Two pieces are the least that can overlap. */
	offer->limits.min_total = 2 * chunk;
	offer->limits.max_range = larger(RANGE_MOST, chunk);
	return 0;
}

/* --- a copy --------------------------------------------------------------- */

/* Nothing at or behind @off will be counted. */
static void stop_at(struct job *job, uint64_t off, int err)
{
	if (off < job->end) {
		job->end = off;
		job->err = err;
	}
}

static void queue(struct job *job, size_t i)
{
	const struct keep *keep = job->keep;
	struct slot *slot = &job->slots[i];
	struct io_uring_sqe *sqe = io_uring_get_sqe(&job->keep->ring);
	bool reading = slot->state == READING;
	uint32_t from = reading ? slot->got : slot->put;
	uint32_t len = reading ? slot->len - slot->got : slot->got - slot->put;
	int fd = reading ? job->pair->in.fd : job->pair->out.fd;
	uint64_t base = (uint64_t)(reading ? job->range->src : job->range->dst);

	if (!sqe) { /* cannot be: the ring has an entry for each slot */
		stop_at(job, slot->off + slot->put, -EIO);
		slot->state = IDLE;
		return;
	}
	io_uring_prep_rw(reading ? (keep->registered ? IORING_OP_READ_FIXED : IORING_OP_READ)
				 : (keep->registered ? IORING_OP_WRITE_FIXED : IORING_OP_WRITE),
			 sqe, fd, buffer(keep, i) + from, len, base + slot->off + from);
	sqe->buf_index = (uint16_t)(keep->registered ? i : 0);
	sqe->user_data = i;
	job->queued++;
}

/* Give an idle slot its next piece, if there is one. */
static void start(struct job *job, size_t i)
{
	struct slot *slot = &job->slots[i];
	uint64_t left = job->next < job->end ? job->end - job->next : 0;

	if (left == 0)
		return;
	*slot = (struct slot){
		.state = READING,
		.off = job->next,
		.len = (uint32_t)(left < job->keep->chunk ? left : job->keep->chunk),
	};
	job->next += slot->len;
	queue(job, i);
}

/* The input ended within the piece: write what there is, whole blocks of it. */
static void read_ended(struct job *job, struct slot *slot)
{
	stop_at(job, slot->off + slot->got, 0);
	slot->got -= slot->got % job->pair->out.io_align;
	stop_at(job, slot->off + slot->got, 0);
}

static void completed(struct job *job, size_t i, int res)
{
	struct slot *slot = &job->slots[i];
	uint32_t left = slot->state == READING ? slot->len - slot->got : slot->got - slot->put;

	if (res == -EAGAIN && job->retries++ < RETRIES) {
		queue(job, i);
		return;
	}
	if (res < 0 || (uint32_t)res > left || (res == 0 && slot->state == WRITING)) {
		stop_at(job, slot->off + slot->put, res < 0 ? res : -EIO);
		slot->state = IDLE;
		return;
	}
	if (slot->state == READING) {
		slot->got += (uint32_t)res;
		/* O_DIRECT stops at an odd place only at the end of the input. */
		if (res == 0 || slot->got % job->pair->in.io_align)
			read_ended(job, slot);
		else if (slot->got < slot->len)
			return queue(job, i);
		slot->state = WRITING;
	} else {
		slot->put += (uint32_t)res;
	}
	if (slot->put < slot->got)
		return queue(job, i);
	slot->state = IDLE;
	start(job, i);
}

/*
 * Hand over what is queued and wait for one completion.  -errno only if the
 * kernel has none of our requests: until then it uses our buffers.
 */
static int turn(struct job *job)
{
	struct io_uring *ring = &job->keep->ring;
	uint64_t i;
	int ret = 0, res;

	if (job->queued > 0) {
		ret = copyoff_sys_uring_submit(ring);
		if (ret > 0) {
			job->queued -= (unsigned)ret;
			job->flying += (unsigned)ret;
		}
	}
	if (job->flying == 0)
		return ret < 0 ? ret : -EIO;
	/* An interrupted wait needs no care: completions come all the same. */
	(void)copyoff_sys_uring_wait(ring);
	while (job->flying > 0 && copyoff_sys_uring_next(ring, &i, &res)) {
		job->flying--;
		completed(job, (size_t)i, res);
	}
	return 0;
}

static int64_t result(struct job *job, struct copyoff_offer *offer)
{
	uint64_t done = job->end;

	/* Pieces behind the end do not count, those before it are complete. */
	if (done > 0)
		return (int64_t)done;
	if (job->err == 0 || job->err == -EINVAL)
		return copyoff_decline(offer, COPYOFF_REASON_ALIGNMENT, job->err,
				       "less than a block is left, or O_DIRECT does not take it",
				       "");
	if (job->err == -EAGAIN)
		return refuse_ring(offer, job->err);
	if (job->err == -EOPNOTSUPP || job->err == -ENOSYS)
		return copyoff_decline(offer, COPYOFF_REASON_UNSUPPORTED, job->err,
				       "io_uring cannot read or write these files", "");
	return job->err;
}

/* The ring takes no requests, and has none of ours: the next copy gets a new one. */
static int64_t give_up(struct job *job, struct copyoff_offer *offer, int err)
{
	for (size_t i = 0; i < job->keep->depth; i++) {
		if (job->slots[i].state != IDLE)
			stop_at(job, job->slots[i].off + job->slots[i].put, err);
	}
	stop_at(job, job->next, err);
	uring_close(job->keep);
	*offer->keep = NULL;
	return job->end > 0 ? (int64_t)job->end : refuse_ring(offer, err);
}

static int64_t uring_copy(const struct copyoff_pair *pair, struct copyoff_offer *offer,
			  const struct copyoff_range *ranges, size_t n)
{
	struct job job = { .pair = pair, .range = &ranges[0], .end = ranges[0].len };
	int ret;

	(void)n; /* limits.max_ranges is 1 */
	ret = get_keep(pair, offer);
	if (ret < 0)
		return refuse_ring(offer, ret);
	job.keep = *offer->keep;
	for (size_t i = 0; i < job.keep->depth; i++)
		start(&job, i);
	while (job.queued + job.flying > 0) {
		ret = turn(&job);
		if (ret < 0)
			return give_up(&job, offer, ret);
	}
	return result(&job, offer);
}

const struct copyoff_backend copyoff_backend_uring = {
	.info = COPYOFF_BACKEND_INFO("uring", "keeps reads and writes in flight (io_uring)",
				     COPYOFF_TRAIT_HOST),
	.least_once = LEAST_ONCE,
	.probe = uring_probe,
	.copy = uring_copy,
	.close = uring_close,
};
