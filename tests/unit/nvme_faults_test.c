/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * nvme_faults_test.c - the backend nvme: what becomes of a copy when the device fails,
 * or changes; and of the page cache
 */
#include "nvme_world.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* --- failures ------------------------------------------------------------------------------------ */

/* By the specification and by what DESIGN of the library says is final. */
static const struct row {
	int status;
	enum { DECLINED, PUT_ASIDE, AGAIN, FINAL } outcome;
	int error;
} rows[] = {
	{ 0x001, DECLINED, EOPNOTSUPP }, { 0x002, DECLINED, EOPNOTSUPP },
	{ 0x004, PUT_ASIDE, EIO },       { 0x005, PUT_ASIDE, EIO },
	{ 0x006, PUT_ASIDE, EIO },       { 0x007, PUT_ASIDE, EIO },
	{ 0x008, PUT_ASIDE, EIO },       { 0x00b, PUT_ASIDE, ENXIO },
	{ 0x00f, PUT_ASIDE, EINVAL },    { 0x020, FINAL, EROFS },
	{ 0x021, AGAIN, EBUSY },         { 0x080, PUT_ASIDE, EINVAL },
	{ 0x081, FINAL, ENOSPC },        { 0x082, AGAIN, EBUSY },
	{ 0x083, FINAL, EACCES },        { 0x084, AGAIN, EBUSY },
	{ 0x10a, DECLINED, EOPNOTSUPP }, { 0x181, PUT_ASIDE, EIO },
	{ 0x182, FINAL, EROFS },         { 0x183, DECLINED, EOPNOTSUPP },
	{ 0x185, DECLINED, EOPNOTSUPP }, { 0x186, DECLINED, EOPNOTSUPP },
	{ 0x187, PUT_ASIDE, EINVAL },    { 0x189, AGAIN, EBUSY },
	{ 0x1b8, PUT_ASIDE, EINVAL },    { 0x1b9, FINAL, ENOSPC },
	{ 0x1ba, FINAL, EROFS },         { 0x1bb, PUT_ASIDE, EIO },
	{ 0x1bc, PUT_ASIDE, EINVAL },    { 0x1bd, PUT_ASIDE, EBUSY },
	{ 0x1be, PUT_ASIDE, EBUSY },     { 0x1bf, PUT_ASIDE, EIO },
	{ 0x280, PUT_ASIDE, EIO },       { 0x281, PUT_ASIDE, EIO },
	{ 0x282, PUT_ASIDE, EIO },       { 0x283, PUT_ASIDE, EIO },
	{ 0x284, PUT_ASIDE, EIO },       { 0x286, PUT_ASIDE, EACCES },
	{ 0x287, PUT_ASIDE, EIO },       { 0x300, AGAIN, EIO },
	{ 0x301, AGAIN, EIO },           { 0x302, AGAIN, EIO },
	{ 0x303, AGAIN, EIO },           { 0x360, AGAIN, EIO },
	{ 0x370, AGAIN, EIO },           { 0x371, PUT_ASIDE, EIO },
};

static void fail_always(int ret)
{
	for (w.n_steps = 0; w.n_steps < STEPS - 1;)
		script((struct step){ ret, 0, false, 0 });
	w.step = 0;
}

/* The library reads and writes instead, or returns the error. */
START_TEST(test_status)
{
	const struct row *row = &rows[_i];
	int64_t ret;

	use("nvme,readwrite");
	fail_always(0x4000 | row->status);
	ret = copy(PART1, 0, PART2, 0, 65536 * 2, 0);
	ck_assert_int_eq(ret, row->outcome == FINAL ? -row->error : 65536 * 2);
	ck_assert_uint_eq(w.n_commands, row->outcome == AGAIN ? 4 : 1);
	ck_assert_uint_eq(copied_by("nvme"), 0);
	/* For the rest of the call, or for good? */
	fail_always(0x2000 | row->status);
	w.n_commands = 0;
	ret = copy(PART1, 0, PART2, 0, 65536, COPYOFF_REQUIRE_OFFLOAD);
	ck_assert_int_eq(ret, -row->error);
	if (row->outcome == DECLINED)
		ck_assert_uint_eq(w.n_commands, 0);
	else
		ck_assert_uint_eq(w.n_commands, row->outcome == AGAIN ? 4 : 1);
	if (row->outcome == PUT_ASIDE || row->outcome == AGAIN)
		ck_assert_ptr_nonnull(strstr(ctx.message, offer()->text));
}
END_TEST

