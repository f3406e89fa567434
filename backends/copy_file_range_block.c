/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * copy_file_range_block.c - see copy_file_range_block.h
 *
 * The later versions of the kernel's copy offload, and those who ship them, have no
 * ioctl: the system call takes block devices.  The device copies only if both
 * descriptors are O_DIRECT; then the call bypasses the page cache, does not look
 * whether the device is read-only, and says 0 for all errors.  Otherwise the kernel
 * moves pages, which others do better.
 */
#include "copy_file_range_block.h"

#include "blkcopy_device.h"

#include <errno.h>

/* --- probe ------------------------------------------------------------------------------- */

static int not_taken(struct copyoff_offer *offer)
{
	return copyoff_decline(offer, COPYOFF_REASON_FILE_TYPE, 0,
			       "kernels take regular files only", "");
}

/*
 * Kernels that refuse block devices say so before they look at how these are open;
 * and no bytes are copied, into a descriptor that is read-only, in any case.
 */
static int64_t ask(const struct copyoff_pair *pair)
{
	int fd = copyoff_sys_reopen(pair->out.fd, COPYOFF_ACCESS_READ);
	int64_t ret;

	if (fd < 0)
		return fd;
	ret = copyoff_sys_copy_file_range(fd, 0, fd, 0, 0);
	(void)copyoff_sys_close(fd); /* nothing was written */
	return ret == -EBADF ? 0 : ret;
}

/* Does the kernel take block devices?  Once seen, it holds until the next boot. */
static int ask_kernel(const struct copyoff_pair *pair, struct copyoff_offer *offer)
{
	enum { UNKNOWN, TAKES_THEM, REFUSES_THEM };
	static _Atomic int kernel;
	int64_t ret = 0;

	if (kernel == UNKNOWN) {
		ret = ask(pair);
		if (ret == 0)
			kernel = TAKES_THEM;
		else if (ret == -EINVAL)
			kernel = REFUSES_THEM;
	}
	if (kernel == TAKES_THEM)
		return 0;
	if (kernel == REFUSES_THEM)
		return not_taken(offer);
	/* Sandboxes forbid the call; and it may be that nothing can be opened. */
	return copyoff_decline(offer, COPYOFF_REASON_RESOURCE, (int)ret,
			       "whether the kernel takes block devices cannot be found out", "");
}

/* 0 switches it off: the kernel would move pages, and not tell. */
static int check_limit(const struct copyoff_blkcopy_device *device, struct copyoff_offer *offer,
		       enum copyoff_reason reason)
{
	uint64_t most;
	int ret = copyoff_sysfs_number(device->rdev, "queue/copy_max_bytes", &most);

	if (ret < 0)
		return ret;
	if (most > 0)
		return 0;
	return copyoff_decline(offer, reason, 0, "the device does not copy, or it is switched off",
			       "set queue/copy_max_bytes in its directory in sysfs");
}

static int check_device(const struct copyoff_pair *pair, struct copyoff_blkcopy_device *device,
			struct copyoff_offer *offer)
{
	const unsigned names = COPYOFF_BLKCOPY_MAX_BYTES | COPYOFF_BLKCOPY_MAX_HW_BYTES;
	int ret = copyoff_blkcopy_find(pair, device, offer);

	if (ret < 0)
		return ret;
	if (device->names != names)
		return copyoff_decline(offer, COPYOFF_REASON_UNSUPPORTED, 0,
				       "the kernel copies within block devices in another way", "");
	ret = copyoff_blkcopy_examine(pair, device, offer);
	/* If the limits beneath become narrower, the call never returns. */
	if (ret == 0 && device->is_dm)
		return copyoff_decline(offer, COPYOFF_REASON_UNSUPPORTED, 0,
				       "through device mapper, kernels may hang", "");
	return ret;
}

