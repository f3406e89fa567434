/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * xcopy_flight_test.c - the backend xcopy: commands in flight at the same time
 *
 * They are carried out in any order.  Limits are such that a command has 4 KiB.
 */
#include "../../backends/xcopy_split.h"
#include "scsi_world.h"
#include "unit.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { PIECE = 4096, PIECES = 40, ALL = PIECES * PIECE, ORDERS = 8, BUSY = 0x08 };

static void disks_with(uint8_t concurrent, uint16_t segments, uint32_t segment_bytes)
{
	struct scsi_target_unit_options a = world_options(512, 0), b = world_options(512, 1);

	a.limits = b.limits = (struct scsi_target_limits){
		.segments = segments,
		.segment_bytes = segment_bytes,
		.concurrent = concurrent,
	};
	world_disks(&a, &b);
}

static void setup(void)
{
	world_begin(512);
	disks_with(8, 1, PIECE);
	world_use("xcopy");
}

static void teardown(void)
{
	world_end();
}

/* An order of execution for each test of a loop. */
static void fly(int order)
{
	w.flight = (uint64_t)order + 1;
}

static struct scsi_target_faults *faults(void)
{
	return scsi_target_faults(w.target);
}

static const struct copyoff_offer *offer(void)
{
	return world_offer("xcopy");
}

/* The next command that comes to the target fails, or some. */
static void fail_commands(unsigned skip, unsigned count, unsigned status, unsigned key,
			  unsigned asc, unsigned ascq)
{
	faults()->answers[0] = (struct scsi_target_answer){
		.opcode = 0x83,
		.action = SCSI_TARGET_ANY_ACTION,
		.skip = skip,
		.count = count,
		.status = (unsigned char)status,
		.key = (unsigned char)key,
		.asc = (unsigned char)asc,
		.ascq = (unsigned char)ascq,
	};
}

/* A block in the @i-th piece of B1 cannot be written. */
static void bad_block(int i)
{
	faults()->bad[0] = (struct scsi_target_bad){
		.lun = 1,
		.lba = 32 + (uint64_t)i * PIECE / 512 + 3,
		.blocks = 1,
		.write = true,
	};
}

/* --- all goes well ----------------------------------------------------------------- */

START_TEST(test_all)
{
	fly(_i);
	ck_assert_int_eq(world_copy(A1, 0, B1, 512, ALL, 0), ALL);
	ck_assert_uint_eq(w.copies, PIECES);
	ck_assert_uint_eq(w.flown, PIECES);
	ck_assert_uint_eq(w.most_flying, 8);
	ck_assert_int_eq(w.open, 0);
	/* Within one disk, and back. */
	ck_assert_int_eq(world_copy(A1, 512, A2, 0, ALL, 0), ALL);
	ck_assert_int_eq(world_copy(B1, 0, A1, 1024, ALL, 0), ALL);
	ck_assert_uint_eq(w.flown, 3 * PIECES);
}
END_TEST

/* Ranges in lists of three, wherever they are. */
START_TEST(test_scattered)
{
	struct copyoff_range v[100];

	fly(_i);
	disks_with(8, 3, PIECE);
	for (int i = 0; i < 100; i++)
		v[i] = (struct copyoff_range){ (99 - i) * 8192, (i ^ 5) * 8192, 4096 };
	ck_assert_int_eq(world_copyv(A1, B1, v, 100, 0), 100 * 4096);
	world_check(A1, B1, v, 100, 100 * 4096);
	ck_assert_uint_eq(w.flown, 34);
	ck_assert_uint_eq(scsi_target_counts(w.target)->segments, 100);
}
END_TEST

