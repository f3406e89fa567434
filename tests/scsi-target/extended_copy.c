/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * extended_copy.c - EXTENDED COPY(LID1), and what is asked about it
 */
#include "target_internal.h"

enum { HEAD_BYTES = 16, CSCD_BYTES = 32, SEGMENT_BYTES = 28, BLOCK_TO_BLOCK = 0x02 };

/* --- the parameter list -------------------------------------------------------- */

struct list {
	const unsigned char *cscds, *segments;
	unsigned n_cscds;
	unsigned n_segments;
	uint32_t id;
	bool has_id, held_discarded;
};

static struct sense parse_head(const struct unit *unit, const unsigned char *list, size_t len,
			       struct list *parsed)
{
	enum { USAGE_HOLD = 0, USAGE_DISCARD = 2, USAGE_NONE = 3 };
	struct scsi_target_limits limits = unit_limits(unit);
	size_t cscd_len, segment_len, inline_len;
	unsigned usage;

	if (len < HEAD_BYTES)
		return sense_cdb(0x1a, 0x00, 10);
	cscd_len = get_length(list + 2, 2);
	segment_len = get_length(list + 8, 4);
	inline_len = get_length(list + 12, 4);
	usage = list[1] >> 3 & 3;
	if (usage != USAGE_HOLD && usage != USAGE_DISCARD &&
	    (usage != USAGE_NONE || list[0] != 0 || unit_lacks(unit, SCSI_TARGET_NO_LIST_ID)))
		return sense_list(0x26, 0x00, 1);
	if (cscd_len % CSCD_BYTES != 0)
		return sense_list(0x26, 0x00, 2);
	if ((uint64_t)cscd_len + segment_len > limits.list_bytes || inline_len > 0 ||
	    (uint64_t)cscd_len + segment_len > len - HEAD_BYTES)
		return sense_cdb(0x1a, 0x00, 10);
	if (cscd_len / CSCD_BYTES > limits.cscds)
		return sense_list(0x26, 0x06, 2);
	*parsed = (struct list){
		.cscds = list + HEAD_BYTES,
		.segments = list + HEAD_BYTES + cscd_len,
		.n_cscds = (unsigned)(cscd_len / CSCD_BYTES),
		.id = list[0],
		.has_id = usage != USAGE_NONE,
		.held_discarded = usage == USAGE_DISCARD,
	};
	return sense_good;
}

static struct sense check_cscds(const struct list *list)
{
	enum { IDENTIFICATION = 0xe4, PDT = 0x1f };

	for (unsigned i = 0; i < list->n_cscds; i++) {
		const unsigned char *cscd = list->cscds + (size_t)i * CSCD_BYTES;
		unsigned at = HEAD_BYTES + i * CSCD_BYTES;

		if (cscd[0] != IDENTIFICATION)
			return sense_list(0x26, 0x07, at);
		/* LU ID TYPE and NUL, which are obsolete, are ignored. */
		if ((cscd[1] & PDT) != 0)
			return sense_list(0x26, 0x00, at + 1);
	}
	return sense_good;
}

static struct sense check_segments(const struct unit *unit, size_t len, struct list *list)
{
	struct scsi_target_limits limits = unit_limits(unit);
	unsigned at = HEAD_BYTES + list->n_cscds * CSCD_BYTES;
	const unsigned char *segment = list->segments;

	for (; len > 0; len -= SEGMENT_BYTES, segment += SEGMENT_BYTES, at += SEGMENT_BYTES) {
		if (list->n_segments == limits.segments)
			return sense_list(0x26, 0x08, 8);
		if (segment[0] != BLOCK_TO_BLOCK)
			return sense_list(0x26, 0x09, at);
		if (len < SEGMENT_BYTES)
			return sense_cdb(0x1a, 0x00, 10);
		if (get(segment + 2, 2) != SEGMENT_BYTES - 4)
			return sense_list(0x26, 0x00, at + 2);
		list->n_segments++;
	}
	return sense_good;
}

