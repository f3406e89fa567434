/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * odx_zero_test.c - holes that SCSI disks make by the token for zeroes
 */
#include "scsi_world.h"
#include "unit.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum {
	WRITE = 0x11,
	ABORT = 0x1c,
	INFORMATION = 0x07,
	FOREVER = 1 << 30,
	PIECE = WORLD_LEAST_ZEROES, /* of the file: hole, data, hole, data */
	TOTAL = 4 * PIECE,
};

/* The file has zeroes in its holes, and they are all that reads of it find there. */
static void make_file(uint64_t piece)
{
	w.holes = piece;
	for (uint64_t at = 0; at < TOTAL + 65536; at += 2 * piece)
		memset(content[0] + world_base(A1) + at, 0, (size_t)piece);
}

/* Of both, as it was at first: all tests may be in one process. */
static unsigned char pristine[2][TOTAL + 65536];

static void keep_content(void)
{
	memcpy(pristine[0], content[0] + world_base(A1), sizeof(pristine[0]));
	memcpy(pristine[1], content[1] + world_base(B1), sizeof(pristine[1]));
}

static void setup(void)
{
	memcpy(content[0] + world_base(A1), pristine[0], sizeof(pristine[0]));
	memcpy(content[1] + world_base(B1), pristine[1], sizeof(pristine[1]));
	world_begin(512);
	w.reach = TOTAL + 65536;
	make_file(PIECE);
	world_use("odx,readwrite");
}

static struct scsi_target_faults *faults(void)
{
	return scsi_target_faults(w.target);
}

static unsigned tokens_written(void)
{
	return (unsigned)scsi_target_counts(w.target)->copy[WRITE];
}

/* That of the destination alone. */
static const struct copyoff_offer *offer(void)
{
	return &ctx.routes[1].offers[copyoff_registry_find("odx", 3)];
}

/* The file is copied, and all of it is right; holes of so many bytes are made by the disk. */
static void expect_zeroes(uint64_t bytes)
{
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, TOTAL, COPYOFF_SPARSE), TOTAL);
	ck_assert_uint_eq(world_copied_by("odx"), bytes);
	ck_assert_uint_eq(ctx.result.bytes_offloaded, bytes);
	ck_assert_uint_eq(world_copied_by("readwrite"), TOTAL - bytes);
}

static void without(unsigned what)
{
	struct scsi_target_unit_options a = world_options(512, 0), b = world_options(512, 1);

	b.without = what;
	world_disks(&a, &b);
}

static void script_write(unsigned count, unsigned char key, unsigned char asc, unsigned char ascq)
{
	faults()->answers[0] = (struct scsi_target_answer){ .opcode = 0x83,
							    .action = WRITE,
							    .count = count,
							    .status = 0x02,
							    .key = key,
							    .asc = asc,
							    .ascq = ascq };
}

/* --- it works --------------------------------------------------------------------------- */

START_TEST(test_holes)
{
	expect_zeroes(2 * PIECE);
	/* INQUIRY, capacity, name, page and rights, each for both ends, which are one. */
	ck_assert_uint_eq(w.commands, 10 + 2 * 2);
	ck_assert_uint_eq(tokens_written(), 2);
	ck_assert_uint_eq(scsi_target_counts(w.target)->copy[0x10], 0);
	ck_assert_str_eq(ctx.result.backend, "readwrite");
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, PIECE, COPYOFF_SPARSE), PIECE);
	ck_assert_str_eq(ctx.result.backend, "odx");
	ck_assert_int_eq(w.open, 0);
	/* The context remembers. */
	w.commands = 0;
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, TOTAL, COPYOFF_SPARSE), TOTAL);
	ck_assert_uint_eq(w.commands, 2 * 2);
}
END_TEST

/* Verified, too. */
START_TEST(test_verified)
{
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, TOTAL, COPYOFF_SPARSE | COPYOFF_VERIFY), TOTAL);
	ck_assert_uint_eq(world_copied_by("odx"), 2 * PIECE);
}
END_TEST

