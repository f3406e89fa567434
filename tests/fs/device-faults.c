/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * device-faults.c - a copy in many pieces, with an event in the middle of it
 * or between two copies of one context; and changes to a loop device that
 * losetup(8) does not make
 *
 * Prints what came of it as words NAME=VALUE for the scripts.  The pieces are
 * ranges of one call, so that there is a middle however fast the copy is.
 */
#define _GNU_SOURCE /* O_PATH */
#include <copyoff.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "errname.h"

enum { PIECE = 1 << 20, STATUS_USAGE = 2, STATUS_EVENT_FAILED = 3, STATUS_NO_EVENT = 4 };

struct event {
	const char *command; /* NULL: none */
	uint64_t at; /* bytes done */
	bool fired;
	int status;
};

struct request {
	const char *in;
	const char *out;
	int open_in;
	int open_out;
	uint64_t off_in;
	uint64_t off_out;
	uint64_t len;
	unsigned flags;
	bool verdict; /* what is thought of the loop backend, and no copy */
	bool between; /* the event comes after a first copy, before a second one */
	bool reopen; /* the files are closed while it comes */
	bool lock; /* the process has POSIX locks on both files */
	bool signals; /* come all the time, and end what waits */
	struct event event;
};

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t number(const char *text)
{
	char *end;
	unsigned long long value = strtoull(text, &end, 10);

	if (*end || end == text) {
		fprintf(stderr, "not a number: %s\n", text);
		exit(STATUS_USAGE);
	}
	return value;
}

static void fire(struct event *event)
{
	event->fired = true;
	event->status = system(event->command);
}

static int on_progress(void *data, uint64_t done, uint64_t total)
{
	struct event *event = data;

	(void)total;
	if (!event->fired && done >= event->at)
		fire(event);
	return event->status != 0;
}

static int open_file(const char *name, int flags)
{
	int fd = open(name, flags | O_CLOEXEC);

	if (fd < 0)
		fail(name);
	return fd;
}

static const char *name_of(int err)
{
	return err ? errname(err) : "0";
}

static uint64_t copied_by_loop(const copyoff_ctx *ctx)
{
	struct copyoff_stats stats = { .size = sizeof(stats) };

	if (copyoff_ctx_stats(ctx, "loop", &stats) < 0)
		fail("copyoff_ctx_stats");
	return stats.bytes;
}

static void copy(copyoff_ctx *ctx, const struct request *req, int in, int out, const char *prefix)
{
	size_t n = (size_t)((req->len + PIECE - 1) / PIECE);
	struct copyoff_range *v = calloc(n + 1, sizeof(*v));
	uint64_t before = copied_by_loop(ctx);
	int64_t ret;
	int err;

	if (!v)
		fail("calloc");
	for (size_t i = 0; i < n; i++) {
		uint64_t off = (uint64_t)i * PIECE;

		v[i] = (struct copyoff_range){
			.src = (int64_t)(req->off_in + off),
			.dst = (int64_t)(req->off_out + off),
			.len = req->len - off < PIECE ? req->len - off : PIECE,
		};
	}
	ret = copyoff_ctx_copyv(ctx, in, out, v, n, req->flags);
	err = ret < 0 ? errno : 0;
	free(v);
	printf("%sret=%lld %serrno=%s %slast=%s %sbackend=%s %sloop=%llu ", prefix, (long long)ret,
	       prefix, name_of(err), prefix, name_of(copyoff_ctx_last(ctx)->error), prefix,
	       copyoff_ctx_last(ctx)->backend, prefix,
	       (unsigned long long)(copied_by_loop(ctx) - before));
	fprintf(stderr, "fs-device-faults: %s\n", copyoff_ctx_last(ctx)->message);
}

/* POSIX locks on both, as another process sees them behind the copies. */
static void lock(int fd, short type)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_len = 1 };

	if (fcntl(fd, F_SETLK, &lock) < 0)
		fail("F_SETLK");
}

static bool is_locked(int fd)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };
	pid_t pid = fork();
	int status = 0;

	if (pid == 0)
		_exit(fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		fail("fork");
	return WIFEXITED(status) && WEXITSTATUS(status) == 1;
}

/* One or two copies by one context, as asked for. */
static void copies(copyoff_ctx *ctx, struct request *req)
{
	int in = open_file(req->in, req->open_in), out = open_file(req->out, req->open_out);

	if (req->lock) {
		lock(in, F_RDLCK);
		lock(out, F_WRLCK);
	}
	if (req->between) {
		copy(ctx, req, in, out, "first_");
		if (req->reopen) {
			close(in);
			close(out);
		}
		fire(&req->event);
		if (req->reopen) {
			in = open_file(req->in, req->open_in);
			out = open_file(req->out, req->open_out);
		}
	}
	copy(ctx, req, in, out, "");
	if (req->lock)
		printf("locked=%d", is_locked(in) + 2 * is_locked(out));
	printf("\n");
	close(in);
	close(out);
}

