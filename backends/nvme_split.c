/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * nvme_split.c - see nvme_split.h
 */
#include "nvme_split.h"

void copyoff_nvme_advance(struct copyoff_nvme_cursor *at, uint64_t len)
{
	at->done += len;
	while (at->i < at->n && len >= at->ranges[at->i].len - at->pos) {
		len -= at->ranges[at->i].len - at->pos;
		at->i++;
		at->pos = 0;
	}
	at->pos += len;
}

/* Bytes that lie one behind the other in the source, too. */
static uint64_t bytes_in_a_row(const struct copyoff_nvme_cursor *at)
{
	const struct copyoff_range *r = &at->ranges[at->i], *end = &at->ranges[at->n];
	uint64_t len = r->len - at->pos;

	for (r++; r < end && r->src == r[-1].src + (int64_t)r[-1].len; r++)
		len += r->len;
	return len;
}

/* Of @blocks blocks from @slba as much as there is room for; true if that is all. */
static bool add_to_list(const struct copyoff_nvme_target *target, unsigned char *list,
			struct copyoff_nvme_piece *piece, uint64_t slba, uint64_t blocks)
{
	const struct copyoff_nvme_namespace *namespace = &target->namespace;
	const size_t size = copyoff_nvme_range_size(target->format);

	while (blocks > 0 && piece->n < namespace->ranges &&
	       piece->total < namespace->total_blocks) {
		uint64_t room = namespace->total_blocks - piece->total;
		uint32_t some = (uint32_t)copyoff_range_min(
			copyoff_range_min(blocks, namespace->range_blocks), room);

		copyoff_nvme_encode_range(target->format, target->source_nsid, slba, some,
					  list + piece->n * size);
		piece->blocks[piece->n++] = some;
		piece->total += some;
		slba += some;
		blocks -= some;
	}
	return blocks == 0;
}

static void make_list(const struct copyoff_nvme_target *target, struct copyoff_nvme_cursor at,
		      unsigned char *list, struct copyoff_nvme_piece *piece)
{
	const unsigned shift = target->namespace.block_shift;

	piece->n = 0;
	piece->total = 0;
	while (at.i < at.n) {
		uint64_t src = (uint64_t)at.ranges[at.i].src + at.pos + at.base_in;
		uint64_t len = bytes_in_a_row(&at);

		if (!add_to_list(target, list, piece, src >> shift, len >> shift))
			return;
		copyoff_nvme_advance(&at, len);
	}
}

void copyoff_nvme_next(const struct copyoff_nvme_target *target,
		       const struct copyoff_nvme_cursor *at, unsigned char *list,
		       struct copyoff_nvme_piece *piece)
{
	const uint64_t dst = (uint64_t)at->ranges[0].dst + at->done + at->base_out;

	make_list(target, *at, list, piece);
	piece->command = copyoff_nvme_copy(target->nsid, target->format,
					   dst >> target->namespace.block_shift, list, piece->n);
	if (target->namespace.protection)
		copyoff_nvme_protect(&piece->command, target->namespace.protection,
				     target->tags.guard);
}

uint64_t copyoff_nvme_piece_done(const struct copyoff_nvme_target *target,
				 const struct copyoff_nvme_piece *piece, int ret)
{
	unsigned n = piece->n;
	uint64_t blocks = 0;

	if (ret != 0)
		n = ret < 0 ? 0 : copyoff_nvme_ranges_done(ret, piece->command.result, n);
	for (unsigned i = 0; i < n; i++)
		blocks += piece->blocks[i];
	return blocks << target->namespace.block_shift;
}
