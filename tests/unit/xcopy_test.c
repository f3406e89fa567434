/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * xcopy_test.c - the backend xcopy, with a SCSI target in memory
 */
#include "scsi_world.h"
#include "unit.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { SEGMENTS = 16 }; /* the target's own limit */

static void setup(void)
{
	world_begin(512);
}

static void teardown(void)
{
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
	return world_offer("xcopy");
}

static void expect_text(const char *text)
{
	ck_assert_msg(strstr(offer()->text, text), "\"%s\" is not in \"%s\"", text, offer()->text);
}

/* Both disks with these limits, and without what these bits say. */
static void limited(const struct scsi_target_limits *limits, unsigned without, uint32_t block)
{
	struct scsi_target_unit_options a = world_options(block, 0), b = world_options(block, 1);

	a.limits = b.limits = *limits;
	a.without = b.without = without;
	world_disks(&a, &b);
}

/* Some EXTENDED COPY commands fail like this. */
static struct scsi_target_answer *script_answer(unsigned count, unsigned char status,
						unsigned char key, unsigned char asc,
						unsigned char ascq)
{
	static size_t n;
	struct scsi_target_answer *answer = &faults()->answers[n++ % SCSI_TARGET_FAULTS];

	*answer = (struct scsi_target_answer){
		.opcode = 0x83,
		.count = count,
		.status = status,
		.key = key,
		.asc = asc,
		.ascq = ascq,
	};
	return answer;
}

/* --- probe ------------------------------------------------------------------------- */

static const struct copyoff_offer *probe(int in, int out)
{
	struct copyoff_end from = world_end_of(in), to = world_end_of(out);

	world_use("xcopy");
	world_forget();
	copyoff_route_offer(&ctx, copyoff_ctx_route(&ctx, &from, &to),
			    copyoff_registry_find("xcopy", 5), 0);
	return offer();
}

START_TEST(test_limits)
{
	const struct copyoff_offer *o = probe(A1, B1);

	ck_assert_int_eq(o->state, COPYOFF_OFFER_OPEN);
	ck_assert_uint_eq(o->limits.align, 512);
	ck_assert_uint_eq(o->limits.max_range, 65528 * 512);
	ck_assert_uint_eq(o->limits.max_ranges, 256);
	ck_assert_uint_eq(o->limits.max_total, 256 << 20);
	ck_assert_uint_eq(o->base_in, world_base(A1));
	ck_assert_uint_eq(o->base_out, world_base(B1));
	ck_assert_uint_eq(o->traits, COPYOFF_TRAIT_RAW | COPYOFF_TRAIT_PRIV);
	ck_assert(!o->adjacent);
	/* INQUIRY, capacity and name of both, and the limits. */
	ck_assert_uint_eq(w.commands, 7);
	ck_assert_uint_eq(w.copies, 0);
}
END_TEST

static const struct {
	struct scsi_target_limits limits;
	uint32_t block;
	uint64_t align, range;
	unsigned segments;
} limit_rows[] = {
	/* LIO */
	{ { .cscds = 2, .segments = 1, .list_bytes = 1024 }, 512, 512, 65528 * 512, 1 },
	{ { .cscds = 2, .segments = 1, .list_bytes = 1024 }, 4096, 4096, 65528ull * 4096, 1 },
	{ { .segment_bytes = 1000 }, 512, 512, 512, 16 },
	{ { .segment_bytes = 1 << 20, .granularity = 16 }, 512, 65536, 1 << 20, 16 },
	{ { .segment_bytes = 100000, .granularity = 16 }, 512, 65536, 65536, 16 },
	{ { .segments = 64, .list_bytes = 64 + 28 * 3 + 27 }, 512, 512, 65528 * 512, 3 },
	{ { .segments = 64, .list_bytes = UINT32_MAX }, 512, 512, 65528 * 512, 64 },
};

START_TEST(test_limit_rows)
{
	const struct copyoff_offer *o;
	struct copyoff_range v[65];
	int64_t align, first;

	world_end();
	world_begin(limit_rows[_i].block);
	limited(&limit_rows[_i].limits, 0, limit_rows[_i].block);
	o = probe(A1, B1);
	ck_assert_int_eq(o->state, COPYOFF_OFFER_OPEN);
	ck_assert_uint_eq(o->limits.align, limit_rows[_i].align);
	ck_assert_uint_eq(o->limits.max_range,
			  limit_rows[_i].range < 256 << 20 ? limit_rows[_i].range : 256 << 20);
	/* One range more than a command takes. */
	align = (int64_t)limit_rows[_i].align;
	first = (align - (int64_t)world_base(B1) % align) % align;
	for (int64_t i = 0; i <= limit_rows[_i].segments; i++)
		v[i] = (struct copyoff_range){ first + 2 * i * align, first + 2 * i * align,
					       (uint64_t)align };
	w.reach = 5 << 20;
	ck_assert_int_eq(world_copyv(A1, B1, v, limit_rows[_i].segments + 1u, 0),
			 align * (limit_rows[_i].segments + 1));
	world_check(A1, B1, v, limit_rows[_i].segments + 1u, UINT64_MAX);
	ck_assert_uint_eq(w.copies, 2);
	ck_assert_uint_eq(counts()->segments, limit_rows[_i].segments + 1u);
}
END_TEST

