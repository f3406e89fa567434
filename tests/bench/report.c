/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
#include "bench.h"

#include <stdio.h>
#include <string.h>

const char *size_name(size_t size)
{
	static char name[32];

	if (size >= GIB)
		snprintf(name, sizeof(name), "%zu GiB", size / GIB);
	else if (size >= MIB)
		snprintf(name, sizeof(name), "%zu MiB", size / MIB);
	else
		snprintf(name, sizeof(name), "%zu KiB", size / KIB);
	return name;
}

void report_missing(void)
{
	if (!ring_built)
		printf("missing: io_uring by hand (liburing was not found)\n");
	for (size_t i = 0; i < competitor_count; i++) {
		const struct competitor *c = &competitors[i];

		if (c->argv && !command_is_installed(c))
			printf("missing: %s (%s is not installed)\n", c->name, c->argv[0]);
	}
}

static void print_time(double seconds)
{
	if (seconds < 1e-6)
		printf(" %8.0f ns", seconds * 1e9);
	else if (seconds < 1e-3)
		printf(" %8.2f us", seconds * 1e6);
	else
		printf(" %8.2f ms", seconds * 1e3);
}

/* How many times as fast as @other. */
static void print_ratio(const struct result *r, const struct result *other)
{
	if (other)
		printf(" %9.2f", other->seconds / r->seconds);
	else
		printf(" %9s", "-");
}

static void print_traffic(const struct result *r)
{
	printf("    bytes of a copy, at most: %.1f MiB through the devices, %.1f KiB by calls\n",
	       r->traffic.devices / (double)MIB, r->traffic.own / (double)KIB);
}

static const char *mark(const struct result *r, const struct result *best)
{
	if (r->competitor->role == OURS)
		return ">";
	return r == best ? "*" : r->competitor->role == LIMIT ? "=" : " ";
}

void report(const struct files *f, const struct measured *m)
{
	const struct scenario *s = m->scenario;
	const char *base_name = s->commands ? "cp --reflink=never" : "pread/pwrite 128K";
	const struct result *base = find_result(m, base_name);
	const struct result *kernel = find_result(m, s->commands ? "cp" : "copy_file_range");
	const struct result *best = best_peer(m);

	printf("\n%s, %s, %s: medians of %u rounds\n", f->fs, s->name, size_name(m->size),
	       m->rounds);
	printf("  %-33s %11s %7s %11s %7s %9s %9s %9s\n", "", "median", "spread", "least", "GiB/s",
	       s->commands ? "/cp never" : "/rw 128K", s->commands ? "/cp" : "/cfr", "/best");
	for (size_t i = 0; i < m->n; i++) {
		const struct result *r = &m->results[i];

		if (r->error) {
			printf("  %-33s failed: %s\n", r->competitor->name,
			       r->error < 0 ? strerror(-r->error) : "the command's exit status");
			continue;
		}
		printf("%s %-33s", mark(r, best), r->competitor->name);
		print_time(r->seconds);
		printf(" %6.0f%%", r->spread * 100);
		print_time(r->least);
		printf(" %7.1f", (double)m->size / (double)GIB / r->seconds);
		print_ratio(r, base);
		print_ratio(r, kernel);
		print_ratio(r, best);
		printf("\n");
		if (is_loop(s->state))
			print_traffic(r);
	}
	fflush(stdout);
}

void report_memory(const struct files *f, const struct memory *rows, size_t n)
{
	printf("\n%s, growth of peak resident memory during one copy\n", f->fs);
	for (size_t i = 0; i < n; i++) {
		if (rows[i].bytes)
			printf("  %-33s %8zu KiB\n", rows[i].what, rows[i].bytes / KIB);
		else
			printf("  %-33s not measured\n", rows[i].what);
	}
}
