// SPDX-License-Identifier: GPL-2.0-only
/*
 * ioctl.c - the commands, with the checks of the patches, in their order
 */
#include "ref.h"

#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#define MAX_RANGES 4096 /* must be fewer */

static bool is_unaligned(struct block_device *bdev, u64 bytes)
{
	return bytes & (bdev_logical_block_size(bdev) - 1);
}

static bool is_range_valid(struct block_device *bdev, const struct ref_range *range)
{
	return range->len != 0 && !is_unaligned(bdev, range->src) &&
	       !is_unaligned(bdev, range->dst) && !is_unaligned(bdev, range->len);
}

static struct ref_range *allocate_ranges(unsigned int count)
{
	return kvcalloc(count, sizeof(struct ref_range), GFP_KERNEL);
}

/* --- v2 to v6: ranges behind a header, which say how far they got ---------- */

struct ranges_header {
	u64 nr_range;
	u64 reserved;
};

struct ranges_entry {
	u64 src, dst, len, comp_len;
};

/* Counts what real kernels do not see: they hang. */
static bool is_total_valid(struct ref_device *dev, const struct ranges_entry *entries,
			   unsigned int count)
{
	u64 total = 0;
	unsigned int i;

	for (i = 0; i < count; i++) {
		if (check_add_overflow(total, entries[i].len, &total)) {
			ref_count(dev, REF_TOO_LARGE, 1);
			return false;
		}
	}
	return dev->abi->max_total == 0 || total < dev->abi->max_total;
}

/* What was set to 0 here is handed back, also where a later range is wrong. */
static int take_ranges(struct block_device *bdev, struct ref_range *ranges,
		       struct ranges_entry *entries, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++) {
		ranges[i].src = entries[i].src;
		ranges[i].dst = entries[i].dst;
		ranges[i].len = entries[i].len;
		if (!is_range_valid(bdev, &ranges[i]))
			return -EINVAL;
		entries[i].comp_len = 0;
	}
	return is_total_valid(ref_of(bdev), entries, count) ? 0 : -EINVAL;
}

static int copy_entries(struct block_device *bdev, struct ranges_entry *entries, unsigned int count)
{
	struct ref_range *ranges = allocate_ranges(count);
	unsigned int i;
	int ret;

	if (!ranges)
		return -ENOMEM;
	ret = take_ranges(bdev, ranges, entries, count);
	if (ret < 0) {
		ref_count(ref_of(bdev), REF_REFUSED, 1);
		goto out;
	}
	ret = ref_copy(bdev, ref_of(bdev)->abi->retry, ranges, count);
	for (i = 0; i < count; i++)
		entries[i].comp_len = ranges[i].done;
out:
	kvfree(ranges);
	return ret;
}

int ref_ioctl_ranges(const struct ref_abi *abi, struct block_device *bdev, ref_mode_t mode,
		     unsigned int command, void __user *argument)
{
	void __user *payload = argument + sizeof(struct ranges_header);
	struct ranges_header header;
	struct ranges_entry *entries;
	size_t size;
	int ret;

	if (!(mode & REF_MODE_WRITE))
		return -EBADF;
	if (copy_from_user(&header, argument, sizeof(header)))
		return -EFAULT;
	if (header.nr_range == 0 || header.reserved != 0 || header.nr_range >= MAX_RANGES)
		return -EINVAL;
	size = header.nr_range * sizeof(*entries);
	entries = vmemdup_user(payload, size);
	if (IS_ERR(entries))
		return PTR_ERR(entries);
	ret = -EPERM;
	if (bdev_read_only(bdev))
		goto out;
	ret = copy_entries(bdev, entries, header.nr_range);
	if (copy_to_user(payload, entries, size))
		ret = -EFAULT;
out:
	kvfree(entries);
	return ret;
}

/* --- RFC and v1: several sources, one destination -------------------------- */

struct gather_header {
	u64 dest;
	u64 nr_range;
	u64 range_list;
	u64 rsvd;
};

struct gather_entry {
	u64 src, len;
};

static int gather(struct block_device *bdev, u64 dst, const struct gather_entry *entries,
		  unsigned int count)
{
	const struct ref_abi *abi = ref_of(bdev)->abi;
	struct ref_range *ranges = allocate_ranges(count);
	unsigned int i;
	int ret = -EINVAL;

	if (!ranges)
		return -ENOMEM;
	dst <<= abi->shift;
	for (i = 0; i < count; i++) {
		ranges[i].src = entries[i].src << abi->shift;
		ranges[i].len = entries[i].len << abi->shift;
		ranges[i].dst = dst;
		dst += ranges[i].len;
		if (!is_range_valid(bdev, &ranges[i]))
			goto out;
	}
	ret = ref_copy(bdev, abi->retry, ranges, count);
out:
	kvfree(ranges);
	return ret;
}

/* Those kernels allocate first, whatever the number. */
int ref_ioctl_gather(const struct ref_abi *abi, struct block_device *bdev, ref_mode_t mode,
		     unsigned int command, void __user *argument)
{
	struct gather_header header;
	struct gather_entry *entries;
	int ret;

	if (!(mode & REF_MODE_WRITE))
		return -EBADF;
	if (copy_from_user(&header, argument, sizeof(header)))
		return -EFAULT;
	if (header.nr_range == 0 || header.nr_range >= MAX_RANGES)
		return -EINVAL;
	entries = vmemdup_user(u64_to_user_ptr(header.range_list),
			       header.nr_range * sizeof(*entries));
	if (IS_ERR(entries))
		return PTR_ERR(entries);
	ret = -EPERM;
	if (!bdev_read_only(bdev))
		ret = gather(bdev, header.dest, entries, header.nr_range);
	kvfree(entries);
	return ret;
}

