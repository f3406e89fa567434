/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * blkcopy_test.c - the backend blkcopy, with kernels and a disk in memory
 */
#define _GNU_SOURCE
#include "blkcopy_world.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static const struct copyoff_offer *offer(void)
{
	return offer_of("blkcopy");
}

static void expect_text(const char *text)
{
	ck_assert_msg(strstr(offer()->text, text), "\"%s\" is not in \"%s\"", text, offer()->text);
}

/* The row of a version, by what the kernel's headers have. */
static const struct copyoff_blkcopy_abi *row(uint32_t request, uint32_t unit)
{
	for (size_t i = 0; i < COPYOFF_BLKCOPY_ABIS; i++) {
		const struct copyoff_blkcopy_abi *abi = &copyoff_blkcopy_abis[i];

		if (abi->request == request && abi->unit == unit)
			return abi;
	}
	ck_abort_msg("there is no row for %x", request);
	return NULL;
}

/* --- bytes ----------------------------------------------------------------------------- */

/* By the macros of the kernel's headers, and of no others. */
START_TEST(test_numbers)
{
	static const uint32_t known[] = { 0xc0201280, 0xc0201281, 0xc0101281, 0xc018128e,
					  0xc018128f };

	ck_assert_uint_eq(REQUEST_RFC, 0xc0201280);
	ck_assert_uint_eq(REQUEST_V1, 0xc0201281);
	ck_assert_uint_eq(REQUEST_LIST, 0xc0101281);
	ck_assert_uint_eq(REQUEST_SINGLE, 0xc018128e);
	ck_assert_uint_eq(REQUEST_VECTOR, 0xc018128f);
	for (size_t i = 0; i < COPYOFF_BLKCOPY_ABIS; i++) {
		const struct copyoff_blkcopy_abi *abi = &copyoff_blkcopy_abis[i];
		bool found = false;

		for (size_t j = 0; j < COUNT(known); j++)
			found |= abi->request == known[j];
		ck_assert(found);
		ck_assert(abi->names && abi->max_total.attribute);
		ck_assert(abi->total <= 64 << 20 && abi->total % 4096 == 0);
		ck_assert_uint_le(abi->ranges, 256);
	}
}
END_TEST

static const struct copyoff_range two[] = { { 0x123456000, 0x7000, 0x2000 },
					    { 0x400, 0x9000, 0x1000 } };

/* What is at @words is @n words, and nothing behind them was touched. */
static void expect_words(const uint64_t *words, const uint64_t *must, size_t n)
{
	for (size_t i = 0; i < n; i++)
		ck_assert_msg(words[i] == must[i], "word %zu is %llx, not %llx", i,
			      (unsigned long long)words[i], (unsigned long long)must[i]);
	ck_assert_uint_eq(words[n], 0xa5a5a5a5a5a5a5a5);
}

static uint64_t words[COPYOFF_BLKCOPY_WORDS + 1];

static void encode(uint32_t request, uint32_t unit, size_t n)
{
	memset(words, 0xa5, sizeof(words));
	copyoff_blkcopy_encode(row(request, unit), two, n, words);
}

START_TEST(test_gather_bytes)
{
	const uint64_t bytes[] = { 0x7000, 2,     (uintptr_t)(words + 4), 0, 0x123456000, 0x2000,
				   0x400,  0x1000 };
	const uint64_t sectors[] = { 0x38, 2, (uintptr_t)(words + 4), 0, 0x91a2b0, 0x10, 2, 8 };

	encode(REQUEST_RFC, 1, 2);
	expect_words(words, bytes, COUNT(bytes));
	encode(REQUEST_V1, 512, 2);
	expect_words(words, sectors, COUNT(sectors));
}
END_TEST

START_TEST(test_list_bytes)
{
	static const uint64_t must[] = { 2, 0,     0x123456000, 0x7000, 0x2000,
					 0, 0x400, 0x9000,      0x1000, 0 };

	encode(REQUEST_LIST, 1, 2);
	expect_words(words, must, COUNT(must));
}
END_TEST

START_TEST(test_single_bytes)
{
	static const uint64_t must[] = { 0x38, 0x91a2b0, 0x10 };

	encode(REQUEST_SINGLE, 512, 1);
	expect_words(words, must, COUNT(must));
}
END_TEST

START_TEST(test_vector_bytes)
{
	static const unsigned char none[6];
	uint64_t must[] = { 0x38, 0, (uintptr_t)(words + 4), 0, 0x91a2b0, 0x10, 2, 8 };
	uint16_t n;

	encode(REQUEST_VECTOR, 512, 2);
	memcpy(&n, words + 1, sizeof(n));
	ck_assert_uint_eq(n, 2);
	ck_assert(memcmp((char *)(words + 1) + 2, none, sizeof(none)) == 0);
	must[1] = words[1];
	expect_words(words, must, COUNT(must));
}
END_TEST

/* As many as fit fill the memory, and no more. */
START_TEST(test_most_bytes)
{
	static struct copyoff_range many[COPYOFF_BLKCOPY_RANGES_MOST];

	for (size_t i = 0; i < COUNT(many); i++)
		many[i] =
			(struct copyoff_range){ (int64_t)i * 512, (int64_t)(i + 1000) * 512, 512 };
	memset(words, 0xa5, sizeof(words));
	copyoff_blkcopy_encode(row(REQUEST_LIST, 1), many, COUNT(many), words);
	ck_assert_uint_eq(words[0], 256);
	ck_assert_uint_eq(words[2 + 4 * 255], 255 * 512);
	ck_assert_uint_eq(words[COPYOFF_BLKCOPY_WORDS - 1], 0);
	ck_assert_uint_eq(words[COPYOFF_BLKCOPY_WORDS], 0xa5a5a5a5a5a5a5a5);
}
END_TEST

START_TEST(test_complete)
{
	const struct copyoff_blkcopy_abi *list = row(REQUEST_LIST, 1);

	encode(REQUEST_LIST, 1, 2);
	ck_assert_uint_eq(copyoff_blkcopy_complete(list, words, two, 2), 0);
	words[5] = 0x2000;
	ck_assert_uint_eq(copyoff_blkcopy_complete(list, words, two, 2), 1);
	words[9] = 0x1001;
	ck_assert_uint_eq(copyoff_blkcopy_complete(list, words, two, 2), 1);
	words[9] = 0x1000;
	ck_assert_uint_eq(copyoff_blkcopy_complete(list, words, two, 2), 2);
	words[5] = UINT64_MAX;
	ck_assert_uint_eq(copyoff_blkcopy_complete(list, words, two, 2), 0);
	ck_assert_uint_eq(copyoff_blkcopy_complete(row(REQUEST_VECTOR, 512), words, two, 2), 2);
}
END_TEST

/* --- checks ------------------------------------------------------------------------------- */

enum { SIZE = 1 << 30 };