/* As many as the device takes, the user wants, and the kernel passes. */
START_TEST(test_depth)
{
	static const struct {
		uint8_t concurrent;
		unsigned depth, flying;
	} rows[] = {
		{ 1, 0, 0 }, { 2, 0, 2 },  { 8, 1, 0 },    { 8, 2, 2 },    { 8, 64, 8 },
		{ 9, 0, 8 }, { 9, 64, 9 }, { 16, 64, 16 }, { 17, 64, 16 }, { 255, 64, 16 },
	};

	fly(0);
	disks_with(rows[_i].concurrent, 1, PIECE);
	ctx.depth = rows[_i].depth;
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, ALL, 0), ALL);
	ck_assert_uint_eq(w.copies, PIECES);
	ck_assert_uint_eq(w.flown, rows[_i].flying ? PIECES : 0);
	ck_assert_uint_eq(w.most_flying, rows[_i].flying);
}
END_TEST

/* Together they are no more than one command may be. */
START_TEST(test_sizes_of_4096)
{
	struct scsi_target_unit_options a = world_options(4096, 0), b = world_options(4096, 1);
	static const struct {
		uint8_t concurrent;
		uint64_t range;
	} rows[] = { { 1, 65528ull * 4096 },
		     { 2, 128 << 20 },
		     { 3, (256 << 20) / 3 / 4096 * 4096 },
		     { 9, 32 << 20 } };

	world_end();
	world_begin(4096);
	a.limits = b.limits = (struct scsi_target_limits){ .concurrent = rows[_i].concurrent };
	world_disks(&a, &b);
	world_use("xcopy");
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, PIECE, 0), PIECE);
	ck_assert_uint_eq(offer()->limits.max_range, rows[_i].range);
}
END_TEST

/* As many ranges as segments, and as long as they are no more than it may have. */
START_TEST(test_split)
{
	const struct copyoff_xcopy_target target = { .block = 512, .segments = 3, .bytes = 100 };
	static const struct {
		uint64_t len[4];
		size_t n, takes;
	} rows[] = {
		{ { 1, 1, 1, 1 }, 4, 3 },   { { 1, 1, 1, 1 }, 2, 2 },   { { 100, 1, 1, 1 }, 4, 1 },
		{ { 99, 1, 1, 1 }, 4, 2 },  { { 50, 49, 1, 1 }, 4, 3 }, { { 50, 49, 2, 1 }, 4, 2 },
		{ { 1, 100, 1, 1 }, 4, 1 }, { { 100, 1, 1, 1 }, 1, 1 },
	};
	struct copyoff_range v[4];

	for (size_t i = 0; i < 4; i++)
		v[i] = (struct copyoff_range){ 0, 0, rows[_i].len[i] };
	ck_assert_uint_eq(copyoff_xcopy_next(&target, v, rows[_i].n), rows[_i].takes);
}
END_TEST

/* What fits one command needs no character device. */
START_TEST(test_one_command)
{
	fly(0);
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, PIECE, 0), PIECE);
	ck_assert_uint_eq(w.copies, 1);
	ck_assert_uint_eq(w.flown, 0);
	ck_assert_uint_eq(w.generic_read, 0);
}
END_TEST

/* --- it cannot be had ---------------------------------------------------------------- */

/* One after the other, and it is not tried again for this pair. */
START_TEST(test_no_flight)
{
	static const int refusals[] = { 0, 0, -EPERM, -EACCES, -ENOENT, -ENXIO, -EPERM, -EINVAL };
	unsigned reads;

	fly(0);
	w.sequence = _i % 2 ? 21 : 0; /* all is asked for anew each time */
	w.flight = _i > 0;
	w.generic_moves = _i == 1;
	w.open_generic = _i < 6 ? refusals[_i] : 0;
	w.refuse_flight = _i < 6 ? 0 : refusals[_i];
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, ALL, 0), ALL);
	ck_assert_uint_eq(w.copies, PIECES);
	ck_assert_uint_eq(w.flown, 0);
	reads = w.generic_read;
	w.generic_moves = false;
	w.refuse_flight = 0;
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, ALL, 0), ALL);
	ck_assert_uint_eq(w.flown, 0);
	ck_assert_uint_eq(w.generic_read, reads);
}
END_TEST

