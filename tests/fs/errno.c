/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * errno.c - the library fails like copy_file_range(2), case by case
 *
 * Each row is run with the system call and then with the library, in several
 * ways, each time in a process and with files of its own.  A row says whether
 * the library does as the kernel does (the same errno and signal, or at least
 * as many bytes), or what is documented to be different.  Whatever the result,
 * the prefix is right and no byte outside the range has changed.
 */
#define _GNU_SOURCE
#include <copyoff.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "errname.h"

#define KIB        1024ll
#define MIB        (1024 * KIB)
#define OFF_MAX    0x7fffffffffffffffll
#define BAD_FLAG   0x80000000u
#define SYSFS_FILE "/sys/kernel/mm/transparent_hugepage/enabled" /* says 4096 bytes, has fewer */

enum { SIZE = 1 << 20, ODD_SIZE = 10001, ROOM = 4 << 20, STATUS_SKIP = 77 };

/* What an end of a copy is. */
enum kind {
	FILE_1M,
	FILE_ODD, /* not a multiple of any block */
	FILE_EMPTY,
	FILE_WRONLY,
	FILE_RDONLY,
	FILE_APPEND,
	FILE_PATH,
	FILE_IMMUTABLE, /* since it was opened */
	FILE_APPEND_ATTR, /* likewise */
	FILE_NOCOW,
	FILE_SWAP,
	FILE_ELSEWHERE, /* on another file system */
	SAME, /* the source, opened again */
	DIRECTORY,
	PIPE,
	SOCKET,
	DEV_ZERO,
	CLOSED,
	MEMFD,
	MEMFD_SEALED,
	PROC,
	SYSFS,
};

enum expect {
	AS_KERNEL,
	COPIES, /* what a read of the source gives, up to len */
	FAILS, /* with row.err */
	ENDS, /* with 0: the input ends before the limits of the output matter */
};

struct row {
	const char *name;
	enum kind src;
	enum kind dst;
	int64_t off_in;
	int64_t off_out;
	uint64_t len;
	enum expect expect;
	int err;
	unsigned flags; /* that neither side knows */
	rlim_t limit; /* RLIMIT_FSIZE; 0: none */
};

