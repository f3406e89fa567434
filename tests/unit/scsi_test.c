/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * scsi_test.c - the bytes of SCSI copies, and what answers mean
 *
 * What is expected was written by hand, from the layouts in SPC-4 and SBC-3.
 */
#include "../../backends/scsi_command.h"
#include "unit.h"

#include <errno.h>
#include <string.h>

static void expect_bytes(const unsigned char *is, const unsigned char *must, size_t n)
{
	for (size_t i = 0; i < n; i++)
		ck_assert_msg(is[i] == must[i], "byte %zu is %02x, not %02x", i, is[i], must[i]);
}

static void expect_cdb(const struct copyoff_scsi_command *c, uint8_t len, const char *bytes)
{
	ck_assert_uint_eq(c->cdb_len, len);
	expect_bytes(c->cdb, (const unsigned char *)bytes, sizeof(c->cdb));
}

/* --- commands ----------------------------------------------------------------- */

START_TEST(test_cdbs)
{
	unsigned char data[1024];
	struct copyoff_scsi_command c;

	memset(data, 0xa5, sizeof(data));
	c = copyoff_scsi_inquiry(data, 0x0123);
	expect_cdb(&c, 6, "\x12\0\0\x01\x23\0\0\0\0\0\0\0\0\0\0\0");
	ck_assert(!c.to_device && c.data == data && c.len == 0x123);
	/* What does not come is 0. */
	ck_assert(data[0] == 0 && data[0x122] == 0 && data[0x123] == 0xa5);
	c = copyoff_scsi_vpd(0x83, data, 1024);
	expect_cdb(&c, 6, "\x12\x01\x83\x04\0\0\0\0\0\0\0\0\0\0\0\0");
	c = copyoff_scsi_capacity(data, 32);
	expect_cdb(&c, 16, "\x9e\x10\0\0\0\0\0\0\0\0\0\0\0\x20\0\0");
	c = copyoff_scsi_copy_in(COPYOFF_SCSI_COPY_LIMITS, 0, data, 1024);
	expect_cdb(&c, 16, "\x84\x03\0\0\0\0\0\0\0\0\0\0\x04\0\0\0");
	c = copyoff_scsi_copy_in(COPYOFF_SCSI_COPY_STATUS, 0x5a, data, 256);
	expect_cdb(&c, 16, "\x84\0\x5a\0\0\0\0\0\0\0\0\0\x01\0\0\0");
	c = copyoff_scsi_copy_in(COPYOFF_SCSI_TOKEN_INFORMATION, 0x12345678, data, 1024);
	expect_cdb(&c, 16, "\x84\x07\x12\x34\x56\x78\0\0\0\0\0\0\x04\0\0\0");
	ck_assert(!c.to_device);
	data[0] = 1;
	c = copyoff_scsi_copy_out(COPYOFF_SCSI_EXTENDED_COPY, 0, data, 108);
	expect_cdb(&c, 16, "\x83\0\0\0\0\0\0\0\0\0\0\0\0\x6c\0\0");
	ck_assert(c.to_device && c.data == data && c.len == 108 && data[0] == 1);
	c = copyoff_scsi_copy_out(COPYOFF_SCSI_POPULATE_TOKEN, 0x01020304, data, 32);
	expect_cdb(&c, 16, "\x83\x10\0\0\0\0\x01\x02\x03\x04\0\0\0\x20\0\0");
	c = copyoff_scsi_copy_out(COPYOFF_SCSI_WRITE_USING_TOKEN, 0x01020304, data, 552);
	expect_cdb(&c, 16, "\x83\x11\0\0\0\0\x01\x02\x03\x04\0\0\x02\x28\0\0");
	c = copyoff_scsi_copy_out(COPYOFF_SCSI_ABORT, 0x01020304, NULL, 0);
	expect_cdb(&c, 16, "\x83\x1c\x01\x02\x03\x04\0\0\0\0\0\0\0\0\0\0");
	ck_assert_uint_eq(c.len, 0);
}
END_TEST

static const struct copyoff_scsi_designator units[2] = {
	{ 1, 3, 16, { 0x60, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 } },
	{ 1, 2, 8, { 0xe0, 0xe1, 0xe2, 0xe3, 0xe4, 0xe5, 0xe6, 0xe7 } },
};
static const struct copyoff_scsi_range ranges[] = {
	{ 0x0102030405060708, 0x1112131415161718, 0xfff8 },
	{ 0x2122232425262728, 0x3132333435363738, 1 },
};

START_TEST(test_extended_copy)
{
	/* clang-format off */
	static const unsigned char must[] = {
		0x5a, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0, 0x38, 0, 0, 0, 0,

		0xe4, 0, 0, 0, 1, 3, 0, 16, 0x60, 1, 2, 3, 4, 5, 6, 7,
		8, 9, 10, 11, 12, 13, 14, 15, 0, 0, 0, 0, 0, 0x00, 0x10, 0x00,
		0xe4, 0, 0, 0, 1, 2, 0, 8, 0xe0, 0xe1, 0xe2, 0xe3, 0xe4, 0xe5, 0xe6, 0xe7,
		0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x00, 0x10, 0x00,

		2, 0, 0, 0x18, 0, 0, 0, 1, 0, 0, 0xff, 0xf8,
		1, 2, 3, 4, 5, 6, 7, 8, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18,
		2, 0, 0, 0x18, 0, 0, 0, 1, 0, 0, 0x00, 0x01,
		0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28,
		0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38,
		0xa5,
	};
	/* clang-format on */
	unsigned char list[COPYOFF_SCSI_LIST_MOST];

	memset(list, 0xa5, sizeof(list));
	ck_assert_uint_eq(copyoff_scsi_encode_copy(list, 0x5a, units, 4096, ranges, 2),
			  sizeof(must) - 1);
	expect_bytes(list, must, sizeof(must));
	/* One is what all targets take. */
	ck_assert_uint_eq(copyoff_scsi_encode_copy(list, 1, units, 512, ranges, 1), 108);
	ck_assert_uint_eq(list[11], 28);
}
END_TEST

