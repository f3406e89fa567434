/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * inject.c - the wrappers around the functions of lib/sys.h
 */
#include "inject.h"

#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

enum {
	/* A copy of these tests takes less than a hundred calls, if nothing fails. */
	RUNAWAY = 50000,
	/* Byte by byte a copy does end, but not soon. */
	SINGLE_BYTES = 40,
};

struct inject_state inject;
struct inject_live inject_live;
bool inject_clones;

static const struct {
	const char *name;
	unsigned can;
} ops[] = {
#define X(name, can) { #name, can },
	FAULT_OPS_THAT_FAIL(X) FAULT_OTHER_OPS(X)
#undef X
};

void inject_begin(const struct fault *fault)
{
	memset(&inject, 0, sizeof(inject));
	inject.fault = *fault;
}

void inject_end(void)
{
	inject.fault.kind = FAULT_NONE;
}

const char *inject_op_name(enum fault_op op)
{
	return ops[op].name;
}

static bool applies(enum fault_op op)
{
	const struct fault *fault = &inject.fault;

	if (fault->kind == FAULT_NONE || op >= FAULT_N_THAT_FAIL || !(fault->ops & FAULT_BIT(op)))
		return false;
	if (fault->kind != FAULT_ERRNO)
		return ops[op].can & CAN_COUNT;
	return ops[op].can & CAN_ERR || (ops[op].can & CAN_NOMEM && fault->err == ENOMEM);
}

/* How is this call to fail? */
enum fault_kind inject_strike(enum fault_op op)
{
	const struct fault *fault = &inject.fault;

	if (++inject.all_calls > RUNAWAY) {
		inject.runaway = true;
		inject_end();
	}
	if (!applies(op))
		return FAULT_NONE;
	inject.calls++;
	if (fault->persistent ? inject.calls < fault->at : inject.calls != fault->at)
		return FAULT_NONE;
	if (fault->kind == FAULT_ONE && inject.calls > fault->at + SINGLE_BYTES)
		return FAULT_NONE;
	if (!inject.hit)
		inject.first = op;
	inject.hit |= FAULT_BIT(op);
	return fault->kind;
}

/* One of the ways to move bytes is about to be tried. */
void inject_moving(enum fault_op op)
{
	if (inject.final & ~FAULT_BIT(op))
		inject.moved_on = true;
}

static bool is_final(int err)
{
	return err == EIO || err == ENOSPC || err == EDQUOT;
}

static void failed_moving(enum fault_op op)
{
	if (inject.fault.kind == FAULT_ERRNO && is_final(inject.fault.err))
		inject.final |= FAULT_BIT(op);
}

/* --- functions that work or do not ------------------------------------------ */

/* Declares both names of a function: the linker's --wrap gives them meaning. */
#define WRAP(type, name, params)                                                                   \
	type __real_copyoff_sys_##name params;                                                     \
	type __wrap_copyoff_sys_##name params;                                                     \
	type __wrap_copyoff_sys_##name params