static const struct row rows[] = {
	{ "aligned", FILE_1M, FILE_EMPTY, 0, 0, .len = 65536 },
	{ "over data", FILE_1M, FILE_1M, 65536, 131072, .len = 65536 },
	{ "unaligned, congruent", FILE_1M, FILE_1M, 1, 1, .len = 65536 },
	{ "unaligned source", FILE_1M, FILE_1M, 1, 4096, .len = 8192 },
	{ "unaligned destination", FILE_1M, FILE_1M, 4096, 1, .len = 8192 },
	{ "length not of blocks, over data", FILE_1M, FILE_1M, 0, 0, .len = 4097 },
	{ "length not of blocks, new", FILE_1M, FILE_EMPTY, 0, 0, .len = 4097 },
	{ "one byte", FILE_1M, FILE_EMPTY, 0, 0, .len = 1 },
	{ "odd end of source, new", FILE_ODD, FILE_EMPTY, 0, 0, .len = ODD_SIZE },
	{ "odd end of source, over data", FILE_ODD, FILE_1M, 0, 4096, .len = ODD_SIZE },
	{ "odd end of source, same size", FILE_ODD, FILE_ODD, 0, 0, .len = ODD_SIZE },
	{ "odd end of source, length beyond", FILE_ODD, FILE_1M, 0, 0, .len = 16384 },
	{ "crosses the end of the source", FILE_1M, FILE_EMPTY, SIZE - 4096, 0, .len = 65536 },
	{ "at the end of the source", FILE_1M, FILE_EMPTY, SIZE, 0, .len = 65536 },
	{ "beyond the end of the source", FILE_1M, FILE_EMPTY, 2 * MIB, 0, .len = 65536 },
	{ "empty source", FILE_EMPTY, FILE_1M, 0, 0, .len = 65536, .expect = ENDS },
	{ "destination has a gap", FILE_1M, FILE_EMPTY, 0, 2 * MIB + 3, .len = 65536 },
	{ "length 0", FILE_1M, FILE_EMPTY, 0, 0, .len = 0 },
	{ "length SSIZE_MAX", FILE_1M, FILE_EMPTY, 0, 0, .len = OFF_MAX },
	{ "length SIZE_MAX", FILE_1M, FILE_EMPTY, 0, 0, .len = UINT64_MAX },

	{ "source offset plus length wraps", FILE_1M, FILE_EMPTY, 4096, 0, .len = UINT64_MAX },
	{ "destination offset plus length wraps", FILE_1M, FILE_EMPTY, 0, 4096, .len = UINT64_MAX },
	{ "sum beyond 63 bits", FILE_1M, FILE_EMPTY, 0, 4096, .len = OFF_MAX },
	{ "negative source offset that wraps", FILE_1M, FILE_EMPTY, -4096, 0, .len = 65536 },
	{ "negative destination offset that wraps", FILE_1M, FILE_EMPTY, 0, -4096, .len = 65536 },
	{ "negative source offset", FILE_1M, FILE_EMPTY, -65536, 0, .len = 4096 },
	{ "negative destination offset", FILE_1M, FILE_EMPTY, 0, -65536, .len = 4096 },
	{ "negative source offset, length 0", FILE_1M, FILE_EMPTY, -1, 0, .len = 0 },
	{ "negative destination offset, length 0", FILE_1M, FILE_EMPTY, 0, -1, .len = 0 },
	{ "most negative offsets", FILE_1M, FILE_EMPTY, -OFF_MAX - 1, -OFF_MAX - 1, .len = 65536 },
	{ "destination 2^63-65536", FILE_1M, FILE_EMPTY, 0, OFF_MAX - 65535, .len = 65536 },
	{ "destination 2^63-2", FILE_1M, FILE_EMPTY, 0, OFF_MAX - 1, .len = 65536 },
	{ "destination 2^63-1", FILE_1M, FILE_EMPTY, 0, OFF_MAX, .len = 65536 },
	{ "destination 17 TiB", FILE_1M, FILE_EMPTY, 0, 17 * MIB *MIB, .len = 65536 },
	{ "source at its end, destination 2^63-2", FILE_1M, FILE_EMPTY, SIZE, OFF_MAX - 1,
	  .len = 65536, .expect = ENDS },
	{ "unknown flag", FILE_1M, FILE_EMPTY, 0, 0, .len = 65536, .flags = BAD_FLAG },

	{ "same file", FILE_1M, SAME, 0, 512 * KIB, .len = 65536 },
	{ "same file, adjacent", FILE_1M, SAME, 0, 131072, .len = 131072 },
	{ "same file, overlap forwards", FILE_1M, SAME, 0, 4096, .len = 65536 },
	{ "same file, overlap backwards", FILE_1M, SAME, 4096, 0, .len = 65536 },
	{ "same file, overlap of a byte", FILE_1M, SAME, 0, 65535, .len = 65536 },
	{ "same file, same range", FILE_1M, SAME, 0, 0, .len = 65536 },
	{ "same file, overlap beyond the end only", FILE_1M, SAME, 0, SIZE, .len = 2 * MIB },
	{ "same file, overlap, length 0", FILE_1M, SAME, 0, 0, .len = 0 },
	{ "same file, at its end", FILE_1M, SAME, SIZE, SIZE, .len = 65536 },
	{ "same file, empty", FILE_EMPTY, SAME, 0, 0, .len = 65536 },

	{ "source write-only", FILE_WRONLY, FILE_EMPTY, 0, 0, .len = 65536 },
	{ "source O_PATH", FILE_PATH, FILE_EMPTY, 0, 0, .len = 65536 },
	{ "source closed", CLOSED, FILE_EMPTY, 0, 0, .len = 65536 },
	{ "source directory", DIRECTORY, FILE_EMPTY, 0, 0, .len = 65536 },
	{ "source pipe", PIPE, FILE_EMPTY, 0, 0, .len = 65536 },
	{ "source socket", SOCKET, FILE_EMPTY, 0, 0, .len = 65536 },
	{ "source /dev/zero", DEV_ZERO, FILE_EMPTY, 0, 0, .len = 65536 },
	{ "destination read-only", FILE_1M, FILE_RDONLY, 0, 0, .len = 65536 },
	{ "destination O_APPEND", FILE_1M, FILE_APPEND, 0, 0, .len = 65536 },
	{ "destination O_PATH", FILE_1M, FILE_PATH, 0, 0, .len = 65536 },
	{ "destination closed", FILE_1M, CLOSED, 0, 0, .len = 65536 },
	{ "destination directory", FILE_1M, DIRECTORY, 0, 0, .len = 65536 },
	{ "destination pipe", FILE_1M, PIPE, 0, 0, .len = 65536 },
	{ "destination socket", FILE_1M, SOCKET, 0, 0, .len = 65536 },
	{ "destination /dev/zero", FILE_1M, DEV_ZERO, 0, 0, .len = 65536 },

	{ "immutable destination", FILE_1M, FILE_IMMUTABLE, 0, 0, .len = 65536 },
	{ "immutable destination, length 0", FILE_1M, FILE_IMMUTABLE, 0, 0, .len = 0 },
	{ "immutable destination, source at its end", FILE_1M, FILE_IMMUTABLE, SIZE, 0,
	  .len = 65536 },
	{ "append-only destination", FILE_1M, FILE_APPEND_ATTR, 0, 0, .len = 65536 },
	{ "immutable source", FILE_IMMUTABLE, FILE_EMPTY, 0, 0, .len = 65536 },
	{ "append-only source", FILE_APPEND_ATTR, FILE_EMPTY, 0, 0, .len = 65536 },
	{ "destination without copy-on-write", FILE_1M, FILE_NOCOW, 0, 0, .len = 65536 },
	{ "source without copy-on-write", FILE_NOCOW, FILE_1M, 0, 0, .len = 65536 },
	{ "both without copy-on-write", FILE_NOCOW, FILE_NOCOW, 0, 0, .len = 65536 },

	{ "RLIMIT_FSIZE within the range", FILE_1M, FILE_1M, 0, 0, .len = 512 * KIB,
	  .limit = 65536 },
	{ "RLIMIT_FSIZE within the range, odd", FILE_1M, FILE_EMPTY, 0, 0, .len = 65536,
	  .limit = 30001 },
	{ "RLIMIT_FSIZE at the destination", FILE_1M, FILE_EMPTY, 0, 65536, .len = 65536,
	  .limit = 65536 },
	{ "RLIMIT_FSIZE within the destination", FILE_1M, FILE_1M, 0, 131072, .len = 65536,
	  .limit = 65536 },
	{ "RLIMIT_FSIZE at the end of the range", FILE_1M, FILE_EMPTY, 0, 0, .len = 65536,
	  .limit = 131072 },
	{ "RLIMIT_FSIZE, source at its end", FILE_1M, FILE_1M, SIZE, 131072, .len = 65536,
	  .limit = 65536, .expect = ENDS },
	{ "RLIMIT_FSIZE, length 0", FILE_1M, FILE_1M, 0, 131072, .len = 0, .limit = 65536,
	  .expect = ENDS },

	/* More than one mistake: the order is the kernel's. */
	{ "closed, and directory", CLOSED, DIRECTORY, 0, 0, .len = 65536 },
	{ "directory, and read-only", DIRECTORY, FILE_RDONLY, 0, 0, .len = 65536 },
	{ "pipe, and read-only", PIPE, FILE_RDONLY, 0, 0, .len = 65536 },
	{ "write-only, and immutable", FILE_WRONLY, FILE_IMMUTABLE, 0, 0, .len = 65536 },
	{ "directory, and unknown flag", DIRECTORY, FILE_EMPTY, 0, 0, .len = 65536,
	  .flags = BAD_FLAG },
	{ "closed, and unknown flag", CLOSED, FILE_EMPTY, 0, 0, .len = 65536, .flags = BAD_FLAG },
	{ "immutable, and offset wraps", FILE_1M, FILE_IMMUTABLE, -4096, 0, .len = 65536 },
	{ "immutable, and negative offset", FILE_1M, FILE_IMMUTABLE, -65536, 0, .len = 4096 },
	{ "negative source and destination that wraps", FILE_1M, FILE_EMPTY, -65536, -1,
	  .len = 4096 },
	{ "RLIMIT_FSIZE, and overlap", FILE_1M, SAME, 131072, 131072, .len = 65536,
	  .limit = 65536 },
	{ "RLIMIT_FSIZE takes the overlap away", FILE_1M, SAME, 65536, 0, .len = 131072,
	  .limit = 65536 },
	{ "RLIMIT_FSIZE, and immutable", FILE_1M, FILE_IMMUTABLE, 0, 131072, .len = 65536,
	  .limit = 65536 },
	{ "read-only, and overlap", FILE_1M, FILE_RDONLY, 0, 0, .len = 65536 },

	/* Where the library can do more than the kernel. */
	{ "other file system", FILE_1M, FILE_ELSEWHERE, 0, 0, .len = 65536, .expect = COPIES },
	{ "from another file system", FILE_ELSEWHERE, FILE_1M, 1, 4096, .len = 65536,
	  .expect = COPIES },
	{ "destination memfd", FILE_1M, MEMFD, 0, 0, .len = 65536, .expect = COPIES },
	{ "source memfd", MEMFD, FILE_EMPTY, 0, 0, .len = 65536, .expect = COPIES },
	{ "destination memfd, sealed", FILE_1M, MEMFD_SEALED, 0, 0, .len = 65536, .expect = FAILS,
	  .err = EPERM },
	{ "source in /proc", PROC, FILE_EMPTY, 0, 0, .len = 65536, .expect = COPIES },
	{ "source in /proc, from the middle", PROC, FILE_1M, 5, 4097, .len = 65536,
	  .expect = COPIES },
	{ "source in /sys", SYSFS, FILE_EMPTY, 0, 0, .len = 65536, .expect = COPIES },
};

