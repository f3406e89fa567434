/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * sys_nvme_ring.c - the seam to NVMe commands in flight, by liburing
 *
 * The kernel takes them with entries of twice the size, and on the character
 * devices of namespaces only.
 */
#define _GNU_SOURCE
#include "sys.h"

#include <errno.h>

#ifdef COPYOFF_LIBURING
#include "sys_nvme.h"

#include <liburing.h>
#include <stdlib.h>
#include <string.h>
#endif

#if defined(IORING_SETUP_SQE128) && defined(IORING_SETUP_CQE32) && defined(NVME_URING_CMD_IO)

/* The offset of the command in an entry; not all headers have a name for it. */
enum { ENTRY_BYTES = 128, COMMAND_OFFSET = 48 };
_Static_assert(COMMAND_OFFSET + sizeof(struct nvme_uring_cmd) <= ENTRY_BYTES,
	       "the command is in the entry");
_Static_assert(sizeof(struct nvme_uring_cmd) == offsetof(struct nvme_passthru_cmd64, result) &&
		       offsetof(struct nvme_uring_cmd, cdw15) ==
			       offsetof(struct nvme_passthru_cmd64, cdw15),
	       "it is that of the ioctl, without its result");

struct copyoff_nvme_ring {
	struct io_uring uring;
};

int copyoff_sys_nvme_ring_open(unsigned depth, struct copyoff_nvme_ring **ring)
{
	struct io_uring_params params = { .flags = IORING_SETUP_SQE128 | IORING_SETUP_CQE32 };
	struct copyoff_nvme_ring *r = malloc(sizeof(*r));
	int ret;

	if (!r)
		return -ENOMEM;
	ret = io_uring_queue_init_params(depth, &r->uring, &params);
	if (ret < 0)
		free(r);
	else
		*ring = r;
	return ret < 0 ? ret : 0;
}

void copyoff_sys_nvme_ring_close(struct copyoff_nvme_ring *ring)
{
	io_uring_queue_exit(&ring->uring);
	free(ring);
}

int copyoff_sys_nvme_ring_send(struct copyoff_nvme_ring *ring, int fd, unsigned tag,
			       const struct copyoff_nvme_command *command)
{
	const struct nvme_passthru_cmd64 passed = copyoff_nvme_passthru(command);
	struct io_uring_sqe *entry = io_uring_get_sqe(&ring->uring);
	int ret;

	if (!entry)
		return -EBUSY;
	memset(entry, 0, ENTRY_BYTES);
	entry->opcode = IORING_OP_URING_CMD;
	entry->fd = fd;
	entry->cmd_op = NVME_URING_CMD_IO;
	entry->user_data = tag;
	memcpy((char *)entry + COMMAND_OFFSET, &passed, sizeof(struct nvme_uring_cmd));
	ret = io_uring_submit(&ring->uring);
	return ret < 0 ? ret : ret == 1 ? 0 : -EIO;
}

int copyoff_sys_nvme_ring_wait(struct copyoff_nvme_ring *ring, unsigned *tag, uint64_t *result)
{
	struct io_uring_cqe *completion;
	int ret;

	/* What fails here is the wait: the command comes back all the same. */
	while (io_uring_peek_cqe(&ring->uring, &completion) != 0)
		(void)io_uring_wait_cqe(&ring->uring, &completion);
	*tag = (unsigned)completion->user_data;
	*result = completion->big_cqe[0];
	ret = completion->res;
	io_uring_cqe_seen(&ring->uring, completion);
	return ret;
}

#else

int copyoff_sys_nvme_ring_open(unsigned depth, struct copyoff_nvme_ring **ring)
{
	(void)depth;
	(void)ring;
	return -ENOSYS;
}

/* There is none to be closed or used. */
void copyoff_sys_nvme_ring_close(struct copyoff_nvme_ring *ring)
{
	(void)ring;
}

int copyoff_sys_nvme_ring_send(struct copyoff_nvme_ring *ring, int fd, unsigned tag,
			       const struct copyoff_nvme_command *command)
{
	(void)ring;
	(void)fd;
	(void)tag;
	(void)command;
	return -ENOSYS;
}

int copyoff_sys_nvme_ring_wait(struct copyoff_nvme_ring *ring, unsigned *tag, uint64_t *result)
{
	(void)ring;
	(void)tag;
	(void)result;
	return -ENOSYS;
}

#endif
