/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * facts.c - see facts.h
 */
#include "facts.h"

#include "sys.h"
#include "sysfs.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { LEAST_BLOCK = 512 };

/* No offset of a file is larger. */
#define LARGEST_OFFSET ((uint64_t)INT64_MAX)

static void forget(struct copyoff_block *b, uint64_t rdev)
{
	memset(b, 0, sizeof(*b));
	b->rdev = rdev;
	b->start = COPYOFF_OFFSET_UNKNOWN;
	b->backing.offset = COPYOFF_OFFSET_UNKNOWN;
	b->backing.size_limit = COPYOFF_OFFSET_UNKNOWN;
	b->holders = -1;
}

static enum copyoff_answer answer(bool yes)
{
	return yes ? COPYOFF_ANSWER_YES : COPYOFF_ANSWER_NO;
}

/* "0" or "1" */
static enum copyoff_answer answer_of(uint64_t dev, const char *attribute)
{
	uint64_t value;

	if (copyoff_sysfs_number(dev, attribute, &value) < 0 || value > 1)
		return COPYOFF_ANSWER_UNKNOWN;
	return answer(value);
}

/* A word of @words, by its place; 0 for another. */
static int word_of(uint64_t dev, const char *attribute, const char *const *words, int n)
{
	char text[32];

	if (copyoff_sysfs_text(dev, attribute, text, sizeof(text)) < 0)
		return 0;
	for (int i = 1; i < n; i++) {
		if (strcmp(words[i], text) == 0)
			return i;
	}
	return 0;
}

/* --- where it lies -------------------------------------------------------- */

static void find_place(struct copyoff_block *b)
{
	int partition = copyoff_sysfs_has(b->rdev, "partition");

	if (copyoff_sysfs_sectors(b->rdev, "size", &b->size) < 0)
		b->size = 0;
	if (partition < 0)
		return;
	b->partition = answer(partition);
	if (copyoff_sysfs_disk(b->rdev, partition, &b->disk) < 0)
		b->disk = 0;
	if (!partition)
		b->start = 0;
	else if (copyoff_sysfs_sectors(b->rdev, "start", &b->start) < 0)
		b->start = COPYOFF_OFFSET_UNKNOWN;
	/* What ends beyond all offsets does not begin where it says. */
	if (b->start != COPYOFF_OFFSET_UNKNOWN && b->size > LARGEST_OFFSET - b->start)
		b->start = COPYOFF_OFFSET_UNKNOWN;
}

/* --- what it is made of --------------------------------------------------- */

static uint32_t block_of(uint64_t dev, const char *attribute)
{
	uint64_t bytes;

	if (copyoff_sysfs_number(dev, attribute, &bytes) < 0 || bytes < LEAST_BLOCK ||
	    bytes > UINT32_MAX || (bytes & (bytes - 1)))
		return 0;
	return (uint32_t)bytes;
}

/* Kernels built without it, and older ones for most disks, have no such directory. */
static enum copyoff_answer has_integrity(uint64_t disk)
{
	char text[32];
	ssize_t len = copyoff_sysfs_text(disk, "integrity/format", text, sizeof(text));

	if (len == -ENOENT)
		return COPYOFF_ANSWER_NO;
	if (len < 0 && len != -E2BIG)
		return COPYOFF_ANSWER_UNKNOWN;
	return answer(len < 0 || strcmp(text, "none") != 0);
}

static void find_limits(struct copyoff_block *b)
{
	static const char *const models[] = {
		[COPYOFF_ZONED_UNKNOWN] = "",
		[COPYOFF_ZONED_NONE] = "none",
		[COPYOFF_ZONED_HOST_AWARE] = "host-aware",
		[COPYOFF_ZONED_HOST_MANAGED] = "host-managed",
	};

	b->logical_block = block_of(b->disk, "queue/logical_block_size");
	b->physical_block = block_of(b->disk, "queue/physical_block_size");
	b->zoned = (enum copyoff_zoned)word_of(b->disk, "queue/zoned", models,
					       sizeof(models) / sizeof(models[0]));
	b->integrity = has_integrity(b->disk);
	if (copyoff_sysfs_number(b->disk, "diskseq", &b->diskseq) < 0)
		b->diskseq = 0;
}

