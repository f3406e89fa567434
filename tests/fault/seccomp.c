/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * seccomp.c - a kernel, container or sandbox without some system calls
 *
 * Usage: fault-seccomp CALL[,CALL...] ERRNO [COMMAND...]
 *
 * Refuses the calls with the errno from here on, or all it knows for the name
 * "all".  Then runs the command, or, without one, copies in many ways: copies
 * must be right, and the plan must say what was refused.
 */
#include "world.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

struct call {
	const char *name;
	unsigned nr;
	unsigned request; /* of ioctl(2); 0: any */
	const char *backend; /* that cannot work without it */
	bool in_all;
};

static const struct call calls[] = {
	{ "copy_file_range", SYS_copy_file_range, 0, "copy_file_range", true },
	{ "ficlonerange", SYS_ioctl, FICLONERANGE, "reflink", true },
	{ "io_uring_setup", SYS_io_uring_setup, 0, "uring", true },
	{ "io_uring_enter", SYS_io_uring_enter, 0, NULL, true },
	{ "io_uring_register", SYS_io_uring_register, 0, NULL, true },
	{ "statx", SYS_statx, 0, NULL, true },
	{ "splice", SYS_splice, 0, NULL, true },
	{ "pipe2", SYS_pipe2, 0, NULL, true },
	{ "fallocate", SYS_fallocate, 0, NULL, true },
	{ "fstatfs", SYS_fstatfs, 0, NULL, true },
	{ "lseek", SYS_lseek, 0, NULL, false },
};
enum { N_CALLS = sizeof(calls) / sizeof(calls[0]) };

static const struct {
	const char *name;
	int err;
} errnos[] = {
	{ "ENOSYS", ENOSYS },
	{ "EPERM", EPERM },
	{ "EINVAL", EINVAL },
	{ "EOPNOTSUPP", EOPNOTSUPP },
};

static unsigned refused; /* bit i: calls[i] */
static int refused_err;

/* --- arguments --------------------------------------------------------------------- */

static void parse_calls(char *list)
{
	for (char *name = strtok(list, ","); name; name = strtok(NULL, ",")) {
		unsigned found = 0;

		for (unsigned i = 0; i < N_CALLS; i++) {
			if (strcmp(name, calls[i].name) == 0 ||
			    (strcmp(name, "all") == 0 && calls[i].in_all))
				found |= 1u << i;
		}
		if (!found)
			quit(1, "no call of the name %s is known here", name);
		refused |= found;
	}
}

static void parse_errno(const char *name)
{
	for (size_t i = 0; i < sizeof(errnos) / sizeof(errnos[0]); i++) {
		if (strcmp(name, errnos[i].name) == 0)
			refused_err = errnos[i].err;
	}
	if (!refused_err)
		quit(1, "no errno of the name %s is known here", name);
}

/* --- the filter ---------------------------------------------------------------------- */

static unsigned low_word_of_argument(unsigned i)
{
	const unsigned one = 1;
	const bool little_endian = *(const unsigned char *)&one == 1;

	return (unsigned)(offsetof(struct seccomp_data, args) + i * sizeof(uint64_t)) +
	       (little_endian ? 0 : 4);
}

static void install_filter(void)
{
	struct sock_filter code[8 * N_CALLS + 1];
	struct sock_fprog program = { .filter = code };
	unsigned short n = 0;

	for (unsigned i = 0; i < N_CALLS; i++) {
		if (!(refused >> i & 1))
			continue;
		code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
							 offsetof(struct seccomp_data, nr));
		code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, calls[i].nr, 0,
							 calls[i].request ? 3 : 1);
		if (calls[i].request) {
			code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
								 low_word_of_argument(1));
			code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
								 calls[i].request, 0, 1);
		}
		code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K,
							 SECCOMP_RET_ERRNO | (unsigned)refused_err);
	}
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	program.len = n;
	REQUIRE(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
		quit(77, "this kernel takes no seccomp filter: %s", strerror(errno));
}

static bool is_refused(const char *name)
{
	for (unsigned i = 0; i < N_CALLS; i++) {
		if (strcmp(calls[i].name, name) == 0)
			return refused >> i & 1;
	}
	return false;
}

/* --- copies --------------------------------------------------------------------------- */

#define SHM "/dev/shm"

static const struct {
	const char *name;
	struct layout layout;
	int64_t src, dst;
	uint64_t len;
	unsigned flags;
	bool positions;
} copies[] = {
	{ "small", { .src_size = 9000, .dst_size = 8000 }, 100, 300, 5000, 0, false },
	{ "positions", { .src_size = 9000, .dst_size = 8000 }, 100, 300, 5000, 0, true },
	{ "large", { .src_size = 3000000, .dst_size = 50000 }, 1, 4097, 2900000, 0, false },
	{ "across", { .src_size = 900000, .src_dir = SHM }, 0, 5, 900000, 0, false },
	{ "holes", { .src_size = 500000, .dst_size = 99, .holes = true }, 0, 0, 500000, 0, false },
	{ "sparse",
	  { .src_size = 500000, .dst_size = 400000, .holes = true },
	  0,
	  0,
	  500000,
	  COPYOFF_SPARSE | COPYOFF_VERIFY,
	  false },
	{ "direct",
	  { .src_size = 3000000, .dst_size = 5000, .src_direct = true, .dst_direct = true },
	  700,
	  700,
	  3000000,
	  COPYOFF_SYNC,
	  false },
	{ "same file", { .src_size = 400000, .same = true }, 0, 200000, 200000, 0, false },
	{ "proc", { .src_path = "/proc/filesystems" }, 0, 3, 100000, 0, false },
};

