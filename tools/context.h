/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* The library's context and plan, made from the options. */
#ifndef COPYOFF_TOOL_CONTEXT_H
#define COPYOFF_TOOL_CONTEXT_H

#include <copyoff.h>
#include <stdbool.h>

#include "failure.h"
#include "options.h"
#include "progress.h"

struct context {
	copyoff_ctx *ctx;
	char log_line[1024]; /* the last one: it says why a context cannot be made */
};

/* Returns 0, or -1 with *f filled in.  @context must not move as long as it is used. */
int context_open(struct context *context, const struct options *o, struct progress *progress,
		 struct failure *f);

void context_close(struct context *context);

bool plan_any_usable(const copyoff_plan *plan);

#endif
