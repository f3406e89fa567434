/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * target_test.c - the SCSI target, by the bytes of SPC-4 and SBC-3
 *
 * What is expected is written out, not made by the functions under test.
 */
#include "target.h"
#include "../unit/unit.h"

#include <string.h>

enum {
	BLOCKS = 8192,
	SIZE = 512,
	BYTES = BLOCKS * SIZE,
	A = 0,
	B,
	FOUR, /* blocks of 4096 bytes */
	READ_ONLY,
	UNITS,
};

static unsigned char content[UNITS][BYTES], before[UNITS][BYTES];
static unsigned char in[4096];
static size_t in_size = sizeof(in);
static struct scsi_target *target;
static struct scsi_target_faults *faults;
static struct scsi_request r;
static uint64_t clock_ms;

static uint64_t the_clock(void *arg)
{
	(void)arg;
	return clock_ms;
}

static void fill(void)
{
	uint64_t state = 1;

	for (unsigned i = 0; i < UNITS; i++) {
		for (size_t j = 0; j < BYTES; j++)
			before[i][j] = (unsigned char)random_below(&state, 256);
	}
}

static void add(unsigned lun, const char *name, uint32_t block_size, bool read_only)
{
	struct scsi_target_unit_options options = {
		.block_size = block_size,
		.blocks = BYTES / block_size,
		.name = name,
		.memory = content[lun],
		.read_only = read_only,
	};

	ck_assert_int_eq(scsi_target_add(target, &options), (int)lun);
}

static void setup(void)
{
	memcpy(content, before, sizeof(content));
	clock_ms = 1000000;
	target = scsi_target_new();
	ck_assert_ptr_nonnull(target);
	scsi_target_set_clock(target, the_clock, NULL);
	add(A, "a", SIZE, false);
	add(B, "b", SIZE, false);
	add(FOUR, "four", 4096, false);
	add(READ_ONLY, NULL, SIZE, true);
	faults = scsi_target_faults(target);
}

static void teardown(void)
{
	scsi_target_free(target);
}

/* --- requests ------------------------------------------------------------------ */

static void set(unsigned char *p, unsigned n, uint64_t value)
{
	while (n-- > 0) {
		p[n] = value & 0xff;
		value >>= 8;
	}
}

static uint64_t number(const unsigned char *p, unsigned n)
{
	return n == 0 ? 0 : number(p, n - 1) << 8 | p[n - 1];
}

/* What is read and written is within these sizes. */
static void execute(unsigned lun, const unsigned char *cdb, const void *out, size_t out_len)
{
	unsigned char *copy = malloc(out_len + 1); /* sanitizers know where it ends */
	size_t end = in_size;

	ck_assert_ptr_nonnull(copy);
	if (out_len > 0)
		memcpy(copy + 1, out, out_len);
	memset(in, 0xee, sizeof(in));
	r = (struct scsi_request){
		.lun = lun,
		.cdb = cdb,
		.cdb_len = 16,
		.out = copy + 1,
		.out_len = out_len,
		.in = in,
		.in_size = in_size,
	};
	scsi_target_execute(target, &r);
	free(copy);
	ck_assert_uint_le(r.in_len, in_size);
	ck_assert_uint_le(r.sense_len, SCSI_TARGET_SENSE);
	while (end < sizeof(in) && in[end] == 0xee)
		end++;
	ck_assert_uint_eq(end, sizeof(in));
}

#define CDB(...) ((const unsigned char[16]){ __VA_ARGS__ })

static void is_good(void)
{
	ck_assert_msg(r.status == 0, "status %02x, sense %02x/%02x/%02x", r.status, r.sense[2],
		      r.sense[12], r.sense[13]);
}

/* @code: key, ASC and ASCQ as 0xKAAQQ */
static void is_refused(unsigned code)
{
	ck_assert_uint_eq(r.status, 0x02);
	ck_assert_uint_eq(r.in_len, 0);
	ck_assert_uint_ge(r.sense_len, 18);
	ck_assert_msg((r.sense[2] & 0xfu) << 16 == (code & 0xf0000) &&
			      r.sense[12] == (code >> 8 & 0xff) && r.sense[13] == (code & 0xff),
		      "sense %x/%02x/%02x instead of %05x", r.sense[2], r.sense[12], r.sense[13],
		      code);
}

static void returns(const unsigned char *bytes, size_t n)
{
	is_good();
	ck_assert_uint_eq(r.in_len, n);
	ck_assert_mem_eq(in, bytes, n);
	ck_assert_uint_eq(in[n], 0xee);
}

#define RETURNS(...)                                                                               \
	returns((const unsigned char[]){ __VA_ARGS__ },                                            \
		sizeof((const unsigned char[]){ __VA_ARGS__ }))

static void has_sense(const unsigned char *bytes, size_t n)
{
	ck_assert_uint_eq(r.status, 0x02);
	ck_assert_uint_eq(r.sense_len, n);
	ck_assert_mem_eq(r.sense, bytes, n);
}

#define HAS_SENSE(...)                                                                             \
	has_sense((const unsigned char[]){ __VA_ARGS__ },                                          \
		  sizeof((const unsigned char[]){ __VA_ARGS__ }))

/* But for @n bytes of unit @lun at @offset, everything is as it was. */
static void is_untouched_but(unsigned lun, size_t offset, size_t n)
{
	for (unsigned i = 0; i < UNITS; i++) {
		size_t at = i == lun ? offset : BYTES, end = i == lun ? offset + n : BYTES;

		ck_assert_mem_eq(content[i], before[i], at);
		if (end < BYTES)
			ck_assert_mem_eq(content[i] + end, before[i] + end, BYTES - end);
	}
}

static void is_untouched(void)
{
	is_untouched_but(A, 0, 0);
}

/* --- what a unit says of itself ------------------------------------------------ */

START_TEST(test_inquiry)
{
	execute(A, CDB(0x12, 0, 0, 0, 36), NULL, 0);
	RETURNS(0, 0, 6, 2, 31, 8, 0, 2, 'C', 'O', 'P', 'Y', 'O', 'F', 'F', ' ', 'T', 'E', 'S', 'T',
		' ', 'T', 'A', 'R', 'G', 'E', 'T', ' ', ' ', ' ', ' ', ' ', '1', ' ', ' ', ' ');
	execute(A, CDB(0x12, 0, 0, 0, 6), NULL, 0);
	RETURNS(0, 0, 6, 2, 31, 8);
	execute(A, CDB(0x12, 0, 1, 0, 36), NULL, 0);
	is_refused(0x52400);
	/* No such unit, but the target answers. */
	execute(UNITS, CDB(0x12, 0, 0, 0, 5), NULL, 0);
	RETURNS(0x7f, 0, 6, 2, 31);
	execute(UNITS, CDB(0x00), NULL, 0);
	is_refused(0x52500);
	execute(A, CDB(0x00), NULL, 0);
	is_good();
	execute(A, CDB(0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 255), NULL, 0);
	RETURNS(0, 0, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0,
		0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0);
}
END_TEST

START_TEST(test_pages)
{
	execute(A, CDB(0x12, 1, 0x00, 0, 255), NULL, 0);
	RETURNS(0, 0x00, 0, 6, 0x00, 0x80, 0x83, 0x8f, 0xb0, 0xb2);
	execute(FOUR, CDB(0x12, 1, 0x80, 0, 255), NULL, 0);
	RETURNS(0, 0x80, 0, 4, 'f', 'o', 'u', 'r');
	execute(READ_ONLY, CDB(0x12, 1, 0x80, 0, 255), NULL, 0);
	RETURNS(0, 0x80, 0, 6, 'u', 'n', 'i', 't', '-', '3');
	/* FNV-1a of "a" is af63dc4c8601ec8c. */
	execute(A, CDB(0x12, 1, 0x83, 0, 255), NULL, 0);
	RETURNS(0, 0x83, 0, 41, 2, 1, 0, 9, 'C', 'O', 'P', 'Y', 'O', 'F', 'F', ' ', 'a', 1, 0x14, 0,
		4, 0, 0, 0, 1, 1, 3, 0, 16, 0x6c, 0x0c, 0x0f, 0xf0, 0, 0, 0, 0, 0xaf, 0x63, 0xdc,
		0x4c, 0x86, 0x01, 0xec, 0x8c);
	execute(A, CDB(0x12, 1, 0xb0, 0, 255), NULL, 0);
	ck_assert_uint_eq(r.in_len, 64);
	ck_assert_uint_eq(number(in, 4), 0x00b0003c);
	execute(A, CDB(0x12, 1, 0xb2, 0, 255), NULL, 0);
	RETURNS(0, 0xb2, 0, 4, 0, 0, 0, 0);
	execute(A, CDB(0x12, 1, 0xb1, 0, 255), NULL, 0);
	is_refused(0x52400);
}
END_TEST

