/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Ranges as they are written: SRC_OFF:DST_OFF:LEN, the syntax of
 * copyfilerange(1) of util-linux.  An offset that is left out is where the
 * range before ended, 0 for the first.  A length of 0 or left out means: to the
 * end of the source.
 */
#ifndef COPYOFF_TOOL_RANGES_H
#define COPYOFF_TOOL_RANGES_H

#include <copyoff.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "failure.h"

struct range_spec {
	bool has_src;
	bool has_dst;
	uint64_t src;
	uint64_t dst;
	uint64_t len; /* 0: to the end of the source */
};

struct range_list {
	struct range_spec *v;
	size_t n;
	size_t capacity;
};

/*
 * A whole number of bytes, decimal, with an optional unit: K M G T P E, in
 * either case, or KiB ... EiB for powers of 1024, KB ... EB for powers of 1000.
 * Parses @length characters at @text.  Returns what is wrong, or NULL.
 */
const char *size_parse(const char *text, size_t length, uint64_t *value);

/* Returns what is wrong, or NULL. */
const char *range_parse(const char *text, struct range_spec *spec);

/* All but size_parse() and range_parse() return 0, or -1 with *f filled in. */
int ranges_add(struct range_list *list, const char *text, struct failure *f);

/*
 * Adds a range for each line of a file, "-" for standard input.  Empty lines
 * and lines that begin with '#' do not count.
 */
int ranges_read(struct range_list *list, const char *path, struct failure *f);

/*
 * Computes the ranges for a source of @size bytes; list->n elements at @v.
 * @sized is false where the end of the source is not known before it is read.
 * A range that reaches beyond a known end is refused.
 */
int ranges_resolve(const struct range_list *list, bool sized, uint64_t size,
		   struct copyoff_range *v, struct failure *f);

void ranges_free(struct range_list *list);

#endif
