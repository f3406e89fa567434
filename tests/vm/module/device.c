// SPDX-License-Identifier: GPL-2.0-only
/*
 * device.c - a disk whose blocks are those of a file
 */
#include "ref.h"

#include <linux/bvec.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

static LIST_HEAD(devices);
static DEFINE_MUTEX(devices_lock);

/* --- reading and writing --------------------------------------------------- */

static int move_segment(struct file *file, struct bio_vec *bv, loff_t at, bool write)
{
	char *data = bvec_kmap_local(bv);
	ssize_t n;

	if (write)
		n = kernel_write(file, data, bv->bv_len, &at);
	else
		n = kernel_read(file, data, bv->bv_len, &at);
	if (!write && n >= 0)
		flush_dcache_page(bv->bv_page);
	kunmap_local(data);
	if (n < 0)
		return n;
	return n == bv->bv_len ? 0 : -EIO;
}

static int move_data(struct ref_device *dev, struct request *rq, bool write)
{
	loff_t at = (loff_t)blk_rq_pos(rq) << SECTOR_SHIFT;
	struct req_iterator iter;
	struct bio_vec bv;
	int ret;

	if (ref_is_bad(write ? dev->bad_write : dev->bad_read, at, blk_rq_bytes(rq)))
		return -ENODATA;
	rq_for_each_segment(bv, rq, iter)
	{
		ret = move_segment(dev->file, &bv, at, write);
		if (ret < 0)
			return ret;
		at += bv.bv_len;
	}
	return 0;
}

static int execute(struct ref_device *dev, struct request *rq)
{
	switch (req_op(rq)) {
	case REQ_OP_READ:
		return move_data(dev, rq, false);
	case REQ_OP_WRITE:
		return move_data(dev, rq, true);
	case REQ_OP_FLUSH:
		return vfs_fsync(dev->file, 0);
	default:
		return -EOPNOTSUPP;
	}
}

/*
 * The file system may wait for memory, and memory for this device: what it
 * allocates is not got by writing, as in the driver "loop".
 */
static void work_on_request(struct work_struct *work)
{
	struct request *rq = blk_mq_rq_from_pdu(work);
	unsigned int flags = memalloc_noio_save();
	int ret;

	current->flags |= PF_LOCAL_THROTTLE;
	ret = execute(rq->q->queuedata, rq);
	current->flags &= ~PF_LOCAL_THROTTLE;
	memalloc_noio_restore(flags);
	blk_mq_end_request(rq, errno_to_blk_status(ret));
}

/* Not one of those that must work while memory is reclaimed: file systems wait for others. */
static struct workqueue_struct *requests;

static blk_status_t queue_rq(struct blk_mq_hw_ctx *hctx, const struct blk_mq_queue_data *bd)
{
	struct work_struct *work = blk_mq_rq_to_pdu(bd->rq);

	blk_mq_start_request(bd->rq);
	INIT_WORK(work, work_on_request);
	queue_work(requests, work);
	return BLK_STS_OK;
}

static const struct blk_mq_ops mq_ops = { .queue_rq = queue_rq };

const struct block_device_operations ref_fops = {
	.owner = THIS_MODULE,
	.ioctl = ref_ioctl,
};

/* --- devices come and go --------------------------------------------------- */

/* Segments are pages, and requests up to 508 KiB, as those of QEMU's NVMe. */
#define MAX_SEGMENTS 127
#define MAX_SECTORS  (MAX_SEGMENTS * (PAGE_SIZE >> SECTOR_SHIFT))

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 9, 0)
static struct gendisk *allocate_disk(struct ref_device *dev)
{
	struct queue_limits limits = {
		.logical_block_size = dev->block,
		.physical_block_size = dev->block,
		.max_hw_sectors = MAX_SECTORS,
		.max_segments = MAX_SEGMENTS,
		.features = BLK_FEAT_WRITE_CACHE,
	};

	return blk_mq_alloc_disk(&dev->tags, &limits, dev);
}
#else
static struct gendisk *allocate_disk(struct ref_device *dev)
{
	struct gendisk *disk = blk_mq_alloc_disk(&dev->tags, dev);

	if (IS_ERR(disk))
		return disk;
	blk_queue_logical_block_size(disk->queue, dev->block);
	blk_queue_physical_block_size(disk->queue, dev->block);
	blk_queue_max_hw_sectors(disk->queue, MAX_SECTORS);
	blk_queue_max_segments(disk->queue, MAX_SEGMENTS);
	blk_queue_write_cache(disk->queue, true, false);
	return disk;
}
#endif

static struct file *open_file(const char *path)
{
	struct file *file = filp_open(path, O_RDWR | O_LARGEFILE, 0);

