/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * nvme.c - how long Copy commands take that are in flight at the same time
 *
 *	bench-nvme CHARACTER-DEVICE MIB
 *
 * From the beginning of a namespace, whose generic device this is, to its middle, by
 * io_uring, each as large as the limits allow, without anything around them.
 * Prints lines "METHOD SECONDS COMMANDS".
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/nvme_ioctl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { DEPTH = 8, RANGES_MOST = 256, RANGE_BYTES = 32, BLOCK = 512 };

static uint64_t len, half; /* bytes; where it goes to */
static int generic;

static void check(int ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void print(const char *method, double seconds, uint64_t commands)
{
	printf("%-24s %7.3f %6llu\n", method, seconds, (unsigned long long)commands);
	fflush(stdout);
}

/* --- several in flight ------------------------------------------------------------- */

struct limits {
	uint32_t range, total, ranges; /* blocks in a range, in a command, ranges */
	uint32_t nsid;
};

static uint64_t le(const unsigned char *p, int n)
{
	return n ? p[0] | le(p + 1, n - 1) << 8 : 0;
}

static void find_limits(struct limits *l)
{
	static unsigned char id[4096];
	struct nvme_passthru_cmd c = { .opcode = 6, .addr = (uintptr_t)id, .data_len = 4096 };

	l->nsid = c.nsid = (uint32_t)ioctl(generic, NVME_IOCTL_ID);
	check(ioctl(generic, NVME_IOCTL_ADMIN_CMD, &c) == 0, "Identify");
	l->range = (uint32_t)le(id + 74, 2);
	l->total = (uint32_t)le(id + 76, 4);
	l->ranges = id[80] + 1u;
}

/* The command at @slba; how many blocks it has. */
static uint64_t prepare(struct io_uring_sqe *sqe, const struct limits *l, uint64_t slba,
			unsigned char *list)
{
	uint64_t sdlba = slba + half / BLOCK, done = 0, left = len / BLOCK - slba;
	struct nvme_uring_cmd *c = (struct nvme_uring_cmd *)(void *)((char *)sqe + 48);
	unsigned n = 0;

	memset(sqe, 0, 128);
	memset(list, 0, RANGES_MOST * RANGE_BYTES);
	while (n < l->ranges && done < l->total && done < left) {
		uint64_t some = l->range, at = slba + done;

		some = some < l->total - done ? some : l->total - done;
		some = some < left - done ? some : left - done;
		memcpy(list + n * RANGE_BYTES + 8, &at, 8);
		list[n * RANGE_BYTES + 16] = (unsigned char)(some - 1);
		list[n * RANGE_BYTES + 17] = (unsigned char)((some - 1) >> 8);
		done += some;
		n++;
	}
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = generic;
	sqe->cmd_op = NVME_URING_CMD_IO;
	*c = (struct nvme_uring_cmd){
		.opcode = 0x19,
		.nsid = l->nsid,
		.addr = (uintptr_t)list,
		.data_len = n * RANGE_BYTES,
		.cdw10 = (uint32_t)sdlba,
		.cdw11 = (uint32_t)(sdlba >> 32),
		.cdw12 = n - 1,
	};
	return done;
}

static void in_flight(unsigned depth, const char *method)
{
	static unsigned char lists[DEPTH][RANGES_MOST * RANGE_BYTES];
	struct io_uring_params params = { .flags = IORING_SETUP_SQE128 | IORING_SETUP_CQE32 };
	unsigned slots[DEPTH], n_free = depth, flying = 0;
	struct io_uring_cqe *cqe;
	struct io_uring ring;
	struct limits l;
	uint64_t slba = 0, commands = 0;
	double start;

	find_limits(&l);
	errno = -io_uring_queue_init_params(DEPTH, &ring, &params);
	check(errno == 0, "io_uring");
	for (unsigned i = 0; i < depth; i++)
		slots[i] = i;
	start = now();
	while (slba < len / BLOCK || flying > 0) {
		while (n_free > 0 && slba < len / BLOCK) {
			struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
			unsigned slot = slots[--n_free];

			slba += prepare(sqe, &l, slba, lists[slot]);
			sqe->user_data = slot;
			flying++;
			commands++;
		}
		check(io_uring_submit_and_wait(&ring, 1) >= 0, "submit");
		while (io_uring_peek_cqe(&ring, &cqe) == 0) {
			check(cqe->res == 0, "Copy");
			slots[n_free++] = (unsigned)cqe->user_data;
			flying--;
			io_uring_cqe_seen(&ring, cqe);
		}
	}
	print(method, now() - start, commands);
	io_uring_queue_exit(&ring);
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: bench-nvme CHARACTER-DEVICE MIB\n");
		return 2;
	}
	len = strtoull(argv[2], NULL, 10) << 20;
	half = len;
	generic = open(argv[1], O_RDWR | O_CLOEXEC);
	check(generic >= 0, "open");
	for (int round = 0; round < 2; round++) {
		in_flight(1, "io_uring, 1 command");
		in_flight(4, "io_uring, 4 commands");
		in_flight(DEPTH, "io_uring, 8 commands");
	}
	return 0;
}
