// SPDX-License-Identifier: GPL-2.0-only
/*
 * attributes.c - /sys/block/NAME/queue, as the patches have it, and
 * /sys/block/NAME/reference, which is ours
 */
#include "ref.h"

#include <linux/kernel.h>
#include <linux/string.h>

/* --- queue ----------------------------------------------------------------- */

/* Other files than those of the kernel have functions of their own only as binary ones. */

static u64 value_of(struct ref_device *dev, const struct ref_limit *limit)
{
	switch (limit->value) {
	case REF_OFFLOAD:
		return dev->offload;
	case REF_BYTES:
		return dev->max_bytes;
	case REF_BYTES_HW:
		return dev->max_bytes_hw;
	case REF_SECTORS:
		return dev->max_bytes >> SECTOR_SHIFT;
	case REF_NR_RANGES:
		return dev->max_ranges;
	}
	return 0;
}

static const struct ref_limit *limit_of(struct ref_device *dev, const struct bin_attribute *file)
{
	return &dev->abi->limits[file - dev->queue_files];
}

static ssize_t read_limit(struct file *opened, struct kobject *kobj, struct bin_attribute *file,
			  char *buffer, loff_t offset, size_t size)
{
	struct ref_device *dev = file->private;
	char text[24];
	int len = scnprintf(text, sizeof(text), "%llu\n", value_of(dev, limit_of(dev, file)));

	return memory_read_from_buffer(buffer, size, &offset, text, len);
}

static int set_offload(struct ref_device *dev, u64 value)
{
	if (value > 1 || (value == 1 && dev->max_bytes_hw == 0))
		return -EINVAL;
	dev->offload = value;
	return 0;
}

static int set_max_bytes(struct ref_device *dev, u64 value)
{
	if (value & (dev->block - 1))
		return -EINVAL;
	dev->max_bytes = min(value, dev->max_bytes_hw);
	return 0;
}

static ssize_t write_limit(struct file *opened, struct kobject *kobj, struct bin_attribute *file,
			   char *buffer, loff_t offset, size_t size)
{
	struct ref_device *dev = file->private;
	char text[24];
	u64 value;
	int ret;

	if (offset != 0 || size >= sizeof(text))
		return -EINVAL;
	memcpy(text, buffer, size);
	text[size] = '\0';
	ret = kstrtou64(text, 10, &value);
	if (ret < 0)
		return ret;
	if (limit_of(dev, file)->value == REF_OFFLOAD)
		ret = set_offload(dev, value);
	else
		ret = set_max_bytes(dev, value);
	return ret < 0 ? ret : size;
}

static struct kobject *queue_of(struct gendisk *disk)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
	return &disk->queue_kobj;
#else
	return &disk->queue->kobj;
#endif
}

static int add_queue_file(struct ref_device *dev, struct bin_attribute *file,
			  const struct ref_limit *limit)
{
	sysfs_bin_attr_init(file);
	file->attr.name = limit->name;
	file->attr.mode = limit->mode;
	file->private = dev;
	file->read = read_limit;
	if (limit->mode & 0200)
		file->write = write_limit;
	return sysfs_create_bin_file(queue_of(dev->disk), file);
}

int ref_add_queue_files(struct ref_device *dev)
{
	const struct ref_limit *limit;
	int ret;

	for (limit = dev->abi->limits; limit->name; limit++) {
		ret = add_queue_file(dev, &dev->queue_files[limit - dev->abi->limits], limit);
		if (ret < 0)
			return ret;
	}
	return 0;
}

void ref_remove_queue_files(struct ref_device *dev)
{
	const struct ref_limit *limit;

	for (limit = dev->abi->limits; limit->name; limit++)
		sysfs_remove_bin_file(queue_of(dev->disk),
				      &dev->queue_files[limit - dev->abi->limits]);
}

/* --- reference: faults ----------------------------------------------------- */

static struct ref_device *device_of(struct device *device)
{
	return dev_to_disk(device)->private_data;
}

struct fault {
	struct device_attribute attribute;
	size_t offset;
};

static s64 *fault_of(struct device *device, struct device_attribute *attribute)
{
	struct fault *fault = container_of(attribute, struct fault, attribute);

	return (void *)device_of(device) + fault->offset;
}

static ssize_t show_fault(struct device *device, struct device_attribute *attribute, char *text)
{
	return sysfs_emit(text, "%lld\n", READ_ONCE(*fault_of(device, attribute)));
}