	if (IS_ERR(file) || S_ISREG(file_inode(file)->i_mode))
		return file;
	fput(file);
	return ERR_PTR(-EINVAL);
}

static int allocate_tags(struct ref_device *dev)
{
	dev->tags.ops = &mq_ops;
	dev->tags.nr_hw_queues = 1;
	dev->tags.queue_depth = 64;
	dev->tags.numa_node = NUMA_NO_NODE;
	dev->tags.cmd_size = sizeof(struct work_struct);
	dev->tags.flags = BLK_MQ_F_SHOULD_MERGE;
	return blk_mq_alloc_tag_set(&dev->tags);
}

static void nothing_fails(struct ref_device *dev)
{
	dev->fail_after = -1;
	dev->fail_errno = EIO;
	dev->fail_commands = -1;
	dev->bad_read = -1;
	dev->bad_write = -1;
	dev->pause_at = -1;
}

static int start_disk(struct ref_device *dev, const char *name)
{
	int ret;

	dev->disk = allocate_disk(dev);
	if (IS_ERR(dev->disk))
		return PTR_ERR(dev->disk);
	dev->disk->fops = &ref_fops;
	dev->disk->private_data = dev;
	strscpy(dev->disk->disk_name, name, DISK_NAME_LEN);
	set_capacity(dev->disk, i_size_read(file_inode(dev->file)) >> SECTOR_SHIFT);
	ret = device_add_disk(NULL, dev->disk, ref_groups);
	if (ret < 0)
		goto out_put;
	ret = ref_add_queue_files(dev);
	if (ret < 0)
		goto out_del;
	return 0;

out_del:
	del_gendisk(dev->disk);
out_put:
	put_disk(dev->disk);
	return ret;
}

static struct ref_device *new_device(const struct ref_abi *abi, u64 block, u64 max_bytes)
{
	struct ref_device *dev = kzalloc(sizeof(*dev), GFP_KERNEL);

	if (!dev)
		return NULL;
	dev->abi = abi;
	dev->block = block;
	dev->max_bytes_hw = max_bytes;
	dev->max_bytes = max_bytes;
	dev->offload = max_bytes > 0;
	dev->max_ranges = max_bytes > 0 ? 127 : 0;
	init_waitqueue_head(&dev->resumed);
	spin_lock_init(&dev->seen_lock);
	nothing_fails(dev);
	return dev;
}

static struct ref_device *find(const char *name)
{
	struct ref_device *dev;

	list_for_each_entry(dev, &devices, list)
	{
		if (!strcmp(dev->disk->disk_name, name))
			return dev;
	}
	return NULL;
}

static int add(const char *name, const char *path, struct ref_device *dev)
{
	int ret;

	if (find(name))
		return -EEXIST;
	dev->file = open_file(path);
	if (IS_ERR(dev->file))
		return PTR_ERR(dev->file);
	ret = allocate_tags(dev);
	if (ret < 0)
		goto out_file;
	ret = start_disk(dev, name);
	if (ret < 0)
		goto out_tags;
	list_add(&dev->list, &devices);
	return 0;

out_tags:
	blk_mq_free_tag_set(&dev->tags);
out_file:
	fput(dev->file);
	return ret;
}

int ref_add(const char *name, const char *path, const struct ref_abi *abi, u64 block, u64 max_bytes)
{
	struct ref_device *dev = new_device(abi, block, max_bytes);
	int ret;

	if (!dev)
		return -ENOMEM;
	mutex_lock(&devices_lock);
	ret = abi->syscall ? ref_patch_syscall() : 0;
	if (ret == 0)
		ret = add(name, path, dev);
	mutex_unlock(&devices_lock);
	if (ret < 0)
		kfree(dev);
	return ret;
}

static void remove(struct ref_device *dev)
{
	list_del(&dev->list);
	ref_remove_queue_files(dev);
	del_gendisk(dev->disk);
	put_disk(dev->disk);
	blk_mq_free_tag_set(&dev->tags);
	fput(dev->file);
	kfree(dev);
}

int ref_remove(const char *name)
{
	struct ref_device *dev;
	int ret = 0;

	mutex_lock(&devices_lock);
	dev = find(name);
	if (!dev)
		ret = -ENODEV;
	else if (disk_openers(dev->disk) > 0)
		ret = -EBUSY;
	else
		remove(dev);
	mutex_unlock(&devices_lock);
	return ret;
}

int ref_device_init(void)
{
	requests = alloc_workqueue("copyoff_ref", WQ_UNBOUND, 0);
	return requests ? 0 : -ENOMEM;
}

/* The module is not in use: nobody has one open. */
void ref_device_exit(void)
{
	struct ref_device *dev, *next;

	list_for_each_entry_safe(dev, next, &devices, list) remove(dev);
	destroy_workqueue(requests);
}
