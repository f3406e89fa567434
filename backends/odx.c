/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * odx.c - copies within and between SCSI disks by tokens (ODX)
 *
 * POPULATE TOKEN makes the source disk give out a token, which stands for its ranges
 * as they are now, and WRITE USING TOKEN makes the destination disk write them.  Both
 * go on after their command has ended, and are asked about until they are done.
 *
 * The kernel passes the commands on as they are: it checks neither addresses nor how
 * the descriptor was opened, and its page cache knows nothing of the copy.
 */
#include "backend.h"
#include "scsi_disk.h"

#include <errno.h>
#include <string.h>

enum {
	/* To find out all that is needed costs as much as copying some 100 KiB. */
	LEAST_ONCE = 1 << 20,
	/*
	 * Two commands, and what is cached around the hole is written back and dropped:
	 * measured with 1 MiB, where it takes 1.5 times as long as to write, and 4 MiB, 0.7.
	 */
	LEAST_ZEROES = 4 << 20,
	/* Bytes in one operation, which only the progress callback can stop. */
	TOTAL_MOST = 256 << 20,
	RANGES_MOST = COPYOFF_SCSI_SEGMENTS_MOST,
	LIST_IDS = 3, /* that are tried for one command */
	INFORMATION_BYTES = 1024,
	BUFFER_ALIGN = 4096,
};

#define MILLISECOND ((uint64_t)1000 * 1000) /* in nanoseconds */
#define SECOND      (1000 * MILLISECOND)

_Static_assert(16 + (int)COPYOFF_SCSI_TOKEN_BYTES <= (int)INFORMATION_BYTES,
	       "a token in a list is no longer than an answer");

/* How long an operation may take, and one that was told to stop. */
#define PATIENCE      (120 * SECOND)
#define LAST_PATIENCE (10 * SECOND)

struct state {
	/* The list of a command, or an answer. */
	unsigned char buf[COPYOFF_SCSI_BUFFER];
	unsigned char token[COPYOFF_SCSI_TOKEN_BYTES];
	struct copyoff_bracket bracket;
	struct copyoff_scsi_disk disks[2]; /* source and destination */
	uint32_t list_id;
	bool out_of_control; /* a copy could not be stopped */
};

static uint32_t block_size(const struct state *state)
{
	return state->disks[1].capacity.block;
}

/* --- what it can do ------------------------------------------------------------------ */

static int unsupported(struct copyoff_offer *offer, const char *text)
{
	return copyoff_decline(offer, COPYOFF_REASON_UNSUPPORTED, 0, text, "");
}

static int ask_page(int fd, struct state *state, struct copyoff_scsi_third_party *page,
		    struct copyoff_offer *offer)
{
	struct copyoff_scsi_command command = copyoff_scsi_vpd(
		COPYOFF_SCSI_VPD_THIRD_PARTY, state->buf, COPYOFF_SCSI_ANSWER_MOST);
	struct copyoff_scsi_verdict verdict = copyoff_scsi_send(offer, fd, &command);

	/* Most disks do not have this page. */
	if (verdict.action != COPYOFF_SCSI_GOOD && verdict.reason == COPYOFF_REASON_UNSUPPORTED)
		return unsupported(offer, "the disk does not say that it copies by tokens");
	if (verdict.action != COPYOFF_SCSI_GOOD)
		return copyoff_scsi_refuse_question(offer, verdict);
	if (!copyoff_scsi_parse_third_party(state->buf, copyoff_scsi_received(&command), page))
		return unsupported(offer, "the disk does not say that it copies by tokens");
	return 0;
}