/* All others, among them those of vendors. */
START_TEST(test_unknown_status)
{
	unsigned unknown = 0;

	for (int status = 0; status < 0x800; status++) {
		const struct copyoff_nvme_verdict *v = copyoff_nvme_verdict_of(status);
		bool listed = false;

		for (size_t i = 0; i < COUNT(rows); i++)
			listed |= rows[i].status == status;
		ck_assert_ptr_eq(v, copyoff_nvme_verdict_of(status | 0x7800));
		ck_assert_str_ne(v->text, "");
		if (listed)
			continue;
		unknown++;
		ck_assert_int_eq(v->action, COPYOFF_NVME_DECLINE);
		ck_assert_int_eq(v->reason, COPYOFF_REASON_RESOURCE);
		ck_assert_int_eq(v->error, EIO);
	}
	ck_assert_uint_eq(unknown, 0x800 - COUNT(rows));
}
END_TEST

/* A path comes back. */
START_TEST(test_retry)
{
	for (int i = 0; i < 3; i++)
		script((struct step){ 0x370, 0, false, 0 });
	use("nvme");
	ck_assert_int_eq(copy(PART1, 0, PART2, 0, 65536, 0), 65536);
	ck_assert_uint_eq(w.n_commands, 4);
}
END_TEST

static struct copyoff_range five[5];

static int64_t copy_five(unsigned flags)
{
	int64_t ret;

	for (int i = 0; i < 5; i++)
		five[i] = (struct copyoff_range){ (4 - i) * 8192, i * 4096, 4096 };
	ret = copyv(PART1, PART2, five, 5, flags);
	check_bytes(PART1, PART2, five, 5, ret > 0 ? (uint64_t)ret : 0);
	return ret;
}

/* The ranges before the one that failed count. */
START_TEST(test_partly)
{
	const int done = _i;

	script((struct step){ 0x280, (unsigned)done, false, 0 });
	script((struct step){ 0x280, 0, false, 0 });
	use("nvme,readwrite");
	ck_assert_int_eq(copy_five(0), 5 * 4096);
	ck_assert_int_eq((int64_t)copied_by("nvme"), done * 4096);
	ck_assert_int_eq((int64_t)copied_by("readwrite"), (5 - done) * 4096);
	w.step = 0;
	w.n_commands = 0;
	ck_assert_int_eq(copy_five(COPYOFF_REQUIRE_OFFLOAD), done ? done * 4096 : -EIO);
	ck_assert_int_eq(ctx.result.error, EIO);
	ck_assert_ptr_nonnull(strstr(ctx.message, "nvme: write fault, EIO"));
	ck_assert_uint_eq(w.n_commands, done ? 2 : 1);
}
END_TEST

/* A long range counts by what was copied of it. */
START_TEST(test_part_of_a_range)
{
	set_limits(8, 1024, 127);
	script((struct step){ 0x281, 3, false, 0 });
	script((struct step){ 0x281, 0, false, 0 });
	use("nvme");
	ck_assert_int_eq(copy(PART1, 0, PART2, 0, 65536, 0), 3 * 4096);
}
END_TEST

/* Numbers that cannot be true, or are not the device's. */
static const struct step lies[] = {
	{ 0x280, 0, true, 5 },
	{ 0x280, 0, true, 6 },
	{ 0x280, 0, true, UINT32_MAX },
	/* Left from another command. */
	{ 0x371, 0, true, 3 },
	{ 0x370, 0, true, 3 },
	/* Errors have no completion at all. */
	{ -EINTR, 2, true, 3 },
	{ -EIO, 2, true, 3 },
	{ -ENODEV, 2, true, 3 },
};

