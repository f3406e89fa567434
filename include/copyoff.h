/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * copyoff.h - one copy-offload call over many backends
 *
 * CONTENTS
 *   1. Introduction
 *   2. Version
 *   3. The simple call
 *   4. Contexts: options, copies, results
 *   5. Plans: which backend, and why not the others
 *   6. Statistics
 *
 * 1. INTRODUCTION
 *
 * copyoff_copy() has the semantics of copy_file_range(2) for any pair of
 * regular files and block devices, and moves the bytes by the cheapest
 * mechanism that is safe for that pair.  It promises, in this order:
 *
 *   - Right bytes: never a wrong result, never a byte outside the range.
 *   - Exact prefix: whatever fails, the count returned is a prefix that really
 *     was copied; the next call can go on from there.  After an error the
 *     bytes of the destination behind that prefix, but inside the range asked
 *     for, are undefined.
 *   - No surprise: every refusal and fallback is recorded with its reason.
 *   - Fast: never slower than the best ordinary way.
 *
 * This header is the contract: what it does not declare is not part of the
 * interface.  It needs C99 or C++98 and a 64-bit off_t.
 *
 * Errors.  Functions return -1 or NULL and set errno, as in POSIX.  After an
 * error on a context, copyoff_ctx_last() also has a sentence naming the
 * operand and the limit.  errno is undefined after success.
 *
 * Threads.  The library starts no threads, installs no signal handlers and
 * keeps no state outside contexts except facts that cannot change until the
 * next boot.  copyoff_copy() may be called from any number of threads.  A
 * context and its plans belong to one thread at a time; different contexts are
 * independent.  After fork(2), each of the two processes has a context of its
 * own, unless it was in use by another thread at that moment.
 *
 * Environment.  Read with secure_getenv(3), and weaker than options:
 *   COPYOFF_BACKENDS  backend filter, see copyoff_opts.backends
 *   COPYOFF_DEBUG     if set and not "0": trace lines on standard error
 */
#ifndef COPYOFF_H
#define COPYOFF_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__) && __GNUC__ >= 4
#define COPYOFF_API __attribute__((visibility("default")))
#else
#define COPYOFF_API
#endif

/* An error on this line means: compile with -D_FILE_OFFSET_BITS=64. */
typedef char copyoff_needs_64_bit_off_t[sizeof(off_t) == 8 ? 1 : -1];

/* ------------------------------------------------------------------------
 * 2. VERSION
 */

#define COPYOFF_VERSION_MAJOR 0
#define COPYOFF_VERSION_MINOR 1
#define COPYOFF_VERSION_PATCH 0

/* One number to compare with: major * 1000000 + minor * 1000 + patch. */
#define COPYOFF_VERSION_NUMBER                                                                     \
	(COPYOFF_VERSION_MAJOR * 1000000 + COPYOFF_VERSION_MINOR * 1000 + COPYOFF_VERSION_PATCH)

/*
 * copyoff_version() - version of the library that runs
 *
 * Returns COPYOFF_VERSION_NUMBER as it was when the library was built; it may
 * differ from the header that the caller was compiled with.  Never fails.
 */
COPYOFF_API unsigned copyoff_version(void);

/* ------------------------------------------------------------------------
 * 3. THE SIMPLE CALL
 */

/*
 * Policy flags.  0 is always valid; an unknown bit is EINVAL.
 *
 * COPYOFF_REQUIRE_OFFLOAD  Fail with EOPNOTSUPP rather than move bytes through
 *                          the memory of this host.
 * COPYOFF_NO_SHARE         The copy gets blocks of its own: no mechanism that
 *                          may share extents (reflink, copy_file_range(2)).
 * COPYOFF_REQUIRE_SHARE    Clone extents or fail with EOPNOTSUPP.
 *                          With COPYOFF_NO_SHARE: EINVAL.
 * COPYOFF_NO_RAW           No commands to devices, behind page cache and file
 *                          system: no backend with COPYOFF_TRAIT_RAW copies,
 *                          and none is asked whether it could.
 * COPYOFF_SYNC             The bytes counted are on stable storage when the
 *                          call returns, as after fdatasync(2).  If that
 *                          cannot be had, the call fails and counts nothing.
 *                          The directory entry of a new file is the caller's.
 * COPYOFF_SPARSE           Holes of the source become holes of the
 *                          destination, also where it had data, and on a block
 *                          device that can deallocate blocks which then read
 *                          as zeroes.  Else zeroes are written, by the device
 *                          itself where it can.
 * COPYOFF_VERIFY           Read back and compare what was copied.  A
 *                          difference ends the copy at the first byte that
 *                          differs, with EIO when nothing before it was equal.
 *                          Needs a readable fd_out, else EBADF.
 *
 * Without COPYOFF_SPARSE, a hole of the source that lands beyond the end of
 * the destination stays a hole, and over existing data it reads as zeroes
 * afterwards, without taking away what the destination had allocated, unless
 * extents are cloned.  Holes in calls of at most 64 KiB may be written as
 * zeroes.  Where holes cannot be located without disturbing the caller's file
 * position (no /proc, POSIX locks of the process on a file, FUSE), zeroes are
 * written, also with COPYOFF_SPARSE; this is noted in the result.  They are
 * written, too, where the destination cannot make holes.
 */
