/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * inject_uring.c - the wrappers around the functions of lib/sys_uring.h
 *
 * What the kernel was given it uses until it is complete, so requests really
 * are submitted, all or half of them, or none; a wait fails when it is over; a
 * completion is falsified after it was taken.
 */
#include "inject.h"

#include "sys_uring.h"

#define WRAP(type, name, params)                                                                   \
	type __real_copyoff_sys_##name params;                                                     \
	type __wrap_copyoff_sys_##name params;                                                     \
	type __wrap_copyoff_sys_##name params

WRAP(int, uring_allowed, (void))
{
	if (inject_strike(FAULT_uring_allowed))
		return -inject.fault.err;
	return __real_copyoff_sys_uring_allowed();
}

WRAP(int, uring_setup, (struct io_uring * ring, unsigned entries))
{
	int ret;

	if (inject_strike(FAULT_uring_setup))
		return -inject.fault.err;
	ret = __real_copyoff_sys_uring_setup(ring, entries);
	inject_live.rings += ret == 0;
	return ret;
}

WRAP(void, uring_exit, (struct io_uring * ring))
{
	inject_strike(FAULT_uring_exit);
	inject_live.rings--;
	__real_copyoff_sys_uring_exit(ring);
}

WRAP(int, uring_register, (struct io_uring * ring, const struct iovec *v, unsigned n))
{
	if (inject_strike(FAULT_uring_register))
		return -inject.fault.err;
	return __real_copyoff_sys_uring_register(ring, v, n);
}

int __real_copyoff_sys_uring_submit(struct io_uring *ring);

/* Hide the last @n requests from one call of io_uring_submit(). */
static int submit_without(struct io_uring *ring, unsigned n)
{
	int ret;

	ring->sq.sqe_tail -= n;
	ret = __real_copyoff_sys_uring_submit(ring);
	ring->sq.sqe_tail += n;
	return ret;
}

WRAP(int, uring_submit, (struct io_uring * ring))
{
	unsigned n = ring->sq.sqe_tail - ring->sq.sqe_head;

	inject_moving(FAULT_uring_submit);
	switch (inject_strike(FAULT_uring_submit)) {
	case FAULT_ERRNO:
		return -inject.fault.err;
	case FAULT_ZERO:
		return 0;
	case FAULT_HALF:
		return submit_without(ring, n - (n + 1) / 2);
	case FAULT_ONE:
		return submit_without(ring, n > 1 ? n - 1 : 0);
	case FAULT_NONE:
	case FAULT_MORE: /* liburing reports no more than there is */
		break;
	}
	return __real_copyoff_sys_uring_submit(ring);
}

WRAP(int, uring_wait, (struct io_uring * ring))
{
	bool fails = inject_strike(FAULT_uring_wait);
	int ret = __real_copyoff_sys_uring_wait(ring);

	return fails ? -inject.fault.err : ret;
}

static int falsified(enum fault_kind kind, int res)
{
	switch (kind) {
	case FAULT_ERRNO:
		return -inject.fault.err;
	case FAULT_HALF:
		return (int)inject_shortened(res, res / 2, true);
	case FAULT_ONE:
		return (int)inject_shortened(res, 1, true);
	case FAULT_ZERO:
		return res > 0 ? 0 : res;
	case FAULT_MORE:
		return res >= 0 ? res + (1 << 20) : res; /* more than any request here */
	case FAULT_NONE:
		break;
	}
	return res;
}

WRAP(bool, uring_next, (struct io_uring * ring, uint64_t *user_data, int *res))
{
	if (!__real_copyoff_sys_uring_next(ring, user_data, res))
		return false;
	inject.dirty = true;
	*res = falsified(inject_strike(FAULT_uring_next), *res);
	return true;
}