/* Not now, but with the next command. */
START_TEST(test_not_now)
{
	static const int errs[] = { -EMFILE, -ENFILE, -ENOMEM, -EBUSY };

	fly(0);
	w.open_generic = errs[_i];
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, ALL, 0), ALL);
	ck_assert_uint_eq(w.flown, PIECES - 1);
	ck_assert_uint_eq(w.copies, PIECES);
}
END_TEST

/* --- some fail ------------------------------------------------------------------------- */

/*
 * What is before the one that failed counts, whatever became of those behind it; others
 * do the rest, or it is an error.
 */
START_TEST(test_bad_block)
{
	int64_t ret;

	fly(_i * 7);
	world_use("xcopy,readwrite");
	bad_block(_i);
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, ALL, 0), ALL);
	ck_assert_uint_eq(world_copied_by("xcopy"), (uint64_t)_i * PIECE);
	ck_assert_uint_eq(world_copied_by("readwrite"), (uint64_t)(PIECES - _i) * PIECE);
	ret = world_copy(A1, 0, B1, 0, ALL, COPYOFF_REQUIRE_OFFLOAD);
	ck_assert_int_eq(ret, _i ? _i * PIECE : -EIO);
	ck_assert_int_eq(ctx.result.error, EIO);
}
END_TEST

/* Of the command that failed, the segments that it did count: it is sent again, alone. */
START_TEST(test_part_of_a_command)
{
	const int bad = 3 + _i % 5;

	fly(_i);
	disks_with(8, 4, PIECE);
	world_use("xcopy,readwrite");
	bad_block(bad);
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, ALL, 0), ALL);
	ck_assert_uint_eq(world_copied_by("xcopy"), (uint64_t)bad * PIECE);
}
END_TEST

/* What passes when it is sent again; and then they fly again. */
START_TEST(test_passing)
{
	static const unsigned char rows[][4] = {
		{ BUSY }, { 0x28 }, { 2, 6, 0x29, 0 }, { 2, 5, 0x00, 0x16 }, { 2, 0xb, 0x47, 3 }
	};
	const unsigned char *row = rows[_i % 5];
	const unsigned skip = (unsigned)_i / 5;

	fly(_i);
	fail_commands(skip, 3, row[0], row[1], row[2], row[3]);
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, ALL, 0), ALL);
	ck_assert_uint_eq(world_copied_by("xcopy"), ALL);
	ck_assert_uint_ge(w.copies, PIECES + 3);
	ck_assert_uint_ge(w.flown, PIECES - 3);
	ck_assert_uint_gt(w.flown, skip);
	ck_assert_uint_lt(w.flown, w.copies);
	w.flown = 0;
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, ALL, 0), ALL);
	ck_assert_uint_eq(w.flown, PIECES);
}
END_TEST

/* The device takes fewer segments than it says. */
START_TEST(test_fewer_segments)
{
	fly(_i);
	disks_with(8, 4, PIECE);
	fail_commands(0, 9, 2, 5, 0x26, 8);
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, ALL, 0), ALL);
	w.flown = w.copies = 0;
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, ALL, 0), ALL);
	ck_assert_uint_eq(w.flown, PIECES);
}
END_TEST

/* Final: what is before counts, and others are not asked. */
START_TEST(test_final)
{
	static const struct {
		unsigned char status, key, asc, ascq;
		int error;
	} rows[] = { { 2, 7, 0x27, 0, EROFS },
		     { 2, 7, 0x27, 7, ENOSPC },
		     { 0x18, 0, 0, 0, EACCES } };
	const unsigned skip = (unsigned)_i / 3;
	int64_t ret;

	fly(_i);
	world_use("xcopy,readwrite");
	fail_commands(skip, 1000, rows[_i % 3].status, rows[_i % 3].key, rows[_i % 3].asc,
		      rows[_i % 3].ascq);
	ret = world_copy(A1, 0, B1, 0, ALL, 0);
	ck_assert(ret > 0 ? ret <= skip * PIECE : ret == -rows[_i % 3].error);
	ck_assert_int_eq(ctx.result.error, rows[_i % 3].error);
	/* Alone once more, to see whether it is so. */
	ck_assert_uint_eq(w.copies, w.flown + 1);
	ck_assert_uint_eq(w.writes, 0);
}
END_TEST