/* With swap switched on, which a machine may forbid. */
static const struct row swap_rows[] = {
	{ "destination swap file", FILE_1M, FILE_SWAP, 0, 0, .len = 65536 },
	{ "source swap file", FILE_SWAP, FILE_EMPTY, 0, 0, .len = 65536 },
	{ "destination swap file, length 0", FILE_1M, FILE_SWAP, 0, 0, .len = 0 },
	{ "destination swap file, source at its end", FILE_1M, FILE_SWAP, SIZE, 0, .len = 65536 },
	{ "source swap file, offset wraps", FILE_SWAP, FILE_EMPTY, -4096, 0, .len = 65536 },
	{ "destination swap file, immutable source", FILE_IMMUTABLE, FILE_SWAP, 0, 0,
	  .len = 65536 },
};

static const struct variant {
	const char *name;
	bool kernel; /* the system call itself */
	bool simple; /* copyoff_copy() */
	const char *backends;
	bool elsewhere; /* can do more than the kernel */
} variants[] = {
	{ .name = "kernel", .kernel = true },
	{ .name = "copyoff_copy", .simple = true, .elsewhere = true },
	{ .name = "context", .elsewhere = true },
	{ .name = "in-kernel backends", .backends = "reflink,copy_file_range" },
	{ .name = "readwrite", .backends = "readwrite", .elsewhere = true },
};

