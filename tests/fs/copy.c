/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * copy.c - one copy by the library, with an event in the middle of it
 *
 * Prints what came of it as words NAME=VALUE for the scripts.  The event is a
 * shell command that the progress callback runs as soon as enough bytes are
 * done; so it hits the middle of the copy on any machine.
 */
#define _GNU_SOURCE /* O_DIRECT */
#include <copyoff.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "errname.h"

/* Exit statuses; a copy that fails is none of them. */
enum { STATUS_USAGE = 2, STATUS_EVENT_FAILED = 3, STATUS_NO_EVENT = 4, STATUS_MAPPING = 5 };

struct event {
	const char *command; /* NULL: none */
	uint64_t at; /* bytes done */
	bool fired;
	int status;
};

struct request {
	off_t off_in;
	off_t off_out;
	size_t len;
	unsigned flags;
	int open_in; /* more flags for open(2) */
	int open_out;
	bool repeat; /* call again until nothing comes, as the contract says */
	bool map; /* both files are mapped while they are copied */
	uid_t uid; /* whose quota counts; 0: stay */
	struct copyoff_opts opts;
	struct event event;
};

struct mapping {
	char *in;
	char *out;
	size_t in_size;
	size_t out_size;
};

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static unsigned parse_flags(char *list)
{
	static const struct {
		const char *name;
		unsigned flag;
	} names[] = {
		{ "none", 0 },
		{ "require-offload", COPYOFF_REQUIRE_OFFLOAD },
		{ "no-share", COPYOFF_NO_SHARE },
		{ "require-share", COPYOFF_REQUIRE_SHARE },
		{ "no-raw", COPYOFF_NO_RAW },
		{ "sync", COPYOFF_SYNC },
		{ "sparse", COPYOFF_SPARSE },
		{ "verify", COPYOFF_VERIFY },
	};
	const size_t n = sizeof(names) / sizeof(names[0]);
	unsigned flags = 0;

	for (char *word = strtok(list, ","); word; word = strtok(NULL, ",")) {
		size_t i = 0;

		while (i < n && strcmp(names[i].name, word) != 0)
			i++;
		if (i == n) {
			fprintf(stderr, "unknown flag %s\n", word);
			exit(STATUS_USAGE);
		}
		flags |= names[i].flag;
	}
	return flags;
}

static uint64_t number(const char *text)
{
	char *end;
	unsigned long long value;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno || *end || end == text) {
		fprintf(stderr, "not a number: %s\n", text);
		exit(STATUS_USAGE);
	}
	return value;
}

static void parse_direct(struct request *req, const char *which)
{
	if (strcmp(which, "out") != 0)
		req->open_in |= O_DIRECT;
	if (strcmp(which, "in") != 0)
		req->open_out |= O_DIRECT;
}

static void parse(struct request *req, int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "a:b:c:D:f:i:l:mo:ru:x:")) != -1) {
		switch (c) {
		case 'a':
			req->event.at = number(optarg);
			break;
		case 'b':
			req->opts.backends = optarg;
			break;
		case 'c':
			req->opts.chunk = (size_t)number(optarg);
			break;
		case 'D':
			parse_direct(req, optarg);
			break;
		case 'f':
			req->flags = parse_flags(optarg);
			break;
		case 'i':
			req->off_in = (off_t)number(optarg);
			break;
		case 'l':
			req->len = (size_t)number(optarg);
			break;
		case 'm':
			req->map = true;
			break;
		case 'o':
			req->off_out = (off_t)number(optarg);
			break;
		case 'r':
			req->repeat = true;
			break;
		case 'u':
			req->uid = (uid_t)number(optarg);
			break;
		case 'x':
			req->event.command = optarg;
			break;
		default:
			exit(STATUS_USAGE);
		}
	}
	if (argc - optind != 2) {
		fprintf(stderr, "usage: fs-copy [option...] SRC DST\n");
		exit(STATUS_USAGE);
	}
}

/* The first progress at or behind the place runs the command. */
static int on_progress(void *data, uint64_t done, uint64_t total)
{
	struct event *event = data;

	(void)total;
	if (!event->fired && done >= event->at) {
		event->fired = true;
		event->status = system(event->command);
	}
	return event->status != 0;
}

