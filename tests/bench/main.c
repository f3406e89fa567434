/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
#define _POSIX_C_SOURCE 200809L
#include "bench.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
	"usage: bench [option...] NAME DIRECTORY\n"
	"Measures copies in DIRECTORY, on a file system that is called NAME in the output.\n"
	"  -q       quick: fewer sizes and states\n"
	"  -r N     rounds, 7 to 99 (otherwise 7, and 21 for copies up to 1 MiB)\n"
	"  -s TEXT  only scenarios whose names begin with TEXT\n"
	"  -c FILE  the copyoff command (otherwise the one in $PATH)\n"
	"  -u FILE  the io_uring-cp example of liburing (otherwise the one in $PATH)\n"
	"  -m       print what is missing, and measure nothing\n";

struct options {
	bool quick;
	bool only_missing;
	unsigned rounds; /* 0: as many as suit the size */
	const char *scenario;
};

/* Small copies are cheap to repeat and suffer most from other users. */
static unsigned rounds(const struct options *o, size_t size)
{
	if (o->rounds)
		return o->rounds;
	return size <= MIB && !o->quick ? 3 * ROUNDS_LEAST : ROUNDS_LEAST;
}

static int measure_scenario(const struct files *f, const struct options *o,
			    const struct scenario *s, struct measured *all, size_t *n)
{
	const size_t *size = o->quick ? s->quick_sizes : s->sizes;

	if (strncmp(s->name, o->scenario, strlen(o->scenario)) != 0 ||
	    (s->kind == CLONE && !f->clones))
		return 0;
	for (; *size && *n < MEASURED_MAX; size++) {
		struct measured *m = &all[*n];
		struct files devices = *f;
		int ret;

		/* Not everybody may make loop devices. */
		if (is_loop(s->state) && loop_attach(f, s->state, *size, &devices) < 0)
			return 0;
		ret = measure(&devices, s, *size, rounds(o, *size), m);
		if (is_loop(s->state))
			loop_detach(f);
		if (ret < 0)
			return -1;
		report(f, m);
		(*n)++;
	}
	return 0;
}

static int measure_all(const struct files *f, const struct options *o)
{
	static struct measured all[MEASURED_MAX];
	struct memory rows[MEMORY_CASES];
	size_t n = 0, n_rows = 0;
	int ret = 0;

	for (size_t i = 0; i < scenario_count && ret == 0; i++)
		ret = measure_scenario(f, o, &scenarios[i], all, &n);
	if (ret == 0 && !*o->scenario) {
		n_rows = measure_memory(f, o->quick, rows);
		report_memory(f, rows, n_rows);
	}
	report_goals(f, all, n, rows, n_rows, !*o->scenario);
	return ret;
}

int main(int argc, char **argv)
{
	struct options options = { .scenario = "" };
	const char *copyoff = NULL, *io_uring_cp = NULL;
	struct files files;
	int c, ret;

	while ((c = getopt(argc, argv, "qr:s:c:u:m")) != -1) {
		switch (c) {
		case 'q':
			options.quick = true;
			break;
		case 'r':
			options.rounds = (unsigned)strtoul(optarg, NULL, 10);
			if (options.rounds < ROUNDS_LEAST || options.rounds > ROUNDS_MOST) {
				fputs(usage, stderr);
				return 2;
			}
			break;
		case 's':
			options.scenario = optarg;
			break;
		case 'c':
			copyoff = optarg;
			break;
		case 'u':
			io_uring_cp = optarg;
			break;
		case 'm':
			options.only_missing = true;
			break;
		default:
			fputs(usage, stderr);
			return 2;
		}
	}
	command_set_paths(copyoff, io_uring_cp);
	if (options.only_missing) {
		report_missing();
		return 0;
	}
	if (argc - optind != 2) {
		fputs(usage, stderr);
		return 2;
	}
	ret = inside_init();
	if (ret == 0)
		ret = ring_init();
	if (ret < 0) {
		fprintf(stderr, "bench: cannot get ready: %s\n", strerror(-ret));
		return 1;
	}
	ret = files_init(&files, argv[optind], argv[optind + 1]);
	if (ret == 0)
		ret = measure_all(&files, &options);
	files_remove(&files);
	ring_exit();
	inside_exit();
	return ret < 0;
}
