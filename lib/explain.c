/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * explain.c - a plan as a table for people
 */
#include "internal.h"

#include <stdio.h>

/* Text that goes on behind the end of its buffer, and only counts there. */
struct text {
	char *buf;
	size_t size;
	size_t len;
};

static void add(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void add(struct text *t, const char *fmt, ...)
{
	size_t room = t->len < t->size ? t->size - t->len : 0;
	va_list ap;
	int ret;

	va_start(ap, fmt);
	ret = vsnprintf(room ? t->buf + t->len : NULL, room, fmt, ap);
	va_end(ap);
	if (ret > 0)
		t->len += (size_t)ret;
}

static void add_end(struct text *t, const char *what, const struct copyoff_end *end,
		    const char *device)
{
	add(t, "%-5s fd %d, ", what, end->fd);
	if (end->kind == COPYOFF_KIND_BLOCK)
		add(t, "block device");
	else
		add(t, "regular file");
	if (end->size_known)
		add(t, ", %llu bytes", (unsigned long long)end->size);
	else
		add(t, ", empty or of unknown size");
	if (end->direct)
		add(t, ", O_DIRECT in units of %u", (unsigned)end->io_align);
	if (device[0])
		add(t, "; %s", device);
	add(t, "\n");
}

static void add_limits(struct text *t, const struct copyoff_limits *limits)
{
	if (limits->align > 1)
		add(t, "; in blocks of %llu", (unsigned long long)limits->align);
	if (limits->min_total)
		add(t, "; for at least %llu bytes", (unsigned long long)limits->min_total);
	if (limits->max_range)
		add(t, "; at most %llu bytes at once", (unsigned long long)limits->max_range);
	if (limits->max_ranges > 1)
		add(t, "; up to %llu ranges at once", (unsigned long long)limits->max_ranges);
}

static void add_verdict(struct text *t, const struct copyoff_verdict *v, bool first)
{
	if (v->usable) {
		add(t, "%-16s %-6s %s", v->backend, first ? "first" : "yes", v->text);
		add_limits(t, &v->limits);
	} else {
		add(t, "%-16s %-6s %s", v->backend, "no", v->text);
		if (v->error)
			add(t, " (%s)", copyoff_errno_name(v->error));
		if (v->remedy[0])
			add(t, "; to use it: %s", v->remedy);
	}
	add(t, "\n");
}

size_t copyoff_explain(const struct copyoff_plan *plan, char *buf, size_t size)
{
	struct text t = { .buf = buf, .size = size };
	bool first = true;

	if (size > 0)
		buf[0] = '\0';
	add_end(&t, "from", &plan->in, plan->in_text);
	add_end(&t, "to", &plan->out, plan->out_text);
	for (size_t i = 0; i < COPYOFF_BACKENDS; i++) {
		add_verdict(&t, &plan->verdicts[i], first);
		first = first && !plan->verdicts[i].usable;
	}
	if (first)
		add(&t, "No backend can make this copy.\n");
	return t.len;
}