/* An end that is open; @view is a descriptor to look at it with, or -1. */
struct end {
	int fd;
	int view;
	int64_t size; /* before the copy */
	char path[256];
	bool flagged; /* has attributes that stand in the way of unlink */
	bool swapping;
};

/* What a run says, in memory that it shares with its parent. */
struct outcome {
	bool possible; /* there are such files on this file system */
	bool refused_swap;
	int64_t ret;
	int err;
	int signals;
	bool content_ok;
	int64_t readable; /* bytes that there were to copy */
};

static const char *dir, *other_dir;
static volatile sig_atomic_t signals;

static void fail(const char *what)
{
	perror(what);
	_exit(1);
}

static void on_signal(int sig)
{
	(void)sig;
	signals = signals + 1;
}

static char pattern(int64_t off, unsigned seed)
{
	uint64_t x = ((uint64_t)off / 8 + 1) * 0x9e3779b97f4a7c15u + seed;

	return (char)(x >> (8 * (off % 8)) ^ x >> 29);
}

static void write_pattern(int fd, int64_t size, unsigned seed)
{
	static char buf[SIZE];

	for (int64_t i = 0; i < size; i++)
		buf[i] = pattern(i, seed);
	if (pwrite(fd, buf, (size_t)size, 0) != size)
		fail("write");
}

