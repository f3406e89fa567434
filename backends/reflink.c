/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * reflink.c - share extents between two files: ioctl FICLONERANGE
 *
 * Only metadata is written.  Source offset, destination offset and length are
 * multiples of the file system's block; the length may be odd where the source
 * range ends at its end of file and the destination's does not go on behind
 * it (ioctl_ficlonerange(2)).  The ioctl does all or reports an error, after
 * which a prefix may have been remapped: nothing is counted then.
 */
#include "backend.h"

#include <errno.h>

/*
 * Cloning costs some 20 us per extent and cannot be interrupted, so a
 * fragmented file is cloned in pieces that adapt to this time.
 */
enum {
	PIECE_FIRST = 64 << 20,
	PIECE_LEAST = 1 << 20,
	PIECE_MOST = 1 << 30,
	FAST_NS = 10 * 1000 * 1000,
	SLOW_NS = 100 * 1000 * 1000,
};

static int refuse(struct copyoff_offer *offer, int err)
{
	static const struct {
		int err;
		enum copyoff_reason reason;
		const char *text;
		const char *remedy;
	} table[] = {
		{ EOPNOTSUPP, COPYOFF_REASON_UNSUPPORTED, "the file system cannot share extents",
		  "use XFS made with reflink=1, btrfs, bcachefs, OCFS2, or NFS 4.2 on such" },
		{ ENOTTY, COPYOFF_REASON_UNSUPPORTED, "the kernel does not know FICLONERANGE",
		  "use Linux 4.5 or later" },
		{ ENOSYS, COPYOFF_REASON_UNSUPPORTED, "the system does not know FICLONERANGE",
		  "use Linux 4.5 or later" },
		{ EXDEV, COPYOFF_REASON_CROSS_DEVICE, "the files are on different file systems",
		  "keep source and destination on one file system" },
		{ EPERM, COPYOFF_REASON_PERMISSION, "FICLONERANGE is forbidden here",
		  "allow it in the seccomp filter or security policy" },
		{ EACCES, COPYOFF_REASON_PERMISSION, "FICLONERANGE is forbidden here",
		  "allow it in the seccomp filter or security policy" },
		/*
		 * Many things: a block size that FIGETBSZ does not tell, one
		 * of two btrfs files without copy-on-write, an end of file
		 * that moved, RLIMIT_FSIZE within the range.
		 */
		{ EINVAL, COPYOFF_REASON_ALIGNMENT, "the file system does not clone this range",
		  "" },
		/* The caller's descriptor was closed or changed meanwhile. */
		{ EBADF, COPYOFF_REASON_FILE_TYPE, "not a pair of open files", "" },
		{ EISDIR, COPYOFF_REASON_FILE_TYPE, "not a pair of regular files", "" },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (table[i].err == -err)
			return copyoff_decline(offer, table[i].reason, err, table[i].text,
					       table[i].remedy);
	}
	return err; /* EIO, ENOSPC, EDQUOT, ENOMEM, EFBIG, ETXTBSY, EROFS, ...: final */
}

/* SMB extends the destination before it asks the server; statfs(2) f_type. */
static bool is_smb(int fd)
{
	int64_t type = copyoff_sys_fs_type(fd);

	return type == 0xff534d42 || type == 0xfe534d42;
}

/*
 * Ask without changing anything.  Never by st_dev: it differs between btrfs
 * subvolumes, which share, and is equal for files of which one cannot.
 *
 * A negative offset is refused with EINVAL by the VFS, after it has looked for
 * the operation and for two file systems.  Then an odd place beyond the end of
 * the source: the file system refuses that with EINVAL, whatever size the
 * source has or gets meanwhile, unless it cannot share at all (XFS made with
 * reflink=0).  Length 0 would mean up to the end, and must not be asked for.
 */
static int ask(const struct copyoff_pair *pair)
{
	const int64_t odd_and_far = ((int64_t)1 << 61) + 1;
	int ret = copyoff_sys_clone_range(pair->in.fd, 0, pair->out.fd, -1, 1);

	if (ret != -EINVAL || is_smb(pair->out.fd))
		return ret;
	return copyoff_sys_clone_range(pair->in.fd, odd_and_far, pair->out.fd, 1, 1);
}

static int reflink_probe(const struct copyoff_pair *pair, struct copyoff_offer *offer)
{
	int64_t block;
	int ret;

	if (pair->in.kind != COPYOFF_KIND_REGULAR || pair->out.kind != COPYOFF_KIND_REGULAR)
		return copyoff_decline(offer, COPYOFF_REASON_FILE_TYPE, 0,
				       "only regular files share extents", "");
	ret = ask(pair);
	if (ret != -EINVAL)
		return refuse(offer, ret < 0 ? ret : -EINVAL);
	block = copyoff_sys_clone_align(pair->in.fd);
	if (block < 0)
		return copyoff_decline(offer, COPYOFF_REASON_UNSUPPORTED, (int)block,
				       "the file system does not tell its block size", "");
	offer->limits.align = (uint64_t)block;
	offer->limits.max_range = PIECE_FIRST;
	offer->unaligned_eof = true;
	offer->keeps_holes = true;
	return 0;
}

static void adapt_piece(struct copyoff_offer *offer, uint64_t len, uint64_t ns)
{
	uint64_t *most = &offer->limits.max_range;

	if (ns > SLOW_NS && *most > PIECE_LEAST)
		*most /= 2;
	else if (ns < FAST_NS && len >= *most && *most < PIECE_MOST)
		*most *= 2;
}

static int64_t reflink_copy(const struct copyoff_pair *pair, struct copyoff_offer *offer,
			    const struct copyoff_range *ranges, size_t n)
{
	const struct copyoff_range *r = &ranges[0];
	uint64_t start = copyoff_sys_now();
	int ret = copyoff_sys_clone_range(pair->in.fd, r->src, pair->out.fd, r->dst, r->len);

	(void)n; /* limits.max_ranges is 1 */
	if (ret < 0)
		return refuse(offer, ret);
	adapt_piece(offer, r->len, copyoff_sys_now() - start);
	return (int64_t)r->len;
}

const struct copyoff_backend copyoff_backend_reflink = {
	.info = COPYOFF_BACKEND_INFO("reflink", "shares extents between the files (FICLONERANGE)",
				     COPYOFF_TRAIT_SHARES),
	.stateless = true,
	.probe = reflink_probe,
	.copy = reflink_copy,
};
