/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * xcopy_split.c - see xcopy_split.h
 */
#include "xcopy_split.h"

#include "scsi_disk.h"

size_t copyoff_xcopy_next(const struct copyoff_xcopy_target *target,
			  const struct copyoff_range *ranges, size_t n)
{
	uint64_t left = target->bytes;
	size_t i = 0;

	do
		left -= copyoff_range_min(ranges[i++].len, left);
	while (i < n && i < target->segments && ranges[i].len <= left);
	return i;
}

struct copyoff_scsi_command copyoff_xcopy_command(const struct copyoff_xcopy_target *target,
						  const struct copyoff_offer *offer,
						  const struct copyoff_range *ranges, size_t n,
						  uint32_t list_id, unsigned char *list)
{
	struct copyoff_scsi_range segments[COPYOFF_SCSI_SEGMENTS_MOST];
	uint32_t len;

	copyoff_scsi_ranges(offer, target->block, ranges, n, segments);
	len = copyoff_scsi_encode_copy(list, (uint8_t)list_id, target->names, target->block,
				       segments, n);
	return copyoff_scsi_copy_out(COPYOFF_SCSI_EXTENDED_COPY, 0, list, len);
}
