/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * blkcopy_command.c - see blkcopy_command.h
 */
#include "blkcopy_command.h"

#include <string.h>

enum { SECTOR = 512 };

/* --- versions ---------------------------------------------------------------------- */

#define OLD_NAMES                                                                                  \
	(COPYOFF_BLKCOPY_OLD_SECTORS | COPYOFF_BLKCOPY_OLD_RANGE_SECTORS |                         \
	 COPYOFF_BLKCOPY_OLD_NR_RANGES)
#define OLD_LIMITS                                                                                 \
	.max_total = { "queue/max_copy_sectors", SECTOR },                                         \
	.max_range = { "queue/max_copy_range_sectors", SECTOR },                                   \
	.max_ranges = { "queue/max_copy_nr_ranges", 1 }
#define SEGMENT_NAMES                                                                              \
	(COPYOFF_BLKCOPY_MAX_SEGMENTS | COPYOFF_BLKCOPY_MAX_BYTES |                                \
	 COPYOFF_BLKCOPY_SEGMENT_MAX_BYTES)
#define SEGMENT_LIMITS                                                                             \
	.max_total = { "queue/copy_max_bytes", 1 },                                                \
	.max_range = { "queue/copy_segment_max_bytes", 1 },                                        \
	.max_ranges = { "queue/max_copy_segments", 1 }

static const char copy_offload[] = "queue/copy_offload";

/*
 * Numbers are _IOWR(0x12, 128, 129, 142 or 143, size).  The block copy of Mikulas
 * Patocka (2022) is not here: it is _IO(0x12, 129), which is a device's
 * verification in another series.
 */
const struct copyoff_blkcopy_abi copyoff_blkcopy_abis[COPYOFF_BLKCOPY_ABIS] = {
	{
		.series = "copy offload, RFC 1 and 2 (2020)",
		.request = 0xc0201280,
		.layout = COPYOFF_BLKCOPY_GATHER,
		.unit = 1,
		.ranges = COPYOFF_BLKCOPY_RANGES_MOST,
		.total = COPYOFF_BLKCOPY_TOTAL_MOST,
		.result = COPYOFF_BLKCOPY_NO_RESULT,
		.names = OLD_NAMES,
		OLD_LIMITS,
		.one_command = true,
	},
	{
		/* RFC 3 and 4 count in bytes, RFC 5 in sectors, and nothing tells which it is. */
		.series = "copy offload, RFC 3 to 5 (2020 to 2021)",
		.request = 0xc0201280,
		.layout = COPYOFF_BLKCOPY_GATHER,
		.unit = 0,
		.names = OLD_NAMES | COPYOFF_BLKCOPY_COPY_OFFLOAD,
		.enabled = copy_offload,
		OLD_LIMITS,
	},
	{
		.series = "copy offload, version 1 (2021)",
		.request = 0xc0201281,
		.layout = COPYOFF_BLKCOPY_GATHER,
		.unit = SECTOR,
		.ranges = COPYOFF_BLKCOPY_RANGES_MOST,
		.total = COPYOFF_BLKCOPY_TOTAL_MOST,
		.result = COPYOFF_BLKCOPY_NO_RESULT,
		.names = OLD_NAMES | COPYOFF_BLKCOPY_COPY_OFFLOAD,
		.enabled = copy_offload,
		OLD_LIMITS,
		.one_command = true,
	},
	{
		.series = "copy offload, version 2 (2022)",
		.request = 0xc0101281,
		.layout = COPYOFF_BLKCOPY_LIST,
		.unit = 1,
		.ranges = COPYOFF_BLKCOPY_RANGES_MOST,
		.total = (2 << 20) - 4096, /* less than 2 MiB */
		.result = COPYOFF_BLKCOPY_OF_SUCCESS,
		.names = OLD_NAMES | COPYOFF_BLKCOPY_COPY_OFFLOAD,
		.enabled = copy_offload,
		OLD_LIMITS,
	},
	{
		/* Version 4 would take 128 MiB, but cannot be told from version 3. */
		.series = "copy offload, versions 3 and 4 (2022)",
		.request = 0xc0101281,
		.layout = COPYOFF_BLKCOPY_LIST,
		.unit = 1,
		.ranges = COPYOFF_BLKCOPY_RANGES_MOST,
		.total = (2 << 20) - 4096,
		.result = COPYOFF_BLKCOPY_OF_SUCCESS,
		.names = COPYOFF_BLKCOPY_COPY_OFFLOAD | COPYOFF_BLKCOPY_MAX_BYTES |
			 COPYOFF_BLKCOPY_MAX_HW_BYTES | COPYOFF_BLKCOPY_MAX_RANGE_BYTES |
			 COPYOFF_BLKCOPY_MAX_RANGE_HW_BYTES | COPYOFF_BLKCOPY_MAX_NR_RANGES |
			 COPYOFF_BLKCOPY_MAX_NR_RANGES_HW,
		.enabled = copy_offload,
		.max_total = { "queue/copy_max_bytes", 1 },
		.max_range = { "queue/copy_max_range_bytes", 1 },
		.max_ranges = { "queue/copy_max_nr_ranges", 1 },
	},
	{
		/* Versions 7 to 13 have the same attributes, and no ioctl. */
		.series = "copy offload, versions 5 and 6 (2022 to 2023)",
		.request = 0xc0101281,
		.layout = COPYOFF_BLKCOPY_LIST,
		.unit = 1,
		.ranges = COPYOFF_BLKCOPY_RANGES_MOST,
		.total = COPYOFF_BLKCOPY_TOTAL_MOST, /* they take less than 128 MiB */
		.result = COPYOFF_BLKCOPY_OF_FAILURE,
		.names = COPYOFF_BLKCOPY_COPY_OFFLOAD | COPYOFF_BLKCOPY_MAX_BYTES |
			 COPYOFF_BLKCOPY_MAX_BYTES_HW,
		.enabled = copy_offload,
		.max_total = { "queue/copy_max_bytes", 1 },
	},
	{
		.series = "vectored copy, BLKCPY_VEC (2025)",
		.request = 0xc018128f,
		.layout = COPYOFF_BLKCOPY_VECTOR,
		.unit = SECTOR,
		.ranges = COPYOFF_BLKCOPY_RANGES_MOST,
		.total = COPYOFF_BLKCOPY_TOTAL_MOST,
		.result = COPYOFF_BLKCOPY_NO_RESULT,
		.names = SEGMENT_NAMES,
		SEGMENT_LIMITS,
	},
	{
		.series = "single copy, BLKCPY (2025)",
		.request = 0xc018128e,
		.layout = COPYOFF_BLKCOPY_SINGLE,
		.unit = SECTOR,
		.ranges = 1,
		.total = COPYOFF_BLKCOPY_TOTAL_MOST,
		.result = COPYOFF_BLKCOPY_NO_RESULT,
		.names = SEGMENT_NAMES,
		SEGMENT_LIMITS,
	},
};

