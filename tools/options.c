/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
#include <copyoff.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "options.h"

/* Options without a letter of their own on the command line. */
enum {
	OPT_RANGES_FILE = 'F',
	OPT_REFLINK = 'L',
	OPT_NO_RAW = 'W',
	OPT_REQUIRE_OFFLOAD = 'O',
	OPT_SPARSE = 'S',
	OPT_SYNC = 'Y',
	OPT_VERIFY = 'C',
	OPT_BACKEND = 'B',
	OPT_JSON = 'J'
};

static const char short_options[] = "r:p::vhV";

static const struct option long_options[] = {
	{ "ranges", required_argument, NULL, 'r' },
	{ "ranges-file", required_argument, NULL, OPT_RANGES_FILE },
	{ "reflink", optional_argument, NULL, OPT_REFLINK },
	{ "require-offload", no_argument, NULL, OPT_REQUIRE_OFFLOAD },
	{ "no-raw", no_argument, NULL, OPT_NO_RAW },
	{ "sparse", no_argument, NULL, OPT_SPARSE },
	{ "sync", no_argument, NULL, OPT_SYNC },
	{ "verify", no_argument, NULL, OPT_VERIFY },
	{ "backend", required_argument, NULL, OPT_BACKEND },
	{ "progress", optional_argument, NULL, 'p' },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "verbose", no_argument, NULL, 'v' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 },
};

static int hint(const struct command *command)
{
	fprintf(stderr, "Try 'copyoff %s%s--help'.\n", command ? command->name : "",
		command ? " " : "");
	return STATUS_USAGE;
}

int usage_error(const struct command *command, const char *format, ...)
{
	char text[sizeof(((struct failure *)NULL)->text)];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	print_error(text);
	return hint(command);
}

int print_version(void)
{
	unsigned v = copyoff_version();

	printf("copyoff %d.%d.%d, libcopyoff %u.%u.%u\n", COPYOFF_VERSION_MAJOR,
	       COPYOFF_VERSION_MINOR, COPYOFF_VERSION_PATCH, v / 1000000, v / 1000 % 1000,
	       v % 1000);
	return (int)finish_output();
}

static int set_reflink(struct options *o, const char *when, struct failure *f)
{
	o->flags &= ~(COPYOFF_REQUIRE_SHARE | COPYOFF_NO_SHARE);
	if (!when || strcmp(when, "always") == 0)
		o->flags |= COPYOFF_REQUIRE_SHARE;
	else if (strcmp(when, "never") == 0)
		o->flags |= COPYOFF_NO_SHARE;
	else if (strcmp(when, "auto") != 0)
		return fail(f, EINVAL, "--reflink takes auto, always or never, not '%s'", when);
	return 0;
}

/*
 * The descriptor is checked before any file is opened: later the number could
 * be the destination's.
 */
static int set_progress_fd(struct options *o, const char *text, struct failure *f)
{
	char *end;
	long fd;
	int mode;

	errno = 0;
	fd = strtol(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || errno || fd > INT_MAX)
		return fail(f, EINVAL, "'%s' is not the number of a file descriptor", text);
	mode = fcntl((int)fd, F_GETFL);
	if (mode < 0)
		return fail_errno(f, "cannot write progress to descriptor %ld", fd);
	if ((mode & O_ACCMODE) == O_RDONLY)
		return fail(f, EBADF, "descriptor %ld is not open for writing", fd);
	o->progress_fd = (int)fd;
	/* A reader that goes away must not end the copy: it is reported instead. */
	signal(SIGPIPE, SIG_IGN);
	return 0;
}

static int set_progress(struct options *o, const char *argument, struct failure *f)
{
	if (!argument) {
		o->bar = isatty(STDERR_FILENO);
		return 0;
	}
	/* "-p=3" arrives as "=3", "--progress=3" as "3". */
	return set_progress_fd(o, *argument == '=' ? argument + 1 : argument, f);
}

/* An argument without a colon is the name of a file, as for copyfilerange(1). */
static int add_ranges(struct options *o, const char *argument, struct failure *f)
{
	o->has_ranges = true;
	if (strchr(argument, ':'))
		return ranges_add(&o->ranges, argument, f);
	return ranges_read(&o->ranges, argument, f);
}

static int set_option(struct options *o, int letter, const char *argument, struct failure *f)
{
	switch (letter) {
	case 'r':
		return add_ranges(o, argument, f);
	case OPT_RANGES_FILE:
		o->has_ranges = true;
		return ranges_read(&o->ranges, argument, f);
	case OPT_REFLINK:
		return set_reflink(o, argument, f);
	case OPT_REQUIRE_OFFLOAD:
		o->flags |= COPYOFF_REQUIRE_OFFLOAD;
		break;
	case OPT_NO_RAW:
		o->flags |= COPYOFF_NO_RAW;
		break;
	case OPT_SPARSE:
		o->flags |= COPYOFF_SPARSE;
		break;
	case OPT_SYNC:
		o->flags |= COPYOFF_SYNC;
		break;
	case OPT_VERIFY:
		o->flags |= COPYOFF_VERIFY;
		break;
	case OPT_BACKEND:
		o->backends = argument;
		break;
	case 'p':
		return set_progress(o, argument, f);
	case OPT_JSON:
		o->json = true;
		break;
	case 'v':
		o->verbose = true;
		break;
	}
	return 0;
}

static const char *long_name(int letter)
{
	const struct option *option = long_options;

	while (option->val != letter)
		option++;
	return option->name;
}

static int print_usage(const struct command *command)
{
	fputs(command->usage, stdout);
	return (int)finish_output();
}

/* Ranges may also follow the two names, as for copyfilerange(1). */
static int set_operands(const struct command *command, struct options *o, int argc, char **argv)
{
	struct failure f = { .status = STATUS_DONE };

	o->operands = argv;
	o->operand_count = argc;
	if (argc < command->min_operands)
		return usage_error(command, "%s",
				   argc == 0 ? "operands are missing"
					     : "the destination is missing");
	if (argc > command->max_operands)
		return usage_error(command, "too many operands: '%s'", argv[command->max_operands]);
	for (int i = command->min_operands; i < argc; i++) {
		o->has_ranges = true;
		if (ranges_add(&o->ranges, argv[i], &f) < 0)
			return usage_error(command, "%s", f.text);
	}
	return STATUS_DONE;
}

/* Returns an exit status, or -1: go on and run the command. */
static int parse(const struct command *command, struct options *o, int argc, char **argv)
{
	struct failure f = { .status = STATUS_DONE };
	int letter, status;

	while ((letter = getopt_long(argc, argv, short_options, long_options, NULL)) != -1) {
		if (letter == '?')
			return hint(command); /* getopt_long() has said what is wrong */
		if (letter == 'h')
			return print_usage(command);
		if (letter == 'V')
			return print_version();
		if (!strchr(command->letters, letter))
			return usage_error(command, "'%s' does not take --%s", command->name,
					   long_name(letter));
		if (set_option(o, letter, optarg, &f) < 0)
			return usage_error(command, "%s", f.text);
	}
	status = set_operands(command, o, argc - optind, argv + optind);
	return status == STATUS_DONE ? -1 : status;
}

int command_main(const struct command *command, int argc, char **argv)
{
	struct options o = { .progress_fd = -1 };
	static char name[] = "copyoff";
	int status;

	argv[0] = name; /* what getopt_long() begins its messages with */
	status = parse(command, &o, argc, argv);
	if (status < 0)
		status = command->run(&o);
	ranges_free(&o.ranges);
	return status;
}
