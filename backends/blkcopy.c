/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * blkcopy.c - copies within a block device, by the ioctl of kernels that have one
 *
 * Series for the kernel have been posted since 2020; none was merged, and some
 * vendors and many testers have one of them.  They differ in almost everything, and
 * share what they do not do: look at what they are asked for, and at the page cache.
 * Some hang for ever, so all is looked at here, right before the call.
 */
#include "backend.h"
#include "blkcopy_command.h"

#include <errno.h>

/* To find out all that is needed costs as much as copying some 100 KiB. */
enum { LEAST_ONCE = 1 << 20 };

struct state {
	uint64_t words[COPYOFF_BLKCOPY_WORDS]; /* of the request */
	struct copyoff_range ranges[COPYOFF_BLKCOPY_RANGES_MOST]; /* of a call */
	struct copyoff_blkcopy_device device;
	const struct copyoff_blkcopy_abi *abi;
	struct copyoff_limits limits; /* of a call */
};

/* --- which version ------------------------------------------------------------------------ */

/*
 * All versions look first at how the descriptor was opened, and those that do not
 * know the number do not get that far.  The request is one that no version would
 * carry out, and larger than all.
 */
static bool is_known(int read_only_fd, const struct copyoff_blkcopy_abi *abi)
{
	uint64_t nothing[8] = { 0 };

	return copyoff_sys_block_copy(read_only_fd, abi->request, nothing) == -EBADF;
}

/* The first version with the attributes of the device at or behind @abi; NULL: none. */
static const struct copyoff_blkcopy_abi *next_abi(const struct copyoff_blkcopy_abi *abi,
						  unsigned names)
{
	const struct copyoff_blkcopy_abi *end = copyoff_blkcopy_abis + COPYOFF_BLKCOPY_ABIS;

	while (abi < end && abi->names != names)
		abi++;
	return abi < end ? abi : NULL;
}

static int ask(const struct copyoff_pair *pair, struct state *state, struct copyoff_offer *offer)
{
	int fd = copyoff_sys_reopen(pair->out.fd, COPYOFF_ACCESS_READ);

	if (fd < 0)
		return copyoff_decline(offer, COPYOFF_REASON_RESOURCE, fd,
				       "the device cannot be opened once more, to ask about it",
				       "");
	while (state->abi && !is_known(fd, state->abi))
		state->abi = next_abi(state->abi + 1, state->device.names);
	(void)copyoff_sys_close(fd); /* nothing was written */
	if (state->abi)
		return 0;
	return copyoff_decline(offer, COPYOFF_REASON_UNSUPPORTED, 0,
			       "the kernel has the attributes of a block copy, but not its ioctl",
			       "");
}

/*
 * Device mapper of other kernels hands requests down to what it is made of, so only
 * what its attributes tell counts.
 */
static int must_be_only(const struct state *state, struct copyoff_offer *offer)
{
	if (!next_abi(state->abi + 1, state->device.names))
		return 0;
	return copyoff_decline(offer, COPYOFF_REASON_UNSUPPORTED, 0,
			       "which block copy the kernel has cannot be found out through "
			       "device mapper",
			       "");
}

/* Of several versions with the same attributes, state->abi is the first one. */
static int choose_abi(const struct copyoff_pair *pair, struct state *state,
		      struct copyoff_offer *offer)
{
	int ret = state->device.is_dm ? must_be_only(state, offer) : ask(pair, state, offer);

	if (ret == 0 && state->abi->unit == 0)
		return copyoff_decline(offer, COPYOFF_REASON_UNSUPPORTED, 0,
				       "the kernel counts in bytes or in sectors, and does not "
				       "tell which",
				       "");
	return ret;
}

/* --- its limits --------------------------------------------------------------------------------- */

static int switched_off(struct copyoff_offer *offer, enum copyoff_reason reason)
{
	return copyoff_decline(offer, reason, 0,
			       "the device does not copy: it is switched off, or a limit is 0",
			       "set queue/copy_offload and the limits in its directory in sysfs");
}

/* 1 if it is more than 0, or not there for this version. */
static int read_limit(const struct state *state, const struct copyoff_blkcopy_limit *limit,
		      uint64_t *value)
{
	int ret;

	*value = UINT64_MAX;
	if (!limit->attribute)
		return 1;
	ret = copyoff_sysfs_number(state->device.rdev, limit->attribute, value);
	if (ret < 0)
		return ret;
	*value = *value > UINT64_MAX / limit->unit ? UINT64_MAX : *value * limit->unit;
	return *value > 0;
}

