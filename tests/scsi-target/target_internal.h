/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * target_internal.h - what the files of the target share
 */
#ifndef SCSI_TARGET_INTERNAL_H
#define SCSI_TARGET_INTERNAL_H

#include "target.h"

#include <string.h>

enum {
	STATUS_GOOD = 0x00,
	STATUS_CHECK_CONDITION = 0x02,
	STATUS_BUSY = 0x08,
	STATUS_RESERVATION_CONFLICT = 0x18,
	STATUS_TASK_SET_FULL = 0x28,
};

enum {
	KEY_NO_SENSE = 0x0,
	KEY_NOT_READY = 0x2,
	KEY_MEDIUM_ERROR = 0x3,
	KEY_HARDWARE_ERROR = 0x4,
	KEY_ILLEGAL_REQUEST = 0x5,
	KEY_DATA_PROTECT = 0x7,
	KEY_COPY_ABORTED = 0xa,
};

enum {
	OP_EXTENDED_COPY = 0x83,
	OP_RECEIVE_COPY = 0x84,
	SA_EXTENDED_COPY = 0x00,
	SA_POPULATE_TOKEN = 0x10,
	SA_WRITE_USING_TOKEN = 0x11,
	SA_COPY_OPERATION_ABORT = 0x1c,
	SA_COPY_STATUS = 0x00,
	SA_OPERATING_PARAMETERS = 0x03,
	SA_FAILED_SEGMENT_DETAILS = 0x04,
	SA_COPY_STATUS_LID4 = 0x05,
	SA_ROD_TOKEN_INFORMATION = 0x07,
};

/* ROD types. */
enum rod_type {
	ROD_ON_REFERENCE = 0x00010000,
	ROD_POINT_IN_TIME = 0x00800000,
	ROD_VULNERABLE = 0x00800001,
	ROD_ANY_POINT_IN_TIME = 0x0080ffff,
};
#define ROD_ZERO 0xffff0001u

/* --- big-endian ---------------------------------------------------------------- */

static inline uint64_t get(const unsigned char *p, unsigned bytes)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < bytes; i++)
		value = value << 8 | p[i];
	return value;
}

/* A length: of at most four bytes, so it fits. */
static inline size_t get_length(const unsigned char *p, unsigned bytes)
{
	return (size_t)get(p, bytes);
}

static inline void put(unsigned char *p, unsigned bytes, uint64_t value)
{
	for (unsigned i = bytes; i-- > 0; value >>= 8)
		p[i] = (unsigned char)value;
}

/* --- sense --------------------------------------------------------------------- */

enum party { PARTY_NONE, PARTY_SOURCE, PARTY_DESTINATION };

struct sense {
	unsigned char status; /* GOOD: no error */
	unsigned char key, asc, ascq;
	bool has_information;
	uint64_t information;
	enum { FIELD_NONE, FIELD_CDB, FIELD_LIST, FIELD_SEGMENT } has_field;
	uint16_t field; /* its first byte */
	bool has_segment;
	uint16_t segment;
	/* The sense of a party to the copy, with its LBA. */
	enum party party;
	unsigned char party_key, party_asc, party_ascq;
	uint64_t party_lba;
};

struct sense sense_of(unsigned key, unsigned asc, unsigned ascq);
struct sense sense_cdb(unsigned asc, unsigned ascq, unsigned field);
struct sense sense_list(unsigned asc, unsigned ascq, unsigned field);
struct sense sense_lba(unsigned key, unsigned asc, unsigned ascq, uint64_t lba);

/*
 * Up to SCSI_TARGET_SENSE bytes, as the faults have it; returns how many.  What is sent
 * may get lost.
 */
size_t sense_encode(const struct scsi_target_faults *faults, const struct sense *sense,
		    unsigned char *to);
size_t sense_send(const struct scsi_target_faults *faults, const struct sense *sense,
		  unsigned char *to);

/* --- units --------------------------------------------------------------------- */

struct range {
	uint64_t lba, blocks;
};

/* What one token stands for. */
struct rod {
	bool used;
	uint64_t id;
	enum { ROD_VALID, ROD_REVOKED, ROD_EXPIRED, ROD_DELETED } state;
	unsigned lun;
	uint32_t type;
	struct range ranges[SCSI_TARGET_RANGES];
	unsigned n;
	uint64_t bytes;
	uint64_t timeout_ms, last_use; /* of inactivity */
	unsigned uses;
	unsigned char token[SCSI_TARGET_TOKEN];
};

/* COPY OPERATION STATUS */
enum operation_status {
	OPERATION_GOOD = 0x01,
	OPERATION_FAILED = 0x02,
	OPERATION_PARTIAL_ROD = 0x03,
	OPERATION_RESIDUAL = 0x04,
	OPERATION_BACKGROUND = 0x12,
	OPERATION_TERMINATED = 0x60,
};

