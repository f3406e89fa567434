/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * token.c - copies by token: POPULATE TOKEN, WRITE USING TOKEN, and what is asked
 * about them
 */
#include "target_internal.h"

enum { RANGE_BYTES = 16, TOKEN_LENGTH_FIELD = SCSI_TARGET_TOKEN - 8 };

static uint64_t now(const struct scsi_target *target)
{
	return target->now(target->now_arg);
}

/* --- tokens -------------------------------------------------------------------- */

static struct rod *find_rod(struct scsi_target *target, uint64_t id)
{
	for (unsigned i = 0; i < RODS; i++) {
		if (target->rods[i].used && target->rods[i].id == id)
			return &target->rods[i];
	}
	return NULL;
}

static struct rod *oldest_rod(struct scsi_target *target)
{
	struct rod *oldest = &target->rods[0];

	for (unsigned i = 0; i < RODS; i++) {
		if (!target->rods[i].used)
			return &target->rods[i];
		if (target->rods[i].id < oldest->id)
			oldest = &target->rods[i];
	}
	return oldest;
}

void rods_written(struct scsi_target *target, const struct unit *unit, uint64_t offset, uint64_t n)
{
	uint32_t size = unit->options.block_size;

	for (unsigned i = 0; i < RODS; i++) {
		struct rod *rod = &target->rods[i];

		if (!rod->used || rod->lun != unit->lun || rod->state != ROD_VALID ||
		    rod->type == ROD_ON_REFERENCE)
			continue;
		for (unsigned j = 0; j < rod->n; j++) {
			const struct range *range = &rod->ranges[j];

			if (offset < (range->lba + range->blocks) * size &&
			    range->lba * size < offset + n)
				rod->state = ROD_REVOKED;
		}
	}
}

static void write_token(const struct unit *unit, struct rod *rod)
{
	enum { ID = 8, CREATOR = 16, BYTES = 56, DEVICE = 96, OPAQUE = 128 };
	uint64_t state = rod->id * 0x9e3779b97f4a7c15;
	unsigned char *t = rod->token;

	put(t, 4, rod->type);
	put(t + 6, 2, TOKEN_LENGTH_FIELD);
	put(t + ID, 8, rod->id);
	t[CREATOR] = 0xe4;
	t[CREATOR + 4] = 1;
	t[CREATOR + 5] = 3;
	t[CREATOR + 7] = SCSI_TARGET_DESIGNATOR;
	memcpy(t + CREATOR + 8, unit->designator, SCSI_TARGET_DESIGNATOR);
	put(t + CREATOR + 29, 3, unit->options.block_size);
	put(t + BYTES, 8, rod->bytes);
	put(t + DEVICE, 4, unit->options.block_size);
	for (unsigned i = OPAQUE; i < SCSI_TARGET_TOKEN; i += 8) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		put(t + i, 8, state);
	}
}

/* @bytes of the ranges of an operation. */
static void create_rod(struct unit *unit, struct operation *operation, uint64_t bytes)
{
	struct scsi_target *target = unit->target;
	struct rod *rod = oldest_rod(target);
	uint32_t size = unit->options.block_size;

	*rod = (struct rod){
		.used = true,
		.id = ++target->number,
		.lun = unit->lun,
		.type = operation->rod_type,
		.bytes = bytes,
		.timeout_ms = operation->timeout * UINT64_C(1000),
		.last_use = now(target),
	};
	for (unsigned i = 0; i < operation->n && bytes > 0; i++) {
		struct range range = operation->ranges[i];

		if (range.blocks * size > bytes)
			range.blocks = bytes / size;
		bytes -= range.blocks * size;
		rod->ranges[rod->n++] = range;
	}
	write_token(unit, rod);
	memcpy(operation->token, rod->token, sizeof(rod->token));
	operation->has_token = true;
}

/* Whether a token may be used on this unit. */
static struct sense check_token(const struct unit *unit, const unsigned char *token,
				struct rod **rod)
{
	enum { TOKEN_AT = 16 };
	enum { WRONG_TYPE = 1, NO_REMOTE, NO_REMOTE_CREATION, UNKNOWN, CORRUPT, REVOKED, EXPIRED };
	enum { DELETED = 9, WRONG_LENGTH };
	struct scsi_target *target = unit->target;
	uint32_t type = (uint32_t)get(token, 4);