static char *map_file(int fd, int prot, size_t *size)
{
	volatile const char *p;
	struct stat st;

	if (fstat(fd, &st) < 0)
		fail("fstat");
	*size = (size_t)st.st_size;
	p = mmap(NULL, *size, prot, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		fail("mmap");
	for (size_t i = 0; i < *size; i += 4096)
		(void)p[i];
	return (char *)p;
}

static void map_files(struct mapping *map, int fd_in, int fd_out)
{
	map->in = map_file(fd_in, PROT_READ, &map->in_size);
	map->out = map_file(fd_out, PROT_READ, &map->out_size);
}

/* What was mapped before the copy shows it afterwards. */
static bool mapping_is_equal(const struct mapping *map, const struct request *req, ssize_t count)
{
	size_t in = (size_t)req->off_in;
	size_t out = (size_t)req->off_out;
	size_t n = (size_t)count;

	return count > 0 && in + n <= map->in_size && out + n <= map->out_size &&
	       memcmp(map->in + in, map->out + out, n) == 0;
}

/* The count of all calls, or -1 if there is none; *@err is what the last one said. */
static ssize_t copy(copyoff_ctx *ctx, const struct request *req, int fd_in, int fd_out, int *err,
		    unsigned *calls)
{
	off_t off_in = req->off_in;
	off_t off_out = req->off_out;
	size_t done = 0;
	ssize_t ret;

	*calls = 0;
	*err = 0;
	do {
		ret = copyoff_ctx_copy(ctx, fd_in, &off_in, fd_out, &off_out, req->len - done,
				       req->flags);
		++*calls;
		if (ret < 0)
			*err = errno;
		else
			done += (size_t)ret;
	} while (req->repeat && ret > 0 && done < req->len);
	if (off_in != req->off_in + (off_t)done || off_out != req->off_out + (off_t)done) {
		fprintf(stderr, "the offsets did not advance by the count\n");
		exit(1);
	}
	return done > 0 || ret == 0 ? (ssize_t)done : -1;
}

static const char *name_of(int err)
{
	const char *name = err ? errname(err) : "0";

	return *name ? name : strerror(err);
}

static void report(const copyoff_ctx *ctx, ssize_t ret, int err, unsigned calls)
{
	const struct copyoff_result *last = copyoff_ctx_last(ctx);

	printf("ret=%zd errno=%s calls=%u last=%s backend=%s offloaded=%llu", ret, name_of(err),
	       calls, name_of(last->error), last->backend,
	       (unsigned long long)last->bytes_offloaded);
	for (size_t i = 0; i < copyoff_backend_count(); i++) {
		const char *name = copyoff_backend_info(i)->name;
		struct copyoff_stats stats = { .size = sizeof(stats) };

		if (copyoff_ctx_stats(ctx, name, &stats) < 0)
			fail("copyoff_ctx_stats");
		printf(" %s=%llu", name, (unsigned long long)stats.bytes);
	}
	printf("\n");
	if (last->message[0])
		fprintf(stderr, "fs-copy: %s\n", last->message);
}

static int status_of(const struct event *event)
{
	if (!event->command)
		return 0;
	if (!event->fired) {
		fprintf(stderr, "the copy ended before the event\n");
		return STATUS_NO_EVENT;
	}
	if (event->status != 0) {
		fprintf(stderr, "the command of the event failed\n");
		return STATUS_EVENT_FAILED;
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct request req = { .len = SIZE_MAX >> 1, .opts.size = sizeof(req.opts) };
	struct mapping map = { NULL, NULL, 0, 0 };
	int fd_in, fd_out, err;
	copyoff_ctx *ctx;
	unsigned calls;
	ssize_t ret;

	parse(&req, argc, argv);
	if (req.event.command) {
		req.opts.progress = on_progress;
		req.opts.progress_data = &req.event;
	}
	if (req.uid && setresuid(req.uid, req.uid, req.uid) < 0)
		fail("setresuid");
	fd_in = open(argv[optind], O_RDONLY | O_CLOEXEC | req.open_in);
	if (fd_in < 0)
		fail(argv[optind]);
	fd_out = open(argv[optind + 1], O_RDWR | O_CREAT | O_CLOEXEC | req.open_out, 0666);
	if (fd_out < 0)
		fail(argv[optind + 1]);
	if (req.map)
		map_files(&map, fd_in, fd_out);
	ctx = copyoff_ctx_new(&req.opts);
	if (!ctx)
		fail("copyoff_ctx_new");
	ret = copy(ctx, &req, fd_in, fd_out, &err, &calls);
	report(ctx, ret, err, calls);
	copyoff_ctx_free(ctx);
	if (req.map && !mapping_is_equal(&map, &req, ret)) {
		fprintf(stderr, "a mapping made before the copy does not show it\n");
		return STATUS_MAPPING;
	}
	return status_of(&req.event);
}
