/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * nvme.c - copies within an NVMe namespace, made by the device (Copy command)
 *
 * Both ends are one namespace, or partitions of it, or, where somebody has enabled
 * that, two namespaces of one controller.  A Copy command has a list of source ranges,
 * and one destination, where they come to lie one behind the other.
 * The kernel passes the command on as it is: it checks neither addresses nor how
 * the descriptor was opened, and its page cache knows nothing of the copy.
 */
#include "backend.h"
#include "nvme_flight.h"

#include <errno.h>

enum {
	/* To find out all that is needed costs as much as copying some 100 KiB. */
	LEAST_ONCE = 1 << 20,
	/* Bytes in one command, which cannot be interrupted, and may time out. */
	TOTAL_MOST = 256 << 20,
	/* Bytes in small commands one after the other, around which caches are dealt with once. */
	OPERATION_MOST = 64 << 20,
	RETRIES = 3,
	BUFFER_ALIGN = 4096,
};

struct state {
	/* The descriptors of a command, or the answer to Identify. */
	unsigned char buf[COPYOFF_NVME_LIST_BYTES];
	struct copyoff_bracket bracket;
	struct copyoff_nvme_target target;
	bool old_ioctl; /* the kernel does not know the newer one */
	bool one_at_a_time; /* several in flight cannot be had */
	bool alone; /* one in flight failed: the next one is sent alone */
	char generic[COPYOFF_NVME_GENERIC_NAME]; /* character device; "": not looked for */
};
_Static_assert(sizeof(((struct state *)0)->buf) >= COPYOFF_NVME_IDENTIFY_BYTES,
	       "there is room for the answer to Identify");

/* --- which namespace --------------------------------------------------------------- */

static int not_a_namespace(struct copyoff_offer *offer)
{
	return copyoff_decline(offer, COPYOFF_REASON_FILE_TYPE, 0,
			       "not NVMe namespaces, nor partitions of them", "");
}

static bool is_stacked(const struct copyoff_side *side)
{
	return side->chain.n > 1 || side->chain.place.in_file;
}

/* Device mapper hands the question to the device beneath: sysfs must agree. */
static int check_id(const struct copyoff_end *end, uint64_t nsid, struct copyoff_offer *offer)
{
	int64_t id = copyoff_sys_nvme_id(end->fd);

	if (id == -ENOTTY)
		return not_a_namespace(offer);
	if (id < 0)
		return (int)id;
	return (uint64_t)id == nsid ? 0 : not_a_namespace(offer);
}

static int find_nsid(const struct copyoff_end *end, const struct copyoff_side *side, uint32_t *nsid,
		     struct copyoff_offer *offer)
{
	uint64_t value;
	int ret = copyoff_sysfs_number(side->chain.lowest, "nsid", &value);

	if (ret == -ENOENT || (ret == 0 && (value == 0 || value >= UINT32_MAX)))
		return not_a_namespace(offer);
	if (ret == 0)
		ret = check_id(end, value, offer);
	*nsid = (uint32_t)value;
	return ret;
}

static bool between_namespaces(const struct state *state)
{
	return state->bracket.in.chain.lowest != state->bracket.out.chain.lowest;
}

/*
 * A number of a namespace is one of its controller's.  The device in front of the
 * paths of multipath belongs to no controller: there, nothing is proven.
 */
static int check_controller(const struct state *state, struct copyoff_offer *offer)
{
	uint64_t in, out;

	if (copyoff_sysfs_device(state->bracket.in.chain.lowest, "device/dev", &in) == 0 &&
	    copyoff_sysfs_device(state->bracket.out.chain.lowest, "device/dev", &out) == 0 &&
	    in == out && state->target.source_nsid != state->target.nsid)
		return 0;
	return copyoff_decline(offer, COPYOFF_REASON_CROSS_DEVICE, 0,
			       "source and destination are not on namespaces of one controller",
			       "");
}

static int find_namespaces(const struct copyoff_pair *pair, struct state *state,
			   struct copyoff_offer *offer)
{
	int ret = find_nsid(&pair->out, &state->bracket.out, &state->target.nsid, offer);

	if (ret == 0)
		ret = find_nsid(&pair->in, &state->bracket.in, &state->target.source_nsid, offer);
	if (ret == 0 && between_namespaces(state))
		ret = check_controller(state, offer);
	return ret;
}

