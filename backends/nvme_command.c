/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * nvme_command.c - see nvme_command.h
 */
#include "nvme_command.h"

#include <errno.h>
#include <string.h>

/* --- little-endian ------------------------------------------------------------ */

static uint64_t get(const unsigned char *from, size_t bytes)
{
	uint64_t value = 0;

	while (bytes-- > 0)
		value = value << 8 | from[bytes];
	return value;
}

static void put(unsigned char *to, size_t bytes, uint64_t value)
{
	for (size_t i = 0; i < bytes; i++)
		to[i] = (unsigned char)(value >> 8 * i);
}

/* --- Identify ------------------------------------------------------------------- */

struct copyoff_nvme_command copyoff_nvme_identify(uint32_t nsid, enum copyoff_nvme_cns cns,
						  unsigned char *data)
{
	return (struct copyoff_nvme_command){
		.opcode = COPYOFF_NVME_IDENTIFY,
		.nsid = cns == COPYOFF_NVME_CNS_CONTROLLER ? 0 : nsid,
		.cdw = { (uint32_t)cns }, /* dword 11 is the command set: 0, NVM */
		.data = data,
		.len = COPYOFF_NVME_IDENTIFY_BYTES,
	};
}

void copyoff_nvme_parse_controller(const unsigned char *data,
				   struct copyoff_nvme_controller *controller)
{
	enum { ONCS = 520, OCFS = 534, ONCS_COPY = 1 << 8 };

	controller->copies = get(data + ONCS, 2) & ONCS_COPY;
	controller->formats = (uint16_t)get(data + OCFS, 2);
}

void copyoff_nvme_parse_namespace(const unsigned char *data,
				  struct copyoff_nvme_namespace *namespace)
{
	enum {
		NSZE = 0,
		FLBAS = 26,
		DPS = 29,
		MSSRL = 74,
		MCL = 76,
		MSRC = 80,
		NSATTR = 99,
		LBAF = 128,
		LBAF_SIZE = 4,
		DPS_TYPE = 7,
		NSATTR_WRITE_PROTECTED = 1,
	};
	unsigned flbas = data[FLBAS], index = (flbas & 0xf) | (flbas >> 5 & 3) << 4;
	const unsigned char *lbaf = data + LBAF + index * LBAF_SIZE;

	*namespace = (struct copyoff_nvme_namespace){
		.blocks = get(data + NSZE, 8),
		.block_shift = lbaf[2],
		.metadata = (uint16_t)get(lbaf, 2),
		.format_index = index,
		.protection = data[DPS] & DPS_TYPE,
		.write_protected = data[NSATTR] & NSATTR_WRITE_PROTECTED,
		.range_blocks = (uint32_t)get(data + MSSRL, 2),
		.total_blocks = (uint32_t)get(data + MCL, 4),
		.ranges = (uint32_t)data[MSRC] + 1,
	};
}

struct copyoff_nvme_tags copyoff_nvme_parse_tags(const unsigned char *data, unsigned format_index)
{
	enum { ELBAF = 12, ELBAF_SIZE = 4 };
	uint32_t elbaf = (uint32_t)get(data + ELBAF + format_index * ELBAF_SIZE, 4);

	return (struct copyoff_nvme_tags){ .guard = elbaf >> 7 & 3, .storage_bits = elbaf & 0x7f };
}

unsigned copyoff_nvme_protection_size(unsigned guard)
{
	static const unsigned bytes[] = { 8, 16, 16, 0 };

	return bytes[guard & 3];
}

/* --- Copy ------------------------------------------------------------------------- */

struct copyoff_nvme_command copyoff_nvme_get_behavior(unsigned char *data)
{
	enum { FID_HOST_BEHAVIOR = 0x16 };

	return (struct copyoff_nvme_command){
		.opcode = COPYOFF_NVME_GET_FEATURES,
		.cdw = { FID_HOST_BEHAVIOR },
		.data = data,
		.len = COPYOFF_NVME_BEHAVIOR_BYTES,
	};
}

