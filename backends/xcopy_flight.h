/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * xcopy_flight.h - EXTENDED COPY commands in flight at the same time
 */
#ifndef COPYOFF_XCOPY_FLIGHT_H
#define COPYOFF_XCOPY_FLIGHT_H

#include "xcopy_split.h"

/*
 * The character device (sg) of the SCSI disk @disk.  -ENXIO if there is none that may
 * be used, or other errors of copyoff_sys_open_generic().
 */
int copyoff_xcopy_open_generic(uint64_t disk);

struct copyoff_xcopy_flown {
	size_t done; /* ranges that were copied without a gap */
	bool lost; /* answers: what they are of may be carried out later */
};

/*
 * Copies the @n ranges with up to @depth commands in flight, at most
 * COPYOFF_SCSI_DEPTH_MOST, on the character device @fd.  Behind those that are done,
 * bytes may have been copied, too.  GOOD if nothing failed, or the user has canceled; or
 * else what came of the first command that did: NOT_SENT, if the device takes no
 * commands, or there is no memory.  Lost answers are fatal to the offer.
 */
struct copyoff_scsi_verdict copyoff_xcopy_fly(const struct copyoff_xcopy_target *target,
					      struct copyoff_offer *offer, int fd, unsigned depth,
					      const struct copyoff_range *ranges, size_t n,
					      struct copyoff_xcopy_flown *flown);

#endif
