/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* The two operands: opened with care, changed only where it says so. */
#ifndef COPYOFF_TOOL_FILES_H
#define COPYOFF_TOOL_FILES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "failure.h"

struct file {
	char *path; /* as opened; NULL: not opened */
	int fd;
	struct stat st; /* when it was opened */
	uint64_t size; /* of the file or device, when it was opened */
	bool created; /* it did not exist before */
	bool unnamed; /* it stands in for a file that does not exist */
};

#define FILE_CLOSED                                                                                \
	{                                                                                          \
		.fd = -1                                                                           \
	}

/* All return 0, or -1 with *f filled in. */

/* Opens a regular file or block device for reading. */
int file_open_source(struct file *file, const char *path, struct failure *f);

/*
 * Opens the destination of a copy, which may be a directory, as for cp(1), and
 * is created if it does not exist.  Never truncates.  @readable: for reading,
 * too.
 */
int file_open_destination(struct file *file, const char *path, const struct file *source,
			  bool readable, struct failure *f);

/* Likewise, but where the file does not exist, an unnamed one stands in for it. */
int file_open_probe(struct file *file, const char *path, const struct file *source, bool readable,
		    struct failure *f);

/* Syncs the directory that holds the file. */
int file_sync_directory(const struct file *file, struct failure *f);

/* Removes a file that file_open_destination() created. */
void file_remove_created(const struct file *file);

/* Reports what close(2) reports, such as a full quota on NFS. */
int file_close(struct file *file, struct failure *f);

/* Closes, if it is open, and releases. */
void file_release(struct file *file);

#endif