static const struct flaw {
	uint32_t request, unit;
	size_t n;
	struct copyoff_range v[3];
	const char *text; /* NULL: there is none */
} flaws[] = {
	{ REQUEST_LIST, 1, 1, { { 0, 4096, 4096 } }, NULL },
	{ REQUEST_LIST, 1, 1, { { 0, SIZE - 4096, 4096 } }, NULL },
	{ REQUEST_LIST, 1, 1, { { SIZE - 4096, 0, 4096 } }, NULL },
	{ REQUEST_LIST, 1, 2, { { 0, 8192, 4096 }, { 4096, 12288, 4096 } }, NULL },
	{ REQUEST_LIST, 1, 0, { { 0, 4096, 4096 } }, "more ranges" },
	{ REQUEST_SINGLE, 512, 2, { { 0, 8192, 4096 }, { 4096, 12288, 4096 } }, "more ranges" },
	{ REQUEST_LIST, 1, 1, { { 0, 4096, 0 } }, "not within" },
	{ REQUEST_LIST, 1, 1, { { -4096, 4096, 4096 } }, "not within" },
	{ REQUEST_LIST, 1, 1, { { 0, -4096, 4096 } }, "not within" },
	{ REQUEST_LIST, 1, 1, { { 0, SIZE - 4096, 8192 } }, "not within" },
	{ REQUEST_LIST, 1, 1, { { SIZE - 4096, 0, 8192 } }, "not within" },
	{ REQUEST_LIST, 1, 1, { { 0, INT64_MAX, 4096 } }, "not within" },
	{ REQUEST_LIST, 1, 1, { { SIZE, 4096, 4096 } }, "not within" },
	{ REQUEST_LIST, 1, 1, { { 0, 4096, UINT64_MAX - 4095 } }, "not within" },
	/* Together they are 4096: kernels add without looking. */
	{ REQUEST_LIST,
	  1,
	  2,
	  { { 0, 8192, 0xfffffffffffff000 }, { 4096, 16384, 0x2000 } },
	  "not within" },
	{ REQUEST_LIST, 1, 1, { { 512, 4096, 4096 } }, "blocks" },
	{ REQUEST_LIST, 1, 1, { { 0, 4096 + 512, 4096 } }, "blocks" },
	{ REQUEST_LIST, 1, 1, { { 0, 8192, 4096 + 512 } }, "blocks" },
	{ REQUEST_LIST, 1, 1, { { 0, 256 << 20, (64 << 20) + 4096 } }, "more bytes" },
	{ REQUEST_LIST,
	  1,
	  2,
	  { { 0, 256 << 20, 64 << 20 }, { 64 << 20, 512 << 20, 4096 } },
	  "more bytes" },
	{ REQUEST_LIST,
	  1,
	  2,
	  { { 0, 256 << 20, 32 << 20 }, { 64 << 20, 512 << 20, 32 << 20 } },
	  NULL },
	{ REQUEST_LIST, 1, 1, { { 0, 0, 4096 } }, "overlap" },
	{ REQUEST_LIST, 1, 1, { { 0, 4096, 8192 } }, "overlap" },
	{ REQUEST_LIST, 1, 1, { { 4096, 0, 8192 } }, "overlap" },
	/* Destinations; the one's destination and the other's source, both ways. */
	{ REQUEST_LIST, 1, 2, { { 0, 65536, 8192 }, { 8192, 69632, 8192 } }, "overlap" },
	{ REQUEST_LIST, 1, 2, { { 0, 65536, 8192 }, { 69632, 131072, 8192 } }, "overlap" },
	{ REQUEST_LIST, 1, 2, { { 69632, 131072, 8192 }, { 0, 65536, 8192 } }, "overlap" },
	{ REQUEST_LIST,
	  1,
	  3,
	  { { 0, 65536, 4096 }, { 4096, 131072, 4096 }, { 8192, 65536, 4096 } },
	  "overlap" },
	/* Sources may. */
	{ REQUEST_LIST, 1, 2, { { 0, 65536, 8192 }, { 4096, 131072, 8192 } }, NULL },
	/* One destination. */
	{ REQUEST_VECTOR, 512, 2, { { 0, 65536, 4096 }, { 8192, 69632, 4096 } }, NULL },
	{ REQUEST_VECTOR,
	  512,
	  2,
	  { { 0, 65536, 4096 }, { 8192, 73728, 4096 } },
	  "behind the other" },
	{ REQUEST_V1, 512, 2, { { 0, 65536, 4096 }, { 8192, 61440, 4096 } }, "behind the other" },
	{ REQUEST_RFC, 0, 1, { { 0, 65536, 4096 } }, "not known" },
};

static void expect_flaw(const struct flaw *f)
{
	const struct copyoff_blkcopy_abi *abi = row(f->request, f->unit);
	const char *text;

	/* Of the rows for this number, the one with the largest limits. */
	for (; f->request == REQUEST_LIST && abi->total < 64 << 20; abi++)
		ck_assert_uint_eq(abi->request, REQUEST_LIST);
	text = copyoff_blkcopy_check(abi, f->v, f->n, SIZE, 4096);
	if (!f->text)
		ck_assert_msg(!text, "row %td: \"%s\"", f - flaws, text);
	else
		ck_assert_msg(text && strstr(text, f->text), "row %td: \"%s\" is not in \"%s\"",
			      f - flaws, f->text, text ? text : "");
}

START_TEST(test_check)
{
	for (size_t i = 0; i < COUNT(flaws); i++)
		expect_flaw(&flaws[i]);
}
END_TEST

START_TEST(test_check_number_and_block)
{
	static struct copyoff_range many[COPYOFF_BLKCOPY_RANGES_MOST + 1];
	const struct copyoff_blkcopy_abi *abi = row(REQUEST_LIST, 1);

	for (size_t i = 0; i < COUNT(many); i++)
		many[i] = (struct copyoff_range){ (int64_t)i * 512, SIZE / 2 + (int64_t)i * 512,
						  512 };
	ck_assert_ptr_null(copyoff_blkcopy_check(abi, many, 256, SIZE, 512));
	ck_assert_ptr_nonnull(copyoff_blkcopy_check(abi, many, 257, SIZE, 512));
	ck_assert_ptr_nonnull(copyoff_blkcopy_check(abi, many, 1, SIZE, 0));
}
END_TEST

/* --- calls ---------------------------------------------------------------------------------- */

/* One behind the other, they are all bytes of the ranges, and each is within the limits. */
START_TEST(test_cut)
{
	static const struct copyoff_limits limits[] = {
		{ .align = 512, .max_range = 1 << 20, .max_ranges = 8, .max_total = 1 << 20 },
		{ .align = 512, .max_range = 512, .max_ranges = 3, .max_total = 4096 },
		{ .align = 512, .max_range = 4096, .max_ranges = 1, .max_total = 4096 },
		{ .align = 512, .max_range = 1700, .max_ranges = 4, .max_total = 4000 },
	};
	static const struct copyoff_range v[] = {
		{ 0, 1 << 20, 512 },
		{ 65536, 2 << 20, 10240 },
		{ 4096, (2 << 20) + 10240, 4096 },
	};
	const struct copyoff_limits *l = &limits[_i];
	struct copyoff_range part[8];
	uint64_t done = 0, at = 0; /* of all; of v[i] */
	size_t i = 0, n;

	while ((n = copyoff_blkcopy_cut(v, 3, done, l, part)) > 0) {
		uint64_t total = 0;

		ck_assert_uint_le(n, l->max_ranges);
		for (size_t j = 0; j < n; j++) {
			ck_assert_uint_le(part[j].len, l->max_range);
			ck_assert_uint_eq(part[j].len % 512, 0);
			ck_assert_int_eq(part[j].src, v[i].src + (int64_t)at);
			ck_assert_int_eq(part[j].dst, v[i].dst + (int64_t)at);
			total += part[j].len;
			at += part[j].len;
			ck_assert_uint_le(at, v[i].len);
			if (at == v[i].len)
				i++, at = 0;
		}
		ck_assert_uint_le(total, l->max_total);
		done += total;
	}
	ck_assert_uint_eq(done, 512 + 10240 + 4096);
}
END_TEST

