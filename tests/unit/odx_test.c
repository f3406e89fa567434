/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * odx_test.c - the backend odx, with a SCSI target in memory
 */
#define _GNU_SOURCE
#include "scsi_world.h"
#include "unit.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum {
	POPULATE = 0x10,
	WRITE = 0x11,
	ABORT = 0x1c,
	INFORMATION = 0x07,
	FOREVER = 1 << 30,
};

static void setup(void)
{
	world_begin(512);
}

/* Nothing of a token may be left. */
static void teardown(void)
{
	if (w.token_seen && ctx.n_routes > 0 && world_offer("odx")->priv)
		ck_assert_ptr_null(memmem(w.state, w.state_size, w.token + 128, 16));
	world_end();
}

static struct scsi_target_faults *faults(void)
{
	return scsi_target_faults(w.target);
}

static struct scsi_target_counts *counts(void)
{
	return scsi_target_counts(w.target);
}

static const struct copyoff_offer *offer(void)
{
	return world_offer("odx");
}

static void expect_text(const char *text)
{
	ck_assert_msg(strstr(offer()->text, text), "\"%s\" is not in \"%s\"", text, offer()->text);
}

/* Both disks with these limits, and without what these bits say. */
static void limited(const struct scsi_target_limits *limits, unsigned without_a, unsigned without_b)
{
	struct scsi_target_unit_options a = world_options(512, 0), b = world_options(512, 1);

	a.limits = b.limits = *limits;
	a.without = without_a;
	b.without = without_b;
	world_disks(&a, &b);
}

static void without(unsigned a, unsigned b)
{
	limited(&(struct scsi_target_limits){ 0 }, a, b);
}

/* Some of these commands fail like this. */
static struct scsi_target_answer *script_answer(int action, unsigned count, unsigned char status,
						unsigned char key, unsigned char asc,
						unsigned char ascq)
{
	static size_t n;
	struct scsi_target_answer *answer = &faults()->answers[n++ % SCSI_TARGET_FAULTS];

	*answer = (struct scsi_target_answer){
		.opcode = action == INFORMATION ? 0x84 : 0x83,
		.action = action,
		.count = count,
		.status = status,
		.key = key,
		.asc = asc,
		.ascq = ascq,
	};
	return answer;
}

static void garble(uint8_t opcode, int action, unsigned count, unsigned at, unsigned bytes,
		   uint64_t value)
{
	static size_t n;

	faults()->garbles[n++ % SCSI_TARGET_FAULTS] = (struct scsi_target_garble){
		.opcode = opcode,
		.action = action,
		.count = count,
		.at = at,
		.bytes = bytes,
		.value = value,
	};
}

/* --- probe ------------------------------------------------------------------------- */

static const struct copyoff_offer *probe(int in, int out)
{
	struct copyoff_end from = world_end_of(in), to = world_end_of(out);

	world_use("odx");
	world_forget();
	copyoff_route_offer(&ctx, copyoff_ctx_route(&ctx, &from, &to),
			    copyoff_registry_find("odx", 3), 0);
	return offer();
}

START_TEST(test_limits)
{
	const struct copyoff_offer *o = probe(A1, B1);

	ck_assert_int_eq(o->state, COPYOFF_OFFER_OPEN);
	ck_assert_uint_eq(o->limits.align, 512);
	ck_assert_uint_eq(o->limits.max_range, 65536 * 512);
	ck_assert_uint_eq(o->limits.max_ranges, 16);
	ck_assert_uint_eq(o->limits.max_total, 65536 * 512);
	ck_assert_uint_eq(o->base_in, world_base(A1));
	ck_assert_uint_eq(o->base_out, world_base(B1));
	ck_assert_uint_eq(o->traits, COPYOFF_TRAIT_RAW | COPYOFF_TRAIT_PRIV);
	/* INQUIRY, capacity, name and page of both, and whether it may ask for tokens. */
	ck_assert_uint_eq(w.commands, 10);
	ck_assert_uint_eq(w.copies, 0);
}
END_TEST

/* The narrower one of both; 0 is no limit. */
START_TEST(test_limits_of_both)
{
	struct scsi_target_unit_options a = world_options(512, 0), b = world_options(512, 1);
	const struct copyoff_offer *o;

	a.limits = (struct scsi_target_limits){ .ranges = 9, .token_blocks = 1000 };
	b.limits = (struct scsi_target_limits){ .ranges = 12, .token_blocks = 700 };
	world_disks(&a, &b);
	o = probe(A1, B1);
	ck_assert_uint_eq(o->limits.max_ranges, 9);
	ck_assert_uint_eq(o->limits.max_total, 700 * 512);
	o = probe(B1, A1);
	ck_assert_uint_eq(o->limits.max_ranges, 9);
	ck_assert_uint_eq(o->limits.max_total, 700 * 512);
}
END_TEST

/* Where in VPD 8F the limits of tokens are. */
static unsigned limits_at(void)
{
	unsigned char page[512] = { 0 };
	struct copyoff_scsi_command c = {
		.cdb = { 0x12, 1, 0x8f, 2, 0 }, .cdb_len = 6, .data = page, .len = sizeof(page)
	};
	unsigned at = 4;

	world_ask_target(0, &c);
	while (page[at] || page[at + 1])
		at += 4u + page[at + 3] + 256u * page[at + 2];
	return at;
}

START_TEST(test_no_limits)
{
	unsigned at = limits_at();

	garble(0x12, 0x18f, 2, at + 10, 2, 0);
	garble(0x12, 0x18f, 2, at + 20, 8, 0);
	probe(A1, B1);
	ck_assert_int_eq(offer()->state, COPYOFF_OFFER_OPEN);
	ck_assert_uint_eq(offer()->limits.max_ranges, 256);
	ck_assert_uint_eq(offer()->limits.max_total, 256 << 20);
}
END_TEST

START_TEST(test_largest_limit)
{
	garble(0x12, 0x18f, 2, limits_at() + 20, 8, UINT64_MAX);
	probe(A1, B1);
	ck_assert_uint_eq(offer()->limits.max_total, 256 << 20);
}
END_TEST

static void no_page(void)
{
	without(SCSI_TARGET_NO_VPD_8F, 0);
}
static void no_page_of_destination(void)
{
	without(0, SCSI_TARGET_NO_VPD_8F);
}
static void no_tokens_from(void)
{
	without(SCSI_TARGET_NO_ODX, 0);
}
static void no_tokens_to(void)
{
	without(0, SCSI_TARGET_NO_ODX);
}
static void no_limits_said(void)
{
	garble(0x12, 0x18f, 1, limits_at(), 2, 0xffff);
}
static void short_page(void)
{
	faults()->garbles[0] = (struct scsi_target_garble){
		.opcode = 0x12, .action = 0x18f, .count = 1, .cut = true, .cut_to = 3
	};
}
static void eperm(void)
{
	world_script(0x84, INFORMATION)->ret = -EPERM;
}
static void eperm_of_destination(void)
{
	eperm();
	w.scripts[0].skip = 1;
}
static void same_name(void)
{
	static const unsigned char name[16] = { 0x60, 1, 2, 3 };
	struct scsi_target_unit_options a = world_options(512, 0), b = world_options(512, 1);

	a.designator = b.designator = name;
	world_disks(&a, &b);
}
static void other_blocks(void)
{
	struct scsi_target_unit_options a = world_options(512, 0), b = world_options(4096, 1);

	world_disks(&a, &b);
}
static void in_use(void)
{
	w.claim = -EBUSY;
}
static void no_scsi(void)
{
	w.uevent = "DEVTYPE=scsi_device";
}

