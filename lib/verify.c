/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * verify.c - COPYOFF_VERIFY: read back both sides and compare; and find out by
 * reading where a file ends that does not know its size
 */
#include "internal.h"

#include <errno.h>
#include <string.h>

enum {
	PIECE = 256 << 10,
	MARGIN = 64 << 10, /* room to round out for O_DIRECT, on both sides */
	ALIGN = 4096,
};

/*
 * Read [@off, @off + @len) of one end; *@data is where it begins in @buf.
 * Returns bytes of it that are there, short at the end of the file.
 */
static int64_t read_piece(const struct copyoff_end *end, char *buf, uint64_t off, uint64_t len,
			  const char **data)
{
	uint64_t start = copyoff_range_down(off, end->io_align);
	uint64_t lead = off - start;
	uint64_t want = copyoff_range_up(lead + len, end->io_align);
	uint64_t got = 0;

	if (want > PIECE + 2 * MARGIN)
		return -EINVAL; /* io_align beyond all known hardware */
	while (got < want) {
		ssize_t ret = copyoff_sys_pread(end->fd, buf + got, (size_t)(want - got),
						(int64_t)(start + got));
		if (ret < 0)
			return ret;
		if ((uint64_t)ret > want - got)
			return -EIO;
		if (ret == 0)
			break;
		got += (uint64_t)ret;
		if (got % end->io_align)
			break; /* O_DIRECT ends unaligned only at the end of the file */
	}
	*data = buf + lead;
	return got > lead ? (int64_t)copyoff_range_min(got - lead, len) : 0;
}

bool copyoff_at_end(const struct copyoff_end *end, uint64_t off)
{
	char *buf = copyoff_sys_alloc(PIECE + 2 * MARGIN, ALIGN);
	const char *data;
	bool at_end = buf && read_piece(end, buf, off, 1, &data) == 0;

	copyoff_sys_free(buf);
	return at_end;
}

/* Leading bytes of the piece that are equal. */
static int64_t compare_piece(const struct copyoff_pair *pair, char *buf, uint64_t src, uint64_t dst,
			     uint64_t len)
{
	const char *a, *b;
	int64_t n_in, n_out;
	uint64_t n, i = 0;

	n_in = read_piece(&pair->in, buf, src, len, &a);
	if (n_in < 0)
		return n_in;
	n_out = read_piece(&pair->out, buf + PIECE + 2 * MARGIN, dst, len, &b);
	if (n_out < 0)
		return n_out;
	n = copyoff_range_min((uint64_t)n_in, (uint64_t)n_out);
	if (memcmp(a, b, (size_t)n) == 0)
		return (int64_t)n;
	while (a[i] == b[i])
		i++;
	return (int64_t)i;
}

uint64_t copyoff_verify(const struct copyoff_pair *pair, const struct copyoff_range *v, size_t n,
			uint64_t len, int *err)
{
	uint64_t equal = 0;
	int64_t ret;
	char *buf = copyoff_sys_alloc(2 * (PIECE + 2 * MARGIN), ALIGN);

	*err = 0;
	if (!buf) {
		*err = -ENOMEM;
		return 0;
	}
	for (size_t i = 0; i < n && equal < len; i++) {
		uint64_t todo = copyoff_range_min(v[i].len, len - equal);

		for (uint64_t pos = 0; pos < todo; pos += (uint64_t)ret) {
			uint64_t piece = copyoff_range_min(PIECE, todo - pos);

			ret = compare_piece(pair, buf, (uint64_t)v[i].src + pos,
					    (uint64_t)v[i].dst + pos, piece);
			if (ret > 0)
				equal += (uint64_t)ret;
			if (ret < 0 || (uint64_t)ret < piece) {
				*err = ret < 0 ? (int)ret : -EIO;
				goto out;
			}
		}
	}
out:
	copyoff_sys_free(buf);
	return equal;
}