unsigned copyoff_nvme_parse_behavior(const unsigned char *data)
{
	enum { CDFE = 4 };

	return (unsigned)get(data + CDFE, 2) | 3;
}

size_t copyoff_nvme_range_size(unsigned format)
{
	return format & 1 ? COPYOFF_NVME_RANGE_BYTES_MOST : 32;
}

void copyoff_nvme_encode_range(unsigned format, uint32_t snsid, uint64_t slba, uint32_t blocks,
			       unsigned char *to)
{
	enum { SNSID = 0, SLBA = 8, NLB = 16 };

	memset(to, 0, copyoff_nvme_range_size(format));
	if (format >= 2)
		put(to + SNSID, 4, snsid);
	put(to + SLBA, 8, slba);
	put(to + NLB, 2, blocks - 1);
}

struct copyoff_nvme_command copyoff_nvme_copy(uint32_t nsid, unsigned format, uint64_t sdlba,
					      unsigned char *ranges, unsigned n)
{
	return (struct copyoff_nvme_command){
		.opcode = COPYOFF_NVME_COPY,
		.nsid = nsid,
		.cdw = { (uint32_t)sdlba, (uint32_t)(sdlba >> 32), format << 8 | (n - 1) },
		.data = ranges,
		.len = (uint32_t)(n * copyoff_nvme_range_size(format)),
	};
}

void copyoff_nvme_protect(struct copyoff_nvme_command *copy, unsigned type, unsigned guard)
{
	/* PRINFO: the controller acts, and checks the guard. */
	const uint32_t pract = 8, prchk_guard = 4, prinfor = 12, prinfow = 26;
	const uint64_t sdlba = (uint64_t)copy->cdw[1] << 32 | copy->cdw[0];

	copy->cdw[2] |= (pract | prchk_guard) << prinfor | pract << prinfow;
	if (type == 3)
		return; /* its reference tags are not addresses, and the kernel's are 0 */
	copy->cdw[4] = (uint32_t)sdlba;
	if (guard == 2)
		copy->cdw3 = (uint32_t)(sdlba >> 32 & 0xffff);
}

/* --- what went wrong ---------------------------------------------------------------- */

#define UNSUPPORTED(status, text)                                                                  \
	{                                                                                          \
		status, COPYOFF_NVME_DECLINE, COPYOFF_REASON_UNSUPPORTED, EOPNOTSUPP, text         \
	}
#define FAILED(status, error, text)                                                                \
	{                                                                                          \
		status, COPYOFF_NVME_DECLINE, COPYOFF_REASON_RESOURCE, error, text                 \
	}
#define AGAIN(status, error, text)                                                                 \
	{                                                                                          \
		status, COPYOFF_NVME_RETRY, COPYOFF_REASON_RESOURCE, error, text                   \
	}
#define FINAL(status, error, text)                                                                 \
	{                                                                                          \
		status, COPYOFF_NVME_FINAL, COPYOFF_REASON_NONE, error, text                       \
	}

/*
 * Where reads and writes may do better, they are to try, and to find the byte and
 * the errno; only what they would not change is final.
 */