static const struct refusal {
	void (*what)(void);
	enum copyoff_reason reason;
	int error;
	const char *text, *remedy;
} refusals[] = {
	{ no_page, COPYOFF_REASON_UNSUPPORTED, 0, "copies by tokens", "" },
	{ no_page_of_destination, COPYOFF_REASON_UNSUPPORTED, 0, "copies by tokens", "" },
	{ no_tokens_from, COPYOFF_REASON_UNSUPPORTED, 0, "gives out no tokens", "" },
	{ no_tokens_to, COPYOFF_REASON_UNSUPPORTED, 0, "takes no tokens", "" },
	{ no_limits_said, COPYOFF_REASON_UNSUPPORTED, 0, "gives out no tokens", "" },
	{ short_page, COPYOFF_REASON_UNSUPPORTED, 0, "copies by tokens", "" },
	{ eperm, COPYOFF_REASON_PERMISSION, EPERM, "may not send", "CAP_SYS_RAWIO" },
	{ eperm_of_destination, COPYOFF_REASON_PERMISSION, EPERM, "may not send", "/dev/sg" },
	{ same_name, COPYOFF_REASON_UNSUPPORTED, 0, "same name", "identities" },
	{ other_blocks, COPYOFF_REASON_UNSUPPORTED, 0, "larger or smaller", "" },
	{ in_use, COPYOFF_REASON_RESOURCE, EBUSY, "stacked", "remove" },
	{ no_scsi, COPYOFF_REASON_FILE_TYPE, 0, "not SCSI disks", "" },
};

START_TEST(test_refusal)
{
	const struct refusal *r = &refusals[_i];

	r->what();
	probe(A1, B1);
	ck_assert_int_eq(offer()->state, COPYOFF_OFFER_DECLINED);
	ck_assert_int_eq(offer()->reason, r->reason);
	ck_assert_int_eq(offer()->error, r->error);
	expect_text(r->text);
	ck_assert_msg(strstr(offer()->remedy, r->remedy), "%s", offer()->remedy);
	ck_assert_uint_eq(w.copies, 0);
}
END_TEST

START_TEST(test_files)
{
	struct copyoff_end from = world_end_of(A1), to = world_end_of(B1);

	from.kind = COPYOFF_KIND_REGULAR;
	world_use("odx");
	ck_assert_ptr_null(copyoff_route_offer(&ctx, copyoff_ctx_route(&ctx, &from, &to),
					       copyoff_registry_find("odx", 3), 0));
	ck_assert_int_eq(offer()->reason, COPYOFF_REASON_FILE_TYPE);
}
END_TEST

/* --- copy ---------------------------------------------------------------------------- */

START_TEST(test_copy)
{
	world_use("odx");
	ck_assert_int_eq(world_copy(A1, 1024, B1, 4096, 10240, 0), 10240);
	ck_assert_uint_eq(w.commands, 10 + 4);
	ck_assert_uint_eq(ctx.result.bytes_offloaded, 10240);
	/* Of one disk, and back. */
	ck_assert_int_eq(world_copy(A1, 512, A2, 1024, 65536, 0), 65536);
	ck_assert_int_eq(world_copy(B1, 0, A1, 0, 65536, 0), 65536);
	ck_assert_uint_eq(counts()->copy[POPULATE], 3);
	ck_assert_uint_eq(counts()->copy[WRITE], 3);
	ck_assert_uint_eq(counts()->copy[ABORT], 0);
	ck_assert_uint_eq(w.pauses, 0);
}
END_TEST

START_TEST(test_blocks_of_4096)
{
	world_end();
	world_begin(4096);
	world_use("odx");
	ck_assert_int_eq(world_copy(A1, 8192, B1, 4096, 40960, 0), 40960);
	ck_assert_uint_eq(w.copies, 2);
}
END_TEST

/* As many ranges as there can be in one token; destinations lie anywhere. */
START_TEST(test_ranges)
{
	struct copyoff_range v[100];

	for (int64_t i = 0; i < 100; i++)
		v[i] = (struct copyoff_range){ (99 - i) * 4096, i * 8192,
					       (uint64_t)(512 + i % 8 * 512) };
	world_use("odx");
	ck_assert_int_eq(world_copyv(A1, B1, v, 100, 0), 100 * 512 + (12 * 28 + 6) * 512);
	world_check(A1, B1, v, 100, 100 * 512 + (12 * 28 + 6) * 512);
	ck_assert_uint_eq(counts()->copy[WRITE], 7);
}
END_TEST

/* Of a token no block can be twice. */
START_TEST(test_overlapping_sources)
{
	static const struct copyoff_range v[] = { { 0, 0, 4096 },
						  { 4096, 8192, 4096 },
						  { 2048, 16384, 4096 },
						  { 8192, 32768, 4096 },
						  { 0, 65536, 512 } };

	world_use("odx");
	ck_assert_int_eq(world_copyv(A1, B1, v, COUNT(v), 0), 4 * 4096 + 512);
	world_check(A1, B1, v, COUNT(v), 4 * 4096 + 512);
	ck_assert_uint_eq(counts()->copy[WRITE], 2);
}
END_TEST

/* A long range takes as many operations as the limit makes necessary. */
START_TEST(test_long_range)
{
	limited(&(struct scsi_target_limits){ .token_blocks = 1000 }, 0, 0);
	w.reach = 2 << 20;
	world_use("odx");
	ck_assert_int_eq(world_copy(A1, 512, B1, 0, 3500 * 512, 0), 3500 * 512);
	ck_assert_uint_eq(counts()->copy[POPULATE], 4);
	ck_assert_uint_eq(counts()->copy[WRITE], 4);
}
END_TEST

/* What was written before got lost: a short count would hide that. */
START_TEST(test_flush_fails)
{
	limited(&(struct scsi_target_limits){ .token_blocks = 1000 }, 0, 0);
	w.reach = 2 << 20;
	/* In the second operation: of the source, the destination, or the disk of that. */
	w.flush_fails = 4 + (unsigned)_i;
	world_use("odx,readwrite");
	ck_assert_int_eq(world_copy(A1, 512, B1, 0, 3500 * 512, 0), -EIO);
	ck_assert_uint_eq(w.flush_fails, 0);
	ck_assert_uint_eq(world_copied_by("odx"), 1000 * 512);
	ck_assert_uint_eq(world_copied_by("readwrite"), 0);
	ck_assert_ptr_nonnull(strstr(ctx.message, "before is lost"));
}
END_TEST

