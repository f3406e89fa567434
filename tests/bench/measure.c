/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * measure.c - rounds, samples, medians
 *
 * A round takes one sample of every competitor, so that whatever else the
 * machine does meets all of them, in an order that changes from round to round,
 * so that nobody always meets the caches that the same one left.  A sample is
 * one copy, or so many small ones that the clock does not matter.
 */
#define _POSIX_C_SOURCE 200809L
#include "bench.h"

#include <copyoff.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Small copies move about within this many bytes. */
#define AREA (16 * MIB)

struct plan {
	enum state state;
	size_t size; /* of the files */
	size_t len; /* of a copy */
	size_t skip; /* bytes at the beginning that are not copied */
	size_t apart; /* from a place in the source to the one in the destination */
	unsigned copies; /* in a sample */
};

static struct plan make_plan(const struct scenario *s, size_t size)
{
	struct plan plan = { .state = s->state, .size = size, .len = size, .copies = 1 };

	if (s->state == LOOP_WITHIN)
		plan.apart = size;
	if (s->state == UNALIGNED || s->state == LOOP_UNALIGNED) {
		plan.skip = 1;
		plan.len = size - 1;
	}
	if (!s->commands && size < 4 * MIB) {
		plan.size = AREA;
		plan.copies = (unsigned)(8 * MIB / size);
	}
	if (plan.copies > 1000)
		plan.copies = 1000;
	return plan;
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

/*
 * The place of the copy with number @i.  Each sample of small copies over old
 * data has another @shift, for cloning what is shared already does nothing.
 */
static void place(struct copy *copy, const struct plan *plan, unsigned i, unsigned shift)
{
	size_t places = plan->size / plan->len;

	if (plan->state == NEW_FILE)
		shift = 0;
	copy->src = (off_t)(plan->skip + (i % places) * plan->len);
	copy->dst = (off_t)(plan->skip + plan->apart + ((i + shift) % places) * plan->len);
}

static int copy_all(const struct competitor *c, struct copy *copy, const struct plan *plan,
		    unsigned shift)
{
	for (unsigned i = 0; i < plan->copies; i++) {
		int ret;

		place(copy, plan, i, shift);
		ret = c->run(c, copy);
		if (ret != 0)
			return ret;
	}
	return 0;
}

static int compare_all(const struct competitor *c, struct copy *copy, const struct plan *plan,
		       unsigned shift)
{
	if (c->role == LIMIT)
		return 0;
	for (unsigned i = 0; i < plan->copies; i++) {
		place(copy, plan, i, shift);
		if (files_compare(copy) < 0)
			return -EIO;
	}
	return 0;
}

/* What one copy more than before moved. */
static void add_traffic(struct result *r, const struct traffic *before)
{
	struct traffic now = loop_traffic();

	if (now.devices - before->devices > r->traffic.devices)
		r->traffic.devices = now.devices - before->devices;
	if (now.own - before->own > r->traffic.own)
		r->traffic.own = now.own - before->own;
}

/* Seconds of one copy, or 0 and r->error. */
static double sample(const struct competitor *c, const struct files *f, const struct plan *plan,
		     unsigned flags, unsigned shift, bool check, struct result *r)
{
	struct copy copy = { .files = f, .in = -1, .out = -1, .len = plan->len, .flags = flags };
	struct traffic before = { 0 };
	double start, end;

	r->error = files_prepare(f, plan->state, plan->size);
	/* A command opens its files itself, and may refuse one that exists. */
	if (r->error == 0 && !c->argv)
		r->error = files_open(f, plan->state, &copy);
	if (r->error != 0)
		return 0;
	if (f->loop)
		before = loop_traffic();
	start = now();
	r->error = copy_all(c, &copy, plan, shift);
	end = now();
	if (f->loop)
		add_traffic(r, &before);
	if (r->error == 0 && check)
		r->error = compare_all(c, &copy, plan, shift);
	if (!c->argv)
		files_close(&copy);
	return r->error ? 0 : (end - start) / plan->copies;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void summarize(struct result *result, double *samples, unsigned n)
{
	if (result->error)
		return;
	qsort(samples, n, sizeof(*samples), ascending);
	result->seconds = samples[n / 2];
	result->least = samples[0];
	result->spread = (samples[n * 3 / 4] - samples[n / 4]) / result->seconds;
}

/* Fisher and Yates, with a generator that is the same in each run. */
static void shuffle(size_t *order, size_t n)
{
	static uint32_t x = 2463534242u;

	for (size_t i = n; i > 1; i--) {
		size_t k, swap;

		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		k = x % i;
		swap = order[i - 1];
		order[i - 1] = order[k];
		order[k] = swap;
	}
}

int measure(const struct files *f, const struct scenario *s, size_t size, unsigned rounds,
	    struct measured *m)
{
	static double samples[COMPETITORS_MAX][ROUNDS_MOST];
	const struct plan plan = make_plan(s, size);
	const unsigned flags = s->kind == BYTES && f->clones ? COPYOFF_NO_SHARE : 0;
	size_t order[COMPETITORS_MAX];
	unsigned shift = 0;
	int ret;

	*m = (struct measured){ .scenario = s, .size = size, .rounds = rounds };
	for (size_t i = 0; i < competitor_count; i++) {
		if (takes_part(&competitors[i], s, f)) {
			order[m->n] = m->n;
			m->results[m->n++].competitor = &competitors[i];
		}
	}
	ret = files_make_source(f, s->state, plan.size);
	for (size_t i = 0; i < m->n && ret == 0; i++) {
		struct result *r = &m->results[i];

		ret = files_spoil(f, s->state, plan.size);
		if (ret == 0)
			sample(r->competitor, f, &plan, flags, ++shift, true, r);
	}
	for (unsigned round = 0; round < m->rounds && ret == 0; round++) {
		shuffle(order, m->n);
		for (size_t k = 0; k < m->n; k++) {
			size_t i = order[k];
			struct result *r = &m->results[i];

			if (!r->error)
				samples[i][round] =
					sample(r->competitor, f, &plan, flags, ++shift, false, r);
		}
	}
	for (size_t i = 0; i < m->n && ret == 0; i++)
		summarize(&m->results[i], samples[i], m->rounds);
	files_remove(f);
	return ret;
}

const struct result *find_result(const struct measured *m, const char *name)
{
	for (size_t i = 0; i < m->n; i++) {
		if (!m->results[i].error && strcmp(m->results[i].competitor->name, name) == 0)
			return &m->results[i];
	}
	return NULL;
}

const struct result *best_peer(const struct measured *m)
{
	const struct result *best = NULL;

	for (size_t i = 0; i < m->n; i++) {
		const struct result *r = &m->results[i];

		if (!r->error && r->competitor->role == PEER &&
		    (!best || r->seconds < best->seconds))
			best = r;
	}
	return best;
}