/* --- ends ----------------------------------------------------------------- */

/* The ioctl() of musl takes an int, which these requests do not fit. */
static int control(int fd, unsigned long request, int *arg)
{
	return (int)syscall(SYS_ioctl, fd, request, arg);
}

static int change_attributes(const char *path, int set, int clear)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int attributes = 0;
	int ret;

	if (fd < 0)
		return -1;
	ret = control(fd, FS_IOC_GETFLAGS, &attributes);
	attributes = (attributes | set) & ~clear;
	if (ret == 0)
		ret = control(fd, FS_IOC_SETFLAGS, &attributes);
	close(fd);
	return ret;
}

static bool set_attribute(struct end *end, int attribute)
{
	end->flagged = change_attributes(end->path, attribute, 0) == 0;
	return end->flagged;
}

/* Swap files of btrfs are without copy-on-write; others do not know the attribute. */
static bool start_swap(struct end *end, struct outcome *out)
{
	char command[sizeof(end->path) + 64];

	if (fsync(end->fd) < 0 || fchmod(end->fd, 0600) < 0)
		fail(end->path);
	snprintf(command, sizeof(command), "mkswap '%s' >/dev/null 2>&1", end->path);
	if (system(command) != 0 || swapon(end->path, 0) < 0) {
		out->refused_swap = true;
		return false;
	}
	end->swapping = true;
	return true;
}

static int64_t size_of(enum kind kind)
{
	return kind == FILE_EMPTY ? 0 : kind == FILE_ODD ? ODD_SIZE : SIZE;
}

static bool open_regular(struct end *end, enum kind kind, const char *name, unsigned seed,
			 struct outcome *out)
{
	int flags = kind == FILE_WRONLY   ? O_WRONLY
		    : kind == FILE_RDONLY ? O_RDONLY
		    : kind == FILE_APPEND ? O_RDWR | O_APPEND
		    : kind == FILE_PATH   ? O_PATH
					  : O_RDWR;
	int fd;

