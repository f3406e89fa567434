/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * JSON on standard output, written as it is called.  @name is the member's
 * name, or NULL for an element of an array and for the outermost value.
 * Write errors are left to finish_output().
 */
#ifndef COPYOFF_TOOL_JSON_H
#define COPYOFF_TOOL_JSON_H

#include <stdbool.h>
#include <stdint.h>

struct json {
	bool comma; /* a value stands before the next one */
};

void json_object(struct json *j, const char *name);
void json_array(struct json *j, const char *name);
void json_end_object(struct json *j);
void json_end_array(struct json *j);

/*
 * File names are bytes, JSON strings are not: bytes that are not UTF-8 become
 * U+FFFD.
 */
void json_string(struct json *j, const char *name, const char *value);
void json_number(struct json *j, const char *name, uint64_t value);
void json_bool(struct json *j, const char *name, bool value);
void json_null(struct json *j, const char *name);

#endif
