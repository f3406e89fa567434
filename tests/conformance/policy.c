/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * policy.c - flags, results, plans, options, statistics
 */
#define _GNU_SOURCE
#include "conformance.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { K = 1024, M = 1024 * K, SIZE = 2 * M };

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* Extents of the file that are shared: 0, 1 if some, -1 if it cannot be found out. */
static int has_shared_extents(const struct file *f)
{
	enum { MOST = 64 };
	struct fiemap *map = calloc(1, sizeof(*map) + MOST * sizeof(struct fiemap_extent));
	int shared = -1;

	ck_assert_ptr_nonnull(map);
	*map = (struct fiemap){ .fm_length = UINT64_MAX,
				.fm_flags = FIEMAP_FLAG_SYNC,
				.fm_extent_count = MOST };
	/* The ioctl() of musl takes an int, which this request does not fit. */
	if (syscall(SYS_ioctl, f->io, FS_IOC_FIEMAP, map) == 0) {
		shared = 0;
		for (unsigned i = 0; i < map->fm_mapped_extents; i++)
			shared |= (map->fm_extents[i].fe_flags & FIEMAP_EXTENT_SHARED) != 0;
	}
	free(map);
	return shared;
}

/* Does the file system clone, by its own word? */
static bool kernel_clones(void)
{
	struct file_clone_range all = { .src_length = 0 };
	struct file in, out;
	bool clones;

	file_make(&in, M, 1);
	file_make(&out, 0, 2);
	/* Not FICLONE: a sandbox may know only one of them. */
	all.src_fd = in.io;
	clones = ioctl(out.io, FICLONERANGE, &all) == 0;
	file_close(&in);
	file_close(&out);
	return clones;
}

/* Is there a backend that promises to share, in this run? */
static bool sharing_is_allowed(void)
{
	for (size_t i = 0; i < copyoff_backend_count(); i++) {
		const struct copyoff_backend_info *info = copyoff_backend_info(i);

		if (info->built && (info->traits & COPYOFF_TRAIT_SHARES) &&
		    (!subject.backend || strcmp(info->name, subject.backend) == 0))
			return true;
	}
	return false;
}

/* 8.2: blocks of its own, however it is aligned. */
START_TEST(test_no_share)
{
	static const int64_t offs[] = { 0, 4096, 77 };

	for (size_t i = 0; i < COUNT(offs); i++) {
		copyoff_ctx *ctx = context_new(0, 0);
		struct file in, out;

		file_make(&in, SIZE, 1);
		file_make(&out, 0, 2);
		ck_assert_int_eq(checked_copy((enum how)_i, ctx, &in, offs[i], &out, offs[i], SIZE,
					      COPYOFF_NO_SHARE),
				 SIZE - offs[i]);
		if (has_shared_extents(&out) < 0)
			skip_case("COPYOFF_NO_SHARE",
				  "the file system does not tell what is shared");
		else
			ck_assert_int_eq(has_shared_extents(&out), 0);
		ck_assert(_i == HOW_SIMPLE || copyoff_ctx_last(ctx)->error == 0);
		file_close(&in);
		file_close(&out);
		copyoff_ctx_free(ctx);
	}
}
END_TEST