#define COPYOFF_REQUIRE_OFFLOAD 0x0001u
#define COPYOFF_NO_SHARE        0x0002u
#define COPYOFF_REQUIRE_SHARE   0x0004u
#define COPYOFF_NO_RAW          0x0008u
#define COPYOFF_SYNC            0x0010u
#define COPYOFF_SPARSE          0x0020u
#define COPYOFF_VERIFY          0x0040u

/*
 * copyoff_copy() - copy a range of bytes from one file to another
 * @fd_in:   regular file or block device, open for reading
 * @off_in:  where to read, in bytes; advanced by the count returned.  NULL:
 *           use and advance the file position of @fd_in (not locked against
 *           other users of it, as in the kernel).
 * @fd_out:  regular file or block device, open for writing, not O_APPEND
 * @off_out: where to write, likewise
 * @len:     bytes; more than the input has is not an error
 * @flags:   COPYOFF_* policy, 0 for none
 *
 * Works like copy_file_range(2), with the same order of checks, and in
 * addition between any two file systems, on block devices, on kernels and in
 * sandboxes without the system call, and from files that report size 0 but
 * have content (procfs).  It goes on until @len, the end of the input, an
 * error, or a signal that interrupted the kernel.  The end of the input of a
 * regular file is its size when the call began.  A call of at most 64 KiB that
 * makes a file longer by copying within it, by two descriptors, may end with a
 * shorter count.
 *
 * Both descriptors must stay open until the call returns.  POSIX locks of the
 * process on the two files (fcntl(2)) are kept, unless another thread takes them
 * while the call runs: the library may open and close the files a second time,
 * and does not where it finds such locks.
 *
 * Returns the number of bytes copied, which may be less than @len; 0 at the
 * end of the input; -1 and errno if nothing was copied, or if what was copied
 * is not to be relied on:
 *
 *   EBADF       a descriptor is not open, not open for reading or writing as
 *               needed, opened O_PATH, or fd_out is O_APPEND
 *   EINVAL      unknown flag, or COPYOFF_NO_SHARE with COPYOFF_REQUIRE_SHARE;
 *               not a regular file or block device; negative offset; the
 *               ranges overlap within one file or device (partitions, their
 *               disk, loop devices and their files included, as far as sysfs
 *               tells); fd_out is O_DIRECT,
 *               the range is not aligned for it, and the file cannot be opened
 *               a second time (no /proc, no permission, or POSIX locks)
 *   EISDIR      a descriptor is a directory
 *   EPERM       the destination is immutable
 *   ETXTBSY     one side is an active swap file
 *   EOVERFLOW   offset plus length exceeds what 64 bits hold
 *   EFBIG       at or beyond RLIMIT_FSIZE (then SIGXFSZ is sent, too) or the
 *               largest offset of the file system
 *   ENOSPC, EDQUOT  no space left; beyond the end of a block device
 *   EROFS       a device is write protected, or a range of it is
 *   EACCES      another host has reserved a device
 *   EIO         of the device or file system; also, whatever was copied, where
 *               something that was written to a device earlier was lost, which
 *               is reported once, or a disk was exchanged for another one
 *   ETIMEDOUT   a device that copies does not answer, and may write to the
 *               destination later, whatever was copied; or, only where the flags or
 *               the filter leave nothing but copies by a device, it took too long
 *   ENOMEM, EMFILE, ENFILE
 *   ENOSYS      a block device, and the library was built with nothing but
 *               POSIX, which cannot tell its size
 *   EINTR       a signal came before anything was copied
 *   EOPNOTSUPP  the flags or the backend filter leave no backend that can
 *   EBUSY, ENODEV, ENXIO  only where the flags or the filter leave nothing but
 *               copies by a device or beneath it: it is in use, or gone
 */