struct limits {
	uint64_t total, range, ranges;
};

/*
 * A limit of 0, where it is not switched off, leaves some kernels in a loop that
 * takes all memory.  @reason: what to decline with.
 */
static int read_limits(const struct state *state, struct limits *limits,
		       struct copyoff_offer *offer, enum copyoff_reason reason)
{
	const struct copyoff_blkcopy_abi *abi = state->abi;
	uint64_t enabled = 1;
	int ret = 1;

	if (abi->enabled)
		ret = copyoff_sysfs_number(state->device.rdev, abi->enabled, &enabled);
	if (ret >= 0 && enabled != 1)
		return switched_off(offer, reason);
	if (ret >= 0)
		ret = read_limit(state, &abi->max_total, &limits->total);
	if (ret > 0)
		ret = read_limit(state, &abi->max_range, &limits->range);
	if (ret > 0)
		ret = read_limit(state, &abi->max_ranges, &limits->ranges);
	if (ret == 0)
		return switched_off(offer, reason);
	return ret < 0 ? ret : 0;
}

/* No range is longer than all of them together. */
static void set_call_limits(struct state *state, const struct limits *limits)
{
	const struct copyoff_blkcopy_abi *abi = state->abi;
	struct limits all = { UINT64_MAX, UINT64_MAX, UINT64_MAX };

	if (abi->one_command)
		all = *limits;
	state->limits = (struct copyoff_limits){
		.align = state->device.block,
		.max_range = copyoff_range_min(copyoff_range_min(abi->total, all.total), all.range),
		.max_ranges = copyoff_range_min(abi->ranges, all.ranges),
		.max_total = copyoff_range_min(abi->total, all.total),
	};
}

/*
 * Those of an operation, which is as many whole calls as there is room for: what is
 * done around it takes longer than a small call.
 */
static void set_limits(struct copyoff_offer *offer, const struct state *state)
{
	const struct copyoff_limits *call = &state->limits;
	const uint64_t most =
		copyoff_range_min(call->max_total, call->max_range * call->max_ranges);
	const uint64_t bytes = copyoff_range_down(most, call->align);

	offer->limits = (struct copyoff_limits){
		.align = call->align,
		.max_ranges = copyoff_range_down(COPYOFF_BLKCOPY_RANGES_MOST, call->max_ranges),
		.max_total = copyoff_range_down(COPYOFF_BLKCOPY_TOTAL_MOST, bytes),
	};
}

/* --- probe ------------------------------------------------------------------------------------------ */

static int find_all(const struct copyoff_pair *pair, void *p, struct copyoff_offer *offer)
{
	struct state *state = p;
	struct limits limits;
	int ret = copyoff_blkcopy_find(pair, &state->device, offer);

	if (ret < 0)
		return ret;
	state->abi = next_abi(copyoff_blkcopy_abis, state->device.names);
	if (!state->abi)
		return copyoff_decline(offer, COPYOFF_REASON_UNSUPPORTED, 0,
				       "the kernel has another block copy than those by ioctl", "");
	ret = copyoff_blkcopy_examine(pair, &state->device, offer);
	if (ret == 0)
		ret = read_limits(state, &limits, offer, COPYOFF_REASON_UNSUPPORTED);
	if (ret == 0)
		ret = choose_abi(pair, state, offer);
	if (ret < 0)
		return ret;
	set_call_limits(state, &limits);
	if (state->limits.max_range < state->limits.align)
		return copyoff_decline(offer, COPYOFF_REASON_UNSUPPORTED, 0,
				       "the device takes less than one of its blocks", "");
	set_limits(offer, state);
	offer->adjacent = copyoff_blkcopy_adjacent(state->abi);
	offer->traits = copyoff_blkcopy_traits(&state->device);
	state->device.bracket.valid = true;
	return 0;
}

static int blkcopy_probe(const struct copyoff_pair *pair, struct copyoff_offer *offer)
{
	return copyoff_bracket_probe(pair, offer, sizeof(struct state), sizeof(uint64_t), find_all);
}

/* --- copy --------------------------------------------------------------------------------------------- */

static int put_aside(struct copyoff_offer *offer, int err, const char *text)
{
	return copyoff_decline(offer, COPYOFF_REASON_RESOURCE, err, text, "");
}