/* 8.3: exactly where the kernel clones, and it is true. */
START_TEST(test_require_share)
{
	const bool must_work = kernel_clones() && sharing_is_allowed();
	copyoff_ctx *ctx = context_new(0, 0);
	struct file in, out;
	int64_t ret;

	file_make(&in, SIZE, 1);
	file_make(&out, M, 2);
	ck_assert_int_eq(policy_can_be_met(ctx, in.fd, out.fd, COPYOFF_REQUIRE_SHARE), must_work);
	ret = copy((enum how)_i, ctx, in.fd, 0, out.fd, 0, SIZE, COPYOFF_REQUIRE_SHARE);
	ck_assert_int_eq(ret, must_work ? SIZE : -EOPNOTSUPP);
	if (must_work) {
		model_copy(&in.model, 0, &out.model, 0, SIZE, 0, UINT64_MAX);
		ck_assert_int_eq(has_shared_extents(&out), 1);
		if (_i != HOW_SIMPLE)
			ck_assert_uint_eq(copyoff_ctx_last(ctx)->bytes_offloaded, SIZE);
		/* Whole blocks only. */
		ret = copy((enum how)_i, ctx, in.fd, 100, out.fd, 100, 4096, COPYOFF_REQUIRE_SHARE);
		ck_assert_int_eq(ret, -EOPNOTSUPP);
	} else if (_i != HOW_SIMPLE) {
		ck_assert_int_eq(copyoff_ctx_last(ctx)->error, EOPNOTSUPP);
		ck_assert_str_eq(copyoff_ctx_last(ctx)->backend, "none");
		ck_assert_str_ne(copyoff_ctx_last(ctx)->message, "");
	}
	file_check(&out, "COPYOFF_REQUIRE_SHARE");
	file_close(&in);
	file_close(&out);
	copyoff_ctx_free(ctx);
}
END_TEST

/* 8.1: whatever is copied under it is counted as offloaded. */
START_TEST(test_require_offload)
{
	copyoff_ctx *ctx = context_new(0, 0);
	struct file in, out;
	bool possible;
	int64_t ret;

	file_make(&in, SIZE, 1);
	file_make(&out, M, 2);
	possible = policy_can_be_met(ctx, in.fd, out.fd, COPYOFF_REQUIRE_OFFLOAD);
	ret = copy((enum how)_i, ctx, in.fd, 0, out.fd, 0, SIZE, COPYOFF_REQUIRE_OFFLOAD);
	ck_assert_int_eq(ret, possible ? SIZE : -EOPNOTSUPP);
	if (possible && _i != HOW_SIMPLE)
		ck_assert_uint_eq(copyoff_ctx_last(ctx)->bytes_offloaded, SIZE);
	if (possible)
		model_copy(&in.model, 0, &out.model, 0, SIZE, 0, UINT64_MAX);
	file_check(&out, "COPYOFF_REQUIRE_OFFLOAD");
	/* Nothing is refused that needs no copy. */
	ck_assert_int_eq(
		copy((enum how)_i, ctx, in.fd, SIZE, out.fd, 0, 1, COPYOFF_REQUIRE_OFFLOAD), 0);
	file_close(&in);
	file_close(&out);
	copyoff_ctx_free(ctx);
}
END_TEST

/* 8.7: nobody is used who sends commands, and all is copied nevertheless. */
START_TEST(test_no_raw)
{
	copyoff_ctx *ctx = context_new(0, 0);
	struct file in, out;
	copyoff_plan *plan;

	file_make(&in, SIZE, 1);
	file_make(&out, M, 2);
	checked_copy((enum how)_i, ctx, &in, 100, &out, 5, SIZE, COPYOFF_NO_RAW);
	checked_copy((enum how)_i, ctx, &in, 0, &out, 4096, SIZE, COPYOFF_NO_RAW | COPYOFF_SYNC);
	plan = copyoff_plan_new(ctx, in.fd, out.fd, COPYOFF_NO_RAW);
	ck_assert_ptr_nonnull(plan);
	for (size_t i = 0; i < copyoff_plan_count(plan); i++) {
		const struct copyoff_verdict *v = copyoff_plan_verdict(plan, i);

		if (!(v->traits & COPYOFF_TRAIT_RAW))
			continue;
		ck_assert(!v->usable);
		if (v->reason != COPYOFF_REASON_NOT_BUILT && v->reason != COPYOFF_REASON_FILTERED)
			ck_assert_msg(v->reason == COPYOFF_REASON_POLICY &&
					      strstr(v->text, "COPYOFF_NO_RAW"),
				      "%s: %s", v->backend, v->text);
	}
	copyoff_plan_free(plan);
	file_close(&in);
	file_close(&out);
	copyoff_ctx_free(ctx);
}
END_TEST

