/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
#include "bench.h"

#include <errno.h>

const bool ring_built = false;

int ring_init(void)
{
	return 0;
}

void ring_exit(void)
{
}

int run_ring_4(const struct competitor *c, const struct copy *copy)
{
	(void)c;
	(void)copy;
	return -ENOSYS;
}

int run_ring_8(const struct competitor *c, const struct copy *copy)
{
	return run_ring_4(c, copy);
}