/* --- what it can do ------------------------------------------------------------------ */

static int refuse_permission(struct copyoff_offer *offer, int err)
{
	return copyoff_decline(offer, COPYOFF_REASON_PERMISSION, err,
			       "this process may not send commands to the device",
			       "have CAP_SYS_ADMIN; since Linux 6.2 to open a whole namespace for "
			       "writing is enough");
}

/* > 0: a status; -errno; COPYOFF_DECLINE: no permission. */
static int ask(int fd, struct copyoff_nvme_command command, struct copyoff_offer *offer)
{
	int ret = copyoff_sys_nvme_command(fd, COPYOFF_NVME_ADMIN, &command);

	if (ret == -EACCES || ret == -EPERM)
		return refuse_permission(offer, ret);
	return ret == -EINTR ? -EIO : ret; /* canceled, and not by a signal */
}

/* Where there must be an answer; it is in state->buf. */
static int identify(int fd, struct state *state, uint32_t nsid, enum copyoff_nvme_cns cns,
		    struct copyoff_offer *offer)
{
	int ret = ask(fd, copyoff_nvme_identify(nsid, cns, state->buf), offer);

	return ret <= 0 ? ret
			: copyoff_decline(offer, COPYOFF_REASON_UNSUPPORTED, EIO,
					  "the controller does not answer Identify", "");
}

static int find_controller(const struct copyoff_pair *pair, struct state *state,
			   struct copyoff_nvme_controller *controller, struct copyoff_offer *offer)
{
	int ret = identify(pair->out.fd, state, state->target.nsid, COPYOFF_NVME_CNS_CONTROLLER,
			   offer);

	if (ret == 0)
		copyoff_nvme_parse_controller(state->buf, controller);
	return ret;
}

/* What a namespace is formatted like; and its limits. */
static int find_layout(int fd, struct state *state, uint32_t nsid,
		       struct copyoff_nvme_namespace *namespace, struct copyoff_offer *offer)
{
	int ret = identify(fd, state, nsid, COPYOFF_NVME_CNS_NAMESPACE, offer);

	if (ret == 0)
		copyoff_nvme_parse_namespace(state->buf, namespace);
	return ret;
}

/* Controllers that do not know the question know no other tags. */
static int find_tags(int fd, struct state *state, uint32_t nsid,
		     const struct copyoff_nvme_namespace *namespace, struct copyoff_nvme_tags *tags,
		     struct copyoff_offer *offer)
{
	int ret;

	*tags = (struct copyoff_nvme_tags){ 0, 0 };
	if (namespace->metadata == 0)
		return 0;
	ret = ask(fd, copyoff_nvme_identify(nsid, COPYOFF_NVME_CNS_NAMESPACE_NVM, state->buf),
		  offer);
	if (ret == 0)
		*tags = copyoff_nvme_parse_tags(state->buf, namespace->format_index);
	return ret < 0 ? ret : 0;
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* Blocks of both must be the same in all; and the limits hold for either. */
static int join_source(const struct copyoff_pair *pair, struct state *state,
		       struct copyoff_offer *offer)
{
	struct copyoff_nvme_namespace source, *namespace = &state->target.namespace;
	struct copyoff_nvme_tags tags;
	int ret = find_layout(pair->in.fd, state, state->target.source_nsid, &source, offer);

	if (ret == 0)
		ret = find_tags(pair->in.fd, state, state->target.source_nsid, &source, &tags,
				offer);
	if (ret < 0)
		return ret;
	if (source.block_shift != namespace->block_shift ||
	    source.metadata != namespace->metadata || source.protection != namespace->protection ||
	    tags.guard != state->target.tags.guard ||
	    tags.storage_bits != state->target.tags.storage_bits)
		return copyoff_decline(offer, COPYOFF_REASON_CROSS_DEVICE, 0,
				       "the two namespaces are formatted differently", "");
	namespace->range_blocks = smaller(namespace->range_blocks, source.range_blocks);
	namespace->total_blocks = smaller(namespace->total_blocks, source.total_blocks);
	namespace->ranges = smaller(namespace->ranges, source.ranges);
	return 0;
}

static int find_limits(const struct copyoff_pair *pair, struct state *state,
		       struct copyoff_offer *offer)
{
	int ret = find_layout(pair->out.fd, state, state->target.nsid, &state->target.namespace,
			      offer);