static void no_3pc(void)
{
	limited(&(struct scsi_target_limits){ 0 }, SCSI_TARGET_NO_3PC, 512);
}
static void no_3pc_of_source(void)
{
	struct scsi_target_unit_options a = world_options(512, 0), b = world_options(512, 1);

	a.without = SCSI_TARGET_NO_3PC;
	world_disks(&a, &b);
}
static void no_parameters(void)
{
	limited(&(struct scsi_target_limits){ 0 }, SCSI_TARGET_NO_PARAMETERS, 512);
}
static void one_unit(void)
{
	limited(&(struct scsi_target_limits){ .cscds = 1 }, 0, 512);
}
static void no_room(void)
{
	limited(&(struct scsi_target_limits){ .list_bytes = 64 + 27 }, 0, 512);
}
static void no_segment(void)
{
	limited(&(struct scsi_target_limits){ .segment_bytes = 511 }, 0, 512);
}
static void coarse(void)
{
	limited(&(struct scsi_target_limits){ .granularity = 21 }, 0, 512);
}
static void other_blocks(void)
{
	struct scsi_target_unit_options a = world_options(512, 0), b = world_options(4096, 1);

	world_disks(&a, &b);
}
static void same_name(void)
{
	static const unsigned char name[16] = { 0x60, 1, 2, 3 };
	struct scsi_target_unit_options a = world_options(512, 0), b = world_options(512, 1);

	a.designator = b.designator = name;
	world_disks(&a, &b);
}
static void too_large(void)
{
	struct scsi_target_unit_options a = world_options(512, 0), b = world_options(512, 1);

	b.blocks = (32 + 42976) - 1;
	world_disks(&a, &b);
}
static void garble(uint8_t opcode, int action, unsigned at, uint64_t value)
{
	faults()->garbles[0] = (struct scsi_target_garble){
		.opcode = opcode, .action = action, .count = 2, .at = at, .bytes = 1, .value = value
	};
}
static void cut(uint8_t opcode, int action, size_t to)
{
	faults()->garbles[0] = (struct scsi_target_garble){
		.opcode = opcode, .action = action, .count = 2, .cut = true, .cut_to = to
	};
}
static void protected(void)
{
	garble(0x9e, 0x10, 12, 1);
}
static void no_disk(void)
{
	garble(0x12, 0, 0, 0x0d);
}
static void short_inquiry(void)
{
	cut(0x12, 0, 35);
}
static void short_capacity(void)
{
	cut(0x9e, 0x10, 12);
}
static void short_limits(void)
{
	cut(0x84, 3, 39);
}
static void no_name(void)
{
	cut(0x12, 0x183, 4);
}
static void eperm(void)
{
	world_script(0x84, 3)->ret = -EPERM;
}
static void enotty(void)
{
	world_script(0x12, -1)->ret = -ENOTTY;
}
static void no_device(void)
{
	struct script *s = world_script(0x12, -1);

	s->executed = true;
	s->host = 1;
}
static void reserved(void)
{
	*script_answer(1, 0x18, 0, 0, 0) = (struct scsi_target_answer){
		.opcode = 0x9e, .action = -1, .count = 1, .status = 0x18
	};
}
static void in_use(void)
{
	w.claim = -EBUSY;
}
static void read_only(void)
{
	w.read_only = true;
}
static void managed_zones(void)
{
	w.zoned = "host-managed";
}
static void no_sysfs(void)
{
	w.fixture = NULL;
}
static void no_scsi(void)
{
	w.uevent = "DEVTYPE=mmc_device\nMODALIAS=scsi:t-0x00";
}
static void no_type_0(void)
{
	w.uevent = "DEVTYPE=scsi_device\nMODALIAS=scsi:t-0x001\nX=MODALIAS=scsi:t-0x00";
}