/* --- in progress ------------------------------------------------------------------------- */

START_TEST(test_polling)
{
	faults()->polls = 5;
	world_use("odx");
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, 1 << 20, 0), 1 << 20);
	ck_assert_uint_eq(counts()->receive[INFORMATION], 2 + 2 * 6);
	ck_assert_uint_eq(w.pauses, 10);
	/* 10 ms, as the device says. */
	ck_assert_uint_eq(w.clock, 100 * 1000 * 1000);
}
END_TEST

/* How long to wait: within bounds, whatever the device says. */
START_TEST(test_delays)
{
	static const struct {
		uint32_t said;
		uint64_t ms; /* in all */
	} rows[] = {
		{ 0, 2 * (1 + 2 + 4 + 8 + 16) },
		{ 1, 2 * 5 * 10 },
		{ 700, 2 * 5 * 700 },
		{ 1000000, 2 * 5 * 2000 },
		{ 0xfffffffe, 2 * (1 + 2 + 4 + 8 + 16) },
		{ 0xffffffff, 2 * (1 + 2 + 4 + 8 + 16) },
	};

	faults()->polls = 5;
	garble(0x84, INFORMATION, 100, 8, 4, rows[_i].said);
	world_use("odx");
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, 1 << 20, 0), 1 << 20);
	ck_assert_uint_eq(w.clock, rows[_i].ms * 1000 * 1000);
}
END_TEST

/* Too slow: it is stopped, and what it has done until then counts. */
START_TEST(test_too_slow)
{
	world_use("odx,readwrite");
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, 512, 0), 512); /* the probe */
	faults()->polls = 1;
	faults()->stall_ms = 200 * 1000;
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, 1 << 20, 0), 1 << 20);
	/* Of the token nothing is usable. */
	ck_assert_uint_eq(counts()->copy[WRITE], 1);
	ck_assert_uint_eq(counts()->copy[ABORT], 1);
	ck_assert_uint_eq(world_copied_by("odx"), 512);
	ck_assert_int_eq(offer()->error, ETIMEDOUT);
	ck_assert_uint_lt(w.clock / 1000 / 1000, 125 * 1000);
}
END_TEST

/* The token is there at once, and writing takes its time. */
static int write_takes(unsigned seconds, unsigned lun, struct copyoff_scsi_command *c)
{
	if (c->cdb[0] == 0x83 && c->cdb[1] != ABORT) {
		faults()->polls = c->cdb[1] == WRITE;
		faults()->stall_ms = c->cdb[1] == WRITE ? seconds * 1000 : 0;
	}
	return world_ask_target(lun, c);
}

/* Too long. */
static int slow_write(unsigned lun, struct copyoff_scsi_command *c)
{
	return write_takes(300, lun, c);
}

static int half_a_minute(unsigned lun, struct copyoff_scsi_command *c)
{
	return write_takes(30, lun, c);
}

START_TEST(test_slow_write)
{
	int64_t ret;

	w.answer = slow_write;
	world_use("odx");
	ret = world_copy(A1, 0, B1, 0, 1 << 20, 0);
	ck_assert_int_eq(ret, (int64_t)world_copied_by("odx"));
	/* 120 of 300 seconds: and an error, since it stays so slow. */
	ck_assert_uint_gt(world_copied_by("odx"), 400 << 10);
	ck_assert_uint_lt(world_copied_by("odx"), 1 << 20);
	ck_assert_uint_gt(counts()->copy[ABORT], 0);
}
END_TEST

/* The user says stop, the n-th time that he is asked. */
struct user {
	unsigned patience, asked;
};

static int stop_soon(void *data, uint64_t done, uint64_t total)
{
	struct user *user = data;

	ck_assert_uint_eq(done, 0);
	ck_assert_uint_eq(total, 1 << 20);
	return ++user->asked == user->patience;
}

static void be_canceled(unsigned asked)
{
	static struct user user;

	user = (struct user){ asked, 0 };
	ctx.progress = stop_soon;
	ctx.progress_data = &user;
	world_use("odx,readwrite");
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, 1 << 20, 0),
			 world_copied_by("odx") ? (int64_t)world_copied_by("odx") : -ECANCELED);
	ck_assert_uint_eq(user.asked, asked);
	ck_assert_uint_eq(world_copied_by("readwrite"), 0);
	ck_assert_uint_eq(counts()->copy[ABORT], 1);
	ck_assert_int_eq(ctx.result.error, ECANCELED);
	/* The device is as good as before. */
	ctx.progress = NULL;
	w.answer = NULL;
	faults()->polls = 0;
	faults()->stall_ms = 0;
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, 1 << 20, 0), 1 << 20);
}

/* While the token is made: nothing is copied. */
START_TEST(test_canceled_token)
{
	faults()->polls = 1;
	faults()->stall_ms = 300 * 1000;
	be_canceled(12);
	ck_assert_uint_eq(world_copied_by("odx"), 1 << 20);
}
END_TEST

/* While it is written: before anything is, or after some seconds. */
START_TEST(test_canceled_write)
{
	w.answer = slow_write;
	be_canceled(_i ? 60 : 1);
	ck_assert_uint_ge(world_copied_by("odx"), (1 << 20) + (_i ? 512 : 0));
	ck_assert_uint_le(world_copied_by("odx"), (1 << 20) + 65536);
}
END_TEST

/* Between two pieces of which none takes any time. */
START_TEST(test_canceled_between)
{
	struct user user = { 3, 0 };

	faults()->write_blocks = 50;
	ctx.progress = stop_soon;
	ctx.progress_data = &user;
	world_use("odx,readwrite");
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, 1 << 20, 0), 3 * 50 * 512);
	ck_assert_int_eq(ctx.result.error, ECANCELED);
	ck_assert_uint_eq(counts()->copy[ABORT], 0);
}
END_TEST

/* The device cannot be stopped: it is waited for, and has then done all. */
START_TEST(test_canceled_too_late)
{
	without(0, SCSI_TARGET_NO_ABORT);
	w.answer = half_a_minute;
	be_canceled(3);
	ck_assert_uint_eq(world_copied_by("odx"), 2 << 20);
}
END_TEST

/* A copy that goes on for ever, where nobody can stop it: that is an error. */
static int endless_write(unsigned lun, struct copyoff_scsi_command *c)
{
	if (c->cdb[0] == 0x83 && c->cdb[1] != ABORT)
		faults()->polls = c->cdb[1] == WRITE ? FOREVER : 0;
	return world_ask_target(lun, c);
}

/* Not even then. */
START_TEST(test_canceled_out_of_control)
{
	struct user user = { 3, 0 };

	without(0, SCSI_TARGET_NO_ABORT);
	w.answer = endless_write;
	ctx.progress = stop_soon;
	ctx.progress_data = &user;
	world_use("odx,readwrite");
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, 1 << 20, 0), -ETIMEDOUT);
	ck_assert_uint_eq(world_copied_by("readwrite"), 0);
}
END_TEST