START_TEST(test_caches)
{
	const uint64_t dst = world_base(B1) + 2 * PIECE;

	expect_zeroes(2 * PIECE);
	ck_assert(w.flushed_out.start <= dst && w.flushed_out.end >= dst + PIECE);
	ck_assert(w.dropped.start <= dst && w.dropped.end >= dst + PIECE);
}
END_TEST

/* Pages that stay are overwritten: by zeroes, not by what is read from the device. */
START_TEST(test_caches_that_stay)
{
	static unsigned char old[PIECE];

	w.cached = true;
	memcpy(old, content[1] + world_base(B1), PIECE);
	w.read_error = -EIO; /* of the first read of a device, which is one of data */
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, TOTAL, COPYOFF_SPARSE), PIECE);
	ck_assert_uint_eq(world_copied_by("odx"), PIECE);
	ck_assert_uint_ge(w.writes, 1);
	ck_assert_int_ne(memcmp(old, content[1] + world_base(B1), PIECE), 0);
}
END_TEST

/* As much as the device takes at once; what is left then is written. */
START_TEST(test_limits)
{
	struct scsi_target_unit_options a = world_options(512, 0), b = world_options(512, 1);

	make_file(2 * PIECE);
	b.limits.token_blocks = _i ? 3000 : 2048 - 1;
	world_disks(&a, &b);
	expect_zeroes(_i ? 3000 * 512 : 0);
	ck_assert_uint_eq(tokens_written(), _i ? 1 : 0);
}
END_TEST

START_TEST(test_short_writes)
{
	faults()->write_blocks = 50;
	expect_zeroes(2 * PIECE);
	ck_assert_uint_eq(tokens_written(), 2 * ((2048 + 49) / 50));
}
END_TEST

START_TEST(test_polling)
{
	faults()->polls = 3;
	expect_zeroes(2 * PIECE);
	ck_assert_uint_eq(w.pauses, 2 * 3);
}
END_TEST

/* --- it is not used ------------------------------------------------------------------------ */

static void punched_by_kernel(void)
{
	w.punches = true;
}
static void small_holes(void)
{
	make_file(PIECE / 2);
}
static void only_readwrite(void)
{
	world_use("readwrite");
}

static void (*const unused[])(void) = { punched_by_kernel, small_holes, only_readwrite };

START_TEST(test_unused)
{
	unused[_i]();
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, TOTAL, COPYOFF_SPARSE), TOTAL);
	ck_assert_uint_gt(w.punched, 0);
	ck_assert_uint_eq(w.commands, 0);
	ck_assert_uint_eq(ctx.n_routes, 1); /* no other one was forgotten for it */
}
END_TEST

START_TEST(test_unused_without_sparse)
{
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, TOTAL, 0), TOTAL);
	ck_assert_uint_eq(w.commands, 0);
}
END_TEST

/* Holes are made where there is somebody to copy what is between them. */
START_TEST(test_unused_for_offload)
{
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, TOTAL, COPYOFF_SPARSE | COPYOFF_REQUIRE_OFFLOAD),
			 -EOPNOTSUPP);
	ck_assert_uint_eq(w.copies, 0);
}
END_TEST

START_TEST(test_unused_without_raw)
{
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, TOTAL, COPYOFF_SPARSE | COPYOFF_NO_RAW), TOTAL);
	ck_assert_uint_eq(w.commands, 0);
	ck_assert_uint_eq(ctx.n_routes, 1);
}
END_TEST

/* To find out takes longer than to write so little. */
START_TEST(test_unused_once)
{
	ctx.once = true;
	ctx.named = 0;
	w.holes = 4 * PIECE;
	memset(content[0] + world_base(A1), 0, PIECE);
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, PIECE - 512, COPYOFF_SPARSE), PIECE - 512);
	ck_assert_uint_eq(w.commands, 0);
	w.holes = PIECE;
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, TOTAL, COPYOFF_SPARSE), TOTAL);
	ck_assert_uint_eq(tokens_written(), 2);
}
END_TEST

