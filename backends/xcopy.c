/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * xcopy.c - copies within and between SCSI disks, made by their target (EXTENDED COPY)
 *
 * The command names the two disks by designators, which the target finds again, and
 * has a list of segments from one to the other.  The kernel passes it on as it is: it
 * checks neither addresses nor how the descriptor was opened, and its page cache knows
 * nothing of the copy.
 */
#include "scsi_disk.h"
#include "xcopy_flight.h"

#include <errno.h>

enum {
	/* To find out all that is needed costs as much as copying some 100 KiB. */
	LEAST_ONCE = 1 << 20,
	/* Bytes of commands at the same time, which cannot be interrupted, and may time out. */
	TOTAL_MOST = 256 << 20,
	/* Those one after the other in an operation: what is around it takes longer than small ones. */
	SERIAL_MOST = 16 << 20,
	DEPTH = 8, /* commands in flight, where the device takes as many */
	RANGES_MOST = 256,
	LIST_IDS = 3, /* that are tried for one command */
	GRANULARITY_MOST = 20,
	BUFFER_ALIGN = 4096,
};

struct state {
	/* The list of a command, or an answer. */
	unsigned char buf[COPYOFF_SCSI_BUFFER];
	struct copyoff_bracket bracket;
	struct copyoff_scsi_disk disks[2]; /* source and destination */
	struct copyoff_xcopy_target target;
	unsigned concurrent; /* commands that the device takes at the same time */
	bool one_at_a_time; /* several in flight cannot be had */
	bool alone; /* one in flight failed: it is sent again alone */
	bool out_of_control; /* commands in flight got lost */
	uint32_t list_id;
};

/* --- what it can do ------------------------------------------------------------------ */

static int unsupported(struct copyoff_offer *offer, const char *text)
{
	return copyoff_decline(offer, COPYOFF_REASON_UNSUPPORTED, 0, text, "");
}

static int check_names(const struct state *state, struct copyoff_offer *offer)
{
	if (state->disks[0].named && state->disks[1].named)
		return 0;
	return unsupported(offer, "a disk has no name by which the other one could find it");
}

static int ask_limits(const struct copyoff_pair *pair, struct state *state,
		      struct copyoff_scsi_copy_limits *limits, struct copyoff_offer *offer)
{
	struct copyoff_scsi_command command = copyoff_scsi_copy_in(
		COPYOFF_SCSI_COPY_LIMITS, 0, state->buf, COPYOFF_SCSI_ANSWER_MOST);
	struct copyoff_scsi_verdict verdict = copyoff_scsi_send(offer, pair->out.fd, &command);

	if (verdict.action != COPYOFF_SCSI_GOOD)
		return copyoff_scsi_refuse_question(offer, verdict);
	if (!copyoff_scsi_parse_copy_limits(state->buf, copyoff_scsi_received(&command), limits))
		return unsupported(offer, "the device does not tell the limits of its copies");
	return 0;
}

/*
 * All that is in flight is no more than one command alone may be: they share the time
 * that each of them has.
 */
static uint64_t command_bytes(const struct copyoff_scsi_copy_limits *limits, uint64_t align)
{
	return copyoff_range_down(TOTAL_MOST / copyoff_range_min(limits->concurrent, DEPTH), align);
}

/* Of all commands of an operation, at the same time or one after the other. */
static uint64_t operation_bytes(const struct copyoff_scsi_copy_limits *limits,
				const struct copyoff_xcopy_target *target, uint64_t range)
{
	const uint64_t one = copyoff_range_min(target->segments * range, TOTAL_MOST);

	if (limits->concurrent > 1)
		return TOTAL_MOST;
	return one > SERIAL_MOST ? one : SERIAL_MOST;
}

static int set_limits(struct copyoff_offer *offer, struct state *state,
		      const struct copyoff_scsi_copy_limits *limits)
{
	enum { UNITS = 2, UNIT_BYTES = 32, SEGMENT_BYTES = 28 };
	struct copyoff_xcopy_target *target = &state->target;
	uint64_t align, range = COPYOFF_SCSI_SEGMENT_BLOCKS_MOST * (uint64_t)target->block;
	uint32_t segments = 0;

	if (limits->list_bytes > UNITS * UNIT_BYTES)
		segments = (limits->list_bytes - UNITS * UNIT_BYTES) / SEGMENT_BYTES;
	segments = (uint32_t)copyoff_range_min(segments, limits->segments);
	if (limits->units < UNITS || segments == 0 || limits->granularity > GRANULARITY_MOST)
		return unsupported(offer, "the device takes no list with two disks and a segment");
	align = (uint64_t)1 << limits->granularity;
	align = align > target->block ? align : target->block;
	if (limits->segment_bytes)
		range = copyoff_range_min(range, limits->segment_bytes);
	target->segments = (size_t)copyoff_range_min(segments, COPYOFF_SCSI_SEGMENTS_MOST);
	target->bytes = command_bytes(limits, align);
	range = copyoff_range_down(copyoff_range_min(range, target->bytes), align);
	if (range == 0)
		return unsupported(offer, "the segments that the device takes are too short");
	state->concurrent =
		(unsigned)copyoff_range_min(limits->concurrent, COPYOFF_SCSI_DEPTH_MOST);
	offer->limits = (struct copyoff_limits){
		.align = align,
		.max_range = range,
		.max_ranges = RANGES_MOST,
		.max_total = operation_bytes(limits, target, range),
	};
	return 0;
}