	*rod = NULL;
	if (get(token + 6, 2) != TOKEN_LENGTH_FIELD)
		return sense_list(0x23, WRONG_LENGTH, TOKEN_AT + 6);
	if (type == ROD_ZERO && !unit_lacks(unit, SCSI_TARGET_NO_ZERO_TOKEN))
		return sense_good;
	if (type != ROD_ON_REFERENCE && type != ROD_POINT_IN_TIME && type != ROD_VULNERABLE)
		return sense_list(0x23, WRONG_TYPE, TOKEN_AT);
	*rod = find_rod(target, get(token + 8, 8));
	if (!*rod)
		return sense_list(0x23, UNKNOWN, TOKEN_AT + 8);
	if (memcmp((*rod)->token, token, SCSI_TARGET_TOKEN) != 0)
		return sense_list(0x23, CORRUPT, TOKEN_AT);
	if ((*rod)->lun != unit->lun && unit_lacks(unit, SCSI_TARGET_NO_REMOTE_TOKENS))
		return sense_list(0x23, NO_REMOTE, TOKEN_AT);
	if ((*rod)->state == ROD_VALID &&
	    (now(target) - (*rod)->last_use > (*rod)->timeout_ms ||
	     (target->faults.token_uses > 0 && (*rod)->uses >= target->faults.token_uses)))
		(*rod)->state = ROD_EXPIRED;
	switch ((*rod)->state) {
	case ROD_REVOKED:
		return sense_list(0x23, REVOKED, TOKEN_AT);
	case ROD_EXPIRED:
		return sense_list(0x23, EXPIRED, TOKEN_AT);
	case ROD_DELETED:
		return sense_list(0x23, DELETED, TOKEN_AT);
	default:
		return sense_good;
	}
}

/* --- lists of ranges ----------------------------------------------------------- */

static bool ranges_overlap(const struct range *ranges, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		for (unsigned j = 0; j < i; j++) {
			if (ranges[i].lba < ranges[j].lba + ranges[j].blocks &&
			    ranges[j].lba < ranges[i].lba + ranges[i].blocks)
				return true;
		}
	}
	return false;
}

/* The length of the ranges is at @at in the list, and they are behind it. */
static struct sense parse_ranges(const struct unit *unit, const unsigned char *list, size_t len,
				 unsigned at, struct operation *operation)
{
	struct scsi_target_limits limits = unit_limits(unit);
	size_t bytes = get_length(list + at, 2);
	uint64_t blocks = 0;

	if (bytes < RANGE_BYTES || bytes % RANGE_BYTES != 0)
		return sense_list(0x26, 0x00, at);
	if (bytes > len - at - 2)
		return sense_cdb(0x1a, 0x00, 10);
	if (bytes / RANGE_BYTES > limits.ranges)
		return sense_list(0x26, 0x08, at);
	operation->n = (unsigned)(bytes / RANGE_BYTES);
	for (unsigned i = 0; i < operation->n; i++) {
		const unsigned char *range = list + at + 2 + (size_t)i * RANGE_BYTES;

		operation->ranges[i].lba = get(range, 8);
		operation->ranges[i].blocks = get(range + 8, 4);
		if (!unit_has(unit, operation->ranges[i].lba, operation->ranges[i].blocks))
			return sense_lba(KEY_ILLEGAL_REQUEST, 0x21, 0x00, operation->ranges[i].lba);
		blocks += operation->ranges[i].blocks;
	}
	if (ranges_overlap(operation->ranges, operation->n) || blocks > limits.token_blocks)
		return sense_list(0x26, 0x00, at + 2);
	operation->wanted = blocks * unit->options.block_size;
	return sense_good;
}

/* What both lists begin with. */
static struct sense check_list(const struct scsi_request *request, size_t least, size_t *len)
{
	size_t n = get_length(request->cdb + 10, 4);

