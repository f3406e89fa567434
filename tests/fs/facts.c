/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * facts.c - what the library finds out about a block device
 *
 * A line of NAME=VALUE words, and one in words.
 */
#define _GNU_SOURCE /* O_CLOEXEC */
#include "facts.h"
#include "sys.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void print_number(const char *name, uint64_t dev)
{
	printf(" %s=%u:%u", name, (unsigned)(dev >> 32), (unsigned)(dev & UINT32_MAX));
}

static void print(const struct copyoff_block *b, uint64_t sequence)
{
	char text[8192];

	printf("size=%" PRIu64 " logical=%u physical=%u", b->size, b->logical_block,
	       b->physical_block);
	printf(" partition=%d start=%" PRIu64, (int)b->partition, b->start);
	/* As it is known in the end, which may be from sysfs, and by ioctl(2). */
	printf(" diskseq=%" PRIu64 " sequence=%" PRIu64, b->diskseq, sequence);
	print_number("disk", b->disk);
	printf(" read_only=%d zoned=%d stack=%d dm=%d claimed=%d", (int)b->read_only, (int)b->zoned,
	       (int)b->stack, (int)b->dm, (int)b->dm_claimed);
	printf(" holders=%d mounted=%d", b->holders, (int)b->mounted);
	print_number("backing_dev", b->backing.dev);
	printf(" ino=%" PRIu64, b->backing.ino);
	print_number("backing_rdev", b->backing.rdev);
	printf(" offset=%" PRIu64 " limit=%" PRIu64 " direct=%d\n", b->backing.offset,
	       b->backing.size_limit, (int)b->backing.direct);
	if (copyoff_facts_describe(b, text, sizeof(text)) >= sizeof(text))
		printf("(cut) ");
	printf("%s\n", text);
}

int main(int argc, char **argv)
{
	static struct copyoff_block block;
	struct copyoff_stat st;
	uint64_t sequence;
	int fd, ret;

	if (argc != 2) {
		fprintf(stderr, "usage: fs-facts DEVICE\n");
		return 2;
	}
	fd = open(argv[1], O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		perror(argv[1]);
		return 2;
	}
	ret = copyoff_sys_stat(fd, &st);
	if (ret == 0)
		ret = copyoff_facts_block(fd, st.rdev, &block);
	if (ret < 0) {
		fprintf(stderr, "%s: %s\n", argv[1], strerror(-ret));
		return 1;
	}
	if (copyoff_sys_disk_sequence(fd, &sequence) < 0)
		sequence = 0;
	print(&block, sequence);
	return 0;
}
