/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * target.h - SCSI disks that copy, for tests
 *
 * A target is a set of logical units, with one initiator.  It knows what the
 * driver sd needs, EXTENDED COPY(LID1), and POPULATE TOKEN with WRITE USING TOKEN,
 * after SPC-4 and SBC-3; and it fails as it is told.  One request at a time; no
 * threads, no output, no state beside the target.  Numbers in CDBs, parameters and
 * sense are big-endian.
 */
#ifndef SCSI_TARGET_H
#define SCSI_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct scsi_target;

enum {
	SCSI_TARGET_UNITS = 8,
	SCSI_TARGET_SENSE = 96, /* bytes */
	SCSI_TARGET_TOKEN = 512, /* bytes */
	SCSI_TARGET_DESIGNATOR = 16, /* bytes of NAA-6 */
	SCSI_TARGET_RANGES = 64, /* the most in one list of ranges */
	SCSI_TARGET_SEGMENTS = 64, /* the most in one EXTENDED COPY */
};

/* --- logical units ------------------------------------------------------------- */

/* What a unit does not have. */
enum {
	SCSI_TARGET_NO_3PC = 1 << 0, /* the bit in INQUIRY, and all commands that copy */
	SCSI_TARGET_NO_XCOPY = 1 << 1, /* EXTENDED COPY(LID1) */
	SCSI_TARGET_NO_ODX = 1 << 2, /* all commands with tokens, and their parts of VPD 8F */
	SCSI_TARGET_NO_VPD_8F = 1 << 3,
	SCSI_TARGET_NO_COPY_STATUS = 1 << 4, /* 84/00 */
	SCSI_TARGET_NO_FAILED_DETAILS = 1 << 5, /* 84/04 */
	SCSI_TARGET_NO_PARAMETERS = 1 << 6, /* 84/03 */
	SCSI_TARGET_NO_ABORT = 1 << 7, /* 83/1C */
	SCSI_TARGET_NO_REMOTE_TOKENS = 1 << 8, /* of other units: refused, and said in VPD 8F */
	SCSI_TARGET_NO_LIST_ID = 1 << 9, /* LIST ID USAGE 11b: refused, SNLID is 0 */
	SCSI_TARGET_NO_ZERO_TOKEN = 1 << 10,
};

/* Zero: the value in parentheses.  What is said is what is kept. */
struct scsi_target_limits {
	uint16_t cscds; /* CSCD descriptors (8) */
	uint16_t segments; /* (16) */
	uint32_t list_bytes; /* CSCD and segment descriptors (what these need) */
	uint32_t segment_bytes; /* (256 MiB) */
	uint8_t granularity; /* log2 of bytes, only said (9) */
	uint8_t concurrent; /* copies, only said (1) */
	uint16_t ranges; /* in a list for a token (16) */
	uint64_t token_blocks; /* in one POPULATE TOKEN or WRITE USING TOKEN (65536) */
	uint64_t optimal_blocks; /* only said (the same) */
	uint32_t default_timeout; /* of a token, seconds (60) */
	uint32_t max_timeout; /* (600) */
};

struct scsi_target_unit_options {
	uint32_t block_size;
	uint64_t blocks;
	const char *name; /* serial number; NULL: made of the LUN */
	const unsigned char *designator; /* NAA-6; NULL: made of the name */
	unsigned char *memory; /* the content, blocks * block_size bytes; it stays the caller's */
	int fd; /* or, if memory is NULL, what has the content; it is not closed */
	bool read_only;
	unsigned without; /* SCSI_TARGET_NO_... */
	struct scsi_target_limits limits;
};

/* NULL: no memory. */
struct scsi_target *scsi_target_new(void);
void scsi_target_free(struct scsi_target *target);

/* Returns the LUN: 0, 1, ...; -1: too many, or options that cannot be. */
int scsi_target_add(struct scsi_target *target, const struct scsi_target_unit_options *options);

/* 16 bytes; NULL: there is no such unit. */
const unsigned char *scsi_target_designator(const struct scsi_target *target, unsigned lun);

/* What time it is, in milliseconds; CLOCK_MONOTONIC by default. */
void scsi_target_set_clock(struct scsi_target *target, uint64_t (*now)(void *arg), void *arg);

/* --- requests ------------------------------------------------------------------ */