	if (n < least || n > request->out_len)
		return sense_cdb(0x1a, 0x00, 10);
	*len = get_length(request->out, 2) + 2;
	if (*len < least)
		return sense_list(0x26, 0x00, 0);
	if (*len > n)
		return sense_cdb(0x1a, 0x00, 10);
	return sense_good;
}

/* --- the copies ---------------------------------------------------------------- */

/* Where byte @position of the ranges is, and how many follow it there. */
static uint64_t locate(const struct range *ranges, unsigned n, uint32_t size, uint64_t position,
		       uint64_t *offset)
{
	for (unsigned i = 0; i < n; i++) {
		uint64_t bytes = ranges[i].blocks * size;

		if (position < bytes) {
			*offset = ranges[i].lba * size + position;
			return bytes - position;
		}
		position -= bytes;
	}
	return 0;
}

static void fail(struct operation *operation, struct sense sense)
{
	operation->status = OPERATION_FAILED;
	operation->sense = sense;
}

/* What is said of an error of a party. */
static struct sense copy_failed(const struct sense *sense, enum party party)
{
	struct sense aborted = sense_of(KEY_COPY_ABORTED, 0x0d, 0x01);

	if (party != PARTY_SOURCE)
		return *sense;
	aborted.party = party;
	aborted.party_key = sense->key;
	aborted.party_asc = sense->asc;
	aborted.party_ascq = sense->ascq;
	aborted.party_lba = sense->information;
	return aborted;
}

/* Copies until @due bytes have been copied. */
static void copy_until(struct unit *unit, struct operation *operation, uint64_t due)
{
	struct scsi_target *target = unit->target;
	struct rod *rod = operation->zeroes ? NULL : find_rod(target, operation->rod);
	struct unit *from = rod ? &target->units[rod->lun] : NULL;
	uint64_t from_offset = 0, to_offset = 0, n, left, done;
	struct sense sense = sense_good;
	enum party party;

	while (operation->bytes < due) {
		if (!operation->zeroes && (!rod || rod->state == ROD_REVOKED)) {
			fail(operation, sense_of(KEY_ILLEGAL_REQUEST, 0x23, rod ? 0x06 : 0x04));
			return;
		}
		n = locate(operation->ranges, operation->n, unit->options.block_size,
			   operation->bytes, &to_offset);
		if (n > due - operation->bytes)
			n = due - operation->bytes;
		if (rod) {
			left = locate(rod->ranges, rod->n, from->options.block_size,
				      operation->offset + operation->bytes, &from_offset);
			if (n > left)
				n = left;
		}
		done = unit_copy(from, from_offset, unit, to_offset, n, &sense, &party);
		operation->bytes += done;
		if (done < n) {
			fail(operation, copy_failed(&sense, party));
			return;
		}
	}
}

static void finish(struct unit *unit, struct operation *operation)
{
	struct rod *rod;

	if (operation->action == SA_POPULATE_TOKEN) {
		create_rod(unit, operation, operation->total);
		operation->bytes = operation->total;
	} else if (!operation->zeroes) {
		rod = find_rod(unit->target, operation->rod);
		if (rod && operation->delete_token)
			rod->state = ROD_DELETED;
		else if (rod)
			rod->last_use = now(unit->target);
	}
	if (operation->bytes < operation->wanted)
		operation->status = OPERATION_RESIDUAL;
	else if (operation->rod_rest)
		operation->status = OPERATION_PARTIAL_ROD;
	else
		operation->status = OPERATION_GOOD;
}

static bool waits_for_polls(const struct unit *unit, const struct operation *operation)
{
	unsigned polls = unit->target->faults.polls;

	return polls > 0 && operation->polls <= polls;
}

static bool is_stalled(const struct unit *unit, const struct operation *operation)
{
	return waits_for_polls(unit, operation) ||
	       now(unit->target) - operation->begun < unit->target->faults.stall_ms;
}

/* How far it should be by now. */
static uint64_t due_now(const struct unit *unit, const struct operation *operation)
{
	const struct scsi_target_faults *faults = &unit->target->faults;
	uint64_t elapsed = now(unit->target) - operation->begun, total = operation->total;
	uint64_t due = total, by_time;

	if (waits_for_polls(unit, operation))
		due = total / (faults->polls + UINT64_C(1)) * operation->polls;
	if (elapsed < faults->stall_ms) {
		by_time = total / faults->stall_ms * elapsed;
		if (by_time < due)
			due = by_time;
	}
	return due / unit->options.block_size * unit->options.block_size;
}

