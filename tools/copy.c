/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * copyoff copy.  Whatever can be refused is refused before the destination is
 * touched; after that, a failure says how much was copied.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "job.h"
#include "report.h"
#include "same.h"

/* All functions that return int return 0, or -1 with job->failure filled in. */

static int make_context(struct job *job)
{
	const struct options *o = job->options;
	bool show = o->bar || o->progress_fd >= 0;

	return context_open(&job->context, o, show ? &job->progress : NULL, &job->failure);
}

static int open_files(struct job *job)
{
	const struct options *o = job->options;

	if (file_open_source(&job->source, o->operands[0], &job->failure) < 0)
		return -1;
	return file_open_destination(&job->destination, o->operands[1], &job->source,
				     o->flags & COPYOFF_VERIFY, &job->failure);
}

/* Ranges of one file may be copied to other places in it, a whole file may not. */
static int refuse_same_file(struct job *job)
{
	const struct file *src = &job->source, *dst = &job->destination;

	if (job->options->has_ranges || !same_storage(src->fd, &src->st, dst->fd, &dst->st))
		return 0;
	return fail(&job->failure, EINVAL, "'%s' and '%s' are the same file", src->path, dst->path);
}

/* Regular files of size 0 may have content (procfs). */
static bool size_is_known(const struct file *file)
{
	return S_ISBLK(file->st.st_mode) || file->size > 0;
}

static int resolve_ranges(struct job *job)
{
	const struct range_list *list = &job->options->ranges;

	if (!job->options->has_ranges)
		return 0;
	job->ranges = calloc(list->n + 1, sizeof(*job->ranges));
	if (!job->ranges)
		return fail_errno(&job->failure, "cannot store %zu ranges", list->n);
	job->range_count = list->n;
	return ranges_resolve(list, size_is_known(&job->source), job->source.size, job->ranges,
			      &job->failure);
}

/* The end of the last byte that will be written, as far as it is known. */
static uint64_t needed_size(const struct job *job)
{
	uint64_t needed = 0;

	if (!job->options->has_ranges)
		return job->source.size;
	for (size_t i = 0; i < job->range_count; i++) {
		uint64_t end = (uint64_t)job->ranges[i].dst + job->ranges[i].len;

		if (end > needed)
			needed = end;
	}
	return needed;
}

/* A device cannot grow: better said before its content is overwritten. */
static int check_room(struct job *job)
{
	const struct file *dst = &job->destination;
	uint64_t needed = needed_size(job);

	if (!S_ISBLK(dst->st.st_mode) || !size_is_known(&job->source) || needed <= dst->size)
		return 0;
	return fail(&job->failure, ENOSPC,
		    "'%s' is too small: it has %" PRIu64 " bytes, %" PRIu64 " are needed",
		    dst->path, dst->size, needed);
}

/* Why the most preferred backend that the options allow cannot; "" if they allow none. */
static const char *first_refusal(const copyoff_plan *plan)
{
	for (size_t i = 0; i < copyoff_plan_count(plan); i++) {
		const struct copyoff_verdict *verdict = copyoff_plan_verdict(plan, i);

		if (verdict->reason != COPYOFF_REASON_NOT_BUILT &&
		    verdict->reason != COPYOFF_REASON_FILTERED &&
		    verdict->reason != COPYOFF_REASON_POLICY)
			return verdict->text;
	}
	return "";
}

/* Asked before the old content of the destination is given up. */
static int check_plan(struct job *job)
{
	const char *why;

	job->plan = copyoff_plan_new(job->context.ctx, job->source.fd, job->destination.fd,
				     job->options->flags);
	if (!job->plan)
		return fail_errno(&job->failure, "cannot copy '%s' to '%s'", job->source.path,
				  job->destination.path);
	if (plan_any_usable(job->plan))
		return 0;

	why = first_refusal(job->plan);
	fail(&job->failure, EOPNOTSUPP,
	     "no backend can copy '%s' to '%s' under the options given%s%s", job->source.path,
	     job->destination.path, *why ? ": " : "", why);
	job->failure.status = STATUS_POLICY;
	return -1;
}

/*
 * What was in the destination goes first: no old byte may stay behind the new
 * end, and holes and clones need no old blocks to be replaced.
 */
static int empty_destination(struct job *job)
{
	const struct file *dst = &job->destination;

	if (job->options->has_ranges || !S_ISREG(dst->st.st_mode) || dst->size == 0)
		return 0;
	if (ftruncate(dst->fd, 0) < 0)
		return fail_errno(&job->failure, "cannot truncate '%s'", dst->path);
	return 0;
}

