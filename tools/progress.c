/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "progress.h"

#define BAR_WIDTH 50

static void draw(int percent)
{
	char bar[BAR_WIDTH + 1];

	memset(bar, ' ', BAR_WIDTH);
	memset(bar, '#', (size_t)(percent * BAR_WIDTH / 100));
	bar[BAR_WIDTH] = '\0';
	fprintf(stderr, "\r%3d%% [%s]", percent, bar);
	fflush(stderr);
}

/* The line is shorter than PIPE_BUF: a pipe takes all of it or nothing. */
static void write_line(struct progress *p, int percent)
{
	char line[16];
	int length = snprintf(line, sizeof(line), "%d/100\n", percent);
	ssize_t n;

	do {
		n = write(p->fd, line, (size_t)length);
	} while (n < 0 && errno == EINTR);
	if (n != length)
		p->error = n < 0 ? errno : ENOSPC;
}

static void show(struct progress *p, int percent)
{
	if (percent <= p->shown)
		return;
	p->shown = percent;
	if (p->bar)
		draw(percent);
	if (p->fd >= 0 && p->error == 0)
		write_line(p, percent);
}

static int percent_below_100(uint64_t done, uint64_t total)
{
	double percent = total == 0 ? 0.0 : (double)done * 100.0 / (double)total;

	return percent < 99.0 ? (int)percent : 99;
}

int progress_step(void *data, uint64_t done, uint64_t total)
{
	struct progress *p = data;
	uint64_t sum = p->base + done;

	(void)total; /* of one call; the job may need several */
	show(p, percent_below_100(sum, p->total));
	return 0;
}

void progress_done(struct progress *p)
{
	show(p, 100);
}

void progress_end(const struct progress *p)
{
	if (p->bar && p->shown >= 0)
		fputc('\n', stderr);
}
