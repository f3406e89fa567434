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
#include <unistd.h>

/*
 * Behind those that are there: the default of the driver, but not of SG_IO on block
 * devices, is to overtake them.  Not in all headers.
 */
enum { Q_AT_TAIL = 0x10 };

static int direction(const struct copyoff_scsi_command *command)
{
	if (command->len == 0)
		return SG_DXFER_NONE;
	return command->to_device ? SG_DXFER_TO_DEV : SG_DXFER_FROM_DEV;
}

static struct sg_io_hdr header_of(struct copyoff_scsi_command *command)
{
	memset(command->sense, 0, sizeof(command->sense));
	return (struct sg_io_hdr){
		.interface_id = 'S',
		.dxfer_direction = direction(command),
		.cmd_len = command->cdb_len,
		.cmdp = command->cdb,
		.dxferp = command->len ? command->data : NULL,
		.dxfer_len = command->len,
		.sbp = command->sense,
		.mx_sb_len = sizeof(command->sense),
		.timeout = command->timeout,
		.usr_ptr = command,
	};
}

static void take_answer(struct copyoff_scsi_command *command, const struct sg_io_hdr *hdr)
{
	command->status = hdr->status;
	command->host = hdr->host_status;
	command->driver = hdr->driver_status;
	command->sense_len = hdr->sb_len_wr <= sizeof(command->sense) ? hdr->sb_len_wr : 0;
	/* Some hosts count wrongly. */
	command->residue = hdr->resid > 0 ? (uint32_t)hdr->resid : 0;
}

int copyoff_sys_scsi_command(int fd, struct copyoff_scsi_command *command)
{
	struct sg_io_hdr hdr = header_of(command);

	if (ioctl(fd, SG_IO, &hdr) < 0)
		return -errno;
	take_answer(command, &hdr);
	return 0;
}

int copyoff_sys_scsi_send(int fd, unsigned tag, struct copyoff_scsi_command *command)
{
	struct sg_io_hdr hdr = header_of(command);
	ssize_t ret;

	hdr.pack_id = (int)tag;
	hdr.flags = Q_AT_TAIL;
	ret = write(fd, &hdr, sizeof(hdr));
	return ret < 0 ? -errno : ret == sizeof(hdr) ? 0 : -EIO;
}

/* The driver gives back what it was given with the command, and an answer. */
int copyoff_sys_scsi_wait(int fd, unsigned *tag)
{
	struct sg_io_hdr hdr = { 0 };
	ssize_t ret;

	do
		ret = read(fd, &hdr, sizeof(hdr));
	while (ret < 0 && errno == EINTR);
	if (ret != sizeof(hdr))
		return ret < 0 ? -errno : -EIO;
	*tag = (unsigned)hdr.pack_id;
	take_answer(hdr.usr_ptr, &hdr);
	return 0;
}
