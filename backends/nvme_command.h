/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * nvme_command.h - the bytes of NVMe, and what its answers mean
 *
 * Pure functions for nvme.c.  Names and layouts are those of the NVM Express Base
 * and NVM Command Set specifications.
 */
#ifndef COPYOFF_NVME_COMMAND_H
#define COPYOFF_NVME_COMMAND_H

#include "backend.h"

enum {
	COPYOFF_NVME_IDENTIFY = 0x06, /* admin commands */
	COPYOFF_NVME_GET_FEATURES = 0x0a,
	COPYOFF_NVME_COPY = 0x19,

	COPYOFF_NVME_IDENTIFY_BYTES = 4096,
	COPYOFF_NVME_BEHAVIOR_BYTES = 512,
	COPYOFF_NVME_RANGES_MOST = 256, /* in one Copy command */
	COPYOFF_NVME_RANGE_BYTES_MOST = 40, /* of the descriptor of one */
};

/* What Identify is asked about (CNS). */
enum copyoff_nvme_cns {
	COPYOFF_NVME_CNS_NAMESPACE = 0x00,
	COPYOFF_NVME_CNS_CONTROLLER = 0x01,
	COPYOFF_NVME_CNS_NAMESPACE_NVM = 0x05, /* of the NVM command set */
};

/* Identify Controller. */
struct copyoff_nvme_controller {
	bool copies; /* ONCS */
	uint16_t formats; /* OCFS: bit n, descriptors of format n */
};

/* Identify Namespace. */
struct copyoff_nvme_namespace {
	uint64_t blocks; /* NSZE */
	unsigned block_shift; /* LBADS: blocks are of 1 << block_shift bytes */
	uint16_t metadata; /* bytes with each block */
	unsigned format_index; /* in the list of LBA formats */
	unsigned protection; /* DPS: type of protection information, 1 to 3; 0: off */
	bool write_protected; /* NSATTR */
	/* For one Copy command, each in blocks or numbers as people count them. */
	uint32_t range_blocks; /* MSSRL: in one range; 0: no Copy */
	uint32_t total_blocks; /* MCL; 0: no Copy */
	uint32_t ranges; /* MSRC + 1 */
};

/* @data: what the device answered, COPYOFF_NVME_IDENTIFY_BYTES of it. */
void copyoff_nvme_parse_controller(const unsigned char *data,
				   struct copyoff_nvme_controller *controller);
void copyoff_nvme_parse_namespace(const unsigned char *data,
				  struct copyoff_nvme_namespace *namespace);

/* Protection information of an LBA format, as it is if it is on. */
struct copyoff_nvme_tags {
	unsigned guard; /* PIF: 0: of 16 bits, 1: 32, 2: 64 */
	unsigned storage_bits; /* STS: of the reference tag, those that are no address */
};

/* Identify Namespace of the NVM command set. */
struct copyoff_nvme_tags copyoff_nvme_parse_tags(const unsigned char *data, unsigned format_index);
/* Bytes of protection information with a block; 0: a guard that is not known. */
unsigned copyoff_nvme_protection_size(unsigned guard);

/* The command that asks; @data has COPYOFF_NVME_IDENTIFY_BYTES. */
struct copyoff_nvme_command copyoff_nvme_identify(uint32_t nsid, enum copyoff_nvme_cns cns,
						  unsigned char *data);

/*
 * Get Features, Host Behavior Support: @data has COPYOFF_NVME_BEHAVIOR_BYTES.  And of
 * the answer, bit n: descriptors of format n are enabled (CDFE); 0h and 1h always are.
 */
struct copyoff_nvme_command copyoff_nvme_get_behavior(unsigned char *data);
unsigned copyoff_nvme_parse_behavior(const unsigned char *data);

/* Bytes of the descriptor of one source range: 32 in formats 0h and 2h, else 40. */
size_t copyoff_nvme_range_size(unsigned format);
/*
 * The descriptor of @blocks (1 to 65536) from @slba, in formats 2h and 3h of the
 * namespace @snsid; what tags they have is not checked.
 */
void copyoff_nvme_encode_range(unsigned format, uint32_t snsid, uint64_t slba, uint32_t blocks,
			       unsigned char *to);
/* Copy @n (1 to 256) ranges, whose descriptors are at @ranges, to @sdlba. */
struct copyoff_nvme_command copyoff_nvme_copy(uint32_t nsid, unsigned format, uint64_t sdlba,
					      unsigned char *ranges, unsigned n);

/*
 * Let the controller check the guards of what it reads, and make protection
 * information of @type, with a guard as in copyoff_nvme_tags, for what it writes.
 * What comes along from the source otherwise has reference tags that are the
 * addresses there: the command succeeds, and the copy cannot be read.
 */
void copyoff_nvme_protect(struct copyoff_nvme_command *copy, unsigned type, unsigned guard);

/* What to do about a Copy command that failed, and of which nothing is copied. */
enum copyoff_nvme_action {
	COPYOFF_NVME_DECLINE, /* for that reason and with that errno */
	COPYOFF_NVME_RETRY, /* some times; then decline */
	COPYOFF_NVME_LIMITS, /* read them again, once; if they are as they were, decline */
	COPYOFF_NVME_FINAL, /* that errno */
};

struct copyoff_nvme_verdict {
	uint16_t status; /* SCT << 8 | SC */
	enum copyoff_nvme_action action;
	enum copyoff_reason reason;
	int error; /* positive errno */
	const char *text;
};

/* What @status, which is not 0, of a completion means. */
const struct copyoff_nvme_verdict *copyoff_nvme_verdict_of(int status);

/*
 * How many of @n ranges, from the first one, a Copy command that failed with
 * @status has certainly copied, by @result, the dwords 0 and 1 of its completion.
 */
unsigned copyoff_nvme_ranges_done(int status, uint64_t result, unsigned n);

#endif
