/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * operation.c - the copies of a unit by their list identifiers
 */
#include "target_internal.h"

struct operation *operation_find(struct unit *unit, uint32_t id)
{
	for (unsigned i = 0; i < OPERATIONS; i++) {
		if (unit->operations[i].used && unit->operations[i].id == id)
			return &unit->operations[i];
	}
	return NULL;
}

static bool is_running(const struct operation *operation)
{
	return operation->status == OPERATION_BACKGROUND;
}

/* A free one, or the oldest that has ended; NULL: all are running. */
static struct operation *find_room(struct unit *unit)
{
	struct operation *room = NULL;

	for (unsigned i = 0; i < OPERATIONS; i++) {
		struct operation *operation = &unit->operations[i];

		if (!operation->used)
			return operation;
		if (!is_running(operation) && (!room || operation->number < room->number))
			room = operation;
	}
	return room;
}

struct sense operation_begin(struct unit *unit, const struct operation *known,
			     struct operation **operation)
{
	struct operation *room = operation_find(unit, known->id);

	if (room && is_running(room))
		return sense_of(KEY_ILLEGAL_REQUEST, 0x00, 0x16);
	if (!room)
		room = find_room(unit);
	if (!room)
		return sense_of(KEY_ILLEGAL_REQUEST, 0x55, 0x0c);
	*room = *known;
	room->used = true;
	room->number = ++unit->target->number;
	room->status = OPERATION_BACKGROUND;
	room->begun = unit->target->now(unit->target->now_arg);
	*operation = room;
	return sense_good;
}

void operation_count(const struct unit *unit, const struct operation *operation,
		     unsigned count_bytes, unsigned char *count, unsigned char *units)
{
	enum { BYTES = 0, BLOCKS = 0xf1 };
	const struct scsi_target_faults *faults = &unit->target->faults;
	unsigned char in = faults->count_units;
	uint64_t n = operation->bytes;

	if (count_bytes == 4) {
		while (in < 6 && n >> 10 * in > UINT32_MAX)
			in++;
	} else if (in == BYTES) {
		in = BLOCKS;
	}
	n = in == BLOCKS ? n / unit->options.block_size : n >> 10 * in;
	if (faults->count_set)
		n = faults->count;
	n += (uint64_t)faults->count_add;
	put(count, count_bytes, n);
	*units = faults->count_units_said ? faults->count_units_said : in;
}
