/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * nvme_flight_test.c - the backend nvme: commands in flight at the same time
 *
 * They are carried out in any order.  Limits are such that a command has 4 KiB.
 */
#include "nvme_world.h"

#include <errno.h>
#include <string.h>

enum { PIECE = 4096, PIECES = 40, ORDERS = 8 };

/* An order of execution for each test of a loop. */
static void fly(unsigned order)
{
	reach = 1 << 20;
	w.flight = order + 1;
	set_limits(8, 8, 0);
}

static unsigned flown(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < w.n_commands; i++)
		n += w.commands[i].flew;
	return n;
}

START_TEST(test_all)
{
	fly((unsigned)_i);
	use("nvme");
	ck_assert_int_eq(copy(PART1, 0, PART2, 512, PIECES * PIECE, 0), PIECES * PIECE);
	ck_assert_uint_eq(w.n_commands, PIECES);
	ck_assert_uint_eq(flown(), PIECES);
	ck_assert_uint_eq(w.most_flying, 8);
	/* The ring is kept, the character device is not. */
	ck_assert_int_eq(w.rings, 1);
	ck_assert_int_eq(w.open, 0);
	ck_assert_int_eq(copy(PART1, 512, PART2, 0, PIECES * PIECE, 0), PIECES * PIECE);
	ck_assert_uint_eq(flown(), 2 * PIECES);
	ck_assert_int_eq(w.rings, 1);
}
END_TEST

/* Sources that are scattered, with commands that take several of them. */
START_TEST(test_scattered)
{
	struct copyoff_range v[100];

	fly((unsigned)_i);
	set_limits(8, 30, 6);
	for (int i = 0; i < 100; i++)
		v[i] = (struct copyoff_range){ (99 - i) * 8192, i * 4096, 4096 };
	use("nvme");
	ck_assert_int_eq(copyv(PART1, PART2, v, 100, 0), 100 * 4096);
	check_bytes(PART1, PART2, v, 100, 100 * 4096);
	ck_assert_uint_eq(flown(), w.n_commands);
	ck_assert_uint_eq(w.n_commands, (100 * 8 + 29) / 30);
}
END_TEST

START_TEST(test_depth)
{
	static const unsigned depths[] = { 1, 2, 3, PIECES, 64 };
	const unsigned depth = depths[_i];

	ctx.depth = depth;
	fly(0);
	use("nvme");
	ck_assert_int_eq(copy(PART1, 0, PART2, 0, PIECES * PIECE, 0), PIECES * PIECE);
	ck_assert_uint_eq(flown(), depth == 1 ? 0 : PIECES);
	ck_assert_uint_eq(w.most_flying, depth == 1 ? 0 : depth < PIECES ? depth : PIECES);
}
END_TEST

/* What fits one command needs no ring. */
START_TEST(test_one_command)
{
	fly(0);
	use("nvme");
	ck_assert_int_eq(copy(PART1, 0, PART2, 0, PIECE, 0), PIECE);
	ck_assert_uint_eq(w.n_commands, 1);
	ck_assert_int_eq(w.rings, 0);
}
END_TEST

START_TEST(test_between_namespaces)
{
	fly((unsigned)_i);
	reach = 0;
	set_second();
	use("nvme");
	ck_assert_int_eq(copy(DISK, 0, OTHER, 0, PIECES * PIECE, 0), PIECES * PIECE);
	ck_assert_int_eq(copy(OTHER, 512, DISK, 4096, PIECES * PIECE, 0), PIECES * PIECE);
	ck_assert_uint_eq(flown(), 2 * PIECES);
}
END_TEST

START_TEST(test_protection)
{
	fly((unsigned)_i);
	set_protection(1, 0, 0);
	use("nvme");
	ck_assert_int_eq(copy(PART1, 0, PART2, 512, PIECES * PIECE, 0), PIECES * PIECE);
	ck_assert_uint_eq(flown(), PIECES);
}
END_TEST