/* Directories that only such a device has; and a disk is the child of a device. */
static enum copyoff_stack stack_of(uint64_t disk)
{
	static const struct {
		const char *attribute;
		enum copyoff_stack stack;
	} marks[] = {
		{ "loop/offset", COPYOFF_STACK_LOOP },
		{ "dm/uuid", COPYOFF_STACK_DM },
		{ "md/level", COPYOFF_STACK_MD },
	};
	int ret;

	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		ret = copyoff_sysfs_has(disk, marks[i].attribute);
		if (ret != 0)
			return ret < 0 ? COPYOFF_STACK_UNKNOWN : marks[i].stack;
	}
	ret = copyoff_sysfs_has_directory(disk, "device");
	if (ret < 0)
		return COPYOFF_STACK_UNKNOWN;
	return ret ? COPYOFF_STACK_DISK : COPYOFF_STACK_VIRTUAL;
}

static void find_backing(uint64_t disk, struct copyoff_backing *backing)
{
	if (copyoff_sysfs_number(disk, "loop/offset", &backing->offset) < 0)
		backing->offset = COPYOFF_OFFSET_UNKNOWN;
	if (copyoff_sysfs_number(disk, "loop/sizelimit", &backing->size_limit) < 0)
		backing->size_limit = COPYOFF_OFFSET_UNKNOWN;
	backing->direct = answer_of(disk, "loop/dio");
	if (copyoff_sysfs_text(disk, "loop/backing_file", backing->path, sizeof(backing->path)) < 0)
		backing->path[0] = '\0';
}

/* The types of targets that are told apart; all others are OTHER. */
static enum copyoff_dm dm_of_type(const char *type)
{
	static const struct {
		const char *type;
		enum copyoff_dm dm;
	} types[] = {
		{ "linear", COPYOFF_DM_LINEAR },
		{ "striped", COPYOFF_DM_STRIPED },
		{ "crypt", COPYOFF_DM_CRYPT },
		{ "multipath", COPYOFF_DM_MULTIPATH },
		{ "thin", COPYOFF_DM_THIN },
		{ "snapshot", COPYOFF_DM_SNAPSHOT },
		{ "snapshot-origin", COPYOFF_DM_SNAPSHOT },
		{ "snapshot-merge", COPYOFF_DM_SNAPSHOT },
	};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (strcmp(types[i].type, type) == 0)
			return types[i].dm;
	}
	return COPYOFF_DM_OTHER;
}

/* The tools of a kind agree on how their uuids begin. */
static enum copyoff_dm dm_of_uuid(const char *uuid)
{
	static const struct {
		const char *prefix;
		enum copyoff_dm dm;
	} prefixes[] = {
		{ "LVM-", COPYOFF_DM_LVM },
		{ "mpath-", COPYOFF_DM_MULTIPATH },
		{ "CRYPT-", COPYOFF_DM_CRYPT },
	};

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		if (strncmp(prefixes[i].prefix, uuid, strlen(prefixes[i].prefix)) == 0)
			return prefixes[i].dm;
	}
	return COPYOFF_DM_UNKNOWN;
}

static void find_dm(struct copyoff_block *b)
{
	char type[32], uuid[160];

	if (copyoff_sys_dm_target(b->disk, type, sizeof(type)) == 0) {
		b->dm = dm_of_type(type);
		return;
	}
	if (copyoff_sysfs_text(b->disk, "dm/uuid", uuid, sizeof(uuid)) < 0)
		return;
	b->dm = dm_of_uuid(uuid);
	b->dm_claimed = b->dm != COPYOFF_DM_UNKNOWN;
}

/* Only the subsystem of a multipath device has a policy for its paths. */
static enum copyoff_answer is_nvme_head(uint64_t disk)
{
	int nvme = copyoff_sysfs_has(disk, "nsid");
	int policy = copyoff_sysfs_has(disk, "device/iopolicy");