START_TEST(test_populate_token)
{
	/* clang-format off */
	static const unsigned char must[] = {
		0, 0x2e, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x20,
		1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0xff, 0xf8, 0, 0, 0, 0,
		0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28, 0, 0, 0, 1, 0, 0, 0, 0,
		0xa5,
	};
	/* clang-format on */
	unsigned char list[COPYOFF_SCSI_LIST_MOST];

	memset(list, 0xa5, sizeof(list));
	ck_assert_uint_eq(copyoff_scsi_encode_populate(list, ranges, 2), 48);
	expect_bytes(list, must, sizeof(must));
	ck_assert_uint_eq(copyoff_scsi_encode_populate(list, ranges, 1), 32);
	ck_assert_uint_eq(list[1], 0x1e);
}
END_TEST

START_TEST(test_write_using_token)
{
	static const unsigned char head[16] = { 0x02, 0x26, 1,    0,    0,    0,    0,    0,
						0,    0,    0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6 };
	static const unsigned char tail[] = { 0,    0,    0,    0,    0,    0,    0,    0x10, 0x11,
					      0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0,    0,
					      0xff, 0xf8, 0,    0,    0,    0,    0xa5 };
	unsigned char list[COPYOFF_SCSI_LIST_MOST], token[512];

	for (size_t i = 0; i < sizeof(token); i++)
		token[i] = (unsigned char)(i * 7);
	memset(list, 0xa5, sizeof(list));
	ck_assert_uint_eq(copyoff_scsi_encode_write(list, token, 0xa1a2a3a4a5a6, ranges, 1), 552);
	expect_bytes(list, head, sizeof(head));
	expect_bytes(list + 16, token, sizeof(token));
	expect_bytes(list + 528, tail, sizeof(tail));
}
END_TEST

/* As many as there can be are within the room that is asked for. */
START_TEST(test_longest_lists)
{
	static struct copyoff_scsi_range many[COPYOFF_SCSI_SEGMENTS_MOST];
	static unsigned char list[COPYOFF_SCSI_LIST_MOST + 1], token[512];
	const size_t n = COPYOFF_SCSI_SEGMENTS_MOST;

	list[COPYOFF_SCSI_LIST_MOST] = 0xa5;
	ck_assert_uint_eq(copyoff_scsi_encode_copy(list, 1, units, 512, many, n),
			  COPYOFF_SCSI_LIST_MOST);
	ck_assert_uint_le(copyoff_scsi_encode_populate(list, many, n), COPYOFF_SCSI_LIST_MOST);
	ck_assert_uint_le(copyoff_scsi_encode_write(list, token, 0, many, n),
			  COPYOFF_SCSI_LIST_MOST);
	ck_assert_uint_eq(list[COPYOFF_SCSI_LIST_MOST], 0xa5);
}
END_TEST

START_TEST(test_wipe)
{
	unsigned char secret[4] = { 1, 2, 3, 4 };

	copyoff_scsi_wipe(secret, 3);
	expect_bytes(secret, (const unsigned char[]){ 0, 0, 0, 4 }, 4);
}
END_TEST

/* --- answers -------------------------------------------------------------------- */

START_TEST(test_received)
{
	struct copyoff_scsi_command c = { .len = 100 };

	ck_assert_uint_eq(copyoff_scsi_received(&c), 100);
	c.residue = 40;
	ck_assert_uint_eq(copyoff_scsi_received(&c), 60);
	c.residue = UINT32_MAX;
	ck_assert_uint_eq(copyoff_scsi_received(&c), 0);
}
END_TEST

START_TEST(test_inquiry)
{
	unsigned char data[36] = { 0x00, 0, 6, 2, 31, 0x08 };
	bool is_disk, copies;

	ck_assert(copyoff_scsi_parse_inquiry(data, 36, &is_disk, &copies) && is_disk && copies);
	data[5] = 0xf7;
	ck_assert(copyoff_scsi_parse_inquiry(data, 36, &is_disk, &copies) && !copies);
	for (data[0] = 1; data[0]; data[0]++)
		ck_assert(copyoff_scsi_parse_inquiry(data, 36, &is_disk, &copies) && !is_disk);
	ck_assert(!copyoff_scsi_parse_inquiry(data, 35, &is_disk, &copies));
	data[4] = 30;
	ck_assert(!copyoff_scsi_parse_inquiry(data, 36, &is_disk, &copies));
}
END_TEST

START_TEST(test_capacity)
{
	unsigned char data[32] = { 0, 0, 1, 2, 3, 4, 5, 6, 0, 0, 0x10, 0, 0x0e };
	struct copyoff_scsi_capacity c;

	ck_assert(copyoff_scsi_parse_capacity(data, 32, &c));
	ck_assert_uint_eq(c.blocks, 0x010203040507);
	ck_assert_uint_eq(c.block, 4096);
	ck_assert(!c.protection);
	data[12] = 1;
	ck_assert(copyoff_scsi_parse_capacity(data, 13, &c) && c.protection);
	ck_assert(!copyoff_scsi_parse_capacity(data, 12, &c));
	data[10] = 0;
	ck_assert(!copyoff_scsi_parse_capacity(data, 32, &c));
	memset(data, 0xff, 8);
	data[10] = 2;
	ck_assert(!copyoff_scsi_parse_capacity(data, 32, &c));
}
END_TEST