/* A copy that has a list identifier, until somebody has asked how it ended. */
struct operation {
	bool used;
	uint32_t id;
	uint64_t number; /* the lower, the older */
	unsigned char action; /* of EXTENDED COPY */
	enum operation_status status;
	struct sense sense;
	uint64_t bytes; /* copied */
	uint16_t segments; /* done */
	bool held_discarded, has_details;
	/* With a token. */
	struct range ranges[SCSI_TARGET_RANGES];
	unsigned n;
	uint64_t wanted; /* bytes of the ranges */
	uint64_t total; /* of them, to copy or to represent */
	uint64_t begun; /* ms */
	unsigned polls;
	/* POPULATE TOKEN */
	uint32_t rod_type, timeout; /* seconds */
	bool has_token;
	unsigned char token[SCSI_TARGET_TOKEN];
	/* WRITE USING TOKEN */
	bool zeroes;
	uint64_t rod, offset; /* its identifier, and bytes into it */
	bool rod_rest; /* something is behind what is copied */
	bool delete_token;
};

enum { OPERATIONS = 32, RODS = 32, NAME_BYTES = 32 };

struct unit {
	unsigned lun;
	struct scsi_target *target;
	struct scsi_target_unit_options options;
	uint64_t bytes;
	char name[NAME_BYTES + 1];
	unsigned char designator[SCSI_TARGET_DESIGNATOR];
	struct operation operations[OPERATIONS];
};

struct scsi_target {
	struct unit units[SCSI_TARGET_UNITS];
	unsigned n;
	struct rod rods[RODS];
	uint64_t number; /* of operations and tokens so far */
	struct scsi_target_faults faults;
	struct scsi_target_counts counts;
	uint64_t (*now)(void *arg);
	void *now_arg;
	/* The answer that ends the command, after so many bytes that it copies. */
	const struct scsi_target_answer *answer;
	uint64_t answer_after;
};

/*
 * Bytes that were read or written before *@sense, which is set if these are not
 * all.  What is outside of the unit is an error, too.
 */
uint64_t unit_read(struct unit *unit, uint64_t offset, unsigned char *to, uint64_t n,
		   struct sense *sense);
uint64_t unit_write(struct unit *unit, uint64_t offset, const unsigned char *from, uint64_t n,
		    struct sense *sense);

static inline bool unit_has(const struct unit *unit, uint64_t lba, uint64_t blocks)
{
	return lba <= unit->options.blocks && blocks <= unit->options.blocks - lba;
}

static inline bool unit_lacks(const struct unit *unit, unsigned what)
{
	return unit->options.without & what;
}

/*
 * Copies bytes that a target moves by itself; @from NULL: zeroes.  Bytes copied; if
 * they are not all, *@sense says why, and *@party whose fault it is: none, if an
 * answer of the faults ended it.
 */
uint64_t unit_copy(struct unit *from, uint64_t from_offset, struct unit *to, uint64_t to_offset,
		   uint64_t n, struct sense *sense, enum party *party);

/* Before this is written: tokens that represent it are revoked. */
void rods_written(struct scsi_target *target, const struct unit *unit, uint64_t offset, uint64_t n);

/* --- operations ---------------------------------------------------------------- */

/* NULL: there is none. */
struct operation *operation_find(struct unit *unit, uint32_t id);

/*
 * *@operation is begun with what is known of it.  Its identifier is that of none in
 * progress; one that has ended is forgotten.
 */
struct sense operation_begin(struct unit *unit, const struct operation *known,
			     struct operation **operation);

/* TRANSFER COUNT and its units, as the faults have it, and in so many bytes. */
void operation_count(const struct unit *unit, const struct operation *operation,
		     unsigned count_bytes, unsigned char *count, unsigned char *units);

/* --- commands ------------------------------------------------------------------ */

/* Returned by each command; status GOOD if it succeeded. */
struct sense reply(struct scsi_request *request, const unsigned char *data, size_t len,
		   size_t allocation);
extern const struct sense sense_good;

typedef struct sense command_fn(struct unit *unit, struct scsi_request *request);

/* inquiry.c */
command_fn command_inquiry;
command_fn command_operating_parameters;
struct scsi_target_limits unit_limits(const struct unit *unit);
/* block.c */
command_fn command_read_write;
command_fn command_read_capacity_10;
command_fn command_read_capacity_16;
command_fn command_mode_sense;
/* extended_copy.c */
command_fn command_extended_copy;
command_fn command_copy_status;
command_fn command_failed_segment_details;
/* token.c */
command_fn command_populate_token;
command_fn command_write_using_token;
command_fn command_copy_operation_abort;
command_fn command_copy_status_lid4;
command_fn command_rod_token_information;

#endif