static const struct copyoff_nvme_verdict verdicts[] = {
	/* Generic command status. */
	UNSUPPORTED(0x001, "the controller does not know the Copy command"),
	UNSUPPORTED(0x002, "the controller does not take this Copy command: invalid field"),
	FAILED(0x004, EIO, "the descriptors could not be transferred"),
	FAILED(0x005, EIO, "the controller lost power"),
	FAILED(0x006, EIO, "internal error of the device"),
	FAILED(0x007, EIO, "the Copy command was aborted"),
	FAILED(0x008, EIO, "the Copy command was aborted by a reset"),
	FAILED(0x00b, ENXIO, "the namespace is gone"),
	FAILED(0x00f, EINVAL, "the length of the descriptors is refused"),
	FINAL(0x020, EROFS, "the namespace is write protected"),
	AGAIN(0x021, EBUSY, "the Copy command was interrupted by the device"),
	FAILED(0x080, EINVAL, "a range is beyond the end of the namespace"),
	FINAL(0x081, ENOSPC, "the capacity of the namespace is exceeded"),
	AGAIN(0x082, EBUSY, "the namespace is not ready"),
	FINAL(0x083, EACCES, "another host has reserved the namespace"),
	AGAIN(0x084, EBUSY, "the namespace is being formatted"),
	/* Command specific status. */
	UNSUPPORTED(0x10a, "the controller does not take this format of descriptors"),
	FAILED(0x181, EIO, "protection information is invalid"),
	FINAL(0x182, EROFS, "the range is read-only"),
	{ 0x183, COPYOFF_NVME_LIMITS, COPYOFF_REASON_UNSUPPORTED, EOPNOTSUPP,
	  "the command exceeds limits that the namespace does not tell" },
	UNSUPPORTED(0x185, "source and destination are formatted differently"),
	UNSUPPORTED(0x186, "the device cannot copy these fast"),
	FAILED(0x187, EINVAL, "source and destination overlap for the device"),
	AGAIN(0x189, EBUSY, "the device has no resources for a Copy command"),
	FAILED(0x1b8, EINVAL, "a range crosses the boundary of a zone"),
	FINAL(0x1b9, ENOSPC, "the zone is full"),
	FINAL(0x1ba, EROFS, "the zone is read-only"),
	FAILED(0x1bb, EIO, "the zone is offline"),
	FAILED(0x1bc, EINVAL, "the destination is not at the write pointer of its zone"),
	FAILED(0x1bd, EBUSY, "too many active zones"),
	FAILED(0x1be, EBUSY, "too many open zones"),
	FAILED(0x1bf, EIO, "the zone cannot be written in its state"),
	/* Media and data integrity errors. */
	FAILED(0x280, EIO, "write fault"),
	FAILED(0x281, EIO, "unrecovered read error"),
	FAILED(0x282, EIO, "end-to-end guard check error"),
	FAILED(0x283, EIO, "end-to-end application tag check error"),
	FAILED(0x284, EIO, "end-to-end reference tag check error"),
	FAILED(0x286, EACCES, "the device denies access to a range"),
	FAILED(0x287, EIO, "the source has deallocated or unwritten blocks"),
	/* Path related status. */
	AGAIN(0x300, EIO, "internal error of the path"),
	AGAIN(0x301, EIO, "the path is lost"),
	AGAIN(0x302, EIO, "the path is inaccessible"),
	AGAIN(0x303, EIO, "the path is changing"),
	AGAIN(0x360, EIO, "the controller lost the path"),
	AGAIN(0x370, EIO, "the host lost the path"),
	FAILED(0x371, EIO, "the host aborted the Copy command"),
};

static const struct copyoff_nvme_verdict otherwise =
	FAILED(0, EIO, "the Copy command failed, and the device did not say where or why");

const struct copyoff_nvme_verdict *copyoff_nvme_verdict_of(int status)
{
	const int code = status & 0x7ff; /* without CRD, More and Do Not Retry */

	for (size_t i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++) {
		if (verdicts[i].status == code)
			return &verdicts[i];
	}
	return &otherwise;
}

/*
 * Dword 0 has the number of the first range that was not copied.  A number that
 * cannot be true proves nothing; neither does any together with a path related
 * status, which the host may have made up: then the dword is left from another
 * command.
 */
unsigned copyoff_nvme_ranges_done(int status, uint64_t result, unsigned n)
{
	const int type = status >> 8 & 7, path_related = 3;
	const uint32_t first_failed = (uint32_t)result;

	return type != path_related && first_failed < n ? first_failed : 0;
}
