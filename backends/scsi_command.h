/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * scsi_command.h - the bytes of SCSI copies, and what answers mean
 *
 * Pure functions for xcopy.c and odx.c.  Names and layouts are those of the SCSI
 * Primary Commands (SPC-4) and Block Commands (SBC-3) specifications.  Parsers are
 * told how many bytes there are, and believe no length beyond them.
 */
#ifndef COPYOFF_SCSI_COMMAND_H
#define COPYOFF_SCSI_COMMAND_H

#include "backend.h"

enum {
	COPYOFF_SCSI_COPY_OUT = 0x83, /* THIRD-PARTY COPY OUT */
	COPYOFF_SCSI_EXTENDED_COPY = 0x00,
	COPYOFF_SCSI_POPULATE_TOKEN = 0x10,
	COPYOFF_SCSI_WRITE_USING_TOKEN = 0x11,
	COPYOFF_SCSI_ABORT = 0x1c, /* COPY OPERATION ABORT */

	COPYOFF_SCSI_COPY_IN = 0x84, /* THIRD-PARTY COPY IN */
	COPYOFF_SCSI_COPY_STATUS = 0x00, /* RECEIVE COPY STATUS(LID1) */
	COPYOFF_SCSI_COPY_LIMITS = 0x03, /* RECEIVE COPY OPERATING PARAMETERS */
	COPYOFF_SCSI_FAILED_DETAILS = 0x04, /* RECEIVE COPY FAILURE DETAILS(LID1) */
	COPYOFF_SCSI_TOKEN_INFORMATION = 0x07, /* RECEIVE ROD TOKEN INFORMATION */

	COPYOFF_SCSI_VPD_IDENTIFICATION = 0x83,
	COPYOFF_SCSI_VPD_THIRD_PARTY = 0x8f,

	/* Bytes of an answer that there must be room for. */
	COPYOFF_SCSI_ANSWER_MOST = 4096,
	COPYOFF_SCSI_SEGMENTS_MOST = 256, /* in one list of ours */
	COPYOFF_SCSI_SEGMENT_BLOCKS_MOST = 65528, /* 16 bits, and a multiple of 8 */
	COPYOFF_SCSI_LIST_MOST = 16 + 2 * 32 + COPYOFF_SCSI_SEGMENTS_MOST * 28,
	COPYOFF_SCSI_TOKEN_BYTES = 512,
	COPYOFF_SCSI_BUFFER = 8192, /* room for each list and each answer */
};

/* --- commands ------------------------------------------------------------------ */

struct copyoff_scsi_command copyoff_scsi_inquiry(unsigned char *data, uint16_t len);
struct copyoff_scsi_command copyoff_scsi_vpd(uint8_t page, unsigned char *data, uint16_t len);
/* READ CAPACITY(16) */
struct copyoff_scsi_command copyoff_scsi_capacity(unsigned char *data, uint32_t len);
/* What asks about a copy; @list_id has 8 bits for COPY_STATUS. */
struct copyoff_scsi_command copyoff_scsi_copy_in(uint8_t action, uint32_t list_id,
						 unsigned char *data, uint32_t len);
/* What copies, or stops it; the parameter list has it all but @list_id of tokens. */
struct copyoff_scsi_command copyoff_scsi_copy_out(uint8_t action, uint32_t list_id,
						  unsigned char *list, uint32_t len);

/* --- parameter lists -------------------------------------------------------------- */

/* What names a logical unit: a descriptor of the page Device Identification. */
struct copyoff_scsi_designator {
	uint8_t code_set, type;
	uint8_t len;
	uint8_t bytes[20];
};

/* A range for both EXTENDED COPY and tokens, which have either source or destination. */
struct copyoff_scsi_range {
	uint64_t src, dst; /* blocks */
	uint32_t blocks;
};

/*
 * Each returns the bytes of the list at @to: EXTENDED COPY of @n segments between
 * the first and the second unit, both with blocks of @block bytes; POPULATE TOKEN of
 * the sources; WRITE USING TOKEN to the destinations, of what is @offset blocks
 * behind the first one of the token.  @to has COPYOFF_SCSI_LIST_MOST bytes.
 */
uint32_t copyoff_scsi_encode_copy(unsigned char *to, uint8_t list_id,
				  const struct copyoff_scsi_designator unit[2], uint32_t block,
				  const struct copyoff_scsi_range *ranges, size_t n);
uint32_t copyoff_scsi_encode_populate(unsigned char *to, const struct copyoff_scsi_range *ranges,
				      size_t n);
uint32_t copyoff_scsi_encode_write(unsigned char *to, const unsigned char *token, uint64_t offset,
				   const struct copyoff_scsi_range *ranges, size_t n);

/* The token that stands for zeroes, as many as there are to write; nobody gives it out. */
void copyoff_scsi_zero_token(unsigned char to[COPYOFF_SCSI_TOKEN_BYTES]);

/* Tokens are keys to data: let nothing of them stay in memory. */
void copyoff_scsi_wipe(void *p, size_t len);

/* --- answers ------------------------------------------------------------------------ */

/* Bytes of its data that have been transferred. */
size_t copyoff_scsi_received(const struct copyoff_scsi_command *command);

