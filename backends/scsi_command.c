/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * scsi_command.c - see scsi_command.h
 */
#include "scsi_command.h"

#include <errno.h>
#include <scsi/sg_lib.h>
#include <string.h>

enum {
	SECOND = 1000,
	ASK_TIMEOUT = 30 * SECOND,
	/* For as much as one operation copies, by a slow device that is busy. */
	COPY_TIMEOUT = 120 * SECOND,
};

/* --- big-endian ------------------------------------------------------------------- */

static uint64_t get(const unsigned char *from, size_t bytes)
{
	uint64_t value = 0;

	for (size_t i = 0; i < bytes; i++)
		value = value << 8 | from[i];
	return value;
}

static void put(unsigned char *to, size_t bytes, uint64_t value)
{
	while (bytes-- > 0) {
		to[bytes] = (unsigned char)value;
		value >>= 8;
	}
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* --- commands ------------------------------------------------------------------------ */

static struct copyoff_scsi_command ask(uint8_t opcode, uint8_t cdb_len, unsigned char *data,
				       uint32_t len)
{
	struct copyoff_scsi_command command = {
		.cdb = { opcode },
		.cdb_len = cdb_len,
		.data = data,
		.len = len,
		.timeout = ASK_TIMEOUT,
	};

	/* Some hosts do not say how much of it was transferred. */
	memset(data, 0, len);
	return command;
}

struct copyoff_scsi_command copyoff_scsi_inquiry(unsigned char *data, uint16_t len)
{
	struct copyoff_scsi_command command = ask(0x12, 6, data, len);

	put(command.cdb + 3, 2, len);
	return command;
}

struct copyoff_scsi_command copyoff_scsi_vpd(uint8_t page, unsigned char *data, uint16_t len)
{
	struct copyoff_scsi_command command = copyoff_scsi_inquiry(data, len);

	command.cdb[1] = 1;
	command.cdb[2] = page;
	return command;
}

struct copyoff_scsi_command copyoff_scsi_capacity(unsigned char *data, uint32_t len)
{
	struct copyoff_scsi_command command = ask(0x9e, 16, data, len);

	command.cdb[1] = 0x10;
	put(command.cdb + 10, 4, len);
	return command;
}

struct copyoff_scsi_command copyoff_scsi_copy_in(uint8_t action, uint32_t list_id,
						 unsigned char *data, uint32_t len)
{
	struct copyoff_scsi_command command = ask(COPYOFF_SCSI_COPY_IN, 16, data, len);

	command.cdb[1] = action;
	put(command.cdb + 2, action == COPYOFF_SCSI_TOKEN_INFORMATION ? 4 : 1, list_id);
	put(command.cdb + 10, 4, len);
	return command;
}

struct copyoff_scsi_command copyoff_scsi_copy_out(uint8_t action, uint32_t list_id,
						  unsigned char *list, uint32_t len)
{
	struct copyoff_scsi_command command = {
		.cdb = { COPYOFF_SCSI_COPY_OUT, action },
		.cdb_len = 16,
		.to_device = true,
		.data = list,
		.len = len,
		.timeout = COPY_TIMEOUT,
	};

	if (action == COPYOFF_SCSI_ABORT)
		put(command.cdb + 2, 4, list_id);
	else if (action != COPYOFF_SCSI_EXTENDED_COPY)
		put(command.cdb + 6, 4, list_id);
	if (action != COPYOFF_SCSI_ABORT)
		put(command.cdb + 10, 4, len);
	return command;
}

_Static_assert((int)COPYOFF_SCSI_LIST_MOST <= (int)COPYOFF_SCSI_BUFFER &&
		       (int)COPYOFF_SCSI_ANSWER_MOST <= (int)COPYOFF_SCSI_BUFFER,
	       "there is room");

/* --- parameter lists ------------------------------------------------------------------- */

enum { COPY_HEADER = 16, UNIT = 32, SEGMENT = 28, POPULATE_HEADER = 16, WRITE_HEADER = 536 };

/* A CSCD descriptor. */
static void encode_unit(unsigned char *to, const struct copyoff_scsi_designator *unit,
			uint32_t block)
{
	to[0] = 0xe4; /* identification descriptor; association 0: logical unit */
	to[4] = unit->code_set;
	to[5] = unit->type;
	to[7] = unit->len;
	memcpy(to + 8, unit->bytes, unit->len);
	put(to + 29, 3, block);
}

static void encode_segment(unsigned char *to, const struct copyoff_scsi_range *range)
{
	to[0] = 0x02; /* block device to block device, from unit 0 to unit 1 */
	put(to + 2, 2, SEGMENT - 4);
	put(to + 6, 2, 1);
	put(to + 10, 2, range->blocks);
	put(to + 12, 8, range->src);
	put(to + 20, 8, range->dst);
}

uint32_t copyoff_scsi_encode_copy(unsigned char *to, uint8_t list_id,
				  const struct copyoff_scsi_designator unit[2], uint32_t block,
				  const struct copyoff_scsi_range *ranges, size_t n)
{
	const size_t len = COPY_HEADER + 2 * UNIT + n * SEGMENT;

	memset(to, 0, len);
	to[0] = list_id; /* in use, and asked about if the copy fails */
	put(to + 2, 2, 2 * UNIT);
	put(to + 8, 4, n * SEGMENT);
	encode_unit(to + COPY_HEADER, &unit[0], block);
	encode_unit(to + COPY_HEADER + UNIT, &unit[1], block);
	for (size_t i = 0; i < n; i++)
		encode_segment(to + COPY_HEADER + 2 * UNIT + i * SEGMENT, &ranges[i]);
	return (uint32_t)len;
}

static void encode_range(unsigned char *to, uint64_t lba, uint32_t blocks)
{
	put(to, 8, lba);
	put(to + 8, 4, blocks);
	put(to + 12, 4, 0);
}

uint32_t copyoff_scsi_encode_populate(unsigned char *to, const struct copyoff_scsi_range *ranges,
				      size_t n)
{
	const size_t len = POPULATE_HEADER + n * 16;

	memset(to, 0, POPULATE_HEADER);
	put(to, 2, len - 2);
	to[2] = 0x01; /* IMMED */
	put(to + 14, 2, n * 16);
	for (size_t i = 0; i < n; i++)
		encode_range(to + POPULATE_HEADER + i * 16, ranges[i].src, ranges[i].blocks);
	return (uint32_t)len;
}

uint32_t copyoff_scsi_encode_write(unsigned char *to, const unsigned char *token, uint64_t offset,
				   const struct copyoff_scsi_range *ranges, size_t n)
{
	const size_t len = WRITE_HEADER + n * 16;

	memset(to, 0, WRITE_HEADER);
	put(to, 2, len - 2);
	to[2] = 0x01; /* IMMED; the token can be used again */
	put(to + 8, 8, offset);
	memcpy(to + 16, token, COPYOFF_SCSI_TOKEN_BYTES);
	put(to + 534, 2, n * 16);
	for (size_t i = 0; i < n; i++)
		encode_range(to + WRITE_HEADER + i * 16, ranges[i].dst, ranges[i].blocks);
	return (uint32_t)len;
}

enum { ROD_ZERO = 0xffff0001 }; /* type of a token: block device zero */

void copyoff_scsi_zero_token(unsigned char to[COPYOFF_SCSI_TOKEN_BYTES])
{
	memset(to, 0, COPYOFF_SCSI_TOKEN_BYTES);
	put(to, 4, ROD_ZERO);
	put(to + 6, 2, COPYOFF_SCSI_TOKEN_BYTES - 8);
}

/* What is written through it cannot be left out by the compiler. */
void copyoff_scsi_wipe(void *p, size_t len)
{
	volatile unsigned char *byte = p;

	while (len-- > 0)
		*byte++ = 0;
}

/* --- answers ----------------------------------------------------------------------------- */

size_t copyoff_scsi_received(const struct copyoff_scsi_command *command)
{
	return command->len - least(command->residue, command->len);
}

bool copyoff_scsi_parse_inquiry(const unsigned char *data, size_t n, bool *is_disk, bool *copies)
{
	enum { SHORTEST = 36, THIRD_PARTY_COPY = 8 };

	if (n < SHORTEST || data[4] < SHORTEST - 5)
		return false;
	*is_disk = data[0] == 0; /* and connected */
	*copies = data[5] & THIRD_PARTY_COPY;
	return true;
}

bool copyoff_scsi_parse_capacity(const unsigned char *data, size_t n,
				 struct copyoff_scsi_capacity *capacity)
{
	enum { PROTECTED = 1 };
	uint64_t last = n < 13 ? UINT64_MAX : get(data, 8);

	if (last == UINT64_MAX)
		return false;
	*capacity = (struct copyoff_scsi_capacity){
		.blocks = last + 1,
		.block = (uint32_t)get(data + 8, 4),
		.protection = data[12] & PROTECTED,
	};
	return capacity->block > 0;
}

/* The smaller the better; 0: of no use.  Some targets know only the first one. */
static unsigned rank(const unsigned char *descriptor, size_t len)
{
	const unsigned char *name = descriptor + 4;
	enum { BINARY = 1, LOGICAL_UNIT = 0, EUI64 = 2, NAA = 3 };

	if ((descriptor[0] & 0xf) != BINARY || (descriptor[1] >> 4 & 3) != LOGICAL_UNIT)
		return 0;
	if ((descriptor[1] & 0xf) == NAA && len == 16 && name[0] >> 4 == 6)
		return 1;
	if ((descriptor[1] & 0xf) == NAA && (len == 8 || len == 16))
		return 2;
	if ((descriptor[1] & 0xf) == EUI64 && (len == 8 || len == 12 || len == 16))
		return 3;
	return 0;
}

bool copyoff_scsi_parse_designator(const unsigned char *data, size_t n,
				   struct copyoff_scsi_designator *designator)
{
	unsigned best = 0;

	if (n < 4 || data[1] != COPYOFF_SCSI_VPD_IDENTIFICATION)
		return false;
	n = least(n, 4 + (size_t)get(data + 2, 2));
	for (size_t at = 4; at + 4 <= n && at + 4 + data[at + 3] <= n; at += 4u + data[at + 3]) {
		const unsigned char *descriptor = data + at;
		unsigned is = rank(descriptor, descriptor[3]);

		if (is == 0 || (best && best <= is))
			continue;
		best = is;
		*designator = (struct copyoff_scsi_designator){
			.code_set = descriptor[0] & 0xf,
			.type = descriptor[1] & 0xf,
			.len = descriptor[3],
		};
		memcpy(designator->bytes, descriptor + 4, descriptor[3]);
	}
	return best > 0;
}

/* Those with a list identifier, and all of them, which older devices do not tell. */
static unsigned concurrent_copies(const unsigned char *data)
{
	const unsigned total = (unsigned)get(data + 34, 2), with_id = data[36];
	const unsigned most = total && total < with_id ? total : with_id;

	return most ? most : 1;
}

bool copyoff_scsi_parse_copy_limits(const unsigned char *data, size_t n,
				    struct copyoff_scsi_copy_limits *limits)
{
	enum { SHORTEST = 40 };

	if (n < SHORTEST || get(data, 4) < SHORTEST - 4)
		return false;
	*limits = (struct copyoff_scsi_copy_limits){
		.units = (uint32_t)get(data + 8, 2),
		.segments = (uint32_t)get(data + 10, 2),
		.list_bytes = (uint32_t)get(data + 12, 4),
		.segment_bytes = (uint32_t)get(data + 16, 4),
		.granularity = data[37],
		.concurrent = concurrent_copies(data),
	};
	return true;
}

int copyoff_scsi_parse_copy_status(const unsigned char *data, size_t n)
{
	enum { SHORTEST = 12, WITH_ERRORS = 2 };

	if (n < SHORTEST || get(data, 4) < SHORTEST - 4 || (data[4] & 0x7f) != WITH_ERRORS)
		return -1;
	return (int)get(data + 5, 2);
}

bool copyoff_scsi_parse_failure(const unsigned char *data, size_t n,
				struct copyoff_scsi_failure *failure)
{
	enum { SENSE = 60 };

	/* Without a failure, nothing is available. */
	if (n < SENSE || get(data, 4) < SENSE - 4)
		return false;
	n = least(n, 4 + (size_t)get(data, 4));
	*failure = (struct copyoff_scsi_failure){
		.status = data[56],
		.sense = data + SENSE,
		.sense_len = least(n - SENSE, (size_t)get(data + 58, 2)),
	};
	return true;
}

/* A list of opcodes, and of service actions of each. */
static void parse_commands(const unsigned char *list, size_t n,
			   struct copyoff_scsi_third_party *page)
{
	for (size_t at = 0; at + 2 <= n && at + 2 + list[at + 1] <= n; at += 2u + list[at + 1]) {
		for (size_t i = 0; i < list[at + 1]; i++) {
			unsigned command = (unsigned)list[at] << 8 | list[at + 2 + i];

			page->populates |= command == 0x8310;
			page->writes |= command == 0x8311;
			page->aborts |= command == 0x831c;
			page->informs |= command == 0x8407;
		}
	}
}

/* Types of tokens that there are, each with what is special about it. */
static bool takes_zeroes(const unsigned char *list, size_t n)
{
	enum { ENTRY = 64, TOKEN_IN = 2 };

	for (size_t at = 0; at + ENTRY <= n; at += ENTRY) {
		if (get(list + at, 4) == ROD_ZERO)
			return list[at + 4] & TOKEN_IN;
	}
	return false;
}

static void parse_third_party_descriptor(const unsigned char *descriptor, size_t len,
					 struct copyoff_scsi_third_party *page)
{
	enum { BLOCK_ROD_LIMITS = 0, COMMANDS = 1, ROD_TYPES = 0x108 };

	switch (get(descriptor, 2)) {
	case BLOCK_ROD_LIMITS:
		if (len < 36)
			return;
		page->limited = true;
		page->ranges = (uint16_t)get(descriptor + 10, 2);
		page->blocks = get(descriptor + 20, 8);
		return;
	case COMMANDS:
		if (len > 5)
			parse_commands(descriptor + 5, least(len - 5, descriptor[4]), page);
		return;
	case ROD_TYPES:
		if (len > 8)
			page->zeroes = takes_zeroes(descriptor + 8,
						    least(len - 8, (size_t)get(descriptor + 6, 2)));
		return;
	}
}

bool copyoff_scsi_parse_third_party(const unsigned char *data, size_t n,
				    struct copyoff_scsi_third_party *page)
{
	*page = (struct copyoff_scsi_third_party){ 0 };
	if (n < 4 || data[1] != COPYOFF_SCSI_VPD_THIRD_PARTY)
		return false;
	n = least(n, 4 + (size_t)get(data + 2, 2));
	for (size_t at = 4; at + 4 <= n;) {
		size_t len = 4 + (size_t)get(data + at + 2, 2);

		if (len > n - at)
			break;
		parse_third_party_descriptor(data + at, len, page);
		at += len;
	}
	return true;
}

static enum copyoff_scsi_progress progress_of(uint8_t status)
{
	switch (status) {
	case 0x01:
	case 0x03: /* done, and the token was not used up */
	case 0x04: /* done, with a residue */
		return COPYOFF_SCSI_DONE;
	case 0x02:
	case 0x60: /* terminated */
		return COPYOFF_SCSI_FAILED;
	case 0x10:
	case 0x11:
	case 0x12:
		return COPYOFF_SCSI_RUNNING;
	default:
		return COPYOFF_SCSI_STRANGE;
	}
}

/* @count in @units, in blocks; 0 where it makes no sense. */
static uint64_t blocks_of(uint64_t count, uint8_t units, uint32_t block)
{
	enum { BLOCKS = 0xf1, EXBI = 6 };

	if (units == BLOCKS)
		return count;
	if (units > EXBI || count > UINT64_MAX >> 10 * units)
		return 0;
	return (count << 10 * units) / block;
}

/* Behind the sense data; they have the token in it, if there is one. */
static const unsigned char *find_token(const unsigned char *data, size_t n, size_t at)
{
	enum { DESCRIPTOR = 2 + COPYOFF_SCSI_TOKEN_BYTES };

	if (at > n || n - at < 4 + DESCRIPTOR || get(data + at, 4) < DESCRIPTOR)
		return NULL;
	return data + at + 4 + 2;
}

bool copyoff_scsi_parse_token_information(const unsigned char *data, size_t n, uint32_t block,
					  struct copyoff_scsi_token_information *info)
{
	enum { SHORTEST = 32, UNKNOWN_DELAY = 0xfffffffe, NO_RESIDUE = 0x01 };
	uint64_t delay;

	if (n < SHORTEST || get(data, 4) < SHORTEST - 4)
		return false;
	n = least(n, 4 + (size_t)get(data, 4));
	delay = get(data + 8, 4);
	*info = (struct copyoff_scsi_token_information){
		.action = data[4] & 0x1f,
		.progress = progress_of(data[5] & 0x7f),
		.all = (data[5] & 0x7f) == NO_RESIDUE,
		.delay = delay >= UNKNOWN_DELAY ? 0 : (uint32_t)delay,
		.blocks = blocks_of(get(data + 16, 8), data[15], block),
		.status = data[12],
		.sense = data + SHORTEST,
		.sense_len = least(data[14], least(data[13], n - SHORTEST)),
		.token = find_token(data, n, SHORTEST + (size_t)data[13]),
	};
	return true;
}

/* --- what went wrong ------------------------------------------------------------------------ */

#define VERDICT(action, reason, error, text)                                                       \
	{                                                                                          \
		COPYOFF_SCSI_##action, COPYOFF_REASON_##reason, error, text, 0                     \
	}
#define UNSUPPORTED(text)   VERDICT(DECLINE, UNSUPPORTED, EOPNOTSUPP, text)
#define FAILED(error, text) VERDICT(DECLINE, RESOURCE, error, text)
#define RETRY(error, text)  VERDICT(RETRY, RESOURCE, error, text)
#define WAIT(error, text)   VERDICT(WAIT, RESOURCE, error, text)
#define FINAL(error, text)  VERDICT(FINAL, NONE, error, text)

enum { ANY = -1 };

/*
 * Sense key, additional sense code and its qualifier; the first that fits.  Where
 * reads and writes may do better, they are to try, and to find the byte and the
 * errno; only what they would not change is final.
 */
static const struct sense_row {
	int8_t key;
	int16_t asc, ascq;
	struct copyoff_scsi_verdict verdict;
} sense_rows[] = {
	{ 0x0, ANY, ANY, FAILED(EIO, "the device says that there is something, but not what") },
	{ 0x1, ANY, ANY, VERDICT(GOOD, NONE, 0, "recovered error") },

	{ 0x2, 0x04, 0x01, WAIT(EBUSY, "the device is becoming ready") },
	{ 0x2, 0x04, 0x0a, WAIT(EBUSY, "the path to the device is changing") },
	{ 0x2, 0x04, 0x14, WAIT(EBUSY, "the device is allocating space") },
	{ 0x2, 0x08, ANY,
	  FAILED(EIO, "the device that copies does not get through to the other "
		      "one, or their blocks are of different size") },
	{ 0x2, 0x3a, ANY, FAILED(ENXIO, "the device has no medium") },
	{ 0x2, ANY, ANY, FAILED(EIO, "the device is not ready") },

	{ 0x3, ANY, ANY, FAILED(EIO, "medium error") },
	{ 0x4, ANY, ANY, FAILED(EIO, "hardware error") },

	{ 0x5, 0x00, 0x16,
	  VERDICT(LIST_ID, RESOURCE, EBUSY, "others are using the list identifier") },
	{ 0x5, 0x1a, 0x00,
	  VERDICT(LESS, UNSUPPORTED, EOPNOTSUPP, "the length of the list is refused") },
	{ 0x5, 0x20, ANY, UNSUPPORTED("the device does not know the command") },
	{ 0x5, 0x21, ANY, FAILED(EINVAL, "a range is beyond the end of the device") },
	{ 0x5, 0x23, 0x04,
	  VERDICT(TOKEN, RESOURCE, ESTALE, "the device does not know the token any more") },
	{ 0x5, 0x23, 0x05, VERDICT(TOKEN, RESOURCE, ESTALE, "the token is corrupt") },
	{ 0x5, 0x23, 0x06, VERDICT(TOKEN, RESOURCE, ESTALE, "the token was revoked") },
	{ 0x5, 0x23, 0x07, VERDICT(TOKEN, RESOURCE, ESTALE, "the token has expired") },
	{ 0x5, 0x23, 0x08, VERDICT(TOKEN, RESOURCE, ESTALE, "the token was canceled") },
	{ 0x5, 0x23, 0x09, VERDICT(TOKEN, RESOURCE, ESTALE, "the token was deleted") },
	{ 0x5, 0x23, ANY,
	  VERDICT(DECLINE, CROSS_DEVICE, EXDEV,
		  "the destination does not take tokens of the source") },
	{ 0x5, 0x24, ANY,
	  UNSUPPORTED("the device does not take this command: invalid field in the CDB") },
	{ 0x5, 0x26, 0x00,
	  VERDICT(LIST_ID, UNSUPPORTED, EOPNOTSUPP,
		  "the device does not take this list: invalid field") },
	{ 0x5, 0x26, 0x06, UNSUPPORTED("the device does not take two units in a list") },
	{ 0x5, 0x26, 0x07,
	  UNSUPPORTED("the device does not take names of units as they are in its own page") },
	{ 0x5, 0x26, 0x08,
	  VERDICT(LESS, UNSUPPORTED, EOPNOTSUPP, "too many segments in one command") },
	{ 0x5, 0x26, 0x09, UNSUPPORTED("the device has no copies from blocks to blocks") },
	{ 0x5, 0x26, 0x0d,
	  VERDICT(DECLINE, ALIGNMENT, EINVAL, "the length does not fit what the device copies") },
	{ 0x5, 0x26, 0x15,
	  VERDICT(DECLINE, PERMISSION, EACCES,
		  "the device does not allow copies between the two") },
	{ 0x5, 0x26, 0x16, UNSUPPORTED("the device cannot copy these fast") },
	{ 0x5, 0x55, ANY, WAIT(EBUSY, "the device has no resources for a copy") },
	{ 0x5, ANY, ANY, UNSUPPORTED("the device does not take this command") },

	{ 0x6, ANY, ANY, RETRY(EIO, "the device has been reset or changed, again and again") },

	{ 0x7, 0x27, 0x07, FINAL(ENOSPC, "the device has no space left") },
	{ 0x7, 0x27, ANY, FINAL(EROFS, "the device is write protected") },
	{ 0x7, ANY, ANY, FAILED(EACCES, "the device denies access") },

	{ 0xa, 0x08, 0x04, FAILED(EIO, "the device that copies does not reach the other one") },
	{ 0xa, 0x0d, 0x01, FAILED(EIO, "the copy was aborted: a device failed") },
	{ 0xa, 0x0d, 0x02,
	  FAILED(EIO, "the copy was aborted: the device that copies does not reach "
		      "the other one, or one of them failed") },
	{ 0xa, 0x0d, 0x03, UNSUPPORTED("the device does not copy to devices of this type") },
	{ 0xa, 0x26, 0x08,
	  VERDICT(LESS, UNSUPPORTED, EOPNOTSUPP, "too many segments in one command") },
	{ 0xa, 0x26, ANY, UNSUPPORTED("the device does not take this list") },
	{ 0xa, ANY, ANY, FAILED(EIO, "the copy was aborted") },

	{ 0xb, ANY, ANY, RETRY(EIO, "the command was aborted") },
	{ 0xd, ANY, ANY, FINAL(ENOSPC, "the device is full") },
	{ ANY, ANY, ANY, FAILED(EIO, "the command failed, and the device did not say why") },
};

static const struct copyoff_scsi_verdict good = VERDICT(GOOD, NONE, 0, "");
/* Nobody else will be told that something was not written. */
static const struct copyoff_scsi_verdict deferred =
	VERDICT(DEFERRED, NONE, EIO, "the device reports that an earlier command failed");
/* The command itself was not carried out. */
static const struct copyoff_scsi_verdict recovered_before =
	RETRY(EIO, "the device reports errors of earlier commands, again and again");
static const struct copyoff_scsi_verdict unknown =
	FAILED(EIO, "the command failed, and the device did not say why");

static struct copyoff_scsi_verdict sense_verdict(const unsigned char *sense, size_t len)
{
	struct sg_scsi_sense_hdr header;
	size_t i = 0;

	if (!sg_scsi_normalize_sense(sense, (int)len, &header))
		return unknown;
	if (header.response_code & 1)
		return header.sense_key > SPC_SK_RECOVERED_ERROR ? deferred : recovered_before;
	while ((sense_rows[i].key != ANY && sense_rows[i].key != header.sense_key) ||
	       (sense_rows[i].asc != ANY && sense_rows[i].asc != header.asc) ||
	       (sense_rows[i].ascq != ANY && sense_rows[i].ascq != header.ascq))
		i++;
	return sense_rows[i].verdict;
}

static const struct code_row {
	uint16_t code;
	struct copyoff_scsi_verdict verdict;
} status_rows[] = {
	{ SAM_STAT_BUSY, WAIT(EBUSY, "the device is busy") },
	{ SAM_STAT_RESERVATION_CONFLICT, FINAL(EACCES, "another host has reserved the device") },
	{ SAM_STAT_TASK_SET_FULL, WAIT(EBUSY, "the device takes no more commands") },
	{ SAM_STAT_TASK_ABORTED, RETRY(EIO, "another host aborted the command") },
};

/* DID_*: the device gave no answer, and whatever it did, nothing of it counts. */
static const struct code_row host_rows[] = {
	{ 0x01, FAILED(ENODEV, "the device is gone") },
	{ 0x02, WAIT(EIO, "the bus is busy") },
	{ 0x03, FAILED(ETIMEDOUT, "the command took too long") },
	{ 0x04, FAILED(ENODEV, "the device is gone") },
	{ 0x05, FAILED(EIO, "the host aborted the command") },
	{ 0x06, FAILED(EIO, "parity error on the way") },
	{ 0x07, FAILED(EIO, "internal error of the host adapter") },
	{ 0x08, RETRY(EIO, "the bus was reset") },
	{ 0x0b, WAIT(EIO, "the host adapter failed for the moment") },
	{ 0x0c, RETRY(EIO, "the host adapter wants the command again") },
	{ 0x0d, RETRY(EIO, "the host adapter wants the command again") },
	{ 0x0e, WAIT(EIO, "the path to the device is disrupted") },
	{ 0x0f, FAILED(EIO, "the path to the device is lost") },
	{ 0x14, WAIT(EIO, "the path to the device is marginal") },
};
static const struct copyoff_scsi_verdict host_failed =
	FAILED(EIO, "the command failed on its way to the device");

static const struct copyoff_scsi_verdict *find_code(const struct code_row *rows, size_t n,
						    unsigned code)
{
	for (size_t i = 0; i < n; i++) {
		if (rows[i].code == code)
			return &rows[i].verdict;
	}
	return NULL;
}

#define FIND(rows, code) find_code(rows, sizeof(rows) / sizeof((rows)[0]), code)

/* Without what other devices said. */
static struct copyoff_scsi_verdict own_verdict(uint8_t status, const unsigned char *sense,
					       size_t len)
{
	const struct copyoff_scsi_verdict *found;

	if (status == SAM_STAT_GOOD)
		return good;
	if (status == SAM_STAT_CHECK_CONDITION)
		return sense_verdict(sense, len);
	found = FIND(status_rows, status);
	return found ? *found : unknown;
}

/*
 * A device that copies forwards what another one answered to it: its status, and
 * behind it the sense data.
 */
static struct copyoff_scsi_verdict forwarded(const unsigned char *sense, size_t len, size_t at)
{
	if (at < 8 || at >= len)
		return good;
	return own_verdict(sense[at], sense + at + 1, len - at - 1);
}

struct copyoff_scsi_verdict copyoff_scsi_judge_sense(uint8_t status, const unsigned char *sense,
						     size_t len)
{
	enum { FIXED = 0x70, SOURCE_AT = 8, DESTINATION_AT = 9, FORWARDED = 0x0c };
	struct copyoff_scsi_verdict own = own_verdict(status, sense, len),
				    others[2] = { good, good };
	const unsigned char *descriptor;

	if (status != SAM_STAT_CHECK_CONDITION || len < 12 ||
	    sg_get_sense_key(sense, (int)len) != SPC_SK_COPY_ABORTED)
		return own;
	descriptor = sg_scsi_sense_desc_find(sense, (int)len, FORWARDED);
	if ((sense[0] & 0x7f) == FIXED) {
		others[0] = forwarded(sense, len, sense[SOURCE_AT]);
		others[1] = forwarded(sense, len, sense[DESTINATION_AT]);
	} else if (descriptor) {
		others[0] = forwarded(sense, len, (size_t)(descriptor - sense) + 3);
	}
	for (size_t i = 0; i < 2; i++) {
		if (others[i].action == COPYOFF_SCSI_DEFERRED)
			return others[i];
	}
	for (size_t i = 0; i < 2; i++) {
		if (others[i].action == COPYOFF_SCSI_FINAL)
			return others[i];
	}
	return own;
}

/* Never sent. */
static struct copyoff_scsi_verdict errno_verdict(int err)
{
	struct copyoff_scsi_verdict verdict = FAILED(err, "the command could not be sent");

	verdict.outcome = COPYOFF_SCSI_NOT_SENT;
	if (err == EPERM || err == EACCES) {
		verdict.reason = COPYOFF_REASON_PERMISSION;
		verdict.text = "this process may not send copy commands to the device";
	} else if (err == ENOTTY || err == ENOSYS || err == EINVAL || err == EOPNOTSUPP) {
		verdict.reason = COPYOFF_REASON_UNSUPPORTED;
		verdict.text = "the kernel does not pass commands to this device";
	} else if (err == EINTR || err == EAGAIN) {
		/* It was no signal, and a loop on EINTR is to end. */
		verdict.error = EIO;
	}
	return verdict;
}

/* Does the host say that there is no answer of the device? */
static const struct copyoff_scsi_verdict *find_host(const struct copyoff_scsi_command *command)
{
	/* DID_TARGET_FAILURE and its like explain a status, and are no failure of the host. */
	enum { EXPLAINS = 0x10, EXPLAINS_LAST = 0x13, DRIVER_CODE = 0x0f, DRIVER_SENSE = 8 };
	const unsigned host = command->host, driver = command->driver & DRIVER_CODE;
	const struct copyoff_scsi_verdict *found = FIND(host_rows, host);
	bool no_status = command->status == SAM_STAT_GOOD;

	if (found)
		return found;
	if (host && (host < EXPLAINS || host > EXPLAINS_LAST || no_status))
		return &host_failed;
	return driver && driver != DRIVER_SENSE && no_status ? &host_failed : NULL;
}

struct copyoff_scsi_verdict copyoff_scsi_judge(int ret, const struct copyoff_scsi_command *command)
{
	const struct copyoff_scsi_verdict *host;
	struct copyoff_scsi_verdict verdict;

	if (ret < 0)
		return errno_verdict(-ret);
	host = find_host(command);
	if (!host)
		return copyoff_scsi_judge_sense(command->status, command->sense,
						command->sense_len);
	verdict = *host;
	verdict.outcome = COPYOFF_SCSI_IN_DOUBT;
	return verdict;
}

bool copyoff_scsi_lacks_sense(const struct copyoff_scsi_command *command)
{
	struct sg_scsi_sense_hdr header;

	return !find_host(command) && command->status == SAM_STAT_CHECK_CONDITION &&
	       !sg_scsi_normalize_sense(command->sense, command->sense_len, &header);
}

int copyoff_scsi_failed_segment(const struct copyoff_scsi_command *command)
{
	const int len = command->sense_len;
	uint64_t segment;

	if (command->status != SAM_STAT_CHECK_CONDITION || command->host ||
	    sg_get_sense_key(command->sense, len) != SPC_SK_COPY_ABORTED ||
	    !sg_get_sense_cmd_spec_fld(command->sense, len, &segment))
		return -1;
	return (int)(segment & 0xffff);
}