/* Of SCSI-IDs there are many; which one is taken? */
START_TEST(test_designator)
{
	/* clang-format off */
	static const unsigned char page[] = {
		0, 0x83, 0, 0,
		/* T10 vendor, ASCII */ 2, 1, 0, 4, 'a', 'b', 'c', 'd',
		/* EUI-64 */ 1, 2, 0, 8, 8, 8, 8, 8, 8, 8, 8, 8,
		/* NAA-5 of the port */ 1, 0x13, 0, 8, 0x50, 1, 1, 1, 1, 1, 1, 1,
		/* NAA-5 */ 1, 3, 0, 8, 0x50, 2, 2, 2, 2, 2, 2, 2,
		/* NAA-6, but as text */ 2, 3, 0, 16, 0x60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		/* NAA-6 */ 0x51, 0x83, 0, 16, 0x60, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
		/* another one */ 1, 3, 0, 16, 0x60, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9,
	};
	/* clang-format on */
	static const struct {
		size_t n;
		unsigned char type, len, first, second;
	} rows[] = { { sizeof(page), 3, 16, 0x60, 1 },
		     { 88, 3, 16, 0x60, 1 },
		     { 87, 3, 8, 0x50, 2 },
		     { 48, 3, 8, 0x50, 2 },
		     { 47, 2, 8, 8, 8 },
		     { 24, 2, 8, 8, 8 } };
	struct copyoff_scsi_designator d;
	unsigned char data[sizeof(page)];

	memcpy(data, page, sizeof(page));
	for (size_t i = 0; i < COUNT(rows); i++) {
		/* By what was transferred, and by the length of the page. */
		for (int by_page = 0; by_page < 2; by_page++) {
			data[2] = by_page ? 0 : 0xff;
			data[3] = by_page ? (unsigned char)(rows[i].n - 4) : 0xff;
			ck_assert(copyoff_scsi_parse_designator(
				data, by_page ? sizeof(page) : rows[i].n, &d));
			ck_assert_uint_eq(d.code_set, 1);
			ck_assert_uint_eq(d.type, rows[i].type);
			ck_assert_uint_eq(d.len, rows[i].len);
			ck_assert_uint_eq(d.bytes[0], rows[i].first);
			ck_assert_uint_eq(d.bytes[1], rows[i].second);
		}
	}
	for (size_t n = 0; n < 24; n++)
		ck_assert(!copyoff_scsi_parse_designator(data, n, &d));
	data[1] = 0x80;
	ck_assert(!copyoff_scsi_parse_designator(data, sizeof(page), &d));
}
END_TEST

/* As LIO of Linux 6.1 answers. */
static const unsigned char lio_limits[46] = { 0, 0, 0, 0x2a, 1,    0, 0, 0, 0, 2,   0, 1,
					      0, 0, 4, 0,    0x10, 0, 0, 0, 0, 0,   0, 0,
					      0, 0, 0, 0,    0,    0, 0, 0, 0, 0,   0, 1,
					      1, 9, 9, 9,    0,    0, 0, 2, 2, 0xe4 };

START_TEST(test_copy_limits)
{
	unsigned char data[46];
	struct copyoff_scsi_copy_limits l;

	memcpy(data, lio_limits, sizeof(data));
	ck_assert(copyoff_scsi_parse_copy_limits(data, 46, &l));
	ck_assert_uint_eq(l.units, 2);
	ck_assert_uint_eq(l.segments, 1);
	ck_assert_uint_eq(l.list_bytes, 1024);
	ck_assert_uint_eq(l.segment_bytes, 256 << 20);
	ck_assert_uint_eq(l.granularity, 9);
	ck_assert_uint_eq(l.concurrent, 1);
	ck_assert(!copyoff_scsi_parse_copy_limits(data, 39, &l));
	data[3] = 35;
	ck_assert(!copyoff_scsi_parse_copy_limits(data, 46, &l));
}
END_TEST

/* With identifiers, of all; no number is 0, but one of all is not told by old devices. */
START_TEST(test_concurrent)
{
	static const struct {
		unsigned char total[2], with_id;
		unsigned concurrent;
	} rows[] = { { { 0, 0 }, 0, 1 }, { { 0, 0 }, 7, 7 },     { { 0, 3 }, 7, 3 },
		     { { 0, 9 }, 7, 7 }, { { 1, 0 }, 255, 255 }, { { 0, 5 }, 0, 1 } };
	unsigned char data[46];
	struct copyoff_scsi_copy_limits l;

	memcpy(data, lio_limits, sizeof(data));
	memcpy(data + 34, rows[_i].total, 2);
	data[36] = rows[_i].with_id;
	ck_assert(copyoff_scsi_parse_copy_limits(data, 46, &l));
	ck_assert_uint_eq(l.concurrent, rows[_i].concurrent);
}
END_TEST

START_TEST(test_copy_status)
{
	unsigned char data[12] = { 0, 0, 0, 8, 0x82, 0x01, 0x02, 0, 0, 0, 0, 9 };

	ck_assert_int_eq(copyoff_scsi_parse_copy_status(data, 12), 0x102);
	ck_assert_int_eq(copyoff_scsi_parse_copy_status(data, 11), -1);
	data[4] = 1; /* no errors: it is not about this copy */
	ck_assert_int_eq(copyoff_scsi_parse_copy_status(data, 12), -1);
	data[4] = 2;
	data[3] = 7;
	ck_assert_int_eq(copyoff_scsi_parse_copy_status(data, 12), -1);
}
END_TEST

START_TEST(test_third_party)
{
	/* clang-format off */
	static const unsigned char page[] = {
		0, 0x8f, 0, 66,
		0, 1, 0, 14, 12, 0x7f, 0, 0x83, 4, 0, 0x10, 0x11, 0x1c, 0x84, 2, 3, 7, 0,
		0x80, 1, 0, 4, 1, 2, 3, 4,
		0, 0, 0, 32, 0, 0, 0, 0, 0, 0, 0x01, 0x02, 0, 0, 0, 0, 0, 0, 0, 0,
		1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 0, 0, 0, 9,
		0xff, 0xff, 0, 0,
	};
	/* clang-format on */
	struct copyoff_scsi_third_party p;

	ck_assert_uint_eq(sizeof(page), 70);
	ck_assert(copyoff_scsi_parse_third_party(page, sizeof(page), &p));
	ck_assert(p.populates && p.writes && p.informs && p.aborts && p.limited);
	ck_assert_uint_eq(p.ranges, 0x102);
	ck_assert_uint_eq(p.blocks, 0x0102030405060708);
	/* Without its end, the list of commands is none. */
	ck_assert(copyoff_scsi_parse_third_party(page, 65, &p) && p.informs && !p.limited);
	ck_assert(copyoff_scsi_parse_third_party(page, 21, &p) && !p.populates);
	ck_assert(!copyoff_scsi_parse_third_party(page, 3, &p));
	for (size_t n = 4; n < sizeof(page); n++) {
		/* Behind it is memory that is not ours. */
		unsigned char *data = malloc(n);

		memcpy(data, page, n);
		ck_assert(copyoff_scsi_parse_third_party(data, n, &p));
		free(data);
	}
}
END_TEST

