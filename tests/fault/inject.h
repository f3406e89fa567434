/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * inject.h - makes calls of the seam (lib/sys.h, lib/sys_uring.h) fail
 *
 * Every function of the seam is wrapped by the linker (ld --wrap).  A fault says
 * which call is to fail, and how; the wrappers also count what is allocated
 * and open, and watch what is done behind an error.
 */
#ifndef FAULT_INJECT_H
#define FAULT_INJECT_H

#include <stdbool.h>
#include <stdint.h>

/* What can go wrong in a function of the seam. */
enum {
	CAN_ERR = 1, /* it returns -errno */
	CAN_COUNT = 2, /* it returns a count of bytes or requests */
	CAN_NOMEM = 4, /* it returns NULL */
};

#define FAULT_OPS_THAT_FAIL(X)                                                                     \
	X(open_mode, CAN_ERR)                                                                      \
	X(stat, CAN_ERR)                                                                           \
	X(block_size, CAN_ERR)                                                                     \
	X(physical_block, CAN_ERR)                                                                 \
	X(read_only, CAN_ERR)                                                                      \
	X(disk_sequence, CAN_ERR)                                                                  \
	X(loop_status, CAN_ERR)                                                                    \
	X(dm_target, CAN_ERR)                                                                      \
	X(nvme_id, CAN_ERR)                                                                        \
	X(nvme_command, CAN_ERR)                                                                   \
	X(open_generic, CAN_ERR)                                                                   \
	X(nvme_ring_open, CAN_ERR)                                                                 \
	X(nvme_ring_send, CAN_ERR)                                                                 \
	X(nvme_ring_wait, CAN_ERR)                                                                 \
	X(scsi_command, CAN_ERR)                                                                   \
	X(scsi_send, CAN_ERR)                                                                      \
	X(scsi_wait, CAN_ERR)                                                                      \
	X(block_copy, CAN_ERR)                                                                     \
	X(read_sysfs, CAN_ERR)                                                                     \
	X(list_sysfs, CAN_ERR)                                                                     \
	X(open_mountinfo, CAN_ERR)                                                                 \
	X(tell, CAN_ERR)                                                                           \
	X(set_position, CAN_ERR)                                                                   \
	X(fs_type, CAN_ERR)                                                                        \
	X(reopen, CAN_ERR)                                                                         \
	X(close, CAN_ERR)                                                                          \
	X(open_device, CAN_ERR)                                                                    \
	X(claim, CAN_ERR)                                                                          \
	X(open_file, CAN_ERR)                                                                      \
	X(flush_range, CAN_ERR)                                                                    \
	X(drop_cache, CAN_ERR)                                                                     \
	X(cachestat, CAN_ERR)                                                                      \
	X(mincore, CAN_ERR)                                                                        \
	X(invalidate_range, CAN_ERR)                                                               \
	X(pread, CAN_ERR | CAN_COUNT)                                                              \
	X(pwrite, CAN_ERR | CAN_COUNT)                                                             \
	X(copy_file_range, CAN_ERR | CAN_COUNT)                                                    \
	X(clone_range, CAN_ERR)                                                                    \
	X(clone_align, CAN_ERR)                                                                    \
	X(pipe, CAN_ERR)                                                                           \
	X(splice_in, CAN_ERR | CAN_COUNT)                                                          \
	X(splice_out, CAN_ERR | CAN_COUNT)                                                         \
	X(seek_data, CAN_ERR)                                                                      \
	X(seek_hole, CAN_ERR)                                                                      \
	X(punch_hole, CAN_ERR)                                                                     \
	X(zero_range, CAN_ERR)                                                                     \
	X(fdatasync, CAN_ERR)                                                                      \
	X(alloc, CAN_NOMEM)                                                                        \
	X(uring_allowed, CAN_ERR)                                                                  \
	X(uring_setup, CAN_ERR)                                                                    \
	X(uring_register, CAN_ERR)                                                                 \
	X(uring_submit, CAN_ERR | CAN_COUNT)                                                       \
	X(uring_wait, CAN_ERR)                                                                     \
	X(uring_next, CAN_ERR | CAN_COUNT)

#define FAULT_OTHER_OPS(X)                                                                         \
	X(nvme_ring_close, 0)                                                                      \
	X(file_size_limit, 0)                                                                      \
	X(has_locks, 0)                                                                            \
	X(page_size, 0)                                                                            \
	X(free, 0)                                                                                 \
	X(process, 0)                                                                              \
	X(pause, 0)                                                                                \
	X(now, 0)                                                                                  \
	X(getenv, 0)                                                                               \
	X(debug, 0)                                                                                \
	X(uring_exit, 0)

enum fault_op {
#define X(name, can) FAULT_##name,
	FAULT_OPS_THAT_FAIL(X) FAULT_N_THAT_FAIL,
	FAULT_LAST_THAT_FAILS = FAULT_N_THAT_FAIL - 1,
	FAULT_OTHER_OPS(X)
#undef X
};

/* Of those that fail. */
#define FAULT_BIT(op) ((uint64_t)1 << (op))
_Static_assert(FAULT_N_THAT_FAIL < 64, "there is a bit for each");
#define FAULT_ALL_OPS (FAULT_BIT(FAULT_N_THAT_FAIL) - 1)

enum fault_kind {
	FAULT_NONE,
	FAULT_ERRNO, /* nothing is done, -errno */
	FAULT_HALF, /* half of what was asked for is done */
	FAULT_ONE, /* one byte is done */
	FAULT_ZERO, /* nothing is done, and no error */
	FAULT_MORE, /* all is done, and more is reported than was asked for */
};

struct fault {
	enum fault_kind kind;
	int err; /* positive */
	unsigned long at; /* the call to fail, of those that can; from 1 */
	bool persistent; /* and all calls behind it */
	uint64_t ops; /* those that can fail */
};

/* What happened since the last inject_begin(). */
struct inject_state {
	struct fault fault;
	unsigned long calls; /* of functions that the fault may hit */
	unsigned long all_calls; /* of all functions */
	uint64_t hit; /* functions that were failed */
	enum fault_op first; /* failed first */
	bool runaway; /* made so many calls that it will not end */
	bool dirty; /* written to, and not synced since */
	uint64_t final; /* functions that reported a final error */
	bool moved_on; /* another way to copy was tried behind a final error */
};
extern struct inject_state inject;

/* Since the start of the program. */
struct inject_live {
	long memory;
	long descriptors;
	long rings;
};
extern struct inject_live inject_live;

/* FICLONERANGE is made to work, by copying. */
extern bool inject_clones;

void inject_begin(const struct fault *fault);
void inject_end(void);
const char *inject_op_name(enum fault_op op);

/* For inject_uring.c. */
enum fault_kind inject_strike(enum fault_op op);
void inject_moving(enum fault_op op);
/*
 * @ret, or @most if that is less.  O_DIRECT is short in the middle of a file by
 * whole blocks only.
 */
int64_t inject_shortened(int64_t ret, int64_t most, bool direct);

#endif
