// SPDX-License-Identifier: GPL-2.0-only
/*
 * syscall.c - copy_file_range() of block devices, as in v14 to v20
 *
 * The kernel refuses block devices before any driver is asked.  So the entry of
 * vfs_copy_file_range() is patched, as a live patch is: where both files are block
 * devices, the call goes on here.  As with those patches it does so for all block
 * devices of the system; copies by the device are there for ours only.
 */
#include "ref.h"

#include <linux/fs.h>
#include <linux/ftrace.h>
#include <linux/module.h>
#include <linux/splice.h>

#define MAX_OFFLOAD (128ULL << 20) /* must be less */

static bool is_block(struct file *file)
{
	return S_ISBLK(file_inode(file)->i_mode);
}

static struct block_device *bdev_of(struct file *file)
{
	return I_BDEV(file->f_mapping->host);
}

/* As in the kernel, and in its order. */
static int check(struct file *in, loff_t pos_in, struct file *out, loff_t pos_out, u64 *len)
{
	loff_t size = i_size_read(in->f_mapping->host);

	if (!(in->f_mode & FMODE_READ) || !(out->f_mode & FMODE_WRITE) || (out->f_flags & O_APPEND))
		return -EBADF;
	if (pos_in < 0 || pos_out < 0)
		return -EINVAL;
	if (pos_in + *len < pos_in || pos_out + *len < pos_out)
		return -EOVERFLOW;
	*len = pos_in >= size ? 0 : min_t(u64, *len, size - pos_in);
	if (in->f_mapping->host == out->f_mapping->host && pos_out + *len > pos_in &&
	    pos_out < pos_in + *len)
		return -EINVAL;
	*len = min_t(u64, *len, MAX_RW_COUNT);
	return 0;
}

static bool is_offload(struct file *in, struct file *out)
{
	struct block_device *bdev = bdev_of(in);

	return bdev == bdev_of(out) && bdev->bd_disk->fops == &ref_fops &&
	       ref_of(bdev)->abi->syscall && ref_of(bdev)->max_bytes > 0 &&
	       (in->f_flags & out->f_flags & O_DIRECT);
}

/* No error is known here: 0 is all that the caller gets. */
static ssize_t offload(struct block_device *bdev, loff_t src, loff_t dst, u64 len)
{
	struct ref_range range = { .src = src, .dst = dst, .len = len };
	u64 mask = bdev_logical_block_size(bdev) - 1;

	if (((range.src | range.dst | len) & mask) || len >= MAX_OFFLOAD) {
		ref_count(ref_of(bdev), REF_REFUSED, 1);
		return 0;
	}
	ref_copy(bdev, REF_NO_RETRY, &range, 1);
	return range.done;
}

static ssize_t through_memory(struct file *in, loff_t pos_in, struct file *out, loff_t pos_out,
			      u64 len)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
	return splice_copy_file_range(in, pos_in, out, pos_out, len);
#else
	return generic_copy_file_range(in, pos_in, out, pos_out, len, 0);
#endif
}

static ssize_t copy(struct file *in, loff_t pos_in, struct file *out, loff_t pos_out, u64 len,
		    unsigned int flags)
{
	int ret;

	if (flags != 0)
		return -EINVAL;
	ret = check(in, pos_in, out, pos_out, &len);
	if (ret < 0 || len == 0)
		return ret;
	if (is_offload(in, out))
		return offload(bdev_of(in), pos_in, pos_out, len);
	return through_memory(in, pos_in, out, pos_out, len);
}

/* In place of vfs_copy_file_range(); the reference was taken on the way here. */
static ssize_t copy_block_devices(struct file *in, loff_t pos_in, struct file *out, loff_t pos_out,
				  size_t len, unsigned int flags)
{
	ssize_t ret = copy(in, pos_in, out, pos_out, len, flags);

	module_put(THIS_MODULE);
	return ret;
}

/* --- the patch ------------------------------------------------------------- */

static void notrace divert(unsigned long ip, unsigned long parent_ip, struct ftrace_ops *ops,
			   struct ftrace_regs *fregs)
{
	struct pt_regs *regs = ftrace_get_regs(fregs);
	struct file *in = (struct file *)regs_get_kernel_argument(regs, 0);
	struct file *out = (struct file *)regs_get_kernel_argument(regs, 2);

	if (is_block(in) && is_block(out) && try_module_get(THIS_MODULE))
		instruction_pointer_set(regs, (unsigned long)copy_block_devices);
}

static struct ftrace_ops patch = {
	.func = divert,
	.flags = FTRACE_OPS_FL_SAVE_REGS | FTRACE_OPS_FL_IPMODIFY,
};
static bool is_patched;

int ref_patch_syscall(void)
{
	static unsigned char name[] = "vfs_copy_file_range";
	int ret;

	if (is_patched)
		return 0;
	ret = ftrace_set_filter(&patch, name, strlen(name), 1);
	if (ret < 0)
		return ret;
	ret = register_ftrace_function(&patch);
	is_patched = ret == 0;
	return ret;
}

void ref_unpatch_syscall(void)
{
	if (is_patched)
		unregister_ftrace_function(&patch);
}