/* Says stop in the middle of the second operation. */
static int stop_behind(void *data, uint64_t done, uint64_t total)
{
	uint64_t *before = data;
	const bool waits = done > 0 && done == *before;

	(void)total;
	ck_assert_uint_ge(done, *before);
	*before = done;
	return waits;
}

/* What the operations before it have done counts. */
START_TEST(test_canceled_later)
{
	const unsigned flags = _i ? COPYOFF_REQUIRE_OFFLOAD : 0;
	uint64_t before = 0;
	int64_t ret;

	limited(&(struct scsi_target_limits){ .token_blocks = 512 }, 0, 0);
	w.answer = half_a_minute;
	ctx.progress = stop_behind;
	ctx.progress_data = &before;
	world_use("odx,readwrite");
	ret = world_copy(A1, 0, B1, 0, 1 << 20, flags);
	ck_assert_int_ge(ret, 512 * 512);
	ck_assert_int_lt(ret, 1 << 20);
	ck_assert_int_eq(ret, (int64_t)world_copied_by("odx"));
	ck_assert_uint_eq(world_copied_by("readwrite"), 0);
	ck_assert_int_eq(ctx.result.error, ECANCELED);
}
END_TEST

/* The second one. */
static int endless_second_write(unsigned lun, struct copyoff_scsi_command *c)
{
	return counts()->copy[WRITE] < 1 ? world_ask_target(lun, c) : endless_write(lun, c);
}

/* Nor does what was copied before count: who goes on behind it would not learn of it. */
START_TEST(test_out_of_control_later)
{
	limited(&(struct scsi_target_limits){ .token_blocks = 512 }, 0, SCSI_TARGET_NO_ABORT);
	w.answer = endless_second_write;
	world_use("odx,readwrite");
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, 1 << 20, 0), -ETIMEDOUT);
	ck_assert_uint_eq(world_copied_by("odx"), 512 * 512);
	ck_assert_uint_eq(world_copied_by("readwrite"), 0);
}
END_TEST

START_TEST(test_out_of_control)
{
	without(0, SCSI_TARGET_NO_ABORT);
	w.answer = endless_write;
	world_use("odx,readwrite");
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, 1 << 20, 0), -ETIMEDOUT);
	ck_assert_uint_eq(world_copied_by("readwrite"), 0);
	ck_assert_uint_lt(w.clock / 1000 / 1000, 135 * 1000);
	/* Such a device gets no more commands. */
	w.copies = 0;
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, 1 << 20, 0), 1 << 20);
	ck_assert_uint_eq(w.copies, 0);
	ck_assert_int_eq(offer()->reason, COPYOFF_REASON_MISBEHAVED);
}
END_TEST

/* --- short ----------------------------------------------------------------------------------- */

START_TEST(test_short_token)
{
	faults()->populate_blocks = 600;
	world_use("odx");
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, 1 << 20, 0), 1 << 20);
	ck_assert_uint_eq(counts()->copy[POPULATE], 4);
	ck_assert_uint_eq(counts()->copy[WRITE], 4);
}
END_TEST

/* One token, and its offsets. */
START_TEST(test_short_writes)
{
	struct copyoff_range v[3] = { { 0, 0, 70000 / 512 * 512 },
				      { 100352, 81920, 512 },
				      { 204800, 102400, 102400 } };
	const int64_t total = 70000 / 512 * 512 + 512 + 102400;

	faults()->write_blocks = 50;
	world_use("odx");
	ck_assert_int_eq(world_copyv(A1, B1, v, 3, 0), total);
	world_check(A1, B1, v, 3, (uint64_t)total);
	ck_assert_uint_eq(counts()->copy[POPULATE], 1);
	ck_assert_uint_eq(counts()->copy[WRITE], (unsigned)(total / 512 + 49) / 50);
	ck_assert_uint_eq(ctx.stats[copyoff_registry_find("odx", 3)].short_copies, 0);
}
END_TEST

/* Both, not in step. */
START_TEST(test_short_both)
{
	faults()->populate_blocks = 70;
	faults()->write_blocks = 50;
	world_use("odx");
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, 700 * 512, 0), 700 * 512);
	ck_assert_uint_eq(counts()->copy[POPULATE], 10);
	ck_assert_uint_eq(counts()->copy[WRITE], 20);
}
END_TEST

/* --- tokens that are forgotten ------------------------------------------------------------------ */

START_TEST(test_token_forgotten)
{
	script_answer(WRITE, 1, 0x02, 0x5, 0x23, (unsigned char)(4 + _i));
	world_use("odx");
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, 1 << 20, 0), 1 << 20);
	ck_assert_uint_eq(counts()->copy[POPULATE], 2);
	ck_assert_uint_eq(counts()->copy[WRITE], 2);
}
END_TEST

/* In the middle: the rest is written by the second token. */
START_TEST(test_token_expires)
{
	faults()->write_blocks = 500;
	faults()->token_uses = 3;
	w.reach = 2 << 20;
	world_use("odx");
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, 2500 * 512, 0), 2500 * 512);
	ck_assert_uint_eq(counts()->copy[POPULATE], 2);
	ck_assert_uint_eq(counts()->copy[WRITE], 3 + 1 + 2);
}
END_TEST

/* Twice in one operation is too often. */
START_TEST(test_tokens_forgotten)
{
	script_answer(WRITE, FOREVER, 0x02, 0x5, 0x23, 0x07);
	world_use("odx,readwrite");
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, 65536, 0), 65536);
	ck_assert_uint_eq(counts()->copy[POPULATE], 2);
	ck_assert_uint_eq(counts()->copy[WRITE], 2);
	ck_assert_uint_eq(world_copied_by("odx"), 0);
	ck_assert_int_eq(offer()->error, ESTALE);
	ck_assert_int_eq(offer()->reason, COPYOFF_REASON_RESOURCE);
}
END_TEST

/* Somebody writes to the source: the token is revoked. */
static int revoking(unsigned lun, struct copyoff_scsi_command *c)
{
	static unsigned char block[512];
	struct copyoff_scsi_command write = { .cdb = { 0x2a, 0, 0, 0, 0, 32, 0, 0, 1, 0 },
					      .cdb_len = 10,
					      .to_device = true,
					      .data = block,
					      .len = 512 };

	if (c->cdb[0] == 0x83 && c->cdb[1] == WRITE && counts()->copy[WRITE] == 0) {
		memcpy(block, content[0] + 32 * 512, 512); /* what is there */
		world_ask_target(0, &write);
	}
	return world_ask_target(lun, c);
}

START_TEST(test_token_revoked)
{
	w.answer = revoking;
	world_use("odx");
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, 65536, 0), 65536);
	ck_assert_uint_eq(counts()->copy[POPULATE], 2);
}
END_TEST

START_TEST(test_no_remote_tokens)
{
	without(0, SCSI_TARGET_NO_REMOTE_TOKENS);
	world_use("odx,readwrite");
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, 65536, 0), 65536);
	ck_assert_int_eq(offer()->reason, COPYOFF_REASON_CROSS_DEVICE);
	ck_assert_int_eq(offer()->error, EXDEV);
	ck_assert_uint_eq(w.copies, 2);
}
END_TEST