/* A line of words, and one with the reason. */
static void print_verdict(copyoff_ctx *ctx, const struct request *req)
{
	int in = open_file(req->in, req->open_in), out = open_file(req->out, req->open_out);
	copyoff_plan *plan = copyoff_plan_new(ctx, in, out, req->flags);
	const struct copyoff_verdict *v;

	if (!plan) {
		printf("plan=%s\n%s\n", name_of(errno), copyoff_ctx_last(ctx)->message);
		return;
	}
	for (size_t i = 0; (v = copyoff_plan_verdict(plan, i)); i++) {
		if (strcmp(v->backend, "loop") == 0)
			printf("plan=0 usable=%d reason=%d error=%s\n%s\n", v->usable,
			       (int)v->reason, name_of(v->error), v->text);
	}
	copyoff_plan_free(plan);
	close(in);
	close(out);
}

static int set_offset(const char *offset, const char *device)
{
	int fd = open_file(device, O_RDONLY);
	struct loop_info64 info;

	if (ioctl(fd, LOOP_GET_STATUS64, &info) < 0)
		fail("LOOP_GET_STATUS64");
	info.lo_offset = number(offset);
	if (ioctl(fd, LOOP_SET_STATUS64, &info) < 0)
		fail("LOOP_SET_STATUS64");
	close(fd);
	return 0;
}

static int change_file(const char *file, const char *device)
{
	int fd = open_file(device, O_RDONLY), new = open_file(file, O_RDONLY);

	if (ioctl(fd, LOOP_CHANGE_FD, new) < 0)
		fail("LOOP_CHANGE_FD");
	close(new);
	close(fd);
	return 0;
}

static volatile sig_atomic_t signals_seen;

static void on_signal(int signal)
{
	(void)signal;
	signals_seen = 1;
}

static void send_signals(void)
{
	const struct sigaction action = { .sa_handler = on_signal }; /* no SA_RESTART */
	const struct itimerval often = { { 0, 3000 }, { 0, 3000 } };

	if (sigaction(SIGALRM, &action, NULL) < 0 || setitimer(ITIMER_REAL, &often, NULL) < 0)
		fail("setitimer");
}

static int usage(void)
{
	fprintf(stderr, "usage: fs-device-faults [option...] IN OUT\n"
			"       fs-device-faults set-offset BYTES DEVICE\n"
			"       fs-device-faults change-file FILE DEVICE\n");
	return STATUS_USAGE;
}

static int parse_open(const char *word, struct request *req)
{
	if (strcmp(word, "in-path") == 0)
		req->open_in = O_PATH;
	else if (strcmp(word, "out-path") == 0)
		req->open_out = O_PATH;
	else if (strcmp(word, "in-write") == 0)
		req->open_in = O_WRONLY;
	else if (strcmp(word, "out-read") == 0)
		req->open_out = O_RDONLY;
	else
		return -1;
	return 0;
}

static int parse(struct request *req, struct copyoff_opts *opts, int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "a:bd:i:l:Lo:O:rstvx:")) != -1) {
		switch (c) {
		case 'a':
			req->event.at = number(optarg);
			break;
		case 'b':
			req->between = true;
			break;
		case 'd':
			opts->depth = (unsigned)number(optarg);
			break;
		case 'i':
			req->off_in = number(optarg);
			break;
		case 'l':
			req->len = number(optarg);
			break;
		case 'L':
			req->lock = true;
			break;
		case 'o':
			req->off_out = number(optarg);
			break;
		case 'O':
			if (parse_open(optarg, req) < 0)
				return -1;
			break;
		case 'r':
			req->reopen = true;
			break;
		case 's':
			req->flags |= COPYOFF_SYNC;
			break;
		case 't':
			req->signals = true;
			break;
		case 'v':
			req->verdict = true;
			break;
		case 'x':
			req->event.command = optarg;
			break;
		default:
			return -1;
		}
	}
	if (argc - optind != 2 || (req->between && !req->event.command))
		return -1;
	req->in = argv[optind];
	req->out = argv[optind + 1];
	return 0;
}

int main(int argc, char **argv)
{
	struct request req = { .open_in = O_RDONLY, .open_out = O_RDWR };
	struct copyoff_opts opts = { .size = sizeof(opts) };
	copyoff_ctx *ctx;

	if (argc == 4 && strcmp(argv[1], "set-offset") == 0)
		return set_offset(argv[2], argv[3]);
	if (argc == 4 && strcmp(argv[1], "change-file") == 0)
		return change_file(argv[2], argv[3]);
	if (parse(&req, &opts, argc, argv) < 0)
		return usage();
	if (req.signals)
		send_signals();
	if (req.event.command && !req.between) {
		opts.progress = on_progress;
		opts.progress_data = &req.event;
	}
	ctx = copyoff_ctx_new(&opts);
	if (!ctx)
		fail("copyoff_ctx_new");
	if (req.verdict)
		print_verdict(ctx, &req);
	else
		copies(ctx, &req);
	copyoff_ctx_free(ctx);
	if ((req.event.command && !req.event.fired) || (req.signals && !signals_seen))
		return STATUS_NO_EVENT;
	return req.event.status ? STATUS_EVENT_FAILED : 0;
}
