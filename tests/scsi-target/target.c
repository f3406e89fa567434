/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * target.c - units, the table of commands, and what the faults do to them
 */
#define _POSIX_C_SOURCE 200809L
#include "target_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* --- units --------------------------------------------------------------------- */

static uint64_t monotonic(void *arg)
{
	struct timespec now;

	(void)arg;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

struct scsi_target *scsi_target_new(void)
{
	struct scsi_target *target = calloc(1, sizeof(*target));

	if (target)
		target->now = monotonic;
	return target;
}

void scsi_target_free(struct scsi_target *target)
{
	free(target);
}

void scsi_target_set_clock(struct scsi_target *target, uint64_t (*now)(void *arg), void *arg)
{
	target->now = now;
	target->now_arg = arg;
}

struct scsi_target_faults *scsi_target_faults(struct scsi_target *target)
{
	return &target->faults;
}

struct scsi_target_counts *scsi_target_counts(struct scsi_target *target)
{
	return &target->counts;
}

const unsigned char *scsi_target_designator(const struct scsi_target *target, unsigned lun)
{
	return lun < target->n ? target->units[lun].designator : NULL;
}

/* NAA-6 of a company that does not exist; the rest is FNV-1a of the name. */
static void make_designator(const char *name, unsigned char *to)
{
	uint64_t hash = 0xcbf29ce484222325;

	for (; *name != '\0'; name++)
		hash = (hash ^ (unsigned char)*name) * 0x100000001b3;
	put(to, 8, 0x6c0c0ff000000000);
	put(to + 8, 8, hash);
}

static bool options_are_valid(const struct scsi_target_unit_options *options)
{
	uint32_t size = options->block_size;

	return size >= 512 && size <= 65536 && (size & (size - 1)) == 0 && options->blocks > 0 &&
	       options->blocks <= INT64_MAX / size &&
	       options->limits.ranges <= SCSI_TARGET_RANGES &&
	       options->limits.segments <= SCSI_TARGET_SEGMENTS;
}

int scsi_target_add(struct scsi_target *target, const struct scsi_target_unit_options *options)
{
	struct unit *unit = &target->units[target->n];

	if (target->n == SCSI_TARGET_UNITS || !options_are_valid(options))
		return -1;
	unit->target = target;
	unit->lun = target->n;
	unit->options = *options;
	unit->bytes = options->blocks * options->block_size;
	if (options->name)
		snprintf(unit->name, sizeof(unit->name), "%s", options->name);
	else
		snprintf(unit->name, sizeof(unit->name), "unit-%u", unit->lun);
	if (options->designator)
		memcpy(unit->designator, options->designator, SCSI_TARGET_DESIGNATOR);
	else
		make_designator(unit->name, unit->designator);
	/* The strings stay the caller's. */
	unit->options.name = NULL;
	unit->options.designator = NULL;
	return (int)target->n++;
}

/* --- the table ----------------------------------------------------------------- */

static struct sense command_test_unit_ready(struct unit *unit, struct scsi_request *request)
{
	(void)unit;
	(void)request;
	return sense_good;
}

/* What is written is there at once. */
static struct sense command_synchronize(struct unit *unit, struct scsi_request *request)
{
	(void)unit;
	(void)request;
	return sense_good;
}

static struct sense command_report_luns(struct unit *unit, struct scsi_request *request)
{
	unsigned char data[8 + 8 * SCSI_TARGET_UNITS] = { 0 };
	unsigned n = unit->target->n;

	put(data, 4, 8 * n);
	for (unsigned i = 0; i < n; i++)
		data[8 + 8 * i + 1] = (unsigned char)i;
	return reply(request, data, 8 + 8 * n, get_length(request->cdb + 6, 4));
}

/* Nothing before that failed is left to tell: sense comes with the status. */
static struct sense command_request_sense(struct unit *unit, struct scsi_request *request)
{
	unsigned char data[SCSI_TARGET_SENSE];
	struct sense none = sense_of(KEY_NO_SENSE, 0, 0);
	size_t n = sense_send(&unit->target->faults, &none, data);

	return reply(request, data, n, request->cdb[4]);
}

struct entry {
	unsigned char opcode;
	unsigned char cdb_len;
	int action; /* ANY: there is none */
	unsigned lacks; /* SCSI_TARGET_NO_...: not there with one of these */
	command_fn *command;
};

#define ANY SCSI_TARGET_ANY_ACTION

enum {
	LACKS_XCOPY = SCSI_TARGET_NO_3PC | SCSI_TARGET_NO_XCOPY,
	LACKS_ODX = SCSI_TARGET_NO_3PC | SCSI_TARGET_NO_ODX,
};

static const struct entry entries[] = {
	{ 0x00, 6, ANY, 0, command_test_unit_ready },
	{ 0x03, 6, ANY, 0, command_request_sense },
	{ 0x08, 6, ANY, 0, command_read_write },
	{ 0x0a, 6, ANY, 0, command_read_write },
	{ 0x12, 6, ANY, 0, command_inquiry },
	{ 0x1a, 6, ANY, 0, command_mode_sense },
	{ 0x25, 10, ANY, 0, command_read_capacity_10 },
	{ 0x28, 10, ANY, 0, command_read_write },
	{ 0x2a, 10, ANY, 0, command_read_write },
	{ 0x35, 10, ANY, 0, command_synchronize },
	{ 0x5a, 10, ANY, 0, command_mode_sense },
	{ 0x83, 16, SA_EXTENDED_COPY, LACKS_XCOPY, command_extended_copy },
	{ 0x83, 16, SA_POPULATE_TOKEN, LACKS_ODX, command_populate_token },
	{ 0x83, 16, SA_WRITE_USING_TOKEN, LACKS_ODX, command_write_using_token },
	{ 0x83, 16, SA_COPY_OPERATION_ABORT, LACKS_ODX | SCSI_TARGET_NO_ABORT,
	  command_copy_operation_abort },
	{ 0x84, 16, SA_COPY_STATUS, LACKS_XCOPY | SCSI_TARGET_NO_COPY_STATUS, command_copy_status },
	{ 0x84, 16, SA_OPERATING_PARAMETERS, LACKS_XCOPY | SCSI_TARGET_NO_PARAMETERS,
	  command_operating_parameters },
	{ 0x84, 16, SA_FAILED_SEGMENT_DETAILS, LACKS_XCOPY | SCSI_TARGET_NO_FAILED_DETAILS,
	  command_failed_segment_details },
	{ 0x84, 16, SA_COPY_STATUS_LID4, LACKS_ODX, command_copy_status_lid4 },
	{ 0x84, 16, SA_ROD_TOKEN_INFORMATION, LACKS_ODX, command_rod_token_information },
	{ 0x88, 16, ANY, 0, command_read_write },
	{ 0x8a, 16, ANY, 0, command_read_write },
	{ 0x91, 16, ANY, 0, command_synchronize },
	{ 0x9e, 16, 0x10, 0, command_read_capacity_16 },
	{ 0xa0, 12, ANY, 0, command_report_luns },
};

static int service_action(const unsigned char *cdb, size_t len)
{
	if (len < 3)
		return 0;
	switch (cdb[0]) {
	case 0x12:
		return (cdb[1] & 1) << 8 | (cdb[1] & 1 ? cdb[2] : 0);
	case OP_EXTENDED_COPY:
	case OP_RECEIVE_COPY:
	case 0x9e:
		return cdb[1] & 0x1f;
	default:
		return 0;
	}
}

/* NULL: *@sense is why. */
static command_fn *find_command(const struct unit *unit, const struct scsi_request *request,
				struct sense *sense)
{
	const unsigned char *cdb = request->cdb;
	bool known = false;

	for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
		const struct entry *entry = &entries[i];

		if (request->cdb_len < entry->cdb_len || cdb[0] != entry->opcode ||
		    unit_lacks(unit, entry->lacks & SCSI_TARGET_NO_3PC))
			continue;
		known = true;
		if ((entry->action == ANY ||
		     entry->action == service_action(cdb, request->cdb_len)) &&
		    !unit_lacks(unit, entry->lacks))
			return entry->command;
	}
	/* The opcode is there, with other service actions. */
	*sense = known ? sense_cdb(0x24, 0x00, 1) : sense_cdb(0x20, 0x00, 0);
	return NULL;
}

