/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * scsi_world.h - the seam with two SCSI disks behind it, in memory
 *
 * The disks are those of tests/scsi-target; their nodes and partitions are those of
 * tests/fixtures/sysfs/dm-multipath.  The clock stands, but for pauses.  What is wrong
 * with the library ends the process.
 */
#ifndef SCSI_WORLD_H
#define SCSI_WORLD_H

#include "internal.h"
#include "../scsi-target/target.h"

#include <stdio.h>
#include <stdlib.h>

#define MUST(condition)                                                                            \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);            \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

enum {
	DISK_BYTES = 30 << 20,
	/* Descriptors. */
	A = 1000, /* the disk, and two partitions of it */
	A1,
	A2,
	B, /* another disk */
	B1,
	DM, /* device mapper on both */
	NODES_END,
	/* Of A1, A2 and B1, bytes from here to there of their disk are looked at. */
	IN_FRONT = 16384,
	SCRIPTS = 8,
	WORLD_LEAST_ZEROES = 1 << 20, /* of holes that a backend is to make */
};

/* What becomes of commands on their way to the disk. */
struct script {
	uint8_t opcode;
	int action; /* -1: any */
	unsigned skip, count; /* so many pass, then so many are hit */
	int ret; /* -errno: never sent */
	uint16_t host; /* DID_* */
	bool executed; /* all the same */
};

struct world {
	struct scsi_target *target;
	unsigned shift; /* of blocks */
	uint64_t sequence; /* of both media; 0: not known */
	const char *fixture; /* sysfs; NULL: not to be read */
	const char *zoned; /* instead of what the fixture says */
	const char *uevent;
	bool exact; /* no residue, as LIO reports it */
	int (*answer)(unsigned lun, struct copyoff_scsi_command *command); /* or the target */
	struct script scripts[SCRIPTS];
	size_t n_scripts;
	unsigned swap_after; /* so many INQUIRYs: the disks change places; 0: never */
	int claim; /* -errno */
	int read_error; /* -errno of the next read of a device */
	unsigned flush_fails; /* EIO, the so-many-th time that a cache is written back */
	/*
	 * A1 is a regular file, and every other piece of so many bytes of it is a hole,
	 * from the first one on: there its content has to be zeroes.  0: it is a device.
	 */
	uint64_t holes;
	bool punches; /* the kernel has devices make holes */
	bool cached; /* pages stay */
	bool read_only;
	uint64_t smaller; /* bytes that B1 has lost */
	unsigned sequence_changes; /* after so many commands that copy */
	/*
	 * The disks have character devices, and commands in flight there are carried out
	 * in an order that comes from this number; 0: they have none.
	 */
	uint64_t flight;
	bool generic_moves; /* to another disk, each time that it was opened */
	unsigned generic_read; /* so often it was looked for */
	int open_generic; /* -errno of the next open */
	int refuse_flight; /* -errno of each send */
	unsigned lose_after; /* so many came back, and then no more do; 0: never */
	unsigned fail_at; /* the call of the seam to fail, from 1; 0: none */
	int fail_with; /* positive errno */
	bool fail_on; /* and all behind it */
	size_t reach; /* bytes of partitions that are looked at */
	/* What happened. */
	uint64_t clock; /* nanoseconds */
	unsigned pauses;
	unsigned calls; /* of the seam */
	bool failed; /* as it was told */
	unsigned commands, inquiries, copies;
	unsigned flown, most_flying, landed; /* of the copies */
	unsigned writes; /* to devices */
	unsigned punched; /* holes, or tried to */
	struct copyoff_span flushed_in, flushed_out, dropped; /* on the disk, of the last copy */
	int open; /* descriptors */
	void *state; /* of the backend */
	size_t state_size;
	unsigned char token[SCSI_TARGET_TOKEN]; /* the last one */
	bool token_seen;
};

extern struct world w;
extern unsigned char content[2][DISK_BYTES];
extern struct copyoff_ctx ctx;

/* Once. */
void world_fill(void);
/* Two disks, all that they can, with blocks of @block bytes. */
void world_begin(uint32_t block);
/* Other disks in their place. */
void world_disks(const struct scsi_target_unit_options *a,
		 const struct scsi_target_unit_options *b);
struct scsi_target_unit_options world_options(uint32_t block, int disk);
void world_end(void);

/* Only these backends. */
void world_use(const char *list);
/* Forget all about pairs. */
void world_forget(void);

struct copyoff_end world_end_of(int fd);
/* Where a node begins on its disk, and how long it is. */
uint64_t world_base(int fd);
uint64_t world_size(int fd);

int64_t world_copyv(int in, int out, const struct copyoff_range *v, size_t n, unsigned flags);
/* @done bytes are copied, and no byte is changed outside of the ranges. */
void world_check(int in, int out, const struct copyoff_range *v, size_t n, uint64_t done);
/* Both, for one range. */
int64_t world_copy(int in, int64_t src, int out, int64_t dst, uint64_t len, unsigned flags);

const struct copyoff_offer *world_offer(const char *backend);
uint64_t world_copied_by(const char *backend);

/* The target, as it answers. */
int world_ask_target(unsigned lun, struct copyoff_scsi_command *command);
struct script *world_script(uint8_t opcode, int action);

/* What a device says once: an earlier command has failed.  And that it says so. */
extern const unsigned char world_deferred_sense[18];
int world_defer(struct copyoff_scsi_command *command);

#endif
