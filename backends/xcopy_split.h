/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * xcopy_split.h - how a copy is split into EXTENDED COPY commands
 *
 * A command has a list of segments from one disk to the other.  Each range of a copy,
 * none of which is longer than a segment may be, is one.
 */
#ifndef COPYOFF_XCOPY_SPLIT_H
#define COPYOFF_XCOPY_SPLIT_H

#include "scsi_command.h"

/* Whom the commands are for, and how large they may be. */
struct copyoff_xcopy_target {
	struct copyoff_scsi_designator names[2]; /* of source and destination */
	uint32_t block; /* bytes, of both */
	size_t segments; /* the most in a command, 1 to COPYOFF_SCSI_SEGMENTS_MOST */
	uint64_t bytes; /* the most that a command copies, if it has several */
};

/* How many of the @n ranges, of which there is one, the next command takes. */
size_t copyoff_xcopy_next(const struct copyoff_xcopy_target *target,
			  const struct copyoff_range *ranges, size_t n);

/* The command for them; @list gets its parameters, and has COPYOFF_SCSI_LIST_MOST bytes. */
struct copyoff_scsi_command copyoff_xcopy_command(const struct copyoff_xcopy_target *target,
						  const struct copyoff_offer *offer,
						  const struct copyoff_range *ranges, size_t n,
						  uint32_t list_id, unsigned char *list);

#endif
