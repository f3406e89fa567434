/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * range.c - arithmetic on offsets and lengths, checked for overflow
 *
 * Pure functions: no system calls, no state.
 */
#include "internal.h"

#include <stdlib.h>

/* False if off + len does not fit. */
bool copyoff_range_end(uint64_t off, uint64_t len, uint64_t *end)
{
	*end = off + len;
	return *end >= off;
}

uint64_t copyoff_range_min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* @align may be 0 or 1: nothing to do; need not be a power of two. */
uint64_t copyoff_range_down(uint64_t value, uint64_t align)
{
	return align > 1 ? value - value % align : value;
}

uint64_t copyoff_range_up(uint64_t value, uint64_t align)
{
	uint64_t down = copyoff_range_down(value, align);
	uint64_t up;

	if (down == value)
		return value;
	return copyoff_range_end(down, align, &up) ? up : UINT64_MAX;
}

/* Do [a, a + len) and [b, b + len) share a byte?  Sums need not fit. */
bool copyoff_range_overlap(uint64_t a, uint64_t b, uint64_t len)
{
	return a < b ? b - a < len : a - b < len;
}

static int by_start(const void *a, const void *b)
{
	const struct copyoff_span *x = a;
	const struct copyoff_span *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

/* Does [start, end) share a byte with one of @n sorted, disjoint spans? */
static bool hits(const struct copyoff_span *spans, size_t n, uint64_t start, uint64_t end)
{
	size_t lo = 0;
	size_t hi = n;

	/* The first span that ends behind start is the only one to look at. */
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (spans[mid].end > start)
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo < n && spans[lo].start < end;
}

/* What can be copied of a range from a source of @size bytes. */
static uint64_t before_end(const struct copyoff_range *r, uint64_t size)
{
	return (uint64_t)r->src < size ? copyoff_range_min(r->len, size - (uint64_t)r->src) : 0;
}

/* @base and an offset are at most INT64_MAX each. */
static struct copyoff_span span_at(uint64_t base, int64_t off, uint64_t len)
{
	struct copyoff_span span = { .start = base + (uint64_t)off };

	if (!copyoff_range_end(span.start, len, &span.end))
		span.end = UINT64_MAX;
	return span;
}

bool copyoff_ranges_overlap(const struct copyoff_range *v, size_t n, uint64_t src_size,
			    const struct copyoff_place *in, const struct copyoff_place *out,
			    struct copyoff_span *scratch)
{
	bool same = copyoff_same_place(in, out);
	size_t used = 0;

	for (size_t i = 0; i < n; i++) {
		uint64_t len = before_end(&v[i], src_size);

		if (len == 0)
			continue;
		scratch[used++] = span_at(out->base, v[i].dst, len);
	}
	qsort(scratch, used, sizeof(*scratch), by_start);
	for (size_t i = 1; i < used; i++) {
		if (scratch[i].start < scratch[i - 1].end)
			return true;
	}
	for (size_t i = 0; same && i < n; i++) {
		uint64_t len = before_end(&v[i], src_size);
		struct copyoff_span src = span_at(in->base, v[i].src, len);

		if (len > 0 && hits(scratch, used, src.start, src.end))
			return true;
	}
	return false;
}
