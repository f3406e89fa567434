/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
#include <copyoff.h>
#include <stddef.h>
#include <stdio.h>

#include "traits.h"

static const struct {
	unsigned bit;
	const char *name;
} names[] = {
	{ COPYOFF_TRAIT_SHARES, "shares" }, { COPYOFF_TRAIT_MAY_SHARE, "may-share" },
	{ COPYOFF_TRAIT_RAW, "raw" },       { COPYOFF_TRAIT_HOST, "host" },
	{ COPYOFF_TRAIT_PRIV, "priv" },
};

#define COUNT (sizeof(names) / sizeof(names[0]))

void traits_json(struct json *j, const char *name, unsigned traits)
{
	json_array(j, name);
	for (size_t i = 0; i < COUNT; i++) {
		if (traits & names[i].bit)
			json_string(j, NULL, names[i].name);
	}
	json_end_array(j);
}

void traits_print(unsigned traits)
{
	const char *separator = "";

	for (size_t i = 0; i < COUNT; i++) {
		if (!(traits & names[i].bit))
			continue;
		printf("%s%s", separator, names[i].name);
		separator = ",";
	}
}
