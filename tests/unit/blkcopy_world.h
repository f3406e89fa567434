/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * blkcopy_world.h - kernels that copy within block devices, with a disk in memory
 *
 * The seam is wrapped.  Behind it is a kernel of one of the versions, which reads
 * requests by structures of its own, does what was measured of that version, and
 * ends the test where a real one would hang.  The disks are those of
 * tests/fixtures/sysfs/blkcopy-*.
 */
#ifndef BLKCOPY_WORLD_H
#define BLKCOPY_WORLD_H

#include "../../backends/blkcopy_command.h"
#include "unit.h"

#include <sys/ioctl.h>

#define DEV(major, minor) ((uint64_t)(major) << 32 | (minor))

enum {
	DISK_BYTES = 160 << 20,
	FILLED = 16 << 20, /* the sources */
	FILLED_MORE = 80 << 20, /* for tests that ask for it */
	PART_START = 2048 * 512,
	/* Descriptors that the caller has; others have one of the distances in addition. */
	DISK = 1000,
	DISK_DIRECT, /* open with O_DIRECT */
	PART,
	MAPPED, /* the disk by device mapper */
	OTHER, /* another disk */
	NODES,
	REOPENED = 2000, /* read-only */
	WRITER = 3000, /* without O_DIRECT */
	DIRECT = 4000,
	CLAIMED = 5000,
	OPENED = 6000, /* by its number */
	DESCRIPTORS = 10000,

	CALLS_MOST = 4096,
	STEPS_MOST = 64,
	ATTRIBUTES_MOST = 8,
};

/* What the kernel has. */
enum version {
	STOCK,
	RFC1, /* in bytes, as RFC 2 */
	RFC3,
	RFC5, /* in sectors */
	V1,
	V2,
	V3,
	V4,
	V5,
	V7, /* the attributes of version 5, and no ioctl */
	V14, /* copy_file_range() */
	VEC, /* BLKCPY and BLKCPY_VEC */
	SINGLE, /* BLKCPY alone */
	MARTIN, /* attributes only */
	MIKULAS, /* 0x1281, which nobody must send */
	VERSIONS,
};
extern const char *const fixtures[VERSIONS];

/* What the ioctl is asked for, by the headers of the series. */
struct gather_request {
	uint64_t dest, nr_range, range_list, rsvd;
};
struct list_request {
	uint64_t nr_range, reserved;
};
struct list_entry {
	uint64_t src, dst, len, comp_len;
};
struct vector_request {
	uint64_t dst_sector;
	uint16_t nr_ranges;
	uint8_t rsvd[6];
	uint64_t sources;
};
struct source {
	uint64_t src, len;
};

#define REQUEST_RFC    _IOWR(0x12, 128, struct gather_request)
#define REQUEST_V1     _IOWR(0x12, 129, struct gather_request)
#define REQUEST_LIST   _IOWR(0x12, 129, struct list_request)
#define REQUEST_SINGLE _IOWR(0x12, 142, uint64_t[3])
#define REQUEST_VECTOR _IOWR(0x12, 143, struct vector_request)

/* What becomes of a copy. */
struct step {
	int ret; /* of the call; of copy_file_range: -errno, or 0 for what it makes of it */
	uint64_t good; /* bytes from the first one that are copied; UINT64_MAX: all */
	/* How the bytes behind them are left: as they were, or with others. */
	bool spoils;
	/* The result says so many bytes, whatever happened; UINT64_MAX: the truth. */
	uint64_t says;
};
#define WELL ((struct step){ 0, UINT64_MAX, false, UINT64_MAX })

struct call {
	int fd;
	uint32_t request; /* 0: copy_file_range() */
	size_t n; /* ranges */
	uint64_t bytes;
	int64_t ret;
	bool probe; /* on a read-only descriptor */
};

struct attribute {
	const char *name;
	const char *value; /* NULL: it is not there */
};

struct world {
	enum version version;
	const char *fixture; /* instead of that of the version; NULL: not to be read */
	bool no_sysfs;
	int unknown; /* what drivers say to a request they do not know */
	uint32_t stranger; /* a request that means something else here; 0: none */
	uint64_t sequence;
	uint32_t block;
	const char *target; /* of the device mapper; NULL: it takes privileges to ask */
	bool read_only;
	int claim; /* -errno */
	int reopen; /* -errno */
	uint64_t smaller; /* bytes that the disk has lost */
	bool cached; /* pages stay */
	struct attribute attributes[ATTRIBUTES_MOST]; /* instead of those of the fixture */
	size_t n_attributes;
	/* After so many copies an attribute is another one, or the medium. */
	unsigned change_after;
	struct attribute change;
	unsigned sequence_changes;
	struct step steps[STEPS_MOST];
	size_t n_steps, step;
	bool always; /* the last step, again and again */
	unsigned fail_at; /* the call of the seam to fail, from 1; 0: none */
	int fail_with; /* positive errno */
	bool fail_on; /* and all behind it */
	/* What happened. */
	unsigned seam_calls;
	bool failed; /* as it was told */
	struct call calls[CALLS_MOST];
	size_t n_calls; /* of the ioctl, and of copy_file_range() */
	unsigned copies; /* those that may write */
	unsigned direct_reads;
	struct copyoff_span flushed, dropped; /* the last ones */
	unsigned flushes;
	unsigned writes; /* by pwrite() */
	int open; /* descriptors */
};
extern struct world w;
extern struct copyoff_ctx ctx;
extern unsigned char *content; /* DISK_BYTES */

/* Once; where a test needs more; and before and after each test. */
void world_fill(void);
void world_fill_more(void);
void world_setup(void);
void world_teardown(void);

void world_set(const char *name, const char *value);
void world_step(struct step step);

/* Only these backends. */
void world_use(const char *list);
size_t index_of(const char *name);
uint64_t copied_by(const char *name);
const struct copyoff_offer *offer_of(const char *name);
const struct copyoff_offer *world_probe(const char *name, int in, int out, unsigned flags);
struct copyoff_end world_end(int fd);

/* Copies, and checks that what is counted is right, and no byte outside changed. */
int64_t world_copyv(int in, int out, const struct copyoff_range *v, size_t n, unsigned flags);
int64_t world_copy(int in, int64_t src, int out, int64_t dst, uint64_t len, unsigned flags);

/* Of the calls that were made: those that may write, and the others. */
size_t probes(void);
const struct call *copy_call(size_t i);

#endif
