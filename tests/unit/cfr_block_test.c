/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * cfr_block_test.c - block devices in the backend copy_file_range, with kernels
 * that take them, and a disk in memory
 */
#define _GNU_SOURCE
#include "blkcopy_world.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static const char name[] = "copy_file_range";

static const struct copyoff_offer *offer(void)
{
	return offer_of(name);
}

static void expect_text(const char *text)
{
	ck_assert_msg(strstr(offer()->text, text), "\"%s\" is not in \"%s\"", text, offer()->text);
}

static void setup(void)
{
	world_setup();
	w.version = V14;
}

/* --- probe ------------------------------------------------------------------------------ */

START_TEST(test_limits)
{
	const struct copyoff_offer *o = world_probe(name, DISK, DISK, 0);

	ck_assert_msg(o->state == COPYOFF_OFFER_OPEN, "%s", o->text);
	ck_assert_uint_eq(o->limits.align, 512);
	ck_assert_uint_eq(o->limits.max_range, 64 << 20);
	ck_assert_uint_eq(o->limits.max_ranges, 1);
	ck_assert_uint_eq(o->traits, COPYOFF_TRAIT_RAW | COPYOFF_TRAIT_HOST);
	/* Of no bytes, into a read-only descriptor. */
	ck_assert_uint_eq(w.n_calls, 1);
	ck_assert_uint_eq(probes(), 1);
}
END_TEST

/* Kernels that do not take them, whatever attributes they have: asked once. */
START_TEST(test_other_kernels)
{
	static const enum version versions[] = { V5, V3, V1, RFC1, MARTIN, MIKULAS, VEC, STOCK };

	w.version = versions[_i];
	w.fixture = _i % 2 ? fixtures[V14] : NULL;
	world_probe(name, DISK, DISK, 0);
	ck_assert_int_eq(offer()->state, COPYOFF_OFFER_DECLINED);
	ck_assert_int_eq(offer()->reason, COPYOFF_REASON_FILE_TYPE);
	ck_assert_uint_eq(probes(), 1);
	world_probe(name, DISK_DIRECT, DISK, 0);
	ck_assert_uint_eq(w.n_calls, 1);
}
END_TEST

/* Kernels that do, and devices that have no such attributes, or others. */
START_TEST(test_other_attributes)
{
	static const enum version versions[] = { V5, V3, V1, RFC1, MARTIN, MIKULAS, VEC };

	w.fixture = fixtures[versions[_i]];
	world_probe(name, DISK, DISK, 0);
	ck_assert_int_eq(offer()->state, COPYOFF_OFFER_DECLINED);
	ck_assert_int_eq(offer()->reason, COPYOFF_REASON_UNSUPPORTED);
	expect_text("in another way");
	ck_assert_uint_eq(w.n_calls, 1);
}
END_TEST

static void no_limit(void)
{
	world_set("copy_max_bytes", "0");
}
static void strange_limit(void)
{
	world_set("copy_max_bytes", "-1");
}
static void in_use(void)
{
	w.claim = -EBUSY;
}
static void read_only(void)
{
	w.read_only = true;
}
static void zones(void)
{
	world_set("zoned", "host-aware");
}
static void protected(void)
{
	world_set("integrity/format", "T10-DIF-TYPE1-CRC");
}
static void raid(void)
{
	world_set("md/level", "raid0");
}
static void locked(void)
{
	w.reopen = -EBUSY;
}

static const struct refusal {
	void (*what)(void);
	int fd;
	enum copyoff_reason reason;
	int error;
	const char *text;
} refusals[] = {
	{ no_limit, DISK, COPYOFF_REASON_UNSUPPORTED, 0, "switched off" },
	{ strange_limit, DISK, COPYOFF_REASON_FAILED, EINVAL, "could not find out" },
	{ zones, DISK, COPYOFF_REASON_UNSUPPORTED, 0, "zones" },
	{ protected, DISK, COPYOFF_REASON_UNSUPPORTED, 0, "protection information" },
	{ raid, DISK, COPYOFF_REASON_UNSUPPORTED, 0, "stacked" },
	{ locked, DISK, COPYOFF_REASON_RESOURCE, EBUSY, "cannot be found out" },
	{ NULL, PART, COPYOFF_REASON_UNSUPPORTED, 0, "on partitions" },
	{ NULL, MAPPED, COPYOFF_REASON_UNSUPPORTED, 0, "device mapper" },
	{ in_use, DISK, COPYOFF_REASON_RESOURCE, EBUSY, "held" },
	{ read_only, DISK, COPYOFF_REASON_PERMISSION, EPERM, "read-only" },
};