/* Counts what a call did; @n is what it returned. */
static void account(struct job *job, int64_t n)
{
	const struct copyoff_result *last = copyoff_ctx_last(job->context.ctx);

	if (n != 0) /* the end of the input has nothing to say */
		snprintf(job->message, sizeof(job->message), "%s", last->message);
	if (n <= 0)
		return;
	job->bytes += (uint64_t)n;
	job->bytes_offloaded += last->bytes_offloaded;
	job->progress.base = job->bytes;
}

static int copy_failed(struct job *job, int error)
{
	struct failure *f = &job->failure;

	fail(f, error, "cannot copy '%s' to '%s': %s", job->source.path, job->destination.path,
	     strerror(error));
	if (job->message[0])
		failure_append(f, " (%s)", job->message);
	if (error == EOPNOTSUPP)
		f->status = STATUS_POLICY;
	return -1;
}

static int copy_whole(struct job *job)
{
	for (;;) {
		off_t in = (off_t)job->bytes, out = in;
		uint64_t rest = (uint64_t)INT64_MAX - job->bytes;
		size_t len = rest < SSIZE_MAX ? (size_t)rest : SSIZE_MAX;
		ssize_t n = copyoff_ctx_copy(job->context.ctx, job->source.fd, &in,
					     job->destination.fd, &out, len, job->options->flags);
		int error = errno;

		account(job, n);
		if (n == 0)
			return 0;
		if (n < 0 && error != EINTR)
			return copy_failed(job, error);
	}
}

/* Takes the first @n bytes off the ranges from *index on. */
static void drop_prefix(struct job *job, size_t *index, uint64_t n)
{
	while (*index < job->range_count && n >= job->ranges[*index].len)
		n -= job->ranges[(*index)++].len;
	if (*index < job->range_count) {
		struct copyoff_range *r = &job->ranges[*index];

		r->src += (int64_t)n;
		r->dst += (int64_t)n;
		r->len -= n;
	}
}

static int source_ended(struct job *job, size_t index)
{
	const struct copyoff_range *r = &job->ranges[index];

	if (!size_is_known(&job->source) && job->options->ranges.v[index].len == 0)
		return 0; /* a range to the end */
	return fail(&job->failure, EIO,
		    "cannot copy '%s' to '%s': the source ends at offset %" PRId64
		    ", inside range %zu",
		    job->source.path, job->destination.path, r->src, index + 1);
}

static int copy_ranges(struct job *job)
{
	size_t index = 0;

	while (index < job->range_count) {
		int64_t n = copyoff_ctx_copyv(job->context.ctx, job->source.fd, job->destination.fd,
					      job->ranges + index, job->range_count - index,
					      job->options->flags);
		int error = errno;

		account(job, n);
		if (n < 0 && error != EINTR)
			return copy_failed(job, error);
		if (n >= 0)
			drop_prefix(job, &index, (uint64_t)n);
		if (n == 0 && index < job->range_count)
			return source_ended(job, index);
	}
	return 0;
}

static int check_result(struct job *job)
{
	struct file *src = &job->source, *dst = &job->destination;
	struct stat st;

	if (job->options->has_ranges)
		return 0;
	if (fstat(src->fd, &st) < 0)
		return fail_errno(&job->failure, "cannot get the size of '%s'", src->path);
	if (S_ISREG(st.st_mode) && st.st_size < src->st.st_size)
		return fail(&job->failure, EIO, "'%s' shrank while it was copied", src->path);
	if (fstat(dst->fd, &st) < 0)
		return fail_errno(&job->failure, "cannot get the size of '%s'", dst->path);
	if (S_ISREG(st.st_mode) && (uint64_t)st.st_size != job->bytes)
		return fail(&job->failure, EIO,
			    "'%s' has %" PRId64 " bytes instead of %" PRIu64
			    ": it was changed while it was written",
			    dst->path, (int64_t)st.st_size, job->bytes);
	return 0;
}

/* COPYOFF_SYNC covers the bytes; the size of an empty file and the name are ours. */
static int sync_destination(struct job *job)
{
	if (!(job->options->flags & COPYOFF_SYNC))
		return 0;
	if (fsync(job->destination.fd) < 0)
		return fail_errno(&job->failure, "cannot sync '%s'", job->destination.path);
	return job->destination.created ? file_sync_directory(&job->destination, &job->failure) : 0;
}

static int write_destination(struct job *job)
{
	if (empty_destination(job) < 0)
		return -1;
	job->progress.total = job->options->has_ranges ? 0 : job->source.size;
	for (size_t i = 0; i < job->range_count; i++)
		job->progress.total += job->ranges[i].len;
	if ((job->options->has_ranges ? copy_ranges(job) : copy_whole(job)) < 0)
		return -1;
	if (check_result(job) < 0 || sync_destination(job) < 0)
		return -1;
	return file_close(&job->destination, &job->failure);
}