/* Copies as much as is due; all of it, unless it is stalled. */
static void proceed(struct unit *unit, struct operation *operation, bool stalled)
{
	if (operation->action == SA_WRITE_USING_TOKEN)
		copy_until(unit, operation, stalled ? due_now(unit, operation) : operation->total);
	if (operation->status == OPERATION_BACKGROUND && !stalled)
		finish(unit, operation);
}

/* Begins what was found to be in order. */
static struct sense begin(struct unit *unit, const struct scsi_request *request,
			  struct operation *known, unsigned char action)
{
	enum { IMMED = 1 };
	bool immediate = request->out[2] & IMMED;
	struct operation *operation;
	struct sense sense;

	known->id = (uint32_t)get(request->cdb + 6, 4);
	known->action = action;
	sense = operation_begin(unit, known, &operation);
	if (sense.status != STATUS_GOOD)
		return sense;
	proceed(unit, operation, immediate && is_stalled(unit, operation));
	return immediate ? sense_good : operation->sense;
}

/* At most so many blocks, 0: all. */
static uint64_t shortened(const struct unit *unit, uint64_t bytes, uint64_t blocks)
{
	if (blocks > 0 && blocks < bytes / unit->options.block_size)
		return blocks * unit->options.block_size;
	return bytes;
}

/* --- POPULATE TOKEN ------------------------------------------------------------ */

struct sense command_populate_token(struct unit *unit, struct scsi_request *request)
{
	enum { HEAD = 16, RTV = 2 };
	const unsigned char *list = request->out;
	struct operation operation = { .rod_type = ROD_POINT_IN_TIME };
	struct scsi_target_limits limits = unit_limits(unit);
	struct sense sense;
	size_t len;

	if (get(request->cdb + 10, 4) == 0)
		return sense_good;
	sense = check_list(request, HEAD, &len);
	if (sense.status != STATUS_GOOD)
		return sense;
	operation.timeout = (uint32_t)get(list + 4, 4);
	if (operation.timeout == 0)
		operation.timeout = limits.default_timeout;
	if (operation.timeout > limits.max_timeout)
		return sense_list(0x26, 0x00, 4);
	if (list[2] & RTV) {
		operation.rod_type = (uint32_t)get(list + 8, 4);
		if (operation.rod_type == ROD_ANY_POINT_IN_TIME)
			operation.rod_type = ROD_POINT_IN_TIME;
		else if (operation.rod_type != ROD_POINT_IN_TIME &&
			 operation.rod_type != ROD_VULNERABLE &&
			 operation.rod_type != ROD_ON_REFERENCE)
			return sense_list(0x26, 0x00, 8);
	}
	sense = parse_ranges(unit, list, len, HEAD - 2, &operation);
	if (sense.status != STATUS_GOOD)
		return sense;
	operation.total = shortened(unit, operation.wanted, unit->target->faults.populate_blocks);
	return begin(unit, request, &operation, SA_POPULATE_TOKEN);
}

/* --- WRITE USING TOKEN --------------------------------------------------------- */

struct sense command_write_using_token(struct unit *unit, struct scsi_request *request)
{
	enum { OFFSET = 8, TOKEN = 16, HEAD = 536, DEL_TKN = 2 };
	const unsigned char *list = request->out;
	struct operation operation = { 0 };
	uint32_t size = unit->options.block_size;
	uint64_t offset, rest;
	struct sense sense;
	struct rod *rod;
	size_t len;