	snprintf(end->path, sizeof(end->path), "%s/%s", kind == FILE_ELSEWHERE ? other_dir : dir,
		 name);
	fd = open(end->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		fail(end->path);
	if ((kind == FILE_NOCOW && change_attributes(end->path, FS_NOCOW_FL, 0) < 0)) {
		close(fd);
		return false;
	}
	if (kind == FILE_SWAP)
		(void)change_attributes(end->path, FS_NOCOW_FL, 0);
	end->size = size_of(kind);
	write_pattern(fd, end->size, seed);
	close(fd);
	end->fd = open(end->path, flags | O_CLOEXEC);
	end->view = open(end->path, O_RDONLY | O_CLOEXEC);
	if (end->fd < 0 || end->view < 0)
		fail(end->path);
	if (kind == FILE_IMMUTABLE)
		return set_attribute(end, FS_IMMUTABLE_FL);
	if (kind == FILE_APPEND_ATTR)
		return set_attribute(end, FS_APPEND_FL);
	return kind != FILE_SWAP || start_swap(end, out);
}

static bool open_memfd(struct end *end, bool sealed, unsigned seed)
{
	end->fd = memfd_create("copyoff", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (end->fd < 0)
		return false;
	end->size = SIZE;
	write_pattern(end->fd, SIZE, seed);
	if (sealed && fcntl(end->fd, F_ADD_SEALS, F_SEAL_WRITE) < 0)
		return false;
	end->view = dup(end->fd);
	return true;
}

static bool open_existing(struct end *end, const char *path, int flags)
{
	end->fd = open(path, flags | O_CLOEXEC);
	return end->fd >= 0;
}

static bool open_pipe(struct end *end, bool dst)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return false;
	end->fd = fds[dst];
	return true;
}

static bool open_socket(struct end *end)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return false;
	end->fd = fds[0];
	return true;
}

static bool open_end(struct end *end, enum kind kind, bool dst, const struct end *src,
		     struct outcome *out)
{
	unsigned seed = dst ? 2 : 1;

	*end = (struct end){ .fd = -1, .view = -1 };
	switch (kind) {
	case SAME:
		end->size = src->size;
		end->view = dup(src->view);
		return open_existing(end, src->path, O_RDWR);
	case DIRECTORY:
		return open_existing(end, dir, O_RDONLY | O_DIRECTORY);
	case PIPE:
		return open_pipe(end, dst);
	case SOCKET:
		return open_socket(end);
	case DEV_ZERO:
		return open_existing(end, "/dev/zero", O_RDWR);
	case CLOSED:
		end->fd = 999;
		return true;
	case MEMFD:
		return open_memfd(end, false, seed);
	case MEMFD_SEALED:
		return open_memfd(end, true, seed);
	case PROC:
		end->view = open("/proc/filesystems", O_RDONLY | O_CLOEXEC);
		return open_existing(end, "/proc/filesystems", O_RDONLY);
	case SYSFS:
		end->view = open(SYSFS_FILE, O_RDONLY | O_CLOEXEC);
		return open_existing(end, SYSFS_FILE, O_RDONLY);
	default:
		return open_regular(end, kind, dst ? "dst" : "src", seed, out);
	}
}

static void close_end(const struct end *end)
{
	if (end->swapping && swapoff(end->path) < 0)
		perror("swapoff");
	if (end->flagged)
		(void)change_attributes(end->path, 0, FS_IMMUTABLE_FL | FS_APPEND_FL);
	if (end->path[0])
		(void)unlink(end->path);
}

/* --- a run ---------------------------------------------------------------- */

/* Bytes at @off of an end, at most @len of them and ROOM; 0 where it cannot be read. */
static int64_t look(const struct end *end, char *buf, int64_t off, uint64_t len)
{
	size_t want = len < ROOM ? (size_t)len : ROOM;
	size_t got = 0;

	while (got < want && end->view >= 0) {
		ssize_t ret = pread(end->view, buf + got, want - got, off + (off_t)got);

		if (ret <= 0)
			break;
		got += (size_t)ret;
	}
	return (int64_t)got;
}