START_TEST(test_failure)
{
	enum { LEN = 60 + 18 };
	unsigned char data[LEN] = { 0, 0, 0, LEN - 4, [56] = 2, [59] = 18, [60] = 0x70 };
	struct copyoff_scsi_failure f;

	ck_assert(copyoff_scsi_parse_failure(data, LEN, &f));
	ck_assert_uint_eq(f.status, 2);
	ck_assert_ptr_eq(f.sense, data + 60);
	ck_assert_uint_eq(f.sense_len, 18);
	/* No more than what there is, and than what is available. */
	data[58] = 0xff;
	ck_assert(copyoff_scsi_parse_failure(data, LEN, &f) && f.sense_len == 18);
	ck_assert(copyoff_scsi_parse_failure(data, LEN - 1, &f) && f.sense_len == 17);
	ck_assert(copyoff_scsi_parse_failure(data, 60, &f) && f.sense_len == 0);
	ck_assert(!copyoff_scsi_parse_failure(data, 59, &f));
	data[3] = 56 + 7;
	ck_assert(copyoff_scsi_parse_failure(data, LEN, &f) && f.sense_len == 7);
	data[3] = 55;
	ck_assert(!copyoff_scsi_parse_failure(data, LEN, &f));
	memset(data, 0xff, 4);
	ck_assert(copyoff_scsi_parse_failure(data, LEN, &f) && f.sense_len == 18);
}
END_TEST

/* When are details asked for? */
START_TEST(test_lacks_sense)
{
	struct copyoff_scsi_command c = { .status = 2, .sense_len = 18, .sense = { 0x70 } };

	ck_assert(!copyoff_scsi_lacks_sense(&c));
	c.sense_len = 0;
	ck_assert(copyoff_scsi_lacks_sense(&c));
	c.sense_len = 18;
	c.sense[0] = 0;
	ck_assert(copyoff_scsi_lacks_sense(&c));
	c.status = 8;
	ck_assert(!copyoff_scsi_lacks_sense(&c));
	/* It may not even have been carried out. */
	c.status = 2;
	c.host = 3;
	ck_assert(!copyoff_scsi_lacks_sense(&c));
}
END_TEST

/* Does a disk take the token for zeroes? */
START_TEST(test_zero_tokens_taken)
{
	enum { LEN = 4 + 8 + 2 * 64, ENTRIES = 4 + 8 };
	unsigned char page[LEN + 64] = { 0, 0x8f, 0, LEN - 4, 1, 8, 0, LEN - 8, 0, 0, 0, 128 };
	unsigned char *first = page + ENTRIES, *second = first + 64;
	struct copyoff_scsi_third_party p;

	first[1] = 1; /* 00010000: access upon reference */
	first[4] = 3;
	memcpy(second, (const unsigned char[]){ 0xff, 0xff, 0, 1, 2 }, 5);
	ck_assert(copyoff_scsi_parse_third_party(page, LEN, &p) && p.zeroes);
	/* Only as one that it gives out. */
	second[4] = 1;
	ck_assert(copyoff_scsi_parse_third_party(page, LEN, &p) && !p.zeroes);
	second[4] = 2;
	/* Another type. */
	second[3] = 0;
	ck_assert(copyoff_scsi_parse_third_party(page, LEN, &p) && !p.zeroes);
	second[3] = 1;
	/* Behind the list, that is to be of whole entries; or behind the page. */
	page[11] = 127;
	ck_assert(copyoff_scsi_parse_third_party(page, LEN, &p) && !p.zeroes);
	page[11] = 255;
	ck_assert(copyoff_scsi_parse_third_party(page, LEN, &p) && p.zeroes);
	page[7] -= 1;
	ck_assert(copyoff_scsi_parse_third_party(page, LEN, &p) && !p.zeroes);
	for (unsigned char len = 0; len < 8; len++) {
		page[7] = len;
		ck_assert(copyoff_scsi_parse_third_party(page, LEN, &p) && !p.zeroes);
	}
}
END_TEST

START_TEST(test_zero_token)
{
	static const unsigned char must[512] = { 0xff, 0xff, 0, 1, 0, 0, 0x01, 0xf8 };
	unsigned char token[512];

	memset(token, 0xaa, sizeof(token));
	copyoff_scsi_zero_token(token);
	ck_assert(memcmp(token, must, sizeof(must)) == 0);
}
END_TEST

enum { INFO = 32 + 18 + 4 + 2 + 512 };

/* Sense data of 16 bytes, in a field of 18, and a token. */
static void token_information(unsigned char data[INFO])
{
	static const unsigned char head[32] = { 0, 0, 0x02, 0x34, 0x11, 0x02, 0,  5,
						0, 0, 0x01, 0xf4, 0x02, 18,   16, 0xf1,
						0, 0, 0,    0,    0,    1,    2,  3 };

	memset(data, 0, INFO);
	memcpy(data, head, sizeof(head));
	data[32] = 0x70;
	data[34] = 3;
	data[50 + 2] = 0x02;
	data[50 + 3] = 0x02;
	for (size_t i = 0; i < 512; i++)
		data[56 + i] = (unsigned char)(i * 5);
}

