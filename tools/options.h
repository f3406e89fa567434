/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
#ifndef COPYOFF_TOOL_OPTIONS_H
#define COPYOFF_TOOL_OPTIONS_H

#include <stdbool.h>

#include "failure.h"
#include "ranges.h"

struct options {
	char **operands;
	int operand_count;
	unsigned flags; /* COPYOFF_* */
	const char *backends; /* NULL: not given */
	bool json;
	bool verbose;
	bool bar;
	int progress_fd; /* -1: not given */
	bool has_ranges; /* even if the list is empty: a ranges file may be */
	struct range_list ranges;
};

/* What a command accepts and says about itself. */
struct command {
	const char *name;
	int (*run)(const struct options *o); /* returns an exit status */
	const char *letters; /* of the options it takes */
	int min_operands;
	int max_operands;
	const char *usage;
};

/*
 * Parses the arguments behind the command's name, and runs it.  Returns the
 * exit status.
 */
int command_main(const struct command *command, int argc, char **argv);

/* Prints a message and how to get help; returns STATUS_USAGE. */
__attribute__((format(printf, 2, 3))) int usage_error(const struct command *command,
						      const char *format, ...);

int print_version(void);

extern const struct command command_copy, command_explain, command_backends;

#endif
