/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * readwrite.c - pread(2) and pwrite(2), which work everywhere
 *
 * Between cached files, where the system has splice(2), pages go through a
 * pipe instead, which saves one of two copies in memory.  Needs nothing but
 * POSIX; what else it uses may be missing.
 */
#include "backend.h"

#include <errno.h>
#include <string.h>

enum {
	BUFFERED_PIECE = 256 << 10, /* fits the second-level cache; larger is not faster */
	SPLICED_PIECE = 512 << 10,
	SPLICE_LEAST = 128 << 10, /* below, setting it up costs more than it saves */
	MEMORY_ALIGN = 4096, /* enough for O_DIRECT on all known hardware */
};

/* Kept by a context. */
struct keep {
	char *buf;
	size_t buf_size;
	int pipe[2];
	size_t pipe_size; /* 0: there is no pipe */
};

/* What a call returned that was given @len bytes; impossible counts are errors. */
static int64_t believable(int64_t ret, int64_t len)
{
	return ret > len ? -EIO : ret;
}

static struct keep *get_keep(struct copyoff_offer *offer)
{
	struct keep *keep = *offer->keep;

	if (!keep) {
		keep = copyoff_sys_alloc(sizeof(*keep), sizeof(void *));
		if (keep)
			*keep = (struct keep){ .pipe = { -1, -1 } };
		*offer->keep = keep;
	}
	return keep;
}

static void drop_pipe(struct keep *keep)
{
	if (keep->pipe_size > 0) {
		(void)copyoff_sys_close(keep->pipe[0]);
		(void)copyoff_sys_close(keep->pipe[1]);
		keep->pipe_size = 0;
	}
}

static void readwrite_close(void *p)
{
	struct keep *keep = p;

	drop_pipe(keep);
	copyoff_sys_free(keep->buf);
	copyoff_sys_free(keep);
}

static bool worth_splicing(const struct copyoff_pair *pair)
{
	return !pair->in.direct && !pair->out.direct && pair->in.size_known &&
	       pair->in.kind == COPYOFF_KIND_REGULAR && pair->out.kind == COPYOFF_KIND_REGULAR;
}

static int readwrite_probe(const struct copyoff_pair *pair, struct copyoff_offer *offer)
{
	offer->limits.max_range = worth_splicing(pair) ? SPLICED_PIECE : BUFFERED_PIECE;
	if (pair->chunk)
		offer->limits.max_range = pair->chunk;
	return 0;
}

/* --- through a pipe ----------------------------------------------------- */

/* Move what is in the pipe to the file.  Bytes moved, or -errno if none. */
static int64_t splice_out(struct keep *keep, const struct copyoff_pair *pair, int64_t dst,
			  int64_t len)
{
	int64_t done = 0;

	while (done < len) {
		ssize_t ret = copyoff_sys_splice_out(keep->pipe[0], pair->out.fd, dst + done,
						     (size_t)(len - done));
		if (ret <= 0 || ret > len - done) {
			drop_pipe(keep); /* what is left in it belongs to nobody */
			return done > 0 ? done : ret < 0 ? ret : -EIO;
		}
		done += ret;
	}
	return done;
}

/* Of these files, or in this sandbox. */
static bool cannot_splice(int64_t err)
{
	return err == -EINVAL || err == -ENOSYS || err == -EPERM || err == -EOPNOTSUPP;
}

/* COPYOFF_DECLINE: not these files, use the buffer. */
static int64_t copy_spliced(struct keep *keep, const struct copyoff_pair *pair,
			    const struct copyoff_range *r)
{
	int64_t len = (int64_t)r->len;
	int64_t size, in, out;

	if (keep->pipe_size == 0) {
		size = copyoff_sys_pipe(keep->pipe, SPLICED_PIECE);
		if (size <= 0)
			return COPYOFF_DECLINE;
		keep->pipe_size = (size_t)size;
	}
	if (len > (int64_t)keep->pipe_size)
		len = (int64_t)keep->pipe_size;
	in = copyoff_sys_splice_in(pair->in.fd, r->src, keep->pipe[1], (size_t)len);
	if (cannot_splice(in) || in == 0)
		return COPYOFF_DECLINE; /* 0: let read say whether this is the end */
	if (in > len)
		drop_pipe(keep); /* nobody knows what is in it */
	if (in < 0 || in > len)
		return believable(in, len);
	out = splice_out(keep, pair, r->dst, in);
	return cannot_splice(out) ? COPYOFF_DECLINE : out;
}