/* The second write, once: an earlier command failed, which nobody was told. */
static int deferred_error(unsigned lun, struct copyoff_scsi_command *c)
{
	const bool is_second =
		c->cdb[0] == 0x83 && c->cdb[1] == WRITE && counts()->copy[WRITE] == 1;

	return is_second ? world_defer(c) : world_ask_target(lun, c);
}

/* Half of it, and an earlier command has failed, says the answer about the copy. */
static int deferred_in_answer(unsigned lun, struct copyoff_scsi_command *c)
{
	unsigned char *data = c->data;
	int ret = world_ask_target(lun, c);

	if (c->cdb[0] != 0x84 || c->cdb[1] != INFORMATION || data[4] != WRITE)
		return ret;
	w.answer = NULL;
	data[5] = 0x02;
	data[12] = 0x02;
	data[13] = data[14] = sizeof(world_deferred_sense);
	memcpy(data + 32, world_deferred_sense, sizeof(world_deferred_sense));
	data[3] = 28 + sizeof(world_deferred_sense);
	return ret;
}

START_TEST(test_deferred_in_answer)
{
	faults()->write_blocks = 1000;
	w.answer = deferred_in_answer;
	world_use("odx,readwrite");
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, 2500 * 512, 0), -EIO);
	ck_assert_uint_eq(world_copied_by("readwrite"), 0);
}
END_TEST

/* The error is not lost behind what was written before. */
START_TEST(test_deferred)
{
	faults()->write_blocks = 1000;
	w.answer = deferred_error;
	world_use("odx,readwrite");
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, 2500 * 512, 0), -EIO);
	ck_assert_uint_eq(world_copied_by("readwrite"), 0);
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, 2500 * 512, 0), 2500 * 512);
}
END_TEST

/* --- failures ------------------------------------------------------------------------------------- */

enum outcome { DECLINED, PUT_ASIDE, AGAIN, WAITED, IDS, FINAL };

static const struct row {
	unsigned char status, key, asc, ascq;
	enum outcome outcome;
	int error;
} rows[] = {
	{ 0x02, 0x0, 0x00, 0x00, PUT_ASIDE, EIO },
	{ 0x02, 0x2, 0x04, 0x01, WAITED, EBUSY },
	{ 0x02, 0x2, 0x3a, 0x00, PUT_ASIDE, ENXIO },
	{ 0x02, 0x3, 0x0c, 0x00, PUT_ASIDE, EIO },
	{ 0x02, 0x4, 0x44, 0x00, PUT_ASIDE, EIO },
	{ 0x02, 0x5, 0x00, 0x16, IDS, EBUSY },
	{ 0x02, 0x5, 0x1a, 0x00, DECLINED, EOPNOTSUPP },
	{ 0x02, 0x5, 0x20, 0x00, DECLINED, EOPNOTSUPP },
	{ 0x02, 0x5, 0x21, 0x00, PUT_ASIDE, EINVAL },
	{ 0x02, 0x5, 0x23, 0x00, DECLINED, EXDEV },
	{ 0x02, 0x5, 0x24, 0x00, DECLINED, EOPNOTSUPP },
	{ 0x02, 0x5, 0x26, 0x00, IDS, EOPNOTSUPP },
	{ 0x02, 0x5, 0x26, 0x08, DECLINED, EOPNOTSUPP },
	{ 0x02, 0x5, 0x55, 0x0c, WAITED, EBUSY },
	{ 0x02, 0x5, 0x55, 0x0d, WAITED, EBUSY },
	{ 0x02, 0x6, 0x29, 0x00, AGAIN, EIO },
	{ 0x02, 0x7, 0x27, 0x00, FINAL, EROFS },
	{ 0x02, 0x7, 0x27, 0x07, FINAL, ENOSPC },
	{ 0x02, 0xa, 0x0d, 0x01, PUT_ASIDE, EIO },
	{ 0x02, 0xb, 0x47, 0x03, AGAIN, EIO },
	{ 0x08, 0, 0, 0, WAITED, EBUSY },
	{ 0x18, 0, 0, 0, FINAL, EACCES },
	{ 0x28, 0, 0, 0, WAITED, EBUSY },
	{ 0x40, 0, 0, 0, AGAIN, EIO },
};

static unsigned commands_of(enum outcome outcome)
{
	static const unsigned n[] = { [AGAIN] = 6, [WAITED] = 9, [IDS] = 3 };

	return outcome == AGAIN || outcome == WAITED || outcome == IDS ? n[outcome] : 1;
}

/* The library reads and writes instead, or returns the error. */
static void expect_sense(const struct row *row, int action)
{
	bool for_good =
		row->outcome == DECLINED || (row->outcome == IDS && row->error == EOPNOTSUPP);
	int64_t ret;

	script_answer(action, FOREVER, row->status, row->key, row->asc, row->ascq);
	world_use("odx,readwrite");
	ret = world_copy(A1, 0, B1, 0, 65536, 0);
	ck_assert_int_eq(ret, row->outcome == FINAL ? -row->error : 65536);
	ck_assert_uint_eq(counts()->copy[action], commands_of(row->outcome));
	ck_assert_uint_eq(counts()->copy[ABORT], 0);
	ck_assert_uint_eq(world_copied_by("odx"), 0);
	/* For the rest of the call, or for good? */
	counts()->copy[action] = 0;
	ret = world_copy(A1, 0, B1, 0, 65536, COPYOFF_REQUIRE_OFFLOAD);
	ck_assert_int_eq(ret, for_good ? -EOPNOTSUPP : -row->error);
	ck_assert_uint_eq(counts()->copy[action], for_good ? 0 : commands_of(row->outcome));
}

START_TEST(test_sense_of_populate)
{
	expect_sense(&rows[_i], POPULATE);
}
END_TEST

START_TEST(test_sense_of_write)
{
	expect_sense(&rows[_i], WRITE);
}
END_TEST

/* Where the medium is bad, the count is exact, with IMMED and, since the device does so, without. */
START_TEST(test_bad_block)
{
	bool read = _i & 1;

	faults()->descriptor_sense = _i & 2;
	faults()->bad[0] = (struct scsi_target_bad){
		.lun = !read, .lba = 32 + 1000, .blocks = 1, .read = read, .write = !read
	};
	world_use("odx");
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, 1 << 20, 0), 1000 * 512);
	ck_assert_int_eq(ctx.result.error, EIO);
	ck_assert_int_eq(world_copy(A1, 1000 * 512, B1, 1000 * 512, 65536, 0), -EIO);
	world_use("odx,readwrite");
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, 1 << 20, 0), 1 << 20);
	ck_assert_uint_eq(ctx.stats[copyoff_registry_find("readwrite", 9)].bytes,
			  (1 << 20) - 1000 * 512);
}
END_TEST