/* --- data-in ------------------------------------------------------------------- */

struct sense reply(struct scsi_request *request, const unsigned char *data, size_t len,
		   size_t allocation)
{
	size_t n = len < allocation ? len : allocation;

	if (n > request->in_size)
		n = request->in_size;
	if (n > 0)
		memcpy(request->in, data, n);
	request->in_len = n;
	return sense_good;
}

static void garble(const struct scsi_target_garble *how, struct scsi_request *request)
{
	uint64_t state = how->seed;

	for (unsigned i = 0; i < how->bytes && i < 8; i++) {
		if (how->at + i < request->in_len)
			request->in[how->at + i] =
				(unsigned char)(how->value >> 8 * (how->bytes - 1 - i));
	}
	for (size_t i = 0; state != 0 && i < request->in_len; i++) {
		/* xorshift64 */
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		if ((state >> 8 & 7) == 0)
			request->in[i] = (unsigned char)(state >> 16);
	}
	if (how->cut && how->cut_to < request->in_len)
		request->in_len = how->cut_to;
}

static bool is_meant(const struct scsi_request *request, unsigned char opcode, int action)
{
	return request->cdb_len > 0 && request->cdb[0] == opcode &&
	       (action == ANY || action == service_action(request->cdb, request->cdb_len));
}

