/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * sys_uring.h - the seam to io_uring: the calls that enter the kernel, and the
 * completions that come out of it
 */
#ifndef COPYOFF_SYS_URING_H
#define COPYOFF_SYS_URING_H

#include <liburing.h>
#include <stdbool.h>
#include <stdint.h>

/* 0 if rings can be made, or why not; makes none. */
int copyoff_sys_uring_allowed(void);

int copyoff_sys_uring_setup(struct io_uring *ring, unsigned entries);
void copyoff_sys_uring_exit(struct io_uring *ring);
int copyoff_sys_uring_register(struct io_uring *ring, const struct iovec *v, unsigned n);

/* Requests handed to the kernel by this call, or -errno if none. */
int copyoff_sys_uring_submit(struct io_uring *ring);

/* Wait until there is a completion. */
int copyoff_sys_uring_wait(struct io_uring *ring);

/* Take one completion, if there is one. */
bool copyoff_sys_uring_next(struct io_uring *ring, uint64_t *user_data, int *res);

#endif