/* A device that ignores IMMED ends the command with what happened. */
static int without_immediate(unsigned lun, struct copyoff_scsi_command *c)
{
	unsigned char *list = c->data;

	if (c->cdb[0] == 0x83 && (c->cdb[1] == WRITE || c->cdb[1] == POPULATE))
		list[2] &= 0xfe;
	return world_ask_target(lun, c);
}

START_TEST(test_no_immediate)
{
	w.answer = without_immediate;
	world_use("odx");
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, 65536, 0), 65536);
	faults()->bad[0] = (struct scsi_target_bad){ 1, 32 + 1000, 1, false, true };
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, 1 << 20, 0), 1000 * 512);
	ck_assert_int_eq(ctx.result.error, EIO);
}
END_TEST

START_TEST(test_read_only)
{
	struct scsi_target_unit_options a = world_options(512, 0), b = world_options(512, 1);

	b.read_only = true;
	world_disks(&a, &b);
	world_use("odx,readwrite");
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, 65536, 0), -EROFS);
	ck_assert_uint_eq(world_copied_by("readwrite"), 0);
}
END_TEST

/* --- the count ---------------------------------------------------------------------------------------- */

/* Units make the count smaller than it is, never larger. */
START_TEST(test_units)
{
	faults()->count_units = (unsigned char)_i;
	world_use("odx,readwrite");
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, 1 << 20, 0), 1 << 20);
	ck_assert(_i < 3 ? world_copied_by("odx") == 1 << 20 : world_copied_by("odx") == 0);
}
END_TEST

/* Nothing that is said about another command is taken for an answer. */
static struct {
	unsigned at, bytes;
	uint64_t value;
	bool write; /* or of the token */
} spoil;

static void spoil_answer(struct copyoff_scsi_command *c)
{
	unsigned char *data = c->data;

	for (unsigned i = 0; i < spoil.bytes; i++)
		data[spoil.at + i] = (unsigned char)(spoil.value >> 8 * (spoil.bytes - 1 - i));
}

static int spoiling(unsigned lun, struct copyoff_scsi_command *c)
{
	int ret = world_ask_target(lun, c);
	const unsigned char *data = c->data;

	if (c->cdb[0] == 0x84 && c->status == 0 && data[4] == (spoil.write ? WRITE : POPULATE))
		spoil_answer(c);
	return ret;
}

static const struct spoiled {
	bool write;
	unsigned at, bytes;
	uint64_t value;
	uint64_t done; /* blocks, of 128 */
	int64_t ret; /* without another backend */
} spoiled[] = {
	/* COPY OPERATION STATUS of what was written. */
	{ true, 5, 1, 0x00, 0, -EOPNOTSUPP },
	{ true, 5, 1, 0x05, 0, -EOPNOTSUPP },
	{ true, 5, 1, 0x61, 0, -EOPNOTSUPP },
	{ true, 5, 1, 0x7f, 0, -EOPNOTSUPP },
	{ true, 5, 1, 0x02, 128, 65536 },
	{ true, 5, 1, 0x60, 128, 65536 },
	{ true, 5, 1, 0x03, 128, 65536 },
	{ true, 5, 1, 0x04, 128, 65536 },
	/* TRANSFER COUNT. */
	{ true, 16, 8, 0, 0, -EOPNOTSUPP },
	{ true, 16, 8, 129, 128, 65536 },
	{ true, 16, 8, UINT64_MAX, 128, 65536 },
	/* Of which command?  It is stopped, and the device knows nothing of it any more. */
	{ true, 4, 1, POPULATE, 0, -EOPNOTSUPP },
	{ true, 4, 1, 0x00, 0, -EOPNOTSUPP },
	/* AVAILABLE DATA */
	{ true, 0, 4, 0, 0, -EOPNOTSUPP },
	{ true, 0, 4, 27, 0, -EOPNOTSUPP },
	{ true, 0, 4, 28, 128, 65536 },
	/* The token. */
	{ false, 5, 1, 0x02, 0, -EIO },
	{ false, 5, 1, 0x7f, 0, -EOPNOTSUPP },
	{ false, 16, 8, 0, 0, -EOPNOTSUPP },
	{ false, 16, 8, UINT64_MAX, 128, 65536 },
	{ false, 4, 1, WRITE, 0, -EOPNOTSUPP },
	{ false, 0, 4, 0, 0, -EOPNOTSUPP },
	{ false, 0, 4, 100, 0, -EOPNOTSUPP },
	{ false, 32, 4, 0, 0, -EOPNOTSUPP },
	{ false, 32, 4, 513, 0, -EOPNOTSUPP },
	{ false, 13, 1, 255, 0, -EOPNOTSUPP },
};

START_TEST(test_spoiled)
{
	const struct spoiled *s = &spoiled[_i];

	spoil.write = s->write;
	spoil.at = s->at;
	spoil.bytes = s->bytes;
	spoil.value = s->value;
	w.answer = spoiling;
	world_use("odx");
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, 65536, 0), s->ret);
	ck_assert_uint_eq(world_copied_by("odx"), s->done * 512);
}
END_TEST

/* A count of a copy that failed is one of what was asked for, at most. */
START_TEST(test_failed_with_too_much)
{
	faults()->bad[0] = (struct scsi_target_bad){ 1, 32 + 100, 1, false, true };
	spoil.write = true;
	spoil.at = 16;
	spoil.bytes = 8;
	spoil.value = _i ? UINT64_MAX : 129;
	w.answer = spoiling;
	world_use("odx,readwrite");
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, 65536, 0), 65536);
	ck_assert_uint_eq(world_copied_by("odx"), 0);
}
END_TEST

/* --- lost on the way -------------------------------------------------------------------------------------- */

static const struct lost {
	int action;
	int ret;
	uint16_t host;
	bool executed;
	unsigned times;
	uint64_t done; /* blocks of 128 */
	int64_t result;
	unsigned aborts;
} losts[] = {
	/* The command: what became of it is asked. */
	{ WRITE, 0, 3, true, 1, 128, 65536, 0 },
	{ WRITE, 0, 3, false, 1, 0, -ETIMEDOUT, 0 },
	{ WRITE, 0, 8, true, 1, 128, 65536, 0 },
	{ WRITE, 0, 8, false, 1, 0, -EIO, 0 },
	{ WRITE, 0, 1, false, FOREVER, 0, -ENODEV, 0 },
	{ WRITE, -EPERM, 0, false, FOREVER, 0, -EOPNOTSUPP, 0 },
	{ WRITE, -ENOMEM, 0, false, 1, 0, -ENOMEM, 0 },
	{ WRITE, -EINTR, 0, false, 1, 0, -EIO, 0 },
	{ POPULATE, 0, 3, true, 1, 128, 65536, 0 },
	{ POPULATE, 0, 3, false, 1, 0, -ETIMEDOUT, 0 },
	{ POPULATE, -ENODEV, 0, false, 1, 0, -ENODEV, 0 },
	/* The answer. */
	{ INFORMATION, 0, 8, false, 2, 128, 65536, 0 },
	{ INFORMATION, 0, 0xe, false, 8, 128, 65536, 0 },
};