START_TEST(test_lies)
{
	fail_always(lies[_i].ret);
	for (size_t i = 0; i < w.n_steps; i++)
		w.steps[i] = lies[_i];
	use("nvme,readwrite");
	ck_assert_int_eq(copy_five(0), 5 * 4096);
	ck_assert_uint_eq(copied_by("nvme"), 0);
	ck_assert_uint_eq(copied_by("readwrite"), 5 * 4096);
}
END_TEST

/* Not a signal: the same command is not sent again, and a loop on EINTR ends. */
static const struct lost {
	int ret, error;
	enum copyoff_reason reason;
} losts[] = {
	{ -EINTR, EIO, COPYOFF_REASON_RESOURCE },
	{ -EAGAIN, EIO, COPYOFF_REASON_RESOURCE },
	{ -EIO, EIO, COPYOFF_REASON_RESOURCE },
	{ -ENODEV, ENODEV, COPYOFF_REASON_RESOURCE },
	{ -ENXIO, ENXIO, COPYOFF_REASON_RESOURCE },
	{ -ENOMEM, ENOMEM, COPYOFF_REASON_RESOURCE },
	{ -EINVAL, EINVAL, COPYOFF_REASON_RESOURCE },
	{ -EACCES, EACCES, COPYOFF_REASON_PERMISSION },
	{ -EPERM, EPERM, COPYOFF_REASON_PERMISSION },
	{ -ENOSYS, ENOSYS, COPYOFF_REASON_UNSUPPORTED },
};

START_TEST(test_lost)
{
	const struct lost *lost = &losts[_i];
	bool passing = lost->reason == COPYOFF_REASON_RESOURCE;

	script((struct step){ lost->ret, 3, false, 0 });
	use("nvme,readwrite");
	ck_assert_int_eq(copy_five(0), 5 * 4096);
	ck_assert_uint_eq(w.n_commands, 1);
	ck_assert_uint_eq(copied_by("nvme"), 0);
	ck_assert_int_eq(offer()->reason, lost->reason);
	ck_assert_int_eq(offer()->error, lost->error);
	/* All of it may have changed. */
	ck_assert(has_data_of(&w.dropped, nodes[2].base, nodes[2].base + 5 * 4096));
	fail_always(lost->ret);
	ck_assert_int_eq(copy_five(COPYOFF_REQUIRE_OFFLOAD), passing ? -lost->error : -EOPNOTSUPP);
}
END_TEST

/* --- limits that change ----------------------------------------------------------------------- */

static void limits_become(unsigned after, uint16_t mssrl, uint32_t mcl, uint8_t msrc)
{
	w.limits_after = after;
	w.mssrl_then = mssrl;
	w.mcl_then = mcl;
	w.msrc_then = msrc;
}

START_TEST(test_narrower)
{
	static const struct {
		uint16_t mssrl;
		uint32_t mcl;
		uint8_t msrc;
	} then[] = { { 3, 1024, 127 }, { 128, 9, 127 }, { 128, 1024, 0 }, { 3, 7, 1 } };

	limits_become(2, then[_i].mssrl, then[_i].mcl, then[_i].msrc);
	use("nvme");
	ck_assert_int_eq(copy(PART1, 0, PART2, 0, 2 << 20, 0), 2 << 20);
	ck_assert_int_eq(w.commands[1].ret, 0x4183);
	for (unsigned i = 0; i < w.n_commands; i++)
		ck_assert(i == 1 || w.commands[i].ret == 0);
	ck_assert_uint_eq(w.identifies, 3);
}
END_TEST

/* Copy was switched off, or the device refuses what it said it takes. */
START_TEST(test_no_limits)
{
	if (_i == 0)
		limits_become(2, 0, 0, 0);
	else
		script((struct step){ 0x183, 0, false, 0 });
	use("nvme,readwrite");
	ck_assert_int_eq(copy(PART1, 0, PART2, 0, 2 << 20, 0), 2 << 20);
	/* The one that failed is sent again, with what is left. */
	ck_assert_uint_eq(w.n_commands, _i == 0 ? 3 : 1);
	ck_assert_int_eq(offer()->reason, COPYOFF_REASON_UNSUPPORTED);
}
END_TEST