static const struct refusal {
	void (*what)(void);
	enum copyoff_reason reason;
	int error;
	const char *text, *remedy;
} refusals[] = {
	{ no_3pc, COPYOFF_REASON_UNSUPPORTED, 0, "no copy commands", "" },
	{ no_3pc_of_source, COPYOFF_REASON_UNSUPPORTED, 0, "no copy commands", "" },
	{ no_parameters, COPYOFF_REASON_UNSUPPORTED, EOPNOTSUPP, "does not", "" },
	{ one_unit, COPYOFF_REASON_UNSUPPORTED, 0, "no list with two disks", "" },
	{ no_room, COPYOFF_REASON_UNSUPPORTED, 0, "no list with two disks", "" },
	{ no_segment, COPYOFF_REASON_UNSUPPORTED, 0, "too short", "" },
	{ coarse, COPYOFF_REASON_UNSUPPORTED, 0, "no list with two disks", "" },
	{ other_blocks, COPYOFF_REASON_UNSUPPORTED, 0, "larger or smaller", "" },
	{ same_name, COPYOFF_REASON_UNSUPPORTED, 0, "same name", "identities" },
	{ too_large, COPYOFF_REASON_UNSUPPORTED, 0, "larger than it is", "look" },
	{ protected, COPYOFF_REASON_UNSUPPORTED, 0, "protection information", "" },
	{ no_disk, COPYOFF_REASON_FILE_TYPE, 0, "not SCSI disks", "" },
	{ short_inquiry, COPYOFF_REASON_UNSUPPORTED, EIO, "makes no sense", "" },
	{ short_capacity, COPYOFF_REASON_UNSUPPORTED, EIO, "makes no sense", "" },
	{ short_limits, COPYOFF_REASON_UNSUPPORTED, 0, "does not tell the limits", "" },
	{ no_name, COPYOFF_REASON_UNSUPPORTED, 0, "no name", "" },
	{ eperm, COPYOFF_REASON_PERMISSION, EPERM, "may not send", "CAP_SYS_RAWIO" },
	{ enotty, COPYOFF_REASON_PERMISSION, EPERM, "may not send", "/dev/sg" },
	{ no_device, COPYOFF_REASON_RESOURCE, ENODEV, "gone", "" },
	{ reserved, COPYOFF_REASON_RESOURCE, EACCES, "reserved", "" },
	{ in_use, COPYOFF_REASON_RESOURCE, EBUSY, "stacked", "remove" },
	{ read_only, COPYOFF_REASON_PERMISSION, EPERM, "read-only", "" },
	{ managed_zones, COPYOFF_REASON_UNSUPPORTED, 0, "zones", "" },
	{ no_sysfs, COPYOFF_REASON_FAILED, EACCES, "could not find out", "" },
	{ no_scsi, COPYOFF_REASON_FILE_TYPE, 0, "not SCSI disks", "" },
	{ no_type_0, COPYOFF_REASON_FILE_TYPE, 0, "not SCSI disks", "" },
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

/* Disks that cannot copy get no question but the first: some answer no others. */
START_TEST(test_other_questions)
{
	no_3pc();
	probe(A1, B1);
	ck_assert_uint_eq(w.commands, 1);
}
END_TEST

/* The same that is no partition: the kernel passes nothing on. */
START_TEST(test_no_sg_io)
{
	enotty();
	probe(A, B);
	ck_assert_int_eq(offer()->reason, COPYOFF_REASON_UNSUPPORTED);
	ck_assert_int_eq(offer()->error, ENOTTY);
}
END_TEST

/* Device mapper hands commands down: none may be sent. */
START_TEST(test_device_mapper)
{
	probe(A1, DM);
	ck_assert_int_eq(offer()->reason, COPYOFF_REASON_FILE_TYPE);
	probe(DM, B1);
	ck_assert_int_eq(offer()->reason, COPYOFF_REASON_FILE_TYPE);
	ck_assert_uint_eq(w.commands, 0);
}
END_TEST

/* Nothing is sent to what is not SCSI. */
START_TEST(test_other_devices)
{
	static const struct {
		const char *fixture;
		uint64_t rdev;
	} rows[] = {
		{ "nvme", 259ull << 32 | 2 },    { "loop", 7ull << 32 },
		{ "virtio", 254ull << 32 | 96 }, { "md-raid1", 9ull << 32 },
		{ "dm", 253ull << 32 },          { "zoned", 251ull << 32 },
	};
	struct copyoff_end end = world_end_of(A);

	w.fixture = rows[_i].fixture;
	end.rdev = end.place.dev = rows[_i].rdev;
	world_use("xcopy");
	ck_assert_ptr_null(copyoff_route_offer(&ctx, copyoff_ctx_route(&ctx, &end, &end),
					       copyoff_registry_find("xcopy", 5), 0));
	ck_assert_int_eq(offer()->reason, COPYOFF_REASON_FILE_TYPE);
	ck_assert_uint_eq(w.commands, 0);
}
END_TEST

START_TEST(test_files)
{
	struct copyoff_end from = world_end_of(A1), to = world_end_of(B1);

	to.kind = COPYOFF_KIND_REGULAR;
	world_use("xcopy");
	ck_assert_ptr_null(copyoff_route_offer(&ctx, copyoff_ctx_route(&ctx, &from, &to),
					       copyoff_registry_find("xcopy", 5), 0));
	ck_assert_int_eq(offer()->reason, COPYOFF_REASON_FILE_TYPE);
}
END_TEST

/* --- copy ---------------------------------------------------------------------------- */

START_TEST(test_copy)
{
	world_use("xcopy");
	ck_assert_int_eq(world_copy(A1, 1024, B1, 4096, 10240, 0), 10240);
	ck_assert_uint_eq(w.copies, 1);
	ck_assert_uint_eq(ctx.result.bytes_offloaded, 10240);
	/* Of one disk, and back. */
	ck_assert_int_eq(world_copy(A1, 512, A2, 1024, 65536, 0), 65536);
	ck_assert_int_eq(world_copy(B1, 0, A1, 0, 65536, 0), 65536);
	ck_assert_uint_eq(w.copies, 3);
	/* One probe each, and two questions for the names of each copy. */
	ck_assert_uint_eq(w.commands, 3 * 7 + 3 * 3);
}
END_TEST

/* To the last block of both partitions. */
START_TEST(test_ends)
{
	const int64_t end = 42976 * 512;

	w.reach = 42976 * 512;
	world_use("xcopy");
	ck_assert_int_eq(world_copy(A1, end - 512, B1, end - 512, 512, 0), 512);
	ck_assert_int_eq(world_copy(A1, 0, B1, end - 512, 1024, 0), 512);
	ck_assert_int_eq(ctx.result.error, ENOSPC);
	ck_assert_uint_eq(w.copies, 2);
}
END_TEST

START_TEST(test_blocks_of_4096)
{
	world_end();
	world_begin(4096);
	world_use("xcopy");
	ck_assert_int_eq(world_copy(A1, 8192, B1, 4096, 40960, 0), 40960);
	/* An odd head and tail are not for it. */
	world_use("xcopy,readwrite");
	ck_assert_int_eq(world_copy(A1, 512, B1, 512, 40960, 0), 40960);
	ck_assert_uint_eq(world_copied_by("readwrite"), 4096);
}
END_TEST

/* A target that takes one segment, knows nothing else, and counts no residue. */
START_TEST(test_like_lio)
{
	const struct scsi_target_limits lio = { .cscds = 2, .segments = 1, .list_bytes = 1024 };

	limited(&lio,
		SCSI_TARGET_NO_ODX | SCSI_TARGET_NO_VPD_8F | SCSI_TARGET_NO_COPY_STATUS |
			SCSI_TARGET_NO_FAILED_DETAILS,
		512);
	w.exact = true;
	w.reach = 4 << 20;
	world_use("xcopy");
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, 4 << 20, 0), 4 << 20);
	ck_assert_uint_eq(w.copies, 1);
}
END_TEST

/* Sources may overlap, destinations lie anywhere. */
START_TEST(test_ranges)
{
	static const struct copyoff_range v[] = { { 8192, 65536, 4096 },
						  { 4096, 0, 8192 },
						  { 0, 131072, 512 },
						  { 12288, 131072 + 512, 512 } };

	world_use("xcopy");
	ck_assert_int_eq(world_copyv(A1, B1, v, COUNT(v), 0), 4096 + 8192 + 1024);
	world_check(A1, B1, v, COUNT(v), 4096 + 8192 + 1024);
	ck_assert_uint_eq(w.copies, 1);
	ck_assert_uint_eq(counts()->segments, 4);
}
END_TEST

/* --- how many commands ------------------------------------------------------------------ */

enum { MANY = 3000 };
static struct copyoff_range many[MANY];

START_TEST(test_scattered)
{
	static const uint16_t segments[] = { 1, 16, 64 };
	struct scsi_target_limits l = { .segments = segments[_i] };

	limited(&l, 0, 512);
	w.reach = 4 << 20;
	/* 7919 is prime, and has no factor in common with the number of places. */
	for (int64_t i = 0; i < MANY; i++)
		many[i] = (struct copyoff_range){ i * 7919 % 4000 * 1024, i * 1024, 1024 };
	world_use("xcopy");
	ck_assert_int_eq(world_copyv(A1, B1, many, MANY, 0), MANY * 1024);
	world_check(A1, B1, many, MANY, MANY * 1024);
	ck_assert_uint_eq(w.copies, (MANY + segments[_i] - 1u) / segments[_i]);
	ck_assert_uint_eq(counts()->segments, MANY);
	ck_assert_uint_eq(ctx.stats[copyoff_registry_find("xcopy", 5)].short_copies, 0);
}
END_TEST

/* Small commands are one operation up to 16 MiB, and no caches are looked after between. */
START_TEST(test_operations)
{
	struct scsi_target_limits l = { .segments = 1, .segment_bytes = 1 << 20 };

	limited(&l, 0, 512);
	w.reach = 21 << 20;
	world_use("xcopy");
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, 20 << 20, 0), 20 << 20);
	ck_assert_uint_eq(w.copies, 20);
	/* Names are asked for before each. */
	ck_assert_uint_eq(ctx.stats[copyoff_registry_find("xcopy", 5)].calls, 2);
	ck_assert_uint_eq(w.commands, 7 + 20 + 2 * 2);
}
END_TEST