/* --- probe ----------------------------------------------------------------------------- */

static void set_target(struct state *state)
{
	state->target.names[0] = state->disks[0].name;
	state->target.names[1] = state->disks[1].name;
	state->target.block = state->disks[1].capacity.block;
}

static int find_all(const struct copyoff_pair *pair, void *p, struct copyoff_offer *offer)
{
	struct copyoff_scsi_copy_limits limits;
	struct state *state = p;
	int ret;

	copyoff_bracket_find(&state->bracket, pair);
	ret = copyoff_scsi_find_disks(pair, &state->bracket, state->buf, state->disks, offer);
	if (ret == 0)
		ret = check_names(state, offer);
	if (ret == 0)
		ret = ask_limits(pair, state, &limits, offer);
	if (ret < 0)
		return ret;
	set_target(state);
	ret = set_limits(offer, state, &limits);
	if (ret < 0)
		return ret;
	offer->base_in = state->bracket.in.chain.place.base;
	offer->base_out = state->bracket.out.chain.place.base;
	state->bracket.block = state->target.block;
	state->bracket.valid = true;
	return 0;
}

static int xcopy_probe(const struct copyoff_pair *pair, struct copyoff_offer *offer)
{
	if (pair->in.kind != COPYOFF_KIND_BLOCK || pair->out.kind != COPYOFF_KIND_BLOCK)
		return copyoff_scsi_not_disks(offer);
	return copyoff_bracket_probe(pair, offer, sizeof(struct state), BUFFER_ALIGN, find_all);
}

/* --- the command ------------------------------------------------------------------------ */

/* What is passed through the bracket. */
struct call {
	const struct copyoff_pair *pair;
	struct copyoff_offer *offer;
	struct state *state;
	const struct copyoff_range *ranges;
	size_t n;
	unsigned depth; /* commands at the same time */
};

/*
 * The command goes to the disk that has the name, not to the one behind the
 * descriptor: a target may have given that another disk, unseen by the kernel.
 */
static int check_name(const struct call *c, const struct copyoff_end *end, size_t which)
{
	struct copyoff_scsi_designator now;
	struct copyoff_scsi_verdict verdict =
		copyoff_scsi_ask_name(c->offer, end->fd, c->state->buf, &now);

	if (verdict.action != COPYOFF_SCSI_GOOD)
		return copyoff_scsi_refuse_question(c->offer, verdict);
	if (copyoff_scsi_same_name(&now, &c->state->disks[which].name))
		return 0;
	c->state->bracket.valid = false;
	return copyoff_decline(c->offer, COPYOFF_REASON_RESOURCE, 0,
			       "the target has another disk in place of the one there was", "");
}

/* Of the first @n ranges. */
static struct copyoff_scsi_command send_list(const struct call *c, size_t n,
					     struct copyoff_scsi_verdict *verdict)
{
	struct state *state = c->state;
	struct copyoff_scsi_command command;

	state->list_id = copyoff_scsi_list_id(state->list_id);
	command = copyoff_xcopy_command(&state->target, c->offer, c->ranges, n, state->list_id,
					state->buf);
	*verdict = copyoff_scsi_send(c->offer, c->pair->out.fd, &command);
	return command;
}

/*
 * How many segments a command that failed has copied.  The sense data, which are
 * certainly those of this command, and the status, which might be that of another
 * one with the same identifier, must agree.  What was copied of the segment that
 * failed need not lie in one piece.
 */
static size_t segments_done(const struct call *c, const struct copyoff_scsi_command *failed,
			    size_t n)
{
	int segment = copyoff_scsi_failed_segment(failed);
	struct copyoff_scsi_command command;
	struct copyoff_scsi_verdict verdict;

	if (segment <= 0 || (size_t)segment >= n)
		return 0;
	command = copyoff_scsi_copy_in(COPYOFF_SCSI_COPY_STATUS, (uint8_t)c->state->list_id,
				       c->state->buf, COPYOFF_SCSI_ANSWER_MOST);
	verdict = copyoff_scsi_send(c->offer, c->pair->out.fd, &command);
	if (verdict.action != COPYOFF_SCSI_GOOD ||
	    copyoff_scsi_parse_copy_status(c->state->buf, copyoff_scsi_received(&command)) !=
		    segment)
		return 0;
	return (size_t)segment;
}

