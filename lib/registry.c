/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * registry.c - the table of backends, generated from backends/CMakeLists.txt
 */
#include "internal.h"

#include <string.h>

#define COPYOFF_BACKEND(name)             extern const struct copyoff_backend copyoff_backend_##name;
#define COPYOFF_BACKEND_ABSENT(name, why) /* nothing to declare */
#include "backends.list.h"
#undef COPYOFF_BACKEND
#undef COPYOFF_BACKEND_ABSENT

static const struct copyoff_backend *const backends[] = {
#define COPYOFF_BACKEND(name)             &copyoff_backend_##name,
#define COPYOFF_BACKEND_ABSENT(name, why) NULL,
#include "backends.list.h"
#undef COPYOFF_BACKEND
#undef COPYOFF_BACKEND_ABSENT
};

/* What to say of those that were left out. */
static const struct copyoff_backend_info absent[] = {
#define COPYOFF_BACKEND(name)             { NULL, NULL, 0, 0 },
#define COPYOFF_BACKEND_ABSENT(name, why) { #name, "left out of this build: " why, 0, 0 },
#include "backends.list.h"
#undef COPYOFF_BACKEND
#undef COPYOFF_BACKEND_ABSENT
};

const struct copyoff_backend *copyoff_registry_get(size_t i)
{
	return backends[i];
}

const struct copyoff_backend_info *copyoff_registry_info(size_t i)
{
	return backends[i] ? &backends[i]->info : &absent[i];
}

size_t copyoff_registry_find(const char *name, size_t len)
{
	for (size_t i = 0; i < COPYOFF_BACKENDS; i++) {
		const char *known = copyoff_registry_info(i)->name;

		if (strlen(known) == len && memcmp(known, name, len) == 0)
			return i;
	}
	return COPYOFF_BACKENDS;
}