static int find_all(const struct copyoff_pair *pair, void *p, struct copyoff_offer *offer)
{
	struct copyoff_blkcopy_device *device = p;
	int ret = ask_kernel(pair, offer);

	if (ret == 0)
		ret = check_device(pair, device, offer);
	if (ret == 0)
		ret = check_limit(device, offer, COPYOFF_REASON_UNSUPPORTED);
	if (ret < 0)
		return ret;
	offer->limits = (struct copyoff_limits){
		.align = device->block,
		.max_range = COPYOFF_BLKCOPY_TOTAL_MOST,
	};
	offer->traits = copyoff_blkcopy_traits(device);
	device->bracket.valid = true;
	return 0;
}

int copyoff_cfr_block_probe(const struct copyoff_pair *pair, struct copyoff_offer *offer)
{
	return copyoff_bracket_probe(pair, offer, sizeof(struct copyoff_blkcopy_device),
				     sizeof(void *), find_all);
}

void copyoff_cfr_block_release(struct copyoff_offer *offer)
{
	copyoff_bracket_release(offer);
}

/* --- copy ---------------------------------------------------------------------------------- */

/* What make_call() is called with. */
struct call {
	const struct copyoff_pair *pair;
	struct copyoff_offer *offer;
	const struct copyoff_range *range;
};

/* By two descriptors that are open for it with O_DIRECT. */
static int64_t copy_direct(const struct call *call, int fd_in, int fd_out)
{
	const struct copyoff_range *r = call->range;
	const struct copyoff_blkcopy_device *device = call->offer->priv;
	int64_t ret = copyoff_sys_copy_file_range(fd_in, r->src, fd_out, r->dst, (size_t)r->len);

	if (ret == (int64_t)r->len)
		return copyoff_blkcopy_accept(call->pair, device, call->offer, r, 1, r->len);
	if (ret > (int64_t)r->len)
		return copyoff_decline(call->offer, COPYOFF_REASON_MISBEHAVED, 0,
				       "reported more bytes than it was asked to copy", "");
	/* Before the end of the device 0 is an error, and so is less than all. */
	(void)copyoff_blkcopy_refuse(call->offer, ret < 0 ? (int)-ret : EIO);
	if (ret <= 0)
		return COPYOFF_DECLINE;
	return copyoff_blkcopy_salvage(call->pair, device, call->offer, r, 1, (uint64_t)ret);
}

static int64_t make_call(void *data)
{
	const struct call *call = data;
	const struct copyoff_pair *pair = call->pair;
	int64_t ret = check_limit(call->offer->priv, call->offer, COPYOFF_REASON_RESOURCE);
	int fd;

	if (ret == COPYOFF_DECLINE)
		return ret;
	if (ret < 0)
		return copyoff_decline(call->offer, COPYOFF_REASON_RESOURCE, (int)ret,
				       "the limits of the device cannot be read", "");
	if (pair->in.direct && pair->out.direct)
		return copy_direct(call, pair->in.fd, pair->out.fd);
	fd = copyoff_sys_reopen(pair->out.fd, COPYOFF_ACCESS_DIRECT);
	if (fd < 0)
		return copyoff_decline(call->offer, COPYOFF_REASON_RESOURCE, fd,
				       "the device cannot be opened once more, with O_DIRECT",
				       "open it with O_DIRECT");
	ret = copy_direct(call, fd, fd);
	(void)copyoff_sys_close(fd); /* what was copied is on the device */
	return ret;
}

int64_t copyoff_cfr_block_copy(const struct copyoff_pair *pair, struct copyoff_offer *offer,
			       const struct copyoff_range *range)
{
	const struct copyoff_origin from = { .fd = pair->in.fd, .ranges = range, .n = 1 };
	struct copyoff_blkcopy_device *device = offer->priv;
	struct call call = { pair, offer, range };
	int ret = copyoff_blkcopy_begin(pair, device, offer, range, 1, find_all, device);

	if (ret < 0)
		return ret;
	return copyoff_bracket_copy(&device->bracket, pair, offer, &from, make_call, &call);
}
