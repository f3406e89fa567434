/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * sys_uring.c - the seam to io_uring, by liburing
 */
#define _GNU_SOURCE
#include "sys_uring.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The kernel looks at rights first, then at its arguments. */
int copyoff_sys_uring_allowed(void)
{
	long ret = syscall(SYS_io_uring_setup, 0, NULL);

	return ret < 0 && errno != EFAULT && errno != EINVAL ? -errno : 0;
}

int copyoff_sys_uring_setup(struct io_uring *ring, unsigned entries)
{
	return io_uring_queue_init(entries, ring, 0);
}

void copyoff_sys_uring_exit(struct io_uring *ring)
{
	io_uring_queue_exit(ring);
}

int copyoff_sys_uring_register(struct io_uring *ring, const struct iovec *v, unsigned n)
{
	return io_uring_register_buffers(ring, v, n);
}

int copyoff_sys_uring_submit(struct io_uring *ring)
{
	return io_uring_submit(ring);
}

int copyoff_sys_uring_wait(struct io_uring *ring)
{
	struct io_uring_cqe *cqe;

	return io_uring_wait_cqe(ring, &cqe);
}

bool copyoff_sys_uring_next(struct io_uring *ring, uint64_t *user_data, int *res)
{
	struct io_uring_cqe *cqe;

	if (io_uring_peek_cqe(ring, &cqe) != 0)
		return false;
	*user_data = cqe->user_data;
	*res = cqe->res;
	io_uring_cqe_seen(ring, cqe);
	return true;
}