/* --- the copy ------------------------------------------------------------------ */

/* FFFF: the unit that has got the command.  NULL: there is none. */
static struct unit *find_party(struct unit *unit, const struct list *list, unsigned index)
{
	enum { BINARY = 1, OF_UNIT_NAA = 0x03 };
	struct scsi_target *target = unit->target;
	const unsigned char *cscd;

	if (index == 0xffff)
		return unit;
	if (index >= list->n_cscds)
		return NULL;
	cscd = list->cscds + (size_t)index * CSCD_BYTES;
	if ((cscd[4] & 0xf) != BINARY || (cscd[5] & 0x3f) != OF_UNIT_NAA ||
	    cscd[7] != SCSI_TARGET_DESIGNATOR)
		return NULL;
	for (unsigned i = 0; i < target->n; i++) {
		if (memcmp(cscd + 8, target->units[i].designator, SCSI_TARGET_DESIGNATOR) == 0 &&
		    !unit_lacks(&target->units[i], SCSI_TARGET_NO_3PC))
			return &target->units[i];
	}
	return NULL;
}

/* Copy aborted, in this segment; @field: where in its descriptor. */
static struct sense aborted(unsigned asc, unsigned ascq, unsigned segment, unsigned field)
{
	struct sense sense = sense_of(KEY_COPY_ABORTED, asc, ascq);

	sense.has_segment = true;
	sense.segment = (uint16_t)segment;
	sense.has_field = FIELD_SEGMENT;
	sense.field = (uint16_t)field;
	return sense;
}

/* What the party said of it, and the blocks that are left. */
static struct sense party_failed(const struct sense *of_party, enum party party, unsigned segment,
				 uint64_t left)
{
	enum { LBA_OUT_OF_RANGE = 0x21, FAILURE = 0x01, NOT_REACHABLE = 0x02 };
	unsigned ascq = of_party->asc == LBA_OUT_OF_RANGE ? NOT_REACHABLE : FAILURE;
	struct sense sense = aborted(0x0d, ascq, segment, party == PARTY_SOURCE ? 12 : 20);

	sense.has_information = true;
	sense.information = left;
	sense.party = party;
	sense.party_key = of_party->key;
	sense.party_asc = of_party->asc;
	sense.party_ascq = of_party->ascq;
	sense.party_lba = of_party->information;
	return sense;
}

static struct sense copy_segment(struct unit *unit, const struct list *list, unsigned index,
				 uint64_t *bytes)
{
	enum { DC = 0x02 };
	const unsigned char *segment = list->segments + (size_t)index * SEGMENT_BYTES;
	struct unit *from = find_party(unit, list, (unsigned)get(segment + 4, 2));
	struct unit *to = find_party(unit, list, (unsigned)get(segment + 6, 2));
	uint64_t from_lba = get(segment + 12, 8), to_lba = get(segment + 20, 8);
	uint32_t size;
	uint64_t n;
	struct sense sense = sense_good;
	enum party party;

	*bytes = 0;
	if (!from || !to)
		return aborted(0x0d, 0x02, index, from ? 6 : 4);
	size = segment[1] & DC ? to->options.block_size : from->options.block_size;
	n = get(segment + 10, 2) * size;
	if (n > unit_limits(unit).segment_bytes)
		return aborted(0x26, 0x00, index, 10);
	/* What is left over would have to be kept for the next segment. */
	if (n % from->options.block_size != 0 || n % to->options.block_size != 0)
		return aborted(0x26, 0x0a, index, 10);
	if (!unit_has(from, from_lba, n / from->options.block_size)) {
		sense = sense_lba(KEY_ILLEGAL_REQUEST, 0x21, 0x00, from_lba);
		return party_failed(&sense, PARTY_SOURCE, index, n / size);
	}
	if (!unit_has(to, to_lba, n / to->options.block_size)) {
		sense = sense_lba(KEY_ILLEGAL_REQUEST, 0x21, 0x00, to_lba);
		return party_failed(&sense, PARTY_DESTINATION, index, n / size);
	}
	*bytes = unit_copy(from, from_lba * from->options.block_size, to,
			   to_lba * to->options.block_size, n, &sense, &party);
	if (*bytes == n)
		return sense_good;
	if (party == PARTY_NONE)
		return sense;
	return party_failed(&sense, party, index, (n - *bytes) / size);
}

