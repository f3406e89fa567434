/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * block_copy.c - one call of a block copy interface, as it is
 *
 * block_copy [OPTION]... INTERFACE DEVICE [SOURCE:DESTINATION:LENGTH]...
 *
 * Prints "ok" or the name of the error, and behind it what the call says that it
 * copied, if it does.  Numbers are bytes, whatever the unit of the interface is.
 * Nothing here is of the library: it tests what that is tested with.
 */
#define _GNU_SOURCE /* copy_file_range, O_DIRECT */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "errname.h"

enum { MAX_RANGES = 4100, UNTOUCHED = 2989 };

struct range {
	uint64_t src, dst, len;
};

static struct options {
	int mode; /* of open(2) */
	bool null; /* no argument */
	uint64_t reserved; /* what must be 0 */
	uint64_t count; /* said to be there; 0: as many as are */
	const char *output; /* of the system call, if not the same */
} options = { .mode = O_RDWR };

static int call(int fd, unsigned int command, void *argument)
{
	return (int)syscall(SYS_ioctl, fd, command, options.null ? NULL : argument);
}

static uint64_t count_of(size_t n)
{
	return options.count > 0 ? options.count : n;
}

/* At once behind the call: errno is that of it. */
static void say(int ret)
{
	int error = errno;

	if (ret >= 0)
		printf("ok");
	else if (*errname(error))
		printf("%s", errname(error));
	else
		printf("%d", error);
}

/* --- the interfaces -------------------------------------------------------- */

struct interface {
	const char *name;
	unsigned int command;
	unsigned int shift;
	void (*copy)(const struct interface *interface, int fd, const struct range *ranges,
		     size_t n);
};

/* v2 to v6 */
static void copy_ranges(const struct interface *interface, int fd, const struct range *ranges,
			size_t n)
{
	static struct {
		uint64_t nr_range, reserved;
		struct {
			uint64_t src, dst, len, comp_len;
		} entries[MAX_RANGES];
	} argument;
	size_t i;
	int ret;

	argument.nr_range = count_of(n);
	argument.reserved = options.reserved;
	for (i = 0; i < n; i++) {
		argument.entries[i].src = ranges[i].src;
		argument.entries[i].dst = ranges[i].dst;
		argument.entries[i].len = ranges[i].len;
		argument.entries[i].comp_len = UNTOUCHED;
	}
	ret = call(fd, interface->command, &argument);
	say(ret);
	for (i = 0; i < n; i++)
		printf(" %" PRIu64, argument.entries[i].comp_len);
}

/* RFC and v1: one destination, that of the first range */
static void copy_gather(const struct interface *interface, int fd, const struct range *ranges,
			size_t n)
{
	static struct {
		uint64_t src, len;
	} entries[MAX_RANGES];
	struct {
		uint64_t dest, nr_range, range_list, rsvd;
	} argument = { n > 0 ? ranges[0].dst >> interface->shift : 0, count_of(n),
		       (uintptr_t)entries, options.reserved };
	size_t i;

	for (i = 0; i < n; i++) {
		entries[i].src = ranges[i].src >> interface->shift;
		entries[i].len = ranges[i].len >> interface->shift;
	}
	say(call(fd, interface->command, &argument));
}

static void copy_four(const struct interface *interface, int fd, const struct range *ranges,
		      size_t n)
{
	uint64_t words[4] = { 0, 0, 0, UNTOUCHED };
	int ret;

	if (n > 0)
		memcpy(words, ranges, sizeof(*ranges));
	ret = call(fd, interface->command, words);
	say(ret);
	printf(" %" PRIu64, words[3]);
}

static void copy_sectors(const struct interface *interface, int fd, const struct range *ranges,
			 size_t n)
{
	uint64_t words[3] = { 0 };

	if (n > 0) {
		words[0] = ranges[0].dst >> interface->shift;
		words[1] = ranges[0].src >> interface->shift;
		words[2] = ranges[0].len >> interface->shift;
	}
	say(call(fd, interface->command, words));
}