/* A hole at an odd place is written. */
START_TEST(test_unaligned)
{
	ck_assert_int_eq(world_copy(A1, 0, B1, 100, TOTAL, COPYOFF_SPARSE), TOTAL);
	ck_assert_uint_eq(tokens_written(), 0);
	/* Pages do not matter, as those of the kernel do. */
	ck_assert_int_eq(world_copy(A1, 0, B1, 512, TOTAL, COPYOFF_SPARSE), TOTAL);
	ck_assert_uint_eq(tokens_written(), 2);
}
END_TEST

/* --- it cannot be used --------------------------------------------------------------------- */

static void no_zeroes(void)
{
	without(SCSI_TARGET_NO_ZERO_TOKEN);
}
static void no_tokens(void)
{
	without(SCSI_TARGET_NO_ODX);
}
static void no_page(void)
{
	without(SCSI_TARGET_NO_VPD_8F);
}
static void not_allowed(void)
{
	world_script(0x84, INFORMATION)->ret = -EPERM;
}
static void in_use(void)
{
	w.claim = -EBUSY;
}

static void (*const refusals[])(void) = { no_zeroes, no_tokens, no_page, not_allowed, in_use };

START_TEST(test_refused)
{
	refusals[_i]();
	expect_zeroes(0);
	ck_assert_uint_eq(tokens_written(), 0);
	ck_assert_uint_eq(w.flushed_out.end, 0);
	/* Nobody is asked twice in a call. */
	ck_assert_uint_le(w.commands, 10);
	ck_assert_int_eq(ctx.result.error, 0);
}
END_TEST

/* --- it fails ---------------------------------------------------------------------------------- */

static const struct failure {
	unsigned char key, asc, ascq;
	unsigned tried; /* commands until it is given up */
	bool for_good; /* for this pair */
} failures[] = {
	{ 0x5, 0x23, 0x02, 1, true }, /* token not taken */
	{ 0x5, 0x23, 0x07, 1, false }, /* expired, as if that could be */
	{ 0x5, 0x20, 0x00, 1, true }, /* invalid opcode */
	{ 0x7, 0x27, 0x00, 1, false }, /* write protected: final in a copy */
	{ 0x3, 0x0c, 0x00, 1, false }, /* medium error */
	{ 0xd, 0x00, 0x00, 1, false }, /* volume overflow */
	{ 0x6, 0x29, 0x00, 6, false }, /* reset, again and again */
	{ 0x5, 0x55, 0x0c, 9, false }, /* no resources */
};

/* What odx said last. */
static char said[400];

static void listen(void *data, const char *line)
{
	(void)data;
	if (strstr(line, "odx"))
		snprintf(said, sizeof(said), "%s", line);
}

/* Then data is written, in the whole call; later calls may try again. */
START_TEST(test_fails)
{
	const struct failure *f = &failures[_i];

	script_write(FOREVER, f->key, f->asc, f->ascq);
	said[0] = '\0';
	ctx.log = listen;
	expect_zeroes(0);
	ctx.log = NULL;
	ck_assert_uint_eq(tokens_written(), f->tried);
	ck_assert_int_eq(ctx.result.error, 0);
	ck_assert_ptr_nonnull(strstr(said, offer()->text));
	ck_assert_uint_eq(ctx.stats[copyoff_registry_find("odx", 3)].declines, 1);
	ck_assert_uint_eq(ctx.stats[copyoff_registry_find("odx", 3)].errors, 0);
	memset(faults(), 0, sizeof(*faults()));
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, TOTAL, COPYOFF_SPARSE), TOTAL);
	ck_assert_uint_eq(world_copied_by("odx"), f->for_good ? 0 : 2 * PIECE);
	/* It copies all the same. */
	world_use("odx");
	ck_assert_int_eq(world_copy(B1, 0, B1, 2 * PIECE, 65536, 0), 65536);
}
END_TEST