/* Who may ask about a token may make one. */
static int ask_permission(int fd, struct state *state, struct copyoff_offer *offer)
{
	struct copyoff_scsi_command command;
	struct copyoff_scsi_verdict verdict;

	state->list_id = copyoff_scsi_list_id(state->list_id);
	command = copyoff_scsi_copy_in(COPYOFF_SCSI_TOKEN_INFORMATION, state->list_id, state->buf,
				       INFORMATION_BYTES);
	verdict = copyoff_scsi_send(offer, fd, &command);
	if (verdict.reason != COPYOFF_REASON_PERMISSION)
		return 0;
	return copyoff_scsi_refuse_question(offer, verdict);
}

/* 0 says that there is no limit. */
static uint64_t limit(uint64_t a, uint64_t b, uint64_t most)
{
	most = a ? copyoff_range_min(a, most) : most;
	return b ? copyoff_range_min(b, most) : most;
}

static void set_limits(struct copyoff_offer *offer, const struct state *state,
		       const struct copyoff_scsi_third_party pages[2])
{
	const uint64_t block = block_size(state);
	const uint64_t blocks = limit(pages[0].blocks, pages[1].blocks, TOTAL_MOST / block);

	offer->limits = (struct copyoff_limits){
		.align = block,
		.max_range = blocks * block,
		.max_ranges = limit(pages[0].ranges, pages[1].ranges, RANGES_MOST),
		.max_total = blocks * block,
	};
}

static int find_capabilities(const struct copyoff_pair *pair, struct state *state,
			     struct copyoff_offer *offer)
{
	struct copyoff_scsi_third_party pages[2];
	int ret = ask_page(pair->in.fd, state, &pages[0], offer);

	if (ret == 0)
		ret = ask_page(pair->out.fd, state, &pages[1], offer);
	if (ret < 0)
		return ret;
	if (!pages[0].populates || !pages[0].informs || !pages[0].limited)
		return unsupported(offer, "the source disk gives out no tokens");
	if (!pages[1].writes || !pages[1].informs || !pages[1].limited)
		return unsupported(offer, "the destination disk takes no tokens");
	set_limits(offer, state, pages);
	offer->makes_zeroes = pages[1].zeroes;
	ret = ask_permission(pair->in.fd, state, offer);
	return ret == 0 ? ask_permission(pair->out.fd, state, offer) : ret;
}

/* --- probe ----------------------------------------------------------------------------- */

static int find_all(const struct copyoff_pair *pair, void *p, struct copyoff_offer *offer)
{
	struct state *state = p;
	int ret;

	copyoff_bracket_find(&state->bracket, pair);
	ret = copyoff_scsi_find_disks(pair, &state->bracket, state->buf, state->disks, offer);
	if (ret == 0)
		ret = find_capabilities(pair, state, offer);
	if (ret < 0)
		return ret;
	offer->base_in = state->bracket.in.chain.place.base;
	offer->base_out = state->bracket.out.chain.place.base;
	state->bracket.block = block_size(state);
	state->bracket.valid = true;
	return 0;
}

static int odx_probe(const struct copyoff_pair *pair, struct copyoff_offer *offer)
{
	if (pair->in.kind != COPYOFF_KIND_BLOCK || pair->out.kind != COPYOFF_KIND_BLOCK)
		return copyoff_scsi_not_disks(offer);
	return copyoff_bracket_probe(pair, offer, sizeof(struct state), BUFFER_ALIGN, find_all);
}

/* --- operations ---------------------------------------------------------------------------- */

/* A command that goes on when it has ended. */
struct operation {
	struct copyoff_offer *offer;
	int fd;
	uint8_t action;
	uint64_t blocks; /* that it was asked for */
	uint32_t list_id;
	bool stopped; /* nobody is asked any more whether to go on */
	/* What came of it: */
	uint64_t done; /* blocks, from the first one */
	struct copyoff_scsi_verdict verdict;
	bool has_token; /* in state->token */
	bool lost; /* it may go on writing, and cannot be stopped */
};

#define VERDICT(action, reason, error, text)                                                       \
	{                                                                                          \
		COPYOFF_SCSI_##action, COPYOFF_REASON_##reason, error, text, COPYOFF_SCSI_ANSWERED \
	}