START_TEST(test_cut_nothing)
{
	static const struct copyoff_range v = { 0, 65536, 4096 };
	static const struct copyoff_limits small = {
		.align = 4096, .max_range = 4095, .max_ranges = 8, .max_total = 65536
	};
	struct copyoff_range part[8];

	ck_assert_uint_eq(copyoff_blkcopy_cut(&v, 1, 0, &small, part), 0);
	ck_assert_uint_eq(copyoff_blkcopy_cut(&v, 1, 4096, &small, part), 0);
}
END_TEST

/* --- probe ---------------------------------------------------------------------------------- */

/* Every version: what is asked, and what is offered. */
static const struct expectation {
	enum version version;
	unsigned asked; /* how many requests */
	uint32_t request; /* by which it is copied; 0: not at all */
	uint64_t max_ranges, max_total; /* of an operation */
	bool adjacent;
	const char *text;
} expectations[] = {
	{ RFC1, 1, REQUEST_RFC, 256, 64 << 20, true, "" },
	{ RFC3, 1, 0, 0, 0, false, "in bytes or in sectors" },
	{ RFC5, 1, 0, 0, 0, false, "in bytes or in sectors" },
	{ V1, 2, REQUEST_V1, 256, 64 << 20, true, "" },
	{ V2, 3, REQUEST_LIST, 256, 32 * ((2 << 20) - 4096), false, "" },
	{ V3, 1, REQUEST_LIST, 256, 32 * ((2 << 20) - 4096), false, "" },
	{ V4, 1, REQUEST_LIST, 256, 32 * ((2 << 20) - 4096), false, "" },
	{ V5, 1, REQUEST_LIST, 256, 64 << 20, false, "" },
	{ V7, 1, 0, 0, 0, false, "not its ioctl" },
	{ V14, 0, 0, 0, 0, false, "another block copy" },
	{ VEC, 1, REQUEST_VECTOR, 256, 64 << 20, true, "" },
	{ SINGLE, 2, REQUEST_SINGLE, 256, 64 << 20, false, "" },
	{ MARTIN, 0, 0, 0, 0, false, "another block copy" },
	{ MIKULAS, 0, 0, 0, 0, false, "another block copy" },
	{ STOCK, 0, 0, 0, 0, false, "does not copy within block devices" },
};

static const int unknowns[] = { ENOTTY, EINVAL };

static void try_version(const struct expectation *e, int unknown)
{
	const struct copyoff_offer *o;

	w.version = e->version;
	w.unknown = unknown;
	if (e->version == STOCK)
		w.fixture = "blkcopy-2014", world_set("copy_max_bytes", NULL);
	o = world_probe("blkcopy", DISK, DISK, 0);
	ck_assert_uint_eq(w.n_calls, e->asked);
	ck_assert_uint_eq(probes(), e->asked);
	if (!e->request) {
		ck_assert_int_eq(o->state, COPYOFF_OFFER_DECLINED);
		ck_assert_int_eq(o->reason, COPYOFF_REASON_UNSUPPORTED);
		expect_text(e->text);
		return;
	}
	ck_assert_msg(o->state == COPYOFF_OFFER_OPEN, "%s", o->text);
	ck_assert_uint_eq(w.calls[e->asked - 1].request, e->request);
	ck_assert_uint_eq(o->limits.align, 512);
	ck_assert_uint_eq(o->limits.max_range, 0); /* cut into calls later */
	ck_assert_uint_eq(o->limits.max_ranges, e->max_ranges);
	ck_assert_uint_eq(o->limits.max_total, e->max_total);
	ck_assert_int_eq(o->adjacent, e->adjacent);
	ck_assert_uint_eq(o->traits, COPYOFF_TRAIT_RAW | COPYOFF_TRAIT_HOST);
}

START_TEST(test_versions)
{
	try_version(&expectations[_i / 2], unknowns[_i % 2]);
}
END_TEST

/* All the disks that there are fixtures of: a kernel without the attributes is asked nothing. */
static const struct stock {
	const char *fixture;
	uint64_t rdev;
} stocks[] = {
	{ "nvme", DEV(259, 2) },
	{ "nvme", DEV(259, 3) },
	{ "nvme-multipath", DEV(259, 1) },
	{ "scsi", DEV(8, 32) },
	{ "scsi", DEV(8, 33) },
	{ "virtio", DEV(254, 96) },
	{ "dm", DEV(253, 0) },
	{ "md-raid1", DEV(9, 0) },
	{ "zoned", DEV(251, 0) },
	{ "dm-multipath", DEV(253, 2) },
};

START_TEST(test_stock)
{
	const struct stock *stock = &stocks[_i];
	struct copyoff_end end = world_end(DISK);
	struct copyoff_range r = { 0, 1 << 20, 1 << 20 };

	w.version = STOCK;
	w.fixture = stock->fixture;
	end.rdev = end.place.dev = stock->rdev;
	world_use("blkcopy,copy_file_range,readwrite");
	copyoff_ctx_begin(&ctx);
	ck_assert_int_eq(copyoff_engine_run(&ctx, &end, &end, &r, 1, 0, 0), 1 << 20);
	ck_assert(memcmp(content, content + (1 << 20), 1 << 20) == 0);
	for (size_t i = 0; i < w.n_calls; i++)
		ck_assert_uint_eq(w.calls[i].request, 0);
	ck_assert_uint_eq(copied_by("readwrite"), 1 << 20);
	ck_assert_int_eq(offer()->reason, COPYOFF_REASON_UNSUPPORTED);
	if (copyoff_registry_get(index_of("copy_file_range")))
		ck_assert_int_eq(offer_of("copy_file_range")->reason, COPYOFF_REASON_FILE_TYPE);
}
END_TEST

/* A driver that means something else by the same number, and carries it out. */
START_TEST(test_stranger)
{
	w.version = V7;
	w.stranger = REQUEST_LIST;
	world_use("blkcopy,readwrite");
	ck_assert_int_eq(world_copy(DISK, 0, DISK, 1 << 20, 1 << 20, 0), 1 << 20);
	ck_assert_uint_eq(w.n_calls, 1);
	ck_assert_uint_eq(w.copies, 0);
	expect_text("not its ioctl");
}
END_TEST

static void offload_off(void)
{
	world_set("copy_offload", "0");
}
static void no_total(void)
{
	world_set("copy_max_bytes", "0");
}
static void strange_switch(void)
{
	world_set("copy_offload", "2");
}
static void strange_limit(void)
{
	world_set("copy_max_bytes", "many");
}
static void no_range(void)
{
	w.version = V3;
	world_set("copy_max_range_bytes", "0");
}
static void no_ranges(void)
{
	w.version = V3;
	world_set("copy_max_nr_ranges", "0");
}
static void no_sectors(void)
{
	w.version = V1;
	world_set("max_copy_sectors", "0");
}
static void no_range_sectors(void)
{
	w.version = RFC1;
	world_set("max_copy_range_sectors", "0");
}
static void less_than_a_block(void)
{
	w.version = V1;
	w.block = 4096;
	world_set("max_copy_range_sectors", "7");
}
static void no_segments(void)
{
	w.version = VEC;
	world_set("max_copy_segments", "0");
}
static void one_name_less(void)
{
	world_set("copy_max_bytes_hw", NULL);
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
	world_set("zoned", "host-managed");
}
static void strange_zones(void)
{
	world_set("zoned", "perhaps");
}
static void protected(void)
{
	world_set("integrity/format", "T10-DIF-TYPE1-CRC");
}
static void metadata(void)
{
	world_set("integrity/format", "nop");
}
static void raid(void)
{
	world_set("md/level", "raid1");
}
static void locked(void)
{
	w.reopen = -EBUSY;
}
static void no_sysfs(void)
{
	w.no_sysfs = true;
}