static void copy_vector(const struct interface *interface, int fd, const struct range *ranges,
			size_t n)
{
	static struct {
		uint64_t src, n;
	} sources[MAX_RANGES];
	struct {
		uint64_t dst;
		uint16_t nr_ranges;
		uint8_t rsvd[6];
		uint64_t sources;
	} argument = { n > 0 ? ranges[0].dst >> interface->shift : 0,
		       (uint16_t)count_of(n),
		       { 0 },
		       (uintptr_t)sources };
	size_t i;

	for (i = 0; i < n; i++) {
		sources[i].src = ranges[i].src >> interface->shift;
		sources[i].n = ranges[i].len >> interface->shift;
	}
	say(call(fd, interface->command, &argument));
}

static int open_device(const char *path)
{
	int fd = open(path, options.mode | O_CLOEXEC);

	if (fd < 0) {
		perror(path);
		exit(1);
	}
	return fd;
}

static void copy_by_syscall(const struct interface *interface, int fd, const struct range *ranges,
			    size_t n)
{
	static const struct range nothing;
	const struct range *range = n > 0 ? ranges : &nothing;
	int fd_out = options.output ? open_device(options.output) : fd;
	off_t src = (off_t)range->src;
	off_t dst = (off_t)range->dst;
	ssize_t ret;

	(void)interface;
	ret = copy_file_range(fd, &src, fd_out, &dst, (size_t)range->len, 0);
	say(ret >= 0 ? 0 : -1);
	if (ret >= 0)
		printf(" %zd", ret);
}

static const struct interface interfaces[] = {
	{ "rfc", 0xC0201280, 0, copy_gather },    { "rfc5", 0xC0201280, 9, copy_gather },
	{ "v1", 0xC0201281, 9, copy_gather },     { "v2", 0xC0101281, 0, copy_ranges },
	{ "mikulas", 0x1281, 0, copy_four },      { "blkcpy", 0xC018128E, 9, copy_sectors },
	{ "vector", 0xC018128F, 9, copy_vector }, { "syscall", 0, 0, copy_by_syscall },
};

static const struct interface *find(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(interfaces) / sizeof(*interfaces); i++) {
		if (strcmp(interfaces[i].name, name) == 0)
			return &interfaces[i];
	}
	return NULL;
}

/* --- arguments ------------------------------------------------------------- */

static void usage(void)
{
	fputs("Usage: block_copy [OPTION]... INTERFACE DEVICE [SOURCE:DESTINATION:LENGTH]...\n"
	      "  -r  read only   -d  O_DIRECT   -0  no argument\n"
	      "  -c COUNT of ranges that is claimed   -R VALUE of what must be 0\n"
	      "  -o DEVICE to copy to, by the system call\n",
	      stderr);
	exit(2);
}

static uint64_t number(const char *text, char end, const char **rest)
{
	char *stop;
	uint64_t value;

	errno = 0;
	value = strtoull(text, &stop, 0);
	if (errno != 0 || stop == text || *stop != end)
		usage();
	if (rest)
		*rest = stop + 1;
	return value;
}

static struct range parse(const char *text)
{
	struct range range;

	range.src = number(text, ':', &text);
	range.dst = number(text, ':', &text);
	range.len = number(text, '\0', NULL);
	return range;
}

static void parse_options(int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "rd0c:R:o:")) != -1) {
		switch (option) {
		case 'r':
			options.mode = (options.mode & ~O_ACCMODE) | O_RDONLY;
			break;
		case 'd':
			options.mode |= O_DIRECT;
			break;
		case '0':
			options.null = true;
			break;
		case 'c':
			options.count = number(optarg, '\0', NULL);
			break;
		case 'R':
			options.reserved = number(optarg, '\0', NULL);
			break;
		case 'o':
			options.output = optarg;
			break;
		default:
			usage();
		}
	}
}

int main(int argc, char **argv)
{
	static struct range ranges[MAX_RANGES];
	const struct interface *interface;
	size_t n = 0;
	int fd;

	parse_options(argc, argv);
	argc -= optind;
	argv += optind;
	if (argc < 2 || argc - 2 > MAX_RANGES)
		usage();
	interface = find(argv[0]);
	if (!interface)
		usage();
	fd = open_device(argv[1]);
	while (n + 2 < (size_t)argc) {
		ranges[n] = parse(argv[n + 2]);
		n++;
	}
	interface->copy(interface, fd, ranges, n);
	putchar('\n');
	return fflush(stdout) == 0 ? 0 : 1;
}