START_TEST(test_refusal)
{
	const struct refusal *r = &refusals[_i];

	if (r->what)
		r->what();
	world_probe(name, r->fd, r->fd, 0);
	ck_assert_int_eq(offer()->state, COPYOFF_OFFER_DECLINED);
	ck_assert_int_eq(offer()->reason, r->reason);
	ck_assert_int_eq(offer()->error, r->error);
	expect_text(r->text);
	ck_assert_uint_eq(w.n_calls, probes());
}
END_TEST

/* The kernel would move pages between them. */
START_TEST(test_two_devices)
{
	world_probe(name, OTHER, DISK, 0);
	ck_assert_int_eq(offer()->reason, COPYOFF_REASON_CROSS_DEVICE);
	ck_assert_uint_eq(w.n_calls, probes());
}
END_TEST

START_TEST(test_policy)
{
	world_use(name);
	ck_assert_int_eq(world_copy(DISK, 0, DISK, 80 << 20, 65536, COPYOFF_REQUIRE_OFFLOAD),
			 -EOPNOTSUPP);
	ck_assert_uint_eq(w.copies, 0);
	ck_assert_int_eq(world_copy(DISK, 0, DISK, 80 << 20, 65536, 0), 65536);
	ck_assert_uint_eq(ctx.result.bytes_offloaded, 0);
}
END_TEST

/* --- copy ----------------------------------------------------------------------------------- */

/* By the caller's descriptors, if both are O_DIRECT; or by our own. */
START_TEST(test_copy)
{
	static const struct {
		int in, out;
		bool own;
	} cases[] = {
		{ DISK, DISK, true },
		{ DISK_DIRECT, DISK, true },
		{ DISK, DISK_DIRECT, true },
		{ DISK_DIRECT, DISK_DIRECT, false },
	};
	const int in = cases[_i].in, out = cases[_i].out;

	world_use(name);
	ck_assert_int_eq(world_copy(in, 512, out, 80 << 20, 512, 0), 512);
	ck_assert_int_eq(copy_call(0)->fd >= DIRECT, cases[_i].own);
	ck_assert_int_eq(world_copy(in, 8192, out, 81 << 20, 3 << 20, 0), 3 << 20);
	ck_assert_int_eq(world_copy(in, 0, out, DISK_BYTES - 4096, 8192, 0), 4096);
	ck_assert_int_eq(ctx.result.error, ENOSPC);
	ck_assert_uint_eq(w.copies, 3);
}
END_TEST

START_TEST(test_pieces)
{
	world_fill_more();
	world_use(name);
	ck_assert_int_eq(world_copy(DISK, 0, DISK, 80 << 20, 66 << 20, 0), 66 << 20);
	ck_assert_uint_eq(w.copies, 2);
	ck_assert_uint_eq(copy_call(0)->bytes, 64 << 20);
}
END_TEST

START_TEST(test_blocks_of_4096)
{
	w.block = 4096;
	world_use("copy_file_range,readwrite");
	ck_assert_int_eq(world_copy(DISK, 512, DISK, (80 << 20) + 512, 65536, 0), 65536);
	ck_assert_uint_eq(copied_by("readwrite"), 4096);
	ck_assert_uint_eq(copied_by(name), 65536 - 4096);
}
END_TEST