	if (ret == 0)
		ret = find_tags(pair->out.fd, state, state->target.nsid, &state->target.namespace,
				&state->target.tags, offer);
	if (ret == 0 && between_namespaces(state))
		ret = join_source(pair, state, offer);
	return ret;
}

/*
 * The controller can make the protection information that the kernel expects, as
 * long as that is all there is with a block.
 */
static int check_protection(const struct state *state, struct copyoff_offer *offer)
{
	const struct copyoff_nvme_namespace *namespace = &state->target.namespace;
	const unsigned size = copyoff_nvme_protection_size(state->target.tags.guard);

	if (!namespace->protection)
		return 0;
	if (namespace->protection > 3 || state->target.tags.guard == 1)
		return copyoff_decline(offer, COPYOFF_REASON_UNSUPPORTED, 0,
				       "the namespace has protection information of a kind that "
				       "the kernel does not know",
				       "");
	if (state->target.tags.storage_bits)
		return copyoff_decline(offer, COPYOFF_REASON_UNSUPPORTED, 0,
				       "the namespace has storage tags in its protection "
				       "information",
				       "");
	if (namespace->metadata != size)
		return copyoff_decline(offer, COPYOFF_REASON_UNSUPPORTED, 0,
				       namespace->metadata > size
					       ? "the namespace has more metadata than protection "
						 "information"
					       : "the namespace has other metadata than protection "
						 "information",
				       "");
	return 0;
}

/*
 * Descriptors that name the namespace of the source must have been enabled, by
 * whoever may set features of the controller, and are not any more after a reset.
 */
static int check_enabled(const struct copyoff_pair *pair, struct state *state,
			 struct copyoff_offer *offer)
{
	int ret = ask(pair->out.fd, copyoff_nvme_get_behavior(state->buf), offer);

	if (ret < 0)
		return ret;
	if (ret == 0 && copyoff_nvme_parse_behavior(state->buf) >> state->target.format & 1)
		return 0;
	return copyoff_decline(offer, COPYOFF_REASON_CROSS_DEVICE, 0,
			       "copies between namespaces are not enabled in the controller",
			       "have the feature Host Behavior Support (CDFE) set, where the "
			       "kernel allows that");
}

/*
 * Namespaces whose blocks could have a guard of 32 or 64 bits take longer
 * descriptors, also where protection information is off.
 */
static int find_format(const struct copyoff_pair *pair, struct state *state,
		       const struct copyoff_nvme_controller *controller,
		       struct copyoff_offer *offer)
{
	state->target.format =
		(state->target.tags.guard ? 1u : 0u) | (between_namespaces(state) ? 2u : 0u);
	if (state->target.tags.guard <= 2 && controller->formats >> state->target.format & 1)
		return between_namespaces(state) ? check_enabled(pair, state, offer) : 0;
	if (between_namespaces(state))
		return copyoff_decline(offer, COPYOFF_REASON_CROSS_DEVICE, 0,
				       "the controller does not copy between namespaces", "");
	return copyoff_decline(offer, COPYOFF_REASON_UNSUPPORTED, 0,
			       "the controller takes no descriptors of formats 0h and 1h for this "
			       "namespace",
			       "");
}

static int check_blocks(const struct copyoff_end *end, const struct state *state,
			struct copyoff_offer *offer)
{
	const unsigned shift = state->target.namespace.block_shift;
	struct copyoff_block block;
	int ret = copyoff_facts_block(end->fd, end->rdev, &block);

	if (ret < 0)
		return ret;
	if (block.zoned != COPYOFF_ZONED_NONE)
		return copyoff_decline(offer, COPYOFF_REASON_UNSUPPORTED, 0,
				       "the namespace has zones, or may have", "");
	if (shift >= 32 || block.logical_block != 1u << shift)
		return copyoff_decline(offer, COPYOFF_REASON_UNSUPPORTED, 0,
				       "the kernel takes the blocks for larger or smaller ones "
				       "than the namespace has",
				       "");
	return 0;
}

static int check_namespace(const struct copyoff_pair *pair, const struct state *state,
			   struct copyoff_offer *offer)
{
	const struct copyoff_nvme_namespace *namespace = &state->target.namespace;
	int ret;