static const struct refusal {
	void (*what)(void);
	enum copyoff_reason reason;
	int error;
	unsigned asked;
	const char *text;
} refusals[] = {
	{ offload_off, COPYOFF_REASON_UNSUPPORTED, 0, 0, "switched off" },
	{ strange_switch, COPYOFF_REASON_UNSUPPORTED, 0, 0, "switched off" },
	{ strange_limit, COPYOFF_REASON_FAILED, EINVAL, 0, "could not find out" },
	{ no_total, COPYOFF_REASON_UNSUPPORTED, 0, 0, "a limit is 0" },
	{ no_range, COPYOFF_REASON_UNSUPPORTED, 0, 0, "a limit is 0" },
	{ no_ranges, COPYOFF_REASON_UNSUPPORTED, 0, 0, "a limit is 0" },
	{ no_sectors, COPYOFF_REASON_UNSUPPORTED, 0, 0, "a limit is 0" },
	{ no_range_sectors, COPYOFF_REASON_UNSUPPORTED, 0, 0, "a limit is 0" },
	{ no_segments, COPYOFF_REASON_UNSUPPORTED, 0, 0, "a limit is 0" },
	{ less_than_a_block, COPYOFF_REASON_UNSUPPORTED, 0, 2, "less than one of its blocks" },
	{ one_name_less, COPYOFF_REASON_UNSUPPORTED, 0, 0, "another block copy" },
	{ managed_zones, COPYOFF_REASON_UNSUPPORTED, 0, 0, "zones" },
	{ strange_zones, COPYOFF_REASON_UNSUPPORTED, 0, 0, "zones" },
	{ protected, COPYOFF_REASON_UNSUPPORTED, 0, 0, "protection information" },
	{ metadata, COPYOFF_REASON_UNSUPPORTED, 0, 0, "protection information" },
	{ raid, COPYOFF_REASON_UNSUPPORTED, 0, 0, "stacked" },
	{ locked, COPYOFF_REASON_RESOURCE, EBUSY, 0, "cannot be opened once more" },
	{ no_sysfs, COPYOFF_REASON_FAILED, EACCES, 0, "could not find out" },
	{ in_use, COPYOFF_REASON_RESOURCE, EBUSY, 1, "held" },
	{ read_only, COPYOFF_REASON_PERMISSION, EPERM, 1, "read-only" },
};

START_TEST(test_refusal)
{
	const struct refusal *r = &refusals[_i];

	r->what();
	world_probe("blkcopy", DISK, DISK, 0);
	ck_assert_int_eq(offer()->state, COPYOFF_OFFER_DECLINED);
	ck_assert_int_eq(offer()->reason, r->reason);
	ck_assert_int_eq(offer()->error, r->error);
	expect_text(r->text);
	ck_assert_uint_eq(w.n_calls, r->asked);
	ck_assert_uint_eq(probes(), r->asked);
}
END_TEST

/* On partitions, an error of the device becomes success, with bytes that were not copied. */
START_TEST(test_partition)
{
	world_use("blkcopy,readwrite");
	ck_assert_int_eq(world_copy(PART, 0, PART, 4 << 20, 2 << 20, 0), 2 << 20);
	ck_assert_uint_eq(w.n_calls, 0);
	expect_text("on partitions");
}
END_TEST

START_TEST(test_two_devices)
{
	world_probe("blkcopy", OTHER, DISK, 0);
	ck_assert_int_eq(offer()->reason, COPYOFF_REASON_CROSS_DEVICE);
	world_probe("blkcopy", PART, DISK, 0);
	ck_assert_uint_eq(w.n_calls, 0);
}
END_TEST

START_TEST(test_files)
{
	struct copyoff_end from = world_end(DISK), to = world_end(DISK);

	to.kind = COPYOFF_KIND_REGULAR;
	world_use("blkcopy");
	ck_assert_ptr_null(copyoff_route_offer(&ctx, copyoff_ctx_route(&ctx, &from, &to),
					       index_of("blkcopy"), 0));
	ck_assert_int_eq(offer()->reason, COPYOFF_REASON_FILE_TYPE);
}
END_TEST

/* What moves bytes through memory, if it is the kernel's will, is no offload. */
START_TEST(test_policy)
{
	world_use("blkcopy");
	ck_assert_int_eq(world_copy(DISK, 0, DISK, 1 << 20, 65536, COPYOFF_REQUIRE_OFFLOAD),
			 -EOPNOTSUPP);
	ck_assert_uint_eq(w.copies, 0);
	ck_assert_int_eq(world_copy(DISK, 0, DISK, 1 << 20, 65536, COPYOFF_NO_SHARE), 65536);
	ck_assert_uint_eq(ctx.result.bytes_offloaded, 0);
}
END_TEST

/* A device that software makes may share blocks. */
START_TEST(test_virtual)
{
	w.target = "linear";
	world_probe("blkcopy", MAPPED, MAPPED, 0);
	ck_assert_int_eq(offer()->state, COPYOFF_OFFER_OPEN);
	ck_assert_uint_eq(offer()->traits,
			  COPYOFF_TRAIT_RAW | COPYOFF_TRAIT_HOST | COPYOFF_TRAIT_MAY_SHARE);
}
END_TEST

/* --- device mapper -------------------------------------------------------------------------------- */

START_TEST(test_mapped)
{
	world_use("blkcopy");
	ck_assert_int_eq(world_copy(MAPPED, 0, MAPPED, 1 << 20, 1 << 20, 0), 1 << 20);
	/* Not asked: that could be handed down. */
	ck_assert_uint_eq(w.n_calls, 1);
	ck_assert_uint_eq(probes(), 0);
}
END_TEST

/* It was another version than it seemed. */
START_TEST(test_mapped_unknown)
{
	w.version = V7;
	world_use("blkcopy,readwrite");
	ck_assert_int_eq(world_copy(MAPPED, 0, MAPPED, 1 << 20, 1 << 20, 0), 1 << 20);
	ck_assert_uint_eq(w.n_calls, 1);
	ck_assert_int_eq(offer()->reason, COPYOFF_REASON_UNSUPPORTED);
	ck_assert_int_eq(offer()->error, ENOTTY);
}
END_TEST

START_TEST(test_mapped_refused)
{
	static const struct {
		const char *target;
		enum version version;
		const char *text;
	} cases[] = {
		{ "crypt", V5, "stacked" },
		{ "", V5, "stacked" },
		{ NULL, V5, "stacked" },
		{ "linear", V1, "through device mapper" },
	};

	w.target = cases[_i].target;
	w.version = cases[_i].version;
	world_probe("blkcopy", MAPPED, MAPPED, 0);
	ck_assert_int_eq(offer()->reason, COPYOFF_REASON_UNSUPPORTED);
	expect_text(cases[_i].text);
	ck_assert_uint_eq(w.n_calls, 0);
}
END_TEST

/* --- copy ------------------------------------------------------------------------------------------- */

static const enum version working[] = { RFC1, V1, V2, V3, V4, V5, VEC, SINGLE };

