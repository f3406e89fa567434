/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * sys_nvme.h - an NVMe command as the kernel takes it
 *
 * Up to the result, whose offset differs, the structures of its ioctl commands and
 * of io_uring are the same: for sys_block.c and sys_nvme_ring.c.
 */
#ifndef COPYOFF_SYS_NVME_H
#define COPYOFF_SYS_NVME_H

#include "sys.h"

#include <linux/nvme_ioctl.h>

static inline struct nvme_passthru_cmd64
copyoff_nvme_passthru(const struct copyoff_nvme_command *command)
{
	return (struct nvme_passthru_cmd64){
		.opcode = command->opcode,
		.nsid = command->nsid,
		.cdw3 = command->cdw3,
		.addr = (uint64_t)(uintptr_t)command->data,
		.data_len = command->len,
		.cdw10 = command->cdw[0],
		.cdw11 = command->cdw[1],
		.cdw12 = command->cdw[2],
		.cdw13 = command->cdw[3],
		.cdw14 = command->cdw[4],
		.cdw15 = command->cdw[5],
	};
}

#endif
