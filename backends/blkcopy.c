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
	struct copyoff_blkcopy_device device;
	const struct copyoff_blkcopy_abi *abi;
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

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* No range is longer than all of them together. */
static void set_limits(struct copyoff_offer *offer, const struct state *state,
		       const struct limits *limits)
{
	const struct copyoff_blkcopy_abi *abi = state->abi;
	struct limits all = { UINT64_MAX, UINT64_MAX, UINT64_MAX };

	if (abi->one_command)
		all = *limits;
	offer->limits = (struct copyoff_limits){
		.align = state->device.block,
		.max_range = least(least(abi->total, all.total), all.range),
		.max_ranges = least(abi->ranges, all.ranges),
		.max_total = least(abi->total, all.total),
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
	set_limits(offer, state, &limits);
	if (offer->limits.max_range < offer->limits.align)
		return copyoff_decline(offer, COPYOFF_REASON_UNSUPPORTED, 0,
				       "the device takes less than one of its blocks", "");
	offer->adjacent = copyoff_blkcopy_adjacent(state->abi);
	offer->traits = copyoff_blkcopy_traits(&state->device);
	state->device.valid = true;
	return 0;
}

static int blkcopy_probe(const struct copyoff_pair *pair, struct copyoff_offer *offer)
{
	struct state *state = copyoff_sys_alloc(sizeof(*state), sizeof(uint64_t));
	int ret;

	if (!state)
		return -ENOMEM;
	*state = (struct state){ .abi = NULL };
	ret = find_all(pair, state, offer);
	if (ret == 0)
		ret = copyoff_check_destination(&pair->out, offer);
	if (ret == 0)
		offer->priv = state;
	else
		copyoff_sys_free(state);
	return ret;
}

static void blkcopy_release(struct copyoff_offer *offer)
{
	copyoff_sys_free(offer->priv);
}

/* --- copy --------------------------------------------------------------------------------------------- */

static int put_aside(struct copyoff_offer *offer, int err, const char *text)
{
	return copyoff_decline(offer, COPYOFF_REASON_RESOURCE, err, text, "");
}

/* What make_call() is called with. */
struct call {
	const struct copyoff_pair *pair;
	struct copyoff_offer *offer;
	const struct copyoff_range *ranges;
	size_t n;
	uint64_t size; /* of the device */
};

static uint64_t sum(const struct copyoff_range *ranges, size_t n)
{
	uint64_t total = 0;

	for (size_t i = 0; i < n; i++)
		total += ranges[i].len;
	return total;
}

/* They can be changed at any time; and they are what this call is cut for. */
static int check_limits(const struct call *call, const struct state *state)
{
	const struct copyoff_limits before = call->offer->limits, *now = &call->offer->limits;
	struct limits limits;
	int ret = read_limits(state, &limits, call->offer, COPYOFF_REASON_RESOURCE);

	if (ret == COPYOFF_DECLINE)
		return ret;
	if (ret < 0)
		return put_aside(call->offer, ret, "the limits of the device cannot be read");
	set_limits(call->offer, state, &limits);
	if (now->max_range < before.max_range || now->max_total < before.max_total ||
	    now->max_ranges < before.max_ranges)
		return put_aside(call->offer, 0, "the device has narrower limits than before");
	return 0;
}

/* @ret of the system is not success, or not complete. */
static int64_t failed(const struct call *call, struct state *state, int ret, size_t complete)
{
	int64_t declined =
		ret < 0 ? copyoff_blkcopy_refuse(call->offer, -ret)
			: put_aside(call->offer, EIO, "the kernel reports less than was asked for");

	if (state->abi->result != COPYOFF_BLKCOPY_OF_FAILURE || complete == 0)
		return declined;
	return copyoff_blkcopy_salvage(call->pair, &state->device, call->offer, call->ranges,
				       call->n, sum(call->ranges, complete));
}

static int64_t make_call(void *data)
{
	const struct call *call = data;
	struct state *state = call->offer->priv;
	const struct copyoff_blkcopy_abi *abi = state->abi;
	const char *flaw = copyoff_blkcopy_check(abi, call->ranges, call->n, call->size,
						 (uint32_t)call->offer->limits.align);
	size_t complete;
	int ret;

	if (flaw)
		return put_aside(call->offer, 0, flaw);
	ret = check_limits(call, state);
	if (ret < 0)
		return ret;
	copyoff_blkcopy_encode(abi, call->ranges, call->n, state->words);
	ret = copyoff_sys_block_copy(call->pair->out.fd, abi->request, state->words);
	complete = copyoff_blkcopy_complete(abi, state->words, call->ranges, call->n);
	if (ret != 0 || complete < call->n)
		return failed(call, state, ret, complete);
	return copyoff_blkcopy_accept(call->pair, &state->device, call->offer, call->ranges,
				      call->n, sum(call->ranges, call->n));
}

static int64_t blkcopy_copy(const struct copyoff_pair *pair, struct copyoff_offer *offer,
			    const struct copyoff_range *ranges, size_t n)
{
	const struct copyoff_origin from = { .fd = pair->in.fd, .ranges = ranges, .n = n };
	struct state *state = offer->priv;
	struct call call = { pair, offer, ranges, n, pair->out.size };
	int ret = copyoff_blkcopy_begin(pair, &state->device, offer, ranges, n, find_all, state);

	if (ret < 0)
		return ret;
	return copyoff_bracket_copy(&state->device.bracket, pair, offer, &from, make_call, &call);
}

const struct copyoff_backend copyoff_backend_blkcopy = {
	.info = COPYOFF_BACKEND_INFO("blkcopy",
				     "has the kernel copy within a block device (experimental)",
				     COPYOFF_TRAIT_RAW | COPYOFF_TRAIT_HOST),
	.least_once = LEAST_ONCE,
	.probe = blkcopy_probe,
	.copy = blkcopy_copy,
	.release = blkcopy_release,
	.close = copyoff_blkcopy_forget,
};