bool copyoff_blkcopy_adjacent(const struct copyoff_blkcopy_abi *abi)
{
	return abi->layout == COPYOFF_BLKCOPY_GATHER || abi->layout == COPYOFF_BLKCOPY_VECTOR;
}

/* --- checks ------------------------------------------------------------------------- */

static bool is_within(int64_t off, uint64_t len, uint64_t size)
{
	return off >= 0 && (uint64_t)off <= size && len <= size - (uint64_t)off;
}

/* Both are within the device, so no sum overflows. */
static bool share_bytes(int64_t a, uint64_t a_len, int64_t b, uint64_t b_len)
{
	return (uint64_t)a < (uint64_t)b + b_len && (uint64_t)b < (uint64_t)a + a_len;
}

static const char *check_range(const struct copyoff_range *r, uint64_t size, uint32_t block)
{
	if (r->len == 0 || !is_within(r->src, r->len, size) || !is_within(r->dst, r->len, size))
		return "a range is not within the device";
	if (block == 0 || (uint64_t)r->src % block || (uint64_t)r->dst % block || r->len % block)
		return "a range does not consist of blocks of the device";
	return NULL;
}

/* Copies of one call are made in any order. */
static bool disturbs(const struct copyoff_range *a, const struct copyoff_range *b)
{
	return share_bytes(a->dst, a->len, b->src, b->len) ||
	       share_bytes(b->dst, b->len, a->src, a->len) ||
	       (a != b && share_bytes(a->dst, a->len, b->dst, b->len));
}

static bool any_overlap(const struct copyoff_range *ranges, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j <= i; j++) {
			if (disturbs(&ranges[i], &ranges[j]))
				return true;
		}
	}
	return false;
}

const char *copyoff_blkcopy_check(const struct copyoff_blkcopy_abi *abi,
				  const struct copyoff_range *ranges, size_t n, uint64_t size,
				  uint32_t block)
{
	uint64_t rest = abi->total;

	if (abi->unit == 0)
		return "the kernel counts in a unit that is not known";
	if (n == 0 || n > abi->ranges)
		return "these are more ranges than the kernel takes";
	for (size_t i = 0; i < n; i++) {
		const char *flaw = check_range(&ranges[i], size, block);

		if (flaw)
			return flaw;
		if (ranges[i].len > rest)
			return "these are more bytes than the kernel takes";
		rest -= ranges[i].len;
		if (i > 0 && copyoff_blkcopy_adjacent(abi) &&
		    (uint64_t)ranges[i].dst != (uint64_t)ranges[i - 1].dst + ranges[i - 1].len)
			return "the destinations do not lie one behind the other";
	}
	return any_overlap(ranges, n) ? "the ranges overlap" : NULL;
}