START_TEST(test_lost)
{
	const struct lost *lost = &losts[_i];

	world_use("odx");
	ck_assert_int_eq(world_copy(A1, 65536, B1, 65536, 512, 0), 512);
	counts()->copy[ABORT] = 0;
	*world_script(lost->action == INFORMATION ? 0x84 : 0x83, lost->action) =
		(struct script){ lost->action == INFORMATION ? 0x84 : 0x83,
				 lost->action,
				 0,
				 lost->times,
				 lost->ret,
				 lost->host,
				 lost->executed };
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, 65536, 0), lost->result);
	ck_assert_uint_eq(world_copied_by("odx"), (lost->done + 1) * 512);
	ck_assert_uint_eq(counts()->copy[ABORT], lost->aborts);
	ck_assert(w.dropped.start <= world_base(B1) && w.dropped.end >= world_base(B1) + 65536);
}
END_TEST

/* The answer was made, and never came: it is told once, so nothing can be counted. */
START_TEST(test_answer_lost)
{
	world_use("odx,readwrite");
	ck_assert_int_eq(world_copy(A1, 65536, B1, 65536, 512, 0), 512);
	*world_script(0x84, INFORMATION) =
		(struct script){ 0x84, INFORMATION, (unsigned)_i, 1, 0, 8, true };
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, 65536, 0), 65536);
	ck_assert_uint_eq(world_copied_by("odx"), 512);
	ck_assert_int_eq(offer()->reason, COPYOFF_REASON_RESOURCE);
	expect_text("forgotten");
}
END_TEST

/* The device does not answer any more: whether it writes, nobody knows. */
START_TEST(test_silence)
{
	world_use("odx,readwrite");
	ck_assert_int_eq(world_copy(A1, 65536, B1, 65536, 512, 0), 512);
	*world_script(0x84, INFORMATION) =
		(struct script){ 0x84, INFORMATION, 1, FOREVER, 0, 3, false };
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, 65536, 0), -ETIMEDOUT);
	ck_assert_uint_eq(counts()->copy[ABORT], 1);
	ck_assert_uint_eq(world_copied_by("readwrite"), 0);
}
END_TEST

/* --- what becomes of the disks in the meantime ---------------------------------------------------- */

START_TEST(test_no_sequence)
{
	w.sequence = 0;
	world_use("odx");
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, 1 << 20, 0), 1 << 20);
	ck_assert_uint_eq(w.commands, 10 + 10 + 4);
}
END_TEST

static void formatted(void)
{
	struct scsi_target_unit_options a = world_options(4096, 0), b = world_options(4096, 1);

	w.shift = 12;
	world_disks(&a, &b);
}
static void shorter(void)
{
	limited(&(struct scsi_target_limits){ .token_blocks = 64 }, 0, 0);
}
static void fewer(void)
{
	limited(&(struct scsi_target_limits){ .ranges = 1 }, 0, 0);
}

START_TEST(test_set_up_anew)
{
	static void (*const whats[])(void) = { formatted, shorter, fewer };

	world_use("odx");
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, 65536, 0), 65536);
	w.sequence = 0;
	whats[_i]();
	w.copies = 0;
	ck_assert_int_eq(world_copy(A1, 512, B1, 512, 65536, 0), -EOPNOTSUPP);
	expect_text("narrower limits");
	ck_assert_uint_eq(w.copies, 0);
	/* The next call knows. */
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, 65536, 0), 65536);
}
END_TEST

START_TEST(test_changed_under_way)
{
	limited(&(struct scsi_target_limits){ .token_blocks = 128 }, 0, 0);
	w.sequence_changes = 4; /* in the second operation */
	world_use("odx,readwrite");
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, 1 << 20, 0), -EIO);
	ck_assert_uint_eq(world_copied_by("readwrite"), 0);
}
END_TEST

START_TEST(test_smaller)
{
	w.reach = 42976 * 512;
	world_use("odx");
	w.smaller = 4096;
	ck_assert_int_eq(world_copy(A1, 0, B1, 42976 * 512 - 8192, 8192, 0), -EOPNOTSUPP);
	expect_text("smaller");
	ck_assert_uint_eq(w.copies, 0);
}
END_TEST

START_TEST(test_mounted_later)
{
	world_use("odx,readwrite");
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, 65536, 0), 65536);
	w.claim = -EBUSY;
	w.copies = 0;
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, 65536, 0), 65536);
	ck_assert_uint_eq(w.copies, 0);
}
END_TEST

START_TEST(test_caches)
{
	const uint64_t src = world_base(A1) + 4096 * 3, dst = world_base(B1) + 4096 * 5;

	world_use("odx");
	ck_assert_int_eq(world_copy(A1, 4096 * 3, B1, 4096 * 5, 65536, 0), 65536);
	ck_assert(w.flushed_in.start <= src && w.flushed_in.end >= src + 65536);
	ck_assert(w.flushed_out.start <= dst && w.flushed_out.end >= dst + 65536);
	ck_assert(w.dropped.start <= dst && w.dropped.end >= dst + 65536);
}
END_TEST

/* --- random ---------------------------------------------------------------------------------------- */

enum { ROUNDS = 200, RANGES_MOST = 20 };

static size_t random_ranges(uint64_t *state, struct copyoff_range *v)
{
	size_t n = 1 + (size_t)random_below(state, RANGES_MOST);
	uint64_t dst = random_below(state, 100) * 512;

	for (size_t i = 0; i < n; i++) {
		uint64_t unit = random_below(state, 8) ? 512 : 1;

		v[i].len = random_below(state, 100 * 512) / unit * unit;
		v[i].src = (int64_t)(random_below(state, 2000) * 512);
		v[i].dst = (int64_t)dst;
		dst += v[i].len + (random_below(state, 2) ? 0 : random_below(state, 4) * 512);
	}
	return n;
}

static uint64_t sometimes(uint64_t *state, uint64_t most)
{
	return random_below(state, 3) ? 0 : 1 + random_below(state, most);
}

/* Nothing of it is a lie. */
static void random_faults(uint64_t *state)
{
	static const int actions[] = { POPULATE, WRITE, INFORMATION, ABORT };
	struct scsi_target_faults *f = faults();

	memset(f, 0, sizeof(*f));
	w.n_scripts = 0;
	f->descriptor_sense = random_below(state, 2);
	f->populate_blocks = sometimes(state, 400);
	f->write_blocks = sometimes(state, 200);
	f->token_uses = (unsigned)sometimes(state, 4);
	f->polls = (unsigned)sometimes(state, 5);
	f->stall_ms = random_below(state, 8) ? 0 : (unsigned)sometimes(state, 400 * 1000);
	f->count_units = (unsigned char)sometimes(state, 2);
	for (unsigned i = 0; i < 2; i++)
		f->bad[i] = (struct scsi_target_bad){
			.lun = i,
			.lba = random_below(state, 2000),
			.blocks = sometimes(state, 20),
			.read = i == 0,
			.write = i == 1,
		};
	for (int i = 0; i < 3; i++) {
		const struct row *row = &rows[random_below(state, COUNT(rows))];

		*script_answer(actions[random_below(state, 4)], (unsigned)random_below(state, 3),
			       row->status, row->key, row->asc, row->ascq) =
			(struct scsi_target_answer){
				.opcode = 0x83,
				.action = actions[random_below(state, 2)],
				.skip = (unsigned)random_below(state, 6),
				.count = (unsigned)random_below(state, 3),
				.status = row->status,
				.key = row->key,
				.asc = row->asc,
				.ascq = row->ascq,
			};
	}
	for (int i = 0; i < 2 && random_below(state, 3) == 0; i++) {
		int action = actions[random_below(state, 4)];

		*world_script(0, 0) = (struct script){ action == INFORMATION ? 0x84 : 0x83,
						       action,
						       (unsigned)random_below(state, 6),
						       (unsigned)random_below(state, 12),
						       0,
						       (uint16_t)(1 + random_below(state, 15)),
						       random_below(state, 2) };
	}
}