/* The descriptor of VPD 8F with this type, which has so many bytes; NULL: none has. */
static const unsigned char *third_party(unsigned type, size_t *len)
{
	size_t end = 4 + (size_t)number(in + 2, 2);

	ck_assert_uint_eq(end, r.in_len);
	for (size_t at = 4; at < end; at += 4 + *len) {
		*len = (size_t)number(in + at + 2, 2);
		ck_assert_uint_eq(*len % 4, 0);
		ck_assert_uint_le(at + 4 + *len, end);
		if (number(in + at, 2) == type)
			return in + at;
	}
	return NULL;
}

START_TEST(test_third_party_page)
{
	static const unsigned char limits[] = { 0, 0, 0, 0x20, 0, 0, 0, 0,    0, 0, 0, 16,
						0, 0, 2, 0x58, 0, 0, 0, 0x3c, 0, 0, 0, 0,
						0, 1, 0, 0,    0, 0, 0, 0,    0, 1, 0, 0 };
	static const unsigned char commands[] = { 0,    1,    0,    16,   13,   0x83, 4,
						  0x00, 0x10, 0x11, 0x1c, 0x84, 5,    0x00,
						  0x03, 0x04, 0x05, 0x07, 0,    0 };
	static const unsigned char lists[] = {
		0, 4, 0, 28, 0, 0, 0, 0, 0, 8, 0, 16, 0, 0, 2, 0xc0
	};
	static const unsigned char codes[] = { 0, 8, 0, 4, 2, 0x02, 0xe4, 0 };
	static const unsigned char operation[] = { 0x80, 1, 0, 32,   0, 0, 0, 1, 0,
						   0,    0, 1, 0x10, 0, 0, 0, 9, 0 };
	static const struct {
		unsigned type;
		size_t len, n;
		const unsigned char *bytes;
	} descriptors[] = {
		{ 0x0000, 32, sizeof(limits), limits },
		{ 0x0001, 16, sizeof(commands), commands },
		{ 0x0004, 28, sizeof(lists), lists },
		{ 0x0008, 4, sizeof(codes), codes },
		{ 0x8001, 32, sizeof(operation), operation },
	};
	const unsigned char *d;
	size_t len = 0;

	execute(A, CDB(0x12, 1, 0x8f, 4, 0), NULL, 0);
	is_good();
	for (size_t i = 0; i < COUNT(descriptors); i++) {
		d = third_party(descriptors[i].type, &len);
		ck_assert_ptr_nonnull(d);
		ck_assert_uint_eq(len, descriptors[i].len);
		ck_assert_mem_eq(d, descriptors[i].bytes, descriptors[i].n);
	}
	/* ROD features: the tokens of all units; 32 MiB in one. */
	d = third_party(0x0106, &len);
	ck_assert_uint_eq(len, 44 + 48);
	ck_assert_uint_eq(d[4], 4);
	ck_assert_uint_eq(number(d + 46, 2), 48);
	ck_assert_uint_eq(number(d + 48, 4), 0x2c);
	ck_assert_uint_eq(number(d + 56, 8), 65536 * 512);
	/* ROD types: the last is that of zeroes, which goes in only. */
	d = third_party(0x0108, &len);
	ck_assert_uint_eq(len, 4 + 5 * 64);
	ck_assert_uint_eq(number(d + 6, 2), 5 * 64);
	ck_assert_uint_eq(number(d + 8, 5), 0x0001000003);
	ck_assert_uint_eq(number(d + 8 + 64, 5), 0x0080000003);
	ck_assert_uint_eq(number(d + 8 + 4 * 64, 5), 0xffff000102);
}
END_TEST

START_TEST(test_without)
{
	static const struct {
		unsigned without;
		unsigned char opcode, action;
		unsigned code;
	} rows[] = {
		{ SCSI_TARGET_NO_3PC, 0x83, 0x00, 0x52000 },
		{ SCSI_TARGET_NO_3PC, 0x84, 0x03, 0x52000 },
		{ SCSI_TARGET_NO_XCOPY, 0x83, 0x00, 0x52400 },
		{ SCSI_TARGET_NO_XCOPY, 0x84, 0x03, 0x52400 },
		{ SCSI_TARGET_NO_ODX, 0x83, 0x10, 0x52400 },
		{ SCSI_TARGET_NO_ODX, 0x83, 0x11, 0x52400 },
		{ SCSI_TARGET_NO_ODX, 0x84, 0x07, 0x52400 },
		{ SCSI_TARGET_NO_COPY_STATUS, 0x84, 0x00, 0x52400 },
		{ SCSI_TARGET_NO_FAILED_DETAILS, 0x84, 0x04, 0x52400 },
		{ SCSI_TARGET_NO_PARAMETERS, 0x84, 0x03, 0x52400 },
		{ SCSI_TARGET_NO_ABORT, 0x83, 0x1c, 0x52400 },
	};
	struct scsi_target_unit_options options = { .block_size = SIZE, .blocks = BLOCKS };
	size_t len = 0;

	options.memory = content[A];
	options.without = rows[_i].without;
	ck_assert_int_eq(scsi_target_add(target, &options), UNITS);
	execute(UNITS, CDB(rows[_i].opcode, rows[_i].action, 1, [13] = 255), NULL, 0);
	is_refused(rows[_i].code);
	/* And it is not said to be there. */
	execute(UNITS, CDB(0x12, 0, 0, 0, 36), NULL, 0);
	ck_assert_uint_eq(in[5], rows[_i].without == SCSI_TARGET_NO_3PC ? 0 : 8);
	execute(UNITS, CDB(0x12, 1, 0x8f, 4, 0), NULL, 0);
	if (rows[_i].without == SCSI_TARGET_NO_3PC) {
		is_refused(0x52400);
		return;
	}
	is_good();
	ck_assert((third_party(0x0000, &len) == NULL) == (rows[_i].without == SCSI_TARGET_NO_ODX));
	ck_assert_uint_lt(third_party(0x0001, &len)[4], 13);
}
END_TEST

START_TEST(test_operating_parameters)
{
	execute(A, CDB(0x84, 3, [13] = 255), NULL, 0);
	RETURNS(0, 0, 0, 0x2a, 1, 0, 0, 0, 0, 8, 0, 16, 0, 0, 2, 0xc0, 0x10, 0, 0, 0, 0, 0, 0, 0, 0,
		0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 9, 0, 0, 0, 0, 0, 2, 0x02, 0xe4);
	execute(A, CDB(0x84, 3, [13] = 4), NULL, 0);
	RETURNS(0, 0, 0, 0x2a);
}
END_TEST

/* --- reading and writing ------------------------------------------------------- */

