/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * facts_test.c - facts about block devices, from trees like that of /sys
 *
 * The seam is wrapped: it reads below world.root what it would read below /sys,
 * and answers for the descriptor.  The trees of tests/fixtures were copied from
 * a kernel; broken ones are made here.
 */
#define _GNU_SOURCE
#include "facts.h"
#include "sysfs.h"
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What the descriptor says. */
struct ioctls {
	uint64_t size;
	uint32_t logical_block;
	uint32_t physical_block;
	uint64_t sequence;
	bool read_only;
	struct copyoff_loop_status loop;
	int size_error, physical_error, sequence_error, read_only_error, loop_error; /* -errno */
};

static struct {
	char root[PATH_MAX]; /* "": no sysfs */
	const char *mounts; /* the file to read as mountinfo; NULL: the seam refuses */
	const char *target; /* of the device mapper; NULL: the seam refuses */
	int files; /* that are open */
	unsigned calls; /* that can fail, and were made */
	unsigned fail_at; /* the call to fail, from 1; 0: none */
	struct ioctls fd;
} world;

static const char mountinfo[] = FIXTURES "/mountinfo";

static void use(const char *name)
{
	memset(&world, 0, sizeof(world));
	snprintf(world.root, sizeof(world.root), "%s/sysfs/%s", FIXTURES, name);
	world.mounts = mountinfo;
}

/* --- the seam ------------------------------------------------------------- */

ssize_t __real_copyoff_sys_read_sysfs(const char *path, char *buf, size_t size);
int __real_copyoff_sys_list_sysfs(const char *path, int (*entry)(void *data, const char *name),
				  void *data);
ssize_t __wrap_copyoff_sys_read_sysfs(const char *path, char *buf, size_t size);
int __wrap_copyoff_sys_list_sysfs(const char *path, int (*entry)(void *data, const char *name),
				  void *data);
int __wrap_copyoff_sys_open_mountinfo(void);
int __wrap_copyoff_sys_close(int fd);
int __wrap_copyoff_sys_dm_target(uint64_t dev, char *type, size_t size);
int __wrap_copyoff_sys_block_size(int fd, uint64_t *bytes, uint32_t *logical_block);
int __wrap_copyoff_sys_physical_block(int fd, uint32_t *bytes);
int __wrap_copyoff_sys_read_only(int fd, bool *read_only);
int __wrap_copyoff_sys_disk_sequence(int fd, uint64_t *sequence);
int __wrap_copyoff_sys_loop_status(int fd, struct copyoff_loop_status *status);

static bool fails(void)
{
	return ++world.calls == world.fail_at;
}

/* The seam puts "/sys/" in front. */
static void elsewhere(char path[PATH_MAX], const char *name)
{
	ck_assert_int_lt(snprintf(path, PATH_MAX, "..%s/%s", world.root, name), PATH_MAX);
}

ssize_t __wrap_copyoff_sys_read_sysfs(const char *path, char *buf, size_t size)
{
	char there[PATH_MAX];

	if (fails())
		return -EIO;
	if (!world.root[0])
		return -ENOENT;
	elsewhere(there, path);
	return __real_copyoff_sys_read_sysfs(there, buf, size);
}

int __wrap_copyoff_sys_list_sysfs(const char *path, int (*entry)(void *data, const char *name),
				  void *data)
{
	char there[PATH_MAX];

	if (fails())
		return -EIO;
	if (!world.root[0])
		return -ENOENT;
	elsewhere(there, path);
	return __real_copyoff_sys_list_sysfs(there, entry, data);
}

int __wrap_copyoff_sys_open_mountinfo(void)
{
	if (fails() || !world.mounts)
		return -EACCES;
	world.files++;
	return open(world.mounts, O_RDONLY | O_CLOEXEC);
}

int __wrap_copyoff_sys_close(int fd)
{
	world.files--;
	return close(fd) < 0 ? -errno : 0;
}

int __wrap_copyoff_sys_dm_target(uint64_t dev, char *type, size_t size)
{
	ck_assert_uint_ne(dev, 0);
	if (fails() || !world.target)
		return -EACCES;
	snprintf(type, size, "%s", world.target);
	return 0;
}

enum { FD = 12345 };

int __wrap_copyoff_sys_block_size(int fd, uint64_t *bytes, uint32_t *logical_block)
{
	ck_assert_int_eq(fd, FD);
	*bytes = world.fd.size;
	*logical_block = world.fd.logical_block;
	return world.fd.size_error;
}

int __wrap_copyoff_sys_physical_block(int fd, uint32_t *bytes)
{
	ck_assert_int_eq(fd, FD);
	if (!world.fd.physical_error)
		*bytes = world.fd.physical_block;
	return world.fd.physical_error;
}

int __wrap_copyoff_sys_read_only(int fd, bool *read_only)
{
	ck_assert_int_eq(fd, FD);
	*read_only = world.fd.read_only;
	return world.fd.read_only_error;
}

int __wrap_copyoff_sys_disk_sequence(int fd, uint64_t *sequence)
{
	ck_assert_int_eq(fd, FD);
	*sequence = world.fd.sequence;
	return world.fd.sequence_error;
}

int __wrap_copyoff_sys_loop_status(int fd, struct copyoff_loop_status *status)
{
	ck_assert_int_eq(fd, FD);
	*status = world.fd.loop;
	return world.fd.loop_error;
}

/* --- fixtures ------------------------------------------------------------- */

#define DEV(major, minor) ((uint64_t)(major) << 32 | (minor))

static const uint64_t MIB = 1 << 20;

struct device {
	const char *fixture;
	uint64_t rdev;
	const char *target; /* of the device mapper */
	uint64_t sectors, start, disk, diskseq;
	uint32_t logical, physical;
	enum copyoff_stack stack;
	enum copyoff_dm dm;
	int holders;
	const char *words;
};