	if (namespace->range_blocks == 0 || namespace->total_blocks == 0)
		return copyoff_decline(offer, COPYOFF_REASON_UNSUPPORTED, 0,
				       "the namespace takes no Copy command: its limits are 0", "");
	if (namespace->write_protected)
		return copyoff_decline(offer, COPYOFF_REASON_PERMISSION, EROFS,
				       "the namespace is write protected", "");
	ret = check_blocks(&pair->out, state, offer);
	if (ret == 0 && between_namespaces(state))
		ret = check_blocks(&pair->in, state, offer);
	return ret == 0 ? check_protection(state, offer) : ret;
}

static uint64_t block_size(const struct state *state)
{
	return (uint64_t)1 << state->target.namespace.block_shift;
}

/*
 * Those of an operation, which is as many whole commands as its ranges fill: what is
 * done around it takes longer than a small command.
 */
static void set_limits(struct copyoff_offer *offer, const struct state *state)
{
	const struct copyoff_nvme_namespace *namespace = &state->target.namespace;
	const uint64_t block = block_size(state);
	const uint64_t range = namespace->range_blocks * block;
	const uint64_t command = copyoff_range_min(namespace->total_blocks * block, TOTAL_MOST);
	const uint64_t ranges =
		COPYOFF_NVME_RANGES_MOST / namespace->ranges * (uint64_t) namespace->ranges;
	const uint64_t most = copyoff_range_min(ranges * range, OPERATION_MOST);

	offer->limits = (struct copyoff_limits){
		.align = block,
		.max_range = range,
		.max_ranges = ranges,
		.max_total = most > command ? most / command * command : command,
	};
}

/* Partitions begin on a block, whatever table they are from. */
static int check_starts(const struct state *state, struct copyoff_offer *offer)
{
	if ((state->bracket.in.chain.place.base | state->bracket.out.chain.place.base) %
	    block_size(state))
		return copyoff_decline(offer, COPYOFF_REASON_ALIGNMENT, 0,
				       "a partition does not begin on a block", "");
	return 0;
}

static int find_capabilities(const struct copyoff_pair *pair, struct state *state,
			     struct copyoff_offer *offer)
{
	struct copyoff_nvme_controller controller;
	int ret = find_controller(pair, state, &controller, offer);

	if (ret < 0)
		return ret;
	if (!controller.copies)
		return copyoff_decline(offer, COPYOFF_REASON_UNSUPPORTED, 0,
				       "the controller has no Copy command", "");
	ret = find_limits(pair, state, offer);
	if (ret == 0)
		ret = check_namespace(pair, state, offer);
	if (ret == 0)
		ret = check_starts(state, offer);
	if (ret == 0)
		ret = find_format(pair, state, &controller, offer);
	return ret;
}

/* --- probe ----------------------------------------------------------------------------- */

static int find_all(const struct copyoff_pair *pair, void *p, struct copyoff_offer *offer)
{
	struct state *state = p;
	int ret;

	copyoff_bracket_find(&state->bracket, pair);
	state->generic[0] = '\0';
	state->one_at_a_time = state->alone = false;
	if (is_stacked(&state->bracket.in) || is_stacked(&state->bracket.out))
		return not_a_namespace(offer);
	ret = find_namespaces(pair, state, offer);
	if (ret == 0)
		ret = find_capabilities(pair, state, offer);
	if (ret < 0)
		return ret;
	set_limits(offer, state);
	offer->adjacent = true;
	offer->base_in = state->bracket.in.chain.place.base;
	offer->base_out = state->bracket.out.chain.place.base;
	state->bracket.block = (uint32_t)block_size(state);
	state->bracket.valid = true;
	return 0;
}

static int nvme_probe(const struct copyoff_pair *pair, struct copyoff_offer *offer)
{
	if (pair->in.kind != COPYOFF_KIND_BLOCK || pair->out.kind != COPYOFF_KIND_BLOCK)
		return not_a_namespace(offer);
	return copyoff_bracket_probe(pair, offer, sizeof(struct state), BUFFER_ALIGN, find_all);
}

/* --- the command ------------------------------------------------------------------------ */

static bool whole_disk(const struct copyoff_side *side)
{
	return side->chain.levels[0].rdev == side->chain.levels[0].disk;
}

/* On the descriptor that is open for writing. */
static int send(const struct copyoff_pair *pair, struct state *state,
		struct copyoff_nvme_command *command)
{
	enum copyoff_nvme_queue queue = state->old_ioctl ? COPYOFF_NVME_IO_OLD : COPYOFF_NVME_IO;
	int ret = copyoff_sys_nvme_command(pair->out.fd, queue, command);

