/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * nvme_flight.h - Copy commands in flight at the same time
 */
#ifndef COPYOFF_NVME_FLIGHT_H
#define COPYOFF_NVME_FLIGHT_H

#include "nvme_split.h"

enum { COPYOFF_NVME_GENERIC_NAME = 32 }; /* "ng0n1" */

/*
 * The character device of a namespace whose block device is @disk and whose number
 * is @nsid, in @name.  -ENXIO if there is none that may be used, others for want of
 * memory or descriptors.
 */
int copyoff_nvme_find_generic(uint64_t disk, uint32_t nsid, char name[COPYOFF_NVME_GENERIC_NAME]);
/* Opens it.  -errno if it is not there any more, or belongs to another namespace. */
int copyoff_nvme_open_generic(uint64_t disk, uint32_t nsid, const char *name);

/*
 * Copies from @at to the end, with up to @depth commands in flight (0: as many as are
 * good), on the character device @fd.  *@keep, NULL at first, is for later calls.
 * @at moves behind what was copied without a gap; behind that, bytes may have been
 * copied, too.  Returns 0 if nothing is left; the status of the first command that
 * did not do all; or -errno, also if no command could be sent.
 */
int copyoff_nvme_fly(void **keep, unsigned depth, int fd, const struct copyoff_nvme_target *target,
		     struct copyoff_nvme_cursor *at);
void copyoff_nvme_land(void *keep);

#endif