static const struct device devices[] = {
	{ "virtio", DEV(254, 96), NULL, 524288, 0, DEV(254, 96), 11, 512, 512, COPYOFF_STACK_DISK,
	  COPYOFF_DM_UNKNOWN, 0, "disk 254:96, 512-byte blocks" },
	{ "scsi", DEV(8, 32), NULL, 131072, 0, DEV(8, 32), 23, 512, 4096, COPYOFF_STACK_DISK,
	  COPYOFF_DM_UNKNOWN, 0, "disk 8:32, 512-byte blocks" },
	{ "scsi", DEV(8, 33), NULL, 42976, 32, DEV(8, 32), 23, 512, 4096, COPYOFF_STACK_DISK,
	  COPYOFF_DM_UNKNOWN, 0, "partition from 16384 of disk 8:32, 512-byte blocks" },
	{ "scsi", DEV(8, 35), NULL, 42976, 87040, DEV(8, 32), 23, 512, 4096, COPYOFF_STACK_DISK,
	  COPYOFF_DM_UNKNOWN, 0, "partition from 44564480 of disk 8:32, 512-byte blocks" },
	{ "nvme", DEV(259, 2), NULL, 131072, 0, DEV(259, 2), 3, 512, 512, COPYOFF_STACK_DISK,
	  COPYOFF_DM_UNKNOWN, 0, "disk 259:2, 512-byte blocks" },
	{ "nvme", DEV(259, 4), NULL, 40960, 49152, DEV(259, 2), 3, 512, 512, COPYOFF_STACK_DISK,
	  COPYOFF_DM_UNKNOWN, 0, "partition from 25165824 of disk 259:2, 512-byte blocks" },
	/* Sectors of sysfs have 512 bytes whatever the blocks have. */
	{ "nvme-multipath", DEV(259, 1), NULL, 131072, 0, DEV(259, 1), 2, 4096, 4096,
	  COPYOFF_STACK_DISK, COPYOFF_DM_UNKNOWN, 0,
	  "disk 259:1, NVMe multipath, 4096-byte blocks" },
	{ "dm", DEV(253, 0), "linear", 16384, 0, DEV(253, 0), 24, 512, 512, COPYOFF_STACK_DM,
	  COPYOFF_DM_LINEAR, 0, "disk 253:0, device mapper (linear), 512-byte blocks" },
	{ "dm", DEV(253, 0), NULL, 16384, 0, DEV(253, 0), 24, 512, 512, COPYOFF_STACK_DM,
	  COPYOFF_DM_LVM, 0,
	  "disk 253:0, device mapper (logical volume by its uuid), 512-byte blocks" },
	{ "dm", DEV(253, 1), "striped", 16384, 0, DEV(253, 1), 25, 512, 512, COPYOFF_STACK_DM,
	  COPYOFF_DM_STRIPED, 0, "disk 253:1, device mapper (striped), 512-byte blocks" },
	{ "dm", DEV(253, 3), "crypt", 4096, 0, DEV(253, 3), 29, 512, 512, COPYOFF_STACK_DM,
	  COPYOFF_DM_CRYPT, 0, "disk 253:3, device mapper (crypt), 512-byte blocks" },
	{ "dm", DEV(253, 3), NULL, 4096, 0, DEV(253, 3), 29, 512, 512, COPYOFF_STACK_DM,
	  COPYOFF_DM_CRYPT, 0, "disk 253:3, device mapper (crypt by its uuid), 512-byte blocks" },
	/* What is below: logical volumes on two partitions, and dm-crypt on the third. */
	{ "dm", DEV(254, 1), NULL, 47104, 2048, DEV(254, 0), 5, 512, 512, COPYOFF_STACK_DISK,
	  COPYOFF_DM_UNKNOWN, 2,
	  "partition from 1048576 of disk 254:0, 512-byte blocks, held by 2 devices" },
	{ "dm", DEV(254, 3), NULL, 4096, 90112, DEV(254, 0), 5, 512, 512, COPYOFF_STACK_DISK,
	  COPYOFF_DM_UNKNOWN, 1,
	  "partition from 46137344 of disk 254:0, 512-byte blocks, held by 1 device" },
	{ "dm", DEV(254, 0), NULL, 131072, 0, DEV(254, 0), 5, 512, 512, COPYOFF_STACK_DISK,
	  COPYOFF_DM_UNKNOWN, 4, "disk 254:0, 512-byte blocks, held by 4 devices" },
	{ "dm-multipath", DEV(253, 2), "multipath", 131072, 0, DEV(253, 2), 28, 512, 4096,
	  COPYOFF_STACK_DM, COPYOFF_DM_MULTIPATH, 0,
	  "disk 253:2, device mapper (multipath), 512-byte blocks" },
	{ "dm-multipath", DEV(253, 2), NULL, 131072, 0, DEV(253, 2), 28, 512, 4096,
	  COPYOFF_STACK_DM, COPYOFF_DM_MULTIPATH, 0,
	  "disk 253:2, device mapper (multipath by its uuid), 512-byte blocks" },
	/* A path: its partitions are as much in use as itself. */
	{ "dm-multipath", DEV(8, 0), NULL, 131072, 0, DEV(8, 0), 21, 512, 4096, COPYOFF_STACK_DISK,
	  COPYOFF_DM_UNKNOWN, 1, "disk 8:0, 512-byte blocks, held by 1 device" },
	{ "dm-multipath", DEV(8, 18), NULL, 42976, 43008, DEV(8, 16), 22, 512, 4096,
	  COPYOFF_STACK_DISK, COPYOFF_DM_UNKNOWN, 1,
	  "partition from 22020096 of disk 8:16, 512-byte blocks, held by 1 device" },
	{ "md-raid1", DEV(9, 0), NULL, 129024, 0, DEV(9, 0), 27, 512, 512, COPYOFF_STACK_MD,
	  COPYOFF_DM_UNKNOWN, 0, "disk 9:0, md raid1, 512-byte blocks" },
	{ "md-raid1", DEV(254, 32), NULL, 131072, 0, DEV(254, 32), 7, 512, 512, COPYOFF_STACK_DISK,
	  COPYOFF_DM_UNKNOWN, 1, "disk 254:32, 512-byte blocks, held by 1 device" },
	{ "loop", DEV(7, 0), NULL, 98304, 0, DEV(7, 0), 32, 512, 512, COPYOFF_STACK_LOOP,
	  COPYOFF_DM_UNKNOWN, 0, "disk 7:0, loop device on /tmp/loop.img from 0, 512-byte blocks" },
	{ "loop", DEV(259, 11), NULL, 40960, 49152, DEV(7, 0), 32, 512, 512, COPYOFF_STACK_LOOP,
	  COPYOFF_DM_UNKNOWN, 0,
	  "partition from 25165824 of disk 7:0, loop device on /tmp/loop.img from 0, "
	  "512-byte blocks" },
	{ "loop", DEV(7, 1), NULL, 8184, 0, DEV(7, 1), 33, 512, 512, COPYOFF_STACK_LOOP,
	  COPYOFF_DM_UNKNOWN, 0,
	  "disk 7:1, loop device on /tmp/gone.img (deleted) from 4096, 512-byte blocks" },
	{ "loop", DEV(7, 2), NULL, 0, 0, DEV(7, 2), 14, 512, 512, COPYOFF_STACK_VIRTUAL,
	  COPYOFF_DM_UNKNOWN, 0, "disk 7:2, virtual, 512-byte blocks" },
	{ "zoned", DEV(251, 0), NULL, 2097152, 0, DEV(251, 0), 20, 512, 512, COPYOFF_STACK_VIRTUAL,
	  COPYOFF_DM_UNKNOWN, 0, "disk 251:0, virtual, 512-byte blocks, host-managed zones" },
	{ "mounted", DEV(254, 49), NULL, 47104, 2048, DEV(254, 48), 8, 512, 512, COPYOFF_STACK_DISK,
	  COPYOFF_DM_UNKNOWN, 0,
	  "partition from 1048576 of disk 254:48, 512-byte blocks, mounted" },
	/* Not its neighbour, but the whole disk. */
	{ "mounted", DEV(254, 50), NULL, 40960, 49152, DEV(254, 48), 8, 512, 512,
	  COPYOFF_STACK_DISK, COPYOFF_DM_UNKNOWN, 0,
	  "partition from 25165824 of disk 254:48, 512-byte blocks" },
	{ "mounted", DEV(254, 48), NULL, 524288, 0, DEV(254, 48), 8, 512, 512, COPYOFF_STACK_DISK,
	  COPYOFF_DM_UNKNOWN, 1, "disk 254:48, 512-byte blocks, held by 1 device, mounted" },
	/* Both devices of a btrfs; no number of theirs is in the list of mounts. */
	{ "mounted", DEV(254, 64), NULL, 524288, 0, DEV(254, 64), 9, 512, 512, COPYOFF_STACK_DISK,
	  COPYOFF_DM_UNKNOWN, 0, "disk 254:64, 512-byte blocks, mounted" },
	{ "mounted", DEV(254, 80), NULL, 524288, 0, DEV(254, 80), 10, 512, 512, COPYOFF_STACK_DISK,
	  COPYOFF_DM_UNKNOWN, 0, "disk 254:80, 512-byte blocks, mounted" },
};

