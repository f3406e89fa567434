/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "files.h"

#define OPEN_FLAGS (O_CLOEXEC | O_NOCTTY)

static int check_type(const char *path, const struct stat *st, struct failure *f)
{
	if (S_ISREG(st->st_mode) || S_ISBLK(st->st_mode))
		return 0;
	if (S_ISDIR(st->st_mode))
		return fail(f, EISDIR, "'%s' is a directory", path);
	return fail(f, EINVAL, "'%s' is not a regular file or block device", path);
}

static int find_size(struct file *file, struct failure *f)
{
	off_t end = file->st.st_size;

	if (S_ISBLK(file->st.st_mode))
		end = lseek(file->fd, 0, SEEK_END);
	if (end < 0)
		return fail_errno(f, "cannot get the size of '%s'", file->path);
	file->size = (uint64_t)end;
	return 0;
}

/* What was found at the path may have been replaced before it was opened. */
static int inspect(struct file *file, struct failure *f)
{
	if (fstat(file->fd, &file->st) < 0)
		return fail_errno(f, "cannot get the type of '%s'", file->path);
	if (check_type(file->path, &file->st, f) < 0)
		return -1;
	return find_size(file, f);
}

static int set_path(struct file *file, const char *path, struct failure *f)
{
	file->path = strdup(path);
	return file->path ? 0 : fail_errno(f, "cannot open '%s'", path);
}

int file_open_source(struct file *file, const char *path, struct failure *f)
{
	struct stat st;

	if (set_path(file, path, f) < 0)
		return -1;
	/* Asked by name first: to open a pipe would wait, to open a tape would rewind it. */
	if (stat(path, &st) < 0)
		return fail_errno(f, "cannot open '%s'", path);
	if (check_type(path, &st, f) < 0)
		return -1;
	file->fd = open(path, O_RDONLY | OPEN_FLAGS);
	if (file->fd < 0)
		return fail_errno(f, "cannot open '%s'", path);
	return inspect(file, f);
}

/* Where the last component of @path begins and ends, trailing slashes aside. */
static void last_component(const char *path, size_t *start, size_t *end)
{
	*end = strlen(path);
	while (*end > 1 && path[*end - 1] == '/')
		--*end;
	*start = *end;
	while (*start > 0 && path[*start - 1] != '/')
		--*start;
}

/* DIRECTORY/NAME, where NAME is the last component of @path; to be freed. */
static char *join(const char *directory, const char *path)
{
	size_t start, end, size, used = strlen(directory);
	char *joined;

	last_component(path, &start, &end);
	size = used + 1 + (end - start) + 1;
	joined = malloc(size);
	if (joined)
		snprintf(joined, size, "%s%s%.*s", directory, directory[used - 1] == '/' ? "" : "/",
			 (int)(end - start), path + start);
	return joined;
}

/*
 * Finds the destination and opens it for writing if it exists.  Returns 1, with
 * file->path set, if it does not.
 */
static int open_existing(struct file *file, const char *path, const struct file *source,
			 bool readable, struct failure *f)
{
	struct stat st;
	int ret = stat(path, &st);

	if (ret == 0 && S_ISDIR(st.st_mode)) {
		file->path = join(path, source->path);
		if (!file->path)
			return fail_errno(f, "cannot open '%s'", path);
		ret = stat(file->path, &st);
	} else if (set_path(file, path, f) < 0) {
		return -1;
	}
	if (ret < 0)
		return errno == ENOENT ? 1 : fail_errno(f, "cannot open '%s'", file->path);
	if (check_type(file->path, &st, f) < 0)
		return -1;
	file->fd = open(file->path, (readable ? O_RDWR : O_WRONLY) | OPEN_FLAGS);
	if (file->fd < 0)
		return fail_errno(f, "cannot open '%s' for writing", file->path);
	return inspect(file, f);
}

static int create(struct file *file, mode_t mode, bool readable, struct failure *f)
{
	struct stat st;
	int flags = (readable ? O_RDWR : O_WRONLY) | O_CREAT | O_EXCL | OPEN_FLAGS;

	file->fd = open(file->path, flags, mode & (S_IRWXU | S_IRWXG | S_IRWXO));
	if (file->fd < 0 && errno == EEXIST && lstat(file->path, &st) == 0 && S_ISLNK(st.st_mode))
		return fail(f, EEXIST, "cannot create '%s': it is a dangling symbolic link",
			    file->path);
	if (file->fd < 0)
		return fail_errno(f, "cannot create '%s'", file->path);
	file->created = true;
	return inspect(file, f);
}

int file_open_destination(struct file *file, const char *path, const struct file *source,
			  bool readable, struct failure *f)
{
	int ret = open_existing(file, path, source, readable, f);

	if (ret == 1)
		ret = create(file, source->st.st_mode, readable, f);
	return ret;
}

/* The directory part of @path, to be freed. */
static char *directory_of(const char *path)
{
	size_t start, end;

	last_component(path, &start, &end);
	return start == 0 ? strdup(".") : strndup(path, start);
}

static int open_unnamed(struct file *file, struct failure *f)
{
	char *directory = directory_of(file->path);
	int ret;

	if (!directory)
		return fail_errno(f, "cannot open '%s'", file->path);
	file->unnamed = true;
#ifdef O_TMPFILE
	file->fd = open(directory, O_TMPFILE | O_RDWR | OPEN_FLAGS, S_IRUSR | S_IWUSR);
#else
	errno = EOPNOTSUPP;
#endif
	if (file->fd >= 0)
		ret = inspect(file, f);
	else if (errno == EOPNOTSUPP || errno == EISDIR)
		ret = fail(f, errno,
			   "'%s' does not exist, and '%s' cannot hold an unnamed file in its "
			   "place; create it and ask again",
			   file->path, directory);
	else
		ret = fail_errno(f, "cannot create an unnamed file in place of '%s'", file->path);
	free(directory);
	return ret;
}

int file_open_probe(struct file *file, const char *path, const struct file *source, bool readable,
		    struct failure *f)
{
	int ret = open_existing(file, path, source, readable, f);

	if (ret == 1)
		ret = open_unnamed(file, f);
	return ret;
}

int file_sync_directory(const struct file *file, struct failure *f)
{
	char *directory = directory_of(file->path);
	int fd = -1, ret = -1;

	if (directory)
		fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0)
		ret = fsync(fd);
	if (ret < 0)
		fail_errno(f, "cannot sync the directory of '%s'", file->path);
	if (fd >= 0)
		close(fd);
	free(directory);
	return ret;
}

void file_remove_created(const struct file *file)
{
	struct stat st;

	/* Not if another file has taken the name since. */
	if (file->created && lstat(file->path, &st) == 0 && st.st_dev == file->st.st_dev &&
	    st.st_ino == file->st.st_ino)
		unlink(file->path);
}

int file_close(struct file *file, struct failure *f)
{
	int ret = close(file->fd);

	file->fd = -1;
	return ret == 0 ? 0 : fail_errno(f, "cannot close '%s'", file->path);
}

void file_release(struct file *file)
{
	if (file->fd >= 0)
		close(file->fd);
	free(file->path);
	*file = (struct file)FILE_CLOSED;
}
