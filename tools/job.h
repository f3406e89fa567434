/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* A copy under way, and what became of it. */
#ifndef COPYOFF_TOOL_JOB_H
#define COPYOFF_TOOL_JOB_H

#include <copyoff.h>
#include <stdint.h>

#include "context.h"
#include "failure.h"
#include "files.h"
#include "options.h"
#include "progress.h"

struct job {
	const struct options *options;
	struct context context;
	copyoff_plan *plan;
	struct file source;
	struct file destination;
	struct copyoff_range *ranges; /* NULL: the whole file */
	size_t range_count;
	struct progress progress;

	uint64_t bytes;
	uint64_t bytes_offloaded;
	char message[1024]; /* of the last call of the library, or "" */
	struct failure failure; /* status STATUS_DONE: none */
};

#endif
