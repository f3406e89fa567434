/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * bracket.c - see bracket.h
 */
#include "bracket.h"

#include "backend.h"

#include <errno.h>
#include <string.h>

/* --- the same devices ------------------------------------------------------------ */

static uint64_t sequence_of(int fd)
{
	uint64_t sequence;

	return copyoff_sys_disk_sequence(fd, &sequence) < 0 ? 0 : sequence;
}

static void find_side(struct copyoff_side *side, const struct copyoff_end *end, bool written)
{
	side->is_device = end->kind == COPYOFF_KIND_BLOCK;
	if (!side->is_device)
		return;
	side->sequence = sequence_of(end->fd);
	side->size = end->size;
	copyoff_chain_open(&side->chain, end->fd, end->rdev);
	copyoff_coherence_find(&side->caches, &side->chain, end->size, written);
	/* An open device beneath could not be detached. */
	copyoff_chain_close(&side->chain);
}

void copyoff_bracket_find(struct copyoff_bracket *b, const struct copyoff_pair *pair)
{
	b->valid = false;
	find_side(&b->in, &pair->in, false);
	find_side(&b->out, &pair->out, true);
}

static bool side_holds(const struct copyoff_side *side, const struct copyoff_end *end)
{
	return !side->is_device ||
	       (end->size == side->size && sequence_of(end->fd) == side->sequence &&
		copyoff_chain_unchanged(&side->chain, end->fd));
}

bool copyoff_bracket_holds(const struct copyoff_bracket *b, const struct copyoff_pair *pair)
{
	return side_holds(&b->in, &pair->in) && side_holds(&b->out, &pair->out);
}

/* Without a sequence number, another medium would not be noticed. */
static bool is_certain(const struct copyoff_bracket *b)
{
	return (!b->in.is_device || b->in.sequence) && (!b->out.is_device || b->out.sequence);
}

/* --- the same size ----------------------------------------------------------------- */

static int find_size(const struct copyoff_end *end, struct copyoff_offer *offer, uint32_t block,
		     uint64_t *size)
{
	uint32_t now;
	int ret = copyoff_sys_block_size(end->fd, size, &now);

	if (ret < 0)
		return copyoff_decline(offer, COPYOFF_REASON_RESOURCE, ret,
				       "the size of a device cannot be found out", "");
	if (now != block)
		return copyoff_decline(offer, COPYOFF_REASON_RESOURCE, 0,
				       "a device was formatted anew: it has other blocks", "");
	return 0;
}

static bool ends_within(uint64_t size, int64_t off, uint64_t len)
{
	return (uint64_t)off <= size && len <= size - (uint64_t)off;
}

/* Do the ranges end within the devices as they are now, with blocks as they were? */
static int check_fit(const struct copyoff_pair *pair, struct copyoff_offer *offer,
		     const struct copyoff_range *ranges, size_t n, uint32_t block)
{
	uint64_t in, out;
	int ret = find_size(&pair->in, offer, block, &in);

	if (ret == 0)
		ret = find_size(&pair->out, offer, block, &out);
	for (size_t i = 0; i < n && ret == 0; i++) {
		if (!ends_within(in, ranges[i].src, ranges[i].len) ||
		    !ends_within(out, ranges[i].dst, ranges[i].len))
			ret = copyoff_decline(offer, COPYOFF_REASON_RESOURCE, 0,
					      "a device has become smaller", "");
	}
	return ret;
}

/* --- what a backend finds out ---------------------------------------------------------- */

int copyoff_bracket_probe(const struct copyoff_pair *pair, struct copyoff_offer *offer, size_t size,
			  size_t align, copyoff_find_fn *find)
{
	void *state = copyoff_sys_alloc(size, align);
	int ret;

	if (!state)
		return -ENOMEM;
	memset(state, 0, size);
	ret = find(pair, state, offer);
	if (ret == 0)
		ret = copyoff_check_destination(&pair->out, offer);
	if (ret == 0)
		offer->priv = state;
	else
		copyoff_sys_free(state);
	return ret;
}

void copyoff_bracket_release(struct copyoff_offer *offer)
{
	copyoff_sys_free(offer->priv);
}

/* 0: there is none. */
static bool is_narrower(uint64_t now, uint64_t before)
{
	return now && (!before || now < before);
}

static int find_again(struct copyoff_bracket *b, const struct copyoff_pair *pair,
		      struct copyoff_offer *offer, copyoff_find_fn *find, void *state)
{
	const struct copyoff_limits before = offer->limits, *now = &offer->limits;
	const uint32_t block = b->block;
	int ret;