/* There are other limits each time, and these are not kept either. */
START_TEST(test_asked_once)
{
	fail_always(0x183);
	w.restless = true;
	use("nvme,readwrite");
	ck_assert_int_eq(copy(PART1, 0, PART2, 0, 65536, 0), 65536);
	ck_assert_uint_eq(w.n_commands, 2);
	ck_assert_uint_eq(w.identifies, 3);
}
END_TEST

/* --- what becomes of the device in the meantime -------------------------------------------------- */

START_TEST(test_other_medium)
{
	use("nvme,readwrite");
	ck_assert_int_eq(copy(PART1, 0, PART2, 0, 65536, 0), 65536);
	ck_assert_uint_eq(w.identifies, 2);
	/* Another one, with protection: found out, though the pair is known. */
	w.sequence = 0;
	set_protection(4, 0, 0);
	ck_assert_int_eq(copy(PART1, 0, PART2, 0, 65536, 0), 65536);
	ck_assert_uint_eq(w.n_commands, 1);
	expect_text("protection");
}
END_TEST

/* Kernels without sequence numbers: it is asked about each time. */
START_TEST(test_no_sequence)
{
	w.sequence = 0;
	use("nvme");
	ck_assert_int_eq(copy(PART1, 0, PART2, 0, 1 << 20, 0), 1 << 20);
	ck_assert_uint_eq(w.n_commands, 2);
	ck_assert_uint_eq(w.identifies, 2 + 2);
	set_blocks(12, 0);
	ck_assert_int_eq(copy(PART1, 0, PART2, 0, 65536, 0), -EOPNOTSUPP);
	expect_text("other blocks");
	ck_assert_uint_eq(w.n_commands, 2);
}
END_TEST

START_TEST(test_formatted)
{
	use("nvme");
	ck_assert_int_eq(copy(PART1, 0, PART2, 0, 65536, 0), 65536);
	set_blocks(12, 0);
	ck_assert_int_eq(copy(PART1, 512, PART2, 512, 65536, 0), -EOPNOTSUPP);
	expect_text("other blocks");
	ck_assert_uint_eq(w.n_commands, 1);
}
END_TEST

/* Nobody knows where the bytes went. */
START_TEST(test_changed_under_way)
{
	/* The first operation has 32 commands. */
	reach = 0;
	w.sequence_changes = 33;
	use("nvme,readwrite");
	/* Nor is what was copied before where it should be. */
	ck_assert_int_eq(copy(PART1, 0, PART2, 0, 18 << 20, 0), -EIO);
	ck_assert_uint_eq(copied_by("readwrite"), 0);
}
END_TEST

/* What lies behind the partition now is not its own. */
START_TEST(test_smaller)
{
	use("nvme");
	w.smaller = 4096;
	ck_assert_int_eq(copy(PART1, 0, PART2, 40960 * 512 - 8192, 8192, 0), -EOPNOTSUPP);
	expect_text("smaller");
	ck_assert_int_eq(copy(PART2, 40960 * 512 - 8192, PART1, 0, 8192, 0), -EOPNOTSUPP);
	ck_assert_uint_eq(w.n_commands, 0);
}
END_TEST

START_TEST(test_mounted_later)
{
	use("nvme,readwrite");
	ck_assert_int_eq(copy(PART1, 0, PART2, 0, 65536, 0), 65536);
	w.claim = -EBUSY;
	ck_assert_int_eq(copy(PART1, 0, PART2, 0, 65536, 0), 65536);
	ck_assert_uint_eq(w.n_commands, 1);
	ck_assert_int_eq(offer()->reason, COPYOFF_REASON_RESOURCE);
}
END_TEST