/* One that is not the first of an operation, and has failed, is not sent again. */
START_TEST(test_refused_behind)
{
	struct scsi_target_limits l = { .segments = 1, .segment_bytes = 65536 };

	limited(&l, 0, 512);
	*world_script(0x83, -1) = (struct script){ 0x83, -1, 5, 1, 0, 3, _i };
	world_use("xcopy,readwrite");
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, 1 << 20, 0), 1 << 20);
	ck_assert_uint_eq(world_copied_by("xcopy"), 5 * 65536);
	ck_assert_uint_eq(w.copies, 6);
	ck_assert_int_eq(offer()->error, ETIMEDOUT);
	/* But in the next call. */
	ck_assert_int_eq(world_copy(A1, 0, B1, 5 * 65536, 65536, 0), 65536);
	ck_assert_uint_eq(world_copied_by("xcopy"), 6 * 65536);
}
END_TEST

static int cancel(void *data, uint64_t done, uint64_t total)
{
	(void)data;
	(void)done;
	(void)total;
	return 1;
}

/* It is nothing to another call, also if that begins there. */
START_TEST(test_refused_elsewhere)
{
	struct scsi_target_limits l = { .segments = 1, .segment_bytes = 65536 };

	limited(&l, 0, 512);
	*world_script(0x83, -1) = (struct script){ 0x83, -1, 5, 1, 0, 3, false };
	world_use("xcopy");
	ctx.progress = cancel;
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, 1 << 20, 0), 5 * 65536);
	ck_assert_int_eq(ctx.result.error, ECANCELED);
	ctx.progress = NULL;
	ck_assert_int_eq(world_copy(A1, 0, B1, 5 * 65536, 65536, COPYOFF_REQUIRE_OFFLOAD), 65536);
}
END_TEST

/* A long range takes several segments of one command. */
START_TEST(test_long_range)
{
	struct scsi_target_limits l = { .segments = 7, .segment_bytes = 100 * 512 };

	limited(&l, 0, 512);
	w.reach = 2 << 20;
	world_use("xcopy");
	ck_assert_int_eq(world_copy(A1, 512, B1, 0, 3500 * 512, 0), 3500 * 512);
	ck_assert_uint_eq(w.copies, 5);
	ck_assert_uint_eq(counts()->segments, 35);
}
END_TEST

/* --- failures ------------------------------------------------------------------------------ */

enum outcome { DECLINED, PUT_ASIDE, AGAIN, WAITED, IDS, FINAL, DONE };

static const struct row {
	unsigned char status, key, asc, ascq;
	enum outcome outcome;
	int error;
} rows[] = {
	{ 0x02, 0x0, 0x00, 0x00, PUT_ASIDE, EIO },
	{ 0x02, 0x2, 0x04, 0x01, WAITED, EBUSY },
	{ 0x02, 0x2, 0x04, 0x0b, PUT_ASIDE, EIO },
	{ 0x02, 0x2, 0x04, 0x14, WAITED, EBUSY },
	{ 0x02, 0x2, 0x08, 0x00, PUT_ASIDE, EIO },
	{ 0x02, 0x2, 0x3a, 0x00, PUT_ASIDE, ENXIO },
	{ 0x02, 0x3, 0x0c, 0x00, PUT_ASIDE, EIO },
	{ 0x02, 0x4, 0x44, 0x00, PUT_ASIDE, EIO },
	{ 0x02, 0x5, 0x00, 0x16, IDS, EBUSY },
	{ 0x02, 0x5, 0x1a, 0x00, DECLINED, EOPNOTSUPP },
	{ 0x02, 0x5, 0x20, 0x00, DECLINED, EOPNOTSUPP },
	{ 0x02, 0x5, 0x21, 0x00, PUT_ASIDE, EINVAL },
	{ 0x02, 0x5, 0x24, 0x00, DECLINED, EOPNOTSUPP },
	{ 0x02, 0x5, 0x25, 0x00, DECLINED, EOPNOTSUPP },
	{ 0x02, 0x5, 0x26, 0x00, IDS, EOPNOTSUPP },
	{ 0x02, 0x5, 0x26, 0x06, DECLINED, EOPNOTSUPP },
	{ 0x02, 0x5, 0x26, 0x08, DECLINED, EOPNOTSUPP },
	{ 0x02, 0x5, 0x26, 0x09, DECLINED, EOPNOTSUPP },
	{ 0x02, 0x5, 0x26, 0x0d, PUT_ASIDE, EOPNOTSUPP },
	{ 0x02, 0x5, 0x26, 0x15, DECLINED, EACCES },
	{ 0x02, 0x5, 0x55, 0x03, WAITED, EBUSY },
	{ 0x02, 0x6, 0x29, 0x00, AGAIN, EIO },
	{ 0x02, 0x7, 0x27, 0x00, FINAL, EROFS },
	{ 0x02, 0x7, 0x27, 0x07, FINAL, ENOSPC },
	{ 0x02, 0xa, 0x0d, 0x01, PUT_ASIDE, EIO },
	{ 0x02, 0xa, 0x0d, 0x02, PUT_ASIDE, EIO },
	{ 0x02, 0xb, 0x47, 0x03, AGAIN, EIO },
	{ 0x02, 0xd, 0x00, 0x02, FINAL, ENOSPC },
	{ 0x08, 0, 0, 0, WAITED, EBUSY },
	{ 0x18, 0, 0, 0, FINAL, EACCES },
	{ 0x28, 0, 0, 0, WAITED, EBUSY },
	{ 0x30, 0, 0, 0, PUT_ASIDE, EIO },
	{ 0x40, 0, 0, 0, AGAIN, EIO },
};

static unsigned commands_of(enum outcome outcome)
{
	static const unsigned n[] = { [AGAIN] = 6, [WAITED] = 9, [IDS] = 3 };

	return outcome == AGAIN || outcome == WAITED || outcome == IDS ? n[outcome] : 1;
}