/* A small copy that is tried first, by descriptors about which nothing is known. */
START_TEST(test_shortcut)
{
	const struct copyoff_range r = { 0, 80 << 20, 4096 };

	/* Those with O_DIRECT would go behind the page cache. */
	ck_assert_int_eq(copyoff_shortcut(NULL, DISK_DIRECT, DISK, &r), COPYOFF_DECLINE);
	ck_assert_uint_eq(w.copies, 0);
	/* A pair of devices is known. */
	world_use(name);
	ck_assert_int_eq(world_copy(DISK_DIRECT, 0, DISK, 80 << 20, 65536, 0), 65536);
	ck_assert_int_eq(copyoff_shortcut(&ctx, DISK_DIRECT, DISK, &r), COPYOFF_DECLINE);
	ck_assert_uint_eq(w.copies, 1);
}
END_TEST

/* Nobody else could copy it: whatever the kernel says, there is an error. */
static const struct failure {
	struct step step;
	int error;
	enum copyoff_reason reason;
} failures[] = {
	{ { 0, 0, false, UINT64_MAX }, EIO, COPYOFF_REASON_RESOURCE },
	{ { 0, 0, true, UINT64_MAX }, EIO, COPYOFF_REASON_RESOURCE },
	{ { 0, 8192, true, 0 }, EIO, COPYOFF_REASON_RESOURCE },
	{ { -EIO, 4096, true, 0 }, EIO, COPYOFF_REASON_RESOURCE },
	{ { -EINTR, 0, true, 0 }, EIO, COPYOFF_REASON_RESOURCE },
	{ { -EBUSY, 0, false, 0 }, EBUSY, COPYOFF_REASON_RESOURCE },
	{ { -EINVAL, 0, false, 0 }, EINVAL, COPYOFF_REASON_RESOURCE },
	{ { -EPERM, 0, false, 0 }, EPERM, COPYOFF_REASON_PERMISSION },
	{ { -EOPNOTSUPP, 0, false, 0 }, EOPNOTSUPP, COPYOFF_REASON_UNSUPPORTED },
	{ { 0, UINT64_MAX, false, 65537 }, 0, COPYOFF_REASON_MISBEHAVED },
	{ { 0, UINT64_MAX, false, INT64_MAX }, 0, COPYOFF_REASON_MISBEHAVED },
};

START_TEST(test_failure)
{
	const struct failure *f = &failures[_i];
	bool passing = f->reason == COPYOFF_REASON_RESOURCE;

	world_step(f->step);
	w.always = true;
	world_use("copy_file_range,readwrite");
	ck_assert_int_eq(world_copy(DISK, 0, DISK, 80 << 20, 65536, 0), 65536);
	ck_assert_uint_eq(w.copies, 1);
	ck_assert_uint_eq(copied_by("readwrite"), 65536);
	ck_assert_int_eq(offer()->reason, f->reason);
	ck_assert_int_eq(offer()->error, f->error);
	ck_assert(w.dropped.start <= 80 << 20 && (80 << 20) + 65536 <= w.dropped.end);
	world_use(name);
	ck_assert_int_eq(world_copy(DISK, 0, DISK, 80 << 20, 65536, 0),
			 passing ? -f->error : -EOPNOTSUPP);
}
END_TEST

/* A short count is a prefix, if it is one; what is behind it may have changed. */
START_TEST(test_short)
{
	static const struct {
		struct step step;
		uint64_t counted;
		enum copyoff_reason reason; /* of the second attempt */
	} cases[] = {
		{ { 0, 16384, true, UINT64_MAX }, 16384, COPYOFF_REASON_RESOURCE },
		{ { 0, 16384, true, 8192 }, 8192, COPYOFF_REASON_RESOURCE },
		{ { 0, 16384, true, 16384 - 100 }, 16384 - 512, COPYOFF_REASON_RESOURCE },
		{ { 0, 16384, true, 100 }, 0, COPYOFF_REASON_RESOURCE },
		{ { 0, 8192, true, 16384 }, 0, COPYOFF_REASON_MISBEHAVED },
	};

	world_step(cases[_i].step);
	world_step((struct step){ 0, 0, true, UINT64_MAX });
	world_use("copy_file_range,readwrite");
	ck_assert_int_eq(world_copy(DISK, 0, DISK, 80 << 20, 65536, 0), 65536);
	ck_assert_uint_eq(copied_by(name), cases[_i].counted);
	ck_assert_uint_eq(copied_by("readwrite"), 65536 - cases[_i].counted);
	ck_assert_int_eq(offer()->reason, cases[_i].reason);
}
END_TEST