COPYOFF_API ssize_t copyoff_copy(int fd_in, off_t *off_in, int fd_out, off_t *off_out, size_t len,
				 unsigned flags);

/* ------------------------------------------------------------------------
 * 4. CONTEXTS
 *
 * A context keeps what is worth keeping between copies (verdicts, buffers,
 * pipes, rings), and says afterwards what happened.
 */
typedef struct copyoff_ctx copyoff_ctx;

/*
 * copyoff_opts - how a context works.  Set size to sizeof(struct copyoff_opts)
 * and what is not needed to 0: zero is the default of every field.  Pointers
 * in it need to live only until copyoff_ctx_new() returns, except @log_data
 * and @progress_data, which are handed to the callbacks.
 */
struct copyoff_opts {
	size_t size; /* sizeof(struct copyoff_opts) */

	/*
	 * Comma-separated backend names: only these ("reflink,readwrite"), or
	 * all but these ("^uring,copy_file_range").  The order in the list has
	 * no meaning.  One that is listed to be used is used also where another
	 * one is faster.  NULL: the environment's COPYOFF_BACKENDS, else all.
	 */
	const char *backends;

	/*
	 * Bytes per read and write where bytes move through host memory;
	 * 4096 to 16 MiB, a multiple of 4096.  0: chosen by the backend
	 * (256 KiB to 512 KiB).
	 */
	size_t chunk;

	/*
	 * Reads and writes, or commands to a device, in flight where a backend
	 * queues them; 1 to 64.  0: chosen by the backend (8).
	 * Those of a process that is killed may be carried out behind its end.
	 * chunk * depth must not exceed 64 MiB.
	 */
	unsigned depth;

	/*
	 * Called for every decision taken (which backend, why not another,
	 * what failed) with a line of text without newline, valid only during
	 * the call.  It must not use the context.
	 */
	void (*log)(void *log_data, const char *line);
	void *log_data;

	/*
	 * Called after each piece with the bytes completed so far and the
	 * bytes to do (never less; when the size of the input is not known,
	 * the length asked for); and while a device copies by itself and can
	 * be stopped, with the same numbers (odx; xcopy with several commands
	 * in flight).  Non-zero cancels: the call returns the prefix, or fails
	 * with ECANCELED if there is none.  It must not use the context.
	 */
	int (*progress)(void *progress_data, uint64_t done, uint64_t total);
	void *progress_data;
};

/*
 * copyoff_ctx_new() - make a context
 * @opts: NULL for the defaults
 *
 * A smaller size than the library's is accepted (missing fields default), a
 * larger one if the tail unknown to the library is zero.
 *
 * Returns NULL and errno on failure; the log callback, if there is one, gets a
 * line that says why:
 *   EINVAL  size smaller than its own field; chunk, depth or their product out
 *           of range; a name in backends that no version of the library knows
 *   E2BIG   unknown tail not zero
 *   ENOMEM
 */
COPYOFF_API copyoff_ctx *copyoff_ctx_new(const struct copyoff_opts *opts);

/*
 * copyoff_ctx_free() - release a context and what it keeps
 *
 * NULL is ignored.  Plans made from it must have been freed before.
 */
COPYOFF_API void copyoff_ctx_free(copyoff_ctx *ctx);

/*
 * copyoff_ctx_copy() - copyoff_copy() with a context
 *
 * Same semantics and errors; additionally EINVAL if @ctx is NULL, and
 * ECANCELED, see copyoff_opts.progress.
 */
COPYOFF_API ssize_t copyoff_ctx_copy(copyoff_ctx *ctx, int fd_in, off_t *off_in, int fd_out,
				     off_t *off_out, size_t len, unsigned flags);

/* One piece of a vectored copy, in bytes.  This struct will never change. */
struct copyoff_range {
	int64_t src;
	int64_t dst;
	uint64_t len; /* 0 is allowed and copies nothing */
};

/* Most ranges that one call takes. */
#define COPYOFF_RANGES_MAX 16777216

