/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * goals.c - one line for each goal: the worst figure of all cases that it is
 * about, and which case that was.  For information: machines differ, and are
 * used by others at the same time.
 */
#include "bench.h"

#include <stdio.h>
#include <string.h>

/* A figure this near to the goal says nothing: two runs differ by as much. */
#define NOISE 0.05

enum better { MORE, LESS };

/* The worst figure so far. */
struct worst {
	double value;
	const struct measured *where;
	const struct result *ours;
	const struct result *other;
	unsigned cases;
	unsigned missed;
};

struct goal {
	const char *text;
	double target;
	enum better better;
	const char *unit;
	unsigned states; /* IN(state) | ... */
	size_t least; /* sizes */
	size_t most;
	bool commands;
	const char *only; /* ours of this name; NULL: all of ours */
	/* NULL: the best peer.  Names are alternatives: the fastest of them counts. */
	const char *others[3];
	double (*figure)(const struct result *ours, const struct result *other);
	const char *fs; /* on this one only; NULL: on all */
};

static double speedup(const struct result *ours, const struct result *other)
{
	return other->seconds / ours->seconds;
}

static double slowdown(const struct result *ours, const struct result *other)
{
	return ours->seconds / other->seconds;
}

static double nanoseconds_more(const struct result *ours, const struct result *other)
{
	return (ours->seconds - other->seconds) * 1e9;
}

#define CACHED (IN(OVERWRITE) | IN(NEW_FILE))
#define RING   "io_uring 4 x 256K", "io_uring 8 x 256K"
#define CFR    "copy_file_range"
#define BARE   "FICLONERANGE beneath + flush"
#define DD     "dd bs=1M conv=fsync", "dd bs=1M direct, devices"

static const struct goal goals[] = {
	{ "cached files: of raw copy_file_range",
	  1.0,
	  MORE,
	  "x",
	  CACHED,
	  64 * KIB,
	  GIB,
	  false,
	  NULL,
	  { CFR },
	  speedup,
	  NULL },
	{ "cached files: of cp --reflink=never, commands",
	  1.2,
	  MORE,
	  "x",
	  CACHED,
	  64 * MIB,
	  GIB,
	  true,
	  NULL,
	  { "cp --reflink=never" },
	  speedup,
	  NULL },
	{ "cached files: of the best peer, calls",
	  1.0,
	  MORE,
	  "x",
	  CACHED,
	  64 * KIB,
	  GIB,
	  false,
	  NULL,
	  { NULL },
	  speedup,
	  NULL },
	{ "cached files: of the best peer, commands",
	  1.0,
	  MORE,
	  "x",
	  CACHED,
	  0,
	  GIB,
	  true,
	  NULL,
	  { NULL },
	  speedup,
	  NULL },
	{ "O_DIRECT: of io_uring by hand",
	  0.95,
	  MORE,
	  "x",
	  IN(DIRECT),
	  MIB,
	  GIB,
	  false,
	  NULL,
	  { RING },
	  speedup,
	  NULL },
	{ "O_DIRECT: of copy_file_range",
	  2.4,
	  MORE,
	  "x",
	  IN(DIRECT),
	  MIB,
	  GIB,
	  false,
	  NULL,
	  { CFR },
	  speedup,
	  NULL },
	{ "O_DIRECT: of the best peer",
	  1.0,
	  MORE,
	  "x",
	  IN(DIRECT),
	  4 * KIB,
	  GIB,
	  false,
	  NULL,
	  { NULL },
	  speedup,
	  NULL },
	{ "unaligned, congruent 1 GiB: of copy_file_range",
	  1000,
	  MORE,
	  "x",
	  IN(UNALIGNED),
	  GIB,
	  GIB,
	  false,
	  NULL,
	  { CFR },
	  speedup,
	  NULL },
	{ "1 GiB between loop devices, cold: time of a bare clone",
	  1.5,
	  LESS,
	  "x",
	  IN(LOOP_COLD),
	  GIB,
	  GIB,
	  false,
	  NULL,
	  { BARE },
	  slowdown,
	  NULL },
	{ "1 GiB between loop devices, cold: of dd, on XFS",
	  1000,
	  MORE,
	  "x",
	  IN(LOOP_COLD),
	  GIB,
	  GIB,
	  false,
	  NULL,
	  { DD },
	  speedup,
	  "xfs" },
	{ "1 GiB between loop devices, cold: of dd, on btrfs",
	  300,
	  MORE,
	  "x",
	  IN(LOOP_COLD),
	  GIB,
	  GIB,
	  false,
	  NULL,
	  { DD },
	  speedup,
	  "btrfs" },
	{ "sparse 10 GiB: time of a SEEK_DATA walk",
	  1.1,
	  LESS,
	  "x",
	  IN(SPARSE),
	  10 * GIB,
	  10 * GIB,
	  false,
	  NULL,
	  { "SEEK_DATA walk + copy_file_range", "SEEK_DATA walk + pread/pwrite" },
	  slowdown,
	  NULL },
	{ "4 KiB call over the raw system call, no context",
	  500,
	  LESS,
	  " ns",
	  CACHED,
	  4 * KIB,
	  4 * KIB,
	  false,
	  "copyoff_copy",
	  { CFR },
	  nanoseconds_more,
	  NULL },
	{ "4 KiB call over the raw system call, context",
	  300,
	  LESS,
	  " ns",
	  CACHED,
	  4 * KIB,
	  4 * KIB,
	  false,
	  "copyoff_ctx_copy",
	  { CFR },
	  nanoseconds_more,
	  NULL },
	{ "4 KiB call over the best peer, no context",
	  500,
	  LESS,
	  " ns",
	  CACHED,
	  4 * KIB,
	  4 * KIB,
	  false,
	  "copyoff_copy",
	  { NULL },
	  nanoseconds_more,
	  NULL },
	{ "4 KiB call over the best peer, context",
	  300,
	  LESS,
	  " ns",
	  CACHED,
	  4 * KIB,
	  4 * KIB,
	  false,
	  "copyoff_ctx_copy",
	  { NULL },
	  nanoseconds_more,
	  NULL },
};