/* The first copy is compared: with protection information it could not be read. */
START_TEST(test_misbehaved)
{
	world_step((struct step){ 0, 32768, false, 65536 });
	world_use("copy_file_range,readwrite");
	ck_assert_int_eq(world_copy(DISK, 0, DISK, 80 << 20, 65536, 0), 65536);
	ck_assert_int_eq(offer()->reason, COPYOFF_REASON_MISBEHAVED);
	ck_assert_int_eq(world_copy(DISK, 0, DISK, 80 << 20, 65536, 0), 65536);
	ck_assert_int_eq(world_copy(DISK_DIRECT, 0, DISK_DIRECT, 80 << 20, 65536, 0), 65536);
	ck_assert_uint_eq(w.copies, 1);
	ck_assert_uint_eq(copied_by(name), 0);
}
END_TEST

START_TEST(test_later)
{
	static const struct attribute changes[] = {
		{ "copy_max_bytes", "0" },
		{ "copy_max_bytes", NULL },
		{ "copy_max_bytes", "many" },
	};

	w.change_after = 1;
	w.change = changes[_i];
	world_use("copy_file_range,readwrite");
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(world_copy(DISK, 0, DISK, 80 << 20, 65536, 0), 65536);
	ck_assert_uint_eq(w.copies, 1);
	ck_assert_int_eq(offer()->reason, COPYOFF_REASON_RESOURCE);
	w.n_attributes = 0;
	ck_assert_int_eq(world_copy(DISK, 0, DISK, 80 << 20, 65536, 0), 65536);
	ck_assert_uint_eq(w.copies, 2);
}
END_TEST

START_TEST(test_use_later)
{
	world_use("copy_file_range,readwrite");
	ck_assert_int_eq(world_copy(DISK, 0, DISK, 80 << 20, 65536, 0), 65536);
	if (_i)
		w.claim = -EBUSY;
	else
		w.read_only = true;
	ck_assert_int_eq(world_copy(DISK, 0, DISK, 80 << 20, 65536, 0), 65536);
	ck_assert_uint_eq(w.copies, 1);
	ck_assert_int_eq(offer()->reason, _i ? COPYOFF_REASON_RESOURCE : COPYOFF_REASON_PERMISSION);
}
END_TEST

START_TEST(test_not_opened)
{
	world_probe(name, DISK, DISK, 0);
	w.reopen = -EACCES;
	world_use("copy_file_range,readwrite");
	ck_assert_int_eq(world_copy(DISK, 0, DISK, 80 << 20, 65536, 0), 65536);
	ck_assert_uint_eq(w.copies, 0);
	expect_text("with O_DIRECT");
	ck_assert_int_eq(offer()->error, EACCES);
}
END_TEST

START_TEST(test_changed_under_way)
{
	w.sequence_changes = 2;
	world_use("copy_file_range,readwrite");
	ck_assert_int_eq(world_copy(DISK, 0, DISK, 80 << 20, 65536, 0), 65536);
	ck_assert_int_eq(world_copy(DISK, 0, DISK, 80 << 20, 65536, 0), -EIO);
	ck_assert_uint_eq(copied_by("readwrite"), 0);
}
END_TEST

/* --- random ------------------------------------------------------------------------------------ */

enum { ROUNDS = 400 };

/*
 * In success all is copied: a lie of that kind is seen the first time only.  So what
 * a step says is odd, and never all that was asked for.
 */
static struct step random_step(uint64_t *state)
{
	struct step step = { 0, random_below(state, 1 << 20), random_below(state, 2), UINT64_MAX };

	if (random_below(state, 3) == 0)
		return WELL;
	if (random_below(state, 3) == 0)
		step.ret = failures[3 + random_below(state, 6)].step.ret;
	else if (random_below(state, 2))
		step.says = random_below(state, 1 << 20) | 1;
	return step;
}

