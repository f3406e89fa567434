/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * What went wrong, kept until it is reported: once on standard error, and once
 * more in the JSON result if that was asked for.
 */
#ifndef COPYOFF_TOOL_FAILURE_H
#define COPYOFF_TOOL_FAILURE_H

#include <limits.h>

/* Exit statuses, as documented in copyoff(1). */
enum status {
	STATUS_DONE = 0,
	STATUS_FAILED = 1, /* not copied, or only in part */
	STATUS_USAGE = 2,
	STATUS_POLICY = 3, /* no backend can, under the options given */
	STATUS_OUTPUT = 4 /* done, but the report could not be written */
};

struct failure {
	enum status status; /* STATUS_DONE: nothing failed */
	int number; /* errno that fits best */
	char text[2 * PATH_MAX + 1024];
};

/* Both record and return -1; the second appends ": " and the text of errno. */
__attribute__((format(printf, 3, 4))) int fail(struct failure *f, int number, const char *format,
					       ...);
__attribute__((format(printf, 2, 3))) int fail_errno(struct failure *f, const char *format, ...);

/* Adds to the text. */
__attribute__((format(printf, 2, 3))) void failure_append(struct failure *f, const char *format,
							  ...);

/* One line on standard error, "copyoff: TEXT", whatever the file names contain. */
void print_error(const char *text);

/* Flushes standard output; STATUS_OUTPUT, and a message, if anything written there was lost. */
enum status finish_output(void);

#endif