/* In the middle: it has done what is before, says so, and the rest is written. */
START_TEST(test_bad_block)
{
	make_file(2 * PIECE);
	faults()->bad[0] =
		(struct scsi_target_bad){ 1, world_base(B1) / 512 + 100, 1, false, true };
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, TOTAL, COPYOFF_SPARSE), TOTAL);
	ck_assert_uint_eq(world_copied_by("odx"), 100 * 512);
	ck_assert_uint_eq(world_copied_by("readwrite"), TOTAL - 100 * 512);
}
END_TEST

static int deferred_then_good(unsigned lun, struct copyoff_scsi_command *c)
{
	return c->cdb[0] == 0x83 ? world_defer(c) : world_ask_target(lun, c);
}

/* Old bytes of the destination got lost: nobody else will be told. */
START_TEST(test_flush_fails)
{
	struct copyoff_range r = { 0, 0, TOTAL };

	w.flush_fails = 1 + (unsigned)_i;
	ck_assert_int_eq(world_copyv(A1, B1, &r, 1, COPYOFF_SPARSE | COPYOFF_SYNC), -EIO);
	ck_assert_uint_eq(w.flush_fails, 0);
	ck_assert_ptr_nonnull(strstr(ctx.message, "before is lost"));
	world_check(A1, B1, &r, 1, 0);
}
END_TEST

/* An error of before is not lost. */
START_TEST(test_deferred)
{
	w.answer = deferred_then_good;
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, TOTAL, COPYOFF_SPARSE), -EIO);
	ck_assert_ptr_nonnull(strstr(ctx.message, "earlier command"));
}
END_TEST

static int deferred_when_asked(unsigned lun, struct copyoff_scsi_command *c)
{
	return c->cdb[0] == 0x12 ? world_defer(c) : world_ask_target(lun, c);
}

/* Nor when the disk is only asked what it can. */
START_TEST(test_deferred_in_probe)
{
	w.answer = deferred_when_asked;
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, TOTAL, COPYOFF_SPARSE), -EIO);
	ck_assert_ptr_nonnull(strstr(ctx.message, "earlier command"));
}
END_TEST

static int endless(unsigned lun, struct copyoff_scsi_command *c)
{
	faults()->polls = FOREVER;
	return world_ask_target(lun, c);
}

/* Zeroes that may still be written later: that is an error of the call. */
START_TEST(test_out_of_control)
{
	without(SCSI_TARGET_NO_ABORT);
	w.answer = endless;
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, TOTAL, COPYOFF_SPARSE), -ETIMEDOUT);
	ck_assert_uint_eq(world_copied_by("readwrite"), 0);
}
END_TEST

static int lying(unsigned lun, struct copyoff_scsi_command *c)
{
	enum { LBA_END = 536 + 7 };

	if (c->cdb[0] == 0x83 && c->cdb[1] == WRITE)
		((unsigned char *)c->data)[LBA_END] ^= 0x80;
	return world_ask_target(lun, c);
}

/* A device that writes somewhere else is found out. */
START_TEST(test_lie_is_verified)
{
	struct copyoff_range r = { 0, 0, TOTAL };

	w.answer = lying;
	ck_assert_int_eq(world_copyv(A1, B1, &r, 1, COPYOFF_SPARSE | COPYOFF_VERIFY), -EIO);
	ck_assert_ptr_nonnull(strstr(ctx.message, "verification of a hole"));
	ck_assert_str_eq(ctx.result.backend, "none");
}
END_TEST

/* --- canceled ------------------------------------------------------------------------------------ */

struct user {
	unsigned patience, asked;
};

