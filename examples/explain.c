/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * explain.c - say how one file would be copied to another, and why
 *
 * Nothing is written.
 */
#define _POSIX_C_SOURCE 200809L

#include <copyoff.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

static void print_version(void)
{
	unsigned v = copyoff_version();

	printf("copyoff %u.%u.%u\n", v / 1000000, v / 1000 % 1000, v % 1000);
}

/* The table for people. */
static int print_table(const copyoff_plan *plan)
{
	size_t size = copyoff_plan_explain(plan, NULL, 0) + 1;
	char *text = malloc(size);

	if (!text)
		return -1;
	copyoff_plan_explain(plan, text, size);
	fputs(text, stdout);
	free(text);
	return 0;
}

/* What a program would look at: the first usable backend does the copy. */
static const struct copyoff_verdict *first_usable(const copyoff_plan *plan)
{
	size_t i;

	for (i = 0; i < copyoff_plan_count(plan); i++) {
		const struct copyoff_verdict *v = copyoff_plan_verdict(plan, i);

		if (v->usable)
			return v;
	}
	return NULL;
}

int main(int argc, char **argv)
{
	int fd_in = argc == 3 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;
	int fd_out = fd_in >= 0 ? open(argv[2], O_RDWR | O_CLOEXEC) : -1;
	const struct copyoff_verdict *v;
	copyoff_plan *plan = NULL;
	copyoff_ctx *ctx;

	ctx = copyoff_ctx_new(NULL);
	if (fd_out >= 0 && ctx)
		plan = copyoff_plan_new(ctx, fd_in, fd_out, 0);
	if (!plan) {
		perror("explain SOURCE DESTINATION");
		copyoff_ctx_free(ctx);
		return 1;
	}
	print_version();
	if (print_table(plan) < 0)
		perror("explain");
	v = first_usable(plan);
	if (v)
		printf("first: %s, %s host memory\n", v->backend,
		       v->traits & COPYOFF_TRAIT_HOST ? "through" : "not through");
	copyoff_plan_free(plan);
	copyoff_ctx_free(ctx);
	return 0;
}
