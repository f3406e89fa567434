/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "failure.h"

static void append(struct failure *f, const char *format, va_list args)
{
	size_t used = strlen(f->text);

	vsnprintf(f->text + used, sizeof(f->text) - used, format, args);
}

void failure_append(struct failure *f, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	append(f, format, args);
	va_end(args);
}

static void start(struct failure *f, int number)
{
	f->status = STATUS_FAILED;
	f->number = number;
	f->text[0] = '\0';
}

int fail(struct failure *f, int number, const char *format, ...)
{
	va_list args;

	start(f, number);
	va_start(args, format);
	append(f, format, args);
	va_end(args);
	return -1;
}

int fail_errno(struct failure *f, const char *format, ...)
{
	va_list args;

	start(f, errno);
	va_start(args, format);
	append(f, format, args);
	va_end(args);
	failure_append(f, ": %s", strerror(f->number));
	return -1;
}

void print_error(const char *text)
{
	fputs("copyoff: ", stderr);
	/* A control character of a file name must not move the cursor or fake a second line. */
	for (; *text; text++)
		fputc((unsigned char)*text < ' ' || *text == '\177' ? '?' : *text, stderr);
	fputc('\n', stderr);
}

enum status finish_output(void)
{
	struct failure f;

	errno = 0;
	if (!ferror(stdout) && fflush(stdout) == 0)
		return STATUS_DONE;
	fail(&f, errno, "cannot write to standard output%s%s", errno ? ": " : "",
	     errno ? strerror(errno) : "");
	print_error(f.text);
	return STATUS_OUTPUT;
}