static int stop_soon(void *data, uint64_t done, uint64_t total)
{
	struct user *user = data;

	ck_assert_uint_le(done, total);
	return ++user->asked >= user->patience;
}

/* While the disk makes zeroes: it is stopped, and what it has made counts. */
START_TEST(test_canceled)
{
	struct user user = { 1 + (unsigned)_i * 30, 0 };
	int64_t ret;

	faults()->polls = 1;
	faults()->stall_ms = 60 * 1000;
	ctx.progress = stop_soon;
	ctx.progress_data = &user;
	ret = world_copy(A1, 0, B1, 0, TOTAL, COPYOFF_SPARSE);
	ck_assert_int_eq(ret,
			 world_copied_by("odx") ? (int64_t)world_copied_by("odx") : -ECANCELED);
	ck_assert_int_lt(ret, PIECE);
	ck_assert_int_eq(ret > 0, _i);
	ck_assert_uint_eq(user.asked, user.patience);
	ck_assert_uint_eq(world_copied_by("readwrite"), 0);
	ck_assert_uint_eq(scsi_target_counts(w.target)->copy[ABORT], 1);
	ck_assert_int_eq(ctx.result.error, ECANCELED);
}
END_TEST

/* Between two pieces. */
START_TEST(test_canceled_between)
{
	struct user user = { 3, 0 };

	faults()->write_blocks = 50;
	ctx.progress = stop_soon;
	ctx.progress_data = &user;
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, TOTAL, COPYOFF_SPARSE), 3 * 50 * 512);
	ck_assert_int_eq(ctx.result.error, ECANCELED);
	ck_assert_uint_eq(tokens_written(), 3);
}
END_TEST

/* --- what becomes of the disk in the meantime ---------------------------------------------------- */

START_TEST(test_set_up_anew)
{
	expect_zeroes(2 * PIECE);
	w.sequence = 0; /* it is looked at again */
	without(SCSI_TARGET_NO_ZERO_TOKEN);
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, TOTAL, COPYOFF_SPARSE), TOTAL);
	ck_assert_uint_eq(tokens_written(), 0);
	ck_assert_uint_eq(world_copied_by("odx"), 2 * PIECE);
}
END_TEST

START_TEST(test_changed_under_way)
{
	w.sequence_changes = 2;
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, TOTAL, COPYOFF_SPARSE), -EIO);
}
END_TEST

/* --- all of it ------------------------------------------------------------------------------------- */

enum { ROUNDS = 200 };

static void random_faults(uint64_t *state)
{
	struct scsi_target_faults *f = faults();

	memset(f, 0, sizeof(*f));
	w.n_scripts = 0;
	f->write_blocks = random_below(state, 2) ? 1 + random_below(state, 3000) : 0;
	f->polls = (unsigned)random_below(state, 4);
	f->stall_ms = random_below(state, 8) ? 0 : (unsigned)random_below(state, 300 * 1000);
	f->descriptor_sense = random_below(state, 2);
	if (random_below(state, 3) == 0)
		f->bad[0] =
			(struct scsi_target_bad){ 1, random_below(state, 4000), 5, false, true };
	if (random_below(state, 3) == 0) {
		const struct failure *one = &failures[random_below(state, COUNT(failures))];

		script_write((unsigned)random_below(state, 3), one->key, one->asc, one->ascq);
		f->answers[0].skip = (unsigned)random_below(state, 4);
	}
	if (random_below(state, 4) == 0)
		*world_script(0, 0) = (struct script){ random_below(state, 2) ? 0x83 : 0x84,
						       -1,
						       (unsigned)random_below(state, 6),
						       (unsigned)random_below(state, 12),
						       0,
						       (uint16_t)(1 + random_below(state, 15)),
						       random_below(state, 2) };
}