/* The library reads and writes instead, or returns the error. */
START_TEST(test_sense)
{
	const struct row *row = &rows[_i];
	bool for_good =
		row->outcome == DECLINED || (row->outcome == IDS && row->error == EOPNOTSUPP);
	int64_t ret;

	faults()->descriptor_sense = _i % 2;
	script_answer(1000, row->status, row->key, row->asc, row->ascq);
	world_use("xcopy,readwrite");
	ret = world_copy(A1, 0, B1, 0, 65536, 0);
	ck_assert_int_eq(ret, row->outcome == FINAL ? -row->error : 65536);
	ck_assert_uint_eq(w.copies, commands_of(row->outcome));
	ck_assert_uint_eq(w.pauses, row->outcome == WAITED ? 8 : 0);
	ck_assert_uint_eq(world_copied_by("xcopy"), 0);
	/* For the rest of the call, or for good? */
	w.copies = 0;
	ret = world_copy(A1, 0, B1, 0, 65536, COPYOFF_REQUIRE_OFFLOAD);
	ck_assert_int_eq(ret, for_good ? -EOPNOTSUPP : -row->error);
	ck_assert_uint_eq(w.copies, for_good ? 0 : commands_of(row->outcome));
	if (row->outcome != FINAL)
		ck_assert_ptr_nonnull(strstr(ctx.message, offer()->text));
}
END_TEST

/* Afterwards it works. */
START_TEST(test_passing)
{
	static const struct {
		unsigned count;
		struct row row;
	} passing[] = {
		{ 5, { 0x02, 0x6, 0x3f, 0x0e, AGAIN, 0 } },
		{ 1, { 0x02, 0xb, 0x00, 0x00, AGAIN, 0 } },
		{ 8, { 0x08, 0, 0, 0, WAITED, 0 } },
		{ 2, { 0x02, 0x5, 0x00, 0x16, IDS, 0 } },
		{ 2, { 0x02, 0x5, 0x26, 0x00, IDS, 0 } },
	};
	const struct row *row = &passing[_i].row;

	script_answer(passing[_i].count, row->status, row->key, row->asc, row->ascq);
	world_use("xcopy");
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, 65536, 0), 65536);
	ck_assert_uint_eq(w.copies, passing[_i].count + 1);
}
END_TEST

/* Recovered errors are none. */
START_TEST(test_recovered)
{
	script_answer(1, 0x02, 0x1, 0x17, 0x01)->blocks = UINT64_MAX;
	world_use("xcopy");
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, 65536, 0), 65536);
	ck_assert_uint_eq(w.copies, 1);
}
END_TEST

/* Fewer segments than the target said. */
START_TEST(test_fewer_segments)
{
	static const unsigned char sense[][3] = { { 5, 0x26, 0x08 },
						  { 5, 0x1a, 0 },
						  { 0xa, 0x26, 8 } };
	struct copyoff_range v[5];

	for (int64_t i = 0; i < 5; i++)
		v[i] = (struct copyoff_range){ (4 - i) * 8192, i * 8192, 4096 };
	script_answer(1, 0x02, sense[_i][0], sense[_i][1], sense[_i][2]);
	world_use("xcopy");
	ck_assert_int_eq(world_copyv(A1, B1, v, 5, 0), 5 * 4096);
	world_check(A1, B1, v, 5, 5 * 4096);
	ck_assert_uint_eq(w.copies, 6);
}
END_TEST

/* --- the count ------------------------------------------------------------------------------- */

static struct copyoff_range five[5];

static int64_t copy_five(unsigned flags)
{
	int64_t ret;

	for (int64_t i = 0; i < 5; i++)
		five[i] = (struct copyoff_range){ (4 - i) * 8192, i * 8192, 4096 };
	ret = world_copyv(A1, B1, five, 5, flags);
	world_check(A1, B1, five, 5, ret > 0 ? (uint64_t)ret : 0);
	return ret;
}

/* A block in the middle of the range @i of the destination. */
static void bad_block(int64_t i, bool read)
{
	faults()->bad[0] = (struct scsi_target_bad){
		.lun = read ? 0 : 1,
		.lba = 32 + (uint64_t)(read ? 4 - i : i) * 16 + 3,
		.blocks = 1,
		.read = read,
		.write = !read,
	};
}

/* Whole segments before the one that failed. */
START_TEST(test_partly)
{
	const int k = _i / 4;

	faults()->descriptor_sense = _i & 1;
	bad_block(k, _i & 2);
	world_use("xcopy,readwrite");
	ck_assert_int_eq(copy_five(0), 5 * 4096);
	ck_assert_uint_eq(world_copied_by("xcopy"), (uint64_t)k * 4096);
	ck_assert_uint_eq(world_copied_by("readwrite"), (uint64_t)(5 - k) * 4096);
	ck_assert_int_eq(copy_five(COPYOFF_REQUIRE_OFFLOAD), k ? k * 4096 : -EIO);
	ck_assert_int_eq(ctx.result.error, EIO);
}
END_TEST

/* Where the two sources do not agree, or one is missing, nothing is counted. */
static void no_status(void)
{
	limited(&(struct scsi_target_limits){ 0 }, SCSI_TARGET_NO_COPY_STATUS, 512);
}
static void no_information(void)
{
	faults()->no_information = true;
}
static void no_sense(void)
{
	faults()->no_sense = true;
}
static void cut_sense(void)
{
	faults()->sense_cut = 8;
}
static void other_segment(void)
{
	garble(0x84, 0, 6, 4);
}
static void all_segments(void)
{
	garble(0x84, 0, 6, 5);
}
static void other_status(void)
{
	garble(0x84, 0, 4, 1);
}
static void cut_status(void)
{
	cut(0x84, 0, 11);
}
static void lost_status(void)
{
	struct script *s = world_script(0x84, 0);

	s->executed = true;
	s->host = 3;
}
static void never_sent(void)
{
	world_script(0x84, 0)->ret = -ENOMEM;
}

static void (*const doubts[])(void) = { no_status,     no_information, no_sense,     cut_sense,
					other_segment, all_segments,   other_status, cut_status,
					lost_status,   never_sent };

START_TEST(test_doubts)
{
	doubts[_i]();
	bad_block(3, false);
	world_use("xcopy,readwrite");
	ck_assert_int_eq(copy_five(0), 5 * 4096);
	ck_assert_uint_eq(world_copied_by("xcopy"), 0);
	/* All of it may have changed. */
	ck_assert(w.dropped.start <= world_base(B1) + 4 * 8192 &&
		  w.dropped.end >= world_base(B1) + 4 * 8192 + 4096);
}
END_TEST

/* --- sense data that get lost ------------------------------------------------------------------ */

