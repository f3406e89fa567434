/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
#ifndef COPYOFF_TOOL_SAME_H
#define COPYOFF_TOOL_SAME_H

#include <stdbool.h>
#include <sys/stat.h>

/*
 * Do two open files hold the same bytes?  One inode under whatever names, one
 * block device through whatever nodes, or a loop device and its backing file.
 */
bool same_storage(int fd_a, const struct stat *a, int fd_b, const struct stat *b);

#endif
