/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ranges.h"

#define MAX_OFFSET ((uint64_t)INT64_MAX)

/* The factor for a unit of @length characters; 0 if there is no such unit. */
static uint64_t unit_factor(const char *unit, size_t length)
{
	static const char letters[] = "KMGTPE";
	const char *letter;
	uint64_t base = 1024, factor = 1;

	if (length == 0)
		return 1;
	letter = strchr(letters, *unit >= 'a' && *unit <= 'z' ? *unit - 'a' + 'A' : *unit);
	if (!letter)
		return 0;
	if (length == 2 && unit[1] == 'B')
		base = 1000;
	else if (length != 1 && !(length == 3 && unit[1] == 'i' && unit[2] == 'B'))
		return 0;

	for (const char *l = letters; l <= letter; l++)
		factor *= base;
	return factor;
}

const char *size_parse(const char *text, size_t length, uint64_t *value)
{
	uint64_t number = 0, factor;
	size_t i;

	for (i = 0; i < length && text[i] >= '0' && text[i] <= '9'; i++) {
		uint64_t digit = (uint64_t)(text[i] - '0');

		if (number > (MAX_OFFSET - digit) / 10)
			return "a number is too large";
		number = number * 10 + digit;
	}
	if (i == 0)
		return "a number of bytes is expected";
	factor = unit_factor(text + i, length - i);
	if (factor == 0)
		return "a number is followed by something that is not a unit";
	if (number > MAX_OFFSET / factor)
		return "a number is too large";
	*value = number * factor;
	return NULL;
}

/* A field that may be empty. */
static const char *field_parse(const char *text, const char *end, bool *has, uint64_t *value)
{
	*value = 0;
	*has = end > text;
	return *has ? size_parse(text, (size_t)(end - text), value) : NULL;
}

const char *range_parse(const char *text, struct range_spec *spec)
{
	const char *first = strchr(text, ':');
	const char *second = first ? strchr(first + 1, ':') : NULL;
	const char *problem;
	bool has_len;

	if (!second || strchr(second + 1, ':'))
		return "SRC_OFF:DST_OFF:LEN is expected";
	problem = field_parse(text, first, &spec->has_src, &spec->src);
	if (!problem)
		problem = field_parse(first + 1, second, &spec->has_dst, &spec->dst);
	if (!problem)
		problem = field_parse(second + 1, second + 1 + strlen(second + 1), &has_len,
				      &spec->len);
	return problem;
}

static int grow(struct range_list *list, struct failure *f)
{
	size_t capacity = list->capacity ? 2 * list->capacity : 16;
	struct range_spec *v;

	if (list->n == COPYOFF_RANGES_MAX)
		return fail(f, EINVAL, "more than %d ranges", COPYOFF_RANGES_MAX);
	v = realloc(list->v, capacity * sizeof(*v));
	if (!v)
		return fail_errno(f, "cannot store %zu ranges", capacity);
	list->v = v;
	list->capacity = capacity;
	return 0;
}

int ranges_add(struct range_list *list, const char *text, struct failure *f)
{
	const char *problem;

	if (list->n == list->capacity && grow(list, f) < 0)
		return -1;
	problem = range_parse(text, &list->v[list->n]);
	if (problem)
		return fail(f, EINVAL, "invalid range '%s': %s", text, problem);
	list->n++;
	return 0;
}

static int add_line(struct range_list *list, char *line, size_t length, struct failure *f)
{
	if (length > 0 && line[length - 1] == '\n')
		line[--length] = '\0';
	if (strlen(line) != length)
		return fail(f, EINVAL, "a NUL byte");
	if (length == 0 || line[0] == '#')
		return 0;
	return ranges_add(list, line, f);
}

static int read_lines(struct range_list *list, FILE *file, const char *path, struct failure *f)
{
	char *line = NULL;
	size_t room = 0, count = 0;
	ssize_t length;
	int ret = 0;

	while (ret == 0 && (length = getline(&line, &room, file)) >= 0) {
		count++;
		ret = add_line(list, line, (size_t)length, f);
		if (ret < 0)
			failure_append(f, " (line %zu of '%s')", count, path);
	}
	if (ret == 0 && !feof(file))
		ret = fail_errno(f, "cannot read ranges from '%s'", path);
	free(line);
	return ret;
}

int ranges_read(struct range_list *list, const char *path, struct failure *f)
{
	FILE *file;
	int ret;

	if (strcmp(path, "-") == 0)
		return read_lines(list, stdin, "standard input", f);
	file = fopen(path, "re");
	if (!file)
		return fail_errno(f, "cannot open ranges file '%s'", path);
	ret = read_lines(list, file, path, f);
	fclose(file);
	return ret;
}

/* The length of range @r, which is written as "to the end". */
static int open_length(struct copyoff_range *r, bool last, bool sized, uint64_t size,
		       uint64_t before, struct failure *f)
{
	uint64_t used = (uint64_t)(r->src > r->dst ? r->src : r->dst);

	if (sized) {
		r->len = size > (uint64_t)r->src ? size - (uint64_t)r->src : 0;
		return 0;
	}
	if (!last)
		return fail(f, EINVAL,
			    "a range to the end must be the last one: the size of the source is "
			    "not known");
	if (before > used)
		used = before;
	r->len = MAX_OFFSET - used;
	return 0;
}

static int check_range(const struct copyoff_range *r, bool sized, uint64_t size, uint64_t before,
		       struct failure *f)
{
	uint64_t src = (uint64_t)r->src, dst = (uint64_t)r->dst;

	if (r->len > MAX_OFFSET - src || r->len > MAX_OFFSET - dst || r->len > MAX_OFFSET - before)
		return fail(f, EOVERFLOW, "offset or length exceed what 64 bits hold");
	if (sized && (src > size || r->len > size - src))
		return fail(f, EINVAL,
			    "the range reaches beyond the end of the source (%" PRIu64 " bytes)",
			    size);
	return 0;
}

int ranges_resolve(const struct range_list *list, bool sized, uint64_t size,
		   struct copyoff_range *v, struct failure *f)
{
	uint64_t src = 0, dst = 0, total = 0;

	for (size_t i = 0; i < list->n; i++) {
		const struct range_spec *spec = &list->v[i];
		int ret = 0;

		if (spec->has_src)
			src = spec->src;
		if (spec->has_dst)
			dst = spec->dst;
		v[i] = (struct copyoff_range){ (int64_t)src, (int64_t)dst, spec->len };
		if (spec->len == 0)
			ret = open_length(&v[i], i + 1 == list->n, sized, size, total, f);
		if (ret == 0)
			ret = check_range(&v[i], sized, size, total, f);
		if (ret < 0) {
			failure_append(f, " (range %zu, %" PRIu64 ":%" PRIu64 ":%" PRIu64 ")",
				       i + 1, src, dst, spec->len);
			return -1;
		}
		src += v[i].len;
		dst += v[i].len;
		total += v[i].len;
	}
	return 0;
}

void ranges_free(struct range_list *list)
{
	free(list->v);
	*list = (struct range_list){ 0 };
}
