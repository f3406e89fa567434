/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * names_test.c - names of errors and of backends
 */
#define _POSIX_C_SOURCE 200809L
#include "unit.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define NAME(e)                                                                                    \
	{                                                                                          \
		e, #e                                                                              \
	}

/* Every error that copyoff.h tells of, and what backends turn into reasons. */
START_TEST(test_errno_names)
{
	static const struct {
		int err;
		const char *name;
	} names[] = {
		NAME(EBADF),  NAME(EINVAL), NAME(EISDIR), NAME(EPERM),     NAME(ETXTBSY),
		NAME(EFBIG),  NAME(ENOSPC), NAME(EDQUOT), NAME(EIO),       NAME(ENOMEM),
		NAME(EINTR),  NAME(E2BIG),  NAME(ENOENT), NAME(EXDEV),     NAME(EOPNOTSUPP),
		NAME(ENOSYS), NAME(ENOTTY), NAME(EACCES), NAME(EMFILE),    NAME(ECANCELED),
		NAME(EROFS),  NAME(ESTALE), NAME(EAGAIN), NAME(EOVERFLOW),
	};

	for (size_t i = 0; i < COUNT(names); i++) {
		ck_assert_str_eq(copyoff_errno_name(names[i].err), names[i].name);
		ck_assert_str_eq(copyoff_errno_name(-names[i].err), names[i].name);
	}
	ck_assert_str_ne(copyoff_errno_name(12345), "");
}
END_TEST

/* Name in the list == name in the struct == name of the file. */
static const char *const listed[] = {
#define COPYOFF_BACKEND(name)             #name,
#define COPYOFF_BACKEND_ABSENT(name, why) #name,
#include "backends.list.h"
#undef COPYOFF_BACKEND
#undef COPYOFF_BACKEND_ABSENT
};

START_TEST(test_registry)
{
	ck_assert_uint_eq(COUNT(listed), COPYOFF_BACKENDS);
	ck_assert_uint_eq(copyoff_backend_count(), COPYOFF_BACKENDS);
	for (size_t i = 0; i < COPYOFF_BACKENDS; i++) {
		const struct copyoff_backend_info *info = copyoff_backend_info(i);
		const struct copyoff_backend *backend = copyoff_registry_get(i);
		char path[4096];

		ck_assert_str_eq(info->name, listed[i]);
		ck_assert_str_ne(info->summary, "");
		snprintf(path, sizeof(path), "%s/%s.c", BACKENDS_DIR, info->name);
		ck_assert_msg(access(path, R_OK) == 0, "there is no %s", path);
		ck_assert_int_eq(info->built, backend != NULL);
		ck_assert_uint_eq(copyoff_registry_find(info->name, strlen(info->name)), i);
		if (!backend)
			continue;
		ck_assert_ptr_eq(&backend->info, info);
		ck_assert(backend->probe && backend->copy);
		ck_assert(!backend->complete || backend->stateless);
	}
	errno = 0;
	ck_assert_ptr_null(copyoff_backend_info(COPYOFF_BACKENDS));
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_uint_eq(copyoff_registry_find("", 0), COPYOFF_BACKENDS);
	ck_assert_uint_eq(copyoff_registry_find("readwrite", 8), COPYOFF_BACKENDS);
}
END_TEST

/* Every copy must have an end somewhere: the last one takes everything. */
START_TEST(test_last_resort)
{
	const struct copyoff_backend *last = copyoff_registry_get(COPYOFF_BACKENDS - 1);

	ck_assert_ptr_nonnull(last);
	ck_assert(last->unsized);
}
END_TEST

START_TEST(test_version)
{
	ck_assert_uint_eq(copyoff_version(), COPYOFF_VERSION_NUMBER);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("names");
	TCase *tc = tcase_create("names");

	tcase_add_test(tc, test_errno_names);
	tcase_add_test(tc, test_registry);
	tcase_add_test(tc, test_last_resort);
	tcase_add_test(tc, test_version);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