/* The target says it once more, where it can; nothing is counted for that. */
START_TEST(test_details)
{
	const bool told = _i & 1;

	limited(&(struct scsi_target_limits){ 0 }, told ? 0 : SCSI_TARGET_NO_FAILED_DETAILS, 512);
	faults()->no_sense = true;
	faults()->descriptor_sense = _i & 2;
	bad_block(3, false);
	world_use("xcopy,readwrite");
	ck_assert_int_eq(copy_five(0), 5 * 4096);
	ck_assert_uint_eq(world_copied_by("xcopy"), 0);
	expect_text(told ? "a device failed" : "did not say why");
	ck_assert_uint_eq(scsi_target_counts(w.target)->receive[4], 1);
}
END_TEST

/* What the next question for details is answered. */
static unsigned char details[60 + 18];
static unsigned details_len;

/* A medium error that is said in no other way. */
static int only_details(unsigned lun, struct copyoff_scsi_command *c)
{
	int ret = world_ask_target(lun, c);

	if (c->cdb[0] == 0x83) {
		c->status = 2;
		c->sense_len = 18;
		memset(c->sense, 0, sizeof(c->sense));
	} else if (c->cdb[0] == 0x84 && c->cdb[1] == 4) {
		c->status = 0;
		c->residue = c->len - details_len;
		memcpy(c->data, details, details_len);
	}
	return ret;
}

static const struct told {
	unsigned len, available, status, sense_len;
	unsigned char response, key, asc, ascq;
	int error;
} tolds[] = {
	{ 78, 74, 2, 18, 0x70, 0x3, 0x0c, 0x00, EIO },
	/* Neither final nor lasting: it may be about another command. */
	{ 78, 74, 2, 18, 0x70, 0x7, 0x27, 0x07, ENOSPC },
	{ 78, 74, 0x18, 18, 0x70, 0, 0, 0, EACCES },
	{ 78, 74, 2, 18, 0x70, 0x5, 0x26, 0x09, EOPNOTSUPP },
	{ 78, 74, 2, 255, 0x70, 0x5, 0x26, 0x09, EOPNOTSUPP },
	/* Nothing is said, or that all is well. */
	{ 78, 74, 0, 18, 0x70, 0x5, 0x26, 0x09, EIO },
	{ 78, 74, 2, 0, 0x70, 0x5, 0x26, 0x09, EIO },
	{ 78, 0, 2, 18, 0x70, 0x5, 0x26, 0x09, EIO },
	{ 78, 55, 2, 18, 0x70, 0x5, 0x26, 0x09, EIO },
	{ 59, 74, 2, 18, 0x70, 0x5, 0x26, 0x09, EIO },
	{ 61, 74, 2, 18, 0x70, 0x5, 0x26, 0x09, EIO },
};

static void tell(const struct told *t)
{
	memset(details, 0, sizeof(details));
	details_len = t->len;
	details[3] = (unsigned char)t->available;
	details[56] = (unsigned char)t->status;
	details[59] = (unsigned char)t->sense_len;
	details[60] = t->response;
	details[62] = t->key;
	details[67] = 10;
	details[72] = t->asc;
	details[73] = t->ascq;
	w.answer = only_details;
}

START_TEST(test_told)
{
	tell(&tolds[_i]);
	world_use("xcopy,readwrite");
	ck_assert_int_eq(copy_five(0), 5 * 4096);
	ck_assert_uint_eq(world_copied_by("xcopy"), 0);
	ck_assert_int_eq(offer()->reason, COPYOFF_REASON_RESOURCE);
	ck_assert_int_eq(offer()->error, tolds[_i].error);
	ck_assert_uint_eq(w.copies, 1);
	w.answer = NULL;
	ck_assert_int_eq(copy_five(0), 5 * 4096);
	ck_assert_uint_eq(world_copied_by("xcopy"), 5 * 4096);
	ck_assert_uint_eq(w.copies, 2);
}
END_TEST

/* An error of before is not lost, either. */
START_TEST(test_told_deferred)
{
	tell(&(struct told){ 78, 74, 2, 18, 0x71, 0x4, 0x44, 0, 0 });
	world_use("xcopy,readwrite");
	ck_assert_int_eq(copy_five(0), -EIO);
	ck_assert_uint_eq(world_copied_by("readwrite"), 0);
}
END_TEST

/* Nobody asks why something failed that was not sent. */
START_TEST(test_not_sent_again)
{
	script_answer(1, 0x02, 0x6, 0x29, 0x00);
	*world_script(0x83, 0) = (struct script){ 0x83, 0, 1, 1, -ENODEV, 0, false };
	world_use("xcopy,readwrite");
	ck_assert_int_eq(copy_five(0), 5 * 4096);
	ck_assert_int_eq(offer()->error, ENODEV);
	ck_assert_uint_eq(scsi_target_counts(w.target)->receive[4], 0);
}
END_TEST

/* What another device said to the one that copies. */
START_TEST(test_forwarded)
{
	struct scsi_target_unit_options a = world_options(512, 0), b = world_options(512, 1);

	b.read_only = true;
	world_disks(&a, &b);
	faults()->descriptor_sense = _i;
	world_use("xcopy,readwrite");
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, 65536, 0), -EROFS);
	ck_assert_uint_eq(world_copied_by("readwrite"), 0);
}
END_TEST

/* What the device says once, of an earlier command, to any question: @deferred_to. */
static uint8_t deferred_to;

static int deferred_error(unsigned lun, struct copyoff_scsi_command *c)
{
	return c->cdb[0] == deferred_to ? world_defer(c) : world_ask_target(lun, c);
}

/* In the probe, too: nobody else will be told. */
START_TEST(test_deferred)
{
	static const uint8_t opcodes[] = { 0x12, 0x9e, 0x84, 0x83 };

	deferred_to = opcodes[_i % 4];
	world_use("xcopy,readwrite");
	if (_i >= 4) /* and where the pair is known */
		ck_assert_int_eq(world_copy(A1, 0, B1, 0, 65536, 0), 65536);
	w.sequence = 0; /* all is asked for anew */
	w.answer = deferred_error;
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, 65536, 0), -EIO);
	ck_assert_ptr_nonnull(strstr(ctx.message, "an earlier command failed"));
	ck_assert_uint_eq(world_copied_by("readwrite"), 0);
	/* Once. */
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, 65536, 0), 65536);
}
END_TEST

/* --- lost on the way --------------------------------------------------------------------------- */