START_TEST(test_copy)
{
	w.version = working[_i];
	world_use("blkcopy");
	ck_assert_int_eq(world_copy(DISK, 512, DISK, 80 << 20, 512, 0), 512);
	ck_assert_int_eq(world_copy(DISK, 8192, DISK, 81 << 20, 3 << 20, 0), 3 << 20);
	/* To the last block, and back. */
	ck_assert_int_eq(world_copy(DISK, 0, DISK, DISK_BYTES - 4096, 4096, 0), 4096);
	ck_assert_int_eq(world_copy(DISK, DISK_BYTES - 4096, DISK, 90 << 20, 4096, 0), 4096);
	ck_assert_int_eq(world_copy(DISK, 0, DISK, DISK_BYTES - 4096, 8192, 0), 4096);
	ck_assert_int_eq(ctx.result.error, ENOSPC);
	for (size_t i = 0; i < w.n_calls; i++)
		ck_assert(w.calls[i].ret == 0 || w.calls[i].probe);
}
END_TEST

START_TEST(test_blocks_of_4096)
{
	w.version = working[_i];
	w.block = 4096;
	world_use("blkcopy,readwrite");
	ck_assert_int_eq(world_copy(DISK, 512, DISK, (80 << 20) + 512, 65536, 0), 65536);
	ck_assert_uint_eq(copied_by("readwrite"), 4096);
	ck_assert_uint_eq(copied_by("blkcopy"), 65536 - 4096);
}
END_TEST

/* As few calls as there can be. */
START_TEST(test_long_range)
{
	static const struct {
		enum version version;
		uint64_t piece, len;
	} cases[] = {
		{ RFC1, 65536 * 8, 5 << 20 },      { V1, 65536 * 8, 5 << 20 },
		{ V2, (2 << 20) - 4096, 4 << 20 }, { V3, (2 << 20) - 4096, 4 << 20 },
		{ V4, (2 << 20) - 4096, 4 << 20 }, { V5, 64 << 20, 66 << 20 },
		{ VEC, 64 << 20, 66 << 20 },       { SINGLE, 64 << 20, 66 << 20 },
	};
	const uint64_t len = cases[_i].len, piece = cases[_i].piece;

	if (len > FILLED)
		world_fill_more();
	w.version = cases[_i].version;
	world_use("blkcopy");
	ck_assert_int_eq(world_copy(DISK, 0, DISK, 80 << 20, len, 0), (int64_t)len);
	ck_assert_uint_eq(w.copies, (len + piece - 1) / piece);
	ck_assert_uint_eq(copy_call(0)->bytes, piece);
}
END_TEST

enum { MANY = 600 };
static struct copyoff_range many[MANY];

/* Of @len bytes from anywhere, to one behind the other, or with gaps. */
static void scatter(uint64_t len, uint64_t gap)
{
	/* 7919 is prime, and has no factor in common with the number of slots. */
	for (uint64_t i = 0; i < MANY; i++)
		many[i] = (struct copyoff_range){ (int64_t)(i * 7919 % (2 * MANY) * 4096),
						  (80 << 20) + (int64_t)(i * (len + gap)), len };
}

START_TEST(test_many)
{
	static const struct {
		enum version version;
		uint64_t gap;
		unsigned calls;
	} cases[] = {
		{ V5, 0, 3 },  { V5, 4096, 3 },     { V3, 4096, 3 },
		{ VEC, 0, 3 }, { VEC, 4096, MANY }, { SINGLE, 4096, MANY },
		{ V1, 0, 5 },  { RFC1, 0, 5 },      { V1, 4096, MANY },
	};

	w.version = cases[_i].version;
	scatter(4096, cases[_i].gap);
	world_use("blkcopy");
	ck_assert_int_eq(world_copyv(DISK, DISK, many, MANY, 0), MANY * 4096);
	ck_assert_uint_eq(w.copies, cases[_i].calls);
	ck_assert_uint_eq(ctx.stats[index_of("blkcopy")].short_copies, 0);
}
END_TEST

/* --- the first copy ---------------------------------------------------------------------------------- */

/* Success is reported, and not all is there. */
START_TEST(test_wrong)
{
	w.version = working[_i / 2];
	world_step((struct step){ 0, _i % 2 ? 65536 : 0, false, 1 << 20 });
	world_use("blkcopy,readwrite");
	ck_assert_int_eq(world_copy(DISK, 0, DISK, 80 << 20, 131072, 0), 131072);
	ck_assert_uint_eq(w.copies, 1);
	ck_assert_uint_eq(copied_by("blkcopy"), 0);
}
END_TEST

START_TEST(test_misbehaved)
{
	/* Also where the medium has no number, and all is found out anew. */
	w.sequence = _i ? 0 : w.sequence;
	world_step((struct step){ 0, 65536, false, 131072 });
	world_use("blkcopy,readwrite");
	ck_assert_int_eq(world_copy(DISK, 0, DISK, 80 << 20, 131072, 0), 131072);
	ck_assert_uint_eq(copied_by("readwrite"), 131072);
	ck_assert_int_eq(offer()->reason, COPYOFF_REASON_MISBEHAVED);
	/* For good: by this pair, by others of the device, and after looking again. */
	ck_assert_int_eq(world_copy(DISK, 0, DISK, 80 << 20, 131072, 0), 131072);
	ck_assert_int_eq(world_copy(DISK_DIRECT, 0, DISK_DIRECT, 80 << 20, 131072, 0), 131072);
	ck_assert_int_eq(ctx.routes[1].offers[index_of("blkcopy")].reason,
			 COPYOFF_REASON_MISBEHAVED);
	ck_assert_uint_eq(w.copies, 1);
}
END_TEST

/* Two pairs had been asked about before. */
START_TEST(test_misbehaved_elsewhere)
{
	world_probe("blkcopy", DISK, DISK, 0);
	world_probe("blkcopy", DISK_DIRECT, DISK_DIRECT, 0);
	world_step((struct step){ 0, 0, false, 131072 });
	world_use("blkcopy,readwrite");
	ck_assert_int_eq(world_copy(DISK, 0, DISK, 80 << 20, 131072, 0), 131072);
	ck_assert_int_eq(world_copy(DISK_DIRECT, 0, DISK_DIRECT, 80 << 20, 131072, 0), 131072);
	ck_assert_uint_eq(w.copies, 1);
	ck_assert_uint_eq(copied_by("blkcopy"), 0);
}
END_TEST

/* Another medium gets another chance, and is compared, too. */
START_TEST(test_compared_once)
{
	unsigned reads;

	world_use("blkcopy");
	ck_assert_int_eq(world_copy(DISK, 0, DISK, 80 << 20, 131072, 0), 131072);
	reads = w.direct_reads;
	ck_assert_uint_gt(reads, 0);
	ck_assert_int_eq(world_copy(DISK, 0, DISK, 80 << 20, 131072, 0), 131072);
	ck_assert_int_eq(world_copy(DISK_DIRECT, 0, DISK_DIRECT, 80 << 20, 131072, 0), 131072);
	ck_assert_uint_eq(w.direct_reads, reads);
	w.sequence = 0;
	ck_assert_int_eq(world_copy(DISK, 0, DISK, 80 << 20, 131072, 0), 131072);
	ck_assert_uint_gt(w.direct_reads, reads);
	reads = w.direct_reads;
	/* Which one it is cannot be known: each time. */
	ck_assert_int_eq(world_copy(DISK, 0, DISK, 80 << 20, 131072, 0), 131072);
	ck_assert_uint_gt(w.direct_reads, reads);
}
END_TEST