/* --- calls -------------------------------------------------------------------------- */

size_t copyoff_blkcopy_cut(const struct copyoff_range *ranges, size_t n, uint64_t done,
			   const struct copyoff_limits *limits, struct copyoff_range *call)
{
	uint64_t room = copyoff_range_down(limits->max_total, limits->align);
	const uint64_t most = copyoff_range_down(limits->max_range, limits->align);
	size_t made = 0;

	for (size_t i = 0; i < n && made < limits->max_ranges; i++) {
		while (done < ranges[i].len && made < limits->max_ranges) {
			uint64_t len = copyoff_range_min(ranges[i].len - done, most);

			len = copyoff_range_min(len, room);
			if (len == 0)
				return made;
			call[made++] = (struct copyoff_range){
				.src = ranges[i].src + (int64_t)done,
				.dst = ranges[i].dst + (int64_t)done,
				.len = len,
			};
			room -= len;
			done += len;
		}
		done -= copyoff_range_min(done, ranges[i].len);
	}
	return made;
}

/* --- bytes ---------------------------------------------------------------------------- */

/* All fields are of the machine's byte order, as they are in its headers. */

static uint64_t address_of(const uint64_t *p)
{
	return (uintptr_t)p;
}

static uint64_t in_units(const struct copyoff_blkcopy_abi *abi, uint64_t bytes)
{
	return bytes / abi->unit;
}

/* { src, len } for each of them. */
static void encode_sources(const struct copyoff_blkcopy_abi *abi,
			   const struct copyoff_range *ranges, size_t n, uint64_t *to)
{
	for (size_t i = 0; i < n; i++) {
		*to++ = in_units(abi, (uint64_t)ranges[i].src);
		*to++ = in_units(abi, ranges[i].len);
	}
}

/* { dest, nr_range, range_list, reserved } */
static void encode_gather(const struct copyoff_blkcopy_abi *abi, const struct copyoff_range *ranges,
			  size_t n, uint64_t *words)
{
	words[0] = in_units(abi, (uint64_t)ranges[0].dst);
	words[1] = n;
	words[2] = address_of(words + 4);
	words[3] = 0;
	encode_sources(abi, ranges, n, words + 4);
}

/* { nr_range, reserved }, then { src, dst, len, comp_len } for each of them. */
static void encode_list(const struct copyoff_blkcopy_abi *abi, const struct copyoff_range *ranges,
			size_t n, uint64_t *words)
{
	*words++ = n;
	*words++ = 0;
	for (size_t i = 0; i < n; i++) {
		*words++ = in_units(abi, (uint64_t)ranges[i].src);
		*words++ = in_units(abi, (uint64_t)ranges[i].dst);
		*words++ = in_units(abi, ranges[i].len);
		*words++ = 0; /* some kernels do not set it */
	}
}

/* { dst, src, nr } */
static void encode_single(const struct copyoff_blkcopy_abi *abi, const struct copyoff_range *ranges,
			  uint64_t *words)
{
	words[0] = in_units(abi, (uint64_t)ranges[0].dst);
	words[1] = in_units(abi, (uint64_t)ranges[0].src);
	words[2] = in_units(abi, ranges[0].len);
}

/* { dst_sector; u16 nr_ranges; u8 reserved[6]; sources } */
static void encode_vector(const struct copyoff_blkcopy_abi *abi, const struct copyoff_range *ranges,
			  size_t n, uint64_t *words)
{
	const uint16_t nr = (uint16_t)n;

	words[0] = in_units(abi, (uint64_t)ranges[0].dst);
	words[1] = 0;
	memcpy(&words[1], &nr, sizeof(nr));
	words[2] = address_of(words + 4);
	words[3] = 0; /* not part of it */
	encode_sources(abi, ranges, n, words + 4);
}

void copyoff_blkcopy_encode(const struct copyoff_blkcopy_abi *abi,
			    const struct copyoff_range *ranges, size_t n, uint64_t *words)
{
	switch (abi->layout) {
	case COPYOFF_BLKCOPY_GATHER:
		encode_gather(abi, ranges, n, words);
		break;
	case COPYOFF_BLKCOPY_LIST:
		encode_list(abi, ranges, n, words);
		break;
	case COPYOFF_BLKCOPY_SINGLE:
		encode_single(abi, ranges, words);
		break;
	case COPYOFF_BLKCOPY_VECTOR:
		encode_vector(abi, ranges, n, words);
		break;
	}
}

size_t copyoff_blkcopy_complete(const struct copyoff_blkcopy_abi *abi, const uint64_t *words,
				const struct copyoff_range *ranges, size_t n)
{
	size_t complete = 0;

	if (abi->result == COPYOFF_BLKCOPY_NO_RESULT)
		return n;
	while (complete < n && words[2 + 4 * complete + 3] == in_units(abi, ranges[complete].len))
		complete++;
	return complete;
}