static const struct lost {
	int ret;
	uint16_t host;
	bool executed;
	int error;
	enum copyoff_reason reason;
	unsigned commands;
} losts[] = {
	{ 0, 3, true, ETIMEDOUT, COPYOFF_REASON_RESOURCE, 1 },
	{ 0, 3, false, ETIMEDOUT, COPYOFF_REASON_RESOURCE, 1 },
	{ 0, 1, false, ENODEV, COPYOFF_REASON_RESOURCE, 1 },
	{ 0, 5, true, EIO, COPYOFF_REASON_RESOURCE, 1 },
	{ 0, 7, true, EIO, COPYOFF_REASON_RESOURCE, 1 },
	{ 0, 8, true, EIO, COPYOFF_REASON_RESOURCE, 6 },
	{ 0, 0xe, false, EIO, COPYOFF_REASON_RESOURCE, 9 },
	{ 0, 0xf, true, EIO, COPYOFF_REASON_RESOURCE, 1 },
	{ -EPERM, 0, false, EPERM, COPYOFF_REASON_PERMISSION, 1 },
	{ -ENODEV, 0, false, ENODEV, COPYOFF_REASON_RESOURCE, 1 },
	{ -ENOMEM, 0, false, ENOMEM, COPYOFF_REASON_RESOURCE, 1 },
	{ -EINTR, 0, false, EIO, COPYOFF_REASON_RESOURCE, 1 },
	{ -ENOTTY, 0, false, ENOTTY, COPYOFF_REASON_UNSUPPORTED, 1 },
};

/* Whatever became of it, nothing is counted, and nothing stays in the cache. */
START_TEST(test_lost)
{
	const struct lost *lost = &losts[_i];
	bool passing = lost->reason == COPYOFF_REASON_RESOURCE;
	struct script *s = world_script(0x83, -1);

	*s = (struct script){ 0x83, -1, 0, 1000, lost->ret, lost->host, lost->executed };
	world_use("xcopy,readwrite");
	ck_assert_int_eq(copy_five(0), 5 * 4096);
	ck_assert_uint_eq(w.copies, lost->commands);
	ck_assert_uint_eq(world_copied_by("xcopy"), 0);
	ck_assert_int_eq(offer()->reason, lost->reason);
	ck_assert_int_eq(offer()->error, lost->error);
	ck_assert(w.dropped.end >= world_base(B1) + 4 * 8192 + 4096);
	ck_assert_int_eq(copy_five(COPYOFF_REQUIRE_OFFLOAD), passing ? -lost->error : -EOPNOTSUPP);
}
END_TEST

/* --- what becomes of the disks in the meantime ---------------------------------------------------- */

/* The target has given the node another disk, and the kernel does not know. */
START_TEST(test_swapped)
{
	world_use("xcopy,readwrite");
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, 65536, 0), 65536);
	w.swap_after = w.inquiries + (unsigned)_i;
	ck_assert_int_eq(world_copy(A1, 65536, B1, 65536, 65536, 0), 65536);
	ck_assert_uint_eq(w.copies, 1);
	ck_assert_uint_eq(world_copied_by("readwrite"), 65536);
	expect_text("another disk");
}
END_TEST

START_TEST(test_other_medium)
{
	world_use("xcopy,readwrite");
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, 65536, 0), 65536);
	/* Another one, with protection: found out, though the pair is known. */
	w.sequence = 0; /* it cannot be known that it is the same */
	protected();
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, 65536, 0), 65536);
	ck_assert_uint_eq(w.copies, 1);
	expect_text("protection");
}
END_TEST

/* Kernels without sequence numbers: it is asked about each time. */
START_TEST(test_no_sequence)
{
	w.sequence = 0;
	world_use("xcopy");
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, 1 << 20, 0), 1 << 20);
	ck_assert_uint_eq(w.commands, 7 + 7 + 3);
}
END_TEST

static void formatted(void)
{
	struct scsi_target_unit_options a = world_options(4096, 0), b = world_options(4096, 1);

	w.shift = 12;
	w.sequence = 0; /* it cannot be known that it is the same */
	world_disks(&a, &b);
}
static void coarser(void)
{
	w.sequence = 0; /* it cannot be known that it is the same */
	limited(&(struct scsi_target_limits){ .granularity = 12 }, 0, 512);
}
static void shorter(void)
{
	w.sequence = 0; /* it cannot be known that it is the same */
	limited(&(struct scsi_target_limits){ .segment_bytes = 32768 }, 0, 512);
}

START_TEST(test_set_up_anew)
{
	static void (*const whats[])(void) = { formatted, coarser, shorter };

	world_use("xcopy");
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, 65536, 0), 65536);
	whats[_i]();
	ck_assert_int_eq(world_copy(A1, 512, B1, 512, 65536, 0), -EOPNOTSUPP);
	expect_text("narrower limits");
	ck_assert_uint_eq(w.copies, 1);
	/* The next call knows. */
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, 65536, 0), 65536);
}
END_TEST

/* Nobody knows where the bytes went. */
START_TEST(test_changed_under_way)
{
	struct scsi_target_limits l = { .segments = 1, .segment_bytes = 65536 };

	limited(&l, 0, 512);
	w.sequence_changes = 2;
	world_use("xcopy,readwrite");
	/* Nor is what was copied before where it should be. */
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, 1 << 20, 0), -EIO);
	ck_assert_uint_eq(world_copied_by("readwrite"), 0);
}
END_TEST

/* What lies behind the partition now is not its own. */
START_TEST(test_smaller)
{
	w.reach = 42976 * 512;
	world_use("xcopy");
	w.smaller = 4096;
	ck_assert_int_eq(world_copy(A1, 0, B1, 42976 * 512 - 8192, 8192, 0), -EOPNOTSUPP);
	expect_text("smaller");
	ck_assert_int_eq(world_copy(B1, 42976 * 512 - 8192, A1, 0, 8192, 0), -EOPNOTSUPP);
	ck_assert_uint_eq(w.copies, 0);
}
END_TEST

START_TEST(test_mounted_later)
{
	world_use("xcopy,readwrite");
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, 65536, 0), 65536);
	w.claim = -EBUSY;
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, 65536, 0), 65536);
	ck_assert_uint_eq(w.copies, 1);
	ck_assert_int_eq(offer()->reason, COPYOFF_REASON_RESOURCE);
}
END_TEST

/* --- page cache ------------------------------------------------------------------------------------ */