/* --- one range in four words, the last of which says how much -------------- */

int ref_ioctl_four(const struct ref_abi *abi, struct block_device *bdev, ref_mode_t mode,
		   unsigned int command, void __user *argument)
{
	struct ref_range range = {};
	u64 words[4];
	u64 size = bdev_nr_bytes(bdev);
	int ret;

	if (!(mode & REF_MODE_WRITE))
		return -EBADF;
	if (copy_from_user(words, argument, sizeof(words)))
		return -EFAULT;
	range.src = words[0];
	range.dst = words[1];
	range.len = words[2];
	if (!is_range_valid(bdev, &range) || range.len > size || range.src > size - range.len ||
	    range.dst > size - range.len)
		return -EINVAL;
	if (ref_of(bdev)->max_bytes == 0)
		return -EOPNOTSUPP;
	if (bdev_read_only(bdev))
		return -EPERM;
	ret = ref_copy(bdev, abi->retry, &range, 1);
	words[3] = range.done;
	return copy_to_user(argument, words, sizeof(words)) ? -EFAULT : ret;
}

/* --- sectors, for one range or several ------------------------------------- */

struct sectors_vector {
	u64 dst_sector;
	u16 nr_ranges;
	u8 rsvd[6];
	u64 sources;
};

struct sectors_source {
	u64 src_sector;
	u64 nr_sectors;
};

/* The end of the destination is left to the block layer, and so is its right to write. */
static bool is_sector_range_valid(struct block_device *bdev, u64 dst,
				  const struct sectors_source *source)
{
	u64 n = source->nr_sectors;
	u64 src = source->src_sector;
	u64 mask = (bdev_logical_block_size(bdev) >> SECTOR_SHIFT) - 1;

	if (n == 0 || n > UINT_MAX >> SECTOR_SHIFT || ((dst | src | n) & mask))
		return false;
	if (src + n < src || dst + n < dst || src + n > bdev_nr_sectors(bdev))
		return false;
	return src >= dst + n || dst >= src + n;
}

static int copy_sectors(struct block_device *bdev, u64 dst, const struct sectors_source *sources,
			unsigned int count)
{
	struct ref_range *ranges = allocate_ranges(count);
	unsigned int i;
	int ret = -EINVAL;

	if (!ranges)
		return -ENOMEM;
	for (i = 0; i < count; i++) {
		if (!is_sector_range_valid(bdev, dst, &sources[i]))
			goto out;
		ranges[i].src = sources[i].src_sector << SECTOR_SHIFT;
		ranges[i].len = sources[i].nr_sectors << SECTOR_SHIFT;
		ranges[i].dst = dst << SECTOR_SHIFT;
		dst += sources[i].nr_sectors;
	}
	ret = ref_copy(bdev, REF_NO_RETRY, ranges, count);
out:
	kvfree(ranges);
	return ret;
}

static int copy_vector(struct block_device *bdev, void __user *argument)
{
	struct sectors_vector vector;
	struct sectors_source *sources;
	int ret;

	if (copy_from_user(&vector, argument, sizeof(vector)))
		return -EFAULT;
	if (vector.nr_ranges == 0)
		return -EINVAL;
	sources =
		vmemdup_user(u64_to_user_ptr(vector.sources), vector.nr_ranges * sizeof(*sources));
	if (IS_ERR(sources))
		return PTR_ERR(sources);
	ret = copy_sectors(bdev, vector.dst_sector, sources, vector.nr_ranges);
	kvfree(sources);
	return ret;
}

int ref_ioctl_sectors(const struct ref_abi *abi, struct block_device *bdev, ref_mode_t mode,
		      unsigned int command, void __user *argument)
{
	struct sectors_source source;
	u64 words[3];

	if (!(mode & REF_MODE_WRITE))
		return -EBADF;
	if (command == abi->vector)
		return copy_vector(bdev, argument);
	if (copy_from_user(words, argument, sizeof(words)))
		return -EFAULT;
	source.src_sector = words[1];
	source.nr_sectors = words[2];
	return copy_sectors(bdev, words[0], &source, 1);
}

/* --- something else -------------------------------------------------------- */

int ref_ioctl_stranger(const struct ref_abi *abi, struct block_device *bdev, ref_mode_t mode,
		       unsigned int command, void __user *argument)
{
	if (!(mode & REF_MODE_WRITE))
		return -EBADF;
	ref_count(ref_of(bdev), REF_STRANGE, 1);
	return 0;
}

/* --- all of them ----------------------------------------------------------- */

static bool is_known(const struct ref_abi *abi, unsigned int command)
{
	return abi->ioctl && (command == abi->command || (abi->vector && command == abi->vector));
}

static void note(struct ref_device *dev, unsigned int command, bool write, int result)
{
	unsigned int i;

	spin_lock(&dev->seen_lock);
	for (i = 0; i < REF_MAX_SEEN; i++) {
		struct ref_seen *seen = &dev->seen[i];

		if (seen->count == 0)
			*seen = (struct ref_seen){ command, write, result, 0 };
		if (seen->command == command && seen->write == write && seen->result == result) {
			seen->count++;
			break;
		}
	}
	spin_unlock(&dev->seen_lock);
}

int ref_ioctl(struct block_device *bdev, ref_mode_t mode, unsigned int command,
	      unsigned long argument)
{
	struct ref_device *dev = ref_of(bdev);
	int ret = -ENOTTY;

	if (is_known(dev->abi, command))
		ret = dev->abi->ioctl(dev->abi, bdev, mode, command, (void __user *)argument);
	note(dev, command, mode & REF_MODE_WRITE, ret);
	return ret;
}