/* --- through a buffer --------------------------------------------------- */

static int get_buffer(struct keep *keep, size_t size)
{
	if (keep->buf_size >= size)
		return 0;
	copyoff_sys_free(keep->buf);
	keep->buf = copyoff_sys_alloc(size, MEMORY_ALIGN);
	keep->buf_size = keep->buf ? size : 0;
	return keep->buf ? 0 : -ENOMEM;
}

/*
 * O_DIRECT asks for aligned offsets and lengths.  Reading can be rounded out;
 * writing cannot, since that would write back old bytes outside the range, so
 * odd ends are written through a descriptor of our own without O_DIRECT.  It is
 * not kept: it would keep the file open, or be of another file some day.
 */
static int64_t write_odd_end(const struct copyoff_pair *pair, const char *data, int64_t len,
			     int64_t dst)
{
	int fd = copyoff_sys_reopen(pair->out.fd, COPYOFF_ACCESS_WRITE);
	int64_t ret;

	if (fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM)
		return fd;
	/* No /proc, no right to open it again, locks: as the kernel says to odd O_DIRECT. */
	if (fd < 0)
		return -EINVAL;
	ret = copyoff_sys_pwrite(fd, data, (size_t)len, dst);
	(void)copyoff_sys_close(fd); /* the caller's descriptor gets errors of writing back */
	return ret;
}

static int64_t write_buffer(const struct copyoff_pair *pair, const char *data, int64_t len,
			    int64_t dst)
{
	int64_t align = pair->out.io_align;
	int64_t ret;

	if (dst % align == 0 && len % align == 0)
		ret = copyoff_sys_pwrite(pair->out.fd, data, (size_t)len, dst);
	else
		ret = write_odd_end(pair, data, len, dst);
	return ret == 0 ? -EIO : believable(ret, len);
}

static int64_t copy_buffered(struct keep *keep, const struct copyoff_pair *pair,
			     const struct copyoff_range *r)
{
	int64_t align = pair->in.io_align;
	int64_t lead = r->src % align;
	int64_t want = lead + (int64_t)r->len;
	int64_t ret, got;
	char *data;

	want += (align - want % align) % align;
	if (get_buffer(keep, (size_t)want) < 0)
		return -ENOMEM;
	ret = believable(copyoff_sys_pread(pair->in.fd, keep->buf, (size_t)want, r->src - lead),
			 want);
	if (ret < 0)
		return ret;
	data = keep->buf;
	got = ret - lead;
	if (got <= 0)
		return 0;
	if (got > (int64_t)r->len)
		got = (int64_t)r->len;
	/* O_DIRECT asks for aligned memory, too. */
	if (lead > 0 && pair->out.direct)
		memmove(data, data + lead, (size_t)got);
	else
		data += lead;
	return write_buffer(pair, data, got, r->dst);
}

static int64_t readwrite_copy(const struct copyoff_pair *pair, struct copyoff_offer *offer,
			      const struct copyoff_range *ranges, size_t n)
{
	struct keep *keep = get_keep(offer);

	(void)n; /* limits.max_ranges is 1 */
	if (!keep)
		return -ENOMEM;
	if (worth_splicing(pair) && ranges[0].len >= SPLICE_LEAST) {
		int64_t ret = copy_spliced(keep, pair, &ranges[0]);

		/* A refused call costs little beside the copy: it is tried each time. */
		if (ret != COPYOFF_DECLINE)
			return ret;
	}
	return copy_buffered(keep, pair, &ranges[0]);
}

const struct copyoff_backend copyoff_backend_readwrite = {
	.info = COPYOFF_BACKEND_INFO("readwrite", "reads and writes through a pipe or a buffer",
				     COPYOFF_TRAIT_HOST),
	.unsized = true,
	.probe = readwrite_probe,
	.copy = readwrite_copy,
	.close = readwrite_close,
};
