/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * inquiry.c - what a unit says about itself: INQUIRY, and RECEIVE COPY OPERATING
 * PARAMETERS
 */
#include "target_internal.h"

struct scsi_target_limits unit_limits(const struct unit *unit)
{
	struct scsi_target_limits limits = unit->options.limits;

#define DEFAULT(name, value)                                                                       \
	if (limits.name == 0)                                                                      \
	limits.name = (value)
	DEFAULT(cscds, 8);
	DEFAULT(segments, 16);
	DEFAULT(list_bytes, 32u * limits.cscds + 28u * limits.segments);
	DEFAULT(segment_bytes, 256u << 20);
	DEFAULT(granularity, 9);
	DEFAULT(concurrent, 1);
	DEFAULT(ranges, 16);
	DEFAULT(token_blocks, 65536);
	DEFAULT(optimal_blocks, limits.token_blocks);
	DEFAULT(default_timeout, 60);
	DEFAULT(max_timeout, 600);
#undef DEFAULT
	return limits;
}

/* --- a page, piece by piece ---------------------------------------------------- */

enum { PAGE_BYTES = 1024 };

struct page {
	unsigned char data[PAGE_BYTES];
	size_t len;
};

/* @bytes more of zeroes; they are in the page. */
static unsigned char *more(struct page *page, size_t bytes)
{
	unsigned char *at = page->data + page->len;

	page->len += bytes;
	return at;
}

static void text(unsigned char *to, size_t bytes, const char *from)
{
	size_t n = strlen(from);

	memset(to, ' ', bytes);
	memcpy(to, from, n < bytes ? n : bytes);
}

static const char vendor[] = "COPYOFF", product[] = "TEST TARGET";

/* --- vital product data -------------------------------------------------------- */

static void page_serial(const struct unit *unit, struct page *page)
{
	memcpy(more(page, strlen(unit->name)), unit->name, strlen(unit->name));
}

/*
 * What is of no use to EXTENDED COPY comes first: who takes the first designator
 * fails.
 */
static void page_identification(const struct unit *unit, struct page *page)
{
	enum { BINARY = 1, ASCII = 2, OF_PORT = 0x10, T10 = 1, NAA = 3, RELATIVE_PORT = 4 };
	size_t name_bytes = strlen(unit->name);
	unsigned char *d;

	d = more(page, 4 + 8 + name_bytes);
	d[0] = ASCII;
	d[1] = T10;
	d[3] = (unsigned char)(8 + name_bytes);
	text(d + 4, 8, vendor);
	memcpy(d + 12, unit->name, name_bytes);

	d = more(page, 4 + 4);
	d[0] = BINARY;
	d[1] = OF_PORT | RELATIVE_PORT;
	d[3] = 4;
	d[7] = 1;

	d = more(page, 4 + SCSI_TARGET_DESIGNATOR);
	d[0] = BINARY;
	d[1] = NAA;
	d[3] = SCSI_TARGET_DESIGNATOR;
	memcpy(d + 4, unit->designator, SCSI_TARGET_DESIGNATOR);
}

static unsigned char *third_party_descriptor(struct page *page, unsigned type, size_t bytes)
{
	unsigned char *d = more(page, 4 + bytes);

	put(d, 2, type);
	put(d + 2, 2, bytes);
	return d;
}