/*
 * Why a command failed whose sense data got lost.  Identifiers have 8 bits, and this may
 * be about another command: so it is but a reason to have others copy, for this call.
 */
static struct copyoff_scsi_verdict find_reason(const struct call *c,
					       struct copyoff_scsi_verdict verdict)
{
	struct copyoff_scsi_command command =
		copyoff_scsi_copy_in(COPYOFF_SCSI_FAILED_DETAILS, (uint8_t)c->state->list_id,
				     c->state->buf, COPYOFF_SCSI_ANSWER_MOST);
	struct copyoff_scsi_verdict asked = copyoff_scsi_send(c->offer, c->pair->out.fd, &command);
	struct copyoff_scsi_failure failure;
	struct copyoff_scsi_verdict told;

	if (asked.action != COPYOFF_SCSI_GOOD ||
	    !copyoff_scsi_parse_failure(c->state->buf, copyoff_scsi_received(&command), &failure))
		return verdict;
	told = copyoff_scsi_heed(c->offer, copyoff_scsi_judge_sense(failure.status, failure.sense,
								    failure.sense_len));
	if (told.action == COPYOFF_SCSI_GOOD)
		return verdict;
	verdict.error = told.error;
	verdict.text = told.text;
	return verdict;
}

static int64_t bytes_of(const struct copyoff_range *ranges, size_t n)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < n; i++)
		bytes += ranges[i].len;
	return (int64_t)bytes;
}

/* For as many ranges as it takes.  Returns how many of them it has copied. */
static size_t copy_by_command(const struct call *c, struct copyoff_scsi_verdict *verdict)
{
	struct copyoff_xcopy_target *target = &c->state->target;
	int ids = 1;

	for (;;) {
		const size_t n = copyoff_xcopy_next(target, c->ranges, c->n);
		struct copyoff_scsi_command command = send_list(c, n, verdict);

		if (verdict->action == COPYOFF_SCSI_GOOD)
			return n;
		if (verdict->outcome == COPYOFF_SCSI_ANSWERED && copyoff_scsi_lacks_sense(&command))
			*verdict = find_reason(c, *verdict);
		if (verdict->action == COPYOFF_SCSI_LESS && n > 1)
			target->segments = 1;
		else if (verdict->action != COPYOFF_SCSI_LIST_ID || ids++ == LIST_IDS)
			return segments_done(c, &command, n);
	}
}

/* --- several commands ------------------------------------------------------------------- */

/* So many ranges were copied, and what is behind them was tried, and came to that. */
static int64_t outcome(const struct call *c, size_t done,
		       const struct copyoff_scsi_verdict *verdict)
{
	int ret = copyoff_scsi_refuse(c->offer, verdict);

	if (done == 0)
		return ret;
	c->offer->spent = ret == COPYOFF_DECLINE;
	return bytes_of(c->ranges, done);
}

/* Until one does not do all. */
static int64_t copy_one_by_one(const struct call *c)
{
	struct copyoff_scsi_verdict verdict;
	struct call rest = *c;
	size_t done = 0;

	do {
		done += copy_by_command(&rest, &verdict);
		rest.ranges = c->ranges + done;
		rest.n = c->n - done;
	} while (verdict.action == COPYOFF_SCSI_GOOD && rest.n > 0);
	return verdict.action == COPYOFF_SCSI_GOOD ? bytes_of(c->ranges, done)
						   : outcome(c, done, &verdict);
}

/* The first one; those behind it may fly again. */
static int64_t copy_alone(const struct call *c)
{
	struct call first = *c;

	first.n = copyoff_xcopy_next(&c->state->target, c->ranges, c->n);
	c->state->alone = false;
	return copy_one_by_one(&first);
}

/* How many ranges an operation has whose commands are sent one after the other. */
static size_t serial_ranges(const struct state *state, const struct copyoff_range *ranges, size_t n)
{
	size_t all = copyoff_xcopy_next(&state->target, ranges, n);

	while (!state->alone && all < n) {
		size_t more = copyoff_xcopy_next(&state->target, ranges + all, n - all);

		if (bytes_of(ranges, all + more) > SERIAL_MOST)
			break;
		all += more;
	}
	return all;
}

