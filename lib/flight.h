/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * flight.h - commands in flight at the same time, of which a prefix counts
 *
 * Commands are sent in the order of the copy, and come back in any.  They may be
 * carried out in any order, too: no range of a copy overlaps a destination of it.
 * What counts is what was done without a gap: behind that, bytes may have been
 * copied as well.
 */
#ifndef COPYOFF_FLIGHT_H
#define COPYOFF_FLIGHT_H

#include <stdbool.h>

struct copyoff_flight_slot {
	bool flying;
	int ret; /* of the command, when it has come back */
};

struct copyoff_flight {
	/* The n-th command is in slot n % depth, which is its tag. */
	struct copyoff_flight_slot *slots;
	unsigned depth; /* at least 1 */
	void *data; /* what the functions are called with */
	/* Is there one that was not sent yet? */
	bool (*more)(void *data);
	/* Send the next one.  -errno: it was not, and no other one is to be. */
	int (*send)(void *data, unsigned tag);
	/*
	 * Wait for any that is in flight: sets its @tag, and @ret to 0 if it did all
	 * that it was to do.  -errno: none will come back any more.
	 */
	int (*wait)(void *data, unsigned *tag, int *ret);
	/*
	 * In the order of the copy: of each that did all, and then of the first one
	 * that did not, when all have come back.
	 */
	void (*done)(void *data, unsigned tag, int ret);
};

/*
 * Send all that there are, until one does not do all; then no more are sent, and those
 * in flight are waited for.  0; or what the first one that failed came back with; or
 * -errno, also if it could not be sent.
 */
int copyoff_flight_run(const struct copyoff_flight *flight);

#endif