/*
 * copyoff_ctx_copyv() - copy many ranges between two files
 * @v: @n ranges, in the order in which they are counted
 *
 * The result is the number of bytes of the concatenation of all ranges that
 * were copied: a prefix.  A range that reaches the end of the input ends the
 * copy there.  File positions are neither used nor changed.
 *
 * No range may overlap the destination of another, nor, within one file or
 * device, the source of any.  Ranges count up to the end of the input here.
 *
 * Errors as copyoff_ctx_copy(), for any of the ranges, before anything is
 * copied where that can be known before; additionally:
 *   EINVAL     @v NULL with @n > 0; @n > COPYOFF_RANGES_MAX; overlap
 *   EOVERFLOW  the sum of all lengths exceeds INT64_MAX
 *   ENOMEM     no memory to check the ranges (16 bytes per range, and what qsort(3)
 *              takes)
 */
COPYOFF_API int64_t copyoff_ctx_copyv(copyoff_ctx *ctx, int fd_in, int fd_out,
				      const struct copyoff_range *v, size_t n, unsigned flags);

/* What the last copy did.  May grow at the end. */
struct copyoff_result {
	uint64_t bytes; /* as returned; 0 after an error */
	/*
	 * Of these, bytes known not to have moved through the memory of this
	 * host.  copy_file_range(2) on a local file system may share extents
	 * without telling: such bytes are not counted.
	 */
	uint64_t bytes_offloaded;
	/*
	 * What ended the copy, as a positive errno; 0: the length asked for
	 * was reached, or the end of the input.  It is also set after a short
	 * count: the next call will probably return it.
	 */
	int error;
	const char *backend; /* that moved the last byte; "none" if no byte was */
	/*
	 * With an error, what failed and where; without, why the last byte
	 * was not copied by a backend of higher preference, or "".
	 */
	const char *message;
};

/*
 * copyoff_ctx_last() - what the last copy or plan of a context did
 *
 * Valid, strings included, until the next call that takes the context or one
 * of its plans is made.  Before the first copy everything is zero, the message
 * is "" and the backend "none".
 * Returns NULL, with EINVAL, only if @ctx is NULL.
 */
COPYOFF_API const struct copyoff_result *copyoff_ctx_last(const copyoff_ctx *ctx);

/* ------------------------------------------------------------------------
 * 5. PLANS
 */

/*
 * What a backend does to the bytes.
 *
 * COPYOFF_TRAIT_SHARES     the copy shares extents with its source
 * COPYOFF_TRAIT_MAY_SHARE  it may, and does not tell
 * COPYOFF_TRAIT_RAW        commands go to the device, behind page cache and
 *                          file system
 * COPYOFF_TRAIT_HOST       bytes move, or may move, through host memory
 * COPYOFF_TRAIT_PRIV       needs privileges on most systems
 */
#define COPYOFF_TRAIT_SHARES    0x0001u
#define COPYOFF_TRAIT_RAW       0x0002u
#define COPYOFF_TRAIT_HOST      0x0004u
#define COPYOFF_TRAIT_PRIV      0x0008u
#define COPYOFF_TRAIT_MAY_SHARE 0x0010u

/* Why a backend is not usable.  Values never change; new ones may be added. */
enum copyoff_reason {
	COPYOFF_REASON_NONE = 0, /* it is usable */
	COPYOFF_REASON_NOT_BUILT = 1, /* left out when the library was built */
	COPYOFF_REASON_FILTERED = 2, /* by copyoff_opts.backends or COPYOFF_BACKENDS */
	COPYOFF_REASON_POLICY = 3, /* by the flags of the call */
	COPYOFF_REASON_FILE_TYPE = 4, /* not for this kind of file or descriptor */
	COPYOFF_REASON_UNSUPPORTED = 5, /* by kernel, file system or device */
	COPYOFF_REASON_CROSS_DEVICE = 6, /* not between these two */
	COPYOFF_REASON_PERMISSION = 7, /* refused by rights, seccomp or a sandbox */
	COPYOFF_REASON_ALIGNMENT = 8, /* offsets or length do not fit its blocks */
	COPYOFF_REASON_RESOURCE = 9, /* memory, locked memory, descriptors */
	COPYOFF_REASON_SLOWER = 10, /* works, but another backend is faster here */
	COPYOFF_REASON_MISBEHAVED = 11, /* reported something that cannot be true */
	COPYOFF_REASON_FAILED = 12 /* could not be asked; see the errno */
};

/*
 * 0 in a limit means: none.  max_ranges is at least 1 if the backend is usable.
 * This struct will never change.
 */
struct copyoff_limits {
	uint64_t align; /* source, destination and length are multiples of it */
	uint64_t min_total; /* less is left to another backend, if there is one */
	uint64_t max_range; /* bytes in one range of one operation */
	uint64_t max_ranges; /* ranges in one operation */
	uint64_t max_total; /* bytes in one operation */
};

