/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * sys_scsi.c - the seam to Linux for commands of SCSI
 */
#define _GNU_SOURCE
#include "sys.h"

#include <errno.h>
#include <scsi/sg.h>
#include <string.h>
#include <sys/ioctl.h>

static int direction(const struct copyoff_scsi_command *command)
{
	if (command->len == 0)
		return SG_DXFER_NONE;
	return command->to_device ? SG_DXFER_TO_DEV : SG_DXFER_FROM_DEV;
}

int copyoff_sys_scsi_command(int fd, struct copyoff_scsi_command *command)
{
	struct sg_io_hdr hdr = {
		.interface_id = 'S',
		.dxfer_direction = direction(command),
		.cmd_len = command->cdb_len,
		.cmdp = command->cdb,
		.dxferp = command->len ? command->data : NULL,
		.dxfer_len = command->len,
		.sbp = command->sense,
		.mx_sb_len = sizeof(command->sense),
		.timeout = command->timeout,
	};

	memset(command->sense, 0, sizeof(command->sense));
	if (ioctl(fd, SG_IO, &hdr) < 0)
		return -errno;
	command->status = hdr.status;
	command->host = hdr.host_status;
	command->driver = hdr.driver_status;
	command->sense_len = hdr.sb_len_wr <= sizeof(command->sense) ? hdr.sb_len_wr : 0;
	/* Some hosts count wrongly. */
	command->residue = hdr.resid > 0 ? (uint32_t)hdr.resid : 0;
	return 0;
}