static ssize_t set_fault(struct device *device, struct device_attribute *attribute,
			 const char *text, size_t size)
{
	s64 value;
	int ret = kstrtos64(text, 10, &value);

	if (ret < 0)
		return ret;
	WRITE_ONCE(*fault_of(device, attribute), value);
	wake_up_all(&device_of(device)->resumed);
	return size;
}

#define FAULT(name)                                                                                \
	static struct fault name = { __ATTR(name, 0644, show_fault, set_fault),                    \
				     offsetof(struct ref_device, name) }
FAULT(fail_after);
FAULT(fail_errno);
FAULT(fail_commands);
FAULT(fail_emulated);
FAULT(bad_read);
FAULT(bad_write);
FAULT(emulate);
FAULT(delay_ms);
FAULT(pause_at);

static const char *const lies[] = {
	[REF_HONEST] = "honest",       [REF_SHORT] = "short",           [REF_SUCCESS] = "success",
	[REF_OVERSTATE] = "overstate", [REF_UNDERSTATE] = "understate",
};

static ssize_t lie_show(struct device *device, struct device_attribute *attribute, char *text)
{
	return sysfs_emit(text, "%s\n", lies[device_of(device)->lie]);
}

static ssize_t lie_store(struct device *device, struct device_attribute *attribute,
			 const char *text, size_t size)
{
	int lie = sysfs_match_string(lies, text);

	if (lie < 0)
		return lie;
	device_of(device)->lie = lie;
	return size;
}
static DEVICE_ATTR_RW(lie);

/* --- reference: what happened ---------------------------------------------- */

static const char *const counter_names[] = {
	[REF_CALLS] = "calls",       [REF_RANGES] = "ranges",   [REF_COMMANDS] = "commands",
	[REF_BYTES_ASKED] = "bytes", [REF_CLONED] = "cloned",   [REF_COPIED] = "copied",
	[REF_EMULATED] = "emulated", [REF_FAILED] = "failed",   [REF_REFUSED] = "refused",
	[REF_OVERLAPS] = "overlaps", [REF_OUTSIDE] = "outside", [REF_TOO_LARGE] = "too_large",
	[REF_ENDLESS] = "endless",   [REF_STRANGE] = "strange", [REF_PAUSED] = "paused",
};

static ssize_t counters_show(struct device *device, struct device_attribute *attribute, char *text)
{
	struct ref_device *dev = device_of(device);
	unsigned int i;
	int len = 0;

	BUILD_BUG_ON(ARRAY_SIZE(counter_names) != REF_COUNTERS);
	for (i = 0; i < REF_COUNTERS; i++)
		len += sysfs_emit_at(text, len, "%s %lld\n", counter_names[i],
				     atomic64_read(&dev->counters[i]));
	return len;
}

/* Whatever is written sets all to 0. */
static ssize_t counters_store(struct device *device, struct device_attribute *attribute,
			      const char *text, size_t size)
{
	struct ref_device *dev = device_of(device);
	unsigned int i;

	for (i = 0; i < REF_PAUSED; i++)
		atomic64_set(&dev->counters[i], 0);
	spin_lock(&dev->seen_lock);
	memset(dev->seen, 0, sizeof(dev->seen));
	spin_unlock(&dev->seen_lock);
	return size;
}
static DEVICE_ATTR_RW(counters);

/* COMMAND ro|rw RESULT COUNT */
static ssize_t ioctls_show(struct device *device, struct device_attribute *attribute, char *text)
{
	struct ref_device *dev = device_of(device);
	unsigned int i;
	int len = 0;

	spin_lock(&dev->seen_lock);
	for (i = 0; i < REF_MAX_SEEN && dev->seen[i].count > 0; i++) {
		const struct ref_seen *seen = &dev->seen[i];

		len += sysfs_emit_at(text, len, "%#x %s %d %llu\n", seen->command,
				     seen->write ? "rw" : "ro", seen->result, seen->count);
	}
	spin_unlock(&dev->seen_lock);
	return len;
}
static DEVICE_ATTR_RO(ioctls);

static struct attribute *attributes[] = {
	&fail_after.attribute.attr,
	&fail_errno.attribute.attr,
	&fail_commands.attribute.attr,
	&fail_emulated.attribute.attr,
	&bad_read.attribute.attr,
	&bad_write.attribute.attr,
	&emulate.attribute.attr,
	&delay_ms.attribute.attr,
	&pause_at.attribute.attr,
	&dev_attr_lie.attr,
	&dev_attr_counters.attr,
	&dev_attr_ioctls.attr,
	NULL,
};

static const struct attribute_group group = { .name = "reference", .attrs = attributes };

const struct attribute_group *ref_groups[] = { &group, NULL };