/*
 * One cannot be read: what is before counts, whatever became of those behind it;
 * others do the rest, or it is an error.
 */
START_TEST(test_bad_block)
{
	const uint64_t bad = (uint64_t)_i * PIECE * 4 / 3 / 512 * 512, whole = bad / PIECE * PIECE;
	int64_t ret;

	fly((unsigned)_i);
	w.bad = true;
	w.bad_block = (nodes[1].base + bad) / BLOCK;
	use("nvme,readwrite");
	ck_assert_int_eq(copy(PART1, 0, PART2, 0, PIECES * PIECE, 0), PIECES * PIECE);
	ck_assert_uint_eq(copied_by("nvme"), whole);
	ck_assert_uint_eq(copied_by("readwrite"), PIECES * PIECE - whole);
	ret = copy(PART1, 0, PART2, 0, PIECES * PIECE, COPYOFF_REQUIRE_OFFLOAD);
	ck_assert_int_eq(ret, whole ? (int64_t)whole : -EIO);
	ck_assert_int_eq(ctx.result.error, EIO);
	ck_assert_ptr_nonnull(strstr(ctx.message, "unrecovered read error"));
}
END_TEST

/* Of the command that failed, the ranges that it did count. */
START_TEST(test_part_of_a_command)
{
	fly((unsigned)_i);
	set_limits(2, 8, 3);
	w.bad = true;
	w.bad_block = (nodes[1].base + 5 * PIECE + 2500) / BLOCK;
	use("nvme,readwrite");
	ck_assert_int_eq(copy(PART1, 0, PART2, 0, PIECES * PIECE, 0), PIECES * PIECE);
	ck_assert_uint_eq(copied_by("nvme"), 5 * PIECE + 2048);
}
END_TEST

/* Canceled: it is not sent again, and nothing of it counts. */
START_TEST(test_canceled)
{
	fly((unsigned)_i);
	for (int i = 0; i < 8; i++)
		script((struct step){ -EINTR, 1, false, 0 });
	use("nvme,readwrite");
	ck_assert_int_eq(copy(PART1, 0, PART2, 0, PIECES * PIECE, 0), PIECES * PIECE);
	ck_assert_uint_eq(copied_by("nvme"), 0);
	ck_assert_uint_eq(w.n_commands, 8);
	ck_assert_int_eq(offer()->error, EIO);
}
END_TEST

/*
 * One that is not the first: those before it count, and it is sent once more, alone.
 * How often it is, in any order of execution, shows its address.
 */
START_TEST(test_failed_later)
{
	const int errs[] = { -EINTR, -EIO, 0x281, 0x371 };
	const uint64_t bad = (nodes[2].base + 3 * PIECE) / BLOCK;
	unsigned sent = 0;

	fly((unsigned)_i);
	w.failing = bad;
	w.fails = errs[_i % 4];
	use("nvme,readwrite");
	ck_assert_int_eq(copy(PART1, 0, PART2, 0, PIECES * PIECE, 0), PIECES * PIECE);
	ck_assert_uint_eq(copied_by("nvme"), 3 * PIECE);
	ck_assert_uint_eq(copied_by("readwrite"), (PIECES - 3) * PIECE);
	for (unsigned i = 0; i < w.n_commands; i++)
		sent += w.commands[i].sdlba == bad;
	ck_assert_uint_eq(sent, 2);
	ck_assert(!w.commands[w.n_commands - 1].flew);
}
END_TEST

/* Not now, but the next time. */
START_TEST(test_short_of_descriptors)
{
	fly(0);
	w.open_generic = _i ? -ENOMEM : -EMFILE;
	use("nvme");
	ck_assert_int_eq(copy(PART1, 0, PART2, 0, PIECES * PIECE, 0), PIECES * PIECE);
	ck_assert_uint_eq(flown(), 0);
	ck_assert_int_eq(copy(PART1, 0, PART2, 0, PIECES * PIECE, 0), PIECES * PIECE);
	ck_assert_uint_eq(flown(), PIECES);
}
END_TEST