static const struct copyoff_scsi_verdict good = VERDICT(GOOD, NONE, 0, "");
static const struct copyoff_scsi_verdict strange =
	VERDICT(DECLINE, MISBEHAVED, EIO, "what the device says of a copy by token makes no sense");
static const struct copyoff_scsi_verdict forgotten =
	VERDICT(DECLINE, RESOURCE, EIO, "the device has forgotten a copy by token");
static const struct copyoff_scsi_verdict unexplained =
	VERDICT(DECLINE, RESOURCE, EIO, "the copy by token failed, and the device did not say why");
static const struct copyoff_scsi_verdict too_long =
	VERDICT(DECLINE, RESOURCE, ETIMEDOUT, "the copy by token took too long");

static const struct copyoff_scsi_verdict canceled =
	VERDICT(DECLINE, RESOURCE, ECANCELED, "the copy by token was canceled");

/* The answer is in state->buf; what @info points at is there. */
static struct copyoff_scsi_verdict ask_once(const struct operation *op, struct state *state,
					    struct copyoff_scsi_token_information *info)
{
	struct copyoff_scsi_command command = copyoff_scsi_copy_in(
		COPYOFF_SCSI_TOKEN_INFORMATION, op->list_id, state->buf, INFORMATION_BYTES);
	struct copyoff_scsi_verdict verdict = copyoff_scsi_send(op->offer, op->fd, &command);

	if (verdict.action != COPYOFF_SCSI_GOOD)
		return verdict;
	if (!copyoff_scsi_parse_token_information(state->buf, copyoff_scsi_received(&command),
						  block_size(state), info) ||
	    info->action != op->action)
		return strange;
	return good;
}

/* The device may say how long it will take, at least; else ask less and less often. */
static void wait_a_while(uint32_t said, uint64_t *otherwise)
{
	const uint64_t shortest = 10, longest = 2000, half_a_second = 500;
	uint64_t delay = said;

	if (said) {
		delay = delay < shortest ? shortest : copyoff_range_min(delay, longest);
	} else {
		delay = *otherwise;
		*otherwise = copyoff_range_min(*otherwise * 2, half_a_second);
	}
	copyoff_sys_pause(delay * MILLISECOND);
}

/* Until it is not running any more. */
static struct copyoff_scsi_verdict ask(const struct operation *op, struct state *state,
				       uint64_t patience,
				       struct copyoff_scsi_token_information *info)
{
	const uint64_t start = copyoff_sys_now();
	uint64_t delay = 1;

	for (;;) {
		struct copyoff_scsi_verdict verdict = ask_once(op, state, info);

		if (verdict.action != COPYOFF_SCSI_GOOD || info->progress != COPYOFF_SCSI_RUNNING)
			return verdict;
		if (copyoff_sys_now() - start >= patience)
			return too_long;
		if (!op->stopped && copyoff_canceled(op->offer))
			return canceled;
		wait_a_while(info->delay, &delay);
	}
}

/* What is counted, if the status allows it to be believed. */
static uint64_t believed(const struct operation *op,
			 const struct copyoff_scsi_token_information *info)
{
	if (info->progress != COPYOFF_SCSI_DONE && info->progress != COPYOFF_SCSI_FAILED)
		return 0;
	if (info->all)
		return copyoff_range_min(info->blocks, op->blocks);
	return info->blocks <= op->blocks ? info->blocks : 0;
}

static struct copyoff_scsi_verdict verdict_of(const struct copyoff_scsi_token_information *info)
{
	struct copyoff_scsi_verdict verdict;

	if (info->progress == COPYOFF_SCSI_DONE)
		return good;
	if (info->progress != COPYOFF_SCSI_FAILED)
		return strange;
	verdict = copyoff_scsi_judge_sense(info->status, info->sense, info->sense_len);
	return verdict.action == COPYOFF_SCSI_GOOD ? unexplained : verdict;
}

