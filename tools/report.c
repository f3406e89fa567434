/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "errname.h"
#include "report.h"

void report_version(struct json *j)
{
	char version[32];

	snprintf(version, sizeof(version), "%d.%d.%d", COPYOFF_VERSION_MAJOR, COPYOFF_VERSION_MINOR,
		 COPYOFF_VERSION_PATCH);
	json_string(j, "version", version);
}

/* All zero where the copy failed before there was a context. */
static struct copyoff_stats get_stats(const struct job *job, const char *backend)
{
	struct copyoff_stats stats = { .size = sizeof(stats) };

	if (job->context.ctx)
		copyoff_ctx_stats(job->context.ctx, backend, &stats);
	return stats;
}

static void error_json(struct json *j, const struct failure *f)
{
	if (f->status == STATUS_DONE) {
		json_null(j, "error");
		return;
	}
	json_object(j, "error");
	json_string(j, "errno", errname(f->number));
	json_number(j, "number", (uint64_t)f->number);
	json_string(j, "message", f->text);
	json_end_object(j);
}

static void backend_json(struct json *j, const struct job *job, const char *name)
{
	struct copyoff_stats stats = get_stats(job, name);

	json_object(j, NULL);
	json_string(j, "name", name);
	json_number(j, "bytes", stats.bytes);
	json_number(j, "calls", stats.calls);
	json_number(j, "declines", stats.declines);
	json_number(j, "errors", stats.errors);
	json_number(j, "short_copies", stats.short_copies);
	json_number(j, "nanoseconds", stats.nanoseconds);
	json_end_object(j);
}

void report_json(const struct job *job)
{
	const char *destination = job->destination.path;
	struct json j = { 0 };

	json_object(&j, NULL);
	report_version(&j);
	json_string(&j, "source", job->options->operands[0]);
	json_string(&j, "destination", destination ? destination : job->options->operands[1]);
	json_number(&j, "bytes", job->bytes);
	json_number(&j, "bytes_offloaded", job->bytes_offloaded);
	error_json(&j, &job->failure);
	json_array(&j, "backends");
	for (size_t i = 0; i < copyoff_backend_count(); i++)
		backend_json(&j, job, copyoff_backend_info(i)->name);
	json_end_array(&j);
	json_string(&j, "message", job->message);
	json_end_object(&j);
	putchar('\n');
}

/* Why a backend that comes before the one that was used moved nothing. */
static const char *why_not(const struct job *job, size_t i)
{
	const struct copyoff_verdict *verdict = copyoff_plan_verdict(job->plan, i);

	if (!verdict->usable)
		return verdict->text;
	return job->message[0] ? job->message : "it did not fit these ranges";
}

void report_text(const struct job *job)
{
	uint64_t left = job->bytes;

	fprintf(stderr, "%" PRIu64 " bytes copied, %" PRIu64 " of them known to be offloaded\n",
		job->bytes, job->bytes_offloaded);
	for (size_t i = 0; job->plan && left > 0 && i < copyoff_plan_count(job->plan); i++) {
		const char *name = copyoff_plan_verdict(job->plan, i)->backend;
		struct copyoff_stats stats = get_stats(job, name);

		if (stats.bytes > 0)
			fprintf(stderr, "%s: %" PRIu64 " bytes in %" PRIu64 " calls\n", name,
				stats.bytes, stats.calls);
		else
			fprintf(stderr, "%s: not used: %s\n", name, why_not(job, i));
		left -= stats.bytes < left ? stats.bytes : left;
	}
}