	if (ret != -ENOTTY || state->old_ioctl || !whole_disk(&state->bracket.out))
		return ret;
	ret = copyoff_sys_nvme_command(pair->out.fd, COPYOFF_NVME_IO_OLD, command);
	state->old_ioctl = ret != -ENOTTY;
	return ret;
}

/* No status: never sent, or lost. */
static int refuse_errno(struct copyoff_offer *offer, int err)
{
	if (err == -EACCES || err == -EPERM)
		return refuse_permission(offer, err);
	if (err == -ENOTTY || err == -ENOSYS || err == -EOPNOTSUPP)
		return copyoff_decline(offer, COPYOFF_REASON_UNSUPPORTED, err,
				       "the kernel does not pass commands to this device", "");
	/* It was no signal, and is not to be tried again as it was. */
	if (err == -EINTR || err == -EAGAIN)
		err = -EIO;
	return copyoff_decline(offer, COPYOFF_REASON_RESOURCE, err,
			       "the Copy command was not carried out, or not to its end", "");
}

static int refuse_status(struct copyoff_offer *offer, const struct copyoff_nvme_verdict *verdict)
{
	if (verdict->action == COPYOFF_NVME_FINAL)
		return -verdict->error;
	return copyoff_decline(offer, verdict->reason, verdict->error, verdict->text, "");
}

/* Are there other limits than before, with which Copy still works? */
static bool limits_changed(const struct copyoff_pair *pair, struct state *state,
			   struct copyoff_offer *offer)
{
	const struct copyoff_nvme_namespace before = state->target.namespace,
					    *now = &state->target.namespace;
	const struct copyoff_nvme_tags tags = state->target.tags;

	if (find_limits(pair, state, offer) < 0 || now->range_blocks == 0 ||
	    now->total_blocks == 0 || now->protection != before.protection ||
	    now->format_index != before.format_index || now->block_shift != before.block_shift ||
	    (now->range_blocks == before.range_blocks && now->total_blocks == before.total_blocks &&
	     now->ranges == before.ranges)) {
		state->target.namespace = before;
		state->target.tags = tags;
		return false;
	}
	set_limits(offer, state);
	return true;
}

/* How often a command was sent again, and why. */
struct tries {
	int retries;
	bool limits_asked;
};

/* May the command do better if it is sent again, as it was or with less? */
static bool again(const struct copyoff_pair *pair, struct state *state, struct copyoff_offer *offer,
		  enum copyoff_nvme_action action, struct tries *tries)
{
	if (action == COPYOFF_NVME_RETRY)
		return tries->retries++ < RETRIES;
	if (action != COPYOFF_NVME_LIMITS || tries->limits_asked)
		return false;
	tries->limits_asked = true;
	return limits_changed(pair, state, offer);
}

/* The next one.  *@whole: it did all that it was asked to. */
static int64_t copy_by_command(const struct copyoff_pair *pair, struct copyoff_offer *offer,
			       struct state *state, const struct copyoff_nvme_cursor *at,
			       bool *whole)
{
	const struct copyoff_nvme_verdict *verdict;
	struct tries tries = { 0, false };

	do {
		struct copyoff_nvme_piece piece;
		uint64_t done;
		int ret;

		copyoff_nvme_next(&state->target, at, state->buf, &piece);
		ret = send(pair, state, &piece.command);
		if (ret < 0)
			return refuse_errno(offer, ret);
		*whole = ret == 0;
		done = copyoff_nvme_piece_done(&state->target, &piece, ret);
		if (done > 0)
			return (int64_t)done;
		verdict = copyoff_nvme_verdict_of(ret);
	} while (again(pair, state, offer, verdict->action, &tries));
	return refuse_status(offer, verdict);
}

static bool is_one_command(struct state *state, const struct copyoff_nvme_cursor *at)
{
	struct copyoff_nvme_cursor next = *at;
	struct copyoff_nvme_piece piece;

	copyoff_nvme_next(&state->target, &next, state->buf, &piece);
	copyoff_nvme_advance(&next, piece.total << state->target.namespace.block_shift);
	return next.i == next.n;
}

static int open_generic(struct state *state)
{
	const uint64_t disk = state->bracket.out.chain.lowest;
	const uint32_t nsid = state->target.nsid;
	int ret = 0;

	if (!state->generic[0])
		ret = copyoff_nvme_find_generic(disk, nsid, state->generic);
	return ret < 0 ? ret : copyoff_nvme_open_generic(disk, nsid, state->generic);
}

/* Not here, as opposed to not now. */
static bool is_refusal(int err)
{
	static const int refusals[] = { -ENOSYS, -EOPNOTSUPP, -ENOTTY, -EINVAL,
					-EACCES, -EPERM,      -ENOENT, -ENXIO };

	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		if (err == refusals[i])
			return true;
	}
	return false;
}