START_TEST(test_random)
{
	uint64_t state = random_seed((uint64_t)getpid());

	for (int round = 0; round < ROUNDS; round++) {
		uint64_t unit = random_below(&state, 8) ? 512 : 1;
		uint64_t len = (1 + random_below(&state, 2000)) * 512 / unit * unit;

		copyoff_ctx_fini(&ctx);
		copyoff_ctx_init(&ctx);
		w.sequence = random_below(&state, 4) ? 5 : 0;
		world_use(random_below(&state, 2) ? "copy_file_range,readwrite" : name);
		w.n_calls = w.n_steps = w.step = 0;
		while (w.n_steps < 20)
			world_step(random_step(&state));
		world_copy(random_below(&state, 2) ? DISK : DISK_DIRECT,
			   (int64_t)random_below(&state, 10000) * 512, DISK,
			   (80 << 20) + (int64_t)random_below(&state, 100) * 512, len, 0);
	}
}
END_TEST

START_TEST(test_each_call_fails)
{
	static const struct {
		int err;
		bool on;
	} kinds[] = { { EIO, false }, { EACCES, false }, { EINTR, false }, { ENOMEM, false },
		      { EIO, true },  { ENOTTY, true },  { ENOSYS, true } };
	const int64_t total = 4096 + 512;
	unsigned n = 0;

	w.fail_with = kinds[_i].err;
	w.fail_on = kinds[_i].on;
	w.sequence = _i % 2 ? 0 : 5;
	do {
		int64_t ret;

		copyoff_ctx_fini(&ctx);
		copyoff_ctx_init(&ctx);
		world_use(n % 2 ? "copy_file_range,readwrite" : name);
		w.n_calls = w.copies = w.seam_calls = 0;
		w.failed = false;
		w.fail_at = ++n;
		world_copy(DISK, 8192, DISK, (80 << 20) + 512, 4096 + 512, 0);
		w.fail_at = 0;
		ck_assert_int_eq(w.open, 0);
		/* And then it works again. */
		ret = world_copy(DISK, 8192, DISK, (80 << 20) + 512, 4096 + 512, 0);
		if (n % 2 == 0)
			ck_assert_int_eq(ret, total);
	} while (w.failed || n % 2);
	ck_assert_uint_gt(n, 40);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("cfr_block");
	TCase *tc = tcase_create("cfr_block");
	TCase *slow = tcase_create("slow");

	tcase_set_timeout(tc, 120);
	tcase_set_timeout(slow, 120);
	world_fill();
	tcase_add_checked_fixture(tc, setup, world_teardown);
	tcase_add_test(tc, test_limits);
	tcase_add_loop_test(tc, test_other_kernels, 0, 8);
	tcase_add_loop_test(tc, test_other_attributes, 0, 7);
	tcase_add_loop_test(tc, test_refusal, 0, COUNT(refusals));
	tcase_add_test(tc, test_two_devices);
	tcase_add_test(tc, test_policy);
	tcase_add_loop_test(tc, test_copy, 0, 4);
	tcase_add_test(tc, test_blocks_of_4096);
	tcase_add_test(tc, test_shortcut);
	tcase_add_loop_test(tc, test_failure, 0, COUNT(failures));
	tcase_add_loop_test(tc, test_short, 0, 5);
	tcase_add_test(tc, test_misbehaved);
	tcase_add_loop_test(tc, test_later, 0, 3);
	tcase_add_loop_test(tc, test_use_later, 0, 2);
	tcase_add_test(tc, test_not_opened);
	tcase_add_test(tc, test_changed_under_way);
	suite_add_tcase(suite, tc);
	tcase_add_checked_fixture(slow, setup, world_teardown);
	tcase_add_test(slow, test_pieces);
	tcase_add_test(slow, test_random);
	tcase_add_loop_test(slow, test_each_call_fails, 0, 7);
	suite_add_tcase(suite, slow);
	return run_suite(suite);
}