/* 1.7: an empty file ends at once, whatever is asked for. */
START_TEST(test_empty_file)
{
	static const unsigned flags[] = { COPYOFF_REQUIRE_SHARE, COPYOFF_REQUIRE_OFFLOAD,
					  COPYOFF_NO_SHARE,      COPYOFF_NO_RAW,
					  COPYOFF_SPARSE,        COPYOFF_SYNC,
					  COPYOFF_VERIFY };

	for (size_t k = 0; k < COUNT(flags); k++) {
		copyoff_ctx *ctx = context_new(0, 0);
		struct file in, out;

		file_make(&in, 0, 1);
		file_make(&out, 1000, 2);
		checked_copy((enum how)_i, ctx, &in, 0, &out, 0, 4096, flags[k]);
		file_close(&in);
		file_close(&out);
		copyoff_ctx_free(ctx);
	}
}
END_TEST

START_TEST(test_sync_and_verify)
{
	static const unsigned flags[] = { COPYOFF_SYNC, COPYOFF_VERIFY,
					  COPYOFF_SYNC | COPYOFF_VERIFY,
					  COPYOFF_SYNC | COPYOFF_VERIFY | COPYOFF_SPARSE |
						  COPYOFF_NO_SHARE };
	static const int64_t offs[] = { 0, 1, 4096, 65537 };

	for (size_t k = 0; k < COUNT(flags); k++) {
		for (size_t i = 0; i < COUNT(offs); i++) {
			copyoff_ctx *ctx = context_new(0, 0);
			struct file in, out;

			file_make(&in, SIZE - 333, 1);
			file_make(&out, M, 2);
			checked_copy((enum how)_i, ctx, &in, offs[i], &out, 8192, SIZE, flags[k]);
			checked_copy((enum how)_i, ctx, &in, 5, &out, 3 + offs[i], 10, flags[k]);
			file_close(&in);
			file_close(&out);
			copyoff_ctx_free(ctx);
		}
	}
}
END_TEST

/* --- what is said afterwards ---------------------------------------------- */

START_TEST(test_result)
{
	copyoff_ctx *ctx = context_new(0, 0);
	const struct copyoff_result *last = copyoff_ctx_last(ctx);
	struct file in, out;

	ck_assert_uint_eq(last->bytes, 0);
	ck_assert_int_eq(last->error, 0);
	ck_assert_str_eq(last->message, "");
	file_make(&in, SIZE, 1);
	file_make(&out, 0, 2);
	checked_copy(HOW_CONTEXT, ctx, &in, 0, &out, 0, SIZE, 0);
	last = copyoff_ctx_last(ctx);
	ck_assert_uint_eq(last->bytes, SIZE);
	ck_assert_int_eq(last->error, 0);
	/* An error replaces it; it names the operand. */
	ck_assert_int_eq(copy(HOW_CONTEXT, ctx, in.fd, -5, out.fd, 0, 3, 0), -EINVAL);
	last = copyoff_ctx_last(ctx);
	ck_assert_uint_eq(last->bytes, 0);
	ck_assert_int_eq(last->error, EINVAL);
	ck_assert_str_eq(last->backend, "none");
	ck_assert_msg(strstr(last->message, "-5") && strstr(last->message, "source"), "message: %s",
		      last->message);
	/* A success replaces the error. */
	ck_assert_int_eq(copy(HOW_CONTEXT, ctx, in.fd, 0, out.fd, 0, 0, 0), 0);
	last = copyoff_ctx_last(ctx);
	ck_assert_int_eq(last->error, 0);
	file_close(&in);
	file_close(&out);
	copyoff_ctx_free(ctx);
}
END_TEST