	if (nvme < 0 || policy < 0)
		return COPYOFF_ANSWER_UNKNOWN;
	return answer(nvme && policy);
}

static void find_stack(struct copyoff_block *b)
{
	b->stack = stack_of(b->disk);
	b->nvme_head = is_nvme_head(b->disk);
	if (b->stack == COPYOFF_STACK_LOOP)
		find_backing(b->disk, &b->backing);
	if (b->stack == COPYOFF_STACK_DM)
		find_dm(b);
	if (b->stack == COPYOFF_STACK_MD &&
	    copyoff_sysfs_text(b->disk, "md/level", b->md_level, sizeof(b->md_level)) < 0)
		b->md_level[0] = '\0';
}

/* --- who uses it ---------------------------------------------------------- */

struct holder_count {
	uint64_t disk;
	int count;
};

static int add_holders(struct holder_count *sum, uint64_t dev, const char *directory)
{
	int ret = copyoff_sysfs_count(dev, directory);

	if (ret < 0)
		return ret;
	sum->count += ret;
	return 0;
}

/* @name is in the directory of a disk: is it a partition, and who holds it? */
static int add_partition(void *data, const char *name)
{
	struct holder_count *sum = data;
	char path[300];
	int ret;

	snprintf(path, sizeof(path), "%s/partition", name);
	ret = copyoff_sysfs_has(sum->disk, path);
	/* Most names are those of attributes. */
	if (ret == 0 || ret == -ENOTDIR)
		return 0;
	if (ret < 0)
		return ret;
	snprintf(path, sizeof(path), "%s/holders", name);
	return add_holders(sum, sum->disk, path);
}

static int count_holders(const struct copyoff_block *b)
{
	struct holder_count sum = { .disk = b->disk };
	int ret = add_holders(&sum, b->rdev, "holders");

	if (ret == 0 && b->partition == COPYOFF_ANSWER_YES)
		ret = add_holders(&sum, b->disk, "holders");
	else if (ret == 0)
		ret = copyoff_sysfs_list(b->disk, "", add_partition, &sum);
	return ret < 0 ? -1 : sum.count;
}

/*
 * 1 if @dev and the device share bytes, 0 if not.  File systems without a device
 * have numbers whose major number is 0.
 */
static int shares_bytes(void *data, uint64_t dev)
{
	const struct copyoff_block *b = data;
	uint64_t disk;
	int ret;

	if (dev == b->rdev || dev == b->disk)
		return 1;
	if (dev >> 32 == 0 || b->partition == COPYOFF_ANSWER_YES)
		return 0;
	ret = copyoff_sysfs_has(dev, "partition");
	if (ret >= 0)
		ret = copyoff_sysfs_disk(dev, ret, &disk);
	return ret < 0 ? ret : disk == b->rdev;
}

/* A reader of mountinfo: ID PARENT MAJOR:MINOR ROOT ... and a newline. */
struct mount_reader {
	struct copyoff_block *block;
	unsigned field;
	size_t len;
	char number[24]; /* the third field */
};

static int mount_found(struct mount_reader *r)
{
	uint64_t dev;
	int ret;

	r->number[r->len] = '\0';
	ret = copyoff_parse_device(r->number, &dev);
	return ret < 0 ? ret : shares_bytes(r->block, dev);
}

/* 1 if a mount of the device was found in @text. */
static int read_mounts(struct mount_reader *r, const char *text, size_t len)
{
	int ret = 0;

	for (size_t i = 0; i < len && ret == 0; i++) {
		if (text[i] == '\n') {
			r->field = 0;
			r->len = 0;
		} else if (text[i] == ' ') {
			if (r->field == 2)
				ret = mount_found(r);
			r->field++;
		} else if (r->field == 2 && r->len < sizeof(r->number) - 1) {
			r->number[r->len++] = text[i];
		}
	}
	return ret;
}