struct sense command_extended_copy(struct unit *unit, struct scsi_request *request)
{
	struct operation known = { .action = SA_EXTENDED_COPY }, *operation = NULL;
	size_t len = get_length(request->cdb + 10, 4);
	struct sense sense;
	struct list list;
	uint64_t bytes, total = 0;
	unsigned done;

	if (len == 0)
		return sense_good;
	if (len > request->out_len)
		return sense_cdb(0x1a, 0x00, 10);
	sense = parse_head(unit, request->out, len, &list);
	if (sense.status == STATUS_GOOD)
		sense = check_cscds(&list);
	if (sense.status == STATUS_GOOD)
		sense = check_segments(unit, get_length(request->out + 8, 4), &list);
	if (sense.status != STATUS_GOOD)
		return sense;
	if (list.has_id) {
		known.id = list.id;
		known.held_discarded = list.held_discarded;
		sense = operation_begin(unit, &known, &operation);
		if (sense.status != STATUS_GOOD)
			return sense;
	}
	for (done = 0; done < list.n_segments; done++) {
		unit->target->counts.segments++;
		sense = copy_segment(unit, &list, done, &bytes);
		total += bytes;
		if (sense.status != STATUS_GOOD)
			break;
	}
	if (operation) {
		operation->status = sense.status == STATUS_GOOD ? OPERATION_GOOD : OPERATION_FAILED;
		operation->bytes = total;
		operation->segments = (uint16_t)done;
		operation->has_details = sense.status != STATUS_GOOD;
		operation->sense = sense;
	}
	return sense;
}

/* --- RECEIVE COPY RESULTS ------------------------------------------------------ */

struct sense command_copy_status(struct unit *unit, struct scsi_request *request)
{
	enum { HDD = 0x80, IN_PROGRESS = 0, GOOD = 1, FAILED = 2 };
	const struct operation *operation = operation_find(unit, request->cdb[2]);
	unsigned char data[12] = { 0 };

	if (!operation)
		return sense_cdb(0x24, 0x00, 2);
	put(data, 4, sizeof(data) - 4);
	if (operation->status == OPERATION_BACKGROUND)
		data[4] = IN_PROGRESS;
	else if (operation->status == OPERATION_FAILED || operation->status == OPERATION_TERMINATED)
		data[4] = FAILED;
	else
		data[4] = GOOD;
	if (operation->held_discarded)
		data[4] |= HDD;
	put(data + 5, 2, operation->segments);
	operation_count(unit, operation, 4, data + 8, data + 7);
	return reply(request, data, sizeof(data), get_length(request->cdb + 10, 4));
}

struct sense command_failed_segment_details(struct unit *unit, struct scsi_request *request)
{
	enum { HEAD = 60 };
	struct operation *operation = operation_find(unit, request->cdb[2]);
	unsigned char data[HEAD + SCSI_TARGET_SENSE] = { 0 };
	size_t n;

	if (!operation)
		return sense_cdb(0x24, 0x00, 2);
	if (!operation->has_details)
		return reply(request, data, 4, get_length(request->cdb + 10, 4));
	/* They are told once. */
	operation->has_details = false;
	n = sense_encode(&unit->target->faults, &operation->sense, data + HEAD);
	put(data, 4, HEAD + n - 4);
	data[56] = operation->sense.status;
	put(data + 58, 2, n);
	return reply(request, data, HEAD + n, get_length(request->cdb + 10, 4));
}