static void describe_commands(const struct unit *unit, struct page *page)
{
	bool xcopy = !unit_lacks(unit, SCSI_TARGET_NO_XCOPY);
	bool odx = !unit_lacks(unit, SCSI_TARGET_NO_ODX);
	const struct {
		unsigned char opcode, action;
		bool is_there;
	} actions[] = {
		{ OP_EXTENDED_COPY, SA_EXTENDED_COPY, xcopy },
		{ OP_EXTENDED_COPY, SA_POPULATE_TOKEN, odx },
		{ OP_EXTENDED_COPY, SA_WRITE_USING_TOKEN, odx },
		{ OP_EXTENDED_COPY, SA_COPY_OPERATION_ABORT,
		  odx && !unit_lacks(unit, SCSI_TARGET_NO_ABORT) },
		{ OP_RECEIVE_COPY, SA_COPY_STATUS,
		  xcopy && !unit_lacks(unit, SCSI_TARGET_NO_COPY_STATUS) },
		{ OP_RECEIVE_COPY, SA_OPERATING_PARAMETERS,
		  xcopy && !unit_lacks(unit, SCSI_TARGET_NO_PARAMETERS) },
		{ OP_RECEIVE_COPY, SA_FAILED_SEGMENT_DETAILS,
		  xcopy && !unit_lacks(unit, SCSI_TARGET_NO_FAILED_DETAILS) },
		{ OP_RECEIVE_COPY, SA_COPY_STATUS_LID4, odx },
		{ OP_RECEIVE_COPY, SA_ROD_TOKEN_INFORMATION, odx },
	};
	enum { N = sizeof(actions) / sizeof(actions[0]) };
	unsigned char list[2 * 2 + N];
	unsigned char *d;
	size_t n = 0, head = 0;

	for (size_t i = 0; i < N; i++) {
		if (!actions[i].is_there)
			continue;
		if (n == 0 || list[head] != actions[i].opcode) {
			head = n;
			list[n++] = actions[i].opcode;
			list[n++] = 0;
		}
		list[head + 1]++;
		list[n++] = actions[i].action;
	}
	/* The descriptor is a multiple of four bytes. */
	d = third_party_descriptor(page, 0x0001, (1 + n + 3) / 4 * 4);
	d[4] = (unsigned char)n;
	memcpy(d + 5, list, n);
}

static void describe_token_limits(const struct unit *unit, struct page *page)
{
	struct scsi_target_limits limits = unit_limits(unit);
	unsigned char *d = third_party_descriptor(page, 0x0000, 0x20);

	put(d + 10, 2, limits.ranges);
	put(d + 12, 4, limits.max_timeout);
	put(d + 16, 4, limits.default_timeout);
	put(d + 20, 8, limits.token_blocks);
	put(d + 28, 8, limits.optimal_blocks);
}

static void describe_lists(const struct unit *unit, struct page *page)
{
	struct scsi_target_limits limits = unit_limits(unit);
	unsigned char *d = third_party_descriptor(page, 0x0004, 0x1c);

	put(d + 8, 2, limits.cscds);
	put(d + 10, 2, limits.segments);
	put(d + 12, 4, limits.list_bytes);
}

static void describe_descriptors(struct page *page)
{
	static const unsigned char codes[] = { 0x02, 0xe4 };
	unsigned char *d = third_party_descriptor(page, 0x0008, 4);

	d[4] = sizeof(codes);
	memcpy(d + 5, codes, sizeof(codes));
}

static void describe_rod_features(const struct unit *unit, struct page *page)
{
	struct scsi_target_limits limits = unit_limits(unit);
	uint64_t token_bytes = limits.token_blocks * unit->options.block_size;
	unsigned char *d = third_party_descriptor(page, 0x0106, 0x2c + 0x30);

	/* REMOTE TOKENS: 0 - none, 4 - the tokens of this copy manager */
	d[4] = unit_lacks(unit, SCSI_TARGET_NO_REMOTE_TOKENS) ? 0 : 4;
	put(d + 16, 4, 1);
	put(d + 20, 4, limits.max_timeout);
	put(d + 24, 4, limits.max_timeout);
	put(d + 46, 2, 0x30);
	put(d + 48 + 2, 2, 0x2c);
	put(d + 48 + 6, 2, unit->options.block_size);
	put(d + 48 + 8, 8, token_bytes);
	put(d + 48 + 16, 8, token_bytes);
	put(d + 48 + 24, 8, token_bytes);
	put(d + 48 + 32, 8, token_bytes);
}

static void describe_rod_types(const struct unit *unit, struct page *page)
{
	enum { TOKEN_OUT = 1, TOKEN_IN = 2, ENTRY = 64 };
	static const uint32_t types[] = { ROD_ON_REFERENCE, ROD_POINT_IN_TIME, ROD_VULNERABLE,
					  ROD_ANY_POINT_IN_TIME, ROD_ZERO };
	unsigned n = sizeof(types) / sizeof(types[0]);
	unsigned char *d;

	if (unit_lacks(unit, SCSI_TARGET_NO_ZERO_TOKEN))
		n--;
	d = third_party_descriptor(page, 0x0108, 4 + ENTRY * n);
	put(d + 6, 2, ENTRY * n);
	for (unsigned i = 0; i < n; i++) {
		put(d + 8 + ENTRY * i, 4, types[i]);
		/* Nobody creates the one of zeroes. */
		d[8 + ENTRY * i + 4] = types[i] == ROD_ZERO ? TOKEN_IN : TOKEN_IN | TOKEN_OUT;
	}
}