/* How many at the same time, for these ranges? */
static unsigned depth_of(const struct copyoff_pair *pair, const struct state *state,
			 const struct copyoff_range *ranges, size_t n)
{
	const unsigned wanted = pair->depth ? pair->depth : DEPTH;

	if (state->alone || state->one_at_a_time ||
	    copyoff_xcopy_next(&state->target, ranges, n) == n)
		return 1;
	return wanted < state->concurrent ? wanted : state->concurrent;
}

static struct copyoff_scsi_verdict fly(const struct call *c, struct copyoff_xcopy_flown *flown)
{
	const struct state *state = c->state; /* the device may take fewer than before */
	const unsigned depth = c->depth < state->concurrent ? c->depth : state->concurrent;
	int fd = copyoff_xcopy_open_generic(state->bracket.out.chain.lowest);
	struct copyoff_scsi_verdict verdict;

	*flown = (struct copyoff_xcopy_flown){ 0 };
	if (fd < 0)
		return copyoff_scsi_judge(fd, NULL);
	verdict = copyoff_xcopy_fly(&state->target, c->offer, fd, depth, c->ranges, c->n, flown);
	(void)copyoff_sys_close(fd); /* it has nothing to say */
	return verdict;
}

/* Not here, as opposed to not now. */
static bool is_refusal(const struct copyoff_scsi_verdict *verdict)
{
	static const int refusals[] = { EPERM,  EACCES, ENOENT, ENXIO,
					ENOTTY, EINVAL, ENOSYS, EOPNOTSUPP };

	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		if (verdict->outcome == COPYOFF_SCSI_NOT_SENT && verdict->error == refusals[i])
			return true;
	}
	return false;
}

/* Or the host failed: it is not tried again, which may take two minutes once more. */
static bool took_too_long(const struct copyoff_scsi_verdict *verdict)
{
	return verdict->outcome == COPYOFF_SCSI_IN_DOUBT && verdict->action == COPYOFF_SCSI_DECLINE;
}

/*
 * Until one fails.  What is before it is counted, and the core comes again with what is
 * left: then it is the first one.  That is sent again, alone.
 */
static int64_t copy_in_flight(const struct call *c)
{
	struct state *state = c->state;
	struct copyoff_xcopy_flown flown;
	struct copyoff_scsi_verdict verdict = fly(c, &flown);

	state->out_of_control = flown.lost;
	state->one_at_a_time = flown.done == 0 && is_refusal(&verdict);
	if (verdict.action == COPYOFF_SCSI_GOOD)
		return bytes_of(c->ranges, flown.done);
	if (took_too_long(&verdict))
		return outcome(c, flown.done, &verdict);
	state->alone = true;
	if (flown.done > 0)
		return bytes_of(c->ranges, flown.done);
	if (c->offer->fatal || copyoff_canceled(c->offer))
		return copyoff_scsi_refuse(c->offer, &verdict);
	return copy_alone(c);
}

static int64_t copy_call(void *data)
{
	const struct call *c = data;
	int ret = check_name(c, &c->pair->in, 0);

	if (ret == 0)
		ret = check_name(c, &c->pair->out, 1);
	if (ret < 0)
		return ret;
	if (c->depth > 1)
		return copy_in_flight(c);
	return c->state->alone ? copy_alone(c) : copy_one_by_one(c);
}

/* --- copy -------------------------------------------------------------------------------- */

static int64_t xcopy_copy(const struct copyoff_pair *pair, struct copyoff_offer *offer,
			  const struct copyoff_range *ranges, size_t n)
{
	struct state *state = offer->priv;
	const unsigned depth = depth_of(pair, state, ranges, n);
	struct copyoff_origin from = { .fd = pair->in.fd, .ranges = ranges, .n = n };
	struct call call;
	int64_t ret;

	if (state->out_of_control)
		return copyoff_decline(
			offer, COPYOFF_REASON_MISBEHAVED, 0,
			"commands of an earlier copy got lost, and the device may be "
			"at it still",
			"");
	if (depth == 1)
		from.n = serial_ranges(state, ranges, n);
	call = (struct call){ pair, offer, state, ranges, from.n, depth };
	ret = copyoff_bracket_begin(&state->bracket, pair, offer, ranges, from.n, find_all, state);
	if (ret < 0)
		return ret;
	return copyoff_bracket_copy(&state->bracket, pair, offer, &from, copy_call, &call);
}

const struct copyoff_backend copyoff_backend_xcopy = {
	.info = COPYOFF_BACKEND_INFO("xcopy", "has a SCSI target copy, by EXTENDED COPY",
				     COPYOFF_TRAIT_RAW | COPYOFF_TRAIT_PRIV),
	.least_once = LEAST_ONCE,
	.probe = xcopy_probe,
	.copy = xcopy_copy,
	.release = copyoff_bracket_release,
};
