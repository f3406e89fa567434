// SPDX-License-Identifier: GPL-2.0-only
/*
 * main.c - the parameters "add" and "remove", with which devices come and go
 */
#include "ref.h"

#include <linux/kernel.h>
#include <linux/log2.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/slab.h>
#include <linux/string.h>

/* A copy of a line that was written, without the newline. */
static char *copy_line(const char *value)
{
	char *line = kstrdup(value, GFP_KERNEL);

	return line ? strim(line) : NULL;
}

static int parse_option(char *option, u64 *block, u64 *max_bytes)
{
	char *value = strchr(option, '=');

	if (!value)
		return -EINVAL;
	*value++ = '\0';
	if (!strcmp(option, "block"))
		return kstrtou64(value, 10, block);
	if (!strcmp(option, "max"))
		return kstrtou64(value, 10, max_bytes);
	return -EINVAL;
}

/* NAME FILE ABI [block=BYTES] [max=BYTES] */
static int add_by(char *line)
{
	const char *name = strsep(&line, " ");
	const char *path = strsep(&line, " ");
	const char *abi_name = strsep(&line, " ");
	const struct ref_abi *abi;
	u64 block = 512;
	u64 max_bytes = 65536;
	char *option;
	int ret;

	if (!abi_name)
		return -EINVAL;
	abi = ref_find_abi(abi_name);
	if (!abi)
		return -EINVAL;
	while ((option = strsep(&line, " ")) != NULL) {
		ret = parse_option(option, &block, &max_bytes);
		if (ret < 0)
			return ret;
	}
	if (block < 512 || block > PAGE_SIZE || !is_power_of_2(block) || max_bytes % block)
		return -EINVAL;
	return ref_add(name, path, abi, block, max_bytes);
}

static int set_add(const char *value, const struct kernel_param *parameter)
{
	char *line = copy_line(value);
	int ret;

	if (!line)
		return -ENOMEM;
	ret = add_by(line);
	kfree(line);
	return ret;
}

static int set_remove(const char *value, const struct kernel_param *parameter)
{
	char *name = copy_line(value);
	int ret;

	if (!name)
		return -ENOMEM;
	ret = ref_remove(name);
	kfree(name);
	return ret;
}

static const struct kernel_param_ops add_ops = { .set = set_add };
static const struct kernel_param_ops remove_ops = { .set = set_remove };
module_param_cb(add, &add_ops, NULL, 0200);
module_param_cb(remove, &remove_ops, NULL, 0200);

static int __init ref_init(void)
{
	int ret = ref_device_init();

	if (ret < 0)
		return ret;
	ret = ref_copy_init();
	if (ret < 0)
		ref_device_exit();
	return ret;
}

static void __exit ref_exit(void)
{
	ref_unpatch_syscall();
	ref_copy_exit();
	ref_device_exit();
}

module_init(ref_init);
module_exit(ref_exit);
MODULE_DESCRIPTION("Disks in files, with the block copies that were proposed for Linux");
MODULE_LICENSE("GPL");