/* Once, of an earlier command: who asks again gets no answer to that. */
static unsigned deferred_at;

static int deferred_error(unsigned lun, struct copyoff_scsi_command *c)
{
	const bool is_due = c->cdb[0] == 0x83 && w.landed == deferred_at;

	return is_due ? world_defer(c) : world_ask_target(lun, c);
}

START_TEST(test_deferred)
{
	deferred_at = (unsigned)_i;
	fly(_i);
	w.answer = deferred_error;
	world_use("xcopy,readwrite");
	/* Whatever was copied before. */
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, ALL, 0), -EIO);
	ck_assert_uint_eq(w.flown, w.copies);
	ck_assert_uint_eq(w.writes, 0);
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, ALL, 0), ALL);
}
END_TEST

/* --- no answers -------------------------------------------------------------------------- */

/* It took too long, or the adapter failed: nothing is sent again at once. */
START_TEST(test_time_out)
{
	fly(_i);
	*world_script(0x83, -1) = (struct script){ 0x83, -1, 0, 1000, 0, 3, _i % 2 };
	world_use("xcopy,readwrite");
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, ALL, 0), ALL);
	ck_assert_uint_eq(world_copied_by("xcopy"), 0);
	ck_assert_uint_eq(w.copies, 8);
	ck_assert_int_eq(offer()->error, ETIMEDOUT);
	/* Nothing of it stays in the cache. */
	ck_assert_uint_eq(w.dropped.start, world_base(B1));
	ck_assert_uint_ge(w.dropped.end, world_base(B1) + ALL);
}
END_TEST

/* One that is not the first: those before it count, and it is not sent again, either. */
START_TEST(test_later_time_out)
{
	fly(_i);
	*world_script(0x83, -1) = (struct script){ 0x83, -1, 20, 1000, 0, 3, _i % 2 };
	world_use("xcopy,readwrite");
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, ALL, 0), ALL);
	ck_assert_uint_eq(w.copies, w.flown);
	ck_assert_uint_le(world_copied_by("xcopy"), 20 * PIECE);
	ck_assert_int_eq(offer()->error, ETIMEDOUT);
}
END_TEST

/*
 * The disk says no more, and may be at it still: what is written there later must not be
 * taken for copied.
 */
START_TEST(test_lost)
{
	fly(_i);
	w.lose_after = (unsigned)_i;
	world_use("xcopy,readwrite");
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, ALL, 0), -ETIMEDOUT);
	ck_assert_uint_eq(w.landed, w.lose_after);
	ck_assert_uint_eq(w.writes, 0);
	ck_assert_int_eq(w.open, 0);
	/* It gets no more commands. */
	w.copies = 0;
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, ALL, 0), ALL);
	ck_assert_uint_eq(w.copies, 0);
	ck_assert_int_eq(offer()->reason, COPYOFF_REASON_MISBEHAVED);
}
END_TEST

/* Also where an earlier error was reported before: that is said, too. */
START_TEST(test_lost_and_deferred)
{
	deferred_at = 0;
	fly(_i);
	w.answer = deferred_error;
	w.lose_after = 1;
	world_use("xcopy,readwrite");
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, ALL, 0), -ETIMEDOUT);
	ck_assert_ptr_nonnull(strstr(ctx.message, "got lost"));
	ck_assert_ptr_nonnull(strstr(ctx.message, "earlier command failed; at source"));
	w.copies = 0;
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, ALL, 0), ALL);
	ck_assert_uint_eq(w.copies, 0);
}
END_TEST

/* And where the first one failed: it is not sent again. */
START_TEST(test_lost_and_failed)
{
	fly(_i);
	w.lose_after = 1 + (unsigned)_i % 4;
	fail_commands(0, 1000, BUSY, 0, 0, 0);
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, ALL, 0), -ETIMEDOUT);
	ck_assert_uint_eq(w.copies, w.flown);
	ck_assert_uint_eq(w.pauses, 0);
	ck_assert_ptr_nonnull(strstr(ctx.message, "got lost"));
}
END_TEST