static void describe_operation(const struct unit *unit, struct page *page)
{
	struct scsi_target_limits limits = unit_limits(unit);
	unsigned char *d = third_party_descriptor(page, 0x8001, 0x20);

	put(d + 4, 4, limits.concurrent);
	put(d + 8, 4, limits.concurrent);
	put(d + 12, 4, limits.segment_bytes);
	d[16] = limits.granularity;
}

static void page_third_party(const struct unit *unit, struct page *page)
{
	bool odx = !unit_lacks(unit, SCSI_TARGET_NO_ODX);

	if (odx)
		describe_token_limits(unit, page);
	describe_commands(unit, page);
	describe_lists(unit, page);
	describe_descriptors(page);
	if (odx) {
		describe_rod_features(unit, page);
		describe_rod_types(unit, page);
	}
	describe_operation(unit, page);
}

/* No limits. */
static void page_block_limits(const struct unit *unit, struct page *page)
{
	(void)unit;
	more(page, 0x3c);
}

/* Fully provisioned. */
static void page_provisioning(const struct unit *unit, struct page *page)
{
	(void)unit;
	more(page, 4);
}

static void page_list(const struct unit *unit, struct page *page);

static const struct {
	unsigned char code;
	void (*fill)(const struct unit *unit, struct page *page);
	unsigned lacks;
} pages[] = {
	{ 0x00, page_list, 0 },
	{ 0x80, page_serial, 0 },
	{ 0x83, page_identification, 0 },
	{ 0x8f, page_third_party, SCSI_TARGET_NO_3PC | SCSI_TARGET_NO_VPD_8F },
	{ 0xb0, page_block_limits, 0 },
	{ 0xb2, page_provisioning, 0 },
};

enum { PAGES = sizeof(pages) / sizeof(pages[0]) };

static void page_list(const struct unit *unit, struct page *page)
{
	for (unsigned i = 0; i < PAGES; i++) {
		if (!unit_lacks(unit, pages[i].lacks))
			*more(page, 1) = pages[i].code;
	}
}

static struct sense vital_product_data(const struct unit *unit, struct scsi_request *request)
{
	struct page page = { .len = 4 };

	page.data[1] = request->cdb[2];
	for (unsigned i = 0; i < PAGES; i++) {
		if (pages[i].code != request->cdb[2] || unit_lacks(unit, pages[i].lacks))
			continue;
		pages[i].fill(unit, &page);
		put(page.data + 2, 2, page.len - 4);
		return reply(request, page.data, page.len, get_length(request->cdb + 3, 2));
	}
	return sense_cdb(0x24, 0x00, 2);
}

struct sense command_inquiry(struct unit *unit, struct scsi_request *request)
{
	enum { EVPD = 1, SPC_4 = 6, FORMAT = 2, HAS_3PC = 0x08, CMDQUE = 0x02 };
	unsigned char data[36] = { 0, 0, SPC_4, FORMAT, sizeof(data) - 5 };

	if (request->cdb[1] & EVPD)
		return vital_product_data(unit, request);
	if (request->cdb[2] != 0)
		return sense_cdb(0x24, 0x00, 2);
	if (!unit_lacks(unit, SCSI_TARGET_NO_3PC))
		data[5] = HAS_3PC;
	data[7] = CMDQUE;
	text(data + 8, 8, vendor);
	text(data + 16, 16, product);
	text(data + 32, 4, "1");
	return reply(request, data, sizeof(data), get_length(request->cdb + 3, 2));
}

/* --- RECEIVE COPY OPERATING PARAMETERS ----------------------------------------- */

struct sense command_operating_parameters(struct unit *unit, struct scsi_request *request)
{
	struct scsi_target_limits limits = unit_limits(unit);
	unsigned char data[46] = { 0 };

	put(data, 4, sizeof(data) - 4);
	data[4] = !unit_lacks(unit, SCSI_TARGET_NO_LIST_ID);
	put(data + 8, 2, limits.cscds);
	put(data + 10, 2, limits.segments);
	put(data + 12, 4, limits.list_bytes);
	put(data + 16, 4, limits.segment_bytes);
	put(data + 34, 2, limits.concurrent);
	data[36] = limits.concurrent;
	data[37] = limits.granularity;
	data[43] = 2;
	data[44] = 0x02;
	data[45] = 0xe4;
	return reply(request, data, sizeof(data), get_length(request->cdb + 10, 4));
}
