/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * scsi_disk.h - what xcopy.c and odx.c need to know of a SCSI disk, and how to talk to it
 */
#ifndef COPYOFF_SCSI_DISK_H
#define COPYOFF_SCSI_DISK_H

#include "scsi_command.h"

struct copyoff_scsi_disk {
	struct copyoff_scsi_capacity capacity;
	bool named;
	struct copyoff_scsi_designator name;
};

/*
 * Send it, and again as long as that may help: after a unit attention, or when the
 * device was busy.  If the device says that something has failed before, the copy
 * that goes on is to fail, whatever becomes of it.
 */
struct copyoff_scsi_verdict copyoff_scsi_send(struct copyoff_offer *offer, int fd,
					      struct copyoff_scsi_command *command);
/* The same for what else there is an answer of; returns the @verdict. */
struct copyoff_scsi_verdict copyoff_scsi_heed(struct copyoff_offer *offer,
					      struct copyoff_scsi_verdict verdict);

/* -errno if the verdict is final, or else decline for it. */
int copyoff_scsi_refuse(struct copyoff_offer *offer, const struct copyoff_scsi_verdict *verdict);
/* The same for a mere question: whatever came of it, another backend may copy. */
int copyoff_scsi_refuse_question(struct copyoff_offer *offer, struct copyoff_scsi_verdict verdict);

/*
 * Are both ends, which @b has found, SCSI disks, or partitions of them, that commands
 * can copy between?  @answer has COPYOFF_SCSI_ANSWER_MOST bytes.  Source and destination
 * in @disks, and 0; or declined, or -errno.
 */
int copyoff_scsi_find_disks(const struct copyoff_pair *pair, const struct copyoff_bracket *b,
			    unsigned char *answer, struct copyoff_scsi_disk disks[2],
			    struct copyoff_offer *offer);

int copyoff_scsi_not_disks(struct copyoff_offer *offer);

/* The name of the disk, as it is now. */
struct copyoff_scsi_verdict copyoff_scsi_ask_name(struct copyoff_offer *offer, int fd,
						  unsigned char *answer,
						  struct copyoff_scsi_designator *name);
bool copyoff_scsi_same_name(const struct copyoff_scsi_designator *a,
			    const struct copyoff_scsi_designator *b);

/* Another number, never 0: commands of other processes are on the same list. */
uint32_t copyoff_scsi_list_id(uint32_t last);

/* Ranges of the backend as those of the disks. */
void copyoff_scsi_ranges(const struct copyoff_offer *offer, uint32_t block,
			 const struct copyoff_range *from, size_t n, struct copyoff_scsi_range *to);

#endif
