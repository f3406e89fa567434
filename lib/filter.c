/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * filter.c - lists of backend names: "reflink,readwrite" or "^uring"
 */
#include "internal.h"

#include <errno.h>
#include <string.h>

/*
 * Names that some version of the library has: programs may list them whatever
 * this build contains.
 */
static const char *const known_names[] = {
	"reflink", "copy_file_range", "loop",      "blkcopy", "nvme", "xcopy",
	"odx",     "uring",           "readwrite",
};

static bool known(const char *name, size_t len)
{
	for (size_t i = 0; i < sizeof(known_names) / sizeof(known_names[0]); i++) {
		if (strlen(known_names[i]) == len && memcmp(known_names[i], name, len) == 0)
			return true;
	}
	return false;
}

int copyoff_filter_parse(const char *list, copyoff_mask *mask, copyoff_mask *named,
			 const char **bad, size_t *bad_len)
{
	bool except = *list == '^';
	copyoff_mask listed = 0;

	list += except;
	do {
		size_t len = strcspn(list, ",");
		size_t i = copyoff_registry_find(list, len);

		if (i < COPYOFF_BACKENDS) {
			listed |= (copyoff_mask)1 << i;
		} else if (!known(list, len)) {
			*bad = list;
			*bad_len = len;
			return -EINVAL;
		}
		list += len;
	} while (*list++ == ',');
	*mask = except ? ~listed : listed;
	*named = except ? 0 : listed;
	return 0;
}
