/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* copyoff explain.  Changes nothing, and creates nothing that has a name. */
#include <copyoff.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "errname.h"
#include "files.h"
#include "json.h"
#include "options.h"
#include "report.h"
#include "traits.h"

static const char *reason_name(enum copyoff_reason reason)
{
	switch (reason) {
	case COPYOFF_REASON_NONE:
		return "none";
	case COPYOFF_REASON_NOT_BUILT:
		return "not-built";
	case COPYOFF_REASON_FILTERED:
		return "filtered";
	case COPYOFF_REASON_POLICY:
		return "policy";
	case COPYOFF_REASON_FILE_TYPE:
		return "file-type";
	case COPYOFF_REASON_UNSUPPORTED:
		return "unsupported";
	case COPYOFF_REASON_CROSS_DEVICE:
		return "cross-device";
	case COPYOFF_REASON_PERMISSION:
		return "permission";
	case COPYOFF_REASON_ALIGNMENT:
		return "alignment";
	case COPYOFF_REASON_RESOURCE:
		return "resource";
	case COPYOFF_REASON_SLOWER:
		return "slower";
	case COPYOFF_REASON_MISBEHAVED:
		return "misbehaved";
	case COPYOFF_REASON_FAILED:
		return "failed";
	}
	return "other"; /* of a newer library */
}

static void limits_json(struct json *j, const struct copyoff_limits *limits)
{
	json_object(j, "limits");
	json_number(j, "align", limits->align);
	json_number(j, "min_total", limits->min_total);
	json_number(j, "max_range", limits->max_range);
	json_number(j, "max_ranges", limits->max_ranges);
	json_number(j, "max_total", limits->max_total);
	json_end_object(j);
}

static void verdict_json(struct json *j, const struct copyoff_verdict *verdict)
{
	json_object(j, NULL);
	json_string(j, "name", verdict->backend);
	json_bool(j, "usable", verdict->usable);
	json_string(j, "reason", reason_name(verdict->reason));
	json_string(j, "errno", errname(verdict->error));
	json_number(j, "number", (uint64_t)verdict->error);
	json_string(j, "text", verdict->text);
	json_string(j, "remedy", verdict->remedy);
	limits_json(j, &verdict->limits);
	traits_json(j, "traits", verdict->traits);
	json_end_object(j);
}

static void print_json(const struct file *source, const struct file *destination,
		       const copyoff_plan *plan)
{
	struct json j = { 0 };

	json_object(&j, NULL);
	report_version(&j);
	json_string(&j, "source", source->path);
	json_string(&j, "destination", destination->path);
	json_bool(&j, "destination_exists", !destination->unnamed);
	json_array(&j, "backends");
	for (size_t i = 0; i < copyoff_plan_count(plan); i++)
		verdict_json(&j, copyoff_plan_verdict(plan, i));
	json_end_array(&j);
	json_end_object(&j);
	putchar('\n');
}

static int print_text(const struct file *source, const struct file *destination,
		      const copyoff_plan *plan, struct failure *f)
{
	size_t size = copyoff_plan_explain(plan, NULL, 0) + 1;
	char *text = malloc(size);

	if (!text)
		return fail_errno(f, "cannot explain");
	copyoff_plan_explain(plan, text, size);
	printf("%s -> %s%s\n%s", source->path, destination->path,
	       destination->unnamed ? " (does not exist yet)" : "", text);
	free(text);
	return 0;
}

struct question {
	const struct options *options;
	struct context context;
	struct file source;
	struct file destination;
	copyoff_plan *plan;
	struct failure failure;
};

static int ask(struct question *q)
{
	const struct options *o = q->options;
	struct failure *f = &q->failure;

	if (context_open(&q->context, o, NULL, f) < 0 ||
	    file_open_source(&q->source, o->operands[0], f) < 0 ||
	    file_open_probe(&q->destination, o->operands[1], &q->source, o->flags & COPYOFF_VERIFY,
			    f) < 0)
		return -1;
	q->plan = copyoff_plan_new(q->context.ctx, q->source.fd, q->destination.fd, o->flags);
	if (!q->plan)
		return fail_errno(f, "cannot copy '%s' to '%s'", q->source.path,
				  q->destination.path);
	return 0;
}

static int answer(struct question *q)
{
	if (q->options->json)
		print_json(&q->source, &q->destination, q->plan);
	else if (print_text(&q->source, &q->destination, q->plan, &q->failure) < 0)
		return -1;
	if (!plan_any_usable(q->plan))
		q->failure.status = STATUS_POLICY;
	return 0;
}

static int run(const struct options *o)
{
	struct question q = {
		.options = o,
		.source = FILE_CLOSED,
		.destination = FILE_CLOSED,
	};
	enum status output;

	if (ask(&q) < 0 || answer(&q) < 0)
		print_error(q.failure.text);
	output = finish_output();
	copyoff_plan_free(q.plan);
	context_close(&q.context);
	file_release(&q.source);
	file_release(&q.destination);
	return (int)(q.failure.status != STATUS_DONE ? q.failure.status : output);
}

static const char usage[] =
	"Usage: copyoff explain [OPTION]... SRC DST\n"
	"\n"
	"Says for every backend whether it can copy SRC to DST, within which limits, or\n"
	"why not and what to do about it.  Changes nothing; DST need not exist.\n"
	"\n"
	"      --reflink[=WHEN], --require-offload, --no-raw, --sparse, --sync, --verify,\n"
	"      --backend LIST        explain a copy with this option, see copyoff copy\n"
	"      --json                write JSON\n"
	"  -h, --help                show this text\n"
	"  -V, --version             show the version\n"
	"\n"
	"Exit status: 0 a backend can; 1 could not be found out; 2 wrong usage; 3 no\n"
	"backend can; 4 output was lost.\n";

const struct command command_explain = {
	.name = "explain",
	.run = run,
	.letters = "LOWSYCBJ",
	.min_operands = 2,
	.max_operands = 2,
	.usage = usage,
};