/* What the device did is what is counted, whatever happens. */
START_TEST(test_random)
{
	struct copyoff_range v[RANGES_MOST];
	uint64_t state = random_seed((uint64_t)getpid());

	w.reach = 5 << 18;
	for (int round = 0; round < ROUNDS; round++) {
		struct scsi_target_limits l = {
			.ranges = (uint16_t)(1 + random_below(&state, 20)),
			.token_blocks = 1 + random_below(&state, 400),
		};
		uint64_t total = 0;
		size_t n = random_ranges(&state, v);
		int64_t ret;

		limited(&l, 0, random_below(&state, 4) ? 0 : SCSI_TARGET_NO_ABORT);
		world_use(random_below(&state, 2) ? "odx,readwrite" : "odx");
		world_forget();
		random_faults(&state);
		for (size_t i = 0; i < n; i++)
			total += v[i].len;
		ret = world_copyv(A1, B1, v, n, 0);
		ck_assert(ret <= (int64_t)total);
		ck_assert(ret == (int64_t)total || ctx.result.error);
		world_check(A1, B1, v, n, ret > 0 ? (uint64_t)ret : 0);
	}
}
END_TEST

/* Each call of the seam fails, once, or from there on. */
START_TEST(test_each_call_fails)
{
	static const struct {
		int err;
		bool on;
	} kinds[] = { { EIO, false }, { EPERM, false }, { EINTR, false }, { ENOMEM, false },
		      { EIO, true },  { ENOTTY, true }, { ENOSYS, true } };
	struct copyoff_range v[] = { { 8192, 512, 4096 + 512 }, { 65536, 51200, 66048 } };
	const int64_t total = 4096 + 512 + 66048;
	unsigned n = 0;

	w.reach = 1 << 18;
	w.fail_with = kinds[_i].err;
	w.fail_on = kinds[_i].on;
	w.sequence = _i % 2 ? 0 : 21;
	do {
		int64_t ret;

		world_use(n % 2 ? "odx,readwrite" : "odx");
		world_forget();
		w.calls = 0;
		w.failed = false;
		w.fail_at = ++n;
		ret = world_copyv(A1, B1, v, COUNT(v), 0);
		w.fail_at = 0;
		world_check(A1, B1, v, COUNT(v), ret > 0 ? (uint64_t)ret : 0);
		ck_assert(ret == total || ctx.result.error);
		ck_assert_int_eq(w.open, 0);
		/* And then it works again. */
		ret = world_copyv(A1, B1, v, COUNT(v), 0);
		world_check(A1, B1, v, COUNT(v), ret > 0 ? (uint64_t)ret : 0);
		if (n % 2 == 0)
			ck_assert_int_eq(ret, total);
	} while (w.failed || n % 2);
	ck_assert_uint_gt(n, 60);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("odx");
	TCase *tc = tcase_create("odx");

	tcase_set_timeout(tc, 300);
	world_fill();
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_limits);
	tcase_add_test(tc, test_limits_of_both);
	tcase_add_test(tc, test_no_limits);
	tcase_add_test(tc, test_largest_limit);
	tcase_add_loop_test(tc, test_refusal, 0, COUNT(refusals));
	tcase_add_test(tc, test_files);
	tcase_add_test(tc, test_copy);
	tcase_add_test(tc, test_blocks_of_4096);
	tcase_add_test(tc, test_ranges);
	tcase_add_test(tc, test_overlapping_sources);
	tcase_add_test(tc, test_long_range);
	tcase_add_loop_test(tc, test_flush_fails, 0, 3);
	tcase_add_test(tc, test_polling);
	tcase_add_loop_test(tc, test_delays, 0, 6);
	tcase_add_test(tc, test_too_slow);
	tcase_add_test(tc, test_slow_write);
	tcase_add_test(tc, test_canceled_token);
	tcase_add_loop_test(tc, test_canceled_write, 0, 2);
	tcase_add_test(tc, test_canceled_between);
	tcase_add_test(tc, test_canceled_too_late);
	tcase_add_test(tc, test_canceled_out_of_control);
	tcase_add_loop_test(tc, test_canceled_later, 0, 2);
	tcase_add_test(tc, test_out_of_control);
	tcase_add_test(tc, test_out_of_control_later);
	tcase_add_test(tc, test_short_token);
	tcase_add_test(tc, test_short_writes);
	tcase_add_test(tc, test_short_both);
	tcase_add_loop_test(tc, test_token_forgotten, 0, 6);
	tcase_add_test(tc, test_token_expires);
	tcase_add_test(tc, test_tokens_forgotten);
	tcase_add_test(tc, test_token_revoked);
	tcase_add_test(tc, test_deferred);
	tcase_add_test(tc, test_deferred_in_answer);
	tcase_add_test(tc, test_no_remote_tokens);
	tcase_add_loop_test(tc, test_sense_of_populate, 0, COUNT(rows));
	tcase_add_loop_test(tc, test_sense_of_write, 0, COUNT(rows));
	tcase_add_loop_test(tc, test_bad_block, 0, 4);
	tcase_add_test(tc, test_no_immediate);
	tcase_add_test(tc, test_read_only);
	tcase_add_loop_test(tc, test_units, 0, 4);
	tcase_add_loop_test(tc, test_spoiled, 0, COUNT(spoiled));
	tcase_add_loop_test(tc, test_failed_with_too_much, 0, 2);
	tcase_add_loop_test(tc, test_lost, 0, COUNT(losts));
	tcase_add_loop_test(tc, test_answer_lost, 0, 2);
	tcase_add_test(tc, test_silence);
	tcase_add_test(tc, test_no_sequence);
	tcase_add_loop_test(tc, test_set_up_anew, 0, 3);
	tcase_add_test(tc, test_changed_under_way);
	tcase_add_test(tc, test_smaller);
	tcase_add_test(tc, test_mounted_later);
	tcase_add_test(tc, test_caches);
	tcase_add_test(tc, test_random);
	tcase_add_loop_test(tc, test_each_call_fails, 0, 7);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
