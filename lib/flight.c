/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * flight.c - see flight.h
 */
#include "flight.h"

struct run {
	const struct copyoff_flight *flight;
	/* Numbers of commands: the first one that does not count yet, and of those sent. */
	unsigned first, sent, flying;
	bool stop; /* send no more */
	int err; /* of one that could not be sent */
};

static unsigned tag_of(const struct run *run, unsigned n)
{
	return n % run->flight->depth;
}

static struct copyoff_flight_slot *slot_of(const struct run *run, unsigned n)
{
	return &run->flight->slots[tag_of(run, n)];
}

static bool may_send(const struct run *run)
{
	return !run->stop && run->sent - run->first < run->flight->depth &&
	       run->flight->more(run->flight->data);
}

static void send_next(struct run *run)
{
	run->err = run->flight->send(run->flight->data, tag_of(run, run->sent));
	if (run->err < 0) {
		run->stop = true;
		return;
	}
	*slot_of(run, run->sent) = (struct copyoff_flight_slot){ .flying = true };
	run->sent++;
	run->flying++;
}

static void came_back(struct run *run, struct copyoff_flight_slot *slot, int ret)
{
	*slot = (struct copyoff_flight_slot){ .ret = ret };
	run->stop |= ret != 0;
	run->flying--;
}

/* They are lost, each of them. */
static void lose_all(struct run *run, int err)
{
	for (unsigned n = run->first; n != run->sent; n++) {
		if (slot_of(run, n)->flying)
			came_back(run, slot_of(run, n), err);
	}
}

/* Whatever comes back first. */
static void wait_for_one(struct run *run)
{
	unsigned tag = 0;
	int ret = 0;
	int err = run->flight->wait(run->flight->data, &tag, &ret);

	if (err < 0)
		lose_all(run, err);
	else
		came_back(run, &run->flight->slots[tag], ret);
}

/* Those that are done without a gap; and the first that failed, when all are back. */
static int count(struct run *run)
{
	for (; run->first != run->sent; run->first++) {
		const struct copyoff_flight_slot *slot = slot_of(run, run->first);

		if (slot->flying || (slot->ret != 0 && run->flying > 0))
			return 0;
		run->flight->done(run->flight->data, tag_of(run, run->first), slot->ret);
		if (slot->ret != 0)
			return slot->ret;
	}
	return 0;
}

int copyoff_flight_run(const struct copyoff_flight *flight)
{
	struct run run = { .flight = flight };
	int ret;

	do {
		while (may_send(&run))
			send_next(&run);
		if (run.flying > 0)
			wait_for_one(&run);
		ret = count(&run);
	} while (run.flying > 0 || may_send(&run));
	return ret ? ret : run.err;
}