/* 1 if it is in the list of mounts, 0 if not. */
static int is_listed(struct copyoff_block *b)
{
	struct mount_reader r = { .block = b };
	int fd = copyoff_sys_open_mountinfo();
	char text[4096];
	int64_t off = 0;
	ssize_t len;
	int ret = 0;

	if (fd < 0)
		return fd;
	while (ret == 0) {
		len = copyoff_sys_pread(fd, text, sizeof(text), off);
		if (len <= 0) {
			ret = (int)len;
			break;
		}
		ret = read_mounts(&r, text, (size_t)len);
		off += len;
	}
	copyoff_sys_close(fd);
	return ret;
}

/* btrfs is mounted with a number of its own, and on several devices. */
static enum copyoff_answer is_mounted(struct copyoff_block *b)
{
	int listed = is_listed(b);
	int btrfs = copyoff_sysfs_btrfs_devices(shares_bytes, b);

	if (listed == 1 || btrfs == 1)
		return COPYOFF_ANSWER_YES;
	return listed < 0 || btrfs < 0 ? COPYOFF_ANSWER_UNKNOWN : COPYOFF_ANSWER_NO;
}

/* --- all of it ------------------------------------------------------------ */

int copyoff_facts_sysfs(uint64_t rdev, struct copyoff_block *b)
{
	uint64_t found;
	int ret;

	forget(b, rdev);
	ret = copyoff_sysfs_device(rdev, "dev", &found);
	if (ret < 0)
		return ret;
	if (found != rdev)
		return -ENODEV;
	find_place(b);
	b->read_only = answer_of(rdev, "ro");
	/* The rest is known of disks only, and which one it is may be unknown. */
	if (b->disk == 0)
		return 0;
	find_limits(b);
	find_stack(b);
	b->holders = count_holders(b);
	b->mounted = is_mounted(b);
	return 0;
}

/* The descriptor may be older than what has its number now. */
static int check_sequence(int fd, struct copyoff_block *b)
{
	uint64_t sequence;

	if (copyoff_sys_disk_sequence(fd, &sequence) < 0)
		return 0;
	if (b->diskseq && sequence && b->diskseq != sequence)
		return -ENODEV;
	b->diskseq = sequence;
	return 0;
}

static void ask_loop(int fd, struct copyoff_backing *backing)
{
	struct copyoff_loop_status status;

	if (copyoff_sys_loop_status(fd, &status) < 0)
		return;
	backing->dev = status.backing_dev;
	backing->ino = status.backing_ino;
	backing->rdev = status.backing_rdev;
	backing->offset = status.offset;
	backing->size_limit = status.size_limit;
	backing->direct = answer(status.direct);
}

int copyoff_facts_block(int fd, uint64_t rdev, struct copyoff_block *b)
{
	bool read_only;
	int ret;

	(void)copyoff_facts_sysfs(rdev, b);
	ret = check_sequence(fd, b);
	if (ret == 0)
		ret = copyoff_sys_block_size(fd, &b->size, &b->logical_block);
	if (ret < 0) {
		forget(b, rdev);
		return ret;
	}
	(void)copyoff_sys_physical_block(fd, &b->physical_block);
	if (copyoff_sys_read_only(fd, &read_only) == 0)
		b->read_only = answer(read_only);
	if (b->stack == COPYOFF_STACK_LOOP)
		ask_loop(fd, &b->backing);
	return 0;
}

/* --- in words ------------------------------------------------------------- */

struct text {
	char *buf;
	size_t size;
	size_t len; /* of the whole text, also where it does not fit */
};

__attribute__((format(printf, 2, 3))) static void add(struct text *t, const char *fmt, ...)
{
	size_t room = t->len < t->size ? t->size - t->len : 0;
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(room ? t->buf + t->len : NULL, room, fmt, ap);
	va_end(ap);
	if (len > 0)
		t->len += (size_t)len;
}

/* Names of files may have anything in them; terminals do what they are told. */
static void add_path(struct text *t, const char *path)
{
	for (; *path; path++)
		add(t, "%c", (unsigned char)*path < ' ' || *path == 0x7f ? '?' : *path);
}

static void add_number(struct text *t, uint64_t dev)
{
	add(t, "%u:%u", (unsigned)(dev >> 32), (unsigned)(dev & UINT32_MAX));
}

