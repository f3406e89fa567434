/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * sys_test.c - functions of the seam that do more than one call
 */
#define _GNU_SOURCE
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { PAGES = 16 };

static char path[40];

/* A file whose pages are all in the cache; returns its size. */
static int64_t make_file(void)
{
	static char page[65536];
	const size_t size = (size_t)copyoff_sys_page_size();
	int fd;

	strcpy(path, "/tmp/copyoff-sys.XXXXXX");
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	ck_assert_uint_le(size, sizeof(page));
	for (int i = 0; i < PAGES; i++)
		ck_assert_int_eq(write(fd, page, size), (ssize_t)size);
	close(fd);
	return PAGES * (int64_t)size;
}

/* However the file is open. */
START_TEST(test_mincore)
{
	static const int modes[] = { O_RDONLY, O_RDWR, O_WRONLY };
	const int64_t size = make_file();
	int fd = open(path, modes[_i] | O_CLOEXEC);

	unlink(path);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(copyoff_sys_mincore(fd, 0, size), PAGES);
	ck_assert_int_eq(copyoff_sys_mincore(fd, size / 2 + 1, size / 4), PAGES / 4 + 1);
	ck_assert_int_eq(copyoff_sys_mincore(fd, 0, 0), 0);
	close(fd);
}
END_TEST

START_TEST(test_mincore_of_nothing)
{
	ck_assert_int_eq(copyoff_sys_mincore(-1, 0, 4096), -EBADF);
}
END_TEST

/* What sync_file_range(2) fails with here; 0: not. */
static int refuse_with;

int __wrap_sync_file_range(int fd, off_t off, off_t len, unsigned flags);

int __wrap_sync_file_range(int fd, off_t off, off_t len, unsigned flags)
{
	(void)fd;
	(void)off;
	(void)len;
	(void)flags;
	errno = refuse_with;
	return refuse_with ? -1 : 0;
}

/* Where it is refused, fdatasync(2) does; but what it reports is not asked for twice. */
START_TEST(test_flush_range)
{
	static const struct {
		int err, ret;
	} rows[] = { { 0, 0 },      { ENOSYS, 0 },     { EPERM, 0 },  { EACCES, 0 },
		     { EINVAL, 0 }, { EOPNOTSUPP, 0 }, { EIO, -EIO }, { ENOSPC, -ENOSPC } };
	const int64_t size = make_file();
	int fd = open(path, O_RDWR | O_CLOEXEC);

	unlink(path);
	ck_assert_int_ge(fd, 0);
	for (size_t i = 0; i < COUNT(rows); i++) {
		refuse_with = rows[i].err;
		ck_assert_int_eq(copyoff_sys_flush_range(fd, 0, size), rows[i].ret);
		if (rows[i].err && !rows[i].ret)
			ck_assert_int_eq(copyoff_sys_flush_range(-1, 0, size), -EBADF);
	}
	close(fd);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sys");
	TCase *tc = tcase_create("sys");

	tcase_add_loop_test(tc, test_mincore, 0, 3);
	tcase_add_test(tc, test_mincore_of_nothing);
	tcase_add_test(tc, test_flush_range);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