/* --- canceled ------------------------------------------------------------------------------ */

static struct {
	unsigned calls, cancel_at;
} seen;

static int note(void *data, uint64_t done, uint64_t total)
{
	(void)data;
	ck_assert_uint_le(done, total);
	return ++seen.calls >= seen.cancel_at;
}

/* No more are sent, and those in flight are waited for. */
START_TEST(test_canceled)
{
	int64_t ret;

	fly(_i);
	seen.calls = 0;
	seen.cancel_at = 1 + (unsigned)_i;
	ctx.progress = note;
	ret = world_copy(A1, 0, B1, 0, ALL, 0);
	ck_assert(ret == -ECANCELED || (ret > 0 && ret < ALL));
	ck_assert_int_eq(ctx.result.error, ECANCELED);
	ck_assert_uint_lt(w.flown, PIECES);
	ck_assert_uint_eq(w.landed, w.flown);
	ck_assert_uint_eq(seen.calls, seen.cancel_at);
	ck_assert_uint_eq(w.copies, w.flown);
}
END_TEST

/* Also where all that were in flight have failed. */
START_TEST(test_canceled_and_failed)
{
	fly(_i);
	seen.calls = 0;
	seen.cancel_at = 1;
	ctx.progress = note;
	fail_commands(0, 1000, BUSY, 0, 0, 0);
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, ALL, 0), -ECANCELED);
	ck_assert_uint_eq(w.copies, 8);
}
END_TEST

/* --- random -------------------------------------------------------------------------------- */

enum { ROUNDS = 300, RANGES_MOST = 60 };

static size_t random_ranges(uint64_t *state, struct copyoff_range *v)
{
	size_t n = 1 + (size_t)random_below(state, RANGES_MOST);
	uint64_t dst = random_below(state, 100) * 512;

	for (size_t i = 0; i < n; i++) {
		v[i].len = random_below(state, 30) * 512;
		v[i].src = (int64_t)(random_below(state, 1000) * 512);
		v[i].dst = (int64_t)dst;
		dst += v[i].len + random_below(state, 4) * 512;
	}
	return n;
}

static void random_faults(uint64_t *state)
{
	static const unsigned char rows[][4] = {
		{ BUSY },          { 0x18 },       { 2, 3, 0x0c, 0 },
		{ 2, 5, 0, 0x16 }, { 2, 5, 0x20 }, { 2, 5, 0x26, 8 },
		{ 2, 6, 0x29 },    { 2, 7, 0x27 }, { 2, 0xa, 0xd, 2 },
	};
	const unsigned char *row = rows[random_below(state, COUNT(rows))];

	memset(faults(), 0, sizeof(*faults()));
	w.n_scripts = 0;
	w.landed = 0;
	w.lose_after = random_below(state, 10) ? 0 : 1 + (unsigned)random_below(state, 20);
	if (random_below(state, 2))
		bad_block((int)random_below(state, 100));
	if (random_below(state, 2))
		fail_commands((unsigned)random_below(state, 30), (unsigned)random_below(state, 4),
			      row[0], row[1], row[2], row[3]);
	faults()->answers[0].blocks = random_below(state, 3) ? 0 : random_below(state, 20);
	if (random_below(state, 4) == 0)
		*world_script(0x83, -1) = (struct script){
			0x83,
			-1,
			(unsigned)random_below(state, 20),
			1,
			0,
			(uint16_t)(1 + random_below(state, 0x0f)),
			random_below(state, 2),
		};
}

