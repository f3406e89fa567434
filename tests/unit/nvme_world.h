/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * nvme_world.h - a namespace in memory, behind the seam
 *
 * A controller that reads commands by the specification, not with the functions
 * under test; it copies, keeps its limits, and fails as it is told.  The disk and its
 * partitions are those of tests/fixtures/sysfs/nvme.
 */
#ifndef NVME_WORLD_H
#define NVME_WORLD_H

#include "../../backends/nvme_command.h"
#include "unit.h"

#define DEV(major, minor) ((uint64_t)(major) << 32 | (minor))

enum {
	DISK_BYTES = 48 << 20,
	OTHER_BYTES = 4 << 20,
	BLOCK = 512,
	/* Descriptors. */
	DISK = 1000,
	PART1,
	PART2,
	OTHER, /* the second namespace of the controller */
	NODES,
	REOPENED = 2000, /* is added to the one it is of */
	CLAIMED = 3000,
	GENERIC = 4000, /* the character devices of the two namespaces */
	COMMANDS = 20000,
	STEPS = 64,
};

/* What becomes of a Copy command. */
struct step {
	int ret; /* status, or -errno */
	unsigned ranges; /* that are copied before; the rest is spoiled */
	bool lies; /* about that */
	uint32_t dword0;
};

struct command {
	uint64_t sdlba;
	unsigned n;
	uint64_t blocks;
	int ret;
	bool old_ioctl;
	bool flew; /* with others */
};

struct node {
	uint64_t rdev;
	uint64_t base, size; /* in the memory, bytes */
};
extern const struct node nodes[NODES - DISK];
extern unsigned char content[DISK_BYTES + OTHER_BYTES]; /* of both namespaces */

struct world {
	unsigned shift;
	uint64_t sequence;
	int64_t id; /* NVME_IOCTL_ID */
	const char *fixture; /* sysfs; NULL: not to be read */
	const char *zoned; /* instead of what the fixture says */
	/* Answers to Identify, and what goes wrong with it. */
	unsigned char controller[4096], namespace[4096], nvm[4096];
	unsigned char namespace2[4096], nvm2[4096]; /* of the second one */
	unsigned char behavior[512]; /* Host Behavior Support */
	int behavior_ret;
	bool foreign; /* the second namespace is one of another controller */
	int identify_ret[6]; /* by CNS */
	/* After so many Copy commands the limits are others. */
	unsigned limits_after;
	uint16_t mssrl_then;
	uint32_t mcl_then;
	uint8_t msrc_then;
	bool restless; /* MCL is another one after each Copy command */
	/* Faults. */
	struct step steps[STEPS];
	size_t n_steps, step;
	int ioctl64; /* -errno of the newer ioctl */
	/* Commands in flight can be had; they are carried out in an order made of this. */
	uint64_t flight;
	int open_generic; /* -errno of opening the character device, once */
	bool generic_moves; /* it has another number when it is open */
	unsigned generic_read; /* its number, so often */
	int ring_open, refuse_flight; /* -errno of opening one, and of all commands in it */
	uint64_t failing; /* commands to this address, unless 0, fail like this */
	int fails; /* status, or -errno */
	bool bad; /* the block at this address of the first namespace cannot be read */
	uint64_t bad_block;
	int claim; /* -errno */
	int read_error; /* -errno of the next read of a device */
	unsigned writes; /* to devices */
	bool cached; /* pages stay */
	bool read_only;
	uint64_t smaller; /* bytes that partition 2 has lost */
	unsigned sequence_changes; /* after so many Copy commands */
	unsigned fail_at; /* the call of the seam to fail, from 1; 0: none */
	int fail_with; /* positive errno */
	bool fail_on; /* and all behind it */
	/* What happened. */
	unsigned calls; /* of the seam */
	bool failed; /* as it was told */
	struct command commands[COMMANDS];
	unsigned n_commands, identifies;
	struct copyoff_span flushed_in, flushed_out, dropped; /* in the memory, of the last copy */
	unsigned flushes_after, drops_before; /* out of order */
	unsigned flying, most_flying; /* commands at the same time */
	int open; /* descriptors */
	int rings;
};
extern struct world w;

/* What is looked at of both partitions and in front of them; 0: the whole disk. */
extern size_t reach;
extern struct copyoff_ctx ctx;

/* --- what the controller says -------------------------------------------------------- */

void set_le(unsigned char *p, unsigned n, uint64_t value);
void set_limits(uint16_t mssrl, uint32_t mcl, uint8_t msrc);
void set_blocks(unsigned shift, unsigned metadata);
/* Of the format in use: the type of protection information, the guard, and storage tags. */
void set_protection(unsigned type, unsigned guard, unsigned storage_bits);
/* The second namespace is like the first one, and may copy from and to it. */
void set_second(void);
/* What becomes of the next Copy command that is not refused. */
void script(struct step step);

/* --- a copy --------------------------------------------------------------------------- */

/* The content, once; and what is around each test. */
void fill(void);
void setup(void);
void teardown(void);

/* Only these backends. */
void use(const char *list);
struct copyoff_end end_of(int fd);
size_t index_of(const char *name);

int64_t copyv(int in, int out, const struct copyoff_range *v, size_t n, unsigned flags);
/* @done bytes are copied, and no byte is changed outside of the ranges. */
void check_bytes(int in, int out, const struct copyoff_range *v, size_t n, uint64_t done);
/* Both. */
int64_t copy(int in, int64_t src, int out, int64_t dst, uint64_t len, unsigned flags);

uint64_t copied_by(const char *name);
/* Of the backend nvme, for the pair that was used last. */
const struct copyoff_offer *offer(void);
void expect_text(const char *text);
const struct copyoff_offer *probe(int in, int out);

bool has_data_of(const struct copyoff_span *s, uint64_t start, uint64_t end);

#endif