static void note(struct operation *op, struct state *state,
		 const struct copyoff_scsi_token_information *info)
{
	op->verdict = copyoff_scsi_heed(op->offer, verdict_of(info));
	op->done = believed(op, info);
	op->has_token = info->token && op->action == COPYOFF_SCSI_POPULATE_TOKEN;
	if (op->has_token)
		memcpy(state->token, info->token, sizeof(state->token));
}

/* The device does not know of the operation: it never began, or was forgotten. */
static bool is_unknown(const struct copyoff_scsi_verdict *verdict)
{
	return verdict->action != COPYOFF_SCSI_GOOD && verdict->outcome == COPYOFF_SCSI_ANSWERED &&
	       verdict->reason == COPYOFF_REASON_UNSUPPORTED;
}

/*
 * It is not known whether the operation is running, or it is not to.  One that writes
 * must not go on when the copy is over: it would write over what comes there later.
 */
static void stop(struct operation *op, struct state *state, uint64_t patience)
{
	struct copyoff_scsi_command command =
		copyoff_scsi_copy_out(COPYOFF_SCSI_ABORT, op->list_id, NULL, 0);
	struct copyoff_scsi_token_information info;
	struct copyoff_scsi_verdict verdict;

	op->stopped = true;
	(void)copyoff_scsi_send(op->offer, op->fd, &command); /* what came of it is asked next */
	if (op->action != COPYOFF_SCSI_WRITE_USING_TOKEN)
		return;
	verdict = ask(op, state, patience, &info);
	if (verdict.action == COPYOFF_SCSI_GOOD)
		op->done = believed(op, &info);
	else
		op->lost = !is_unknown(&verdict);
	state->out_of_control |= op->lost;
	if (op->lost)
		copyoff_fatal(op->offer, ETIMEDOUT,
			      "the device did not stop a copy, and may be at it still");
}

/* The command has begun the operation, or may have: wait for its end. */
static void follow(struct operation *op, struct state *state)
{
	struct copyoff_scsi_token_information info;
	struct copyoff_scsi_verdict verdict = ask(op, state, PATIENCE, &info);

	if (verdict.action == COPYOFF_SCSI_GOOD) {
		note(op, state, &info);
	} else if (!is_unknown(&verdict)) {
		op->verdict = verdict;
		/* A device that knows no way to stop does what it was asked to. */
		stop(op, state, verdict.error == ECANCELED ? PATIENCE : LAST_PATIENCE);
	} else if (op->verdict.action == COPYOFF_SCSI_GOOD) {
		op->verdict = forgotten;
	}
}

/* The device refused the command, or failed before it ended: does it say how far it came? */
static void count(struct operation *op, struct state *state)
{
	struct copyoff_scsi_token_information info;
	struct copyoff_scsi_verdict verdict = ask_once(op, state, &info);

	if (verdict.action == COPYOFF_SCSI_GOOD)
		op->done = believed(op, &info);
}

/* The list is in state->buf. */
static void carry_out(struct operation *op, struct state *state, uint32_t len)
{
	struct copyoff_scsi_command command;
	int ids = 1;

	do {
		state->list_id = copyoff_scsi_list_id(state->list_id);
		op->list_id = state->list_id;
		command = copyoff_scsi_copy_out(op->action, op->list_id, state->buf, len);
		op->verdict = copyoff_scsi_send(op->offer, op->fd, &command);
	} while (op->verdict.action == COPYOFF_SCSI_LIST_ID && ids++ < LIST_IDS);
	if (op->verdict.action == COPYOFF_SCSI_GOOD || op->verdict.outcome == COPYOFF_SCSI_IN_DOUBT)
		follow(op, state);
	else if (op->verdict.outcome == COPYOFF_SCSI_ANSWERED)
		count(op, state);
	/* The token, be it in the list or in an answer. */
	copyoff_scsi_wipe(state->buf, INFORMATION_BYTES);
}