struct scsi_request {
	unsigned lun;
	const unsigned char *cdb;
	size_t cdb_len;
	const unsigned char *out; /* data-out */
	size_t out_len;
	unsigned char *in; /* data-in */
	size_t in_size;
	/* Set: */
	size_t in_len;
	unsigned char status; /* SAM */
	unsigned char sense[SCSI_TARGET_SENSE];
	size_t sense_len;
	unsigned delay_ms; /* so long it should take, as the faults have it */
};

void scsi_target_execute(struct scsi_target *target, struct scsi_request *request);

/* --- faults -------------------------------------------------------------------- */

/*
 * Which command a fault is for, beside the opcode: the service action of 83h, 84h
 * and 9Eh; of INQUIRY the page code, plus 100h if EVPD is set; else 0.
 */
enum { SCSI_TARGET_ANY_ACTION = -1 };

/* Blocks that cannot be read or written; what is before them in a command, is. */
struct scsi_target_bad {
	unsigned lun;
	uint64_t lba, blocks; /* no blocks: no fault */
	bool read, write;
};

/* How some commands end. */
struct scsi_target_answer {
	unsigned char opcode;
	int action;
	unsigned luns; /* bits; 0: all */
	unsigned skip; /* so many that match pass, */
	unsigned count; /* then so many end like this; 0: no fault */
	unsigned char status; /* 0: as ever, but later */
	unsigned char key, asc, ascq; /* with status 2, CHECK CONDITION; nothing else is in it */
	/*
	 * So many blocks are copied before, by commands that copy; all of them: the
	 * copy is made, and recorded, only the answer is a lie.
	 */
	uint64_t blocks;
	unsigned delay_ms;
};

/* What is wrong with data-in. */
struct scsi_target_garble {
	unsigned char opcode;
	int action;
	unsigned count; /* so many; 0: no fault */
	bool cut; /* to so many bytes: */
	size_t cut_to;
	unsigned at, bytes; /* there, up to 8 bytes are */
	uint64_t value; /* this */
	uint64_t seed; /* not 0: a byte of eight is random */
};

enum { SCSI_TARGET_FAULTS = 8 };

/* All of it zero: no fault. */
struct scsi_target_faults {
	struct scsi_target_bad bad[SCSI_TARGET_FAULTS];
	struct scsi_target_answer answers[SCSI_TARGET_FAULTS];
	struct scsi_target_garble garbles[SCSI_TARGET_FAULTS];
	/* Copies by token with IMMED: they proceed only when they are asked for. */
	unsigned polls; /* in progress for so many questions */
	unsigned stall_ms; /* in progress for so long */
	/* Short transfers, blocks; 0: not. */
	uint64_t populate_blocks; /* the most that a token represents */
	uint64_t write_blocks; /* the most that WRITE USING TOKEN writes */
	unsigned token_uses; /* then it has expired; 0: not */
	/* TRANSFER COUNT, wherever it is reported. */
	bool count_set; /* to this: */
	uint64_t count;
	int64_t count_add;
	unsigned char count_units; /* 1 KiB, 2 MiB...: true, but rounded down */
	unsigned char count_units_said; /* with a count that is not in them */
	bool descriptor_sense; /* 72h instead of 70h */
	bool no_information; /* in sense: neither INFORMATION, nor CSI, SKS, forwarded status */
	/* It gets lost on its way; FAILED SEGMENT DETAILS has it all the same. */
	bool no_sense; /* all of it */
	size_t sense_cut; /* but for so many bytes; 0: nothing */
};

struct scsi_target_faults *scsi_target_faults(struct scsi_target *target);

/*
 * Adds a fault from a line of text, as in README.md.  -1: it is none, or there are
 * too many.
 */
int scsi_target_add_fault(struct scsi_target_faults *faults, const char *line);

/* --- counts -------------------------------------------------------------------- */

struct scsi_target_counts {
	uint64_t commands[256]; /* by opcode */
	uint64_t copy[32]; /* 83h, by service action */
	uint64_t receive[32]; /* 84h, by service action */
	uint64_t segments; /* of EXTENDED COPY, begun */
	uint64_t copied; /* bytes, by the target itself, zeroes included */
	uint64_t read, written; /* bytes, by READ and WRITE */
};

/* May be set to zero by the caller. */
struct scsi_target_counts *scsi_target_counts(struct scsi_target *target);

#endif