/* Without lseek(2) there is no file position to go on from. */
static bool may_fail(size_t i, int err)
{
	return copies[i].positions && is_refused("lseek") && err == refused_err;
}

static void copy_all(copyoff_ctx *ctx, size_t i, struct world *w)
{
	off_t src = copies[i].src;
	off_t dst = copies[i].dst;
	uint64_t done = 0;
	const char *why;

	while (done < w->total) {
		off_t *off_in = copies[i].positions ? NULL : &src;
		off_t *off_out = copies[i].positions ? NULL : &dst;
		size_t len = (size_t)(copies[i].len - done);
		ssize_t ret = ctx ? copyoff_ctx_copy(ctx, w->fd_in, off_in, w->fd_out, off_out, len,
						     copies[i].flags)
				  : copyoff_copy(w->fd_in, off_in, w->fd_out, off_out, len,
						 copies[i].flags);
		if (ret < 0 && may_fail(i, errno))
			break;
		if (ret <= 0)
			quit(1, "%s, %s context: %s", copies[i].name, ctx ? "with" : "without",
			     ret < 0 ? strerror(errno) : "0 before the end");
		done += (uint64_t)ret;
	}
	why = world_wrong(w, done);
	if (why)
		quit(1, "%s, %s context: %s", copies[i].name, ctx ? "with" : "without", why);
}

/* A backend that needs a refused call is not usable, and the reason has the errno. */
static void check_plan(copyoff_ctx *ctx, const struct world *w)
{
	copyoff_plan *plan = copyoff_plan_new(ctx, w->fd_in, w->fd_out, 0);

	REQUIRE(plan);
	for (size_t i = 0; i < copyoff_plan_count(plan); i++) {
		const struct copyoff_verdict *v = copyoff_plan_verdict(plan, i);

		for (unsigned k = 0; k < N_CALLS; k++) {
			if (!(refused >> k & 1) || !calls[k].backend ||
			    strcmp(calls[k].backend, v->backend) != 0 ||
			    v->reason == COPYOFF_REASON_NOT_BUILT ||
			    v->reason == COPYOFF_REASON_SLOWER ||
			    v->reason == COPYOFF_REASON_FILE_TYPE)
				continue;
			/* It is also how the kernel answers the question whether they work. */
			if (refused_err == EINVAL && strcmp(v->backend, "copy_file_range") != 0)
				continue;
			if (v->usable || v->error != refused_err || !v->text[0])
				quit(1, "the plan does not name the refusal of %s: %s (%s)",
				     calls[k].name, v->text, strerror(v->error));
		}
	}
	copyoff_plan_free(plan);
}

static unsigned long copy_everything(void)
{
	unsigned long n = 0;

	for (size_t i = 0; i < sizeof(copies) / sizeof(copies[0]); i++) {
		copyoff_ctx *ctx = copyoff_ctx_new(NULL);
		const char *why;
		struct world w;

		REQUIRE(ctx);
		if (!world_make(&w, &copies[i].layout, &why)) {
			printf("SKIP: %s: %s\n", copies[i].name, why);
			copyoff_ctx_free(ctx);
			continue;
		}
		world_add(&w, copies[i].src, copies[i].dst, copies[i].len);
		/* The position cannot be set where lseek(2) is refused: from 0 on. */
		for (int with = 0; with <= 1; with++) {
			world_reset(&w);
			if (copies[i].positions && !is_refused("lseek")) {
				REQUIRE(lseek(w.fd_in, copies[i].src, SEEK_SET) >= 0);
				REQUIRE(lseek(w.fd_out, copies[i].dst, SEEK_SET) >= 0);
			}
			copy_all(with ? ctx : NULL, i, &w);
			n++;
		}
		check_plan(ctx, &w);
		world_free(&w);
		copyoff_ctx_free(ctx);
	}
	return n;
}

int main(int argc, char **argv)
{
	unsigned long n;

	if (argc < 3)
		quit(1, "usage: fault-seccomp CALL[,CALL...] ERRNO [COMMAND...]");
	unsetenv("COPYOFF_BACKENDS");
	parse_calls(argv[1]);
	parse_errno(argv[2]);
	install_filter();
	if (argc > 3) {
		execvp(argv[3], &argv[3]);
		quit(1, "%s: %s", argv[3], strerror(errno));
	}
	n = copy_everything();
	printf("%lu copies\n", n);
	return 0;
}