/* --- a copy ------------------------------------------------------------------------------------ */

/* What is passed through the bracket. */
struct call {
	const struct copyoff_pair *pair;
	struct copyoff_offer *offer;
	struct state *state;
	const struct copyoff_range *ranges;
	size_t n;
};

/* Of the concatenation, blocks from @skip, at most @most, as ranges at @to. */
static size_t part_of(const struct call *c, uint64_t skip, uint64_t most,
		      struct copyoff_scsi_range *to)
{
	struct copyoff_scsi_range all[RANGES_MOST];
	size_t n = 0;

	copyoff_scsi_ranges(c->offer, block_size(c->state), c->ranges, c->n, all);
	for (size_t i = 0; i < c->n && most > 0; i++) {
		uint64_t skipped = copyoff_range_min(skip, all[i].blocks);
		uint64_t take = copyoff_range_min(all[i].blocks - skipped, most);

		skip -= skipped;
		most -= take;
		if (take > 0)
			to[n++] =
				(struct copyoff_scsi_range){ all[i].src + skipped,
							     all[i].dst + skipped, (uint32_t)take };
	}
	return n;
}

/* A token for what begins at @skip: op.done blocks of it. */
static struct operation populate(const struct call *c, uint64_t skip, uint64_t blocks)
{
	struct operation op = { .offer = c->offer,
				.fd = c->pair->in.fd,
				.action = COPYOFF_SCSI_POPULATE_TOKEN,
				.blocks = blocks };
	struct copyoff_scsi_range ranges[RANGES_MOST];
	size_t n = part_of(c, skip, blocks, ranges);

	carry_out(&op, c->state, copyoff_scsi_encode_populate(c->state->buf, ranges, n));
	if (op.verdict.action == COPYOFF_SCSI_GOOD && (!op.has_token || op.done == 0))
		op.verdict = strange;
	return op;
}

/* What begins at @skip, and is @offset blocks behind the first one of the token. */
static struct operation write_token(const struct call *c, uint64_t skip, uint64_t blocks,
				    uint64_t offset)
{
	struct operation op = { .offer = c->offer,
				.fd = c->pair->out.fd,
				.action = COPYOFF_SCSI_WRITE_USING_TOKEN,
				.blocks = blocks };
	struct copyoff_scsi_range ranges[RANGES_MOST];
	size_t n = part_of(c, skip, blocks, ranges);

	carry_out(&op, c->state,
		  copyoff_scsi_encode_write(c->state->buf, c->state->token, offset, ranges, n));
	if (op.verdict.action == COPYOFF_SCSI_GOOD && op.done == 0)
		op.verdict = strange;
	return op;
}

/*
 * With one token, which may be written in several pieces; or with a second one, if
 * the device has forgotten the first.  A token for less than all makes a short copy.
 */
static uint64_t copy_blocks(const struct call *c, uint64_t total, struct operation *op)
{
	uint64_t done = 0, offset = 0, held = 0; /* blocks of the token to write */
	bool renewed = false;

	for (;;) {
		if (held == 0) {
			*op = populate(c, done, total - done);
			if (op->verdict.action != COPYOFF_SCSI_GOOD)
				return done;
			held = op->done;
			offset = 0;
		}
		*op = write_token(c, done, held, offset);
		done += op->done;
		offset += op->done;
		held -= op->done;
		if (op->verdict.action == COPYOFF_SCSI_TOKEN && !renewed) {
			renewed = true;
			held = 0;
		} else if (op->verdict.action != COPYOFF_SCSI_GOOD || held == 0) {
			return done;
		}
		if (done == total || (done > 0 && copyoff_canceled(c->offer)))
			return done;
	}
}