/* --- old kernels --------------------------------------------------------------------------------- */

START_TEST(test_old_ioctl)
{
	reach = 0;
	w.ioctl64 = -ENOTTY;
	use("nvme,readwrite");
	ck_assert_int_eq(copy(DISK, 0, DISK, 1 << 20, 1 << 20, 0), 1 << 20);
	ck_assert_uint_eq(w.n_commands, 2);
	ck_assert(w.commands[0].old_ioctl && w.commands[1].old_ioctl);
	/* Never on a partition. */
	ck_assert_int_eq(copy(PART1, 0, PART2, 0, 1 << 20, 0), 1 << 20);
	ck_assert_uint_eq(w.n_commands, 2);
}
END_TEST

/* --- page cache ------------------------------------------------------------------------------------ */

START_TEST(test_caches)
{
	const uint64_t src = nodes[1].base + 4096 * 3, dst = nodes[2].base + 4096 * 5;

	use("nvme");
	ck_assert_int_eq(copy(PART1, 4096 * 3, PART2, 4096 * 5, 65536, 0), 65536);
	ck_assert(has_data_of(&w.flushed_in, src, src + 65536));
	ck_assert(has_data_of(&w.flushed_out, dst, dst + 65536));
	ck_assert(has_data_of(&w.dropped, dst, dst + 65536));
}
END_TEST

/* Old pages stay: they are overwritten in place. */
START_TEST(test_stale)
{
	w.cached = true;
	use("nvme,readwrite");
	ck_assert_int_eq(copy(PART1, 0, PART2, 0, 65536, 0), 65536);
	ck_assert_uint_eq(copied_by("nvme"), 65536);
	ck_assert_uint_gt(w.writes, 0);
}
END_TEST

/* That fails: copying through the cache makes it right. */
START_TEST(test_stale_for_good)
{
	w.cached = true;
	w.read_error = -ENOMEM;
	use("nvme,readwrite");
	ck_assert_int_eq(copy(PART1, 0, PART2, 0, 65536, 0), 65536);
	ck_assert_uint_eq(copied_by("nvme"), 0);
	ck_assert_uint_eq(copied_by("readwrite"), 65536);
}
END_TEST

/* --- random ---------------------------------------------------------------------------------------- */

enum { ROUNDS = 500, RANGES_MOST = 40 };

static size_t random_ranges(uint64_t *state, struct copyoff_range *v)
{
	size_t n = 1 + (size_t)random_below(state, RANGES_MOST);
	uint64_t dst = random_below(state, 100) * BLOCK;

	for (size_t i = 0; i < n; i++) {
		uint64_t unit = random_below(state, 8) ? BLOCK : 1;

		v[i].len = random_below(state, 200 * BLOCK) / unit * unit;
		v[i].src = (int64_t)(random_below(state, 1000) * BLOCK);
		v[i].dst = (int64_t)dst;
		dst += v[i].len + (random_below(state, 4) ? 0 : random_below(state, 4) * BLOCK);
	}
	return n;
}

static void random_faults(uint64_t *state)
{
	w.n_steps = w.step = 0;
	while (w.n_steps < 20) {
		struct step step = { 0, 0, false, 0 };

		if (random_below(state, 3) == 0) {
			step.ret = random_below(state, 3)
					   ? rows[random_below(state, COUNT(rows))].status
					   : losts[random_below(state, 7)].ret;
			step.ranges = (unsigned)random_below(state, 5);
		}
		script(step);
	}
}

