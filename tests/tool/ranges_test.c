/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* The parser of sizes and ranges, without files. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ranges.h"

static int failures;

#define CHECK(condition, ...)                                                                      \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			printf("%s:%d: ", __FILE__, __LINE__);                                     \
			printf(__VA_ARGS__);                                                       \
			printf("\n");                                                              \
			failures++;                                                                \
		}                                                                                  \
	} while (0)

#define REFUSED UINT64_MAX

static const struct {
	const char *text;
	uint64_t value;
} sizes[] = {
	{ "0", 0 },
	{ "1", 1 },
	{ "007", 7 }, /* not octal */
	{ "4096", 4096 },
	{ "1K", 1024 },
	{ "1k", 1024 },
	{ "1KiB", 1024 },
	{ "1KB", 1000 },
	{ "3M", 3145728 },
	{ "3MB", 3000000 },
	{ "2g", 2147483648 },
	{ "2GiB", 2147483648 },
	{ "1T", 1099511627776 },
	{ "1P", 1125899906842624 },
	{ "7E", 8070450532247928832 },
	{ "9EB", 9000000000000000000 },
	{ "0E", 0 },
	{ "9223372036854775807", INT64_MAX },
	/* too large, also where 64 bits would wrap to a small number */
	{ "9223372036854775808", REFUSED },
	{ "18446744073709551615", REFUSED },
	{ "18446744073709551617", REFUSED },
	{ "99999999999999999999999999", REFUSED },
	{ "8E", REFUSED },
	{ "16E", REFUSED },
	{ "10EB", REFUSED },
	{ "9007199254740992K", REFUSED },
	{ "18014398509481985K", REFUSED },
	/* not a size */
	{ "", REFUSED },
	{ "-1", REFUSED },
	{ "+1", REFUSED },
	{ " 1", REFUSED },
	{ "1 ", REFUSED },
	{ "K", REFUSED },
	{ "1.5K", REFUSED },
	{ "0x10", REFUSED },
	{ "1e3", REFUSED },
	{ "1Z", REFUSED },
	{ "1B", REFUSED },
	{ "1KK", REFUSED },
	{ "1Ki", REFUSED },
	{ "1KiBx", REFUSED },
	{ "1Kib", REFUSED },
	{ "1\n", REFUSED },
	{ "abc", REFUSED },
};

static void test_sizes(void)
{
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint64_t value = 12345;
		const char *problem = size_parse(sizes[i].text, strlen(sizes[i].text), &value);

		if (sizes[i].value == REFUSED)
			CHECK(problem, "'%s' was taken for %" PRIu64, sizes[i].text, value);
		else
			CHECK(!problem && value == sizes[i].value, "'%s': %s, %" PRIu64,
			      sizes[i].text, problem ? problem : "no problem", value);
	}
}

/* Only @length characters count, whatever follows. */
static void test_size_length(void)
{
	uint64_t value = 0;

	CHECK(!size_parse("12K34", 2, &value) && value == 12, "%" PRIu64, value);
	CHECK(!size_parse("12K34", 3, &value) && value == 12288, "%" PRIu64, value);
	CHECK(size_parse("12K34", 4, &value), "'12K3' was accepted");
	CHECK(size_parse("12", 0, &value), "nothing was accepted");
}

static const struct {
	const char *text;
	struct range_spec spec;
} good_ranges[] = {
	{ "::", { false, false, 0, 0, 0 } },
	{ "0:0:0", { true, true, 0, 0, 0 } },
	{ "1:2:3", { true, true, 1, 2, 3 } },
	{ ":2:", { false, true, 0, 2, 0 } },
	{ "1K::1M", { true, false, 1024, 0, 1048576 } },
	{ "::4096", { false, false, 0, 0, 4096 } },
};

static const char *const bad_ranges[] = {
	"",        ":",      "1",      "1:2",    "1:2:3:4", ":::",    "a:0:0",
	"0:b:0",   "0:0:c",  "-1:0:1", "0:-1:1", "0:0:-1",  "0:0:1x", "0 :0:1",
	"0:0:1\n", "8E:0:1", "0:8E:1", "0:0:8E", "0x1:0:0", "1,2,3",  "0:0:1 2",
};