/* A token has no block twice; that of the ranges whose sources would overlap is short. */
static size_t without_overlap(const struct copyoff_range *ranges, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		for (size_t j = 0; j < i; j++) {
			if ((uint64_t)ranges[i].src < (uint64_t)ranges[j].src + ranges[j].len &&
			    (uint64_t)ranges[j].src < (uint64_t)ranges[i].src + ranges[i].len)
				return i;
		}
	}
	return n;
}

static uint64_t blocks_of(const struct call *c)
{
	uint64_t blocks = 0;

	for (size_t i = 0; i < c->n; i++)
		blocks += c->ranges[i].len / block_size(c->state);
	return blocks;
}

/* So many blocks are done, and @last was the last operation. */
static int64_t outcome(const struct call *c, uint64_t done, const struct operation *last)
{
	copyoff_scsi_wipe(c->state->token, sizeof(c->state->token));
	if (last->lost)
		return -ETIMEDOUT;
	if (done > 0)
		return (int64_t)(done * block_size(c->state));
	return copyoff_scsi_refuse(c->offer, &last->verdict);
}

static int64_t copy_call(void *data)
{
	struct call *c = data;
	struct operation op;
	uint64_t done;

	c->n = without_overlap(c->ranges, c->n);
	done = copy_blocks(c, blocks_of(c), &op);
	return outcome(c, done, &op);
}

/* There is no end of zeroes: each piece has those at the beginning of the token. */
static int64_t zero_call(void *data)
{
	struct call *c = data;
	const uint64_t total = blocks_of(c);
	struct operation op;
	uint64_t done = 0;

	/* The device may have been looked at again. */
	if (!c->offer->makes_zeroes)
		return unsupported(c->offer, "the disk does not take the token for zeroes");
	copyoff_scsi_zero_token(c->state->token);
	do {
		op = write_token(c, done, total - done, 0);
		done += op.done;
	} while (op.verdict.action == COPYOFF_SCSI_GOOD && done < total &&
		 !copyoff_canceled(c->offer));
	return outcome(c, done, &op);
}

/* --- copy -------------------------------------------------------------------------------- */

/* @call, with the bytes of the source, or with zeroes. */
static int64_t carry_out_call(struct call *c, bool zeroes, int64_t (*call)(void *data))
{
	const struct copyoff_origin from = {
		.zeroes = zeroes, .fd = zeroes ? -1 : c->pair->in.fd, .ranges = c->ranges, .n = c->n
	};
	struct copyoff_bracket *bracket = &c->state->bracket;
	int64_t ret;

	if (c->state->out_of_control)
		return copyoff_decline(c->offer, COPYOFF_REASON_MISBEHAVED, 0,
				       "the device did not stop a copy, and may be at it still",
				       "");
	ret = copyoff_bracket_begin(bracket, c->pair, c->offer, c->ranges, c->n, find_all,
				    c->state);
	if (ret < 0)
		return ret;
	return copyoff_bracket_copy(bracket, c->pair, c->offer, &from, call, c);
}

static int64_t odx_copy(const struct copyoff_pair *pair, struct copyoff_offer *offer,
			const struct copyoff_range *ranges, size_t n)
{
	struct call call = { pair, offer, offer->priv, ranges, n };

	return carry_out_call(&call, false, copy_call);
}

static int64_t odx_zero(const struct copyoff_pair *pair, struct copyoff_offer *offer,
			const struct copyoff_range *ranges, size_t n)
{
	struct call call = { pair, offer, offer->priv, ranges, n };

	return carry_out_call(&call, true, zero_call);
}

const struct copyoff_backend copyoff_backend_odx = {
	.info = COPYOFF_BACKEND_INFO("odx", "has SCSI disks copy, by tokens (ODX)",
				     COPYOFF_TRAIT_RAW | COPYOFF_TRAIT_PRIV),
	.least_once = LEAST_ONCE,
	.least_zeroes = LEAST_ZEROES,
	.probe = odx_probe,
	.copy = odx_copy,
	.zero = odx_zero,
	.release = copyoff_bracket_release,
};
