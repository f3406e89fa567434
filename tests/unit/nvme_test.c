/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * nvme_test.c - the backend nvme: bytes, what is refused, and what is sent
 */
#include "nvme_world.h"

#include <errno.h>
#include <string.h>

/* --- bytes ----------------------------------------------------------------------------------- */

START_TEST(test_range_bytes)
{
	static const unsigned char format0[32] = { [8] = 0xef, 0xcd, 0xab, 0x89, 0x67,
						   0x45,       0x23, 0x01, 0x7f, 0x00 };
	unsigned char to[48];

	memset(to, 0xa5, sizeof(to));
	copyoff_nvme_encode_range(0, 9, 0x0123456789abcdef, 128, to);
	ck_assert(memcmp(to, format0, 32) == 0);
	ck_assert(to[32] == 0xa5 && to[47] == 0xa5);
	ck_assert_uint_eq(copyoff_nvme_range_size(0), 32);
	copyoff_nvme_encode_range(2, 0x98765432, 0x0123456789abcdef, 128, to);
	ck_assert(memcmp(to, "\x32\x54\x76\x98", 4) == 0 && memcmp(to + 4, format0 + 4, 28) == 0);
	ck_assert_uint_eq(copyoff_nvme_range_size(2), 32);
	ck_assert_uint_eq(copyoff_nvme_range_size(3), 40);
	copyoff_nvme_encode_range(0, 9, 1, 65536, to);
	ck_assert(to[8] == 1 && to[16] == 0xff && to[17] == 0xff && to[18] == 0);
	/* Format 1h differs in tags only, which are 0. */
	memset(to, 0xa5, sizeof(to));
	copyoff_nvme_encode_range(1, 9, 0x0123456789abcdef, 128, to);
	ck_assert(memcmp(to, format0, 32) == 0);
	for (int i = 32; i < 48; i++)
		ck_assert_uint_eq(to[i], i < 40 ? 0 : 0xa5);
	ck_assert_uint_eq(copyoff_nvme_range_size(1), 40);
}
END_TEST

START_TEST(test_copy_dwords)
{
	unsigned char ranges[1];
	struct copyoff_nvme_command c = copyoff_nvme_copy(7, 0, 0x123456789a, ranges, 1);

	ck_assert_uint_eq(c.opcode, 0x19);
	ck_assert_uint_eq(c.nsid, 7);
	ck_assert_uint_eq(c.cdw[0], 0x3456789a);
	ck_assert_uint_eq(c.cdw[1], 0x12);
	ck_assert_uint_eq(c.cdw[2], 0);
	ck_assert_uint_eq(c.cdw[3] | c.cdw[4] | c.cdw[5], 0);
	ck_assert_ptr_eq(c.data, ranges);
	ck_assert_uint_eq(c.len, 32);
	c = copyoff_nvme_copy(7, 1, 1, ranges, 256);
	ck_assert_uint_eq(c.cdw[2], 0x1ff);
	ck_assert_uint_eq(c.len, 256 * 40);
}
END_TEST