/* Is @now what @before becomes when @ret bytes of @source are copied to @off_out? */
static bool is_copied(const struct row *row, const struct end *dst, const char *before,
		      const char *source, int64_t ret)
{
	static char now[ROOM];
	uint64_t done = ret > 0 ? (uint64_t)ret : 0;
	uint64_t from = (uint64_t)row->off_out;
	uint64_t undefined_end = from + row->len;
	int64_t size;

	if (done > ROOM)
		return false;
	if (row->off_out < 0 || row->off_out > ROOM - SIZE)
		return done == 0 || (look(dst, now, row->off_out, done) == (int64_t)done &&
				     memcmp(now, source, (size_t)done) == 0);
	size = look(dst, now, 0, ROOM);
	if (size < dst->size || (done > 0 && (uint64_t)size < from + done))
		return false;
	for (uint64_t i = 0; i < (uint64_t)size; i++) {
		char old = i < (uint64_t)dst->size ? before[i] : 0;

		if (i >= from && i < from + done) {
			if (now[i] != source[i - from])
				return false;
		} else if ((i < from || i >= undefined_end || row->len == done) && now[i] != old) {
			return false;
		}
	}
	return true;
}

static int64_t call_kernel(const struct row *row, int in, int out)
{
	int64_t off_in = row->off_in, off_out = row->off_out;

	return syscall(SYS_copy_file_range, in, &off_in, out, &off_out, (size_t)row->len,
		       row->flags);
}

static int64_t call_library(const struct variant *variant, const struct row *row, int in, int out)
{
	struct copyoff_opts opts = { .size = sizeof(opts), .backends = variant->backends };
	off_t off_in = row->off_in, off_out = row->off_out;
	copyoff_ctx *ctx;
	int64_t ret;
	int err;

	if (variant->simple)
		return copyoff_copy(in, &off_in, out, &off_out, (size_t)row->len, row->flags);
	ctx = copyoff_ctx_new(&opts);
	if (!ctx)
		fail("copyoff_ctx_new");
	ret = copyoff_ctx_copy(ctx, in, &off_in, out, &off_out, (size_t)row->len, row->flags);
	err = errno;
	copyoff_ctx_free(ctx);
	errno = err;
	return ret;
}

static void set_limit(rlim_t limit)
{
	struct rlimit rl;

	if (limit == 0)
		return;
	if (getrlimit(RLIMIT_FSIZE, &rl) < 0)
		fail("getrlimit");
	rl.rlim_cur = limit;
	if (setrlimit(RLIMIT_FSIZE, &rl) < 0)
		fail("setrlimit");
}

static void run_in_child(const struct row *row, const struct variant *variant, struct outcome *out)
{
	static char source[ROOM], before[ROOM];
	struct end src, dst;

	signal(SIGXFSZ, on_signal);
	dst = (struct end){ .fd = -1 };
	out->possible = open_end(&src, row->src, false, NULL, out) &&
			open_end(&dst, row->dst, true, &src, out);
	if (out->possible) {
		out->readable = row->off_in < 0 ? 0 : look(&src, source, row->off_in, row->len);
		look(&dst, before, 0, ROOM);
		set_limit(row->limit);
		errno = 0;
		out->ret = variant->kernel ? call_kernel(row, src.fd, dst.fd)
					   : call_library(variant, row, src.fd, dst.fd);
		out->err = out->ret < 0 ? errno : 0;
		out->signals = signals;
		out->content_ok = dst.view < 0 || is_copied(row, &dst, before, source, out->ret);
	}
	close_end(&dst);
	close_end(&src);
}

static struct outcome run(const struct row *row, const struct variant *variant)
{
	struct outcome *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
				      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct outcome out;
	int status;
	pid_t pid;

	if (shared == MAP_FAILED)
		fail("mmap");
	memset(shared, 0, sizeof(*shared));
	fflush(stdout);
	pid = fork();
	if (pid < 0)
		fail("fork");
	if (pid == 0) {
		run_in_child(row, variant, shared);
		_exit(0);
	}
	if (waitpid(pid, &status, 0) < 0 || status != 0) {
		fprintf(stderr, "%s, %s: the process ended with status 0x%x\n", row->name,
			variant->name, (unsigned)status);
		exit(1);
	}
	out = *shared;
	munmap(shared, sizeof(*shared));
	return out;
}

/* --- judgement ------------------------------------------------------------ */

