/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
#ifndef COPYOFF_TOOL_PROGRESS_H
#define COPYOFF_TOOL_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
	bool bar; /* draw on standard error */
	int fd; /* write "N/100\n" here; -1: nowhere */
	uint64_t total; /* bytes of the whole job; 0: not known */
	uint64_t base; /* bytes done before the call that runs */
	int shown; /* last value; -1: none */
	int error; /* errno of a write to fd that failed; nothing was written after it */
};

/* A copyoff_opts.progress; @data is a struct progress. */
int progress_step(void *data, uint64_t done, uint64_t total);

/* All bytes are where they belong: shows 100, which nothing else does. */
void progress_done(struct progress *p);

/* Ends the line of the bar, so that a message can follow. */
void progress_end(const struct progress *p);

#endif
