/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * nvme_split.h - how a copy is split into Copy commands
 *
 * A command has a list of source ranges, and one destination, where they come to
 * lie one behind the other.  Each is as large as the limits of the namespace allow.
 */
#ifndef COPYOFF_NVME_SPLIT_H
#define COPYOFF_NVME_SPLIT_H

#include "nvme_command.h"

enum { COPYOFF_NVME_LIST_BYTES = COPYOFF_NVME_RANGES_MOST * COPYOFF_NVME_RANGE_BYTES_MOST };

/* Whom the commands are for. */
struct copyoff_nvme_target {
	uint32_t nsid; /* of the destination */
	uint32_t source_nsid;
	unsigned format; /* of descriptors */
	struct copyoff_nvme_tags tags;
	struct copyoff_nvme_namespace namespace;
};

/* Where a copy is: what is before is copied, or under way. */
struct copyoff_nvme_cursor {
	const struct copyoff_range *ranges; /* one behind the other in the destination */
	size_t n;
	uint64_t base_in, base_out; /* of their offsets in the namespaces, bytes */
	size_t i; /* the range that is next; n: none */
	uint64_t pos; /* in it, bytes */
	uint64_t done; /* of all, bytes */
};

void copyoff_nvme_advance(struct copyoff_nvme_cursor *at, uint64_t len);

struct copyoff_nvme_piece {
	struct copyoff_nvme_command command;
	unsigned n; /* ranges */
	uint32_t blocks[COPYOFF_NVME_RANGES_MOST]; /* of each */
	uint64_t total; /* blocks */
};

/*
 * The command that is next, of which there is one; @list gets its descriptors, and
 * has COPYOFF_NVME_LIST_BYTES.
 */
void copyoff_nvme_next(const struct copyoff_nvme_target *target,
		       const struct copyoff_nvme_cursor *at, unsigned char *list,
		       struct copyoff_nvme_piece *piece);

/*
 * How many bytes, from the first one, were certainly copied by the command, which
 * came back with @ret, its status or -errno.
 */
uint64_t copyoff_nvme_piece_done(const struct copyoff_nvme_target *target,
				 const struct copyoff_nvme_piece *piece, int ret);

#endif