/* What is counted is right, whatever happens. */
START_TEST(test_random)
{
	uint64_t state = random_seed((uint64_t)getpid());

	for (int round = 0; round < ROUNDS; round++) {
		struct scsi_target_unit_options a = world_options(512, 0), b = a;
		struct copyoff_range r = {
			(int64_t)(random_below(&state, 1000) * 512),
			(int64_t)(random_below(&state, 1000) * (random_below(&state, 4) ? 512 : 1)),
			1 + random_below(&state, 3 << 20),
		};
		int64_t ret;

		b.memory = content[1];
		b.limits.token_blocks = 1 + random_below(&state, 6000);
		b.without = random_below(&state, 4) ? 0 : SCSI_TARGET_NO_ABORT;
		world_disks(&a, &b);
		world_forget();
		random_faults(&state);
		ret = world_copy(A1, r.src, B1, r.dst, r.len, COPYOFF_SPARSE);
		ck_assert(ret == (int64_t)r.len || ctx.result.error);
		ck_assert_int_eq(w.open, 0);
	}
}
END_TEST

/* Each call of the seam fails, once, or from there on. */
START_TEST(test_each_call_fails)
{
	static const struct {
		int err;
		bool on;
	} kinds[] = { { EIO, false }, { EPERM, false }, { ENOMEM, false },
		      { EIO, true },  { ENOTTY, true }, { ENOSYS, true } };
	unsigned n = 0;

	w.fail_with = kinds[_i].err;
	w.fail_on = kinds[_i].on;
	w.sequence = _i % 2 ? 0 : 21;
	do {
		int64_t ret;

		world_forget();
		w.calls = 0;
		w.failed = false;
		w.fail_at = ++n;
		ret = world_copy(A1, 0, B1, 0, TOTAL, COPYOFF_SPARSE);
		w.fail_at = 0;
		ck_assert(ret == TOTAL || ctx.result.error);
		ck_assert_int_eq(w.open, 0);
		/* And then it works again. */
		ck_assert_int_eq(world_copy(A1, 0, B1, 0, TOTAL, COPYOFF_SPARSE), TOTAL);
	} while (w.failed);
	ck_assert_uint_gt(n, 60);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("odx_zero");
	TCase *tc = tcase_create("odx_zero");

	tcase_set_timeout(tc, 300);
	world_fill();
	keep_content();
	tcase_add_checked_fixture(tc, setup, world_end);
	tcase_add_test(tc, test_holes);
	tcase_add_test(tc, test_verified);
	tcase_add_test(tc, test_caches);
	tcase_add_test(tc, test_caches_that_stay);
	tcase_add_loop_test(tc, test_limits, 0, 2);
	tcase_add_test(tc, test_short_writes);
	tcase_add_test(tc, test_polling);
	tcase_add_loop_test(tc, test_unused, 0, COUNT(unused));
	tcase_add_test(tc, test_unused_without_sparse);
	tcase_add_test(tc, test_unused_for_offload);
	tcase_add_test(tc, test_unused_without_raw);
	tcase_add_test(tc, test_unused_once);
	tcase_add_test(tc, test_unaligned);
	tcase_add_loop_test(tc, test_refused, 0, COUNT(refusals));
	tcase_add_loop_test(tc, test_fails, 0, COUNT(failures));
	tcase_add_test(tc, test_bad_block);
	tcase_add_loop_test(tc, test_flush_fails, 0, 6);
	tcase_add_test(tc, test_deferred);
	tcase_add_test(tc, test_deferred_in_probe);
	tcase_add_test(tc, test_out_of_control);
	tcase_add_test(tc, test_lie_is_verified);
	tcase_add_loop_test(tc, test_canceled, 0, 2);
	tcase_add_test(tc, test_canceled_between);
	tcase_add_test(tc, test_set_up_anew);
	tcase_add_test(tc, test_changed_under_way);
	tcase_add_test(tc, test_random);
	tcase_add_loop_test(tc, test_each_call_fails, 0, 6);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