START_TEST(test_read_write)
{
	static const unsigned char data[2 * SIZE] = { 1, 2, 3 };

	execute(A, CDB(0x08, 0, 0, 3, 2), NULL, 0);
	returns(content[A] + 3 * SIZE, 2 * SIZE);
	execute(A, CDB(0x28, 0, 0, 0, 0, 4, 0, 0, 1), NULL, 0);
	returns(content[A] + 4 * SIZE, SIZE);
	execute(FOUR, CDB(0x88, [9] = 5, [13] = 1), NULL, 0);
	is_good();
	ck_assert_mem_eq(in, content[FOUR] + 5 * 4096, 4096);
	execute(A, CDB(0x0a, 0, 0, 7, 2), data, sizeof(data));
	is_good();
	ck_assert_mem_eq(content[A] + 7 * SIZE, data, sizeof(data));
	is_untouched_but(A, 7 * SIZE, 2 * SIZE);
	memcpy(content[A], before[A], BYTES);
	execute(A, CDB(0x2a, [5] = 7, [8] = 2), data, sizeof(data));
	is_good();
	execute(A, CDB(0x8a, [9] = 9, [13] = 2), data, sizeof(data));
	is_good();
	is_untouched_but(A, 7 * SIZE, 4 * SIZE);
	memcpy(content[A], before[A], BYTES);

	/* Beyond the end; INFORMATION is the LBA. */
	execute(A, CDB(0x88, [8] = 0x1f, 0xff, [13] = 2), NULL, 0);
	HAS_SENSE(0xf0, 0, 5, 0, 0, 0x1f, 0xff, 10, 0, 0, 0, 0, 0x21, 0, 0, 0, 0, 0);
	execute(A, CDB(0x8a, [2] = 0xff, [13] = 1), data, sizeof(data));
	HAS_SENSE(0x70, 0, 5, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x21, 0, 0, 0, 0, 0);
	/* Fewer bytes than blocks. */
	execute(A, CDB(0x2a, [8] = 2), data, SIZE);
	is_refused(0x52400);
	execute(READ_ONLY, CDB(0x2a, [8] = 2), data, sizeof(data));
	is_refused(0x72700);
	is_untouched();
}
END_TEST