START_TEST(test_token_information)
{
	unsigned char data[INFO];
	struct copyoff_scsi_token_information i;

	token_information(data);
	ck_assert(copyoff_scsi_parse_token_information(data, INFO, 512, &i));
	ck_assert_uint_eq(i.action, 0x11);
	ck_assert_int_eq(i.progress, COPYOFF_SCSI_FAILED);
	ck_assert(!i.all);
	ck_assert_uint_eq(i.delay, 500);
	ck_assert_uint_eq(i.blocks, 0x010203);
	ck_assert_uint_eq(i.status, 2);
	ck_assert_ptr_eq(i.sense, data + 32);
	ck_assert_uint_eq(i.sense_len, 16);
	ck_assert_ptr_eq(i.token, data + 56);
	/* No delay that can be known. */
	memset(data + 8, 0xff, 4);
	ck_assert(copyoff_scsi_parse_token_information(data, INFO, 512, &i) && i.delay == 0);
	data[11] = 0xfe;
	ck_assert(copyoff_scsi_parse_token_information(data, INFO, 512, &i) && i.delay == 0);
	/* Cut, by the host or by the device. */
	ck_assert(copyoff_scsi_parse_token_information(data, INFO - 1, 512, &i) && !i.token);
	data[3] = 0x33;
	ck_assert(copyoff_scsi_parse_token_information(data, INFO, 512, &i) && !i.token);
	data[3] = 0x34;
	data[51 + 1] = 0;
	ck_assert(copyoff_scsi_parse_token_information(data, INFO, 512, &i) && !i.token);
	ck_assert(copyoff_scsi_parse_token_information(data, 40, 512, &i) && i.sense_len == 8);
	ck_assert(copyoff_scsi_parse_token_information(data, 32, 512, &i) && i.sense_len == 0);
	ck_assert(!copyoff_scsi_parse_token_information(data, 31, 512, &i));
	data[2] = 0;
	data[3] = 27;
	ck_assert(!copyoff_scsi_parse_token_information(data, INFO, 512, &i));
	data[13] = 255;
	data[14] = 255;
	memset(data, 0xff, 4);
	ck_assert(copyoff_scsi_parse_token_information(data, INFO, 512, &i));
	ck_assert_uint_eq(i.sense_len, 255);
	ck_assert_ptr_null(i.token);
}
END_TEST

START_TEST(test_progress)
{
	unsigned char data[INFO];
	struct copyoff_scsi_token_information i;

	token_information(data);
	for (unsigned status = 0; status < 0x80; status++) {
		enum copyoff_scsi_progress must = COPYOFF_SCSI_STRANGE;

		if (status == 1 || status == 3 || status == 4)
			must = COPYOFF_SCSI_DONE;
		if (status == 2 || status == 0x60)
			must = COPYOFF_SCSI_FAILED;
		if (status >= 0x10 && status <= 0x12)
			must = COPYOFF_SCSI_RUNNING;
		data[5] = (unsigned char)(status | 0x80); /* data are held */
		ck_assert(copyoff_scsi_parse_token_information(data, INFO, 512, &i));
		ck_assert_int_eq(i.progress, must);
		ck_assert_int_eq(i.all, status == 1);
	}
}
END_TEST

START_TEST(test_units)
{
	static const struct {
		unsigned char units;
		uint64_t count, blocks; /* of 4096 bytes */
	} rows[] = {
		{ 0xf1, 7, 7 },    { 0xf1, UINT64_MAX, UINT64_MAX },
		{ 0, 8191, 1 },    { 0, 8192, 2 },
		{ 1, 9, 2 },       { 2, 3, 3 * 256 },
		{ 3, 1, 1 << 18 }, { 6, 15, 15ull << 48 },
		{ 6, 16, 0 },      { 1, UINT64_MAX, 0 },
		{ 7, 1, 0 },       { 0xf0, 1, 0 },
		{ 0xff, 1, 0 },
	};
	unsigned char data[INFO];
	struct copyoff_scsi_token_information i;

	token_information(data);
	for (size_t row = 0; row < COUNT(rows); row++) {
		data[15] = rows[row].units;
		for (unsigned b = 0; b < 8; b++)
			data[16 + b] = (unsigned char)(rows[row].count >> (56 - 8 * b));
		ck_assert(copyoff_scsi_parse_token_information(data, INFO, 4096, &i));
		ck_assert_msg(i.blocks == rows[row].blocks, "row %zu", row);
	}
}
END_TEST

/* --- what went wrong ------------------------------------------------------------------ */

#define D    COPYOFF_SCSI_DECLINE
#define R    COPYOFF_SCSI_RETRY
#define W    COPYOFF_SCSI_WAIT
#define I    COPYOFF_SCSI_LIST_ID
#define T    COPYOFF_SCSI_TOKEN
#define L    COPYOFF_SCSI_LESS
#define F    COPYOFF_SCSI_FINAL
#define G    COPYOFF_SCSI_GOOD
#define NONE COPYOFF_REASON_NONE
#define PAIR COPYOFF_REASON_UNSUPPORTED
#define CALL COPYOFF_REASON_RESOURCE