static bool is_about(const struct goal *g, const struct measured *m)
{
	return (g->states & IN(m->scenario->state)) && g->commands == m->scenario->commands &&
	       m->size >= g->least && m->size <= g->most;
}

static const struct result *other_side(const struct goal *g, const struct measured *m)
{
	const struct result *best = NULL;

	if (!g->others[0])
		return best_peer(m);
	for (size_t i = 0; i < sizeof(g->others) / sizeof(g->others[0]) && g->others[i]; i++) {
		const struct result *r = find_result(m, g->others[i]);

		if (r && (!best || r->seconds < best->seconds))
			best = r;
	}
	return best;
}

/* 1: met; 0: by so little that it may be noise; -1: missed. */
static int verdict(const struct goal *g, double value)
{
	double room = g->target * NOISE;

	if (g->better == MORE)
		return value >= g->target ? 1 : value >= g->target - room ? 0 : -1;
	return value <= g->target ? 1 : value <= g->target + room ? 0 : -1;
}

static void take(const struct goal *g, const struct measured *m, const struct result *ours,
		 const struct result *other, struct worst *worst)
{
	double value = g->figure(ours, other);

	if (verdict(g, value) < 0)
		worst->missed++;
	if (worst->cases++ > 0 &&
	    (g->better == MORE ? value >= worst->value : value <= worst->value))
		return;
	worst->value = value;
	worst->where = m;
	worst->ours = ours;
	worst->other = other;
}

static struct worst evaluate(const struct goal *g, const struct measured *m, size_t n)
{
	struct worst worst = { 0 };

	for (size_t i = 0; i < n; i++) {
		const struct result *other = is_about(g, &m[i]) ? other_side(g, &m[i]) : NULL;

		for (size_t k = 0; other && k < m[i].n; k++) {
			const struct result *r = &m[i].results[k];

			if (r->error || r->competitor->role != OURS ||
			    (g->only && strcmp(g->only, r->competitor->name) != 0))
				continue;
			take(g, &m[i], r, other, &worst);
		}
	}
	return worst;
}

static void print_goal(const struct files *f, const struct goal *g, const struct worst *w)
{
	static const char *const words[] = { "MISSED", "even", "met" };

	if (w->cases == 0) {
		printf("goal %-6s %-7s %s: no such case here\n", f->fs, "-", g->text);
		return;
	}
	printf("goal %-6s %-7s %s %s %.4g%s: worst %.4g%s, %s to %s, %s %s; %u of %u missed\n",
	       f->fs, words[1 + verdict(g, w->value)], g->text,
	       g->better == MORE ? ">=" : "<=", g->target, g->unit, w->value, g->unit,
	       w->ours->competitor->name, w->other->competitor->name, w->where->scenario->name,
	       size_name(w->where->size), w->missed, w->cases);
}

static void print_memory_goal(const struct files *f, const struct memory *rows, size_t n)
{
	const struct memory *worst = NULL;

	for (size_t i = 0; i < n; i++) {
		if (rows[i].bytes && (!worst || rows[i].bytes > worst->bytes))
			worst = &rows[i];
	}
	if (worst)
		printf("goal %-6s %-7s memory < 32 MiB: worst %zu KiB, %s\n", f->fs,
		       worst->bytes < 32 * MIB ? "met" : "MISSED", worst->bytes / KIB, worst->what);
}

void report_goals(const struct files *f, const struct measured *m, size_t n,
		  const struct memory *rows, size_t n_rows, bool complete)
{
	printf("\n");
	for (size_t i = 0; i < sizeof(goals) / sizeof(goals[0]); i++) {
		struct worst worst;

		if (goals[i].fs && strcmp(goals[i].fs, f->fs) != 0)
			continue;
		worst = evaluate(&goals[i], m, n);
		if (worst.cases > 0 || complete)
			print_goal(f, &goals[i], &worst);
	}
	print_memory_goal(f, rows, n_rows);
}