/* Whatever the device does, what is counted is copied, and nothing else is touched. */
START_TEST(test_random)
{
	struct copyoff_range v[RANGES_MOST];
	uint64_t state = random_seed((uint64_t)getpid());

	reach = 8 << 20;
	for (int round = 0; round < ROUNDS; round++) {
		uint64_t total = 0;
		size_t n = random_ranges(&state, v);
		int64_t ret;

		copyoff_ctx_fini(&ctx);
		copyoff_ctx_init(&ctx);
		use(random_below(&state, 2) ? "nvme,readwrite" : "nvme");
		w.flight = random_below(&state, 2) * (1 + random_below(&state, 1000000));
		set_limits((uint16_t)(1 + random_below(&state, 60)),
			   (uint32_t)(1 + random_below(&state, 300)),
			   (uint8_t)random_below(&state, 10));
		random_faults(&state);
		w.n_commands = 0;
		for (size_t i = 0; i < n; i++)
			total += v[i].len;
		ret = copyv(PART1, PART2, v, n, 0);
		ck_assert(ret <= (int64_t)total);
		ck_assert(ret == (int64_t)total || ctx.result.error);
		check_bytes(PART1, PART2, v, n, ret > 0 ? (uint64_t)ret : 0);
	}
}
END_TEST

/* Each call of the seam fails, once, or from there on; also with commands in flight. */
START_TEST(test_each_call_fails)
{
	static const struct {
		int err;
		bool on;
	} kinds[] = { { EIO, false }, { EACCES, false }, { EINTR, false }, { ENOMEM, false },
		      { EIO, true },  { ENOTTY, true },  { ENOSYS, true } };
	struct copyoff_range v[] = { { 8192, 512, 4096 + 512 }, { 65536, 5120, 66048 } };
	const int64_t total = 4096 + 512 + 66048;
	unsigned n = 0;

	reach = 1 << 20;
	w.fail_with = kinds[_i / 2].err;
	w.fail_on = kinds[_i / 2].on;
	w.sequence = _i / 2 % 2 ? 0 : 3;
	w.flight = (unsigned)_i % 2;
	set_limits(128, _i % 2 ? 20 : 1024, 127);
	do {
		int64_t ret;

		copyoff_ctx_fini(&ctx);
		copyoff_ctx_init(&ctx);
		use(n % 2 ? "nvme,readwrite" : "nvme");
		w.n_commands = w.calls = 0;
		w.failed = false;
		w.fail_at = ++n;
		ret = copyv(PART1, PART2, v, COUNT(v), 0);
		w.fail_at = 0;
		check_bytes(PART1, PART2, v, COUNT(v), ret > 0 ? (uint64_t)ret : 0);
		ck_assert(ret == total || ctx.result.error);
		ck_assert_int_eq(w.open, 0);
		/* And then it works again. */
		ret = copyv(PART1, PART2, v, COUNT(v), 0);
		check_bytes(PART1, PART2, v, COUNT(v), ret > 0 ? (uint64_t)ret : 0);
		if (n % 2 == 0)
			ck_assert_int_eq(ret, total);
	} while (w.failed || n % 2);
	ck_assert_uint_gt(n, 40);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("nvme_faults");
	TCase *tc = tcase_create("nvme_faults");

	tcase_set_timeout(tc, 120);
	fill();
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test_status, 0, COUNT(rows));
	tcase_add_test(tc, test_unknown_status);
	tcase_add_test(tc, test_retry);
	tcase_add_loop_test(tc, test_partly, 0, 5);
	tcase_add_test(tc, test_part_of_a_range);
	tcase_add_loop_test(tc, test_lies, 0, COUNT(lies));
	tcase_add_loop_test(tc, test_lost, 0, COUNT(losts));
	tcase_add_loop_test(tc, test_narrower, 0, 4);
	tcase_add_loop_test(tc, test_no_limits, 0, 2);
	tcase_add_test(tc, test_asked_once);
	tcase_add_test(tc, test_other_medium);
	tcase_add_test(tc, test_no_sequence);
	tcase_add_test(tc, test_formatted);
	tcase_add_test(tc, test_changed_under_way);
	tcase_add_test(tc, test_smaller);
	tcase_add_test(tc, test_mounted_later);
	tcase_add_test(tc, test_old_ioctl);
	tcase_add_test(tc, test_caches);
	tcase_add_test(tc, test_stale);
	tcase_add_test(tc, test_stale_for_good);
	tcase_add_test(tc, test_random);
	tcase_add_loop_test(tc, test_each_call_fails, 0, 2 * 7);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
