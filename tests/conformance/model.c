/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * model.c - what a copy does, said in the simplest way
 *
 * The numbers in comments are those of docs/semantics.md.
 */
#include "model.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FLAGS_ALL 0x7fu

void model_init(struct model *m)
{
	*m = (struct model){ NULL, 0, 0, false };
}

void model_free(struct model *m)
{
	free(m->data);
	model_init(m);
}

static void reserve(struct model *m, uint64_t size)
{
	uint64_t capacity = m->capacity ? m->capacity : 4096;
	unsigned char *data;

	if (size <= m->capacity)
		return;
	while (capacity < size)
		capacity *= 2;
	data = calloc(1, (size_t)capacity);
	if (!data) {
		perror("model");
		abort();
	}
	if (m->capacity > 0)
		memcpy(data, m->data, (size_t)m->capacity);
	free(m->data);
	m->data = data;
	m->capacity = capacity;
}

void model_extend(struct model *m, uint64_t size)
{
	reserve(m, size);
	if (size > m->size)
		m->size = size;
}

void model_write(struct model *m, uint64_t off, const void *data, uint64_t len)
{
	if (len == 0)
		return;
	model_extend(m, off + len);
	memcpy(m->data + off, data, (size_t)len);
}

void model_zero(struct model *m, uint64_t off, uint64_t len)
{
	uint64_t end = off + len < m->size ? off + len : m->size;

	if (off < end)
		memset(m->data + off, 0, (size_t)(end - off));
}

void model_truncate(struct model *m, uint64_t size)
{
	if (size < m->size)
		memset(m->data + size, 0, (size_t)(m->size - size));
	reserve(m, size);
	m->size = size;
}

bool model_equal(const unsigned char *a, const unsigned char *b, uint64_t len, uint64_t *where)
{
	if (len == 0 || memcmp(a, b, (size_t)len) == 0)
		return true;
	for (*where = 0; a[*where] == b[*where];)
		++*where;
	return false;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static int check_flags(unsigned flags)
{
	if (flags & ~FLAGS_ALL) /* 3.3 */
		return -EINVAL;
	if ((flags & COPYOFF_NO_SHARE) && (flags & COPYOFF_REQUIRE_SHARE)) /* 3.4 */
		return -EINVAL;
	return 0;
}

static bool wraps(int64_t off, uint64_t len)
{
	return (uint64_t)off + len < len;
}

/* 5.1, 5.5: from there on, nothing can be written. */
static uint64_t end_of(const struct model *out, uint64_t limit)
{
	return out->fixed ? out->size : least(limit, INT64_MAX);
}

static int beyond_the_end(const struct model *out)
{
	return out->fixed ? -ENOSPC : -EFBIG;
}

/* 3.10 to 3.14; *@len becomes what can be copied. */
static int check_range(const struct model *in, int64_t off_in, const struct model *out,
		       int64_t off_out, uint64_t *len, uint64_t limit)
{
	uint64_t src = (uint64_t)off_in;
	uint64_t dst = (uint64_t)off_out;

	if (wraps(off_in, *len) || wraps(off_out, *len))
		return -EOVERFLOW;
	if (off_in < 0 || off_out < 0)
		return -EINVAL;
	*len = src < in->size ? least(*len, in->size - src) : 0;
	if (*len == 0)
		return 0;
	if (off_out == INT64_MAX || (!out->fixed && dst >= limit))
		return -EFBIG;
	*len = least(*len, (out->fixed ? INT64_MAX : end_of(out, limit)) - dst);
	if (in == out && src < dst + *len && dst < src + *len)
		return -EINVAL;
	if (dst >= end_of(out, limit))
		return -ENOSPC;
	*len = least(*len, end_of(out, limit) - dst);
	return 0;
}

static void move(const struct model *in, uint64_t src, struct model *out, uint64_t dst,
		 uint64_t len)
{
	model_extend(out, dst + len); /* may move in->data, if it is the same file */
	memcpy(out->data + dst, in->data + src, (size_t)len);
}

int64_t model_copy(const struct model *in, int64_t off_in, struct model *out, int64_t off_out,
		   uint64_t len, unsigned flags, uint64_t limit)
{
	int ret = check_flags(flags);

	if (ret == 0)
		ret = check_range(in, off_in, out, off_out, &len, limit);
	if (ret < 0)
		return ret;
	if (len > 0)
		move(in, (uint64_t)off_in, out, (uint64_t)off_out, len);
	return (int64_t)len;
}

static bool overlap(int64_t a, uint64_t a_len, int64_t b, uint64_t b_len)
{
	return a_len > 0 && b_len > 0 && (uint64_t)a < (uint64_t)b + b_len &&
	       (uint64_t)b < (uint64_t)a + a_len;
}

static uint64_t before_end(const struct model *in, const struct copyoff_range *r)
{
	return (uint64_t)r->src < in->size ? least(r->len, in->size - (uint64_t)r->src) : 0;
}

/* 9.4 to 9.7 */
static int check_ranges(const struct model *in, const struct model *out,
			const struct copyoff_range *v, size_t n, uint64_t limit)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++) {
		uint64_t len = v[i].len;
		int ret = check_range(in, v[i].src, out, v[i].dst, &len, limit);

		/* A range that hits the limit is found when the copy gets there. */
		if (ret < 0 && ret != -EFBIG && ret != -ENOSPC)
			return ret;
		if (v[i].len > INT64_MAX - sum)
			return -EOVERFLOW;
		sum += v[i].len;
	}
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < n; k++) {
			uint64_t len = before_end(in, &v[i]), other = before_end(in, &v[k]);

			if (i != k && overlap(v[i].dst, len, v[k].dst, other))
				return -EINVAL;
			if (in == out && overlap(v[i].dst, len, v[k].src, other))
				return -EINVAL;
		}
	}
	return 0;
}

int64_t model_copyv(const struct model *in, struct model *out, const struct copyoff_range *v,
		    size_t n, unsigned flags, uint64_t limit)
{
	uint64_t end = in->size; /* when the call began */
	int64_t done = 0;
	int ret = check_flags(flags);

	if (ret == 0)
		ret = check_ranges(in, out, v, n, limit);
	if (ret < 0)
		return ret;
	for (size_t i = 0; i < n; i++) {
		uint64_t src = (uint64_t)v[i].src;
		uint64_t dst = (uint64_t)v[i].dst;
		uint64_t len = src < end ? least(v[i].len, end - src) : 0;

		if (len > 0 && dst >= end_of(out, limit))
			return done > 0 ? done : beyond_the_end(out);
		len = least(len, len > 0 ? end_of(out, limit) - dst : 0);
		if (len > 0)
			move(in, src, out, dst, len);
		done += (int64_t)len;
		if (len < v[i].len) /* 9.3 */
			break;
	}
	return done;
}