static uint64_t sum(const struct copyoff_range *ranges, size_t n)
{
	uint64_t total = 0;

	for (size_t i = 0; i < n; i++)
		total += ranges[i].len;
	return total;
}

/* They can be changed at any time, and the next call is cut for what they are now. */
static int find_call_limits(struct state *state, struct copyoff_offer *offer)
{
	struct limits limits;
	int ret = read_limits(state, &limits, offer, COPYOFF_REASON_RESOURCE);

	if (ret == COPYOFF_DECLINE)
		return ret;
	if (ret < 0)
		return put_aside(offer, ret, "the limits of the device cannot be read");
	set_call_limits(state, &limits);
	return 0;
}

/* An operation: what copy_by_calls() is called with. */
struct operation {
	const struct copyoff_pair *pair;
	struct copyoff_offer *offer;
	const struct copyoff_range *ranges;
	size_t n;
};

/* Of a call with @n ranges, @ret of the system is not success, or not complete. */
static int64_t failed(const struct operation *op, struct state *state, int ret, size_t n,
		      size_t complete)
{
	int64_t declined =
		ret < 0 ? copyoff_blkcopy_refuse(op->offer, -ret)
			: put_aside(op->offer, EIO, "the kernel reports less than was asked for");

	if (state->abi->result != COPYOFF_BLKCOPY_OF_FAILURE || complete == 0)
		return declined;
	return copyoff_blkcopy_salvage(op->pair, &state->device, op->offer, state->ranges, n,
				       sum(state->ranges, complete));
}

/* The call behind @done bytes.  *@whole: it did all that it was asked to. */
static int64_t make_call(const struct operation *op, struct state *state, uint64_t done,
			 bool *whole)
{
	const struct copyoff_blkcopy_abi *abi = state->abi;
	const char *flaw;
	size_t n, complete;
	int ret = find_call_limits(state, op->offer);

	if (ret < 0)
		return ret;
	n = copyoff_blkcopy_cut(op->ranges, op->n, done, &state->limits, state->ranges);
	if (n == 0)
		return put_aside(op->offer, 0, "the device takes less than one of its blocks now");
	flaw = copyoff_blkcopy_check(abi, state->ranges, n, op->pair->out.size,
				     (uint32_t)state->limits.align);
	if (flaw)
		return put_aside(op->offer, 0, flaw);
	copyoff_blkcopy_encode(abi, state->ranges, n, state->words);
	ret = copyoff_sys_block_copy(op->pair->out.fd, abi->request, state->words);
	complete = copyoff_blkcopy_complete(abi, state->words, state->ranges, n);
	*whole = ret == 0 && complete == n;
	if (!*whole)
		return failed(op, state, ret, n, complete);
	return copyoff_blkcopy_accept(op->pair, &state->device, op->offer, state->ranges, n,
				      sum(state->ranges, n));
}

/*
 * Until one fails.  What is before it is counted, and the core comes again with what
 * is left: then it is the first one, and what has become of it is said.
 */
static int64_t copy_by_calls(void *data)
{
	const struct operation *op = data;
	const uint64_t total = sum(op->ranges, op->n);
	uint64_t done = 0;
	bool whole = true;

	while (done < total && whole) {
		int64_t ret = make_call(op, op->offer->priv, done, &whole);

		if (ret < 0)
			return done > 0 ? (int64_t)done : ret;
		done += (uint64_t)ret;
	}
	return (int64_t)done;
}

static int64_t blkcopy_copy(const struct copyoff_pair *pair, struct copyoff_offer *offer,
			    const struct copyoff_range *ranges, size_t n)
{
	const struct copyoff_origin from = { .fd = pair->in.fd, .ranges = ranges, .n = n };
	struct state *state = offer->priv;
	struct operation op = { pair, offer, ranges, n };
	int ret = copyoff_blkcopy_begin(pair, &state->device, offer, ranges, n, find_all, state);

	if (ret < 0)
		return ret;
	return copyoff_bracket_copy(&state->device.bracket, pair, offer, &from, copy_by_calls, &op);
}

const struct copyoff_backend copyoff_backend_blkcopy = {
	.info = COPYOFF_BACKEND_INFO("blkcopy",
				     "has the kernel copy within a block device (experimental)",
				     COPYOFF_TRAIT_RAW | COPYOFF_TRAIT_HOST),
	.least_once = LEAST_ONCE,
	.probe = blkcopy_probe,
	.copy = blkcopy_copy,
	.release = copyoff_bracket_release,
	.close = copyoff_blkcopy_forget,
};
