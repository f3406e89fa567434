/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * copy_file_range.c - the system call copy_file_range(2)
 *
 * The server copies on NFS 4.2, SMB, Ceph and FUSE file systems that can; the
 * kernel shares extents or copies page by page on local ones, without telling
 * which.  Few kernels take block devices: see copy_file_range_block.c.
 */
#include "backend.h"
#include "blkcopy_device.h"
#include "copy_file_range_block.h"

#include <errno.h>

/*
 * One call, however much is asked for: a C library release (glibc 2.41, bug
 * 33245) and out-of-tree file systems have mishandled 2 GiB and more, and a
 * piece should end within a second.
 */
enum { PIECE_MOST = 1 << 30 };

static int refuse(struct copyoff_offer *offer, int err)
{
	static const struct {
		int err;
		enum copyoff_reason reason;
		const char *text;
		const char *remedy;
	} table[] = {
		{ EXDEV, COPYOFF_REASON_CROSS_DEVICE,
		  "the kernel does not copy between these file systems",
		  "keep source and destination on one file system" },
		{ ENOSYS, COPYOFF_REASON_UNSUPPORTED,
		  "the kernel or sandbox does not know the call",
		  "use Linux 5.3 or later; allow the call in the sandbox" },
		/* OpenZFS before 2.2.3 on Linux 6.8; RHEL 7 on NFS. */
		{ EOPNOTSUPP, COPYOFF_REASON_UNSUPPORTED,
		  "the file system does not support the call", "" },
		{ ENOTTY, COPYOFF_REASON_UNSUPPORTED, "the file system does not support the call",
		  "" },
		/* Seccomp of old container runtimes; SMB servers; SELinux. */
		{ EPERM, COPYOFF_REASON_PERMISSION, "the call is forbidden here",
		  "allow it in the seccomp filter or security policy" },
		/* CephFS before 4.20. */
		{ EACCES, COPYOFF_REASON_PERMISSION, "the call is forbidden here",
		  "allow it in the seccomp filter or security policy" },
		/* Stacked file systems, O_DIRECT alignment, and bad arguments. */
		{ EINVAL, COPYOFF_REASON_ALIGNMENT, "the file system does not take this range",
		  "" },
		/* SMB servers. */
		{ ENOENT, COPYOFF_REASON_UNSUPPORTED, "the server does not support the call", "" },
		/* Bad arguments: the checks of the core say which. */
		{ EBADF, COPYOFF_REASON_FILE_TYPE, "not a pair of open files", "" },
		{ EISDIR, COPYOFF_REASON_FILE_TYPE, "not a pair of regular files", "" },
		{ EOVERFLOW, COPYOFF_REASON_ALIGNMENT, "the kernel does not take these offsets",
		  "" },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (table[i].err == -err)
			return copyoff_decline(offer, table[i].reason, err, table[i].text,
					       table[i].remedy);
	}
	return err; /* EIO, ENOSPC, EDQUOT, ENOMEM, EFBIG, ETXTBSY, EINTR, ...: final */
}

/*
 * File systems where a server may do the work; statfs(2) f_type.  It is no
 * proof: the kernel itself copies where the server cannot, without telling.
 */
static bool has_server(int fd)
{
	static const uint32_t types[] = {
		0x6969, /* NFS */
		0xff534d42, /* CIFS */
		0xfe534d42, /* SMB 2 and 3 */
		0x00c36400, /* Ceph */
		0x65735546, /* FUSE */
	};
	int64_t type = copyoff_sys_fs_type(fd);

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (type == types[i])
			return true;
	}
	return false;
}

/*
 * Local file systems that hand the call over to nobody: without shared extents,
 * which an offset that no file has asks for without changing anything, the
 * kernel moves pages through a pipe of 64 KiB.  On tmpfs that is as fast as
 * with a larger one.
 */
static bool only_splices(const struct copyoff_pair *pair)
{
	static const uint32_t types[] = {
		0xef53, /* ext2, ext3, ext4 */
		0x58465342, /* XFS, made with reflink=0 */
	};
	int64_t type;

	if (copyoff_sys_clone_range(pair->in.fd, ((int64_t)1 << 61) + 1, pair->out.fd, 1, 1) !=
	    -EOPNOTSUPP)
		return false;
	type = copyoff_sys_fs_type(pair->in.fd);
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (type == types[i])
			return true;
	}
	return false;
}

/*
 * A question that copies nothing: a sum that wraps is refused with EOVERFLOW,
 * after all that is wrong with the files has been refused, and before the
 * limits of the destination are looked at, which may send SIGXFSZ.
 *
 * Kernels before 5.3 say EINVAL.  There, the call did not look at overlap,
 * RLIMIT_FSIZE, swap files and immutable files, and had bugs that lost data.
 */
static int64_t ask(const struct copyoff_pair *pair)
{
	return copyoff_sys_copy_file_range(pair->in.fd, -4096, pair->out.fd, 0, 8192);
}

