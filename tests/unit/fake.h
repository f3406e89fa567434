/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * fake.h - backends that copy arrays in memory and do as they are told
 *
 * They take the places of the built ones, whose number stays as it is.  Each call
 * is checked against the contract of backend.h: what the core hands out is within
 * the limits, and begins where the last one was confirmed.
 */
#ifndef FAKE_H
#define FAKE_H

#include "unit.h"

enum { FAKE_BYTES = 4 << 20, FAKE_CALLS = 4096 };

extern unsigned char fake_src[FAKE_BYTES];
extern unsigned char fake_dst[2 * FAKE_BYTES];

/* What copy() does; then the next step, at last FAKE_ALL again and again. */
enum fake_action {
	FAKE_ALL,
	FAKE_SHORT, /* that many bytes only */
	FAKE_INTERRUPTED, /* likewise, by a signal */
	FAKE_SPENT, /* likewise, and declines the rest */
	FAKE_FATAL, /* likewise, but nothing may be counted, EIO */
	FAKE_DECLINE, /* for that reason */
	FAKE_ERROR, /* that errno */
	FAKE_TOO_MANY, /* that many more than asked */
	FAKE_END, /* of the input */
};

struct fake_step {
	enum fake_action action;
	int64_t value;
};

struct fake_call {
	struct copyoff_range first;
	size_t n;
	uint64_t len;
};

struct fake {
	struct copyoff_backend backend; /* first */
	/* What it says to probe(). */
	struct copyoff_limits limits;
	unsigned offered_traits;
	bool unaligned_eof;
	bool adjacent;
	bool slower;
	bool makes_zeroes;
	uint64_t base_out;
	int probe_error; /* -errno, or 0 */
	bool probe_fatal; /* whatever else it says */
	enum copyoff_reason probe_reason; /* decline, unless COPYOFF_REASON_NONE */
	/* What it does. */
	const struct fake_step *steps;
	size_t n_steps, step;
	bool scribbles; /* over what is in the ranges, but not counted */
	uint64_t zeroes_most; /* of an operation, bytes; 0: all */
	int zeroes_error; /* what it comes to instead: COPYOFF_DECLINE, -errno, or 0 */
	bool zeroes_fatal;
	bool zeroes_ask; /* the user whether to go on */
	/* What happened. */
	unsigned probes, copies, releases, closes, zeroes;
	uint64_t confirmed;
	struct fake_call calls[FAKE_CALLS];
};

extern struct fake fakes[COPYOFF_BACKENDS];

/* Confirmed by all of them in the present run, and the ranges of that run. */
extern uint64_t fake_confirmed;
extern const struct copyoff_range *fake_ranges;
extern size_t fake_n_ranges;

/* Calls come without facts about the pair: only the ranges can be checked. */
extern bool fake_bare;

/* All usable without limits; source random, destination another. */
void fake_reset(void);
void fake_script(size_t i, const struct fake_step *steps, size_t n);

/* A pair of files of which only the sizes exist. */
extern struct copyoff_end fake_in, fake_out;
extern struct copyoff_ctx fake_ctx;
/* fake_ctx is initialized, and the engine copies by the fakes. */
int64_t fake_run(const struct copyoff_range *v, size_t n, unsigned flags);

#endif
