/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * flight_test.c - commands that come back in any order, some of which fail
 */
#include "flight.h"
#include "unit.h"

#include <errno.h>
#include <unistd.h>

enum { COMMANDS = 60, DEPTH_MOST = 20, ROUNDS = 5000, FAILED = 7 };

/* A copy of @n commands, of which some do not do all. */
static struct copy {
	uint64_t state;
	unsigned n, depth;
	unsigned fails[2]; /* these numbers; n: none */
	unsigned refused; /* cannot be sent; n: none */
	unsigned lost_after; /* so many answers; n: never */
	unsigned next, answers, done;
	unsigned flying[DEPTH_MOST]; /* numbers of commands, + 1, by tag */
	unsigned most;
	bool stopped; /* nothing may be sent any more */
	bool ended; /* the first one that failed was reported */
} c;

static unsigned in_flight(void)
{
	unsigned n = 0;

	for (unsigned tag = 0; tag < DEPTH_MOST; tag++)
		n += c.flying[tag] > 0;
	return n;
}

static bool more(void *data)
{
	ck_assert_ptr_eq(data, &c);
	return c.next < c.n;
}

static int send(void *data, unsigned tag)
{
	(void)data;
	ck_assert(!c.stopped && c.next < c.n && tag < c.depth && !c.flying[tag]);
	if (c.next == c.refused) {
		c.stopped = true;
		return -EPERM;
	}
	c.flying[tag] = ++c.next;
	if (in_flight() > c.most)
		c.most = in_flight();
	return 0;
}

static int wait_for_one(void *data, unsigned *tag, int *ret)
{
	unsigned number;

	(void)data;
	ck_assert_uint_gt(in_flight(), 0);
	if (c.answers == c.lost_after) {
		for (unsigned i = 0; i < DEPTH_MOST; i++)
			c.flying[i] = 0;
		c.stopped = true;
		return -ENODEV;
	}
	do
		*tag = (unsigned)random_below(&c.state, c.depth);
	while (!c.flying[*tag]);
	number = c.flying[*tag] - 1;
	c.flying[*tag] = 0;
	c.answers++;
	*ret = number == c.fails[0] || number == c.fails[1] ? FAILED + (int)number : 0;
	c.stopped |= *ret != 0;
	return 0;
}

/* In the order of the copy: each that did all, and the first that did not. */
static void done(void *data, unsigned tag, int ret)
{
	(void)data;
	ck_assert(!c.ended);
	ck_assert_uint_eq(tag, c.done % c.depth);
	if (ret == 0) {
		ck_assert(c.done != c.fails[0] && c.done != c.fails[1]);
		c.done++;
		return;
	}
	c.ended = true;
	ck_assert_uint_eq(in_flight(), 0);
	if (ret > 0)
		ck_assert_int_eq(ret, FAILED + (int)c.done);
	else
		ck_assert_uint_eq(c.answers, c.lost_after);
}

static int run(void)
{
	struct copyoff_flight_slot slots[DEPTH_MOST];

	return copyoff_flight_run(&(struct copyoff_flight){
		.slots = slots,
		.depth = c.depth,
		.data = &c,
		.more = more,
		.send = send,
		.wait = wait_for_one,
		.done = done,
	});
}

static void begin(uint64_t state, unsigned n, unsigned depth)
{
	c = (struct copy){ .state = state,
			   .n = n,
			   .depth = depth,
			   .fails = { n, n },
			   .refused = n,
			   .lost_after = n };
}

START_TEST(test_all)
{
	static const unsigned depths[] = { 1, 2, 7, DEPTH_MOST };

	begin(1, COMMANDS, depths[_i]);
	ck_assert_int_eq(run(), 0);
	ck_assert_uint_eq(c.done, COMMANDS);
	ck_assert_uint_eq(c.most, depths[_i]);
}
END_TEST

START_TEST(test_nothing)
{
	begin(1, 0, 3);
	ck_assert_int_eq(run(), 0);
	ck_assert_uint_eq(c.done, 0);
}
END_TEST

/* Each of them, with each depth: what is before is done, whatever became of the others. */
START_TEST(test_one_fails)
{
	for (unsigned depth = 1; depth <= DEPTH_MOST; depth++) {
		begin(depth, COMMANDS, depth);
		c.fails[0] = (unsigned)_i;
		ck_assert_int_eq(run(), FAILED + _i);
		ck_assert_uint_eq(c.done, (unsigned)_i);
		ck_assert(c.ended);
	}
}
END_TEST

START_TEST(test_refused)
{
	for (unsigned depth = 1; depth <= DEPTH_MOST; depth++) {
		begin(depth, COMMANDS, depth);
		c.refused = (unsigned)_i;
		ck_assert_int_eq(run(), -EPERM);
		/* All that were sent. */
		ck_assert_uint_eq(c.done, (unsigned)_i);
	}
}
END_TEST

START_TEST(test_random)
{
	uint64_t state = random_seed((uint64_t)getpid());

	for (int round = 0; round < ROUNDS; round++) {
		unsigned n = 1 + (unsigned)random_below(&state, COMMANDS), first;
		int ret;

		begin(random_below(&state, UINT32_MAX), n,
		      1 + (unsigned)random_below(&state, DEPTH_MOST));
		c.fails[0] = (unsigned)random_below(&state, 2 * n);
		c.fails[1] = (unsigned)random_below(&state, 2 * n);
		c.refused = (unsigned)random_below(&state, 4 * n);
		c.lost_after = (unsigned)random_below(&state, 4 * n);
		first = c.fails[0] < c.fails[1] ? c.fails[0] : c.fails[1];
		ret = run();
		ck_assert_uint_eq(in_flight(), 0);
		ck_assert_uint_le(c.done, c.next < first ? c.next : first);
		if (ret == 0)
			ck_assert_uint_eq(c.done, n);
		else if (ret == -EPERM)
			ck_assert(c.done == c.refused && c.next == c.refused);
		else if (ret == -ENODEV)
			ck_assert_uint_eq(c.answers, c.lost_after);
		else
			ck_assert_int_eq(ret, FAILED + (int)c.done);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("flight");
	TCase *tc = tcase_create("flight");

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, test_all, 0, 4);
	tcase_add_test(tc, test_nothing);
	tcase_add_loop_test(tc, test_one_fails, 0, COMMANDS);
	tcase_add_loop_test(tc, test_refused, 0, COMMANDS);
	tcase_add_test(tc, test_random);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
