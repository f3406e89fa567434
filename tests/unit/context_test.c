/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * context_test.c - options, statistics, and a plan as text
 */
#define _POSIX_C_SOURCE 200809L
#include "unit.h"

#include <errno.h>
#include <string.h>

static char last_line[512];
static unsigned lines;

static void note_line(void *data, const char *line)
{
	ck_assert_ptr_eq(data, last_line);
	ck_assert_ptr_null(strchr(line, '\n'));
	snprintf(last_line, sizeof(last_line), "%s", line);
	lines++;
}

static void expect(struct copyoff_opts *opts, int err, const char *word)
{
	copyoff_ctx *ctx;

	opts->log = note_line;
	opts->log_data = last_line;
	lines = 0;
	errno = 0;
	ctx = copyoff_ctx_new(opts);
	if (err == 0) {
		ck_assert_msg(ctx != NULL, "errno %d: %s", errno, last_line);
		copyoff_ctx_free(ctx);
		return;
	}
	ck_assert_ptr_null(ctx);
	ck_assert_int_eq(errno, err);
	ck_assert_uint_eq(lines, 1);
	ck_assert_msg(strstr(last_line, word) != NULL, "no \"%s\" in: %s", word, last_line);
}

START_TEST(test_sizes_of_memory)
{
	static const struct {
		size_t chunk;
		unsigned depth;
		int err;
		const char *word;
	} cases[] = {
		{ 0, 0, 0, "" },
		{ 4096, 1, 0, "" },
		{ 16 << 20, 4, 0, "" },
		{ 1 << 20, 64, 0, "" },
		{ 0, 64, 0, "" },
		{ 8 << 20, 0, 0, "" }, /* 8 by default: 64 MiB */
		{ 4095, 0, EINVAL, "chunk" },
		{ 4097, 0, EINVAL, "chunk" },
		{ 1, 0, EINVAL, "chunk" },
		{ (16 << 20) + 4096, 1, EINVAL, "chunk" },
		{ SIZE_MAX, 0, EINVAL, "chunk" },
		{ 0, 65, EINVAL, "depth" },
		{ 0, UINT32_MAX, EINVAL, "depth" },
		{ 16 << 20, 5, EINVAL, "depth" },
		{ (8 << 20) + 4096, 0, EINVAL, "depth" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct copyoff_opts opts = { .size = sizeof(opts),
					     .chunk = cases[i].chunk,
					     .depth = cases[i].depth };

		expect(&opts, cases[i].err, cases[i].word);
	}
}
END_TEST

START_TEST(test_backends_option)
{
	struct copyoff_opts opts = { .size = sizeof(opts), .backends = "readwrite,nosuch" };

	expect(&opts, EINVAL, "\"nosuch\"");
	opts.backends = "";
	expect(&opts, EINVAL, "backends");
	opts.backends = "readwrite";
	expect(&opts, 0, "");
	opts.backends = "nvme"; /* another version has it */
	expect(&opts, 0, "");
}
END_TEST

/* A struct of another version. */
START_TEST(test_size_of_options)
{
	struct {
		struct copyoff_opts opts;
		unsigned char tail[64];
	} larger;
	copyoff_ctx *ctx;

	memset(&larger, 0, sizeof(larger));
	larger.opts.size = sizeof(larger);
	expect(&larger.opts, 0, "");
	for (size_t i = 0; i < sizeof(larger.tail); i += 9) {
		larger.tail[i] = 1;
		expect(&larger.opts, E2BIG, "size");
		larger.tail[i] = 0;
	}
	larger.opts.size = sizeof(struct copyoff_opts) + 1;
	larger.tail[1] = 1; /* behind it */
	expect(&larger.opts, 0, "");

	/* Only what is within the size counts: chunk is wrong, but not part of it. */
	memset(&larger, 0, sizeof(larger));
	larger.opts.chunk = 1;
	larger.opts.depth = 1000;
	larger.opts.size = offsetof(struct copyoff_opts, chunk);
	ctx = copyoff_ctx_new(&larger.opts);
	ck_assert_ptr_nonnull(ctx);
	ck_assert_uint_eq(ctx->chunk, 0);
	copyoff_ctx_free(ctx);
	larger.opts.size = sizeof(size_t);
	ctx = copyoff_ctx_new(&larger.opts);
	ck_assert_ptr_nonnull(ctx);
	copyoff_ctx_free(ctx);
	for (size_t size = 0; size < sizeof(size_t); size++) {
		larger.opts.size = size;
		errno = 0;
		ck_assert_ptr_null(copyoff_ctx_new(&larger.opts));
		ck_assert_int_eq(errno, EINVAL);
	}
}
END_TEST

/* COPYOFF_BACKENDS is weaker than the option, and a mistake in it is no error. */
START_TEST(test_environment)
{
	struct copyoff_opts opts = { .size = sizeof(opts), .backends = "readwrite" };
	copyoff_mask readwrite = (copyoff_mask)1 << copyoff_registry_find("readwrite", 9);
	copyoff_ctx *ctx;

	setenv("COPYOFF_BACKENDS", "^readwrite", 1);
	ctx = copyoff_ctx_new(NULL);
	ck_assert_ptr_nonnull(ctx);
	ck_assert_uint_eq(ctx->filter, (copyoff_mask)~readwrite);
	copyoff_ctx_free(ctx);
	ctx = copyoff_ctx_new(&opts);
	ck_assert_ptr_nonnull(ctx);
	ck_assert_uint_eq(ctx->filter, readwrite);
	copyoff_ctx_free(ctx);
	setenv("COPYOFF_BACKENDS", "nosuch", 1);
	opts.backends = NULL;
	opts.log = note_line;
	opts.log_data = last_line;
	lines = 0;
	ctx = copyoff_ctx_new(&opts);
	ck_assert_ptr_nonnull(ctx);
	ck_assert_uint_eq(ctx->filter, COPYOFF_MASK_ALL);
	ck_assert_uint_eq(lines, 1);
	ck_assert_ptr_nonnull(strstr(last_line, "nosuch"));
	copyoff_ctx_free(ctx);
	/* An option that leaves everything in is an option, too. */
	setenv("COPYOFF_BACKENDS", "^readwrite", 1);
	opts.backends = "^nvme";
	ctx = copyoff_ctx_new(&opts);
	ck_assert_ptr_nonnull(ctx);
	ck_assert_uint_ne(ctx->filter & readwrite, 0);
	copyoff_ctx_free(ctx);
	unsetenv("COPYOFF_BACKENDS");
}
END_TEST

START_TEST(test_size_of_statistics)
{
	struct {
		struct copyoff_stats stats;
		unsigned char tail[16];
	} s;
	copyoff_ctx *ctx = copyoff_ctx_new(NULL);

	ck_assert_ptr_nonnull(ctx);
	ctx->stats[0].calls = 3;
	ctx->stats[0].bytes = 50;
	ctx->stats[COPYOFF_BACKENDS - 1].bytes = 7;
	ctx->stats[COPYOFF_BACKENDS - 1].nanoseconds = 9;
	for (size_t size = sizeof(size_t); size <= sizeof(s); size++) {
		const unsigned char *bytes = (const unsigned char *)&s;

		memset(&s, 0xee, sizeof(s));
		s.stats.size = size;
		ck_assert_int_eq(copyoff_ctx_stats(ctx, NULL, &s.stats), 0);
		ck_assert_uint_eq(s.stats.size, size);
		if (size >= offsetof(struct copyoff_stats, declines))
			ck_assert(s.stats.calls == 3 && s.stats.bytes == 57);
		if (size >= sizeof(s.stats))
			ck_assert_uint_eq(s.stats.nanoseconds, 9);
		for (size_t i = sizeof(s.stats); i < size; i++)
			ck_assert_uint_eq(bytes[i], 0);
		for (size_t i = size; i < sizeof(s); i++)
			ck_assert_uint_eq(bytes[i], 0xee);
	}
	for (size_t size = 0; size < sizeof(size_t); size++) {
		s.stats.size = size;
		errno = 0;
		ck_assert_int_eq(copyoff_ctx_stats(ctx, NULL, &s.stats), -1);
		ck_assert_int_eq(errno, EINVAL);
	}
	s.stats.size = sizeof(s.stats);
	ck_assert_int_eq(copyoff_ctx_stats(ctx, copyoff_backend_info(0)->name, &s.stats), 0);
	ck_assert_uint_eq(s.stats.bytes, 50);
	errno = 0;
	ck_assert_int_eq(copyoff_ctx_stats(ctx, "nosuch", &s.stats), -1);
	ck_assert_int_eq(errno, ENOENT);
	errno = 0;
	ck_assert_int_eq(copyoff_ctx_stats(ctx, NULL, NULL), -1);
	ck_assert_int_eq(errno, EINVAL);
	copyoff_ctx_free(ctx);
}
END_TEST

/* --- a plan as text ------------------------------------------------------- */

static void make_plan(struct copyoff_plan *plan, bool usable)
{
	memset(plan, 0, sizeof(*plan));
	plan->in = (struct copyoff_end){
		.fd = 3, .kind = COPYOFF_KIND_REGULAR, .size = 12345, .size_known = true
	};
	plan->out = (struct copyoff_end){
		.fd = 4, .kind = COPYOFF_KIND_BLOCK, .direct = true, .io_align = 4096
	};
	for (size_t i = 0; i < COPYOFF_BACKENDS; i++) {
		plan->verdicts[i] = (struct copyoff_verdict){
			.backend = copyoff_registry_info(i)->name,
			.usable = usable && i % 2,
			.reason = COPYOFF_REASON_UNSUPPORTED,
			.error = ENOSPC,
			.text = "a sentence",
			.remedy = i ? "a remedy" : "",
			.limits = { 512, 1024, 2048, 4, 8192 },
		};
	}
}

/* As snprintf(3): whatever the size, the length is that of the whole text. */
static void check_sizes(const struct copyoff_plan *plan)
{
	size_t len = copyoff_explain(plan, NULL, 0);
	char *whole = malloc(len + 1);

	ck_assert_ptr_nonnull(whole);
	ck_assert_uint_gt(len, 100);
	ck_assert_uint_eq(copyoff_explain(plan, whole, len + 1), len);
	ck_assert_uint_eq(strlen(whole), len);
	for (size_t size = 1; size < len + 10; size++) {
		char *part = malloc(size + 1);

		ck_assert_ptr_nonnull(part);
		memset(part, 'x', size + 1);
		ck_assert_uint_eq(copyoff_explain(plan, part, size), len);
		ck_assert_uint_eq(strlen(part), size <= len ? size - 1 : len);
		ck_assert(strncmp(part, whole, strlen(part)) == 0);
		ck_assert_int_eq(part[size], 'x');
		free(part);
	}
	free(whole);
}

START_TEST(test_explain)
{
	struct copyoff_plan plan;
	char text[4096];
	char *first;

	make_plan(&plan, true);
	check_sizes(&plan);
	copyoff_explain(&plan, text, sizeof(text));
	first = strstr(text, " first ");
	ck_assert_ptr_nonnull(first);
	ck_assert_ptr_null(strstr(first + 1, " first "));
	ck_assert_ptr_nonnull(strstr(text, "12345 bytes"));
	ck_assert_ptr_nonnull(strstr(text, "O_DIRECT in units of 4096"));
	ck_assert_ptr_nonnull(strstr(text, "a sentence (ENOSPC)"));
	ck_assert_ptr_nonnull(strstr(text, "a remedy"));
	make_plan(&plan, false);
	check_sizes(&plan);
	copyoff_explain(&plan, text, sizeof(text));
	ck_assert_ptr_null(strstr(text, " first "));
	ck_assert_ptr_nonnull(strstr(text, "No backend"));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("context");
	TCase *tc = tcase_create("context");

	unsetenv("COPYOFF_BACKENDS");
	unsetenv("COPYOFF_DEBUG");
	tcase_add_test(tc, test_sizes_of_memory);
	tcase_add_test(tc, test_backends_option);
	tcase_add_test(tc, test_size_of_options);
	tcase_add_test(tc, test_environment);
	tcase_add_test(tc, test_size_of_statistics);
	tcase_add_test(tc, test_explain);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