START_TEST(test_identify)
{
	struct copyoff_nvme_controller controller;
	struct copyoff_nvme_namespace namespace;
	unsigned char data[4096] = { 0 };

	set_le(data + 520, 2, 0xfeff); /* all but Copy */
	set_le(data + 534, 2, 0x8421);
	copyoff_nvme_parse_controller(data, &controller);
	ck_assert(!controller.copies);
	ck_assert_uint_eq(controller.formats, 0x8421);
	set_le(data + 520, 2, 0x0100);
	copyoff_nvme_parse_controller(data, &controller);
	ck_assert(controller.copies);

	memset(data, 0, sizeof(data));
	set_le(data, 8, 0x0102030405060708);
	data[26] = 0x72; /* the format 3 << 4 | 2, metadata behind the data */
	set_le(data + 74, 2, 0xfedc);
	set_le(data + 76, 4, 0xba987654);
	data[80] = 0xff;
	set_le(data + 128 + 4 * 0x32, 4, 0x000c0008);
	copyoff_nvme_parse_namespace(data, &namespace);
	ck_assert_uint_eq(namespace.blocks, 0x0102030405060708);
	ck_assert_uint_eq(namespace.format_index, 0x32);
	ck_assert_uint_eq(namespace.block_shift, 12);
	ck_assert_uint_eq(namespace.metadata, 8);
	ck_assert(!namespace.protection && !namespace.write_protected);
	ck_assert_uint_eq(namespace.range_blocks, 0xfedc);
	ck_assert_uint_eq(namespace.total_blocks, 0xba987654);
	ck_assert_uint_eq(namespace.ranges, 256);
	data[29] = 0x08; /* only where it would be */
	data[99] = 0xfe;
	copyoff_nvme_parse_namespace(data, &namespace);
	ck_assert(!namespace.protection && !namespace.write_protected);
	data[29] = 3;
	data[99] = 1;
	copyoff_nvme_parse_namespace(data, &namespace);
	ck_assert(namespace.protection == 3 && namespace.write_protected);

	memset(data, 0, sizeof(data));
	set_le(data + 12 + 4 * 5, 4, 2 << 7 | 0x7f);
	ck_assert_uint_eq(copyoff_nvme_parse_tags(data, 5).guard, 2);
	ck_assert_uint_eq(copyoff_nvme_parse_tags(data, 5).storage_bits, 0x7f);
	ck_assert_uint_eq(copyoff_nvme_parse_tags(data, 4).guard, 0);
	ck_assert_uint_eq(copyoff_nvme_parse_tags(data, 4).storage_bits, 0);
}
END_TEST

/* The bits of the specification. */
START_TEST(test_protect_dwords)
{
	static const struct {
		unsigned type, guard;
		uint32_t cdw3, cdw14;
	} cases[] = { { 1, 0, 0, 0x3456789a },      { 2, 0, 0, 0x3456789a },      { 3, 0, 0, 0 },
		      { 1, 2, 0xbc12, 0x3456789a }, { 2, 2, 0xbc12, 0x3456789a }, { 3, 2, 0, 0 } };
	unsigned char ranges[1];

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct copyoff_nvme_command c =
			copyoff_nvme_copy(7, 1, 0xabcdbc123456789a, ranges, 3);

		copyoff_nvme_protect(&c, cases[i].type, cases[i].guard);
		ck_assert_uint_eq(c.cdw[0], 0x3456789a);
		ck_assert_uint_eq(c.cdw[1], 0xabcdbc12);
		ck_assert_uint_eq(c.cdw[2], 0x2000c102);
		ck_assert_uint_eq(c.cdw3, cases[i].cdw3);
		ck_assert_uint_eq(c.cdw[4], cases[i].cdw14);
		ck_assert_uint_eq(c.cdw[3] | c.cdw[5], 0);
	}
}
END_TEST

/* --- probe ----------------------------------------------------------------------------------- */

START_TEST(test_limits)
{
	const struct copyoff_offer *o;

	set_limits(100, 1000, 9);
	o = probe(PART1, PART2);
	ck_assert_int_eq(o->state, COPYOFF_OFFER_OPEN);
	ck_assert_uint_eq(o->limits.align, 512);
	ck_assert_uint_eq(o->limits.max_range, 100 * 512);
	/* 25 commands. */
	ck_assert_uint_eq(o->limits.max_ranges, 250);
	ck_assert_uint_eq(o->limits.max_total, 25 * 1000 * 512);
	ck_assert_uint_eq(o->base_in, nodes[1].base);
	ck_assert_uint_eq(o->base_out, nodes[2].base);
	ck_assert_uint_eq(o->traits, COPYOFF_TRAIT_RAW | COPYOFF_TRAIT_PRIV);
	ck_assert_uint_eq(w.n_commands, 0);
}
END_TEST