/* Once seen, it holds until the next boot. */
static bool kernel_is_fit(const struct copyoff_pair *pair)
{
	static _Atomic bool fit;

	if (!fit)
		fit = ask(pair) == -EOVERFLOW;
	return fit;
}

static int copy_file_range_probe(const struct copyoff_pair *pair, struct copyoff_offer *offer)
{
	int64_t ret;

	if (pair->in.kind == COPYOFF_KIND_BLOCK && pair->out.kind == COPYOFF_KIND_BLOCK)
		return copyoff_cfr_block_probe(pair, offer);
	if (pair->in.kind != COPYOFF_KIND_REGULAR || pair->out.kind != COPYOFF_KIND_REGULAR)
		return copyoff_decline(offer, COPYOFF_REASON_FILE_TYPE, 0,
				       "kernels take regular files only", "");
	ret = ask(pair);
	if (ret != -EOVERFLOW)
		return refuse(offer, ret < 0 ? (int)ret : -EINVAL);
	if ((pair->in.direct || pair->out.direct) && !has_server(pair->in.fd)) {
		/* Synchronous pieces of 64 KiB: two thirds of read and write. */
		offer->slower = "the kernel copies O_DIRECT files in small pieces";
		offer->slower_remedy = "open the files without O_DIRECT, or list it by name";
	} else if (only_splices(pair)) {
		/* Four fifths of what a pipe of 512 KiB reaches. */
		offer->slower = "the kernel copies these files through a small pipe";
		offer->slower_remedy = "list it by name";
	}
	offer->limits.max_range = PIECE_MOST;
	return 0;
}

/* At or behind the end of a file that has a size?  Otherwise read to find out. */
static bool at_end(int fd, int64_t off)
{
	struct copyoff_stat st;

	return copyoff_sys_stat(fd, &st) == 0 && st.size > 0 && (uint64_t)off >= st.size;
}

/*
 * Was it a signal that made the count short?  Not where a server has its own
 * limits, and not if odd bytes behind the last whole block are left, where
 * extents were shared.  Otherwise a few more bytes tell: if they cannot be
 * copied, there is an error, which the next call will report.
 */
static bool was_interrupted(const struct copyoff_pair *pair, const struct copyoff_range *r,
			    int64_t *done)
{
	enum { LARGEST_BLOCK = 64 << 10 };
	int64_t more;

	if (r->len - (uint64_t)*done < LARGEST_BLOCK || has_server(pair->in.fd))
		return false;
	more = copyoff_sys_copy_file_range(pair->in.fd, r->src + *done, pair->out.fd,
					   r->dst + *done, LARGEST_BLOCK);
	if (more <= 0 || more > LARGEST_BLOCK)
		return false;
	*done += more;
	return true;
}

/*
 * Called without facts, for a small copy, it may be given block devices.  Kernels
 * that take them bypass the page cache if they are open with O_DIRECT, and do not
 * look at much; otherwise the call has the whole contract.
 */
static bool is_direct_device(int fd)
{
	struct copyoff_open_mode mode;
	struct copyoff_stat st;

	if (copyoff_sys_open_mode(fd, &mode) < 0 || !mode.direct)
		return false;
	return copyoff_sys_stat(fd, &st) < 0 || st.kind == COPYOFF_KIND_BLOCK;
}

static int64_t copy_file_range_copy(const struct copyoff_pair *pair, struct copyoff_offer *offer,
				    const struct copyoff_range *ranges, size_t n)
{
	const struct copyoff_range *r = &ranges[0];
	int64_t ret;

	(void)n; /* limits.max_ranges is 1 */
	if (offer->priv)
		return copyoff_cfr_block_copy(pair, offer, r);
	if (!kernel_is_fit(pair))
		return refuse(offer, -ENOSYS);
	if (is_direct_device(pair->in.fd))
		return refuse(offer, -EINVAL);
	ret = copyoff_sys_copy_file_range(pair->in.fd, r->src, pair->out.fd, r->dst,
					  (size_t)r->len);
	/* Kernels up to 6.18 look at the limits of the destination even at the end. */
	if ((ret == 0 || ret == -EFBIG) && at_end(pair->in.fd, r->src))
		return 0;
	/* procfs up to 5.18, overlayfs and others: 0, and there is data. */
	if (ret == 0)
		return copyoff_decline(offer, COPYOFF_REASON_UNSUPPORTED, 0,
				       "copied nothing before the end of the file", "");
	if (ret < 0)
		return refuse(offer, (int)ret);
	if ((uint64_t)ret < r->len)
		offer->interrupted = was_interrupted(pair, r, &ret);
	return ret;
}

const struct copyoff_backend copyoff_backend_copy_file_range = {
	.info = COPYOFF_BACKEND_INFO("copy_file_range",
				     "copies on the server or in the kernel (copy_file_range)",
				     COPYOFF_TRAIT_MAY_SHARE | COPYOFF_TRAIT_HOST),
	.stateless = true,
	.complete = true,
	.probe = copy_file_range_probe,
	.copy = copy_file_range_copy,
	.release = copyoff_cfr_block_release,
	.close = copyoff_blkcopy_forget,
};