static void test_ranges(void)
{
	struct range_spec spec;

	for (size_t i = 0; i < sizeof(good_ranges) / sizeof(good_ranges[0]); i++) {
		const struct range_spec *want = &good_ranges[i].spec;
		const char *problem = range_parse(good_ranges[i].text, &spec);

		CHECK(!problem && spec.has_src == want->has_src && spec.has_dst == want->has_dst &&
			      spec.src == want->src && spec.dst == want->dst &&
			      spec.len == want->len,
		      "'%s': %s", good_ranges[i].text, problem ? problem : "wrong values");
	}
	for (size_t i = 0; i < sizeof(bad_ranges) / sizeof(bad_ranges[0]); i++)
		CHECK(range_parse(bad_ranges[i], &spec), "'%s' was accepted", bad_ranges[i]);
}

struct resolve_case {
	const char *texts[3];
	bool sized;
	uint64_t size;
	int error; /* 0: resolved to what follows */
	struct copyoff_range want[3];
};

static const struct resolve_case resolve_cases[] = {
	{ { "::" }, true, 100, 0, { { 0, 0, 100 } } },
	{ { "100::" }, true, 100, 0, { { 100, 0, 0 } } },
	{ { "::10", "::10", "::" },
	  true,
	  100,
	  0,
	  { { 0, 0, 10 }, { 10, 10, 10 }, { 20, 20, 80 } } },
	{ { "50:0:10", ":70:5", "0::1" },
	  true,
	  100,
	  0,
	  { { 50, 0, 10 }, { 60, 70, 5 }, { 0, 75, 1 } } },
	{ { "90:0:10" }, true, 100, 0, { { 90, 0, 10 } } },
	{ { "90:0:11" }, true, 100, EINVAL, { { 0, 0, 0 } } },
	{ { "101::" }, true, 100, EINVAL, { { 0, 0, 0 } } },
	{ { "::60", "::60" }, true, 100, EINVAL, { { 0, 0, 0 } } },
	{ { "0:9223372036854775807:1" }, true, 100, EOVERFLOW, { { 0, 0, 0 } } },
	{ { "9223372036854775807::1" }, false, 0, EOVERFLOW, { { 0, 0, 0 } } },
	{ { "0:0:7E", "0:0:7E" }, false, 0, EOVERFLOW, { { 0, 0, 0 } } },
	{ { "::" }, false, 0, 0, { { 0, 0, INT64_MAX } } },
	{ { "5:7:" }, false, 0, 0, { { 5, 7, INT64_MAX - 7 } } },
	{ { "::10", "0:0:" }, false, 0, 0, { { 0, 0, 10 }, { 0, 0, INT64_MAX - 10 } } },
	{ { "::", "0:0:1" }, false, 0, EINVAL, { { 0, 0, 0 } } },
};

static void test_resolve(const struct resolve_case *c)
{
	struct range_list list = { 0 };
	struct copyoff_range v[3];
	struct failure f = { .status = STATUS_DONE };
	int ret;

	for (size_t i = 0; i < 3 && c->texts[i]; i++)
		CHECK(ranges_add(&list, c->texts[i], &f) == 0, "%s", f.text);
	ret = ranges_resolve(&list, c->sized, c->size, v, &f);
	if (c->error) {
		CHECK(ret == -1 && f.number == c->error && f.status == STATUS_FAILED && f.text[0],
		      "'%s'...: %d, errno %d instead of %d", c->texts[0], ret, f.number, c->error);
	} else {
		CHECK(ret == 0, "'%s'...: %s", c->texts[0], f.text);
		for (size_t i = 0; ret == 0 && i < list.n; i++)
			CHECK(v[i].src == c->want[i].src && v[i].dst == c->want[i].dst &&
				      v[i].len == c->want[i].len,
			      "'%s'..., range %zu: %" PRId64 ":%" PRId64 ":%" PRIu64, c->texts[0],
			      i + 1, v[i].src, v[i].dst, v[i].len);
	}
	ranges_free(&list);
}

/* More than fit into the first allocation. */
static void test_many(void)
{
	struct range_list list = { 0 };
	struct failure f = { .status = STATUS_DONE };
	char text[32];

	for (unsigned i = 0; i < 1000; i++) {
		snprintf(text, sizeof(text), "%u:%u:1", i, 2 * i);
		CHECK(ranges_add(&list, text, &f) == 0, "%s", f.text);
	}
	CHECK(list.n == 1000 && list.v[999].src == 999 && list.v[999].dst == 1998, "%zu ranges",
	      list.n);
	ranges_free(&list);
}

int main(void)
{
	test_sizes();
	test_size_length();
	test_ranges();
	for (size_t i = 0; i < sizeof(resolve_cases) / sizeof(resolve_cases[0]); i++)
		test_resolve(&resolve_cases[i]);
	test_many();
	if (failures)
		printf("%d checks failed\n", failures);
	return failures != 0;
}