static const struct sense_row {
	unsigned char key, asc, ascq;
	int action, reason, error;
} sense_rows[] = {
	{ 0x0, 0x00, 0x00, D, CALL, EIO },
	{ 0x1, 0x17, 0x01, G, NONE, 0 },
	{ 0x2, 0x04, 0x00, D, CALL, EIO },
	{ 0x2, 0x04, 0x01, W, CALL, EBUSY },
	{ 0x2, 0x04, 0x02, D, CALL, EIO },
	{ 0x2, 0x04, 0x0a, W, CALL, EBUSY },
	{ 0x2, 0x04, 0x0b, D, CALL, EIO },
	{ 0x2, 0x04, 0x0c, D, CALL, EIO },
	{ 0x2, 0x04, 0x14, W, CALL, EBUSY },
	{ 0x2, 0x08, 0x00, D, CALL, EIO },
	{ 0x2, 0x3a, 0x00, D, CALL, ENXIO },
	{ 0x3, 0x11, 0x00, D, CALL, EIO },
	{ 0x3, 0x0c, 0x00, D, CALL, EIO },
	{ 0x4, 0x44, 0x00, D, CALL, EIO },
	{ 0x5, 0x00, 0x16, I, CALL, EBUSY },
	{ 0x5, 0x1a, 0x00, L, PAIR, EOPNOTSUPP },
	{ 0x5, 0x20, 0x00, D, PAIR, EOPNOTSUPP },
	{ 0x5, 0x21, 0x00, D, CALL, EINVAL },
	{ 0x5, 0x23, 0x00, D, COPYOFF_REASON_CROSS_DEVICE, EXDEV },
	{ 0x5, 0x23, 0x01, D, COPYOFF_REASON_CROSS_DEVICE, EXDEV },
	{ 0x5, 0x23, 0x02, D, COPYOFF_REASON_CROSS_DEVICE, EXDEV },
	{ 0x5, 0x23, 0x03, D, COPYOFF_REASON_CROSS_DEVICE, EXDEV },
	{ 0x5, 0x23, 0x04, T, CALL, ESTALE },
	{ 0x5, 0x23, 0x05, T, CALL, ESTALE },
	{ 0x5, 0x23, 0x06, T, CALL, ESTALE },
	{ 0x5, 0x23, 0x07, T, CALL, ESTALE },
	{ 0x5, 0x23, 0x08, T, CALL, ESTALE },
	{ 0x5, 0x23, 0x09, T, CALL, ESTALE },
	{ 0x5, 0x23, 0x0a, D, COPYOFF_REASON_CROSS_DEVICE, EXDEV },
	{ 0x5, 0x24, 0x00, D, PAIR, EOPNOTSUPP },
	{ 0x5, 0x25, 0x00, D, PAIR, EOPNOTSUPP },
	{ 0x5, 0x26, 0x00, I, PAIR, EOPNOTSUPP },
	{ 0x5, 0x26, 0x06, D, PAIR, EOPNOTSUPP },
	{ 0x5, 0x26, 0x07, D, PAIR, EOPNOTSUPP },
	{ 0x5, 0x26, 0x08, L, PAIR, EOPNOTSUPP },
	{ 0x5, 0x26, 0x09, D, PAIR, EOPNOTSUPP },
	{ 0x5, 0x26, 0x0a, D, PAIR, EOPNOTSUPP },
	{ 0x5, 0x26, 0x0c, D, PAIR, EOPNOTSUPP },
	{ 0x5, 0x26, 0x0d, D, COPYOFF_REASON_ALIGNMENT, EINVAL },
	{ 0x5, 0x26, 0x15, D, COPYOFF_REASON_PERMISSION, EACCES },
	{ 0x5, 0x26, 0x16, D, PAIR, EOPNOTSUPP },
	{ 0x5, 0x55, 0x03, W, CALL, EBUSY },
	{ 0x5, 0x55, 0x0c, W, CALL, EBUSY },
	{ 0x5, 0x55, 0x0d, W, CALL, EBUSY },
	{ 0x6, 0x29, 0x00, R, CALL, EIO },
	{ 0x6, 0x2a, 0x09, R, CALL, EIO },
	{ 0x6, 0x3f, 0x0e, R, CALL, EIO },
	{ 0x6, 0x38, 0x07, R, CALL, EIO },
	{ 0x7, 0x27, 0x00, F, NONE, EROFS },
	{ 0x7, 0x27, 0x02, F, NONE, EROFS },
	{ 0x7, 0x27, 0x07, F, NONE, ENOSPC },
	{ 0x7, 0x20, 0x02, D, CALL, EACCES },
	{ 0x8, 0x00, 0x00, D, CALL, EIO },
	{ 0x9, 0x80, 0x00, D, CALL, EIO },
	{ 0xa, 0x00, 0x00, D, CALL, EIO },
	{ 0xa, 0x08, 0x04, D, CALL, EIO },
	{ 0xa, 0x0d, 0x00, D, CALL, EIO },
	{ 0xa, 0x0d, 0x01, D, CALL, EIO },
	{ 0xa, 0x0d, 0x02, D, CALL, EIO },
	{ 0xa, 0x0d, 0x03, D, PAIR, EOPNOTSUPP },
	{ 0xa, 0x0d, 0x04, D, CALL, EIO },
	{ 0xa, 0x0d, 0x05, D, CALL, EIO },
	{ 0xa, 0x26, 0x07, D, PAIR, EOPNOTSUPP },
	{ 0xa, 0x26, 0x08, L, PAIR, EOPNOTSUPP },
	{ 0xb, 0x08, 0x00, R, CALL, EIO },
	{ 0xb, 0x47, 0x03, R, CALL, EIO },
	{ 0xc, 0x00, 0x00, D, CALL, EIO },
	{ 0xd, 0x00, 0x02, F, NONE, ENOSPC },
	{ 0xe, 0x1d, 0x00, D, CALL, EIO },
	{ 0xf, 0x00, 0x00, D, CALL, EIO },
};

static void make_sense(struct copyoff_scsi_command *c, unsigned char code, unsigned char key,
		       unsigned char asc, unsigned char ascq)
{
	memset(c->sense, 0, sizeof(c->sense));
	c->status = 2;
	c->sense[0] = code;
	if ((code & 0x7f) >= 0x72) {
		c->sense[1] = key;
		c->sense[2] = asc;
		c->sense[3] = ascq;
		c->sense_len = 8;
	} else {
		c->sense[2] = key;
		c->sense[7] = 10;
		c->sense[12] = asc;
		c->sense[13] = ascq;
		c->sense_len = 18;
	}
}

static void expect_verdict(const struct copyoff_scsi_command *c, int action, int reason, int error)
{
	struct copyoff_scsi_verdict v = copyoff_scsi_judge(0, c);

	ck_assert_int_eq(v.action, action);
	ck_assert_int_eq(v.reason, reason);
	ck_assert_int_eq(v.error, error);
	ck_assert_int_eq(v.text[0] == '\0', action == G && reason == NONE && c->status != 2);
}

START_TEST(test_sense)
{
	const struct sense_row *row = &sense_rows[_i];
	static const unsigned char codes[] = { 0x70, 0xf0, 0x72 };
	struct copyoff_scsi_command c = { 0 };

	for (size_t i = 0; i < sizeof(codes); i++) {
		make_sense(&c, codes[i], row->key, row->asc, row->ascq);
		expect_verdict(&c, row->action, row->reason, row->error);
		/* DRIVER_SENSE, which old kernels say. */
		c.driver = 8;
		expect_verdict(&c, row->action, row->reason, row->error);
		c.driver = 0;
	}
	/* Of an earlier command: what was written then is lost, and nothing was done now. */
	for (unsigned char code = 0x71; code <= 0x73; code = (unsigned char)(code + 2)) {
		make_sense(&c, code, row->key, row->asc, row->ascq);
		if (row->key > 1)
			expect_verdict(&c, COPYOFF_SCSI_DEFERRED, NONE, EIO);
		else
			expect_verdict(&c, R, CALL, EIO);
	}
}
END_TEST