static void garble_reply(struct scsi_target *target, struct scsi_request *request)
{
	for (unsigned i = 0; i < SCSI_TARGET_FAULTS; i++) {
		struct scsi_target_garble *how = &target->faults.garbles[i];

		if (how->count > 0 && is_meant(request, how->opcode, how->action)) {
			how->count--;
			garble(how, request);
		}
	}
}

/* --- the requests -------------------------------------------------------------- */

static void count_command(struct scsi_target *target, const struct scsi_request *request)
{
	unsigned char opcode = request->cdb[0];
	int action = service_action(request->cdb, request->cdb_len);

	target->counts.commands[opcode]++;
	if (opcode == OP_EXTENDED_COPY)
		target->counts.copy[action]++;
	if (opcode == OP_RECEIVE_COPY)
		target->counts.receive[action]++;
}

/* The answer that the faults have for this one. */
static const struct scsi_target_answer *find_answer(struct scsi_target *target,
						    const struct scsi_request *request)
{
	for (unsigned i = 0; i < SCSI_TARGET_FAULTS; i++) {
		struct scsi_target_answer *answer = &target->faults.answers[i];

		if (answer->count == 0 || !is_meant(request, answer->opcode, answer->action) ||
		    (answer->luns != 0 && !(answer->luns >> request->lun & 1)))
			continue;
		if (answer->skip > 0) {
			answer->skip--;
			continue;
		}
		answer->count--;
		return answer;
	}
	return NULL;
}

static struct sense sense_of_answer(const struct scsi_target_answer *answer)
{
	struct sense sense = { .status = answer->status };

	if (answer->status == STATUS_CHECK_CONDITION)
		sense = sense_of(answer->key, answer->asc, answer->ascq);
	return sense;
}

static struct sense execute(struct unit *unit, struct scsi_request *request)
{
	struct scsi_target *target = unit->target;
	const struct scsi_target_answer *answer = find_answer(target, request);
	struct sense sense = sense_good;
	command_fn *command = find_command(unit, request, &sense);

	if (answer) {
		request->delay_ms = answer->delay_ms;
		if (answer->status != STATUS_GOOD && answer->blocks == 0)
			return sense_of_answer(answer);
		if (answer->status == STATUS_GOOD)
			answer = NULL;
	}
	if (command) {
		target->answer = answer;
		target->answer_after = UINT64_MAX;
		if (answer && answer->blocks <= unit->bytes / unit->options.block_size)
			target->answer_after = answer->blocks * unit->options.block_size;
		sense = command(unit, request);
		target->answer = NULL;
	}
	return answer ? sense_of_answer(answer) : sense;
}

/* What there is of a LUN that is not. */
static struct sense execute_nowhere(struct scsi_target *target, struct scsi_request *request)
{
	const unsigned char *cdb = request->cdb;
	unsigned char data[36] = { 0x7f, 0, 6, 2, 31 };

	if (cdb[0] == 0x12 && request->cdb_len >= 6)
		return reply(request, data, sizeof(data), get_length(cdb + 3, 2));
	if (cdb[0] == 0xa0 && request->cdb_len >= 12 && target->n > 0)
		return command_report_luns(&target->units[0], request);
	return sense_of(KEY_ILLEGAL_REQUEST, 0x25, 0x00);
}

void scsi_target_execute(struct scsi_target *target, struct scsi_request *request)
{
	struct sense sense;

	request->in_len = 0;
	request->delay_ms = 0;
	if (request->cdb_len == 0) {
		sense = sense_of(KEY_ILLEGAL_REQUEST, 0x20, 0x00);
	} else {
		count_command(target, request);
		if (request->lun < target->n)
			sense = execute(&target->units[request->lun], request);
		else
			sense = execute_nowhere(target, request);
	}
	request->status = sense.status;
	request->sense_len = sense_send(&target->faults, &sense, request->sense);
	if (sense.status == STATUS_GOOD)
		garble_reply(target, request);
	else
		request->in_len = 0;
}
