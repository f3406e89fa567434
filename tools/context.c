/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
#include <errno.h>
#include <stdio.h>

#include "context.h"

static void keep_log_line(void *data, const char *line)
{
	struct context *context = data;

	snprintf(context->log_line, sizeof(context->log_line), "%s", line);
}

int context_open(struct context *context, const struct options *o, struct progress *progress,
		 struct failure *f)
{
	struct copyoff_opts opts = {
		.size = sizeof(opts),
		.backends = o->backends,
		.log = keep_log_line,
		.log_data = context,
		.progress = progress ? progress_step : NULL,
		.progress_data = progress,
	};
	int error;

	context->ctx = copyoff_ctx_new(&opts);
	if (context->ctx)
		return 0;
	error = errno;
	if (error != EINVAL)
		return fail_errno(f, "cannot make a context");
	/* Nothing else in the options can be invalid. */
	fail(f, error, "--backend '%s': %s", o->backends ? o->backends : "", context->log_line);
	f->status = STATUS_USAGE;
	return -1;
}

void context_close(struct context *context)
{
	copyoff_ctx_free(context->ctx);
	context->ctx = NULL;
}

bool plan_any_usable(const copyoff_plan *plan)
{
	for (size_t i = 0; i < copyoff_plan_count(plan); i++) {
		if (copyoff_plan_verdict(plan, i)->usable)
			return true;
	}
	return false;
}