START_TEST(test_plan)
{
	copyoff_ctx *ctx = context_new(0, 0);
	struct file in, out;
	copyoff_plan *plan;
	size_t usable = 0, len;
	char *text;

	file_make(&in, SIZE, 1);
	file_make(&out, M, 2);
	plan = copyoff_plan_new(ctx, in.fd, out.fd, 0);
	ck_assert_ptr_nonnull(plan);
	ck_assert_uint_eq(copyoff_plan_count(plan), copyoff_backend_count());
	for (size_t i = 0; i < copyoff_plan_count(plan); i++) {
		const struct copyoff_verdict *v = copyoff_plan_verdict(plan, i);

		ck_assert_str_eq(v->backend, copyoff_backend_info(i)->name);
		ck_assert_int_eq(v->usable, v->reason == COPYOFF_REASON_NONE);
		ck_assert_str_ne(v->text, "");
		ck_assert_ptr_nonnull(v->remedy);
		ck_assert_int_ge(v->error, 0);
		ck_assert(v->usable ? v->limits.max_ranges >= 1 : v->limits.max_ranges == 0);
		ck_assert(copyoff_backend_info(i)->built || v->reason == COPYOFF_REASON_NOT_BUILT);
		if (subject.backend && copyoff_backend_info(i)->built &&
		    strcmp(v->backend, subject.backend) != 0 &&
		    strcmp(v->backend, "readwrite") != 0)
			ck_assert_int_eq(v->reason, COPYOFF_REASON_FILTERED);
		usable += v->usable != 0;
	}
	ck_assert_uint_ge(usable, 1);
	errno = 0;
	ck_assert_ptr_null(copyoff_plan_verdict(plan, copyoff_plan_count(plan)));
	ck_assert_int_eq(errno, EINVAL);
	len = copyoff_plan_explain(plan, NULL, 0);
	text = malloc(len + 1);
	ck_assert_ptr_nonnull(text);
	ck_assert_uint_eq(copyoff_plan_explain(plan, text, len + 1), len);
	ck_assert_uint_eq(strlen(text), len);
	for (size_t i = 0; i < copyoff_backend_count(); i++)
		ck_assert_ptr_nonnull(strstr(text, copyoff_backend_info(i)->name));
	free(text);
	errno = 0;
	ck_assert_uint_eq(copyoff_plan_explain(plan, NULL, 5), 0);
	ck_assert_int_eq(errno, EINVAL);
	copyoff_plan_free(plan);
	file_check(&in, "after a plan");
	file_check(&out, "after a plan"); /* it only reads */
	file_close(&in);
	file_close(&out);
	copyoff_ctx_free(ctx);
}
END_TEST

/* Asking changes nothing, however large the source is, and so does copying nothing. */
START_TEST(test_plan_only_reads)
{
	static const int64_t sizes[] = { 0, 1, M, ((int64_t)1 << 61) + 100000, INT64_MAX };

	for (size_t i = 0; i < COUNT(sizes); i++) {
		copyoff_ctx *ctx = context_new(0, 0);
		struct file in, out;

		file_make(&in, 0, 1);
		file_make(&out, 100000, 2);
		if (ftruncate(in.io, sizes[i]) < 0) {
			skip_case("a plan for a large file", "the file system has none");
		} else {
			copyoff_plan_free(copyoff_plan_new(ctx, in.fd, out.fd, 0));
			file_check(&out, "after a plan");
			ck_assert_int_eq(copy(HOW_CONTEXT, ctx, in.fd, sizes[i], out.fd, 0, 10, 0),
					 0);
			ck_assert_int_eq(copy(HOW_SIMPLE, ctx, in.fd, sizes[i], out.fd, 0, 10, 0),
					 0);
			file_check(&out, "after copies of nothing");
		}
		file_close(&in);
		file_close(&out);
		copyoff_ctx_free(ctx);
	}
}
END_TEST

/* --- progress ------------------------------------------------------------- */

struct progress {
	uint64_t last, total;
	unsigned calls;
	unsigned cancel_at; /* the call that cancels; 0: none */
};

static int note_progress(void *data, uint64_t done, uint64_t total)
{
	struct progress *p = data;

	ck_assert_uint_ge(done, p->last);
	ck_assert_uint_le(done, total);
	ck_assert(p->calls == 0 || total == p->total);
	p->last = done;
	p->total = total;
	return ++p->calls == p->cancel_at;
}

static copyoff_ctx *context_with_progress(struct progress *p)
{
	struct copyoff_opts opts = {
		.size = sizeof(opts),
		.backends = subject.backend ? subject.filter : NULL,
		.progress = note_progress,
		.progress_data = p,
	};
	copyoff_ctx *ctx = copyoff_ctx_new(&opts);

	ck_assert_ptr_nonnull(ctx);
	return ctx;
}