/* Every sense that there can be has a verdict, and those without a row are harmless. */
static bool is_harmless(unsigned char key, unsigned char asc, const struct copyoff_scsi_verdict *v)
{
	if (!v->text || (v->action == G) != (key == 1))
		return false;
	if (v->action == F)
		return (key == 7 && asc == 0x27) || key == 0xd;
	return v->action == G || (v->error != 0 && v->reason != COPYOFF_REASON_NONE);
}

START_TEST(test_all_sense)
{
	struct copyoff_scsi_command c = { 0 };

	for (unsigned i = 0; i < 1 << 20; i++) {
		unsigned char key = (unsigned char)(i >> 16), asc = (unsigned char)(i >> 8);
		struct copyoff_scsi_verdict v;

		make_sense(&c, 0x72, key, asc, (unsigned char)i);
		v = copyoff_scsi_judge(0, &c);
		if (!is_harmless(key, asc, &v))
			ck_abort_msg("sense %05x", i);
	}
}
END_TEST

/* Nothing to read, or not enough. */
START_TEST(test_no_sense)
{
	struct copyoff_scsi_command c = { .status = 2 };

	expect_verdict(&c, D, CALL, EIO);
	make_sense(&c, 0x70, 7, 0x27, 0);
	for (c.sense_len = 0; c.sense_len < 18; c.sense_len++)
		ck_assert(copyoff_scsi_judge(0, &c).text);
	make_sense(&c, 0x00, 7, 0x27, 0);
	expect_verdict(&c, D, CALL, EIO);
	make_sense(&c, 0x7f, 7, 0x27, 0);
	expect_verdict(&c, D, CALL, EIO);
}
END_TEST

static const struct {
	unsigned char status;
	int action, reason, error;
} status_rows[] = {
	{ 0x00, G, NONE, 0 },     { 0x04, D, CALL, EIO },    { 0x08, W, CALL, EBUSY },
	{ 0x10, D, CALL, EIO },   { 0x18, F, NONE, EACCES }, { 0x22, D, CALL, EIO },
	{ 0x28, W, CALL, EBUSY }, { 0x30, D, CALL, EIO },    { 0x40, R, CALL, EIO },
	{ 0xff, D, CALL, EIO },
};

START_TEST(test_status)
{
	struct copyoff_scsi_command c = { .status = status_rows[_i].status };

	expect_verdict(&c, status_rows[_i].action, status_rows[_i].reason, status_rows[_i].error);
	/* Sense data with another status than CHECK CONDITION are not looked at. */
	make_sense(&c, 0x70, 7, 0x27, 7);
	c.status = status_rows[_i].status;
	expect_verdict(&c, status_rows[_i].action, status_rows[_i].reason, status_rows[_i].error);
}
END_TEST

static const struct {
	uint16_t host;
	int action, error;
} host_rows[] = {
	{ 0x01, D, ENODEV }, { 0x02, W, EIO }, { 0x03, D, ETIMEDOUT }, { 0x04, D, ENODEV },
	{ 0x05, D, EIO },    { 0x06, D, EIO }, { 0x07, D, EIO },       { 0x08, R, EIO },
	{ 0x09, D, EIO },    { 0x0a, D, EIO }, { 0x0b, W, EIO },       { 0x0c, R, EIO },
	{ 0x0d, R, EIO },    { 0x0e, W, EIO }, { 0x0f, D, EIO },       { 0x10, D, EIO },
	{ 0x13, D, EIO },    { 0x14, W, EIO }, { 0x15, D, EIO },       { 0xffff, D, EIO },
};

/* Whatever status is left there, nothing is good. */
START_TEST(test_host)
{
	struct copyoff_scsi_command c = { .host = host_rows[_i].host };

	expect_verdict(&c, host_rows[_i].action, CALL, host_rows[_i].error);
	if (c.host < 0x10 || c.host > 0x13) {
		make_sense(&c, 0x70, 1, 0, 0);
		ck_assert_int_eq(copyoff_scsi_judge(0, &c).action, host_rows[_i].action);
	}
}
END_TEST

/* The kernel's own reading of a status stands beside it. */
START_TEST(test_host_explains)
{
	struct copyoff_scsi_command c = { .host = 0x11, .status = 0x18 };

	expect_verdict(&c, F, NONE, EACCES);
	make_sense(&c, 0x72, 7, 0x27, 7);
	c.host = 0x12;
	expect_verdict(&c, F, NONE, ENOSPC);
	make_sense(&c, 0x70, 3, 0x11, 0);
	c.host = 0x13;
	expect_verdict(&c, D, CALL, EIO);
}
END_TEST

START_TEST(test_driver)
{
	struct copyoff_scsi_command c = { .driver = 0x06 };

	expect_verdict(&c, D, CALL, EIO);
	c.driver = 0x28; /* with a suggestion of old kernels */
	expect_verdict(&c, G, NONE, 0);
}
END_TEST

static const struct {
	int err, reason, error;
} errno_rows[] = {
	{ EPERM, COPYOFF_REASON_PERMISSION, EPERM },
	{ EACCES, COPYOFF_REASON_PERMISSION, EACCES },
	{ ENOTTY, PAIR, ENOTTY },
	{ ENOSYS, PAIR, ENOSYS },
	{ EINVAL, PAIR, EINVAL },
	{ EOPNOTSUPP, PAIR, EOPNOTSUPP },
	{ ENODEV, CALL, ENODEV },
	{ ENXIO, CALL, ENXIO },
	{ ENOMEM, CALL, ENOMEM },
	{ EIO, CALL, EIO },
	{ EBUSY, CALL, EBUSY },
	{ EINTR, CALL, EIO },
	{ EAGAIN, CALL, EIO },
};

