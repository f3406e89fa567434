/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * check.c - the argument checks of copy_file_range(2), made here
 *
 * The order is the kernel's: fs/read_write.c copy_file_range() and
 * vfs_copy_file_range(), mm/filemap.c generic_copy_file_checks() (since 5.3).
 * It must hold for every backend, also where no such system call is made.
 */
#include "internal.h"

#include <errno.h>
#include <string.h>

/* Facts that need the descriptor only; -EBADF if there is nothing behind it. */
static int look(int fd, struct copyoff_end *end, struct copyoff_open_mode *mode,
		struct copyoff_stat *st)
{
	int ret = copyoff_sys_open_mode(fd, mode);

	if (ret < 0)
		return ret;
	if (mode->path_only)
		return -EBADF;
	ret = copyoff_sys_stat(fd, st);
	if (ret < 0)
		return ret;
	memset(end, 0, sizeof(*end));
	end->fd = fd;
	end->kind = st->kind;
	end->dev = st->dev;
	end->ino = st->ino;
	end->rdev = st->rdev;
	end->size = st->size;
	/* Size 0 is also what procfs and the like say of files with content. */
	end->size_known = st->size > 0;
	end->allocated = st->allocated;
	end->direct = mode->direct;
	end->io_align = 1;
	return 0;
}

static const char *cannot_look(int err)
{
	return err == -EBADF ? "not an open file" : "cannot get type and size";
}

/* What O_DIRECT asks of offsets and lengths where the kernel does not say. */
enum { DIRECT_ALIGN_FALLBACK = 4096 };

/* Size and alignment, once the type is known to be one that can be copied. */
static int look_closer(struct copyoff_end *end, const struct copyoff_stat *st)
{
	struct copyoff_chain chain;
	uint32_t logical_block = 0;
	int ret;

	if (end->kind == COPYOFF_KIND_BLOCK) {
		ret = copyoff_sys_block_size(end->fd, &end->size, &logical_block);
		if (ret < 0)
			return ret;
		end->size_known = true;
		copyoff_chain_open(&chain, end->fd, end->rdev);
		end->place = chain.place;
		copyoff_chain_close(&chain);
	} else {
		end->place = (struct copyoff_place){ true, end->dev, end->ino, 0 };
	}
	if (end->direct) {
		end->io_align = st->dio_align ? st->dio_align : logical_block;
		if (!end->io_align)
			end->io_align = DIRECT_ALIGN_FALLBACK;
	}
	return 0;
}

static bool copyable(const struct copyoff_end *end)
{
	return end->kind == COPYOFF_KIND_REGULAR || end->kind == COPYOFF_KIND_BLOCK;
}

/*
 * Only the kernel knows swap files.  It looks for them before it refuses a sum
 * that wraps, which this is, and before it may send SIGXFSZ.
 */
static bool is_swap_file(int fd_in, int fd_out)
{
	return copyoff_sys_copy_file_range(fd_in, -4096, fd_out, 0, 8192) == -ETXTBSY;
}

int copyoff_check_pair(struct copyoff_ctx *ctx, int fd_in, int fd_out, unsigned flags,
		       struct copyoff_end *in, struct copyoff_end *out)
{
	struct copyoff_open_mode mode_in, mode_out;
	struct copyoff_stat st_in, st_out;
	int ret;

	ret = look(fd_in, in, &mode_in, &st_in);
	if (ret < 0)
		return copyoff_fail(ctx, ret, "fd_in %d: %s", fd_in, cannot_look(ret));
	ret = look(fd_out, out, &mode_out, &st_out);
	if (ret < 0)
		return copyoff_fail(ctx, ret, "fd_out %d: %s", fd_out, cannot_look(ret));
	if (flags & ~COPYOFF_FLAGS_ALL)
		return copyoff_fail(ctx, -EINVAL, "flags: unknown bits 0x%x",
				    flags & ~COPYOFF_FLAGS_ALL);
	if ((flags & COPYOFF_NO_SHARE) && (flags & COPYOFF_REQUIRE_SHARE))
		return copyoff_fail(ctx, -EINVAL,
				    "flags: COPYOFF_NO_SHARE contradicts COPYOFF_REQUIRE_SHARE");
	if (in->kind == COPYOFF_KIND_DIRECTORY)
		return copyoff_fail(ctx, -EISDIR, "fd_in %d: is a directory", fd_in);
	if (out->kind == COPYOFF_KIND_DIRECTORY)
		return copyoff_fail(ctx, -EISDIR, "fd_out %d: is a directory", fd_out);
	if (!copyable(in))
		return copyoff_fail(ctx, -EINVAL,
				    "fd_in %d: neither a regular file nor a block device", fd_in);
	if (!copyable(out))
		return copyoff_fail(ctx, -EINVAL,
				    "fd_out %d: neither a regular file nor a block device", fd_out);
	if (!mode_in.readable)
		return copyoff_fail(ctx, -EBADF, "fd_in %d: not open for reading", fd_in);
	if (!mode_out.writable)
		return copyoff_fail(ctx, -EBADF, "fd_out %d: not open for writing", fd_out);
	if (mode_out.append)
		return copyoff_fail(ctx, -EBADF, "fd_out %d: open with O_APPEND", fd_out);
	if ((flags & COPYOFF_VERIFY) && !mode_out.readable)
		return copyoff_fail(ctx, -EBADF,
				    "fd_out %d: not open for reading, COPYOFF_VERIFY needs it",
				    fd_out);
	if (out->kind == COPYOFF_KIND_REGULAR && st_out.immutable)
		return copyoff_fail(ctx, -EPERM, "fd_out %d: file is immutable", fd_out);
	if (is_swap_file(fd_in, fd_out))
		return copyoff_fail(ctx, -ETXTBSY, "fd_in %d or fd_out %d: active swap file", fd_in,
				    fd_out);
	ret = look_closer(in, &st_in);
	if (ret < 0)
		return copyoff_fail(ctx, ret, "fd_in %d: cannot get the size", fd_in);
	ret = look_closer(out, &st_out);
	if (ret < 0)
		return copyoff_fail(ctx, ret, "fd_out %d: cannot get the size", fd_out);
	return 0;
}