/* A large one: at both ends of each range. */
START_TEST(test_compared_at_the_ends)
{
	static const struct copyoff_range v[] = { { 0, 80 << 20, 6 << 20 },
						  { 8 << 20, 100 << 20, 6 << 20 } };
	const uint64_t good[] = { 0, 4096, (6 << 20) - 4096, 6 << 20, (12 << 20) - 4096, 12 << 20 };

	world_step((struct step){ 0, good[_i], false, 12 << 20 });
	world_use("blkcopy,readwrite");
	ck_assert_int_eq(world_copyv(DISK, DISK, v, 2, 0), 12 << 20);
	ck_assert_uint_eq(copied_by("blkcopy"), _i == 5 ? 12 << 20 : 0);
	ck_assert_uint_lt(w.direct_reads, 20);
}
END_TEST

/* That fails: it is not believed. */
START_TEST(test_not_compared)
{
	world_probe("blkcopy", DISK, DISK, 0);
	w.reopen = -EACCES;
	world_use("blkcopy,readwrite");
	ck_assert_int_eq(world_copy(DISK, 0, DISK, 80 << 20, 131072, 0), 131072);
	ck_assert_uint_eq(copied_by("blkcopy"), 0);
	expect_text("cannot be compared");
	ck_assert_int_eq(offer()->reason, COPYOFF_REASON_RESOURCE);
	w.reopen = 0;
	ck_assert_int_eq(world_copy(DISK, 0, DISK, 80 << 20, 131072, 0), 131072);
	ck_assert_uint_eq(copied_by("blkcopy"), 131072);
}
END_TEST

/* --- errors ---------------------------------------------------------------------------------------------- */

static const struct failure {
	int ret, error;
	enum copyoff_reason reason;
} failures[] = {
	{ -EIO, EIO, COPYOFF_REASON_RESOURCE },
	{ -ENODATA, ENODATA, COPYOFF_REASON_RESOURCE },
	{ -ENOSPC, ENOSPC, COPYOFF_REASON_RESOURCE },
	{ -ENOMEM, ENOMEM, COPYOFF_REASON_RESOURCE },
	{ -EINVAL, EINVAL, COPYOFF_REASON_RESOURCE },
	{ -EREMOTEIO, EREMOTEIO, COPYOFF_REASON_RESOURCE },
	/* No signal: the call is not to be made again as it was. */
	{ -EINTR, EIO, COPYOFF_REASON_RESOURCE },
	{ -EAGAIN, EIO, COPYOFF_REASON_RESOURCE },
	{ 1, EIO, COPYOFF_REASON_RESOURCE },
	{ 65536, EIO, COPYOFF_REASON_RESOURCE },
	{ -EPERM, EPERM, COPYOFF_REASON_PERMISSION },
	{ -EACCES, EACCES, COPYOFF_REASON_PERMISSION },
	{ -ENOTTY, ENOTTY, COPYOFF_REASON_UNSUPPORTED },
	{ -EOPNOTSUPP, EOPNOTSUPP, COPYOFF_REASON_UNSUPPORTED },
	{ -EBADF, EBADF, COPYOFF_REASON_UNSUPPORTED },
	{ -ENOSYS, ENOSYS, COPYOFF_REASON_UNSUPPORTED },
};

static const struct copyoff_range five[] = {
	{ 40960, 80 << 20, 4096 },          { 32768, (80 << 20) + 4096, 4096 },
	{ 24576, (80 << 20) + 8192, 4096 }, { 16384, (80 << 20) + 12288, 4096 },
	{ 8192, (80 << 20) + 16384, 4096 },
};

START_TEST(test_failure)
{
	const struct failure *f = &failures[_i];
	bool passing = f->reason == COPYOFF_REASON_RESOURCE;

	world_step((struct step){ f->ret, 0, true, 0 });
	w.always = true;
	world_use("blkcopy,readwrite");
	ck_assert_int_eq(world_copyv(DISK, DISK, five, 5, 0), 5 * 4096);
	ck_assert_uint_eq(w.copies, 1);
	ck_assert_uint_eq(copied_by("readwrite"), 5 * 4096);
	ck_assert_int_eq(offer()->reason, f->reason);
	ck_assert_int_eq(offer()->error, f->error);
	/* All of it may have changed. */
	ck_assert(w.dropped.start <= 80 << 20 && (80 << 20) + 5 * 4096 <= w.dropped.end);
	world_use("blkcopy");
	ck_assert_int_eq(world_copyv(DISK, DISK, five, 5, 0), passing ? -f->error : -EOPNOTSUPP);
	ck_assert_uint_eq(w.copies, passing ? 2 : 1);
}
END_TEST

/* Ranges that are said to be complete, and are, count where the result can be trusted. */
START_TEST(test_partly)
{
	static const struct {
		enum version version;
		uint64_t counted; /* of three ranges */
	} cases[] = { { V5, 2 * 4096 }, { V2, 0 }, { V3, 0 },  { V4, 0 },
		      { VEC, 0 },       { V1, 0 }, { RFC1, 0 } };

	w.version = cases[_i].version;
	world_step((struct step){ -EIO, 2 * 4096 + 512, true, UINT64_MAX });
	world_step((struct step){ -EIO, 0, true, UINT64_MAX });
	world_use("blkcopy,readwrite");
	ck_assert_int_eq(world_copyv(DISK, DISK, five, 5, 0), 5 * 4096);
	ck_assert_uint_eq(copied_by("blkcopy"), cases[_i].counted);
	ck_assert_uint_eq(w.copies, cases[_i].counted ? 2 : 1);
	w.step = 0;
	w.copies = 0;
	world_use("blkcopy");
	ck_assert_int_eq(world_copyv(DISK, DISK, five, 5, 0),
			 cases[_i].counted ? (int64_t)cases[_i].counted : -EIO);
	ck_assert_int_eq(ctx.result.error, EIO);
}
END_TEST

/* Results that are not true: after an error, with success, more than there is. */
START_TEST(test_lies)
{
	static const struct step lies[] = {
		{ -EIO, 4096, true, 3 * 4096 }, { -EIO, 0, true, 5 * 4096 },
		{ -EIO, 0, false, 1 << 20 },    { -ENODATA, 2 * 4096, true, 2 * 4096 + 1 },
		{ 0, 4096, true, 4096 },        { 0, 4096, true, 3 * 4096 },
		{ 0, UINT64_MAX, false, 0 },    { 0, UINT64_MAX, false, 5 * 4096 + 1 },
		{ 0, 0, true, 5 * 4096 - 1 },   { 4096, 0, true, 5 * 4096 },
	};

	w.version = working[_i];
	for (size_t i = 0; i < COUNT(lies); i++) {
		if (lies[i].ret == 0 && w.version != V2 && w.version != V3 && w.version != V4 &&
		    w.version != V5)
			continue; /* it has no result that could tell */
		copyoff_ctx_fini(&ctx);
		copyoff_ctx_init(&ctx);
		w.n_steps = w.step = 0;
		/* Known to have copied well once. */
		world_use("blkcopy,readwrite");
		ck_assert_int_eq(world_copy(DISK, 0, DISK, 90 << 20, 65536, 0), 65536);
		world_step(lies[i]);
		ck_assert_int_eq(world_copyv(DISK, DISK, five, 5, 0), 5 * 4096);
		ck_assert_uint_eq(w.step, 1);
	}
}
END_TEST