/* Each is false if the answer is too short, or makes no sense. */
bool copyoff_scsi_parse_inquiry(const unsigned char *data, size_t n, bool *is_disk, bool *copies);

struct copyoff_scsi_capacity {
	uint64_t blocks;
	uint32_t block; /* bytes */
	bool protection; /* information is with each block */
};
bool copyoff_scsi_parse_capacity(const unsigned char *data, size_t n,
				 struct copyoff_scsi_capacity *capacity);

/* The best name of the logical unit; false: it has none that is of use. */
bool copyoff_scsi_parse_designator(const unsigned char *data, size_t n,
				   struct copyoff_scsi_designator *designator);

/* For one EXTENDED COPY command. */
struct copyoff_scsi_copy_limits {
	uint32_t units; /* CSCD descriptors */
	uint32_t segments;
	uint32_t list_bytes; /* of descriptors */
	uint32_t segment_bytes; /* 0: no limit */
	unsigned granularity; /* segments are multiples of 1 << granularity bytes */
	unsigned concurrent; /* commands at the same time, at least 1 */
};
bool copyoff_scsi_parse_copy_limits(const unsigned char *data, size_t n,
				    struct copyoff_scsi_copy_limits *limits);

/* How many segments a failed EXTENDED COPY has processed; -1: that is not said. */
int copyoff_scsi_parse_copy_status(const unsigned char *data, size_t n);

/* What a failed EXTENDED COPY was answered. */
struct copyoff_scsi_failure {
	uint8_t status;
	const unsigned char *sense;
	size_t sense_len;
};
bool copyoff_scsi_parse_failure(const unsigned char *data, size_t n,
				struct copyoff_scsi_failure *failure);

/* Page Third-party Copy. */
struct copyoff_scsi_third_party {
	bool populates, writes, informs, aborts; /* commands there are */
	bool zeroes; /* it takes the token that stands for zeroes */
	bool limited; /* there are limits: */
	uint16_t ranges; /* in a command; 0: no limit */
	uint64_t blocks; /* in a token; 0: no limit */
};
bool copyoff_scsi_parse_third_party(const unsigned char *data, size_t n,
				    struct copyoff_scsi_third_party *page);

/* RECEIVE ROD TOKEN INFORMATION */
enum copyoff_scsi_progress {
	COPYOFF_SCSI_RUNNING,
	COPYOFF_SCSI_DONE, /* maybe less than was asked for */
	COPYOFF_SCSI_FAILED, /* what was counted is done */
	COPYOFF_SCSI_STRANGE, /* a status that proves nothing */
};

struct copyoff_scsi_token_information {
	uint8_t action; /* it is about: POPULATE_TOKEN or WRITE_USING_TOKEN */
	enum copyoff_scsi_progress progress;
	bool all; /* done without residue, says the device */
	uint32_t delay; /* milliseconds to wait before the next question; 0: not said */
	uint64_t blocks; /* transferred */
	uint8_t status; /* of the operation */
	const unsigned char *sense;
	size_t sense_len;
	const unsigned char *token; /* COPYOFF_SCSI_TOKEN_BYTES; NULL: none */
};
bool copyoff_scsi_parse_token_information(const unsigned char *data, size_t n, uint32_t block,
					  struct copyoff_scsi_token_information *info);

/* --- what went wrong -------------------------------------------------------------------- */

enum copyoff_scsi_action {
	COPYOFF_SCSI_GOOD,
	COPYOFF_SCSI_DECLINE, /* for that reason and with that errno */
	/* Try again, some times, and then decline: */
	COPYOFF_SCSI_RETRY, /* at once */
	COPYOFF_SCSI_WAIT, /* a moment later */
	COPYOFF_SCSI_LIST_ID, /* with another list identifier */
	COPYOFF_SCSI_TOKEN, /* with another token */
	COPYOFF_SCSI_LESS, /* with fewer ranges */
	COPYOFF_SCSI_FINAL, /* that errno */
	COPYOFF_SCSI_DEFERRED, /* that errno, of an earlier command: it is not said again */
};

struct copyoff_scsi_verdict {
	enum copyoff_scsi_action action;
	enum copyoff_reason reason;
	int error; /* positive errno */
	const char *text;
	enum {
		COPYOFF_SCSI_ANSWERED,
		COPYOFF_SCSI_NOT_SENT,
		COPYOFF_SCSI_IN_DOUBT, /* the device may have done it, and may be at it */
	} outcome;
};

/*
 * What came of a command that copyoff_sys_scsi_command() returned @ret for.  Where a
 * copy was aborted for what another device said, and that is final or deferred, so is
 * this.
 */
struct copyoff_scsi_verdict copyoff_scsi_judge(int ret, const struct copyoff_scsi_command *command);
/* The same for a status with sense data that were found in an answer. */
struct copyoff_scsi_verdict copyoff_scsi_judge_sense(uint8_t status, const unsigned char *sense,
						     size_t len);

/* It failed, and there should be sense data, but they got lost on the way. */
bool copyoff_scsi_lacks_sense(const struct copyoff_scsi_command *command);

/* The number of the segment that an EXTENDED COPY was aborted at; -1: not said. */
int copyoff_scsi_failed_segment(const struct copyoff_scsi_command *command);

#endif