static int prepare(struct job *job)
{
	if (make_context(job) < 0 || open_files(job) < 0 || refuse_same_file(job) < 0)
		return -1;
	if (resolve_ranges(job) < 0 || check_room(job) < 0)
		return -1;
	return check_plan(job);
}

/* Says in what state a failure leaves the destination; a new file without content goes. */
static void describe_destination(struct job *job)
{
	const struct file *dst = &job->destination;

	if (dst->created && job->bytes == 0)
		file_remove_created(dst);
	else
		failure_append(&job->failure, "; %" PRIu64 " bytes were copied, '%s' is incomplete",
			       job->bytes, dst->path);
}

static void copy(struct job *job)
{
	if (prepare(job) < 0) {
		file_remove_created(&job->destination);
		return;
	}
	if (write_destination(job) < 0)
		describe_destination(job);
	else
		progress_done(&job->progress);
	progress_end(&job->progress);
}

static enum status report(const struct job *job)
{
	enum status status = job->failure.status, output;

	if (status != STATUS_DONE)
		print_error(job->failure.text);
	if (job->progress.error) {
		struct failure f;

		fail(&f, job->progress.error, "cannot write progress to descriptor %d: %s",
		     job->progress.fd, strerror(job->progress.error));
		print_error(f.text);
	}
	if (job->options->verbose)
		report_text(job);
	if (job->options->json)
		report_json(job);
	output = finish_output();
	if (job->progress.error)
		output = STATUS_OUTPUT;
	return status != STATUS_DONE ? status : output;
}

static int run(const struct options *o)
{
	struct job job = {
		.options = o,
		.source = FILE_CLOSED,
		.destination = FILE_CLOSED,
		.progress = { .bar = o->bar, .fd = o->progress_fd, .shown = -1 },
	};
	enum status status;

	/* To be told where the limit was hit, rather than killed (RLIMIT_FSIZE). */
	signal(SIGXFSZ, SIG_IGN);
	copy(&job);
	status = report(&job);
	copyoff_plan_free(job.plan);
	context_close(&job.context);
	file_release(&job.source);
	file_release(&job.destination);
	free(job.ranges);
	return (int)status;
}

static const char usage[] =
	"Usage: copyoff copy [OPTION]... SRC DST [RANGE]...\n"
	"\n"
	"Copies the regular file or block device SRC to DST, or to DST/SRC if DST is a\n"
	"directory.  With ranges, copies those and leaves the rest of DST as it is.\n"
	"\n"
	"A RANGE is SRC_OFF:DST_OFF:LEN, in bytes or with a unit (K, M, G, T, P, E, KiB,\n"
	"KB, ...).  An offset left out is where the range before ended; a length of 0 or\n"
	"left out is to the end of SRC.\n"
	"\n"
	"  -r, --ranges ARG          copy the range ARG, or if there is no ':' in it, the\n"
	"                            ranges in the lines of the file ARG (- is standard\n"
	"                            input); may be given more than once\n"
	"      --ranges-file FILE    copy the ranges in the lines of FILE\n"
	"      --reflink[=WHEN]      share blocks with SRC: always (also without WHEN),\n"
	"                            never, or auto, if it can be done (default)\n"
	"      --require-offload     fail rather than move bytes through host memory\n"
	"      --no-raw              send no commands to devices\n"
	"      --sparse              make holes of SRC holes of DST, also over data\n"
	"      --sync                return when DST is on stable storage\n"
	"      --verify              read back and compare\n"
	"      --backend LIST        use only these backends, or with ^ before the first,\n"
	"                            all but these; names are separated by commas\n"
	"  -p, --progress            draw a bar if standard error is a terminal\n"
	"  -p=FD, --progress=FD      write lines N/100 to the file descriptor FD\n"
	"      --json                write the result to standard output as JSON\n"
	"  -v, --verbose             say which backends moved how much, why not others\n"
	"  -h, --help                show this text\n"
	"  -V, --version             show the version\n"
	"\n"
	"Exit status: 0 done; 1 not copied, or only in part; 2 wrong usage; 3 no backend\n"
	"can copy under the options given; 4 done, but output was lost.\n";

const struct command command_copy = {
	.name = "copy",
	.run = run,
	.letters = "rFLOWSYCBpJv",
	.min_operands = 2,
	.max_operands = INT_MAX,
	.usage = usage,
};