static void expect_words(const struct copyoff_block *block, const char *words)
{
	char text[8192];

	ck_assert_uint_eq(copyoff_facts_describe(block, text, sizeof(text)), strlen(words));
	ck_assert_str_eq(text, words);
}

static void use_device(const struct device *d)
{
	use(d->fixture);
	world.target = d->target;
}

static void expect_device(const struct copyoff_block *b, const struct device *d)
{
	bool partition = d->rdev != d->disk, is_loop = d->stack == COPYOFF_STACK_LOOP;

	expect_words(b, d->words);
	ck_assert_uint_eq(b->rdev, d->rdev);
	ck_assert_uint_eq(b->size, d->sectors * 512);
	ck_assert_uint_eq(b->logical_block, d->logical);
	ck_assert_uint_eq(b->physical_block, d->physical);
	ck_assert_int_eq(b->partition, partition ? COPYOFF_ANSWER_YES : COPYOFF_ANSWER_NO);
	ck_assert_uint_eq(b->start, d->start * 512);
	ck_assert_uint_eq(b->disk, d->disk);
	ck_assert_uint_eq(b->diskseq, d->diskseq);
	ck_assert_int_eq(b->read_only, COPYOFF_ANSWER_NO);
	ck_assert_int_eq(b->zoned, strcmp(d->fixture, "zoned") ? COPYOFF_ZONED_NONE
							       : COPYOFF_ZONED_HOST_MANAGED);
	ck_assert_int_eq(b->stack, d->stack);
	ck_assert_int_eq(b->dm, d->dm);
	ck_assert(b->dm_claimed == (d->stack == COPYOFF_STACK_DM && !d->target));
	ck_assert_str_eq(b->md_level, d->stack == COPYOFF_STACK_MD ? "raid1" : "");
	ck_assert_int_eq(b->integrity, COPYOFF_ANSWER_NO);
	ck_assert_int_eq(b->nvme_head, strcmp(d->fixture, "nvme-multipath") ? COPYOFF_ANSWER_NO
									    : COPYOFF_ANSWER_YES);
	ck_assert_int_eq(b->holders, d->holders);
	ck_assert_int_eq(b->mounted,
			 strstr(d->words, "mounted") ? COPYOFF_ANSWER_YES : COPYOFF_ANSWER_NO);
	ck_assert_int_eq(b->backing.direct, is_loop ? COPYOFF_ANSWER_NO : COPYOFF_ANSWER_UNKNOWN);
	ck_assert_uint_eq(b->backing.size_limit, is_loop ? 0 : COPYOFF_OFFSET_UNKNOWN);
	ck_assert_uint_eq(b->backing.ino, 0);
}

START_TEST(test_fixture)
{
	const struct device *d = &devices[_i];
	struct copyoff_block block;

	use_device(d);
	ck_assert_int_eq(copyoff_facts_sysfs(d->rdev, &block), 0);
	expect_device(&block, d);
}
END_TEST