/* A backend's answer for one pair of descriptors.  May grow at the end. */
struct copyoff_verdict {
	const char *backend;
	int usable; /* 1: by what could be found out without copying */
	enum copyoff_reason reason; /* COPYOFF_REASON_NONE if usable */
	int error; /* positive errno behind the reason, or 0 */
	const char *text; /* one sentence: what it will do, or why not */
	const char *remedy; /* what would make it usable, or "" */
	struct copyoff_limits limits; /* all 0 if not usable */
	unsigned traits; /* COPYOFF_TRAIT_*, for this pair */
};

typedef struct copyoff_plan copyoff_plan;

/*
 * copyoff_plan_new() - ask every backend about a pair of descriptors
 *
 * Reads only.  A verdict is a prediction: a copy may still be refused, and
 * then goes on with the next backend.  The descriptors are not needed after
 * the call; the context must outlive the plan.
 *
 * Returns NULL and errno: EINVAL if @ctx is NULL, the errors of
 * copyoff_copy() about descriptors and flags, ENOMEM; EIO if a device, when it
 * was asked, reported that something it was given before is lost, which it
 * does only once.
 */
COPYOFF_API copyoff_plan *copyoff_plan_new(copyoff_ctx *ctx, int fd_in, int fd_out, unsigned flags);

/* copyoff_plan_free() - release a plan.  NULL is ignored. */
COPYOFF_API void copyoff_plan_free(copyoff_plan *plan);

/*
 * copyoff_plan_count() - number of verdicts, one for each backend
 *
 * Equal to copyoff_backend_count(); 0, with EINVAL, if @plan is NULL.
 */
COPYOFF_API size_t copyoff_plan_count(const copyoff_plan *plan);

/*
 * copyoff_plan_verdict() - the verdict at index @i, in order of preference
 *
 * Lives as long as the plan.  NULL, with EINVAL, if there is none at @i.
 */
COPYOFF_API const struct copyoff_verdict *copyoff_plan_verdict(const copyoff_plan *plan, size_t i);

/*
 * copyoff_plan_explain() - a table for people: what will be used, and why not
 * the others
 * @buf:  gets at most @size bytes including the final 0; may be NULL if @size
 *        is 0
 *
 * Returns the length of the whole text without the final 0, as snprintf(3)
 * does; 0, with EINVAL, if @plan is NULL, or @buf is NULL and @size is not 0.
 * The wording is not part of the contract; programs use the verdicts.
 */
COPYOFF_API size_t copyoff_plan_explain(const copyoff_plan *plan, char *buf, size_t size);

/* A backend of this library.  May grow at the end. */
struct copyoff_backend_info {
	const char *name;
	const char *summary; /* one line */
	unsigned traits; /* COPYOFF_TRAIT_*, before any pair is looked at */
	int built; /* 0: left out when the library was built */
};

/*
 * copyoff_backend_count(), copyoff_backend_info() - the backends, in order of
 * preference, those left out at build time included
 *
 * The info lives as long as the library is loaded.  NULL, with EINVAL, if
 * there is none at @i.
 */
COPYOFF_API size_t copyoff_backend_count(void);
COPYOFF_API const struct copyoff_backend_info *copyoff_backend_info(size_t i);

/* ------------------------------------------------------------------------
 * 6. STATISTICS
 */

/* Sums over the life of a context.  The caller sets size. */
struct copyoff_stats {
	size_t size; /* sizeof(struct copyoff_stats) */
	uint64_t calls; /* attempts to copy, one for each operation tried */
	uint64_t bytes; /* copied, or made zeroes by the device */
	uint64_t declines; /* attempts refused; the next backend went on */
	uint64_t errors; /* attempts that ended the copy with an error */
	uint64_t short_copies; /* attempts that copied less than they were given */
	uint64_t nanoseconds; /* spent in attempts */
};

/*
 * copyoff_ctx_stats() - read the statistics of a context
 * @backend: a backend's name, or NULL for the sum over all
 * @stats:   a smaller size than the library's is filled up to there, the tail
 *           of a larger one is set to zero
 *
 * Returns 0, or -1 and errno: EINVAL if @ctx or @stats is NULL or size is
 * smaller than its own field, ENOENT if no backend has that name.
 */
COPYOFF_API int copyoff_ctx_stats(const copyoff_ctx *ctx, const char *backend,
				  struct copyoff_stats *stats);

#ifdef __cplusplus
}
#endif

#endif /* COPYOFF_H */