START_TEST(test_caches)
{
	const uint64_t src = world_base(A1) + 4096 * 3, dst = world_base(B1) + 4096 * 5;

	world_use("xcopy");
	ck_assert_int_eq(world_copy(A1, 4096 * 3, B1, 4096 * 5, 65536, 0), 65536);
	ck_assert(w.flushed_in.start <= src && w.flushed_in.end >= src + 65536);
	ck_assert(w.flushed_out.start <= dst && w.flushed_out.end >= dst + 65536);
	ck_assert(w.dropped.start <= dst && w.dropped.end >= dst + 65536);
}
END_TEST

/* Old pages stay: they are overwritten in place; or all of it is copied through the cache. */
START_TEST(test_stale)
{
	w.cached = true;
	w.read_error = _i ? -ENOMEM : 0;
	world_use("xcopy,readwrite");
	ck_assert_int_eq(world_copy(A1, 0, B1, 0, 65536, 0), 65536);
	ck_assert_uint_eq(world_copied_by("xcopy"), _i ? 0 : 65536);
	ck_assert_uint_gt(w.writes, 0);
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
		v[i].src = (int64_t)(random_below(state, 1000) * 512);
		v[i].dst = (int64_t)dst;
		dst += v[i].len + (random_below(state, 2) ? 0 : random_below(state, 4) * 512);
	}
	return n;
}

static void random_faults(uint64_t *state)
{
	struct scsi_target_faults *f = faults();

	memset(f, 0, sizeof(*f));
	w.n_scripts = 0;
	f->descriptor_sense = random_below(state, 2);
	for (int i = 0; i < 2 && random_below(state, 2); i++)
		f->bad[i] = (struct scsi_target_bad){
			.lun = (unsigned)i,
			.lba = random_below(state, 2000),
			.blocks = random_below(state, 20),
			.read = i == 0,
			.write = i == 1,
		};
	for (int i = 0; i < 3; i++) {
		const struct row *row = &rows[random_below(state, COUNT(rows))];

		f->answers[i] = (struct scsi_target_answer){
			.opcode = 0x83,
			.skip = (unsigned)random_below(state, 6),
			.count = (unsigned)random_below(state, 4),
			.status = row->status,
			.key = row->key,
			.asc = row->asc,
			.ascq = row->ascq,
			.blocks = random_below(state, 3) ? 0 : random_below(state, 100),
		};
	}
	if (random_below(state, 4) == 0)
		*world_script(0x83, -1) = (struct script){
			0x83,
			-1,
			(unsigned)random_below(state, 5),
			1,
			0,
			(uint16_t)(1 + random_below(state, 0x0f)),
			random_below(state, 2),
		};
}

/* A medium that cannot be read is not read by the library either: reads here never fail. */
START_TEST(test_random)
{
	struct copyoff_range v[RANGES_MOST];
	uint64_t state = random_seed((uint64_t)getpid());

	w.reach = 5 << 18;
	for (int round = 0; round < ROUNDS; round++) {
		struct scsi_target_limits l = {
			.segments = (uint16_t)(1 + random_below(&state, 20)),
			.segment_bytes = (uint32_t)(1 + random_below(&state, 60)) * 512,
		};
		uint64_t total = 0;
		size_t n = random_ranges(&state, v);
		int64_t ret;

		limited(&l, random_below(&state, 2) ? SCSI_TARGET_NO_COPY_STATUS : 0, 512);
		world_use(random_below(&state, 2) ? "xcopy,readwrite" : "xcopy");
		world_forget();
		random_faults(&state);
		for (size_t i = 0; i < n; i++)
			total += v[i].len;
		ret = world_copyv(A1, B1, v, n, 0);
		ck_assert(ret <= (int64_t)total);
		ck_assert(ret == (int64_t)total || ctx.result.error);
		world_check(A1, B1, v, n, ret > 0 ? (uint64_t)ret : 0);
		w.n_scripts = 0;
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

		world_use(n % 2 ? "xcopy,readwrite" : "xcopy");
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
	Suite *suite = suite_create("xcopy");
	TCase *tc = tcase_create("xcopy");

	tcase_set_timeout(tc, 300);
	world_fill();
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_limits);
	tcase_add_loop_test(tc, test_limit_rows, 0, COUNT(limit_rows));
	tcase_add_loop_test(tc, test_refusal, 0, COUNT(refusals));
	tcase_add_test(tc, test_other_questions);
	tcase_add_test(tc, test_no_sg_io);
	tcase_add_test(tc, test_device_mapper);
	tcase_add_loop_test(tc, test_other_devices, 0, 6);
	tcase_add_test(tc, test_files);
	tcase_add_test(tc, test_copy);
	tcase_add_test(tc, test_ends);
	tcase_add_test(tc, test_blocks_of_4096);
	tcase_add_test(tc, test_like_lio);
	tcase_add_test(tc, test_ranges);
	tcase_add_loop_test(tc, test_scattered, 0, 3);
	tcase_add_loop_test(tc, test_refused_behind, 0, 2);
	tcase_add_test(tc, test_refused_elsewhere);
	tcase_add_test(tc, test_operations);
	tcase_add_test(tc, test_long_range);
	tcase_add_loop_test(tc, test_sense, 0, COUNT(rows));
	tcase_add_loop_test(tc, test_passing, 0, 5);
	tcase_add_test(tc, test_recovered);
	tcase_add_loop_test(tc, test_fewer_segments, 0, 3);
	tcase_add_loop_test(tc, test_partly, 0, 5 * 4);
	tcase_add_loop_test(tc, test_details, 0, 4);
	tcase_add_loop_test(tc, test_told, 0, COUNT(tolds));
	tcase_add_test(tc, test_told_deferred);
	tcase_add_test(tc, test_not_sent_again);
	tcase_add_loop_test(tc, test_doubts, 0, COUNT(doubts));
	tcase_add_loop_test(tc, test_forwarded, 0, 2);
	tcase_add_loop_test(tc, test_deferred, 0, 8);
	tcase_add_loop_test(tc, test_lost, 0, COUNT(losts));
	tcase_add_loop_test(tc, test_swapped, 0, 2);
	tcase_add_test(tc, test_other_medium);
	tcase_add_test(tc, test_no_sequence);
	tcase_add_loop_test(tc, test_set_up_anew, 0, 3);
	tcase_add_test(tc, test_changed_under_way);
	tcase_add_test(tc, test_smaller);
	tcase_add_test(tc, test_mounted_later);
	tcase_add_test(tc, test_caches);
	tcase_add_loop_test(tc, test_stale, 0, 2);
	tcase_add_test(tc, test_random);
	tcase_add_loop_test(tc, test_each_call_fails, 0, 7);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