/*
 * Several commands at the same time, where that can be had, until one fails: @at is
 * then behind what certainly was copied, and that one comes first the next time.
 */
static int copy_in_flight(const struct copyoff_pair *pair, struct copyoff_offer *offer,
			  struct state *state, struct copyoff_nvme_cursor *at)
{
	const bool alone = state->alone;
	int fd, ret;

	state->alone = false;
	if (alone || state->one_at_a_time || pair->depth == 1 || is_one_command(state, at))
		return 0;
	fd = open_generic(state);
	ret = fd < 0 ? fd : copyoff_nvme_fly(offer->keep, pair->depth, fd, &state->target, at);
	if (fd >= 0)
		(void)copyoff_sys_close(fd); /* it has nothing to say */
	state->one_at_a_time = at->done == 0 && is_refusal(ret);
	state->alone = at->done > 0 && ret != 0;
	return ret;
}

/*
 * Until one fails.  What is before it is counted, and the core comes again with what
 * is left: then it is the first one, and is sent alone, and what has become of it is
 * said.
 */
static int64_t copy_by_commands(const struct copyoff_pair *pair, struct copyoff_offer *offer,
				struct state *state, const struct copyoff_range *ranges, size_t n)
{
	struct copyoff_nvme_cursor at = {
		.ranges = ranges,
		.n = n,
		.base_in = offer->base_in,
		.base_out = offer->base_out,
	};
	int64_t ret = copy_in_flight(pair, offer, state, &at);
	bool whole = true;

	if (at.done > 0)
		return (int64_t)at.done;
	if (ret == -EINTR) /* it was canceled, perhaps after half a minute */
		return refuse_errno(offer, -EINTR);
	while (at.i < n && whole) {
		ret = copy_by_command(pair, offer, state, &at, &whole);
		if (ret < 0)
			return at.done > 0 ? (int64_t)at.done : ret;
		copyoff_nvme_advance(&at, (uint64_t)ret);
	}
	return (int64_t)at.done;
}

/* --- copy -------------------------------------------------------------------------------- */

/* What copy_by_commands() is called with. */
struct call {
	const struct copyoff_pair *pair;
	struct copyoff_offer *offer;
	const struct copyoff_range *ranges;
	size_t n;
};

static int64_t copy_call(void *data)
{
	const struct call *c = data;

	return copy_by_commands(c->pair, c->offer, c->offer->priv, c->ranges, c->n);
}

static int64_t nvme_copy(const struct copyoff_pair *pair, struct copyoff_offer *offer,
			 const struct copyoff_range *ranges, size_t n)
{
	const struct copyoff_origin from = { .fd = pair->in.fd, .ranges = ranges, .n = n };
	struct call call = { pair, offer, ranges, n };
	struct state *state = offer->priv;
	int ret = copyoff_bracket_begin(&state->bracket, pair, offer, ranges, n, find_all, state);

	if (ret < 0)
		return ret;
	return copyoff_bracket_copy(&state->bracket, pair, offer, &from, copy_call, &call);
}

const struct copyoff_backend copyoff_backend_nvme = {
	.info = COPYOFF_BACKEND_INFO("nvme", "has the device copy within an NVMe namespace",
				     COPYOFF_TRAIT_RAW | COPYOFF_TRAIT_PRIV),
	.least_once = LEAST_ONCE,
	.probe = nvme_probe,
	.copy = nvme_copy,
	.release = copyoff_bracket_release,
	.close = copyoff_nvme_land,
};