/* As large as they can be: in 64 bits, and no command without end. */
START_TEST(test_largest_limits)
{
	const struct copyoff_offer *o;

	set_blocks(12, 0);
	set_limits(0xffff, 0xffffffff, 0xff);
	o = probe(DISK, DISK);
	ck_assert_int_eq(o->state, COPYOFF_OFFER_OPEN);
	ck_assert_uint_eq(o->limits.align, 4096);
	ck_assert_uint_eq(o->limits.max_range, 0xffffull * 4096);
	ck_assert_uint_eq(o->limits.max_ranges, 256);
	ck_assert_uint_eq(o->limits.max_total, 256 << 20);
}
END_TEST

static void no_copy(void)
{
	w.controller[521] = 0;
}
static void no_range(void)
{
	set_limits(0, 128, 127);
}
static void no_total(void)
{
	set_limits(128, 0, 127);
}
static void more_metadata(void)
{
	set_protection(1, 0, 0);
	set_blocks(9, 16);
}
static void less_metadata(void)
{
	set_protection(1, 2, 0);
	set_blocks(9, 8);
}
static void storage_tags(void)
{
	set_protection(1, 2, 16);
}
static void guard_of_32_bits(void)
{
	set_protection(1, 1, 0);
}
static void protection_type_4(void)
{
	set_protection(4, 0, 0);
}
static void protection_and_no_format(void)
{
	set_protection(2, 2, 0);
	set_le(w.controller + 534, 2, 0x0001);
}
static void write_protected(void)
{
	w.namespace[99] = 1;
}
static void no_format(void)
{
	set_le(w.controller + 534, 2, 0xfffe);
}
static void other_blocks(void)
{
	w.namespace[128 + 4 * 3 + 2] = 12;
}
static void absurd_blocks(void)
{
	w.namespace[128 + 4 * 3 + 2] = 0xff;
}
static void eacces(void)
{
	w.identify_ret[1] = -EACCES;
}
static void eperm(void)
{
	w.identify_ret[0] = -EPERM;
}
static void no_answer(void)
{
	w.identify_ret[0] = 0x4002;
}
static void canceled(void)
{
	w.identify_ret[1] = -EINTR;
}
static void other_id(void)
{
	w.id = 2;
}
static void no_id(void)
{
	w.id = -ENOTTY;
}
static void no_path(void)
{
	w.id = -EAGAIN;
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
static void strange_zones(void)
{
	w.zoned = "perhaps";
}
static void no_sysfs(void)
{
	w.fixture = NULL;
}
static void no_nvme(void)
{
	w.fixture = "scsi";
}
static void long_guard(void)
{
	set_blocks(9, 16);
	set_le(w.nvm + 12 + 4 * 3, 4, 3 << 7);
}
static void no_long_format(void)
{
	set_blocks(9, 16);
	set_le(w.nvm + 12 + 4 * 3, 4, 2 << 7);
	set_le(w.controller + 534, 2, 0x0001);
}

static const struct refusal {
	void (*what)(void);
	enum copyoff_reason reason;
	int error;
	const char *text, *remedy;
} refusals[] = {
	{ no_copy, COPYOFF_REASON_UNSUPPORTED, 0, "no Copy command", "" },
	{ no_range, COPYOFF_REASON_UNSUPPORTED, 0, "limits are 0", "" },
	{ no_total, COPYOFF_REASON_UNSUPPORTED, 0, "limits are 0", "" },
	{ more_metadata, COPYOFF_REASON_UNSUPPORTED, 0, "more metadata than protection", "" },
	{ less_metadata, COPYOFF_REASON_UNSUPPORTED, 0, "other metadata than protection", "" },
	{ storage_tags, COPYOFF_REASON_UNSUPPORTED, 0, "storage tags", "" },
	{ guard_of_32_bits, COPYOFF_REASON_UNSUPPORTED, 0, "the kernel does not know", "" },
	{ protection_type_4, COPYOFF_REASON_UNSUPPORTED, 0, "the kernel does not know", "" },
	{ protection_and_no_format, COPYOFF_REASON_UNSUPPORTED, 0, "formats 0h and 1h", "" },
	{ write_protected, COPYOFF_REASON_PERMISSION, EROFS, "write protected", "" },
	{ no_format, COPYOFF_REASON_UNSUPPORTED, 0, "formats 0h and 1h", "" },
	{ no_long_format, COPYOFF_REASON_UNSUPPORTED, 0, "formats 0h and 1h", "" },
	{ long_guard, COPYOFF_REASON_UNSUPPORTED, 0, "formats 0h and 1h", "" },
	{ other_blocks, COPYOFF_REASON_UNSUPPORTED, 0, "larger or smaller", "" },
	{ absurd_blocks, COPYOFF_REASON_UNSUPPORTED, 0, "larger or smaller", "" },
	{ managed_zones, COPYOFF_REASON_UNSUPPORTED, 0, "zones", "" },
	{ strange_zones, COPYOFF_REASON_UNSUPPORTED, 0, "zones", "" },
	{ eacces, COPYOFF_REASON_PERMISSION, EACCES, "may not send", "CAP_SYS_ADMIN" },
	{ eperm, COPYOFF_REASON_PERMISSION, EPERM, "may not send", "Linux 6.2" },
	{ no_answer, COPYOFF_REASON_UNSUPPORTED, EIO, "does not answer", "" },
	{ canceled, COPYOFF_REASON_FAILED, EIO, "could not find out", "" },
	{ other_id, COPYOFF_REASON_FILE_TYPE, 0, "not NVMe namespaces", "" },
	{ no_id, COPYOFF_REASON_FILE_TYPE, 0, "not NVMe namespaces", "" },
	{ no_path, COPYOFF_REASON_FAILED, EAGAIN, "could not find out", "" },
	{ in_use, COPYOFF_REASON_RESOURCE, EBUSY, "held", "unmount" },
	{ read_only, COPYOFF_REASON_PERMISSION, EPERM, "read-only", "" },
	{ no_sysfs, COPYOFF_REASON_FAILED, EACCES, "could not find out", "" },
	{ no_nvme, COPYOFF_REASON_FILE_TYPE, 0, "not NVMe namespaces", "" },
};

START_TEST(test_refusal)
{
	const struct refusal *r = &refusals[_i];

	r->what();
	probe(PART1, PART2);
	ck_assert_int_eq(offer()->state, COPYOFF_OFFER_DECLINED);
	ck_assert_int_eq(offer()->reason, r->reason);
	ck_assert_int_eq(offer()->error, r->error);
	expect_text(r->text);
	ck_assert(strstr(offer()->remedy, r->remedy));
	ck_assert_uint_eq(w.n_commands, 0);
}
END_TEST

/* Not a single command: neither to ask nor to copy, also where it was asked before. */
START_TEST(test_no_raw)
{
	for (int i = 0; i < 2; i++) {
		use("nvme,readwrite");
		w.identifies = w.n_commands = 0;
		ck_assert_int_eq(copy(PART1, 0, PART2, 0, 1 << 20, COPYOFF_NO_RAW), 1 << 20);
		ck_assert_uint_eq(w.identifies + w.n_commands, 0);
		ck_assert_uint_eq(copied_by("readwrite"), 1u << (20 + i));
		ck_assert_ptr_nonnull(strstr(ctx.message, "COPYOFF_NO_RAW"));
		use("nvme");
		ck_assert_int_eq(copy(PART1, 0, PART2, 0, 1 << 20, COPYOFF_NO_RAW), -EOPNOTSUPP);
		ck_assert_uint_eq(w.identifies + w.n_commands, 0);
		ck_assert_int_eq(copy(PART1, 0, PART2, 0, 1 << 20, 0), 1 << 20);
		ck_assert_uint_gt(w.n_commands, 0);
	}
}
END_TEST

/* --- between namespaces ------------------------------------------------------------------- */

static void not_enabled(void)
{
	set_le(w.behavior + 4, 2, 0x0008);
}
static void behavior_not_known(void)
{
	w.behavior_ret = 0x4002;
}
static void only_within(void)
{
	set_le(w.controller + 534, 2, 0x000b);
}
static void foreign(void)
{
	w.foreign = true;
}
static void one_number(void)
{
	w.id = 2; /* sysfs does not agree */
}
static void other_size(void)
{
	set_le(w.namespace2 + 128 + 4 * 3, 4, 12u << 16);
}
static void other_metadata(void)
{
	set_le(w.namespace2 + 128 + 4 * 3, 4, 9u << 16 | 8);
}
static void other_protection(void)
{
	set_protection(1, 0, 0);
	set_second();
	w.namespace2[29] = 2;
}
static void other_guard(void)
{
	set_protection(1, 2, 0);
	set_second();
	set_le(w.nvm2 + 12 + 4 * 3, 4, 1 << 7);
}
static void no_limits_there(void)
{
	set_le(w.namespace2 + 76, 4, 0);
}

static const struct refusal between[] = {
	{ not_enabled, COPYOFF_REASON_CROSS_DEVICE, 0, "not enabled", "CDFE" },
	{ behavior_not_known, COPYOFF_REASON_CROSS_DEVICE, 0, "not enabled", "CDFE" },
	{ only_within, COPYOFF_REASON_CROSS_DEVICE, 0, "does not copy between namespaces", "" },
	{ foreign, COPYOFF_REASON_CROSS_DEVICE, 0, "namespaces of one controller", "" },
	{ one_number, COPYOFF_REASON_FILE_TYPE, 0, "not NVMe namespaces", "" },
	{ other_size, COPYOFF_REASON_CROSS_DEVICE, 0, "formatted differently", "" },
	{ other_metadata, COPYOFF_REASON_CROSS_DEVICE, 0, "formatted differently", "" },
	{ other_protection, COPYOFF_REASON_CROSS_DEVICE, 0, "formatted differently", "" },
	{ other_guard, COPYOFF_REASON_CROSS_DEVICE, 0, "formatted differently", "" },
	{ no_limits_there, COPYOFF_REASON_UNSUPPORTED, 0, "limits are 0", "" },
};

START_TEST(test_refusal_between)
{
	const struct refusal *r = &between[_i];

	set_second();
	r->what();
	probe(OTHER, PART2);
	ck_assert_int_eq(offer()->state, COPYOFF_OFFER_DECLINED);
	ck_assert_int_eq(offer()->reason, r->reason);
	expect_text(r->text);
	ck_assert(strstr(offer()->remedy, r->remedy));
}
END_TEST

/* The features are asked for, and never set: the world knows no such command. */
START_TEST(test_between_namespaces)
{
	static const struct copyoff_range v[] = {
		{ 512, 0, 65536 },
		{ 0, 65536, 512 },
		{ 99840, 66048, 1 << 20 },
		{ 0, 3 << 20, 4096 },
	};
	const int64_t total = 65536 + 512 + (1 << 20) + 4096;
	const unsigned type = (unsigned)_i / 2, guard = _i % 2 ? 2 : 0;

	reach = 0;
	if (_i)
		set_protection(type, guard, 0);
	set_second();
	use("nvme");
	ck_assert_int_eq(copyv(OTHER, PART2, v, COUNT(v), 0), total);
	check_bytes(OTHER, PART2, v, COUNT(v), (uint64_t)total);
	ck_assert_int_eq(copyv(PART1, OTHER, v, COUNT(v), 0), total);
	check_bytes(PART1, OTHER, v, COUNT(v), (uint64_t)total);
	/* Within one namespace, other descriptors. */
	ck_assert_int_eq(copyv(PART1, PART2, v, COUNT(v), 0), total);
	check_bytes(PART1, PART2, v, COUNT(v), (uint64_t)total);
	/* Each ends where it ends. */
	ck_assert_int_eq(copy(PART1, 0, OTHER, OTHER_BYTES - 4096, 8192, 0), 4096);
}
END_TEST

/* Those of both namespaces hold. */
START_TEST(test_limits_between)
{
	const struct copyoff_offer *o;

	set_limits(100, 1000, 9);
	set_second();
	set_le(w.namespace2 + 74, 2, 50);
	set_le(w.namespace2 + 76, 4, 5000);
	w.namespace2[80] = 3;
	o = probe(OTHER, PART2);
	ck_assert_int_eq(o->state, COPYOFF_OFFER_OPEN);
	ck_assert_uint_eq(o->limits.max_range, 50 * 512);
	ck_assert_uint_eq(o->limits.max_ranges, 256);
	ck_assert_uint_eq(o->limits.max_total, 12 * 1000 * 512);
}
END_TEST

/* A reset of the controller disables it. */
START_TEST(test_disabled_later)
{
	reach = 0;
	set_second();
	use("nvme,readwrite");
	ck_assert_int_eq(copy(OTHER, 0, PART2, 0, 65536, 0), 65536);
	ck_assert_uint_eq(copied_by("nvme"), 65536);
	set_le(w.behavior + 4, 2, 0);
	ck_assert_int_eq(copy(OTHER, 0, PART2, 0, 65536, 0), 65536);
	ck_assert_uint_eq(copied_by("nvme"), 65536);
	ck_assert_int_eq(offer()->reason, COPYOFF_REASON_UNSUPPORTED);
}
END_TEST

/* The device in front of the paths of multipath. */
START_TEST(test_multipath)
{
	struct copyoff_end end = end_of(DISK);

	w.fixture = "nvme-multipath";
	w.sequence = 2;
	set_blocks(12, 0);
	end.rdev = end.place.dev = DEV(259, 1);
	use("nvme");
	ck_assert_ptr_nonnull(copyoff_route_offer(&ctx, copyoff_ctx_route(&ctx, &end, &end),
						  index_of("nvme"), 0));
}
END_TEST

START_TEST(test_files)
{
	struct copyoff_end from = end_of(PART1), to = end_of(PART2);

	to.kind = COPYOFF_KIND_REGULAR;
	use("nvme");
	ck_assert_ptr_null(copyoff_route_offer(&ctx, copyoff_ctx_route(&ctx, &from, &to),
					       index_of("nvme"), 0));
	ck_assert_int_eq(offer()->reason, COPYOFF_REASON_FILE_TYPE);
}
END_TEST

/* --- copy -------------------------------------------------------------------------------------- */

/* The addresses are those of the namespace. */
START_TEST(test_partitions)
{
	reach = 0;
	use("nvme");
	ck_assert_int_eq(copy(PART1, 1024, PART2, 4096, 10240, 0), 10240);
	ck_assert_uint_eq(w.n_commands, 1);
	ck_assert_uint_eq(w.commands[0].sdlba, 49152 + 8);
	ck_assert_uint_eq(w.commands[0].n, 1);
	ck_assert_uint_eq(w.commands[0].blocks, 20);
	ck_assert_uint_eq(ctx.result.bytes_offloaded, 10240);
	/* To the last block of both, from one to the other and back. */
	ck_assert_int_eq(copy(PART1, 47104 * 512 - 512, PART2, 40960 * 512 - 512, 512, 0), 512);
	ck_assert_int_eq(copy(PART2, 40960 * 512 - 512, DISK, 0, 512, 0), 512);
	ck_assert_int_eq(copy(PART1, 0, PART2, 40960 * 512 - 512, 1024, 0), 512);
	ck_assert_int_eq(ctx.result.error, ENOSPC);
}
END_TEST

START_TEST(test_blocks_of_4096)
{
	reach = 0;
	set_blocks(12, 0);
	use("nvme");
	ck_assert_int_eq(copy(DISK, 8192, PART2, 4096, 40960, 0), 40960);
	ck_assert_uint_eq(w.commands[0].sdlba, 49152 / 8 + 1);
	ck_assert_uint_eq(w.commands[0].blocks, 10);
	/* An odd head and tail are not for it. */
	use("nvme,readwrite");
	ck_assert_int_eq(copy(PART1, 512, PART2, 512, 40960, 0), 40960);
	ck_assert_uint_eq(copied_by("readwrite"), 4096);
}
END_TEST

/* Metadata goes with its blocks; where the guard could be long, so are descriptors. */
START_TEST(test_metadata)
{
	static const unsigned guards[] = { 0, 1, 2 };

	set_blocks(9, 16);
	set_le(w.nvm + 12 + 4 * 3, 4, guards[_i] << 7);
	use("nvme");
	ck_assert_int_eq(copy(PART1, 0, PART2, 0, 1 << 20, 0), 1 << 20);
	ck_assert_uint_eq(w.n_commands, 2);
}
END_TEST

/* Controllers that do not know the question. */
START_TEST(test_metadata_of_old_controllers)
{
	w.identify_ret[5] = 0x4002;
	if (_i == 0)
		set_blocks(9, 8);
	else
		set_protection((unsigned)_i, 0, 0);
	use("nvme");
	ck_assert_int_eq(copy(PART1, 0, PART2, 0, 65536, 0), 65536);
}
END_TEST

/* What was copied can be read, by ranges of all kinds. */
START_TEST(test_protection)
{
	static const struct copyoff_range v[] = {
		{ 512, 0, 65536 },
		{ 0, 65536, 512 },
		{ 99840, 66048, 1 << 20 },
		{ 0, 3 << 20, 4096 },
	};
	const int64_t total = 65536 + 512 + (1 << 20) + 4096;
	const unsigned type = 1 + (unsigned)_i / 2, guard = _i % 2 ? 2 : 0;

	set_protection(type, guard, 0);
	use("nvme,readwrite");
	ck_assert_int_eq(copyv(PART1, PART2, v, COUNT(v), COPYOFF_VERIFY), total);
	check_bytes(PART1, PART2, v, COUNT(v), (uint64_t)total);
	ck_assert_uint_eq(copied_by("nvme"), (uint64_t)total);
	ck_assert_int_eq(copy(PART2, 512, PART1, 2 << 20, 1 << 20, 0), 1 << 20);
}
END_TEST

/* --- how many commands -------------------------------------------------------------------------- */

enum { MANY = 10000 };
static struct copyoff_range many[MANY];

/* 10,000 ranges of two blocks from anywhere, one behind the other in the destination. */
static void scatter(uint64_t len)
{
	uint64_t slots = 4 * (uint64_t)MANY / 3;

	/* 7919 is prime, and has no factor in common with the number of slots. */
	for (uint64_t i = 0; i < MANY; i++)
		many[i] = (struct copyoff_range){ (int64_t)(i * 7919 % slots * 1024),
						  (int64_t)(i * len), len };
}

static void expect_scattered(unsigned msrc, unsigned commands)
{
	set_limits(8, 0xffffff, (uint8_t)msrc);
	scatter(1024);
	use("nvme");
	ck_assert_int_eq(copyv(PART1, PART2, many, MANY, 0), MANY * 1024);
	check_bytes(PART1, PART2, many, MANY, MANY * 1024);
	ck_assert_uint_eq(w.n_commands, commands);
	ck_assert_uint_eq(ctx.stats[index_of("nvme")].short_copies, 0);
}

START_TEST(test_scattered)
{
	static const unsigned msrc[] = { 255, 127, 1, 0 };

	reach = 0;
	expect_scattered(msrc[_i], (MANY + msrc[_i]) / (msrc[_i] + 1));
}
END_TEST

/* One range of 16 MiB: commands are as large as MCL, and of ranges as large as MSSRL. */
START_TEST(test_long_range)
{
	reach = 0;
	set_limits(100, 1024, 127);
	use("nvme");
	ck_assert_int_eq(copy(PART1, 0, PART2, 512, 16 << 20, 0), 16 << 20);
	ck_assert_uint_eq(w.n_commands, 32);
	for (unsigned i = 0; i < 32; i++) {
		ck_assert_uint_eq(w.commands[i].blocks, 1024);
		ck_assert_uint_le(w.commands[i].n, 12);
	}
	/* 12.5 MiB of them at once. */
	ck_assert_uint_eq(ctx.stats[index_of("nvme")].calls, 2);
}
END_TEST

/* One command has one destination. */
START_TEST(test_gap)
{
	static const struct copyoff_range v[] = {
		{ 0, 0, 4096 }, { 8192, 4096, 4096 }, { 16384, 12288, 4096 }, { 0, 16384, 4096 }
	};

	use("nvme");
	ck_assert_int_eq(copyv(PART1, PART2, v, COUNT(v), 0), 4 * 4096);
	check_bytes(PART1, PART2, v, COUNT(v), 4 * 4096);
	ck_assert_uint_eq(w.n_commands, 2);
	ck_assert_uint_eq(w.commands[0].n, 2);
	ck_assert_uint_eq(w.commands[1].sdlba, 49152 + 24);
}
END_TEST

/* MCL beyond what all ranges of one command can have, and below one range. */
START_TEST(test_odd_limits)
{
	set_limits(100, 100000, 3);
	use("nvme");
	ck_assert_int_eq(copy(PART1, 0, PART2, 0, 800 * 512, 0), 800 * 512);
	ck_assert_uint_eq(w.n_commands, 2);
	copyoff_ctx_fini(&ctx);
	copyoff_ctx_init(&ctx);
	use("nvme");
	set_limits(1000, 7, 3);
	ck_assert_int_eq(copy(PART1, 0, PART2, 0, 21 * 512, 0), 21 * 512);
	ck_assert_uint_eq(w.n_commands, 5);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("nvme");
	TCase *tc = tcase_create("nvme");

	tcase_set_timeout(tc, 120);
	fill();
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_range_bytes);
	tcase_add_test(tc, test_copy_dwords);
	tcase_add_test(tc, test_protect_dwords);
	tcase_add_test(tc, test_identify);
	tcase_add_test(tc, test_limits);
	tcase_add_test(tc, test_largest_limits);
	tcase_add_loop_test(tc, test_refusal, 0, COUNT(refusals));
	tcase_add_test(tc, test_no_raw);
	tcase_add_loop_test(tc, test_refusal_between, 0, COUNT(between));
	tcase_add_loop_test(tc, test_between_namespaces, 0, 8);
	tcase_add_test(tc, test_limits_between);
	tcase_add_test(tc, test_disabled_later);
	tcase_add_test(tc, test_multipath);
	tcase_add_test(tc, test_files);
	tcase_add_test(tc, test_partitions);
	tcase_add_test(tc, test_blocks_of_4096);
	tcase_add_loop_test(tc, test_metadata, 0, 3);
	tcase_add_loop_test(tc, test_metadata_of_old_controllers, 0, 3);
	tcase_add_loop_test(tc, test_protection, 0, 6);
	tcase_add_loop_test(tc, test_scattered, 0, 4);
	tcase_add_test(tc, test_long_range);
	tcase_add_test(tc, test_gap);
	tcase_add_test(tc, test_odd_limits);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