/* After an error it had said more than is true: for good. */
START_TEST(test_lie_is_remembered)
{
	world_step((struct step){ -EIO, 4096, true, 3 * 4096 });
	world_use("blkcopy,readwrite");
	ck_assert_int_eq(world_copyv(DISK, DISK, five, 5, 0), 5 * 4096);
	ck_assert_int_eq(offer()->reason, COPYOFF_REASON_MISBEHAVED);
	ck_assert_int_eq(world_copyv(DISK, DISK, five, 5, 0), 5 * 4096);
	ck_assert_int_eq(world_copyv(DISK_DIRECT, DISK_DIRECT, five, 5, 0), 5 * 4096);
	ck_assert_uint_eq(w.copies, 1);
	ck_assert_uint_eq(copied_by("blkcopy"), 0);
}
END_TEST

/* --- what changes meanwhile --------------------------------------------------------------------------------- */

static const struct later {
	enum version version;
	struct attribute change;
	const char *text;
} laters[] = {
	{ V5, { "copy_max_bytes", "0" }, "a limit is 0" },
	{ V5, { "copy_offload", "0" }, "switched off" },
	{ V5, { "copy_max_bytes", NULL }, "cannot be read" },
	{ V5, { "copy_offload", NULL }, "cannot be read" },
	{ V5, { "copy_max_bytes", "" }, "cannot be read" },
	{ V3, { "copy_max_nr_ranges", "0" }, "a limit is 0" },
	{ V1, { "max_copy_range_sectors", "0" }, "a limit is 0" },
	{ RFC1, { "max_copy_range_sectors", "0" }, "a limit is 0" },
	{ VEC, { "copy_segment_max_bytes", "0" }, "a limit is 0" },
};

START_TEST(test_limit_later)
{
	const struct later *l = &laters[_i];

	w.version = l->version;
	w.change_after = 1;
	w.change = l->change;
	world_use("blkcopy,readwrite");
	/* Behind the first call, or between it and the next one of the same copy. */
	ck_assert_int_eq(world_copy(DISK, 0, DISK, 80 << 20, 1 << 20, 0), 1 << 20);
	ck_assert_int_eq(world_copy(DISK, 0, DISK, 80 << 20, 1 << 20, 0), 1 << 20);
	ck_assert_uint_eq(w.copies, 1);
	expect_text(l->text);
	ck_assert_int_eq(offer()->reason, COPYOFF_REASON_RESOURCE);
	/* With what it has now, it copies again. */
	w.n_attributes = 0;
	ck_assert_int_eq(world_copy(DISK, 0, DISK, 80 << 20, 1 << 20, 0), 1 << 20);
	ck_assert_uint_gt(w.copies, 1);
}
END_TEST

/*
 * What is behind the first call of a copy is cut for the limits there are then.
 * Versions whose kernel makes commands of it do not care, as long as it is not 0.
 */
static const struct narrower {
	enum version version;
	struct attribute change;
	unsigned first, second; /* calls of two copies of 1 MiB */
} narrowers[] = {
	{ V5, { "copy_max_bytes", "512" }, 1, 1 },
	{ V1, { "max_copy_nr_ranges", "3" }, 1 + 3, 6 }, /* 3 * 64 KiB */
	{ V1, { "max_copy_sectors", "256" }, 1 + 4, 8 },
	{ RFC1, { "max_copy_range_sectors", "8" }, 1 + 1, 2 }, /* 128 * 4 KiB */
};

START_TEST(test_narrower)
{
	const struct narrower *n = &narrowers[_i];

	w.version = n->version;
	w.change_after = 1;
	w.change = n->change;
	world_use("blkcopy");
	ck_assert_int_eq(world_copy(DISK, 0, DISK, 80 << 20, 1 << 20, 0), 1 << 20);
	ck_assert_uint_eq(w.copies, n->first);
	ck_assert_int_eq(world_copy(DISK, 1 << 20, DISK, 90 << 20, 1 << 20, 0), 1 << 20);
	ck_assert_uint_eq(w.copies, n->first + n->second);
}
END_TEST

/* Less than a block, from then on. */
START_TEST(test_too_narrow)
{
	w.version = V1;
	w.block = 4096;
	w.change_after = 1;
	w.change = (struct attribute){ "max_copy_range_sectors", "7" };
	world_use("blkcopy,readwrite");
	ck_assert_int_eq(world_copy(DISK, 0, DISK, 80 << 20, 1 << 20, 0), 1 << 20);
	ck_assert_uint_eq(w.copies, 1);
	ck_assert_uint_eq(copied_by("blkcopy"), 512 << 10);
	expect_text("less than one of its blocks");
}
END_TEST

START_TEST(test_other_medium)
{
	world_use("blkcopy,readwrite");
	ck_assert_int_eq(world_copy(DISK, 0, DISK, 80 << 20, 65536, 0), 65536);
	/* With protection: found out, though the pair is known. */
	w.sequence = 0;
	world_set("integrity/format", "T10-DIF-TYPE3-CRC");
	ck_assert_int_eq(world_copy(DISK, 0, DISK, 80 << 20, 65536, 0), 65536);
	ck_assert_uint_eq(w.copies, 1);
	expect_text("protection");
}
END_TEST

START_TEST(test_formatted)
{
	world_use("blkcopy");
	ck_assert_int_eq(world_copy(DISK, 0, DISK, 80 << 20, 65536, 0), 65536);
	w.block = 4096;
	ck_assert_int_eq(world_copy(DISK, 0, DISK, 80 << 20, 65536, 0), -EOPNOTSUPP);
	expect_text("other blocks");
	w.sequence = 0;
	ck_assert_int_eq(world_copy(DISK, 0, DISK, 80 << 20, 65536, 0), -EOPNOTSUPP);
	expect_text("other blocks");
	ck_assert_uint_eq(w.copies, 1);
}
END_TEST

/* Nobody knows where the bytes went. */
START_TEST(test_changed_under_way)
{
	w.version = V3;
	w.sequence_changes = 2;
	world_use("blkcopy,readwrite");
	ck_assert_int_eq(world_copy(DISK, 0, DISK, 80 << 20, 4 << 20, 0), -EIO);
	ck_assert_uint_eq(w.copies, 3);
	ck_assert_uint_eq(copied_by("readwrite"), 0);
}
END_TEST

START_TEST(test_smaller)
{
	world_use("blkcopy");
	w.smaller = 4096;
	ck_assert_int_eq(world_copy(DISK, 0, DISK, DISK_BYTES - 8192, 8192, 0), -EOPNOTSUPP);
	expect_text("smaller");
	ck_assert_int_eq(world_copy(DISK, DISK_BYTES - 8192, DISK, 0, 8192, 0), -EOPNOTSUPP);
	ck_assert_uint_eq(w.copies, 0);
}
END_TEST