/* It comes back: those before it count, and it is sent again. */
START_TEST(test_retry)
{
	fly((unsigned)_i);
	for (int i = 0; i < 3; i++)
		script((struct step){ 0x370, 0, false, 0 });
	use("nvme");
	ck_assert_int_eq(copy(PART1, 0, PART2, 0, PIECES * PIECE, 0), PIECES * PIECE);
}
END_TEST

/* Narrower limits are found out by the command that is sent alone. */
START_TEST(test_narrower)
{
	fly((unsigned)_i);
	w.limits_after = 5;
	w.mssrl_then = 3;
	w.mcl_then = 7;
	w.msrc_then = 2;
	use("nvme");
	ck_assert_int_eq(copy(PART1, 0, PART2, 0, PIECES * PIECE, 0), PIECES * PIECE);
}
END_TEST

/* Without rights, with other numbers, without io_uring: one after the other. */
START_TEST(test_no_flight)
{
	unsigned calls;

	fly(0);
	use("nvme");
	if (_i == 0)
		w.generic_moves = true;
	else if (_i == 1)
		w.flight = 0; /* no such device */
	else /* the first call that is new fails, and the rest is done without */
		w.ring_open = _i == 2 ? -ENOSYS : -EPERM;
	ck_assert_int_eq(copy(PART1, 0, PART2, 0, PIECES * PIECE, 0), PIECES * PIECE);
	ck_assert_uint_eq(w.n_commands, PIECES);
	ck_assert_uint_eq(flown(), 0);
	/* And it is not tried again for this pair. */
	calls = w.generic_read;
	w.ring_open = 0;
	w.generic_moves = false;
	ck_assert_int_eq(copy(PART1, 0, PART2, 0, PIECES * PIECE, 0), PIECES * PIECE);
	ck_assert_uint_eq(w.generic_read, calls);
	ck_assert_uint_eq(flown(), 0);
}
END_TEST

/* The kernel does not take commands there: nothing was carried out. */
START_TEST(test_refused)
{
	static const int errs[] = { -EOPNOTSUPP, -EINVAL, -EACCES, -EAGAIN };

	fly((unsigned)_i);
	w.refuse_flight = errs[_i];
	use("nvme");
	ck_assert_int_eq(copy(PART1, 0, PART2, 0, PIECES * PIECE, 0), PIECES * PIECE);
	ck_assert_uint_eq(w.n_commands, PIECES);
	ck_assert_uint_eq(flown(), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("nvme_flight");
	TCase *tc = tcase_create("nvme_flight");

	tcase_set_timeout(tc, 120);
	fill();
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test_all, 0, ORDERS);
	tcase_add_loop_test(tc, test_scattered, 0, ORDERS);
	tcase_add_loop_test(tc, test_depth, 0, 5);
	tcase_add_test(tc, test_one_command);
	tcase_add_loop_test(tc, test_between_namespaces, 0, ORDERS);
	tcase_add_loop_test(tc, test_protection, 0, ORDERS);
	tcase_add_loop_test(tc, test_bad_block, 0, PIECES * 3 / 4);
	tcase_add_loop_test(tc, test_part_of_a_command, 0, ORDERS);
	tcase_add_loop_test(tc, test_canceled, 0, ORDERS);
	tcase_add_loop_test(tc, test_failed_later, 0, 4 * ORDERS);
	tcase_add_loop_test(tc, test_short_of_descriptors, 0, 2);
	tcase_add_loop_test(tc, test_retry, 0, ORDERS);
	tcase_add_loop_test(tc, test_narrower, 0, ORDERS);
	tcase_add_loop_test(tc, test_no_flight, 0, 4);
	tcase_add_loop_test(tc, test_refused, 0, 4);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