	if (get(request->cdb + 10, 4) == 0)
		return sense_good;
	sense = check_list(request, HEAD, &len);
	if (sense.status == STATUS_GOOD)
		sense = parse_ranges(unit, list, len, HEAD - 2, &operation);
	if (sense.status == STATUS_GOOD)
		sense = check_token(unit, list + TOKEN, &rod);
	if (sense.status != STATUS_GOOD)
		return sense;
	operation.total = operation.wanted;
	operation.zeroes = !rod;
	operation.delete_token = list[2] & DEL_TKN;
	if (rod) {
		/* In blocks of the unit that is written. */
		offset = get(list + OFFSET, 8);
		if (offset >= rod->bytes / size)
			return sense_list(0x26, 0x00, OFFSET);
		rest = rod->bytes / size * size - offset * size;
		if (operation.total > rest)
			operation.total = rest;
		operation.rod = rod->id;
		operation.offset = offset * size;
		rod->uses++;
	}
	operation.total = shortened(unit, operation.total, unit->target->faults.write_blocks);
	operation.rod_rest = rod && operation.offset + operation.total < rod->bytes;
	return begin(unit, request, &operation, SA_WRITE_USING_TOKEN);
}

/* --- what is asked about them -------------------------------------------------- */

struct sense command_copy_operation_abort(struct unit *unit, struct scsi_request *request)
{
	struct operation *operation = operation_find(unit, (uint32_t)get(request->cdb + 2, 4));

	if (!operation)
		return sense_cdb(0x24, 0x00, 2);
	if (operation->status == OPERATION_BACKGROUND)
		operation->status = OPERATION_TERMINATED;
	return sense_good;
}

enum { STATUS_HEAD = 32, SENSE_FIELD = (SCSI_TARGET_SENSE + 7) / 8 * 8 };

/* What both answers begin with; returns how long it is. */
static size_t put_status(struct unit *unit, struct operation *operation, unsigned char *data)
{
	enum { NOT_KNOWN = 0xffffffff, SOON_MS = 10 };
	unsigned char *sense = data + STATUS_HEAD;
	size_t sense_len, field;

	if (operation->status == OPERATION_BACKGROUND) {
		operation->polls++;
		proceed(unit, operation, is_stalled(unit, operation));
	}
	sense_len = sense_send(&unit->target->faults, &operation->sense, sense);
	/* The field may be longer than what is in it. */
	field = (sense_len + 7) / 8 * 8;
	data[4] = operation->action;
	data[5] = (unsigned char)operation->status;
	put(data + 6, 2, 1);
	put(data + 8, 4, operation->status == OPERATION_BACKGROUND ? SOON_MS : NOT_KNOWN);
	data[12] = operation->sense.status;
	data[13] = (unsigned char)field;
	data[14] = (unsigned char)sense_len;
	operation_count(unit, operation, 8, data + 16, data + 15);
	put(data + 24, 2, operation->segments);
	return STATUS_HEAD + field;
}

struct sense command_copy_status_lid4(struct unit *unit, struct scsi_request *request)
{
	struct operation *operation = operation_find(unit, (uint32_t)get(request->cdb + 2, 4));
	unsigned char data[STATUS_HEAD + SENSE_FIELD] = { 0 };
	size_t n;

	if (!operation)
		return sense_cdb(0x24, 0x00, 2);
	n = put_status(unit, operation, data);
	put(data, 4, n - 4);
	return reply(request, data, n, get_length(request->cdb + 10, 4));
}

struct sense command_rod_token_information(struct unit *unit, struct scsi_request *request)
{
	enum { DESCRIPTOR = 2 + SCSI_TARGET_TOKEN };
	struct operation *operation = operation_find(unit, (uint32_t)get(request->cdb + 2, 4));
	unsigned char data[STATUS_HEAD + SENSE_FIELD + 4 + DESCRIPTOR] = { 0 };
	size_t n;

	if (!operation || operation->action == SA_EXTENDED_COPY)
		return sense_cdb(0x24, 0x00, 2);
	n = put_status(unit, operation, data);
	put(data + n, 4, operation->has_token ? DESCRIPTOR : 0);
	n += 4;
	if (operation->has_token) {
		memcpy(data + n + 2, operation->token, SCSI_TARGET_TOKEN);
		n += DESCRIPTOR;
	}
	put(data, 4, n - 4);
	/* How it ended is told once. */
	if (operation->status != OPERATION_BACKGROUND)
		operation->used = false;
	return reply(request, data, n, get_length(request->cdb + 10, 4));
}