START_TEST(test_form)
{
	execute(A, CDB(0x25), NULL, 0);
	RETURNS(0, 0, 0x1f, 0xff, 0, 0, 2, 0);
	execute(FOUR, CDB(0x9e, 0x10, [13] = 12), NULL, 0);
	RETURNS(0, 0, 0, 0, 0, 0, 0x03, 0xff, 0, 0, 0x10, 0);
	execute(A, CDB(0x9e, 0x11, [13] = 12), NULL, 0);
	is_refused(0x52400);
	execute(A, CDB(0x1a, 0, 0x3f, 0, 8), NULL, 0);
	RETURNS(23, 0, 0x10, 0, 0x08, 18, 0, 0);
	execute(READ_ONLY, CDB(0x5a, 0, 0x08, [8] = 10), NULL, 0);
	RETURNS(0, 26, 0, 0x90, 0, 0, 0, 0, 0x08, 18);
	execute(A, CDB(0x1a, 0, 0x1c, 0, 8), NULL, 0);
	is_refused(0x52400);
	execute(A, CDB(0x03, 0, 0, 0, 255), NULL, 0);
	RETURNS(0x70, 0, 0, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
	execute(A, CDB(0x35), NULL, 0);
	is_good();
	/* WRITE SAME, UNMAP, REPORT SUPPORTED OPERATION CODES, EXTENDED COPY(LID4) */
	execute(A, CDB(0x93), NULL, 0);
	is_refused(0x52000);
	execute(A, CDB(0x42), NULL, 0);
	is_refused(0x52000);
	execute(A, CDB(0xa3, 0x0c), NULL, 0);
	HAS_SENSE(0x70, 0, 5, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x20, 0, 0, 0xc0, 0, 0);
	execute(A, CDB(0x83, 0x01), NULL, 0);
	HAS_SENSE(0x70, 0, 5, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x24, 0, 0, 0xc0, 0, 1);
}
END_TEST

/* --- EXTENDED COPY ------------------------------------------------------------- */

struct segment {
	unsigned from, to; /* indexes of descriptors */
	unsigned blocks;
	uint64_t from_lba, to_lba;
	unsigned char flags;
};

static unsigned char list[1024];
static size_t list_len;

/* The descriptors are those of the units, in their order. */
static void make_list(const struct segment *segments, size_t n)
{
	unsigned char *p = list;

	memset(list, 0, sizeof(list));
	list[0] = 7;
	set(list + 2, 2, UNITS * 32);
	set(list + 8, 4, n * 28);
	p += 16;
	for (unsigned i = 0; i < UNITS; i++, p += 32) {
		p[0] = 0xe4;
		p[4] = 1;
		p[5] = 3;
		p[7] = 16;
		memcpy(p + 8, scsi_target_designator(target, i), 16);
		set(p + 28, 4, i == FOUR ? 4096 : 512);
	}
	for (size_t i = 0; i < n; i++, p += 28) {
		p[0] = 0x02;
		p[1] = segments[i].flags;
		p[3] = 24;
		set(p + 4, 2, segments[i].from);
		set(p + 6, 2, segments[i].to);
		set(p + 10, 2, segments[i].blocks);
		set(p + 12, 8, segments[i].from_lba);
		set(p + 20, 8, segments[i].to_lba);
	}
	list_len = (size_t)(p - list);
}

static void send_list(unsigned lun)
{
	execute(lun, CDB(0x83, 0, [12] = (unsigned char)(list_len >> 8), (unsigned char)list_len),
		list, list_len);
}

static void copy(unsigned lun, const struct segment *segments, size_t n)
{
	make_list(segments, n);
	send_list(lun);
}

static void copy_status(unsigned char id)
{
	execute(A, CDB(0x84, 0, id, [13] = 255), NULL, 0);
}

START_TEST(test_segments)
{
	static const struct segment segments[] = {
		{ A, B, 1000, 8, 16, 0 },
		{ A, B, 0, 0, 0, 0 },
		{ FOUR, B, 2, 1, 2000, 0 },
		{ A, B, 1000, 5000, 3000, 0 },
	};

	copy(A, segments, COUNT(segments));
	is_good();
	ck_assert_mem_eq(content[B] + 16 * SIZE, before[A] + 8 * SIZE, 1000 * SIZE);
	ck_assert_mem_eq(content[B] + 2000 * SIZE, before[FOUR] + 4096, 8192);
	ck_assert_mem_eq(content[B] + 3000 * SIZE, before[A] + 5000 * SIZE, 1000 * SIZE);
	is_untouched_but(B, 16 * SIZE, 3984 * SIZE);
	ck_assert_mem_eq(content[B] + 1016 * SIZE, before[B] + 1016 * SIZE, 984 * SIZE);
	ck_assert_uint_eq(scsi_target_counts(target)->segments, 4);
	ck_assert_uint_eq(scsi_target_counts(target)->copied, 2016 * SIZE);
	copy_status(7);
	RETURNS(0, 0, 0, 8, 1, 0, 4, 0, 0, 0x0f, 0xc0, 0);
	copy_status(8);
	is_refused(0x52400);
	/* Nothing has failed. */
	execute(A, CDB(0x84, 4, 7, [13] = 255), NULL, 0);
	RETURNS(0, 0, 0, 0);
}
END_TEST

START_TEST(test_one_segment)
{
	/* DC: the number is of blocks of the destination. */
	copy(FOUR, &(struct segment){ A, FOUR, 2, 3, 5, 0x02 }, 1);
	is_good();
	ck_assert_mem_eq(content[FOUR] + 5 * 4096, before[A] + 3 * SIZE, 8192);
	memcpy(content[FOUR], before[FOUR], BYTES);
	/* FFFF: the unit that gets the command. */
	copy(B, &(struct segment){ A, 0xffff, 2, 3, 5, 0 }, 1);
	is_good();
	ck_assert_mem_eq(content[B] + 5 * SIZE, before[A] + 3 * SIZE, 2 * SIZE);
	memcpy(content[B], before[B], BYTES);
	/* No list identifier, then no status. */
	make_list(&(struct segment){ A, B, 2, 3, 5, 0 }, 1);
	list[0] = 0;
	list[1] = 0x18;
	send_list(A);
	is_good();
	copy_status(0);
	is_refused(0x52400);
	/* Held data is discarded. */
	list[1] = 0x10;
	send_list(A);
	is_good();
	copy_status(0);
	RETURNS(0, 0, 0, 8, 0x81, 0, 1, 0, 0, 0, 4, 0);
	execute(A, CDB(0x83, 0), NULL, 0);
	is_good();
}
END_TEST

/* Within a unit upwards, a piece is read after it was overwritten. */
START_TEST(test_overlap)
{
	copy(A, &(struct segment){ A, A, 4000, 0, 8, 0 }, 1);
	is_good();
	ck_assert_mem_ne(content[A] + 8 * SIZE, before[A], 4000 * SIZE);
	memcpy(content[A], before[A], BYTES);
	copy(A, &(struct segment){ A, A, 4000, 8, 0, 0 }, 1);
	is_good();
	ck_assert_mem_eq(content[A], before[A] + 8 * SIZE, 4000 * SIZE);
}
END_TEST

enum { SEGMENT = 16 + UNITS * 32 }; /* in the list */

static const struct {
	unsigned at, bytes;
	uint64_t value;
	size_t len; /* of the list, 0: all */
	unsigned code;
} bad_lists[] = {
	{ 0, 0, 0, 15, 0x51a00 },
	{ 0, 0, 0, SEGMENT, 0x51a00 },
	{ 0, 0, 0, SEGMENT + 27, 0x51a00 },
	{ 1, 1, 0x08, 0, 0x52600 }, /* list identifier usage, reserved */
	{ 1, 1, 0x18, 0, 0x52600 }, /* none, but there is one */
	{ 2, 2, 31, 0, 0x52600 },
	{ 2, 2, 9 * 32, 0, 0x51a00 }, /* longer than the list */
	{ 8, 4, 1000, 0, 0x51a00 },
	{ 8, 4, 0xffffffff, 0, 0x51a00 },
	{ 8, 4, 27, 0, 0x51a00 },
	{ 12, 4, 4, 0, 0x51a00 }, /* inline data */
	{ 16, 1, 0xe5, 0, 0x52607 },
	{ 17, 1, 0x01, 0, 0x52600 }, /* a tape */
	{ SEGMENT, 1, 0x0b, 0, 0x52609 },
	{ SEGMENT + 2, 2, 0x20, 0, 0x52600 },
	/* In the segment. */
	{ 21, 1, 2, 0, 0xa0d02 }, /* EUI-64 */
	{ 20, 1, 2, 0, 0xa0d02 }, /* ASCII */
	{ 23, 1, 8, 0, 0xa0d02 },
	{ 39, 1, 0, 0, 0xa0d02 }, /* no such unit */
	{ SEGMENT + 4, 2, UNITS, 0, 0xa0d02 },
	{ SEGMENT + 6, 2, UNITS, 0, 0xa0d02 },
	{ SEGMENT + 12, 8, BLOCKS - 7, 0, 0xa0d02 },
	{ SEGMENT + 20, 8, UINT64_MAX, 0, 0xa0d02 },
	{ SEGMENT + 20, 8, BLOCKS - 7, 0, 0xa0d02 },
	{ SEGMENT + 6, 2, READ_ONLY, 0, 0xa0d01 },
};

START_TEST(test_bad_list)
{
	make_list(&(struct segment){ A, B, 8, 100, 200, 0 }, 1);
	set(list + bad_lists[_i].at, bad_lists[_i].bytes, bad_lists[_i].value);
	if (bad_lists[_i].len > 0)
		list_len = bad_lists[_i].len;
	send_list(A);
	is_refused(bad_lists[_i].code);
	is_untouched();
}
END_TEST

START_TEST(test_list_limits)
{
	struct scsi_target_unit_options options = {
		.block_size = SIZE,
		.blocks = BLOCKS,
		.memory = content[A],
		.without = SCSI_TARGET_NO_LIST_ID,
		.limits = { .cscds = 3,
			    .segments = 1,
			    .segment_bytes = 10 * SIZE,
			    .list_bytes = 999 },
	};
	struct segment segments[2] = { { A, B, 8, 0, 0, 0 }, { A, B, 8, 0, 0, 0 } };

	ck_assert_int_eq(scsi_target_add(target, &options), UNITS);
	copy(UNITS, segments, 1);
	is_refused(0x52606);
	options.limits.cscds = 4;
	ck_assert_int_eq(scsi_target_add(target, &options), UNITS + 1);
	copy(UNITS + 1, segments, 1);
	is_good();
	copy(UNITS + 1, segments, 2);
	is_refused(0x52608);
	segments[0].blocks = 11;
	copy(UNITS + 1, segments, 1);
	is_refused(0xa2600);
	list[0] = 0;
	list[1] = 0x18;
	send_list(UNITS + 1);
	is_refused(0x52600);
	execute(UNITS + 1, CDB(0x84, 3, [13] = 20), NULL, 0);
	RETURNS(0, 0, 0, 0x2a, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 3, 0xe7, 0, 0, 0x14, 0);
	/* One block is no multiple of the other. */
	copy(A, &(struct segment){ A, FOUR, 9, 0, 0, 0 }, 1);
	is_refused(0xa260a);
}
END_TEST

/* Block 3000 of B is bad: the second segment fails, after 952 of its 2048 blocks. */
static void fail_in_second(void)
{
	static const struct segment segments[] = { { A, B, 2048, 0, 0, 0 },
						   { A, B, 2048, 2048, 2048, 0 } };

	copy(A, segments, 2);
	ck_assert_mem_eq(content[B], before[A], 3000 * SIZE);
	is_untouched_but(B, 0, 3000 * SIZE);
}

START_TEST(test_bad_block)
{
	faults->bad[0] = (struct scsi_target_bad){ B, 3000, 1, false, true };
	fail_in_second();
	HAS_SENSE(0xf0, 0, 0x0a, 0, 0, 0x04, 0x48, 29, 0, 0x12, 0, 1, 0x0d, 0x01, 0, 0xa0, 0, 0x14,
		  /* the status and the sense of the destination */
		  0x02, 0xf0, 0, 0x03, 0, 0, 0x0b, 0xb8, 10, 0, 0, 0, 0, 0x0c, 0, 0, 0, 0, 0);
	copy_status(7);
	RETURNS(0, 0, 0, 8, 2, 0, 1, 0, 0, 0x17, 0x70, 0);
	/* The details are told once. */
	execute(A, CDB(0x84, 4, 7, [13] = 255), NULL, 0);
	is_good();
	ck_assert_uint_eq(r.in_len, 60 + 37);
	ck_assert_uint_eq(number(in, 4), 60 + 37 - 4);
	ck_assert_uint_eq(in[56], 2);
	ck_assert_uint_eq(number(in + 58, 2), 37);
	ck_assert_mem_eq(in + 60, "\xf0\0\x0a\0\0\x04\x48\x1d", 8);
	execute(A, CDB(0x84, 4, 7, [13] = 255), NULL, 0);
	RETURNS(0, 0, 0, 0);
}
END_TEST

START_TEST(test_descriptor_sense)
{
	faults->bad[0] = (struct scsi_target_bad){ A, 3000, 1, true, false };
	faults->descriptor_sense = true;
	fail_in_second();
	HAS_SENSE(0x72, 0x0a, 0x0d, 0x01, 0, 0, 0, 56,
		  /* information */
		  0x00, 10, 0x80, 0, 0, 0, 0, 0, 0, 0, 0x04, 0x48,
		  /* command specific: the segment */
		  0x01, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
		  /* field: the LBA of the source */
		  0x02, 6, 0, 0, 0xa0, 0, 0x0c, 0,
		  /* forwarded, from the source */
		  0x0c, 22, 1, 0x02, 0x72, 0x03, 0x11, 0, 0, 0, 0, 12, 0x00, 10, 0x80, 0, 0, 0, 0,
		  0, 0, 0, 0x0b, 0xb8);
	faults->descriptor_sense = false;
	faults->no_information = true;
	fail_in_second();
	HAS_SENSE(0x70, 0, 0x0a, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x0d, 0x01, 0, 0, 0, 0);
	faults->sense_cut = 8;
	fail_in_second();
	HAS_SENSE(0x70, 0, 0x0a, 0, 0, 0, 0, 10);
	faults->no_sense = true;
	fail_in_second();
	ck_assert_uint_eq(r.status, 2);
	ck_assert_uint_eq(r.sense_len, 0);
	/* What got lost is in the details. */
	execute(A, CDB(0x84, 4, 7, [13] = 255), NULL, 0);
	is_good();
	ck_assert_uint_eq(number(in + 58, 2), 18);
	ck_assert_mem_eq(in + 60, "\x70\0\x0a", 3);
}
END_TEST

/* --- tokens -------------------------------------------------------------------- */

struct range {
	uint64_t lba;
	uint32_t blocks;
};

static unsigned char token[SCSI_TARGET_TOKEN];

static void put_ranges(unsigned char *to, const struct range *ranges, size_t n)
{
	set(to, 2, n * 16);
	for (size_t i = 0; i < n; i++) {
		set(to + 2 + i * 16, 8, ranges[i].lba);
		set(to + 2 + i * 16 + 8, 4, ranges[i].blocks);
	}
}

static void send_token_list(unsigned lun, unsigned char action, uint32_t id)
{
	execute(lun,
		CDB(0x83, action, [6] = (unsigned char)(id >> 24), (unsigned char)(id >> 16),
		    (unsigned char)(id >> 8),
		    (unsigned char)id, [12] = (unsigned char)(list_len >> 8),
		    (unsigned char)list_len),
		list, list_len);
}

static void make_populate(const struct range *ranges, size_t n, unsigned char flags)
{
	memset(list, 0, sizeof(list));
	list_len = 16 + n * 16;
	set(list, 2, list_len - 2);
	list[2] = flags;
	put_ranges(list + 14, ranges, n);
}

static void populate(unsigned lun, uint32_t id, const struct range *ranges, size_t n)
{
	make_populate(ranges, n, 0);
	send_token_list(lun, 0x10, id);
}

static void make_write(uint64_t offset, const struct range *ranges, size_t n, unsigned char flags)
{
	memset(list, 0, sizeof(list));
	list_len = 536 + n * 16;
	set(list, 2, list_len - 2);
	list[2] = flags;
	set(list + 8, 8, offset);
	memcpy(list + 16, token, sizeof(token));
	put_ranges(list + 534, ranges, n);
}

static void write_token(unsigned lun, uint32_t id, uint64_t offset, const struct range *ranges,
			size_t n)
{
	make_write(offset, ranges, n, 0);
	send_token_list(lun, 0x11, id);
}

static void ask(unsigned lun, unsigned char action, uint32_t id)
{
	execute(lun,
		CDB(0x84, action, (unsigned char)(id >> 24), (unsigned char)(id >> 16),
		    (unsigned char)(id >> 8), (unsigned char)id, [12] = 0x10),
		NULL, 0);
}

/* RECEIVE ROD TOKEN INFORMATION without sense says that. */
static void information_is(unsigned lun, uint32_t id, unsigned char action, unsigned char status,
			   uint64_t blocks)
{
	ask(lun, 7, id);
	is_good();
	ck_assert_uint_eq(number(in, 4), r.in_len - 4);
	ck_assert_uint_eq(in[4], action);
	ck_assert_uint_eq(in[5], status);
	ck_assert_uint_eq(number(in + 12, 3), 0);
	ck_assert_uint_eq(in[15], 0xf1);
	ck_assert_uint_eq(number(in + 16, 8), blocks);
	if (action == 0x10 && status != 0x12) {
		ck_assert_uint_eq(r.in_len, 32 + 4 + 514);
		ck_assert_uint_eq(number(in + 32, 6), 514 << 16);
		memcpy(token, in + 38, sizeof(token));
	} else {
		ck_assert_uint_eq(r.in_len, 36);
		ck_assert_uint_eq(number(in + 32, 4), 0);
	}
}

static void get_token(unsigned lun, const struct range *ranges, size_t n)
{
	uint64_t blocks = 0;

	for (size_t i = 0; i < n; i++)
		blocks += ranges[i].blocks;
	populate(lun, 0x01020304, ranges, n);
	is_good();
	information_is(lun, 0x01020304, 0x10, 0x01, blocks);
}

static const struct range source[] = { { 100, 10 }, { 50, 0 }, { 300, 90 } };
static const struct range destination[] = { { 1000, 60 }, { 500, 40 } };

/* Block @i of what is above. */
static size_t source_at(unsigned i)
{
	return (i < 10 ? 100 + i : 290 + i) * (size_t)SIZE;
}

static size_t destination_at(unsigned i)
{
	return (i < 60 ? 1000 + i : 440 + i) * (size_t)SIZE;
}

static void are_copied(unsigned n)
{
	for (unsigned i = 0; i < 100; i++)
		ck_assert_mem_eq(content[B] + destination_at(i),
				 i < n ? before[A] + source_at(i) : before[B] + destination_at(i),
				 SIZE);
	is_untouched_but(B, 500 * SIZE, 560 * SIZE);
	ck_assert_mem_eq(content[B] + 540 * SIZE, before[B] + 540 * SIZE, 460 * SIZE);
}

START_TEST(test_token)
{
	get_token(A, source, COUNT(source));
	/* The type, the length, the creator, and 100 blocks. */
	ck_assert_mem_eq(token, "\0\x80\0\0\0\0\x01\xf8", 8);
	ck_assert_mem_eq(token + 16, "\xe4\0\0\0\1\3\0\x10\x6c\x0c\x0f\xf0", 12);
	ck_assert_uint_eq(number(token + 48, 8), 0);
	ck_assert_uint_eq(number(token + 56, 8), 100 * SIZE);
	/* It has been told. */
	ask(A, 7, 0x01020304);
	is_refused(0x52400);
	write_token(B, 9, 0, destination, COUNT(destination));
	is_good();
	are_copied(100);
	ask(B, 5, 9);
	RETURNS(0, 0, 0, 28, 0x11, 1, 0, 1, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0xf1, 0, 0, 0, 0, 0, 0,
		0, 100, 0, 0, 0, 0, 0, 0, 0, 0);
	information_is(B, 9, 0x11, 0x01, 100);
	ask(B, 7, 9);
	is_refused(0x52400);
	ask(B, 5, 9);
	is_refused(0x52400);
	/* Another unit has other lists. */
	populate(A, 9, source, 1);
	is_good();
	ask(B, 7, 9);
	is_refused(0x52400);
}
END_TEST

START_TEST(test_parts)
{
	/* From the middle: the rest of the token is left. */
	get_token(A, source, COUNT(source));
	write_token(B, 1, 5, &(struct range){ 0, 20 }, 1);
	is_good();
	for (unsigned i = 0; i < 20; i++)
		ck_assert_mem_eq(content[B] + i * SIZE, before[A] + source_at(5 + i), SIZE);
	information_is(B, 1, 0x11, 0x03, 20);
	/* More than there is. */
	write_token(B, 1, 90, &(struct range){ 0, 20 }, 1);
	is_good();
	ck_assert_mem_eq(content[B], before[A] + source_at(90), 10 * SIZE);
	information_is(B, 1, 0x11, 0x04, 10);
	write_token(B, 1, 100, &(struct range){ 0, 20 }, 1);
	is_refused(0x52600);
	ask(B, 7, 1);
	is_refused(0x52400);
	/* The offset is in blocks of the unit that is written. */
	write_token(FOUR, 1, 2, &(struct range){ 7, 3 }, 1);
	is_good();
	for (unsigned i = 0; i < 24; i++)
		ck_assert_mem_eq(content[FOUR] + 7 * 4096 + i * SIZE, before[A] + source_at(16 + i),
				 SIZE);
	/* The target takes less than it was asked for. */
	faults->populate_blocks = 15;
	populate(A, 2, source, COUNT(source));
	is_good();
	information_is(A, 2, 0x10, 0x04, 15);
	ck_assert_uint_eq(number(token + 56, 8), 15 * SIZE);
	faults->write_blocks = 7;
	write_token(B, 3, 4, destination, 1);
	is_good();
	information_is(B, 3, 0x11, 0x04, 7);
	ck_assert_mem_eq(content[B] + 1000 * SIZE, before[A] + source_at(4), 6 * SIZE);
}
END_TEST

START_TEST(test_zeroes)
{
	static const unsigned char zeroes[60 * SIZE];

	memcpy(token, "\xff\xff\0\1\0\0\x01\xf8", 8);
	memset(token + 8, 0, sizeof(token) - 8);
	write_token(B, 1, 0, destination, COUNT(destination));
	is_good();
	ck_assert_mem_eq(content[B] + 1000 * SIZE, zeroes, 60 * SIZE);
	ck_assert_mem_eq(content[B] + 500 * SIZE, zeroes, 40 * SIZE);
	is_untouched_but(B, 500 * SIZE, 560 * SIZE);
	information_is(B, 1, 0x11, 0x01, 100);
}
END_TEST

/* What happens between the two commands, and how the second ends then. */
static const struct {
	const char *what;
	unsigned code;
} token_ends[] = {
	{ "length", 0x5230a },  { "type", 0x52301 },      { "unknown", 0x52304 },
	{ "corrupt", 0x52305 }, { "written", 0x52306 },   { "overwritten", 0x52306 },
	{ "expired", 0x52307 }, { "uses", 0x52307 },      { "deleted", 0x52309 },
	{ "remote", 0x52302 },  { "no-zeroes", 0x52301 },
};

static bool ends_by(int i, const char *what)
{
	return strcmp(token_ends[i].what, what) == 0;
}

START_TEST(test_token_ends)
{
	static const unsigned char block[SIZE];
	struct scsi_target_unit_options options = {
		.block_size = SIZE,
		.blocks = BLOCKS,
		.memory = content[B],
		.without = SCSI_TARGET_NO_REMOTE_TOKENS | SCSI_TARGET_NO_ZERO_TOKEN,
	};
	unsigned lun = B;

	ck_assert_int_eq(scsi_target_add(target, &options), UNITS);
	get_token(A, source, COUNT(source));
	/* Not those that are elsewhere. */
	execute(A, CDB(0x2a, [4] = 1, 0x86, [8] = 1), block, SIZE);
	memcpy(content[A], before[A], BYTES);
	clock_ms += 60000;
	write_token(B, 1, 0, destination, 1);
	is_good();
	clock_ms += 60000;
	write_token(B, 1, 0, destination, 1);
	is_good();
	memcpy(content[B], before[B], BYTES);

	if (ends_by(_i, "length"))
		token[7] = 0xf0;
	else if (ends_by(_i, "type"))
		token[1] = 0x81;
	else if (ends_by(_i, "unknown"))
		token[8] ^= 1;
	else if (ends_by(_i, "corrupt"))
		token[511] ^= 1;
	else if (ends_by(_i, "written"))
		execute(A, CDB(0x2a, [4] = 1, 0x85, [8] = 1), block, SIZE);
	else if (ends_by(_i, "overwritten"))
		copy(A, &(struct segment){ B, A, 20, 0, 90, 0 }, 1);
	else if (ends_by(_i, "expired"))
		clock_ms += 60001;
	else if (ends_by(_i, "uses"))
		faults->token_uses = 2;
	else if (ends_by(_i, "remote"))
		lun = UNITS;
	memcpy(content[A], before[A], BYTES);
	if (ends_by(_i, "deleted")) {
		make_write(0, destination, 1, 2);
		send_token_list(B, 0x11, 1);
		is_good();
		memcpy(content[B], before[B], BYTES);
	}
	if (ends_by(_i, "no-zeroes")) {
		memcpy(token, "\xff\xff\0\1\0\0\x01\xf8", 8);
		lun = UNITS;
	}
	write_token(lun, 2, 0, destination, 1);
	is_refused(token_ends[_i].code);
	is_untouched();
	ask(lun, 7, 2);
	is_refused(0x52400);
}
END_TEST

/* A copy within a unit that overwrites what its token represents. */
START_TEST(test_revoked_meanwhile)
{
	static const struct range to[] = { { 40, 20 }, { 95, 20 }, { 600, 20 } };

	get_token(A, source, COUNT(source));
	write_token(A, 1, 0, to, COUNT(to));
	is_refused(0x52306);
	ask(A, 7, 1);
	is_good();
	ck_assert_uint_eq(in[5], 0x02);
	ck_assert_uint_lt(number(in + 16, 8), 60);
	is_untouched_but(A, 40 * SIZE, 75 * SIZE);
}
END_TEST

START_TEST(test_on_reference)
{
	static const unsigned char block[SIZE] = { 5 };

	make_populate(source, 1, 2);
	set(list + 8, 4, 0x00010000);
	send_token_list(A, 0x10, 1);
	is_good();
	information_is(A, 1, 0x10, 0x01, 10);
	execute(A, CDB(0x2a, [5] = 100, [8] = 1), block, SIZE);
	is_good();
	write_token(B, 2, 0, destination, 1);
	is_good();
	ck_assert_mem_eq(content[B] + 1000 * SIZE, block, SIZE);
}
END_TEST

static const struct {
	unsigned char action;
	unsigned at, bytes;
	uint64_t value;
	size_t len;
	unsigned code;
} bad_token_lists[] = {
	{ 0x10, 0, 0, 0, 15, 0x51a00 },          { 0x10, 0, 2, 100, 0, 0x51a00 },
	{ 0x10, 0, 2, 10, 0, 0x52600 },          { 0x10, 4, 4, 601, 0, 0x52600 },
	{ 0x10, 14, 2, 0, 0, 0x52600 },          { 0x10, 14, 2, 17, 0, 0x52600 },
	{ 0x10, 14, 2, 48, 0, 0x51a00 },         { 0x10, 16, 8, BLOCKS, 0, 0x52100 },
	{ 0x10, 16, 8, UINT64_MAX, 0, 0x52100 }, { 0x10, 24, 4, BLOCKS, 0, 0x52100 },
	{ 0x10, 32, 8, 1059, 0, 0x52600 }, /* overlaps with the other */
	{ 0x11, 0, 0, 0, 500, 0x51a00 },         { 0x11, 0, 2, 500, 0, 0x52600 },
	{ 0x11, 534, 2, 48, 0, 0x51a00 },        { 0x11, 536, 8, BLOCKS - 59, 0, 0x52100 },
	{ 0x11, 552, 8, 961, 0, 0x52600 },
};

START_TEST(test_bad_token_list)
{
	get_token(A, source, COUNT(source));
	if (bad_token_lists[_i].action == 0x10)
		make_populate(destination, 2, 0);
	else
		make_write(0, destination, 2, 0);
	set(list + bad_token_lists[_i].at, bad_token_lists[_i].bytes, bad_token_lists[_i].value);
	if (bad_token_lists[_i].len > 0)
		list_len = bad_token_lists[_i].len;
	send_token_list(B, bad_token_lists[_i].action, 5);
	is_refused(bad_token_lists[_i].code);
	ask(B, 7, 5);
	is_refused(0x52400);
	is_untouched();
}
END_TEST

START_TEST(test_token_limits)
{
	struct scsi_target_unit_options options = {
		.block_size = SIZE,
		.blocks = BLOCKS,
		.memory = content[A],
		.limits = { .ranges = 2, .token_blocks = 100 },
	};

	ck_assert_int_eq(scsi_target_add(target, &options), UNITS);
	populate(UNITS, 1, source, 3);
	is_refused(0x52608);
	populate(UNITS, 1, &(struct range){ 0, 101 }, 1);
	is_refused(0x52600);
	populate(UNITS, 1, &(struct range){ 0, 100 }, 1);
	is_good();
	/* A type that nobody knows. */
	make_populate(source, 1, 2);
	set(list + 8, 4, 0x00800002);
	send_token_list(A, 0x10, 1);
	is_refused(0x52600);
	execute(A, CDB(0x83, 0x10), NULL, 0);
	is_good();
	execute(A, CDB(0x83, 0x11), NULL, 0);
	is_good();
}
END_TEST

/* --- in the background --------------------------------------------------------- */

static void begin_write(uint32_t id)
{
	make_write(0, destination, COUNT(destination), 1);
	send_token_list(B, 0x11, id);
}

START_TEST(test_polls)
{
	get_token(A, source, COUNT(source));
	faults->polls = 3;
	begin_write(1);
	is_good();
	are_copied(0);
	begin_write(1);
	is_refused(0x50016);
	begin_write(2);
	is_good();
	information_is(B, 1, 0x11, 0x12, 25);
	ck_assert_uint_eq(number(in + 8, 4), 10);
	are_copied(25);
	information_is(B, 1, 0x11, 0x12, 50);
	information_is(B, 1, 0x11, 0x12, 75);
	are_copied(75);
	information_is(B, 1, 0x11, 0x01, 100);
	are_copied(100);
	ask(B, 7, 1);
	is_refused(0x52400);
	/* Aborted. */
	information_is(B, 2, 0x11, 0x12, 25);
	execute(B, CDB(0x83, 0x1c, [5] = 2), NULL, 0);
	is_good();
	execute(B, CDB(0x83, 0x1c, [5] = 3), NULL, 0);
	is_refused(0x52400);
	information_is(B, 2, 0x11, 0x60, 25);
	/* A token, too, takes its time. */
	make_populate(source, 1, 1);
	send_token_list(A, 0x10, 4);
	for (int i = 0; i < 3; i++)
		information_is(A, 4, 0x10, 0x12, 0);
	information_is(A, 4, 0x10, 0x01, 10);
}
END_TEST

START_TEST(test_stall)
{
	get_token(A, source, COUNT(source));
	faults->stall_ms = 1024;
	begin_write(1);
	is_good();
	clock_ms += 512;
	information_is(B, 1, 0x11, 0x12, 50);
	are_copied(50);
	clock_ms += 512;
	information_is(B, 1, 0x11, 0x01, 100);
	are_copied(100);
}
END_TEST

START_TEST(test_bad_block_by_token)
{
	get_token(A, source, COUNT(source));
	faults->bad[3] = (struct scsi_target_bad){ B, 1020, 5, false, true };
	write_token(B, 1, 0, destination, COUNT(destination));
	HAS_SENSE(0xf0, 0, 3, 0, 0, 0x03, 0xfc, 10, 0, 0, 0, 0, 0x0c, 0, 0, 0, 0, 0);
	are_copied(20);
	ask(B, 7, 1);
	/* The field of the sense is longer than what is in it. */
	RETURNS(0, 0, 0, 56, 0x11, 2, 0, 1, 0xff, 0xff, 0xff, 0xff, 2, 24, 18, 0xf1, 0, 0, 0, 0, 0,
		0, 0, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0xf0, 0, 3, 0, 0, 0x03, 0xfc, 10, 0, 0, 0, 0,
		0x0c, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
	/* With IMMED the command itself has succeeded. */
	begin_write(1);
	is_good();
	ask(B, 7, 1);
	ck_assert_uint_eq(in[5], 2);
	ck_assert_uint_eq(number(in + 16, 8), 20);
	/* One that cannot be read. */
	faults->bad[3] = (struct scsi_target_bad){ A, 301, 1, true, false };
	write_token(B, 1, 0, destination, COUNT(destination));
	is_refused(0xa0d01);
	ask(B, 7, 1);
	ck_assert_uint_eq(number(in + 16, 8), 11);
}
END_TEST

START_TEST(test_many_operations)
{
	faults->polls = 1;
	make_populate(source, 1, 1);
	for (uint32_t id = 1; id <= 32; id++) {
		send_token_list(A, 0x10, id);
		is_good();
	}
	send_token_list(A, 0x10, 33);
	is_refused(0x5550c);
	/* The oldest that has ended makes room. */
	ask(A, 5, 7);
	ask(A, 5, 7);
	ck_assert_uint_eq(in[5], 1);
	send_token_list(A, 0x10, 33);
	is_good();
	ask(A, 7, 7);
	is_refused(0x52400);
}
END_TEST

/* --- faults -------------------------------------------------------------------- */

static void fault(const char *line)
{
	ck_assert_msg(scsi_target_add_fault(faults, line) == 0, "%s", line);
}

START_TEST(test_answers)
{
	struct segment one = { A, B, 100, 0, 0, 0 };

	fault("answer 00 skip=1 count=2 status=08");
	fault("answer 83/00 lun=1 sense=6/29/00\n");
	fault("answer 12/18f sense=2/04/01 count=forever");
	execute(A, CDB(0x00), NULL, 0);
	is_good();
	for (int i = 0; i < 2; i++) {
		execute(A, CDB(0x00), NULL, 0);
		ck_assert_uint_eq(r.status, 0x08);
		ck_assert_uint_eq(r.sense_len, 0);
	}
	execute(A, CDB(0x00), NULL, 0);
	is_good();
	copy(A, &one, 1);
	is_good();
	memcpy(content[B], before[B], BYTES);
	copy(B, &one, 1);
	is_refused(0x62900);
	is_untouched();
	copy(B, &one, 1);
	is_good();
	execute(A, CDB(0x12, 0, 0, 0, 36), NULL, 0);
	is_good();
	execute(A, CDB(0x12, 1, 0x8f, 0, 36), NULL, 0);
	is_refused(0x20401);
	execute(A, CDB(0x12, 1, 0x83, 0, 36), NULL, 0);
	is_good();
}
END_TEST

START_TEST(test_partly)
{
	struct segment one = { A, B, 100, 0, 0, 0 };

	/* The counts are true, the sense says nothing. */
	fault("answer 83 sense=a/0d/02 blocks=30");
	copy(A, &one, 1);
	HAS_SENSE(0x70, 0, 0x0a, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x0d, 0x02, 0, 0, 0, 0);
	is_untouched_but(B, 0, 30 * SIZE);
	ck_assert_mem_eq(content[B], before[A], 30 * SIZE);
	copy_status(7);
	RETURNS(0, 0, 0, 8, 2, 0, 0, 0, 0, 0, 0x3c, 0);
	/* The copy is complete, the answer is a lie. */
	fault("answer 83 status=18 blocks=all");
	copy(A, &one, 1);
	ck_assert_uint_eq(r.status, 0x18);
	ck_assert_mem_eq(content[B], before[A], 100 * SIZE);
	copy_status(7);
	RETURNS(0, 0, 0, 8, 1, 0, 1, 0, 0, 0, 0xc8, 0);
	/* It only takes longer. */
	fault("answer 83 delay=1500");
	copy(A, &one, 1);
	is_good();
	ck_assert_uint_eq(r.delay_ms, 1500);
	memcpy(content[B], before[B], BYTES);
	get_token(A, source, COUNT(source));
	fault("answer 83/11 sense=b/00/00 blocks=70");
	write_token(B, 1, 0, destination, COUNT(destination));
	is_refused(0xb0000);
	are_copied(70);
	ask(B, 7, 1);
	ck_assert_uint_eq(in[5], 2);
	ck_assert_uint_eq(number(in + 16, 8), 70);
}
END_TEST

START_TEST(test_counts_lie)
{
	copy(A, &(struct segment){ A, B, 5, 0, 0, 0 }, 1);
	fault("units 1");
	copy_status(7);
	RETURNS(0, 0, 0, 8, 1, 0, 1, 1, 0, 0, 0, 2);
	fault("say-units 9");
	copy_status(7);
	RETURNS(0, 0, 0, 8, 1, 0, 1, 9, 0, 0, 0, 2);
	fault("count-add -3");
	copy_status(7);
	RETURNS(0, 0, 0, 8, 1, 0, 1, 9, 0xff, 0xff, 0xff, 0xff);
	fault("count 0x10000");
	fault("count-add 1");
	copy_status(7);
	RETURNS(0, 0, 0, 8, 1, 0, 1, 9, 0, 1, 0, 1);
}
END_TEST

START_TEST(test_garble)
{
	fault("garble 84/3 at=0 bytes=4 value=0xffffffff count=2");
	fault("garble 84/3 cut=6");
	execute(A, CDB(0x84, 3, [13] = 255), NULL, 0);
	ck_assert_uint_eq(r.in_len, 6);
	ck_assert_uint_eq(number(in, 6), 0xffffffff0100);
	execute(A, CDB(0x84, 3, [13] = 255), NULL, 0);
	ck_assert_uint_eq(r.in_len, 46);
	ck_assert_uint_eq(number(in, 4), 0xffffffff);
	execute(A, CDB(0x84, 3, [13] = 255), NULL, 0);
	ck_assert_uint_eq(number(in, 4), 42);
	fault("garble 12 seed=7");
	execute(A, CDB(0x12, 0, 0, 0, 36), NULL, 0);
	ck_assert_mem_ne(in, CDB(0, 0, 6, 2, 31, 8, 0, 2, 'C', 'O', 'P', 'Y', 'O', 'F', 'F', ' '),
			 16);
}
END_TEST

START_TEST(test_fault_lines)
{
	static const char *const wrong[] = {
		"",
		" ",
		"bad",
		"bad 0 1 1",
		"bad 0 1 0 read",
		"bad 0 1 1 reads",
		"bad 9 1 1 both",
		"bad x 1 1 read",
		"answer",
		"answer 83",
		"answer 83/ count=1",
		"answer 183 count=1",
		"answer 83 count=0",
		"answer 83 sense=5",
		"answer 83 sense=5/1/",
		"answer 83 x=1",
		"answer 83 status=100",
		"answer 83 delay",
		"garble 12 bytes=9",
		"garble 12 x=1",
		"polls",
		"polls x",
		"polls -1",
		"polls 1 2",
		"units 7",
		"none 1",
		"none",
	};
	struct scsi_target_faults none = { 0 };

	for (size_t i = 0; i < COUNT(wrong); i++)
		ck_assert_msg(scsi_target_add_fault(faults, wrong[i]) < 0, "%s", wrong[i]);
	ck_assert_mem_eq(faults, &none, sizeof(none));
	for (int i = 0; i < SCSI_TARGET_FAULTS; i++)
		fault("bad 1 0x10 2 both");
	ck_assert_int_eq(scsi_target_add_fault(faults, "bad 1 16 2 both"), -1);
	fault("stall 5");
	fault("populate 6");
	fault("write 7");
	fault("uses 8");
	fault("sense-cut 9");
	fault("no-sense");
	fault("no-information");
	fault("descriptor-sense");
	ck_assert_uint_eq(faults->bad[7].lba, 16);
	ck_assert(faults->bad[7].read && faults->bad[7].write);
	ck_assert_uint_eq(faults->stall_ms, 5);
	ck_assert_uint_eq(faults->populate_blocks, 6);
	ck_assert_uint_eq(faults->write_blocks, 7);
	ck_assert_uint_eq(faults->token_uses, 8);
	ck_assert_uint_eq(faults->sense_cut, 9);
	ck_assert(faults->no_sense && faults->no_information && faults->descriptor_sense);
}
END_TEST

START_TEST(test_options)
{
	struct scsi_target_unit_options options = { .block_size = SIZE, .blocks = BLOCKS };
	static const uint32_t sizes[] = { 0, 256, 520, 131072 };

	options.memory = content[A];
	for (size_t i = 0; i < COUNT(sizes); i++) {
		options.block_size = sizes[i];
		ck_assert_int_eq(scsi_target_add(target, &options), -1);
	}
	options.block_size = SIZE;
	options.blocks = 0;
	ck_assert_int_eq(scsi_target_add(target, &options), -1);
	options.blocks = UINT64_MAX / 512;
	ck_assert_int_eq(scsi_target_add(target, &options), -1);
	options.blocks = BLOCKS;
	options.limits.ranges = SCSI_TARGET_RANGES + 1;
	ck_assert_int_eq(scsi_target_add(target, &options), -1);
	options.limits.ranges = 0;
	for (int i = UNITS; i < SCSI_TARGET_UNITS; i++)
		ck_assert_int_eq(scsi_target_add(target, &options), i);
	ck_assert_int_eq(scsi_target_add(target, &options), -1);
	ck_assert_ptr_null(scsi_target_designator(target, SCSI_TARGET_UNITS));
}
END_TEST

/* --- anything ------------------------------------------------------------------ */

/* Commands and lists with random bytes in them: the sanitizers have nothing to say. */
START_TEST(test_random)
{
	static const unsigned char opcodes[] = { 0x83, 0x84, 0x12, 0x08, 0x0a, 0x28, 0x2a,
						 0x88, 0x8a, 0x1a, 0x5a, 0x9e, 0xa0 };
	static const unsigned char actions[] = { 0x00, 0x03, 0x04, 0x05, 0x07, 0x10, 0x11, 0x1c };
	uint64_t state = random_seed(1);
	unsigned char cdb[16];

	for (int i = 0; i < 20000; i++) {
		static const struct segment segments[] = { { A, B, 9, 1, 2, 0 },
							   { B, A, 9, 1, 2, 0 } };
		unsigned lun = (unsigned)random_below(&state, UNITS + 1);

		if (random_below(&state, 2) == 0)
			make_list(segments, 2);
		else if (random_below(&state, 2) == 0)
			make_populate(source, 3, (unsigned char)random_below(&state, 4));
		else
			make_write(random_below(&state, 3), destination, 2,
				   (unsigned char)random_below(&state, 4));
		for (uint64_t n = random_below(&state, 4); n > 0; n--)
			list[random_below(&state, list_len)] =
				(unsigned char)random_below(&state, 256);
		memset(cdb, 0, sizeof(cdb));
		cdb[0] = opcodes[random_below(&state, COUNT(opcodes))];
		cdb[1] = actions[random_below(&state, COUNT(actions))];
		set(cdb + 2, 4, random_below(&state, 4));
		set(cdb + 6, 4, random_below(&state, 4));
		set(cdb + 10, 4, list_len);
		for (uint64_t n = random_below(&state, 3); n > 0; n--)
			cdb[random_below(&state, 16)] = (unsigned char)random_below(&state, 256);
		faults->polls = (unsigned)random_below(&state, 3);
		faults->descriptor_sense = random_below(&state, 2);
		clock_ms += random_below(&state, 30000);
		in_size = random_below(&state, 3) == 0 ? (size_t)random_below(&state, 64)
						       : sizeof(in);
		execute(lun, cdb, list, list_len);
		if (cdb[0] == 0x84 && cdb[1] == 7 && r.status == 0 && r.in_len == 550)
			memcpy(token, in + 38, sizeof(token));
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("scsi_target");
	TCase *tc = tcase_create("scsi_target");

	fill();
	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_inquiry);
	tcase_add_test(tc, test_pages);
	tcase_add_test(tc, test_third_party_page);
	tcase_add_loop_test(tc, test_without, 0, 11);
	tcase_add_test(tc, test_operating_parameters);
	tcase_add_test(tc, test_read_write);
	tcase_add_test(tc, test_form);
	tcase_add_test(tc, test_segments);
	tcase_add_test(tc, test_one_segment);
	tcase_add_test(tc, test_overlap);
	tcase_add_loop_test(tc, test_bad_list, 0, COUNT(bad_lists));
	tcase_add_test(tc, test_list_limits);
	tcase_add_test(tc, test_bad_block);
	tcase_add_test(tc, test_descriptor_sense);
	tcase_add_test(tc, test_token);
	tcase_add_test(tc, test_parts);
	tcase_add_test(tc, test_zeroes);
	tcase_add_loop_test(tc, test_token_ends, 0, COUNT(token_ends));
	tcase_add_test(tc, test_revoked_meanwhile);
	tcase_add_test(tc, test_on_reference);
	tcase_add_loop_test(tc, test_bad_token_list, 0, COUNT(bad_token_lists));
	tcase_add_test(tc, test_token_limits);
	tcase_add_test(tc, test_polls);
	tcase_add_test(tc, test_stall);
	tcase_add_test(tc, test_bad_block_by_token);
	tcase_add_test(tc, test_many_operations);
	tcase_add_test(tc, test_answers);
	tcase_add_test(tc, test_partly);
	tcase_add_test(tc, test_counts_lie);
	tcase_add_test(tc, test_garble);
	tcase_add_test(tc, test_fault_lines);
	tcase_add_test(tc, test_options);
	tcase_add_test(tc, test_random);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
