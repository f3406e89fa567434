/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * copy_file_range_block.h - copy_file_range(2) within a block device
 *
 * The part of the backend copy_file_range for kernels that take block devices,
 * which mainline ones do not.
 */
#ifndef COPYOFF_COPY_FILE_RANGE_BLOCK_H
#define COPYOFF_COPY_FILE_RANGE_BLOCK_H

#include "backend.h"

/* As those of a backend; for pairs of two block devices. */
int copyoff_cfr_block_probe(const struct copyoff_pair *pair, struct copyoff_offer *offer);
int64_t copyoff_cfr_block_copy(const struct copyoff_pair *pair, struct copyoff_offer *offer,
			       const struct copyoff_range *range);
void copyoff_cfr_block_release(struct copyoff_offer *offer);

#endif