START_TEST(test_random)
{
	struct copyoff_range v[RANGES_MOST];
	uint64_t state = random_seed((uint64_t)getpid());

	for (int round = 0; round < ROUNDS; round++) {
		uint64_t total = 0;
		size_t n = random_ranges(&state, v);
		int64_t ret;

		fly((int)random_below(&state, 1000));
		disks_with((uint8_t)(1 + random_below(&state, 20)),
			   (uint16_t)(1 + random_below(&state, 5)),
			   (uint32_t)(1 + random_below(&state, 20)) * 512);
		ctx.depth = (unsigned)random_below(&state, 20);
		world_use(random_below(&state, 2) ? "xcopy,readwrite" : "xcopy");
		world_forget();
		random_faults(&state);
		for (size_t i = 0; i < n; i++)
			total += v[i].len;
		ret = world_copyv(A1, B1, v, n, 0);
		ck_assert(ret == (int64_t)total || ctx.result.error);
		world_check(A1, B1, v, n, ret > 0 ? (uint64_t)ret : 0);
	}
	/* The random numbers did test something. */
	ck_assert_uint_gt(w.flown, ROUNDS);
}
END_TEST

/* Each call of the seam fails, once, or from there on. */
START_TEST(test_each_call_fails)
{
	static const struct {
		int err;
		bool on;
	} kinds[] = { { EIO, false },    { EPERM, false }, { EINTR, false }, { ENOMEM, false },
		      { ENODEV, false }, { EIO, true },    { ENOTTY, true }, { ENOSYS, true } };
	const struct copyoff_range v = { 8192, 512, 12 * PIECE };
	unsigned n = 0;

	do {
		int64_t ret;

		fly((int)n);
		w.fail_with = kinds[_i].err;
		w.fail_on = kinds[_i].on;
		world_use(n % 2 ? "xcopy,readwrite" : "xcopy");
		world_forget();
		w.calls = 0;
		w.failed = false;
		w.fail_at = ++n;
		ret = world_copyv(A1, B1, &v, 1, 0);
		w.fail_at = 0;
		world_check(A1, B1, &v, 1, ret > 0 ? (uint64_t)ret : 0);
		ck_assert(ret == 12 * PIECE || ctx.result.error);
		ck_assert_int_eq(w.open, 0);
		/* And then it works again. */
		ret = world_copyv(A1, B1, &v, 1, 0);
		world_check(A1, B1, &v, 1, ret > 0 ? (uint64_t)ret : 0);
		if (n % 2 == 0)
			ck_assert_int_eq(ret, 12 * PIECE);
	} while (w.failed || n % 2);
	ck_assert_uint_gt(n, 80);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("xcopy_flight");
	TCase *tc = tcase_create("xcopy_flight");

	tcase_set_timeout(tc, 300);
	world_fill();
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test_all, 0, ORDERS);
	tcase_add_loop_test(tc, test_scattered, 0, ORDERS);
	tcase_add_loop_test(tc, test_depth, 0, 10);
	tcase_add_loop_test(tc, test_sizes_of_4096, 0, 4);
	tcase_add_loop_test(tc, test_split, 0, 8);
	tcase_add_test(tc, test_one_command);
	tcase_add_loop_test(tc, test_no_flight, 0, 8);
	tcase_add_loop_test(tc, test_not_now, 0, 4);
	tcase_add_loop_test(tc, test_bad_block, 0, PIECES);
	tcase_add_loop_test(tc, test_part_of_a_command, 0, 2 * ORDERS);
	tcase_add_loop_test(tc, test_passing, 0, 5 * ORDERS);
	tcase_add_loop_test(tc, test_fewer_segments, 0, ORDERS);
	tcase_add_loop_test(tc, test_final, 0, 3 * ORDERS);
	tcase_add_loop_test(tc, test_deferred, 0, 2 * ORDERS);
	tcase_add_loop_test(tc, test_time_out, 0, ORDERS);
	tcase_add_loop_test(tc, test_later_time_out, 0, ORDERS);
	tcase_add_loop_test(tc, test_lost, 1, PIECES);
	tcase_add_loop_test(tc, test_lost_and_deferred, 0, ORDERS);
	tcase_add_loop_test(tc, test_lost_and_failed, 0, 2 * ORDERS);
	tcase_add_loop_test(tc, test_canceled, 0, 2 * ORDERS);
	tcase_add_loop_test(tc, test_canceled_and_failed, 0, ORDERS);
	tcase_add_test(tc, test_random);
	tcase_add_loop_test(tc, test_each_call_fails, 0, 8);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