#define WRAP_PLAIN(type, name, params, args)                                                       \
	WRAP(type, name, params)                                                                   \
	{                                                                                          \
		if (inject_strike(FAULT_##name))                                                   \
			return (type)-inject.fault.err;                                            \
		return __real_copyoff_sys_##name args;                                             \
	}

WRAP_PLAIN(int, open_mode, (int fd, struct copyoff_open_mode *mode), (fd, mode))
WRAP_PLAIN(int, stat, (int fd, struct copyoff_stat *st), (fd, st))
WRAP_PLAIN(int, block_size, (int fd, uint64_t *bytes, uint32_t *block), (fd, bytes, block))
WRAP_PLAIN(int, physical_block, (int fd, uint32_t *bytes), (fd, bytes))
WRAP_PLAIN(int, read_only, (int fd, bool *read_only), (fd, read_only))
WRAP_PLAIN(int, disk_sequence, (int fd, uint64_t *sequence), (fd, sequence))
WRAP_PLAIN(int, flush_range, (int fd, int64_t off, int64_t len), (fd, off, len))
WRAP_PLAIN(int, drop_cache, (int fd, int64_t off, int64_t len), (fd, off, len))
WRAP_PLAIN(int64_t, cachestat, (int fd, int64_t off, int64_t len), (fd, off, len))
WRAP_PLAIN(int64_t, mincore, (int fd, int64_t off, int64_t len), (fd, off, len))
WRAP_PLAIN(int, invalidate_range, (int fd, int64_t off, int64_t len), (fd, off, len))
WRAP_PLAIN(int, loop_status, (int fd, struct copyoff_loop_status *status), (fd, status))
WRAP_PLAIN(int, dm_target, (uint64_t dev, char *type, size_t size), (dev, type, size))
WRAP_PLAIN(int64_t, nvme_id, (int fd), (fd))
WRAP_PLAIN(int, nvme_command,
	   (int fd, enum copyoff_nvme_queue queue, struct copyoff_nvme_command *command),
	   (fd, queue, command))
WRAP_PLAIN(int, nvme_ring_open, (unsigned depth, struct copyoff_nvme_ring **ring), (depth, ring))
WRAP_PLAIN(int, nvme_ring_send,
	   (struct copyoff_nvme_ring * ring, int fd, unsigned tag,
	    const struct copyoff_nvme_command *command),
	   (ring, fd, tag, command))
WRAP_PLAIN(int, scsi_command, (int fd, struct copyoff_scsi_command *command), (fd, command))
WRAP_PLAIN(int, scsi_send, (int fd, unsigned tag, struct copyoff_scsi_command *command),
	   (fd, tag, command))
WRAP_PLAIN(int, scsi_wait, (int fd, unsigned *tag), (fd, tag))
WRAP_PLAIN(int, block_copy, (int fd, uint32_t request, void *arg), (fd, request, arg))
WRAP_PLAIN(ssize_t, read_sysfs, (const char *path, char *buf, size_t size), (path, buf, size))
WRAP_PLAIN(int, list_sysfs,
	   (const char *path, int (*entry)(void *data, const char *name), void *data),
	   (path, entry, data))
WRAP_PLAIN(int64_t, tell, (int fd), (fd))
WRAP_PLAIN(int64_t, set_position, (int fd, int64_t off), (fd, off))
WRAP_PLAIN(int64_t, fs_type, (int fd), (fd))
WRAP_PLAIN(int64_t, clone_align, (int fd), (fd))
WRAP_PLAIN(int64_t, seek_data, (int fd, int64_t off), (fd, off))
WRAP_PLAIN(int64_t, seek_hole, (int fd, int64_t off), (fd, off))

/* The command comes back, whatever is said of it. */
WRAP(int, nvme_ring_wait, (struct copyoff_nvme_ring * ring, unsigned *tag, uint64_t *result))
{
	bool strike = inject_strike(FAULT_nvme_ring_wait);
	int ret = __real_copyoff_sys_nvme_ring_wait(ring, tag, result);

	return strike ? -inject.fault.err : ret;
}

WRAP(void, nvme_ring_close, (struct copyoff_nvme_ring * ring))
{
	inject_strike(FAULT_nvme_ring_close);
	__real_copyoff_sys_nvme_ring_close(ring);
}

WRAP(uint64_t, file_size_limit, (void))
{
	inject_strike(FAULT_file_size_limit);
	return __real_copyoff_sys_file_size_limit();
}

WRAP(bool, has_locks, (const uint64_t *inodes, size_t n))
{
	inject_strike(FAULT_has_locks);
	return __real_copyoff_sys_has_locks(inodes, n);
}

WRAP(uint64_t, page_size, (void))
{
	inject_strike(FAULT_page_size);
	return __real_copyoff_sys_page_size();
}

WRAP(int64_t, process, (void))
{
	inject_strike(FAULT_process);
	return __real_copyoff_sys_process();
}

WRAP(void, pause, (uint64_t ns))
{
	inject_strike(FAULT_pause);
	(void)ns;
}

WRAP(uint64_t, now, (void))
{
	inject_strike(FAULT_now);
	return __real_copyoff_sys_now();
}

WRAP(const char *, getenv, (const char *name))
{
	inject_strike(FAULT_getenv);
	return __real_copyoff_sys_getenv(name);
}

WRAP(void, debug, (const char *line, size_t len))
{
	inject_strike(FAULT_debug);
	__real_copyoff_sys_debug(line, len);
}

/* --- what is taken and given back -------------------------------------------- */

/* Functions that return a descriptor. */
#define WRAP_OPEN(name, params, args)                                                              \
	WRAP(int, name, params)                                                                    \
	{                                                                                          \
		int ret;                                                                           \
                                                                                                   \
		if (inject_strike(FAULT_##name))                                                   \
			return -inject.fault.err;                                                  \
		ret = __real_copyoff_sys_##name args;                                              \
		inject_live.descriptors += ret >= 0;                                               \
		return ret;                                                                        \
	}

WRAP_OPEN(reopen, (int fd, enum copyoff_access access), (fd, access))
WRAP_OPEN(open_mountinfo, (void), ())
WRAP_OPEN(open_device, (uint64_t rdev), (rdev))
WRAP_OPEN(open_generic, (uint64_t rdev), (rdev))
WRAP_OPEN(claim, (int fd), (fd))
WRAP_OPEN(open_file, (const char *path, uint64_t dev, uint64_t ino, enum copyoff_access access),
	  (path, dev, ino, access))

/* Whatever close(2) says, the descriptor is gone. */
WRAP(int, close, (int fd))
{
	enum fault_kind kind = inject_strike(FAULT_close);
	int ret = __real_copyoff_sys_close(fd);

	inject_live.descriptors--;
	return kind ? -inject.fault.err : ret;
}

WRAP(int64_t, pipe, (int fds[2], size_t capacity))
{
	int64_t ret;

	if (inject_strike(FAULT_pipe))
		return -inject.fault.err;
	ret = __real_copyoff_sys_pipe(fds, capacity);
	inject_live.descriptors += ret > 0 ? 2 : 0;
	return ret;
}

WRAP(void *, alloc, (size_t size, size_t align))
{
	void *p;

	if (inject_strike(FAULT_alloc))
		return NULL;
	p = __real_copyoff_sys_alloc(size, align);
	inject_live.memory += p != NULL;
	return p;
}

WRAP(void, free, (void *p))
{
	inject_strike(FAULT_free);
	inject_live.memory -= p != NULL;
	__real_copyoff_sys_free(p);
}

/* --- bytes ------------------------------------------------------------------- */

/* What to ask for instead. */
static size_t reduced(enum fault_kind kind, size_t len)
{
	if (kind == FAULT_HALF)
		return len > 1 ? len / 2 : len;
	return kind == FAULT_ONE && len > 0 ? 1 : len;
}

/* What to report. */
static int64_t reported(enum fault_kind kind, size_t len, int64_t ret)
{
	return kind == FAULT_MORE && ret >= 0 ? (int64_t)len + 4096 : ret;
}

/* Does the call not happen at all? */
static bool prevented(enum fault_kind kind)
{
	return kind == FAULT_ERRNO || kind == FAULT_ZERO;
}

static int outcome(enum fault_kind kind)
{
	return kind == FAULT_ERRNO ? -inject.fault.err : 0;
}

int64_t inject_shortened(int64_t ret, int64_t most, bool direct)
{
	const int64_t block = 4096;

	if (direct)
		most = most < block ? block : most - most % block;
	return ret < most ? ret : most;
}

static bool is_direct(int fd)
{
	int fl = fcntl(fd, F_GETFL);

	return fl >= 0 && fl & O_DIRECT;
}

/* O_DIRECT takes whole blocks only: all is read, and less is reported. */
WRAP(ssize_t, pread, (int fd, void *buf, size_t len, int64_t off))
{
	enum fault_kind kind = inject_strike(FAULT_pread);
	ssize_t ret;

	if (prevented(kind))
		return outcome(kind);
	inject_moving(FAULT_pread);
	ret = __real_copyoff_sys_pread(fd, buf, len, off);
	if (kind == FAULT_HALF || kind == FAULT_ONE)
		ret = (ssize_t)inject_shortened(ret, (int64_t)reduced(kind, len), is_direct(fd));
	return (ssize_t)reported(kind, len, ret);
}

WRAP(ssize_t, pwrite, (int fd, const void *buf, size_t len, int64_t off))
{
	enum fault_kind kind = inject_strike(FAULT_pwrite);
	ssize_t ret;

	if (prevented(kind))
		return outcome(kind);
	inject.dirty = true;
	ret = __real_copyoff_sys_pwrite(fd, buf, reduced(kind, len), off);
	if (ret == -EINVAL && reduced(kind, len) < len) {
		ret = __real_copyoff_sys_pwrite(fd, buf, len, off);
		if (ret > 0)
			ret = (ssize_t)reduced(kind, len);
	}
	return (ssize_t)reported(kind, len, ret);
}

/* Negative offsets, and those beyond any file, are questions. */
static bool is_copy(int64_t off_in, int64_t off_out)
{
	const int64_t beyond = (int64_t)1 << 61;

	return off_in >= 0 && off_in < beyond && off_out >= 0;
}

WRAP(int64_t, copy_file_range, (int fd_in, int64_t off_in, int fd_out, int64_t off_out, size_t len))
{
	enum fault_kind kind = inject_strike(FAULT_copy_file_range);

	if (is_copy(off_in, off_out)) {
		inject_moving(FAULT_copy_file_range);
		if (kind)
			failed_moving(FAULT_copy_file_range);
		inject.dirty = true;
	}
	if (prevented(kind))
		return outcome(kind);
	return reported(kind, len,
			__real_copyoff_sys_copy_file_range(fd_in, off_in, fd_out, off_out,
							   reduced(kind, len)));
}

WRAP(ssize_t, splice_in, (int fd, int64_t off, int pipe_fd, size_t len))
{
	enum fault_kind kind = inject_strike(FAULT_splice_in);

	inject_moving(FAULT_splice_in);
	if (prevented(kind))
		return outcome(kind);
	return (ssize_t)reported(
		kind, len, __real_copyoff_sys_splice_in(fd, off, pipe_fd, reduced(kind, len)));
}

WRAP(ssize_t, splice_out, (int pipe_fd, int fd, int64_t off, size_t len))
{
	enum fault_kind kind = inject_strike(FAULT_splice_out);

	if (prevented(kind))
		return outcome(kind);
	inject.dirty = true;
	return (ssize_t)reported(
		kind, len, __real_copyoff_sys_splice_out(pipe_fd, fd, off, reduced(kind, len)));
}

/* What FICLONERANGE does, on a file system with blocks of 4096 bytes. */
static int clone_by_copying(int fd_in, int64_t off_in, int fd_out, int64_t off_out, uint64_t len)
{
	static char buf[1 << 20];
	struct copyoff_stat in;
	ssize_t ret;

	if (__real_copyoff_sys_stat(fd_in, &in) < 0 || off_in % 4096 || off_out % 4096 ||
	    (uint64_t)off_in + len > in.size || len > sizeof(buf) ||
	    (len % 4096 && (uint64_t)off_in + len != in.size))
		return -EINVAL;
	ret = __real_copyoff_sys_pread(fd_in, buf, (size_t)len, off_in);
	if (ret == (ssize_t)len)
		ret = __real_copyoff_sys_pwrite(fd_out, buf, (size_t)len, off_out);
	return ret < 0 ? (int)ret : 0;
}

/* After an error a prefix of the range may have been cloned (ioctl_ficlonerange(2)). */
WRAP(int, clone_range, (int fd_in, int64_t off_in, int fd_out, int64_t off_out, uint64_t len))
{
	enum fault_kind kind = inject_strike(FAULT_clone_range);

	if (is_copy(off_in, off_out)) {
		inject_moving(FAULT_clone_range);
		if (kind)
			failed_moving(FAULT_clone_range);
		inject.dirty = true;
	}
	if (kind) {
		if (inject_clones && len > 4096)
			(void)clone_by_copying(fd_in, off_in, fd_out, off_out, 4096);
		return -inject.fault.err;
	}
	if (!inject_clones)
		return __real_copyoff_sys_clone_range(fd_in, off_in, fd_out, off_out, len);
	return clone_by_copying(fd_in, off_in, fd_out, off_out, len);
}

WRAP(int, punch_hole, (int fd, int64_t off, int64_t len))
{
	if (inject_strike(FAULT_punch_hole))
		return -inject.fault.err;
	inject.dirty = true;
	return __real_copyoff_sys_punch_hole(fd, off, len);
}

WRAP(int, zero_range, (int fd, int64_t off, int64_t len))
{
	if (inject_strike(FAULT_zero_range))
		return -inject.fault.err;
	inject.dirty = true;
	return __real_copyoff_sys_zero_range(fd, off, len);
}

/* Only the order matters here: waiting for the disk would take minutes. */
WRAP(int, fdatasync, (int fd))
{
	(void)fd;
	if (inject_strike(FAULT_fdatasync))
		return -inject.fault.err;
	inject.dirty = false;
	return 0;
}
