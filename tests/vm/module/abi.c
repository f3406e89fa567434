// SPDX-License-Identifier: GPL-2.0-only
/*
 * abi.c - the series of patches: their commands, limits and names in sysfs
 */
#include "ref.h"

#include <linux/string.h>

#define RO 0444
#define RW 0644

#define MIB (1ULL << 20)

static const struct ref_limit rfc_limits[] = {
	{ "max_copy_sectors", REF_SECTORS, RO },
	{ "max_copy_range_sectors", REF_SECTORS, RO },
	{ "max_copy_nr_ranges", REF_NR_RANGES, RO },
	{},
};

/* From the third posting of the RFC to v2. */
static const struct ref_limit sector_limits[] = {
	{ "copy_offload", REF_OFFLOAD, RW },
	{ "max_copy_sectors", REF_SECTORS, RO },
	{ "max_copy_range_sectors", REF_SECTORS, RO },
	{ "max_copy_nr_ranges", REF_NR_RANGES, RO },
	{},
};

/* v3 and v4 */
static const struct ref_limit range_limits[] = {
	{ "copy_offload", REF_OFFLOAD, RW },
	{ "copy_max_bytes", REF_BYTES, RW },
	{ "copy_max_hw_bytes", REF_BYTES_HW, RO },
	{ "copy_max_range_bytes", REF_BYTES, RW },
	{ "copy_max_range_hw_bytes", REF_BYTES_HW, RO },
	{ "copy_max_nr_ranges", REF_NR_RANGES, RO },
	{ "copy_max_nr_ranges_hw", REF_NR_RANGES, RO },
	{},
};

/* From v5 to v13 */
static const struct ref_limit byte_limits[] = {
	{ "copy_offload", REF_OFFLOAD, RW },
	{ "copy_max_bytes", REF_BYTES, RW },
	{ "copy_max_bytes_hw", REF_BYTES_HW, RO },
	{},
};

static const struct ref_limit syscall_limits[] = {
	{ "copy_max_bytes", REF_BYTES, RW },
	{ "copy_max_hw_bytes", REF_BYTES_HW, RO },
	{},
};

static const struct ref_limit keith_limits[] = {
	{ "max_copy_segments", REF_NR_RANGES, RO },
	{ "copy_max_bytes", REF_BYTES, RO },
	{ "copy_segment_max_bytes", REF_BYTES, RO },
	{},
};

static const struct ref_limit mikulas_limits[] = {
	{ "max_copy_sectors", REF_SECTORS, RO },
	{},
};

static const struct ref_limit no_limits[] = { {} };

static const struct ref_abi abis[] = {
	{
		.name = "rfc",
		.command = 0xC0201280,
		.ioctl = ref_ioctl_gather,
		.limits = rfc_limits,
	},
	{
		.name = "rfc4",
		.command = 0xC0201280,
		.ioctl = ref_ioctl_gather,
		.limits = sector_limits,
	},
	{
		.name = "rfc5",
		.command = 0xC0201280,
		.ioctl = ref_ioctl_gather,
		.shift = SECTOR_SHIFT,
		.limits = sector_limits,
	},
	{
		.name = "v1",
		.command = 0xC0201281,
		.ioctl = ref_ioctl_gather,
		.shift = SECTOR_SHIFT,
		.limits = sector_limits,
	},
	{
		.name = "v2",
		.command = 0xC0101281,
		.ioctl = ref_ioctl_ranges,
		.retry = REF_RESTART,
		.limits = sector_limits,
	},
	{
		.name = "v3",
		.command = 0xC0101281,
		.ioctl = ref_ioctl_ranges,
		.max_total = 2 * MIB,
		.retry = REF_RESTART,
		.limits = range_limits,
	},
	{
		.name = "v4",
		.command = 0xC0101281,
		.ioctl = ref_ioctl_ranges,
		.max_total = 128 * MIB,
		.retry = REF_RESUME,
		.limits = range_limits,
	},
	{
		.name = "v5",
		.command = 0xC0101281,
		.ioctl = ref_ioctl_ranges,
		.max_total = 128 * MIB,
		.retry = REF_RESUME,
		.limits = byte_limits,
	},
	{
		.name = "v6",
		.command = 0xC0101281,
		.ioctl = ref_ioctl_ranges,
		.max_total = 128 * MIB,
		.retry = REF_RESUME,
		.limits = byte_limits,
	},
	/* The names of v5 without its ioctl. */
	{
		.name = "v12",
		.syscall = true,
		.limits = byte_limits,
	},
	{
		.name = "v20",
		.syscall = true,
		.limits = syscall_limits,
	},
	{
		.name = "keith",
		.command = 0xC018128E,
		.vector = 0xC018128F,
		.ioctl = ref_ioctl_sectors,
		.shift = SECTOR_SHIFT,
		.limits = keith_limits,
	},
	{
		.name = "mikulas",
		.command = 0x1281,
		.ioctl = ref_ioctl_four,
		.limits = mikulas_limits,
	},
	/* The number of v2 to v6, for something else. */
	{
		.name = "stranger",
		.command = 0xC0101281,
		.ioctl = ref_ioctl_stranger,
		.limits = no_limits,
	},
	/* A disk like any other. */
	{
		.name = "none",
		.limits = no_limits,
	},
};

const struct ref_abi *ref_find_abi(const char *name)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(abis); i++) {
		if (!strcmp(abis[i].name, name))
			return &abis[i];
	}
	return NULL;
}
