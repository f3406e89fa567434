/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * conformance.h - files under test, each with its model, and calls that are
 * checked against it
 */
#ifndef CONFORMANCE_H
#define CONFORMANCE_H

#include "model.h"

#include <check.h>
#include <copyoff.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What this run of the suite is about. */
struct subject {
	const char *dir;
	const char *backend; /* NULL: all of them, as users have it */
	char filter[128]; /* for copyoff_opts.backends; of no use without a backend */
	bool direct; /* the backend wants O_DIRECT descriptors */
	bool posix; /* the library knows neither O_DIRECT nor O_PATH */
	/*
	 * Block devices, the source and the destination of copies; NULL: files in
	 * the directory.  They may be the same.
	 */
	const char *devices[2];
};
extern struct subject subject;

/* --- files --------------------------------------------------------------- */

/* A file that has no name any more, so that nothing is left behind. */
struct file {
	int fd; /* under test */
	int io; /* for looking at it and changing it, through the page cache */
	struct model model;
};

/* A block device, with what is on it. */
void file_of_device(struct file *f, const char *path, int flags);
/* What is on a device, read past the cache, must be as its model is. */
void file_check_direct(const struct file *f, uint64_t off, uint64_t len, const char *what);

/* @size random bytes, chosen by @seed.  Opened for reading and writing. */
void file_make(struct file *f, uint64_t size, unsigned seed);
void file_close(struct file *f);
/* Another descriptor of the same file, with its own position. */
int file_open(const struct file *f, int flags);
/* Let f->fd be one with these flags. */
void file_reopen(struct file *f, int flags);

/* The same change to the file and to its model. */
void file_write(struct file *f, uint64_t off, uint64_t len, unsigned seed);
void file_map_write(struct file *f, uint64_t off, uint64_t len, unsigned seed);
void file_truncate(struct file *f, uint64_t size);
void file_punch(struct file *f, uint64_t off, uint64_t len);
void file_zero_range(struct file *f, uint64_t off, uint64_t len);

/* The whole file must be as its model is. */
void file_check(const struct file *f, const char *what);
/* Make the model like the file in a range whose content is undefined. */
void file_adopt(struct file *f, uint64_t off, uint64_t len);
uint64_t file_allocated(const struct file *f);

/* Repeatable bytes. */
void fill(unsigned char *p, uint64_t len, unsigned seed);
uint64_t random_next(uint64_t *state);
/* 0 to @n - 1 */
uint64_t random_below(uint64_t *state, uint64_t n);

/*
 * What a copy between the devices under test is between: files of a copy within
 * one device are the same, and what is for the destination is @shift behind it.
 */
struct devices {
	struct file files[2];
	struct file *in, *out;
	int64_t shift;
};
void devices_open(struct devices *d, int flags_in, int flags_out);
void devices_close(struct devices *d);

/* --- calls --------------------------------------------------------------- */

/* The three ways to ask for a copy of one range. */
enum how { HOW_SIMPLE, HOW_CONTEXT, HOW_VECTOR, HOW_COUNT };
extern const char *const how_names[HOW_COUNT];

copyoff_ctx *context_new(size_t chunk, unsigned depth);

/* RLIMIT_FSIZE during the calls below; UINT64_MAX: none. */
extern uint64_t size_limit;

/* Bytes, or -errno. */
int64_t copyv(copyoff_ctx *ctx, int fd_in, int fd_out, const struct copyoff_range *v, size_t n,
	      unsigned flags);
int64_t copy(enum how how, copyoff_ctx *ctx, int fd_in, int64_t off_in, int fd_out, int64_t off_out,
	     uint64_t len, unsigned flags);

/*
 * Make the copy, and the model's copy: the results, the whole of both files, and
 * the file positions must be as the model says.  Returns the result.
 */
int64_t checked_copy(enum how how, copyoff_ctx *ctx, struct file *in, int64_t off_in,
		     struct file *out, int64_t off_out, uint64_t len, unsigned flags);
int64_t checked_copyv(copyoff_ctx *ctx, struct file *in, struct file *out,
		      const struct copyoff_range *v, size_t n, unsigned flags);

/* What the backend under test says of these descriptors. */
struct copyoff_verdict verdict_of(copyoff_ctx *ctx, int fd_in, int fd_out, unsigned flags);
/* May @flags be obeyed at all for this pair by what is not filtered? */
bool policy_can_be_met(copyoff_ctx *ctx, int fd_in, int fd_out, unsigned flags);
uint64_t bytes_moved(const copyoff_ctx *ctx);

/*
 * The kernel's copy_file_range(2), repeated until the length, the end, or an
 * error: an oracle that shares nothing with library and model.  Within one file
 * @len must end before the end, which moves.
 */
int64_t kernel_copy(int fd_in, int64_t off_in, int fd_out, int64_t off_out, uint64_t len);
/* Does it take pairs of files in this directory? */
bool kernel_copies(void);

/* --- cases --------------------------------------------------------------- */

/* Print why a case proves nothing here. */
void skip_case(const char *what, const char *why);

/* Lengths that a system with 32 bits cannot ask for. */
static inline bool fits_size_t(uint64_t len)
{
	return len <= SIZE_MAX;
}

TCase *cases_devices(void);
TCase *cases_data(void);
TCase *cases_holes(void);
TCase *cases_errors(void);
TCase *cases_limits(void);
TCase *cases_descriptors(void);
TCase *cases_policy(void);
TCase *cases_ranges(void);
TCase *cases_random(void);

#endif