static bool as_kernel(const struct outcome *kernel, const struct outcome *library)
{
	if (kernel->signals != library->signals)
		return false;
	if (kernel->ret < 0)
		return library->ret < 0 && library->err == kernel->err;
	/* 0 is the end of the input, for both. */
	return kernel->ret == 0 ? library->ret == 0 : library->ret >= kernel->ret;
}

static bool as_expected(const struct row *row, const struct outcome *kernel,
			const struct outcome *library)
{
	if (!library->content_ok)
		return false;
	switch (row->expect) {
	case AS_KERNEL:
		return as_kernel(kernel, library);
	case COPIES:
		return library->ret == library->readable && library->ret > 0;
	case ENDS:
		/* The kernel may have sent its signal for a call that looks further. */
		return library->ret == 0 && library->signals <= kernel->signals;
	default:
		return library->ret < 0 && library->err == row->err;
	}
}

static void describe(const struct outcome *out, char *buf, size_t size)
{
	int len = out->ret < 0 ? snprintf(buf, size, "%s", errname(out->err))
			       : snprintf(buf, size, "%lld", (long long)out->ret);

	snprintf(buf + len, size - (size_t)len, "%s%s", out->signals ? " SIGXFSZ" : "",
		 out->content_ok ? "" : " WRONG CONTENT");
}

static int judge(const struct row *row, const struct outcome *kernel)
{
	static const char *const expectations[] = { "as the kernel", "copies", "fails", "ends" };
	char text[64], last[64] = "";
	int failures = 0;

	describe(kernel, text, sizeof(text));
	printf("%-45s len %-8lld kernel %s; %s:", row->name, (long long)row->len, text,
	       expectations[row->expect]);
	for (size_t i = 1; i < sizeof(variants) / sizeof(variants[0]); i++) {
		struct outcome library;

		if (row->expect != AS_KERNEL && !variants[i].elsewhere)
			continue;
		library = run(row, &variants[i]);
		describe(&library, text, sizeof(text));
		if (!as_expected(row, kernel, &library)) {
			printf(" FAILED %s: %s", variants[i].name, text);
			failures++;
		} else if (strcmp(text, last) != 0) {
			printf(" %s", text);
			strcpy(last, text);
		}
	}
	printf("\n");
	return failures;
}

static int check(const struct row *row, int *ran)
{
	struct outcome kernel = run(row, &variants[0]);

	if (kernel.refused_swap) {
		printf("SKIP: swapon is refused here\n");
		exit(STATUS_SKIP);
	}
	if (!kernel.possible) {
		printf("%-45s no such files on this file system\n", row->name);
		return 0;
	}
	if (row->expect == AS_KERNEL && !kernel.content_ok) {
		printf("%-45s the kernel itself copied wrongly\n", row->name);
		return 1;
	}
	++*ran;
	return judge(row, &kernel);
}

/* Up to 64 KiB the library takes a shorter way, so such rows are run twice. */
static int check_both_sizes(const struct row *row, int *ran)
{
	struct row larger = *row;
	int failures = check(row, ran);

	if (row->len != 65536)
		return failures;
	larger.len = 128 * KIB;
	return failures + check(&larger, ran);
}

int main(int argc, char **argv)
{
	bool swap = argc == 4 && strcmp(argv[3], "swap") == 0;
	const struct row *table = swap ? swap_rows : rows;
	size_t n = swap ? sizeof(swap_rows) / sizeof(rows[0]) : sizeof(rows) / sizeof(rows[0]);
	int failures = 0, ran = 0;

	if (argc != 3 && !swap) {
		fprintf(stderr, "usage: fs-errno DIRECTORY OTHER-DIRECTORY [swap]\n");
		return 2;
	}
	dir = argv[1];
	other_dir = argv[2];
	for (size_t i = 0; i < n; i++)
		failures += check_both_sizes(&table[i], &ran);
	printf("%d rows, %d failures\n", ran, failures);
	return failures > 0 || ran == 0;
}