START_TEST(test_use_later)
{
	world_use("blkcopy,readwrite");
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

/* --- page cache -------------------------------------------------------------------------------------------------- */

START_TEST(test_caches)
{
	world_use("blkcopy");
	ck_assert_int_eq(world_copy(DISK, 0, DISK, 80 << 20, 65536, 0), 65536);
	ck_assert_uint_ge(w.flushes, 2);
	ck_assert(w.flushed.start <= 80 << 20 && (80 << 20) + 65536 <= w.flushed.end);
	ck_assert(w.dropped.start <= 80 << 20 && (80 << 20) + 65536 <= w.dropped.end);
}
END_TEST

/* Old pages stay: they are overwritten in place. */
START_TEST(test_stale)
{
	w.cached = true;
	world_use("blkcopy");
	ck_assert_int_eq(world_copy(DISK, 0, DISK, 80 << 20, 65536, 0), 65536);
	ck_assert_uint_gt(w.writes, 0);
}
END_TEST

/* --- random ------------------------------------------------------------------------------------------------------------ */

enum { ROUNDS = 250, RANGES_MOST = 40 };

static size_t random_ranges(uint64_t *state, struct copyoff_range *v)
{
	size_t n = 1 + (size_t)random_below(state, RANGES_MOST);
	uint64_t dst = (80 << 20) + random_below(state, 100) * 512;

	for (size_t i = 0; i < n; i++) {
		uint64_t unit = random_below(state, 8) ? 512 : 1;

		v[i].len = random_below(state, 200 * 512) / unit * unit;
		v[i].src = (int64_t)(random_below(state, 10000) * 512);
		v[i].dst = (int64_t)dst;
		dst += v[i].len + (random_below(state, 4) ? 0 : random_below(state, 4) * 512);
	}
	return n;
}

/*
 * The kernel returns anything, with any result.  What is said to be done in success
 * is done: a lie of that kind is seen the first time only, by comparing.
 */
static struct step random_step(uint64_t *state)
{
	struct step step = { 0, random_below(state, 1 << 22), random_below(state, 2),
			     random_below(state, 2) ? UINT64_MAX : random_below(state, 1 << 22) };

	if (random_below(state, 3))
		return WELL;
	step.ret = failures[random_below(state, COUNT(failures))].ret;
	if (random_below(state, 4) == 0)
		step.says = random_below(state, UINT64_MAX);
	return step;
}

START_TEST(test_random)
{
	struct copyoff_range v[RANGES_MOST];
	uint64_t state = random_seed((uint64_t)getpid());

	for (int round = 0; round < ROUNDS; round++) {
		size_t n = random_ranges(&state, v);

		copyoff_ctx_fini(&ctx);
		copyoff_ctx_init(&ctx);
		w.version = working[random_below(&state, COUNT(working))];
		w.sequence = random_below(&state, 4) ? 5 : 0;
		world_use(random_below(&state, 2) ? "blkcopy,readwrite" : "blkcopy");
		w.n_calls = w.n_steps = w.step = 0;
		while (w.n_steps < 20)
			world_step(random_step(&state));
		world_copyv(DISK, DISK, v, n, 0);
	}
}
END_TEST

/* Each call of the seam fails, once, or from there on. */
START_TEST(test_each_call_fails)
{
	/* All kinds of errors by one version, and one kind by each sort of request. */
	static const enum version others[] = { V1, VEC, SINGLE };
	static const struct {
		int err;
		bool on;
	} kinds[] = { { EIO, false }, { EACCES, false }, { EINTR, false }, { ENOMEM, false },
		      { EIO, true },  { ENOTTY, true },  { ENOSYS, true } };
	static const struct copyoff_range v[] = { { 8192, (80 << 20) + 512, 4096 + 512 },
						  { 65536, (80 << 20) + 5120, 66048 } };
	const int64_t total = 4096 + 512 + 66048;
	unsigned n = 0;

	w.version = _i < 7 ? V5 : others[_i - 7];
	w.fail_with = kinds[_i < 7 ? _i : 0].err;
	w.fail_on = kinds[_i < 7 ? _i : 0].on;
	w.sequence = _i % 2 ? 0 : 5;
	do {
		copyoff_ctx_fini(&ctx);
		copyoff_ctx_init(&ctx);
		world_use(n % 2 ? "blkcopy,readwrite" : "blkcopy");
		w.n_calls = w.copies = w.seam_calls = 0;
		w.failed = false;
		w.fail_at = ++n;
		world_copyv(DISK, DISK, v, COUNT(v), 0);
		w.fail_at = 0;
		ck_assert_int_eq(w.open, 0);
		/* And then it works again. */
		if (n % 2 == 0)
			ck_assert_int_eq(world_copyv(DISK, DISK, v, COUNT(v), 0), total);
	} while (w.failed || n % 2);
	ck_assert_uint_gt(n, 40);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("blkcopy");
	TCase *tc = tcase_create("blkcopy");
	TCase *slow = tcase_create("slow");

	tcase_set_timeout(tc, 120);
	tcase_set_timeout(slow, 120);
	world_fill();
	tcase_add_checked_fixture(tc, world_setup, world_teardown);
	tcase_add_test(tc, test_numbers);
	tcase_add_test(tc, test_gather_bytes);
	tcase_add_test(tc, test_list_bytes);
	tcase_add_test(tc, test_single_bytes);
	tcase_add_test(tc, test_vector_bytes);
	tcase_add_test(tc, test_most_bytes);
	tcase_add_test(tc, test_complete);
	tcase_add_test(tc, test_check);
	tcase_add_test(tc, test_check_number_and_block);
	tcase_add_loop_test(tc, test_cut, 0, 4);
	tcase_add_test(tc, test_cut_nothing);
	tcase_add_loop_test(tc, test_versions, 0, 2 * COUNT(expectations));
	tcase_add_loop_test(tc, test_stock, 0, COUNT(stocks));
	tcase_add_test(tc, test_stranger);
	tcase_add_loop_test(tc, test_refusal, 0, COUNT(refusals));
	tcase_add_test(tc, test_partition);
	tcase_add_test(tc, test_two_devices);
	tcase_add_test(tc, test_files);
	tcase_add_test(tc, test_policy);
	tcase_add_test(tc, test_virtual);
	tcase_add_test(tc, test_mapped);
	tcase_add_test(tc, test_mapped_unknown);
	tcase_add_loop_test(tc, test_mapped_refused, 0, 4);
	tcase_add_loop_test(tc, test_copy, 0, COUNT(working));
	tcase_add_loop_test(tc, test_blocks_of_4096, 0, COUNT(working));
	tcase_add_loop_test(tc, test_wrong, 0, 2 * COUNT(working));
	tcase_add_loop_test(tc, test_misbehaved, 0, 2);
	tcase_add_test(tc, test_misbehaved_elsewhere);
	tcase_add_test(tc, test_compared_once);
	tcase_add_test(tc, test_not_compared);
	tcase_add_loop_test(tc, test_failure, 0, COUNT(failures));
	tcase_add_loop_test(tc, test_partly, 0, 7);
	tcase_add_loop_test(tc, test_lies, 0, COUNT(working));
	tcase_add_test(tc, test_lie_is_remembered);
	tcase_add_loop_test(tc, test_limit_later, 0, COUNT(laters));
	tcase_add_loop_test(tc, test_narrower, 0, COUNT(narrowers));
	tcase_add_test(tc, test_too_narrow);
	tcase_add_test(tc, test_other_medium);
	tcase_add_test(tc, test_formatted);
	tcase_add_test(tc, test_changed_under_way);
	tcase_add_test(tc, test_smaller);
	tcase_add_loop_test(tc, test_use_later, 0, 2);
	tcase_add_test(tc, test_caches);
	tcase_add_test(tc, test_stale);
	suite_add_tcase(suite, tc);
	tcase_add_checked_fixture(slow, world_setup, world_teardown);
	tcase_add_loop_test(slow, test_long_range, 0, 8);
	tcase_add_loop_test(slow, test_many, 0, 9);
	tcase_add_loop_test(slow, test_compared_at_the_ends, 0, 6);
	tcase_add_test(slow, test_random);
	tcase_add_loop_test(slow, test_each_call_fails, 0, 7 + 3);
	suite_add_tcase(suite, slow);
	return run_suite(suite);
}