bool copyoff_same_file(const struct copyoff_end *in, const struct copyoff_end *out)
{
	if (in->kind != out->kind)
		return false;
	if (in->kind == COPYOFF_KIND_BLOCK)
		return in->rdev == out->rdev;
	return in->dev == out->dev && in->ino == out->ino;
}

/* RLIMIT_FSIZE comes before overlap; the write that follows sends the signal. */
static bool overlaps(const struct copyoff_end *in, int64_t off_in, const struct copyoff_end *out,
		     int64_t off_out, uint64_t len)
{
	uint64_t src = in->place.base + (uint64_t)off_in;
	uint64_t dst = out->place.base + (uint64_t)off_out;
	uint64_t limit;

	if (!copyoff_same_place(&in->place, &out->place) || !copyoff_range_overlap(src, dst, len))
		return false;
	if (out->kind == COPYOFF_KIND_BLOCK)
		return true;
	limit = copyoff_sys_file_size_limit();
	if ((uint64_t)off_out >= limit)
		return false;
	return copyoff_range_overlap(src, dst, copyoff_range_min(len, limit - (uint64_t)off_out));
}

/* How much of @len there is to read; all of it where the size is not known. */
static uint64_t before_end(const struct copyoff_end *in, const struct copyoff_end *out,
			   uint64_t off, uint64_t len)
{
	/* A file that can be written to, too, is an empty file. */
	if (!in->size_known && !copyoff_same_file(in, out))
		return len;
	return off < in->size ? copyoff_range_min(len, in->size - off) : 0;
}

int copyoff_check_range(struct copyoff_ctx *ctx, const struct copyoff_end *in, int64_t off_in,
			const struct copyoff_end *out, int64_t off_out, uint64_t *len)
{
	uint64_t end;

	/* As the kernel computes it: a negative offset wraps if len reaches 0. */
	if (!copyoff_range_end((uint64_t)off_in, *len, &end))
		return copyoff_fail(ctx, -EOVERFLOW,
				    "source offset %lld plus length %llu overflows",
				    (long long)off_in, (unsigned long long)*len);
	if (!copyoff_range_end((uint64_t)off_out, *len, &end))
		return copyoff_fail(ctx, -EOVERFLOW,
				    "destination offset %lld plus length %llu overflows",
				    (long long)off_out, (unsigned long long)*len);
	if (off_in < 0)
		return copyoff_fail(ctx, -EINVAL, "source offset %lld is negative",
				    (long long)off_in);
	*len = before_end(in, out, (uint64_t)off_in, *len);
	if (off_out < 0)
		return copyoff_fail(ctx, -EINVAL, "destination offset %lld is negative",
				    (long long)off_out);
	if (*len == 0)
		return 0;
	if (off_out == INT64_MAX)
		return copyoff_fail(ctx, -EFBIG, "destination offset is the largest there is");
	*len = copyoff_range_min(*len, (uint64_t)(INT64_MAX - off_out));
	*len = copyoff_range_min(*len, (uint64_t)(INT64_MAX - off_in));
	if (overlaps(in, off_in, out, off_out, *len))
		return copyoff_fail(ctx, -EINVAL,
				    "source %lld and destination %lld overlap within %llu bytes of "
				    "one file or device",
				    (long long)off_in, (long long)off_out,
				    (unsigned long long)*len);
	return 0;
}
