/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

#include "json.h"

/*
 * The length of the UTF-8 sequence at @s, 0 if there is none: overlong forms,
 * surrogates and values above U+10FFFF are not UTF-8 (RFC 3629, section 4).
 */
static size_t utf8_length(const unsigned char *s)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t length;

	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		length = 2;
	else if (s[0] >= 0xe0 && s[0] <= 0xef)
		length = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		length = 4;
	else
		return 0;

	if (s[0] == 0xe0)
		low = 0xa0;
	else if (s[0] == 0xed)
		high = 0x9f;
	else if (s[0] == 0xf0)
		low = 0x90;
	else if (s[0] == 0xf4)
		high = 0x8f;

	if (s[1] < low || s[1] > high)
		return 0;
	for (size_t i = 2; i < length; i++) {
		if (s[i] < 0x80 || s[i] > 0xbf)
			return 0;
	}
	return length;
}

static void write_string(const char *value)
{
	const unsigned char *s = (const unsigned char *)value;

	putchar('"');
	while (*s) {
		size_t length = utf8_length(s);

		if (length == 0) {
			fputs("\\ufffd", stdout);
			length = 1;
		} else if (*s == '"' || *s == '\\') {
			printf("\\%c", *s);
		} else if (*s < ' ' || *s == 0x7f) {
			printf("\\u%04x", *s);
		} else {
			fwrite(s, 1, length, stdout);
		}
		s += length;
	}
	putchar('"');
}

static void before_value(struct json *j, const char *name)
{
	if (j->comma)
		fputs(", ", stdout);
	j->comma = true;
	if (name) {
		write_string(name);
		fputs(": ", stdout);
	}
}

void json_object(struct json *j, const char *name)
{
	before_value(j, name);
	putchar('{');
	j->comma = false;
}

void json_array(struct json *j, const char *name)
{
	before_value(j, name);
	putchar('[');
	j->comma = false;
}

void json_end_object(struct json *j)
{
	putchar('}');
	j->comma = true;
}

void json_end_array(struct json *j)
{
	putchar(']');
	j->comma = true;
}

void json_string(struct json *j, const char *name, const char *value)
{
	before_value(j, name);
	write_string(value);
}

void json_number(struct json *j, const char *name, uint64_t value)
{
	before_value(j, name);
	printf("%" PRIu64, value);
}

void json_bool(struct json *j, const char *name, bool value)
{
	before_value(j, name);
	fputs(value ? "true" : "false", stdout);
}

void json_null(struct json *j, const char *name)
{
	before_value(j, name);
	fputs("null", stdout);
}
