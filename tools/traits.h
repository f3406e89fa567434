/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
#ifndef COPYOFF_TOOL_TRAITS_H
#define COPYOFF_TOOL_TRAITS_H

#include "json.h"

/* The words for @traits (COPYOFF_TRAIT_*): a JSON array, or joined by commas. */
void traits_json(struct json *j, const char *name, unsigned traits);
void traits_print(unsigned traits);

#endif
