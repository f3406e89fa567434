/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * world.h - a source, a destination, what is to be copied, and whether what
 * came of it is right
 *
 * The files have no names: whatever happens, nothing is left behind.
 */
#ifndef FAULT_WORLD_H
#define FAULT_WORLD_H

#include <copyoff.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WORLD_RANGES = 32 };

/* How to make a world. */
struct layout {
	const char *src_dir; /* NULL: the directory of the test */
	const char *dst_dir;
	const char *src_path; /* an existing file instead */
	/* Environment variables with the path of a block device of that very size. */
	const char *src_device, *dst_device;
	size_t src_size;
	size_t dst_size; /* of random bytes that are there before */
	bool holes; /* the source has holes of 64 KiB, every other one, and at its end */
	bool same; /* source and destination are one file */
	bool src_direct, dst_direct; /* O_DIRECT */
};

struct world {
	char *src;
	size_t src_size;
	char *old; /* the destination before */
	size_t old_size;
	char *now; /* the destination, and what it should be */
	char *should;
	size_t room; /* bytes in each of these */
	bool same;
	bool dst_is_device;
	int fd_in, fd_out; /* for the copy */
	int src_fd, dst_fd; /* for looking, without O_DIRECT */
	struct copyoff_range v[WORLD_RANGES];
	size_t n;
	uint64_t total; /* bytes that can be copied */
};

/* False, with a reason, if the file system cannot do this (O_DIRECT). */
bool world_make(struct world *w, const struct layout *layout, const char **why);
void world_free(struct world *w);

/* Add a range.  All must be added before the first world_reset(). */
void world_add(struct world *w, int64_t src, int64_t dst, uint64_t len);

/* The destination as it was. */
void world_reset(struct world *w);

/* Ranges from byte @done of the concatenation on; returns how many. */
size_t world_rest(const struct world *w, uint64_t done, struct copyoff_range *v);

/*
 * What is wrong after @done bytes were copied; NULL: nothing.  That is: they
 * are those of the source, the rest of the ranges is old or copied, everything
 * outside is as before.
 */
const char *world_wrong(struct world *w, uint64_t done);

/* Likewise, when nothing at all is missing. */
const char *world_incomplete(struct world *w);

/* --- for all tests ------------------------------------------------------------ */

/* A file without name in @dir (NULL: the current directory). */
int unnamed_file(const char *dir);
/* Another descriptor of the same file; -1 and errno. */
int open_again(int fd, int flags);
void fill(char *buf, size_t size, uint64_t seed);
void write_all(int fd, const char *buf, size_t size, int64_t off);
/* Bytes read, up to the end of the file. */
size_t read_all(int fd, char *buf, size_t size, int64_t off);
int count_descriptors(void);
void *xalloc(size_t size);

/* Prints and ends the test with @status: 1 failed, 77 skipped. */
_Noreturn void quit(int status, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
#define REQUIRE(cond)                                                                              \
	do {                                                                                       \
		if (!(cond))                                                                       \
			quit(1, "%s:%d: %s", __FILE__, __LINE__, #cond);                           \
	} while (0)

#endif