START_TEST(test_progress)
{
	const bool holes = _i;
	struct progress p = { 0 };
	copyoff_ctx *ctx = context_with_progress(&p);
	struct file in, out;

	file_make(&in, 3 * M + 77, 1);
	if (holes)
		file_punch(&in, M, M);
	file_make(&out, M / 2, 2);
	checked_copy(HOW_CONTEXT, ctx, &in, 33, &out, 4096, 10 * M, 0);
	ck_assert_uint_ge(p.calls, 1);
	ck_assert_uint_eq(p.last, 3 * M + 77 - 33);
	ck_assert_uint_eq(p.total, 3 * M + 77 - 33);
	copyoff_ctx_free(ctx);
	file_close(&in);
	file_close(&out);
}
END_TEST

/* The prefix that was counted is there, whatever is behind it. */
START_TEST(test_cancel)
{
	struct progress p = { .cancel_at = 1 };
	copyoff_ctx *ctx = context_with_progress(&p);
	uint64_t big = 40 * M;
	struct file in, out;
	int64_t ret;

	file_make(&in, big, 1);
	file_make(&out, 0, 2);
	ret = copy(_i ? HOW_VECTOR : HOW_CONTEXT, ctx, in.fd, 7, out.fd, 7, big, 0);
	ck_assert_uint_eq(p.calls, 1);
	ck_assert_int_eq(ret, (int64_t)p.last);
	ck_assert_int_gt(ret, 0);
	ck_assert_int_eq(copyoff_ctx_last(ctx)->error, ECANCELED);
	model_copy(&in.model, 7, &out.model, 7, (uint64_t)ret, 0, UINT64_MAX);
	file_adopt(&out, 7 + (uint64_t)ret, big);
	file_check(&out, "cancelled");
	copyoff_ctx_free(ctx);
	file_close(&in);
	file_close(&out);
}
END_TEST

/* 10.6: descriptors are as before. */
static int open_descriptors(void)
{
	int n = 0;

	for (int fd = 0; fd < 1000; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

START_TEST(test_descriptors_are_closed)
{
	struct file in, out;
	int before, simple;
	copyoff_ctx *ctx;

	file_make(&in, SIZE, 1);
	file_punch(&in, M, 256 * K);
	file_make(&out, SIZE, 2);
	before = open_descriptors();
	ctx = context_new(0, 0);
	checked_copy(HOW_SIMPLE, NULL, &in, 100, &out, 5, SIZE, 0);
	checked_copy(HOW_SIMPLE, NULL, &in, 100, &out, 5, SIZE, COPYOFF_SPARSE | COPYOFF_VERIFY);
	simple = open_descriptors();
	checked_copy(HOW_CONTEXT, ctx, &in, 0, &out, 0, SIZE, 0);
	checked_copy(HOW_CONTEXT, ctx, &in, 33, &out, 0, SIZE, COPYOFF_SPARSE);
	copyoff_ctx_free(ctx);
	ck_assert_int_eq(simple, before);
	ck_assert_int_eq(open_descriptors(), before);
	file_close(&in);
	file_close(&out);
}
END_TEST

TCase *cases_policy(void)
{
	TCase *tc = tcase_create("policy");

	tcase_set_timeout(tc, 0);
	tcase_add_loop_test(tc, test_no_share, 0, HOW_COUNT);
	tcase_add_loop_test(tc, test_require_share, 0, HOW_COUNT);
	tcase_add_loop_test(tc, test_require_offload, 0, HOW_COUNT);
	tcase_add_loop_test(tc, test_no_raw, 0, HOW_COUNT);
	tcase_add_loop_test(tc, test_empty_file, 0, HOW_COUNT);
	tcase_add_loop_test(tc, test_sync_and_verify, 0, HOW_COUNT);
	tcase_add_test(tc, test_result);
	tcase_add_test(tc, test_plan);
	tcase_add_test(tc, test_plan_only_reads);
	tcase_add_loop_test(tc, test_progress, 0, 2);
	tcase_add_loop_test(tc, test_cancel, 0, 2);
	tcase_add_test(tc, test_descriptors_are_closed);
	return tc;
}
