/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * ring.c - what one would write by hand: N slots, each reads and then writes
 * 256 KiB in a registered buffer
 */
#define _GNU_SOURCE /* liburing.h */
#include "bench.h"

#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS = 8, CHUNK = 256 << 10, PAGE = 4096 };

struct slot {
	size_t off;
	unsigned len;
	bool writing;
};

static struct io_uring ring;
static char *memory;
static bool ready;

const bool ring_built = true;

int ring_init(void)
{
	struct iovec v[SLOTS];
	void *p;
	int ret;

	if (posix_memalign(&p, PAGE, SLOTS * CHUNK) != 0)
		return -ENOMEM;
	memory = p;
	memset(memory, 1, SLOTS * CHUNK);
	for (size_t i = 0; i < SLOTS; i++)
		v[i] = (struct iovec){ memory + i * CHUNK, CHUNK };
	ret = io_uring_queue_init(SLOTS, &ring, 0);
	if (ret < 0)
		return ret;
	ready = true;
	return io_uring_register_buffers(&ring, v, SLOTS);
}

void ring_exit(void)
{
	if (ready)
		io_uring_queue_exit(&ring);
	free(memory);
}

/* One copy under way. */
struct job {
	const struct copy *copy;
	struct slot slots[SLOTS];
	size_t next; /* where the next piece begins */
	unsigned flying;
	int err;
};

static void queue(struct job *job, size_t i)
{
	const struct copy *copy = job->copy;
	const struct slot *slot = &job->slots[i];
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
	char *buf = memory + i * CHUNK;

	if (slot->writing)
		io_uring_prep_write_fixed(sqe, copy->out, buf, slot->len,
					  (uint64_t)copy->dst + slot->off, (int)i);
	else
		io_uring_prep_read_fixed(sqe, copy->in, buf, slot->len,
					 (uint64_t)copy->src + slot->off, (int)i);
	io_uring_sqe_set_data64(sqe, i);
	job->flying++;
}

static void start(struct job *job, size_t i)
{
	size_t left = job->copy->len - job->next;

	if (left == 0 || job->err)
		return;
	job->slots[i] = (struct slot){ job->next, (unsigned)(left < CHUNK ? left : CHUNK), false };
	job->next += job->slots[i].len;
	queue(job, i);
}

/* Short reads and writes do not happen here, and are not provided for. */
static void completed(struct job *job, size_t i, int res)
{
	struct slot *slot = &job->slots[i];

	job->flying--;
	if (res != (int)slot->len)
		job->err = res < 0 ? res : -EIO;
	if (job->err || slot->writing) {
		start(job, i);
		return;
	}
	slot->writing = true;
	queue(job, i);
}

static int run_ring(const struct copy *copy, size_t depth)
{
	struct job job = { .copy = copy };

	for (size_t i = 0; i < depth; i++)
		start(&job, i);
	while (job.flying > 0) {
		struct io_uring_cqe *cqe;

		io_uring_submit_and_wait(&ring, 1);
		while (job.flying > 0 && io_uring_peek_cqe(&ring, &cqe) == 0) {
			size_t i = (size_t)io_uring_cqe_get_data64(cqe);
			int res = cqe->res;

			io_uring_cqe_seen(&ring, cqe);
			completed(&job, i, res);
		}
	}
	return job.err;
}

int run_ring_4(const struct competitor *c, const struct copy *copy)
{
	(void)c;
	return run_ring(copy, 4);
}

int run_ring_8(const struct competitor *c, const struct copy *copy)
{
	(void)c;
	return run_ring(copy, 8);
}