	if (b->valid && is_certain(b) && copyoff_bracket_holds(b, pair))
		return 0;
	ret = find(pair, state, offer);
	if (ret < 0 && ret != COPYOFF_DECLINE)
		return copyoff_decline(offer, COPYOFF_REASON_RESOURCE, ret,
				       "the device was set up anew, and does not answer", "");
	if (ret == 0 && (b->block != block || now->align != before.align ||
			 is_narrower(now->max_range, before.max_range) ||
			 is_narrower(now->max_ranges, before.max_ranges) ||
			 is_narrower(now->max_total, before.max_total)))
		return copyoff_decline(
			offer, COPYOFF_REASON_RESOURCE, 0,
			"the device has other blocks, or narrower limits, than before", "");
	return ret;
}

int copyoff_bracket_begin(struct copyoff_bracket *b, const struct copyoff_pair *pair,
			  struct copyoff_offer *offer, const struct copyoff_range *ranges, size_t n,
			  copyoff_find_fn *find, void *state)
{
	int ret = find_again(b, pair, offer, find, state);

	/* Of a partition: the device knows only where the disk ends. */
	if (ret == 0)
		ret = check_fit(pair, offer, ranges, n, b->block);
	return ret < 0 ? ret : copyoff_check_destination(&pair->out, offer);
}

/* --- caches around the copy ---------------------------------------------------------- */

/* Ranges whose destinations lie one behind the other. */
struct run {
	const struct copyoff_range *ranges;
	size_t n;
	uint64_t len; /* of all of them */
};

/* The first run of the @n ranges at @ranges; false if there are none. */
static bool next_run(const struct copyoff_range *ranges, size_t n, struct run *run)
{
	*run = (struct run){ .ranges = ranges };
	while (run->n < n &&
	       (run->n == 0 || (uint64_t)ranges[run->n].dst == (uint64_t)ranges[0].dst + run->len))
		run->len += ranges[run->n++].len;
	return run->n > 0;
}

/* Open what caches there are; what cannot be opened leaves the copy to others. */
static int begin(struct copyoff_bracket *b, const struct copyoff_pair *pair,
		 struct copyoff_offer *offer)
{
	int ret = 0;

	if (b->in.is_device)
		ret = copyoff_coherence_begin(&b->in.caches, pair->in.fd);
	if (ret == 0 && b->out.is_device)
		ret = copyoff_coherence_begin(&b->out.caches, pair->out.fd);
	if (ret == 0)
		return 0;
	return copyoff_decline(offer, COPYOFF_REASON_RESOURCE, ret,
			       "a device beneath, which has a page cache of its own, cannot be "
			       "opened",
			       "");
}

static void end(struct copyoff_bracket *b)
{
	if (b->in.is_device)
		copyoff_coherence_end(&b->in.caches);
	if (b->out.is_device)
		copyoff_coherence_end(&b->out.caches);
}

static int flush(const struct copyoff_bracket *b, const struct copyoff_origin *from)
{
	struct run run;
	int ret = 0;

	for (size_t i = 0; b->in.is_device && i < from->n && ret == 0; i++)
		ret = copyoff_coherence_flush_source(&b->in.caches, (uint64_t)from->ranges[i].src,
						     from->ranges[i].len);
	if (!b->out.is_device)
		return ret;
	for (size_t i = 0; ret == 0 && next_run(from->ranges + i, from->n - i, &run); i += run.n)
		ret = copyoff_coherence_flush_destination(&b->out.caches, (uint64_t)run.ranges->dst,
							  run.len);
	return ret;
}

/* All runs, also behind one that cannot be dropped. */
static int drop(const struct copyoff_bracket *b, const struct copyoff_pair *pair,
		const struct copyoff_origin *from)
{
	struct run run;
	int err = 0;

	if (!b->out.is_device)
		return 0;
	for (size_t i = 0; next_run(from->ranges + i, from->n - i, &run); i += run.n) {
		struct copyoff_origin part = *from;
		int ret;

		part.ranges = run.ranges;
		part.n = run.n;
		ret = copyoff_coherence_drop(&b->out.caches, (uint64_t)run.ranges->dst, run.len,
					     pair->out.direct, &part);
		if (err == 0)
			err = ret;
	}
	return err;
}

int64_t copyoff_bracket_copy(struct copyoff_bracket *b, const struct copyoff_pair *pair,
			     struct copyoff_offer *offer, const struct copyoff_origin *from,
			     int64_t (*copy)(void *data), void *data)
{
	int64_t ret = begin(b, pair, offer);
	bool copied = false;
	int err;

	if (ret < 0)
		goto out;
	ret = flush(b, from);
	if (ret < 0) {
		/* Of what was written before, and nobody else is told. */
		copyoff_fatal(offer, (int)-ret, "what was written to a device before is lost");
		goto out;
	}
	ret = copy(data);
	copied = ret > 0;
	err = drop(b, pair, from);
	if (err < 0 && ret >= 0)
		ret = copyoff_decline(offer, COPYOFF_REASON_RESOURCE, err,
				      "the page cache of the destination cannot be dropped", "");
out:
	end(b);
	if (copied && !copyoff_bracket_holds(b, pair)) {
		copyoff_fatal(offer, EIO, "a device was exchanged for another one");
		ret = -EIO;
	}
	return ret;
}