static void add_place(struct text *t, const struct copyoff_block *b)
{
	switch (b->partition) {
	case COPYOFF_ANSWER_NO:
		add(t, "disk ");
		add_number(t, b->rdev);
		return;
	case COPYOFF_ANSWER_YES:
		add(t, "partition ");
		if (b->start == COPYOFF_OFFSET_UNKNOWN)
			add(t, "from an unknown offset");
		else
			add(t, "from %llu", (unsigned long long)b->start);
		add(t, " of ");
		if (b->disk == 0)
			add(t, "an unknown disk");
		else {
			add(t, "disk ");
			add_number(t, b->disk);
		}
		return;
	case COPYOFF_ANSWER_UNKNOWN:
		break;
	}
	add(t, "block device ");
	add_number(t, b->rdev);
}

static void add_backing(struct text *t, const struct copyoff_backing *backing)
{
	add(t, ", loop device on ");
	if (backing->path[0])
		add_path(t, backing->path);
	else
		add(t, "an unknown file");
	if (backing->offset == COPYOFF_OFFSET_UNKNOWN)
		add(t, " from an unknown offset");
	else
		add(t, " from %llu", (unsigned long long)backing->offset);
	if (backing->direct == COPYOFF_ANSWER_YES)
		add(t, " with O_DIRECT");
}

static void add_stack(struct text *t, const struct copyoff_block *b)
{
	static const char *const dm[] = {
		[COPYOFF_DM_UNKNOWN] = "unknown target", [COPYOFF_DM_LINEAR] = "linear",
		[COPYOFF_DM_STRIPED] = "striped",        [COPYOFF_DM_CRYPT] = "crypt",
		[COPYOFF_DM_MULTIPATH] = "multipath",    [COPYOFF_DM_THIN] = "thin",
		[COPYOFF_DM_SNAPSHOT] = "snapshot",      [COPYOFF_DM_OTHER] = "other targets",
		[COPYOFF_DM_LVM] = "logical volume",
	};

	switch (b->stack) {
	case COPYOFF_STACK_UNKNOWN:
		add(t, ", of unknown make");
		break;
	case COPYOFF_STACK_DISK:
		if (b->nvme_head == COPYOFF_ANSWER_YES)
			add(t, ", NVMe multipath");
		break;
	case COPYOFF_STACK_LOOP:
		add_backing(t, &b->backing);
		break;
	case COPYOFF_STACK_DM:
		add(t, ", device mapper (%s%s)", dm[b->dm], b->dm_claimed ? " by its uuid" : "");
		break;
	case COPYOFF_STACK_MD:
		add(t, ", md %s", b->md_level[0] ? b->md_level : "of unknown level");
		break;
	case COPYOFF_STACK_VIRTUAL:
		add(t, ", virtual");
		break;
	}
}

static void add_use(struct text *t, const struct copyoff_block *b)
{
	if (b->read_only == COPYOFF_ANSWER_YES)
		add(t, ", read-only");
	if (b->zoned == COPYOFF_ZONED_HOST_AWARE)
		add(t, ", host-aware zones");
	if (b->zoned == COPYOFF_ZONED_HOST_MANAGED)
		add(t, ", host-managed zones");
	if (b->integrity == COPYOFF_ANSWER_YES)
		add(t, ", protection information");
	if (b->holders > 0)
		add(t, ", held by %d device%s", b->holders, b->holders == 1 ? "" : "s");
	if (b->mounted == COPYOFF_ANSWER_YES)
		add(t, ", mounted");
	else if (b->mounted == COPYOFF_ANSWER_UNKNOWN || b->holders < 0)
		add(t, ", perhaps in use");
}

size_t copyoff_facts_describe(const struct copyoff_block *b, char *buf, size_t size)
{
	struct text t = { .buf = buf, .size = size };

	if (size > 0)
		buf[0] = '\0';
	add_place(&t, b);
	add_stack(&t, b);
	if (b->logical_block)
		add(&t, ", %u-byte blocks", b->logical_block);
	add_use(&t, b);
	return t.len;
}