START_TEST(test_errno)
{
	struct copyoff_scsi_command c = { 0 };
	struct copyoff_scsi_verdict v = copyoff_scsi_judge(-errno_rows[_i].err, &c);

	ck_assert_int_eq(v.action, D);
	ck_assert_int_eq(v.reason, errno_rows[_i].reason);
	ck_assert_int_eq(v.error, errno_rows[_i].error);
}
END_TEST

/* COPY ABORTED, since the other device said something that is final. */
START_TEST(test_forwarded)
{
	static const struct {
		unsigned char status, key, asc, ascq;
		int action, error;
	} rows[] = {
		{ 0x02, 3, 0x0c, 0x00, COPYOFF_SCSI_DEFERRED, EIO },
		{ 0x18, 0, 0, 0, F, EACCES },
		{ 0x02, 7, 0x27, 0x00, F, EROFS },
		{ 0x02, 7, 0x27, 0x07, F, ENOSPC },
		{ 0x02, 3, 0x11, 0x00, D, EIO },
		{ 0x02, 5, 0x20, 0x00, D, EIO },
		{ 0x08, 0, 0, 0, D, EIO },
		{ 0x00, 0, 0, 0, D, EIO },
	};
	const bool deferred = rows[_i].action == COPYOFF_SCSI_DEFERRED;
	struct copyoff_scsi_command c = { 0 };

	/* Fixed: of the source, and of the destination. */
	for (unsigned char which = 8; which <= 9; which++) {
		make_sense(&c, 0x70, 0xa, 0x0d, 0x01);
		c.sense[7] = 29;
		c.sense[which] = 18;
		c.sense[18] = rows[_i].status;
		c.sense[19] = 0x70 + deferred;
		c.sense[21] = rows[_i].key;
		c.sense[26] = 10;
		c.sense[31] = rows[_i].asc;
		c.sense[32] = rows[_i].ascq;
		c.sense_len = 37;
		expect_verdict(&c, rows[_i].action, rows[_i].action == D ? CALL : NONE,
			       rows[_i].error);
		/* Places where there are no sense data. */
		c.sense[which] = 37;
		expect_verdict(&c, D, CALL, EIO);
		c.sense[which] = 255;
		expect_verdict(&c, D, CALL, EIO);
		c.sense[which] = 7;
		expect_verdict(&c, D, CALL, EIO);
	}
	make_sense(&c, 0x72, 0xa, 0x0d, 0x01);
	c.sense[7] = 12;
	c.sense[8] = 0x0c;
	c.sense[9] = 10;
	c.sense[11] = rows[_i].status;
	c.sense[12] = 0x72 + deferred;
	c.sense[13] = rows[_i].key;
	c.sense[14] = rows[_i].asc;
	c.sense[15] = rows[_i].ascq;
	c.sense_len = 20;
	expect_verdict(&c, rows[_i].action, rows[_i].action == D ? CALL : NONE, rows[_i].error);
}
END_TEST

START_TEST(test_failed_segment)
{
	struct copyoff_scsi_command c = { 0 };

	make_sense(&c, 0x70, 0xa, 0x0d, 0x01);
	ck_assert_int_eq(copyoff_scsi_failed_segment(&c), 0);
	c.sense[8] = 18;
	c.sense[10] = 1;
	c.sense[11] = 2;
	ck_assert_int_eq(copyoff_scsi_failed_segment(&c), 0x102);
	c.host = 3;
	ck_assert_int_eq(copyoff_scsi_failed_segment(&c), -1);
	c.host = 0;
	c.status = 0;
	ck_assert_int_eq(copyoff_scsi_failed_segment(&c), -1);
	make_sense(&c, 0x70, 3, 0x11, 0);
	ck_assert_int_eq(copyoff_scsi_failed_segment(&c), -1);
	make_sense(&c, 0x72, 0xa, 0x0d, 0x01);
	ck_assert_int_eq(copyoff_scsi_failed_segment(&c), -1);
	memcpy(c.sense + 7, "\x0c\x01\x0a\0\0\0\0\0\0\0\0\x01\x02", 13);
	c.sense_len = 20;
	ck_assert_int_eq(copyoff_scsi_failed_segment(&c), 0x102);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("scsi");
	TCase *tc = tcase_create("scsi");

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, test_cdbs);
	tcase_add_test(tc, test_extended_copy);
	tcase_add_test(tc, test_populate_token);
	tcase_add_test(tc, test_write_using_token);
	tcase_add_test(tc, test_longest_lists);
	tcase_add_test(tc, test_wipe);
	tcase_add_test(tc, test_received);
	tcase_add_test(tc, test_inquiry);
	tcase_add_test(tc, test_capacity);
	tcase_add_test(tc, test_designator);
	tcase_add_test(tc, test_copy_limits);
	tcase_add_loop_test(tc, test_concurrent, 0, 6);
	tcase_add_test(tc, test_copy_status);
	tcase_add_test(tc, test_third_party);
	tcase_add_test(tc, test_zero_tokens_taken);
	tcase_add_test(tc, test_zero_token);
	tcase_add_test(tc, test_failure);
	tcase_add_test(tc, test_lacks_sense);
	tcase_add_test(tc, test_token_information);
	tcase_add_test(tc, test_progress);
	tcase_add_test(tc, test_units);
	tcase_add_loop_test(tc, test_sense, 0, COUNT(sense_rows));
	tcase_add_test(tc, test_all_sense);
	tcase_add_test(tc, test_no_sense);
	tcase_add_loop_test(tc, test_status, 0, COUNT(status_rows));
	tcase_add_loop_test(tc, test_host, 0, COUNT(host_rows));
	tcase_add_test(tc, test_host_explains);
	tcase_add_test(tc, test_driver);
	tcase_add_loop_test(tc, test_errno, 0, COUNT(errno_rows));
	tcase_add_loop_test(tc, test_forwarded, 0, 8);
	tcase_add_test(tc, test_failed_segment);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