/* Either what is true, or nothing. */
#define EXPECT_TRUE_OR(field, unknown)                                                             \
	ck_assert_msg(b->field == truth->field || b->field == (unknown),                           \
		      "%s %s: call %u fails, and %s becomes %lld", d->fixture, d->words,           \
		      world.fail_at, #field, (long long)b->field)

static void expect_no_lies(const struct copyoff_block *b, const struct copyoff_block *truth,
			   const struct device *d)
{
	EXPECT_TRUE_OR(rdev, truth->rdev);
	EXPECT_TRUE_OR(size, 0);
	EXPECT_TRUE_OR(logical_block, 0);
	EXPECT_TRUE_OR(physical_block, 0);
	EXPECT_TRUE_OR(partition, COPYOFF_ANSWER_UNKNOWN);
	EXPECT_TRUE_OR(start, COPYOFF_OFFSET_UNKNOWN);
	EXPECT_TRUE_OR(disk, 0);
	EXPECT_TRUE_OR(diskseq, 0);
	EXPECT_TRUE_OR(read_only, COPYOFF_ANSWER_UNKNOWN);
	EXPECT_TRUE_OR(zoned, COPYOFF_ZONED_UNKNOWN);
	EXPECT_TRUE_OR(integrity, COPYOFF_ANSWER_UNKNOWN);
	EXPECT_TRUE_OR(stack, COPYOFF_STACK_UNKNOWN);
	EXPECT_TRUE_OR(nvme_head, COPYOFF_ANSWER_UNKNOWN);
	EXPECT_TRUE_OR(holders, -1);
	EXPECT_TRUE_OR(mounted, COPYOFF_ANSWER_UNKNOWN);
	EXPECT_TRUE_OR(backing.offset, COPYOFF_OFFSET_UNKNOWN);
	EXPECT_TRUE_OR(backing.size_limit, COPYOFF_OFFSET_UNKNOWN);
	EXPECT_TRUE_OR(backing.direct, COPYOFF_ANSWER_UNKNOWN);
	ck_assert(b->backing.path[0] == '\0' || !strcmp(b->backing.path, truth->backing.path));
	ck_assert(b->md_level[0] == '\0' || !strcmp(b->md_level, truth->md_level));
	/* Without the table there is the uuid, and it says so. */
	ck_assert(b->dm == truth->dm || b->dm == COPYOFF_DM_UNKNOWN || b->dm_claimed);
}

/* One after the other, each call into the system fails. */
START_TEST(test_failing_calls)
{
	const struct device *d = &devices[_i];
	struct copyoff_block truth, block;
	unsigned calls, unanswered, changed = 0;

	use_device(d);
	ck_assert_int_eq(copyoff_facts_sysfs(d->rdev, &truth), 0);
	calls = world.calls;
	ck_assert_uint_gt(calls, 10);
	for (unsigned at = 1; at <= calls; at++) {
		use_device(d);
		world.fail_at = at;
		ck_assert_int_eq(copyoff_facts_sysfs(d->rdev, &block), at == 1 ? -EIO : 0);
		expect_no_lies(&block, &truth, d);
		ck_assert_int_eq(world.files, 0);
		changed += memcmp(&block, &truth, sizeof(block)) != 0;
	}
	/*
	 * Each matters, unless there was no answer before, or it only looked for
	 * another reason to call it mounted.
	 */
	unanswered = d->sectors == 0 || (d->stack == COPYOFF_STACK_DM && !d->target);
	ck_assert(changed == calls - unanswered || truth.mounted == COPYOFF_ANSWER_YES);
}
END_TEST

/* --- broken trees --------------------------------------------------------- */

static char directory[] = "/tmp/copyoff-facts.XXXXXX";

static void run(const char *command)
{
	char line[128];

	ck_assert_int_lt(snprintf(line, sizeof(line), "%s '%s'", command, directory),
			 (int)sizeof(line));
	ck_assert_int_eq(system(line), 0);
}

/* Once, in the parent of the tests, which does not fail with them. */
static void make_directory(void)
{
	ck_assert_ptr_nonnull(mkdtemp(directory));
}

static void remove_directory(void)
{
	run("rm -rf");
}

static void use_directory(void)
{
	run("rm -rf");
	run("mkdir");
	memset(&world, 0, sizeof(world));
	snprintf(world.root, sizeof(world.root), "%s", directory);
	world.mounts = mountinfo;
}

/* Makes the directories of @path. */
static void locate(char full[PATH_MAX], const char *path)
{
	int len = snprintf(full, PATH_MAX, "%s/%s", directory, path);

	ck_assert_int_lt(len, PATH_MAX);
	for (char *p = strchr(full + strlen(directory) + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		ck_assert(mkdir(full, 0777) == 0 || errno == EEXIST);
		*p = '/';
	}
}

static void put(const char *path, const char *text)
{
	char full[PATH_MAX];
	FILE *file;

	locate(full, path);
	file = fopen(full, "w");
	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	ck_assert_int_eq(fclose(file), 0);
}

static void drop(const char *path)
{
	char full[PATH_MAX];

	locate(full, path);
	ck_assert_int_eq(remove(full), 0);
}

static void put_link(const char *path, const char *target)
{
	char full[PATH_MAX];

	locate(full, path);
	ck_assert_int_eq(symlink(target, full), 0);
}

static void put_directory(const char *path)
{
	char full[PATH_MAX];

	locate(full, path);
	ck_assert_int_eq(mkdir(full, 0777), 0);
}

/* A disk 8:0 of 1 GiB, and a partition 8:1 of 1 MiB at 1 MiB. */
static void put_disk(void)
{
	put("sda/dev", "8:0\n");
	put("sda/size", "2097152\n");
	put("sda/ro", "0\n");
	put("sda/diskseq", "7\n");
	put("sda/queue/logical_block_size", "512\n");
	put("sda/queue/physical_block_size", "4096\n");
	put("sda/queue/zoned", "none\n");
	put_directory("sda/device");
	put_directory("sda/holders");
	put("sda/sda1/dev", "8:1\n");
	put("sda/sda1/partition", "1\n");
	put("sda/sda1/start", "2048\n");
	put("sda/sda1/size", "2048\n");
	put("sda/sda1/ro", "1\n");
	put_directory("sda/sda1/holders");
	put_link("dev/block/8:0", "../../sda");
	put_link("dev/block/8:1", "../../sda/sda1");
}

static void look(uint64_t dev, struct copyoff_block *block)
{
	ck_assert_int_eq(copyoff_facts_sysfs(dev, block), 0);
	ck_assert_int_eq(world.files, 0);
}

START_TEST(test_whole_tree)
{
	struct copyoff_block b;

	put_disk();
	look(DEV(8, 0), &b);
	expect_words(&b, "disk 8:0, 512-byte blocks");
	ck_assert_int_eq(b.mounted, COPYOFF_ANSWER_NO);
	look(DEV(8, 1), &b);
	expect_words(&b, "partition from 1048576 of disk 8:0, 512-byte blocks, read-only");
	ck_assert_int_eq(b.holders, 0);
	ck_assert_int_eq(b.stack, COPYOFF_STACK_DISK);
}
END_TEST

static void expect_nothing(const struct copyoff_block *b, uint64_t dev)
{
	ck_assert_uint_eq(b->rdev, dev);
	ck_assert_uint_eq(b->size, 0);
	ck_assert_uint_eq(b->logical_block, 0);
	ck_assert_uint_eq(b->physical_block, 0);
	ck_assert_int_eq(b->partition, COPYOFF_ANSWER_UNKNOWN);
	ck_assert_uint_eq(b->start, COPYOFF_OFFSET_UNKNOWN);
	ck_assert_uint_eq(b->disk, 0);
	ck_assert_uint_eq(b->diskseq, 0);
	ck_assert_int_eq(b->read_only, COPYOFF_ANSWER_UNKNOWN);
	ck_assert_int_eq(b->zoned, COPYOFF_ZONED_UNKNOWN);
	ck_assert_int_eq(b->integrity, COPYOFF_ANSWER_UNKNOWN);
	ck_assert_int_eq(b->stack, COPYOFF_STACK_UNKNOWN);
	ck_assert_int_eq(b->nvme_head, COPYOFF_ANSWER_UNKNOWN);
	ck_assert_int_eq(b->holders, -1);
	ck_assert_int_eq(b->mounted, COPYOFF_ANSWER_UNKNOWN);
	ck_assert_uint_eq(b->backing.offset, COPYOFF_OFFSET_UNKNOWN);
	ck_assert_uint_eq(b->backing.size_limit, COPYOFF_OFFSET_UNKNOWN);
	expect_words(b, "block device 8:0, of unknown make, perhaps in use");
}

START_TEST(test_no_device)
{
	struct copyoff_block b;

	/* No sysfs. */
	world.root[0] = '\0';
	ck_assert_int_eq(copyoff_facts_sysfs(DEV(8, 0), &b), -ENOENT);
	expect_nothing(&b, DEV(8, 0));

	/* An empty one. */
	snprintf(world.root, sizeof(world.root), "%s", directory);
	ck_assert_int_eq(copyoff_facts_sysfs(DEV(8, 0), &b), -ENOENT);
	expect_nothing(&b, DEV(8, 0));

	/* Another device. */
	put_disk();
	put("sda/dev", "8:16\n");
	ck_assert_int_eq(copyoff_facts_sysfs(DEV(8, 0), &b), -ENODEV);
	expect_nothing(&b, DEV(8, 0));
	put("sda/dev", "8\n");
	ck_assert_int_eq(copyoff_facts_sysfs(DEV(8, 0), &b), -EINVAL);
	expect_nothing(&b, DEV(8, 0));

	/* Links that lead to each other. */
	drop("dev/block/8:0");
	drop("dev/block/8:1");
	put_link("dev/block/8:0", "8:1");
	put_link("dev/block/8:1", "8:0");
	ck_assert_int_eq(copyoff_facts_sysfs(DEV(8, 0), &b), -ELOOP);
	expect_nothing(&b, DEV(8, 0));
}
END_TEST

START_TEST(test_missing_attributes)
{
	struct copyoff_block b;

	put_disk();
	drop("sda/sda1/size");
	drop("sda/sda1/start");
	drop("sda/sda1/ro");
	drop("sda/sda1/holders");
	drop("sda/queue/zoned");
	drop("sda/queue/logical_block_size");
	drop("sda/diskseq");
	look(DEV(8, 1), &b);
	ck_assert_uint_eq(b.size, 0);
	ck_assert_int_eq(b.partition, COPYOFF_ANSWER_YES);
	ck_assert_uint_eq(b.start, COPYOFF_OFFSET_UNKNOWN);
	ck_assert_uint_eq(b.disk, DEV(8, 0));
	ck_assert_uint_eq(b.logical_block, 0);
	ck_assert_uint_eq(b.physical_block, 4096);
	ck_assert_int_eq(b.zoned, COPYOFF_ZONED_UNKNOWN);
	ck_assert_uint_eq(b.diskseq, 0);
	ck_assert_int_eq(b.read_only, COPYOFF_ANSWER_UNKNOWN);
	ck_assert_int_eq(b.holders, -1);
	expect_words(&b, "partition from an unknown offset of disk 8:0, perhaps in use");

	/* Somebody may hold a partition. */
	look(DEV(8, 0), &b);
	ck_assert_int_eq(b.holders, -1);

	/* Then nothing is known of the disk. */
	drop("sda/dev");
	look(DEV(8, 1), &b);
	ck_assert_uint_eq(b.disk, 0);
	ck_assert_int_eq(b.stack, COPYOFF_STACK_UNKNOWN);
	ck_assert_uint_eq(b.physical_block, 0);
	ck_assert_int_eq(b.mounted, COPYOFF_ANSWER_UNKNOWN);
	expect_words(&b, "partition from an unknown offset of an unknown disk, of unknown make, "
			 "perhaps in use");
}
END_TEST

START_TEST(test_numbers)
{
	static const char *const bad[] = {
		"",
		"\n",
		"abc\n",
		"-1\n",
		"+1\n",
		" 1\n",
		"1 \n",
		"0x10\n",
		"1.5\n",
		"1\n2\n",
		"1\n\n",
		"1:2\n",
		"18446744073709551616\n",
		"99999999999999999999999\n",
		"00000000000000000000000000000000000000000000000000000000000000000000000000001\n",
	};
	struct copyoff_block b;
	uint64_t value = 42;

	put_disk();
	for (size_t i = 0; i < COUNT(bad); i++) {
		put("sda/sda1/size", bad[i]);
		put("sda/sda1/start", bad[i]);
		put("sda/sda1/ro", bad[i]);
		put("sda/queue/logical_block_size", bad[i]);
		put("sda/diskseq", bad[i]);
		ck_assert_int_lt(copyoff_sysfs_number(DEV(8, 0), "diskseq", &value), 0);
		ck_assert_uint_eq(value, 42);
		look(DEV(8, 1), &b);
		ck_assert_uint_eq(b.size, 0);
		ck_assert_uint_eq(b.start, COPYOFF_OFFSET_UNKNOWN);
		ck_assert_int_eq(b.read_only, COPYOFF_ANSWER_UNKNOWN);
		ck_assert_uint_eq(b.logical_block, 0);
		ck_assert_uint_eq(b.diskseq, 0);
	}
	put("sda/diskseq", "18446744073709551615");
	ck_assert_int_eq(copyoff_sysfs_number(DEV(8, 0), "diskseq", &value), 0);
	ck_assert_uint_eq(value, UINT64_MAX);
}
END_TEST

START_TEST(test_device_numbers)
{
	static const char *const bad[] = { "",
					   ":",
					   "8",
					   "8:",
					   ":1",
					   "8:1:",
					   "8:1\n",
					   " 8:1",
					   "8 :1",
					   "-8:1",
					   "4294967296:0",
					   "8,1",
					   "8:4294967296",
					   "99999999999999999999:1" };
	uint64_t dev = 42;

	for (size_t i = 0; i < COUNT(bad); i++) {
		ck_assert_msg(copyoff_parse_device(bad[i], &dev) < 0, "\"%s\" is taken", bad[i]);
		ck_assert_uint_eq(dev, 42);
	}
	ck_assert_int_eq(copyoff_parse_device("4294967295:4294967295", &dev), 0);
	ck_assert_uint_eq(dev, UINT64_MAX);
	ck_assert_int_eq(copyoff_parse_device("259:1048575", &dev), 0);
	ck_assert_uint_eq(dev, DEV(259, 1048575));
}
END_TEST

START_TEST(test_large_offsets)
{
	static const struct {
		const char *start, *size;
		uint64_t start_bytes, size_bytes;
	} cases[] = {
		/* The last sector of all. */
		{ "18014398509481982", "1", INT64_MAX / 512 * 512 - 512, 512 },
		{ "18014398509481983", "0", INT64_MAX / 512 * 512, 0 },
		{ "18014398509481983", "1", COPYOFF_OFFSET_UNKNOWN, 512 },
		{ "18014398509481984", "1", COPYOFF_OFFSET_UNKNOWN, 512 },
		{ "36028797018963968", "1", COPYOFF_OFFSET_UNKNOWN, 512 },
		{ "18446744073709551615", "1", COPYOFF_OFFSET_UNKNOWN, 512 },
		{ "2048", "18014398509481983", COPYOFF_OFFSET_UNKNOWN, INT64_MAX / 512 * 512 },
		{ "2048", "36028797018963969", 1048576, 0 },
	};
	struct copyoff_block b;

	put_disk();
	for (size_t i = 0; i < COUNT(cases); i++) {
		put("sda/sda1/start", cases[i].start);
		put("sda/sda1/size", cases[i].size);
		look(DEV(8, 1), &b);
		ck_assert_uint_eq(b.start, cases[i].start_bytes);
		ck_assert_uint_eq(b.size, cases[i].size_bytes);
	}
}
END_TEST

START_TEST(test_blocks)
{
	static const struct {
		const char *text;
		uint32_t bytes;
	} cases[] = { { "0", 0 },
		      { "1", 0 },
		      { "256", 0 },
		      { "512", 512 },
		      { "513", 0 },
		      { "4096", 4096 },
		      { "65536", 65536 },
		      { "520", 0 },
		      { "3072", 0 },
		      { "4294967296", 0 },
		      { "2147483648", 2147483648u } };
	struct copyoff_block b;

	put_disk();
	for (size_t i = 0; i < COUNT(cases); i++) {
		put("sda/queue/logical_block_size", cases[i].text);
		put("sda/queue/physical_block_size", cases[i].text);
		look(DEV(8, 1), &b);
		ck_assert_uint_eq(b.logical_block, cases[i].bytes);
		ck_assert_uint_eq(b.physical_block, cases[i].bytes);
	}
}
END_TEST

/* Blocks with tags: by themselves, or for whoever stores something in them. */
START_TEST(test_integrity)
{
	static const struct {
		const char *text;
		enum copyoff_answer answer;
	} cases[] = {
		{ "none\n", COPYOFF_ANSWER_NO },
		{ "T10-DIF-TYPE1-CRC\n", COPYOFF_ANSWER_YES },
		{ "nop\n", COPYOFF_ANSWER_YES },
		{ "\n", COPYOFF_ANSWER_YES },
		{ "a format that is longer than all of them\n", COPYOFF_ANSWER_YES },
	};
	struct copyoff_block b;

	put_disk();
	for (size_t i = 0; i < COUNT(cases); i++) {
		put("sda/integrity/format", cases[i].text);
		look(DEV(8, 1), &b);
		ck_assert_int_eq(b.integrity, cases[i].answer);
	}
	expect_words(&b, "partition from 1048576 of disk 8:0, 512-byte blocks, read-only, "
			 "protection information");
	drop("sda/integrity/format");
	put_directory("sda/integrity/format");
	look(DEV(8, 1), &b);
	ck_assert_int_eq(b.integrity, COPYOFF_ANSWER_UNKNOWN);
}
END_TEST

START_TEST(test_words)
{
	struct copyoff_block b;

	put_disk();
	put("sda/queue/zoned", "host-aware\n");
	look(DEV(8, 0), &b);
	expect_words(&b, "disk 8:0, 512-byte blocks, host-aware zones");
	put("sda/queue/zoned", "none of these, and longer than all of them\n");
	look(DEV(8, 0), &b);
	ck_assert_int_eq(b.zoned, COPYOFF_ZONED_UNKNOWN);
	put("sda/queue/zoned", "\n");
	look(DEV(8, 0), &b);
	ck_assert_int_eq(b.zoned, COPYOFF_ZONED_UNKNOWN);

	put("sda/md/level", "raid10\n");
	look(DEV(8, 0), &b);
	expect_words(&b, "disk 8:0, md raid10, 512-byte blocks");
	put("sda/md/level", "a level that is longer than all\n");
	look(DEV(8, 1), &b);
	ck_assert_int_eq(b.stack, COPYOFF_STACK_MD);
	ck_assert_str_eq(b.md_level, "");
	put("sda/md/level", "\n");
	look(DEV(8, 0), &b);
	expect_words(&b, "disk 8:0, md of unknown level, 512-byte blocks");
}
END_TEST

START_TEST(test_device_mapper)
{
	static const struct {
		const char *target, *uuid;
		enum copyoff_dm dm;
		bool claimed;
	} cases[] = {
		{ "linear", "CRYPT-x", COPYOFF_DM_LINEAR, false },
		{ "striped", "", COPYOFF_DM_STRIPED, false },
		{ "crypt", "", COPYOFF_DM_CRYPT, false },
		{ "multipath", "", COPYOFF_DM_MULTIPATH, false },
		{ "thin", "", COPYOFF_DM_THIN, false },
		{ "snapshot", "", COPYOFF_DM_SNAPSHOT, false },
		{ "snapshot-origin", "", COPYOFF_DM_SNAPSHOT, false },
		{ "snapshot-merge", "", COPYOFF_DM_SNAPSHOT, false },
		{ "raid", "LVM-x", COPYOFF_DM_OTHER, false },
		{ "thin-pool", "", COPYOFF_DM_OTHER, false },
		{ "linea", "", COPYOFF_DM_OTHER, false },
		{ "", "mpath-x", COPYOFF_DM_OTHER, false },
		{ NULL, "LVM-x", COPYOFF_DM_LVM, true },
		{ NULL, "mpath-x", COPYOFF_DM_MULTIPATH, true },
		{ NULL, "CRYPT-LUKS2-x", COPYOFF_DM_CRYPT, true },
		{ NULL, "part1-mpath-x", COPYOFF_DM_UNKNOWN, false },
		{ NULL, "LVM", COPYOFF_DM_UNKNOWN, false },
		{ NULL, "", COPYOFF_DM_UNKNOWN, false },
	};
	struct copyoff_block b;

	put_disk();
	for (size_t i = 0; i < COUNT(cases); i++) {
		world.target = cases[i].target;
		put("sda/dm/uuid", cases[i].uuid);
		look(DEV(8, 1), &b);
		ck_assert_int_eq(b.stack, COPYOFF_STACK_DM);
		ck_assert_msg(b.dm == cases[i].dm && b.dm_claimed == cases[i].claimed,
			      "%s with %s is %d", cases[i].target, cases[i].uuid, (int)b.dm);
	}
}
END_TEST

START_TEST(test_backing)
{
	static char name[5000];
	struct copyoff_block b;

	put_disk();
	put("sda/loop/offset", "4096\n");
	put("sda/loop/sizelimit", "1048576\n");
	put("sda/loop/dio", "1\n");
	/* A name has newlines, if it likes to. */
	put("sda/loop/backing_file", "/srv/a\n\tb\n\n");
	look(DEV(8, 1), &b);
	ck_assert_str_eq(b.backing.path, "/srv/a\n\tb\n");
	ck_assert_uint_eq(b.backing.offset, 4096);
	ck_assert_uint_eq(b.backing.size_limit, 1048576);
	expect_words(&b, "partition from 1048576 of disk 8:0, loop device on /srv/a??b? from 4096 "
			 "with O_DIRECT, 512-byte blocks, read-only");

	memset(name, 'n', 4095);
	put("sda/loop/backing_file", name);
	look(DEV(8, 0), &b);
	ck_assert_str_eq(b.backing.path, name);
	name[4095] = 'n';
	put("sda/loop/backing_file", name);
	put("sda/loop/offset", "-1\n");
	put("sda/loop/sizelimit", "much\n");
	put("sda/loop/dio", "2\n");
	look(DEV(8, 0), &b);
	ck_assert_str_eq(b.backing.path, "");
	ck_assert_uint_eq(b.backing.offset, COPYOFF_OFFSET_UNKNOWN);
	ck_assert_uint_eq(b.backing.size_limit, COPYOFF_OFFSET_UNKNOWN);
	ck_assert_int_eq(b.backing.direct, COPYOFF_ANSWER_UNKNOWN);
	expect_words(&b, "disk 8:0, loop device on an unknown file from an unknown offset, "
			 "512-byte blocks");
}
END_TEST

START_TEST(test_holders)
{
	struct copyoff_block b;

	put_disk();
	put("sda/holders/md0", "");
	put("sda/sda1/holders/dm-0", "");
	put("sda/sda2/partition", "2\n");
	put("sda/sda2/holders/dm-0", "");
	put("sda/sda2/holders/dm-1", "");
	look(DEV(8, 0), &b);
	ck_assert_int_eq(b.holders, 4);
	look(DEV(8, 1), &b);
	ck_assert_int_eq(b.holders, 2);
}
END_TEST

static void put_mounts(const char *text)
{
	static char path[PATH_MAX];

	put("mountinfo", text);
	snprintf(path, sizeof(path), "%s/mountinfo", directory);
	world.mounts = path;
}

static void expect_mounted(uint64_t dev, enum copyoff_answer mounted)
{
	struct copyoff_block b;

	look(dev, &b);
	ck_assert_int_eq(b.mounted, mounted);
}

START_TEST(test_mounts)
{
	struct copyoff_block b;

	put_disk();
	put_mounts("");
	expect_mounted(DEV(8, 0), COPYOFF_ANSWER_NO);
	put_mounts("1 2 8:1 / /a rw - ext4 /dev/sda1 rw\n");
	expect_mounted(DEV(8, 0), COPYOFF_ANSWER_YES);
	expect_mounted(DEV(8, 1), COPYOFF_ANSWER_YES);
	put_mounts("1 2 0:5 / / rw - proc proc rw\n3 4 8:0 / /a rw - ext4 x rw\n");
	expect_mounted(DEV(8, 0), COPYOFF_ANSWER_YES);
	expect_mounted(DEV(8, 1), COPYOFF_ANSWER_YES);
	/* Numbers that are no device's, or have the same digits. */
	put_mounts("8:0 8:1 8:11 8:1 8:0 8:0 - 8:1 8:1 8:1\n8 0 18:0 / /8:0 8:0 - 8:0 8:0 8:0\n");
	expect_mounted(DEV(8, 0), COPYOFF_ANSWER_NO);
	expect_mounted(DEV(8, 1), COPYOFF_ANSWER_NO);
	/* What is not understood may mean anything. */
	put_mounts("1 2 sda1 / /a rw - ext4 /dev/sda1 rw\n");
	expect_mounted(DEV(8, 0), COPYOFF_ANSWER_UNKNOWN);
	put_mounts("1 2 000000000000000000000000000008:1 / /a rw - ext4 /dev/sda1 rw\n");
	expect_mounted(DEV(8, 1), COPYOFF_ANSWER_UNKNOWN);
	world.mounts = directory; /* read(2) fails */
	expect_mounted(DEV(8, 0), COPYOFF_ANSWER_UNKNOWN);
	world.mounts = NULL;
	expect_mounted(DEV(8, 0), COPYOFF_ANSWER_UNKNOWN);
	look(DEV(8, 0), &b);
	expect_words(&b, "disk 8:0, 512-byte blocks, perhaps in use");
}
END_TEST

/* The list comes in pieces; the line that counts is anywhere in them. */
START_TEST(test_long_list_of_mounts)
{
	static char text[10000];

	put_disk();
	for (size_t at = 4050; at < 4110; at++) {
		int len = snprintf(text, sizeof(text), "1 2 0:1 / /");

		memset(text + len, 'x', at - (size_t)len);
		snprintf(text + at, sizeof(text) - at, "\n1 2 8:1 / /a rw - ext4 x rw\n");
		put_mounts(text);
		expect_mounted(DEV(8, 1), COPYOFF_ANSWER_YES);
		text[at + 7] = '2';
		put_mounts(text);
		expect_mounted(DEV(8, 1), COPYOFF_ANSWER_NO);
	}
}
END_TEST

START_TEST(test_btrfs)
{
	put_disk();
	put_mounts("");
	put("fs/btrfs/features/x", "");
	put("fs/btrfs/uuid/devices/sdb/dev", "8:16\n");
	expect_mounted(DEV(8, 0), COPYOFF_ANSWER_NO);
	put("fs/btrfs/uuid2/devices/sda1/dev", "8:1\n");
	expect_mounted(DEV(8, 0), COPYOFF_ANSWER_YES);
	expect_mounted(DEV(8, 1), COPYOFF_ANSWER_YES);
	put("fs/btrfs/uuid2/devices/sda1/dev", "none\n");
	expect_mounted(DEV(8, 1), COPYOFF_ANSWER_UNKNOWN);
}
END_TEST

/* --- the reader of the seam ----------------------------------------------- */

START_TEST(test_read)
{
	static char path[PATH_MAX + 1];
	char buf[8];

	put("text", "seven77\n");
	ck_assert_int_eq(__wrap_copyoff_sys_read_sysfs("text", buf, sizeof(buf)), 7);
	ck_assert_str_eq(buf, "seven77");
	ck_assert_int_eq(__wrap_copyoff_sys_read_sysfs("text", buf, 7), -E2BIG);
	ck_assert_int_eq(__wrap_copyoff_sys_read_sysfs("text", buf, 1), -E2BIG);
	ck_assert_int_eq(__wrap_copyoff_sys_read_sysfs("text", buf, 0), -E2BIG);
	put("text", "eight888\n");
	ck_assert_int_eq(__wrap_copyoff_sys_read_sysfs("text", buf, sizeof(buf)), -E2BIG);
	put("text", "seven77\nmore");
	ck_assert_int_eq(__wrap_copyoff_sys_read_sysfs("text", buf, sizeof(buf)), -E2BIG);
	put("text", "");
	ck_assert_int_eq(__wrap_copyoff_sys_read_sysfs("text", buf, sizeof(buf)), 0);
	ck_assert_str_eq(buf, "");
	put("text", "\n");
	ck_assert_int_eq(__wrap_copyoff_sys_read_sysfs("text", buf, 1), 0);
	ck_assert_str_eq(buf, "");
	put("text", "a\n\n");
	ck_assert_int_eq(__wrap_copyoff_sys_read_sysfs("text", buf, sizeof(buf)), 2);
	ck_assert_str_eq(buf, "a\n");
	ck_assert_int_eq(__wrap_copyoff_sys_read_sysfs("", buf, sizeof(buf)), -EISDIR);
	ck_assert_int_eq(__wrap_copyoff_sys_read_sysfs("none", buf, sizeof(buf)), -ENOENT);
	memset(path, 'p', PATH_MAX);
	ck_assert_int_eq(__real_copyoff_sys_read_sysfs(path, buf, sizeof(buf)), -ENAMETOOLONG);
	/* An attribute with a path of its own that is too long. */
	path[1000] = '\0';
	ck_assert_int_eq(copyoff_sysfs_text(DEV(8, 0), path, buf, sizeof(buf)), -ENAMETOOLONG);
}
END_TEST

static int stop_at_third(void *data, const char *name)
{
	ck_assert_int_ne(name[0], '.');
	return ++*(int *)data == 3 ? 77 : 0;
}

START_TEST(test_list)
{
	int count = 0;

	put("list/a", "");
	put("list/b", "");
	put("list/.hidden", "");
	ck_assert_int_eq(__wrap_copyoff_sys_list_sysfs("list", stop_at_third, &count), 0);
	ck_assert_int_eq(count, 2);
	put("list/c", "");
	put("list/d", "");
	count = 0;
	ck_assert_int_eq(__wrap_copyoff_sys_list_sysfs("list", stop_at_third, &count), 77);
	ck_assert_int_eq(count, 3);
	ck_assert_int_eq(__wrap_copyoff_sys_list_sysfs("none", stop_at_third, &count), -ENOENT);
	ck_assert_int_eq(__wrap_copyoff_sys_list_sysfs("list/a", stop_at_third, &count), -ENOTDIR);
}
END_TEST

/* --- with a descriptor ---------------------------------------------------- */

static void use_loop(void)
{
	use("loop");
	world.fd = (struct ioctls){
		.size = 5 * MIB,
		.logical_block = 4096,
		.physical_block = 8192,
		.sequence = 32,
		.read_only = true,
		.loop = { .backing_dev = DEV(0, 21),
			  .backing_ino = 4711,
			  .backing_rdev = 0,
			  .offset = 512,
			  .size_limit = 5 * MIB,
			  .number = 0,
			  .direct = true },
	};
}

START_TEST(test_descriptor)
{
	struct copyoff_block b;

	use_loop();
	ck_assert_int_eq(copyoff_facts_block(FD, DEV(259, 11), &b), 0);
	ck_assert_uint_eq(b.size, 5 * MIB);
	ck_assert_uint_eq(b.logical_block, 4096);
	ck_assert_uint_eq(b.physical_block, 8192);
	ck_assert_uint_eq(b.diskseq, 32);
	ck_assert_uint_eq(b.start, 49152 * 512);
	ck_assert_uint_eq(b.backing.dev, DEV(0, 21));
	ck_assert_uint_eq(b.backing.ino, 4711);
	ck_assert_uint_eq(b.backing.offset, 512);
	ck_assert_uint_eq(b.backing.size_limit, 5 * MIB);
	expect_words(&b, "partition from 25165824 of disk 7:0, loop device on /tmp/loop.img from "
			 "512 with O_DIRECT, 4096-byte blocks, read-only");

	/* What only ioctl(2) tells is unknown then, the rest is from sysfs. */
	world.fd.physical_error = world.fd.sequence_error = -ENOTTY;
	world.fd.read_only_error = world.fd.loop_error = -ENOTTY;
	ck_assert_int_eq(copyoff_facts_block(FD, DEV(259, 11), &b), 0);
	ck_assert_uint_eq(b.physical_block, 512);
	ck_assert_uint_eq(b.diskseq, 32);
	ck_assert_int_eq(b.read_only, COPYOFF_ANSWER_NO);
	ck_assert_uint_eq(b.backing.ino, 0);
	ck_assert_uint_eq(b.backing.offset, 0);

	/* No loop device, no question. */
	world.fd.loop_error = 0;
	ck_assert_int_eq(copyoff_facts_block(FD, DEV(7, 2), &b), 0);
	ck_assert_uint_eq(b.backing.ino, 0);
}
END_TEST

START_TEST(test_other_device)
{
	struct copyoff_block b;

	/* The number belongs to another device now. */
	use_loop();
	world.fd.sequence = 33;
	ck_assert_int_eq(copyoff_facts_block(FD, DEV(7, 0), &b), -ENODEV);
	ck_assert_int_eq(b.stack, COPYOFF_STACK_UNKNOWN);
	ck_assert_uint_eq(b.size, 0);
	ck_assert_uint_eq(b.diskseq, 0);
	ck_assert_int_eq(b.partition, COPYOFF_ANSWER_UNKNOWN);

	use_loop();
	world.fd.size_error = -ENOTTY;
	ck_assert_int_eq(copyoff_facts_block(FD, DEV(7, 0), &b), -ENOTTY);
	ck_assert_int_eq(b.stack, COPYOFF_STACK_UNKNOWN);
	ck_assert_uint_eq(b.size, 0);
	ck_assert_uint_eq(b.logical_block, 0);
}
END_TEST

START_TEST(test_descriptor_without_sysfs)
{
	struct copyoff_block b;

	use_loop();
	world.root[0] = '\0';
	ck_assert_int_eq(copyoff_facts_block(FD, DEV(7, 0), &b), 0);
	ck_assert_uint_eq(b.size, 5 * MIB);
	ck_assert_uint_eq(b.diskseq, 32);
	ck_assert_int_eq(b.partition, COPYOFF_ANSWER_UNKNOWN);
	ck_assert_uint_eq(b.start, COPYOFF_OFFSET_UNKNOWN);
	ck_assert_int_eq(b.holders, -1);
	expect_words(
		&b,
		"block device 7:0, of unknown make, 4096-byte blocks, read-only, perhaps in use");
}
END_TEST

START_TEST(test_describe_is_snprintf)
{
	const struct device *d = &devices[_i];
	struct copyoff_block block;
	size_t len = strlen(d->words);
	char text[256];

	use_device(d);
	look(d->rdev, &block);
	ck_assert_uint_eq(copyoff_facts_describe(&block, NULL, 0), len);
	for (size_t size = 1; size <= len + 1; size++) {
		memset(text, '#', sizeof(text));
		ck_assert_uint_eq(copyoff_facts_describe(&block, text, size), len);
		ck_assert_uint_eq(strlen(text), size - 1);
		ck_assert(memcmp(text, d->words, size - 1) == 0);
		ck_assert_int_eq(text[size], '#');
	}
}
END_TEST

/* The trees are read by way of /sys/.., and a portable build reads none at all. */
static int can_read_trees(void)
{
	char c;

	return (int)__real_copyoff_sys_read_sysfs("", &c, 1);
}

static void add_tests_of_trees(Suite *suite)
{
	TCase *fixtures = tcase_create("fixtures");
	TCase *broken = tcase_create("broken");
	TCase *descriptor = tcase_create("descriptor");

	tcase_add_loop_test(fixtures, test_fixture, 0, (int)COUNT(devices));
	tcase_add_loop_test(fixtures, test_failing_calls, 0, (int)COUNT(devices));
	tcase_add_loop_test(fixtures, test_describe_is_snprintf, 0, (int)COUNT(devices));
	suite_add_tcase(suite, fixtures);

	tcase_add_unchecked_fixture(broken, make_directory, remove_directory);
	tcase_add_checked_fixture(broken, use_directory, NULL);
	tcase_add_test(broken, test_whole_tree);
	tcase_add_test(broken, test_no_device);
	tcase_add_test(broken, test_missing_attributes);
	tcase_add_test(broken, test_numbers);
	tcase_add_test(broken, test_large_offsets);
	tcase_add_test(broken, test_blocks);
	tcase_add_test(broken, test_integrity);
	tcase_add_test(broken, test_words);
	tcase_add_test(broken, test_device_mapper);
	tcase_add_test(broken, test_backing);
	tcase_add_test(broken, test_holders);
	tcase_add_test(broken, test_mounts);
	tcase_add_test(broken, test_long_list_of_mounts);
	tcase_add_test(broken, test_btrfs);
	tcase_add_test(broken, test_read);
	tcase_add_test(broken, test_list);
	suite_add_tcase(suite, broken);

	tcase_add_test(descriptor, test_descriptor);
	tcase_add_test(descriptor, test_other_device);
	suite_add_tcase(suite, descriptor);
}

int main(void)
{
	Suite *suite = suite_create("facts");
	TCase *everywhere = tcase_create("everywhere");
	int ret = can_read_trees();

	if (ret == -ENOENT) {
		puts("SKIP: there is no /sys");
		return 77;
	}
	tcase_add_test(everywhere, test_device_numbers);
	tcase_add_test(everywhere, test_descriptor_without_sysfs);
	suite_add_tcase(suite, everywhere);
	if (ret != -ENOSYS)
		add_tests_of_trees(suite);
	return run_suite(suite);
}
