/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * blkcopy_device.c - see blkcopy_device.h
 */
#include "blkcopy_device.h"

#include <errno.h>
#include <string.h>

enum {
	DEVICES_MOST = 32, /* that are remembered */
	COMPARE_WHOLE = 8 << 20, /* bytes of a copy */
	COMPARE_EDGE = 64 << 10, /* of a range, at both ends, if there are more */
};

/* --- which device it is ------------------------------------------------------------------- */

/* An entry of the directory; @data: bits of what was found. */
static int note_name(void *data, const char *name)
{
	static const struct {
		const char *name;
		enum copyoff_blkcopy_name bit;
	} names[] = {
		{ "copy_offload", COPYOFF_BLKCOPY_COPY_OFFLOAD },
		{ "copy_max_bytes", COPYOFF_BLKCOPY_MAX_BYTES },
		{ "copy_max_bytes_hw", COPYOFF_BLKCOPY_MAX_BYTES_HW },
		{ "copy_max_hw_bytes", COPYOFF_BLKCOPY_MAX_HW_BYTES },
		{ "copy_max_range_bytes", COPYOFF_BLKCOPY_MAX_RANGE_BYTES },
		{ "copy_max_range_hw_bytes", COPYOFF_BLKCOPY_MAX_RANGE_HW_BYTES },
		{ "copy_max_nr_ranges", COPYOFF_BLKCOPY_MAX_NR_RANGES },
		{ "copy_max_nr_ranges_hw", COPYOFF_BLKCOPY_MAX_NR_RANGES_HW },
		{ "max_copy_sectors", COPYOFF_BLKCOPY_OLD_SECTORS },
		{ "max_copy_range_sectors", COPYOFF_BLKCOPY_OLD_RANGE_SECTORS },
		{ "max_copy_nr_ranges", COPYOFF_BLKCOPY_OLD_NR_RANGES },
		{ "max_copy_segments", COPYOFF_BLKCOPY_MAX_SEGMENTS },
		{ "copy_segment_max_bytes", COPYOFF_BLKCOPY_SEGMENT_MAX_BYTES },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(names[i].name, name) == 0)
			*(unsigned *)data |= names[i].bit;
	}
	return 0;
}

static uint64_t disk_of(const struct copyoff_end *end)
{
	struct copyoff_chain chain;

	copyoff_chain_open(&chain, end->fd, end->rdev);
	copyoff_chain_close(&chain);
	return chain.levels[0].disk;
}

int copyoff_blkcopy_find(const struct copyoff_pair *pair, struct copyoff_blkcopy_device *device,
			 struct copyoff_offer *offer)
{
	uint64_t disk;
	int ret;

	if (pair->in.kind != COPYOFF_KIND_BLOCK || pair->out.kind != COPYOFF_KIND_BLOCK)
		return copyoff_decline(offer, COPYOFF_REASON_FILE_TYPE, 0, "not block devices", "");
	*device = (struct copyoff_blkcopy_device){ .rdev = pair->out.rdev };
	disk = disk_of(&pair->out);
	ret = copyoff_sysfs_list(disk, "queue", note_name, &device->names);
	if (ret < 0 && ret != -ENOENT)
		return ret;
	if (!device->names)
		return copyoff_decline(offer, COPYOFF_REASON_UNSUPPORTED, 0,
				       "the kernel does not copy within block devices", "");
	if (pair->in.rdev != pair->out.rdev)
		return copyoff_decline(offer, COPYOFF_REASON_CROSS_DEVICE, 0,
				       "source and destination are not one device", "");
	device->is_partition = disk != device->rdev;
	return 0;
}

unsigned copyoff_blkcopy_traits(const struct copyoff_blkcopy_device *device)
{
	return COPYOFF_TRAIT_RAW | COPYOFF_TRAIT_HOST |
	       (device->on_bus ? 0 : COPYOFF_TRAIT_MAY_SHARE);
}

/* --- errors ------------------------------------------------------------------------------------ */

/*
 * Where an error happened, and what was written behind it, no version tells well
 * enough: reads and writes find the byte.
 */
int copyoff_blkcopy_refuse(struct copyoff_offer *offer, int err)
{
	static const struct {
		int err;
		enum copyoff_reason reason;
		const char *text;
	} table[] = {
		{ EPERM, COPYOFF_REASON_PERMISSION, "the device is read-only, or forbids it" },
		{ EACCES, COPYOFF_REASON_PERMISSION, "the call is forbidden here" },
		{ EBADF, COPYOFF_REASON_UNSUPPORTED, "the kernel does not take the descriptor" },
		{ ENOTTY, COPYOFF_REASON_UNSUPPORTED, "the device does not know the call" },
		{ ENOSYS, COPYOFF_REASON_UNSUPPORTED, "the device does not know the call" },
		{ EOPNOTSUPP, COPYOFF_REASON_UNSUPPORTED, "the device cannot copy" },
		{ EINVAL, COPYOFF_REASON_RESOURCE, "the kernel does not take these ranges" },
		{ ENOMEM, COPYOFF_REASON_RESOURCE, "the kernel has no memory for it" },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (table[i].err == err)
			return copyoff_decline(offer, table[i].reason, err, table[i].text, "");
	}
	/* It was no signal, and is not to be tried again as it was. */
	if (err == EINTR || err == EAGAIN)
		err = EIO;
	return copyoff_decline(offer, COPYOFF_REASON_RESOURCE, err,
			       "the device did not copy, or not all", "");
}

/* --- what is known of copies that were made --------------------------------------------------------- */

struct known {
	uint64_t rdev; /* 0: nothing */
	uint64_t sequence;
	bool wrong; /* or right */
};

struct keep {
	struct known devices[DEVICES_MOST];
	size_t next; /* to be replaced */
};

void copyoff_blkcopy_forget(void *keep)
{
	copyoff_sys_free(keep);
}

static const struct known *recall(const struct copyoff_blkcopy_device *device,
				  const struct copyoff_offer *offer)
{
	const struct keep *keep = *offer->keep;

	for (size_t i = 0; keep && i < DEVICES_MOST; i++) {
		if (keep->devices[i].rdev == device->rdev &&
		    keep->devices[i].sequence == device->bracket.out.sequence)
			return &keep->devices[i];
	}
	return NULL;
}

/* Those that are right can be looked at again. */
static struct known *room(struct keep *keep)
{
	for (size_t i = 0; i < DEVICES_MOST; i++) {
		struct known *known = &keep->devices[keep->next++ % DEVICES_MOST];

		if (!known->wrong)
			return known;
	}
	return NULL;
}

/* Without memory, and without a number of the medium, it is found out each time. */
static void learn(const struct copyoff_blkcopy_device *device, struct copyoff_offer *offer,
		  bool wrong)
{
	struct keep *keep = *offer->keep;
	struct known *known;

	if (!wrong && !device->bracket.out.sequence)
		return;
	if (!keep) {
		keep = copyoff_sys_alloc(sizeof(*keep), sizeof(void *));
		if (!keep)
			return;
		*keep = (struct keep){ .next = 0 };
		*offer->keep = keep;
	}
	known = room(keep);
	if (known)
		*known = (struct known){ device->rdev, device->bracket.out.sequence, wrong };
}

static int misbehaved(struct copyoff_offer *offer)
{
	return copyoff_decline(offer, COPYOFF_REASON_MISBEHAVED, 0,
			       "the device reported bytes as copied that were not",
			       "leave this backend out, and report the kernel and the device");
}

/* Did it copy wrongly before? */
static int check_trust(const struct copyoff_blkcopy_device *device, struct copyoff_offer *offer)
{
	const struct known *known = recall(device, offer);

	return known && known->wrong ? misbehaved(offer) : 0;
}

/* --- whether it can be used ------------------------------------------------------------------ */

static int refuse_stack(struct copyoff_offer *offer)
{
	return copyoff_decline(offer, COPYOFF_REASON_UNSUPPORTED, 0,
			       "the device is stacked on others, in another way than by dm-linear",
			       "");
}

static int check_make(const struct copyoff_pair *pair, struct copyoff_blkcopy_device *device,
		      struct copyoff_offer *offer)
{
	struct copyoff_block block;
	int ret = copyoff_facts_block(pair->out.fd, pair->out.rdev, &block);

	if (ret < 0)
		return ret;
	if (device->is_partition || block.partition != COPYOFF_ANSWER_NO)
		return copyoff_decline(offer, COPYOFF_REASON_UNSUPPORTED, 0,
				       "on partitions, kernels lose data without an error",
				       "copy on the whole disk");
	if (block.zoned != COPYOFF_ZONED_NONE)
		return copyoff_decline(offer, COPYOFF_REASON_UNSUPPORTED, 0,
				       "the device has zones, or may have", "");
	if (block.integrity != COPYOFF_ANSWER_NO)
		return copyoff_decline(offer, COPYOFF_REASON_UNSUPPORTED, 0,
				       "the device has protection information, or may have", "");
	if (block.stack == COPYOFF_STACK_MD || block.stack == COPYOFF_STACK_UNKNOWN)
		return refuse_stack(offer);
	device->is_dm = block.stack == COPYOFF_STACK_DM;
	if (device->is_dm && (block.dm != COPYOFF_DM_LINEAR || block.dm_claimed))
		return refuse_stack(offer);
	device->on_bus = block.stack == COPYOFF_STACK_DISK;
	device->block = block.logical_block;
	return 0;
}

int copyoff_blkcopy_examine(const struct copyoff_pair *pair, struct copyoff_blkcopy_device *device,
			    struct copyoff_offer *offer)
{
	int ret = check_make(pair, device, offer);

	if (ret < 0)
		return ret;
	copyoff_bracket_find(&device->bracket, pair);
	device->bracket.block = device->block;
	return check_trust(device, offer);
}

int copyoff_blkcopy_begin(const struct copyoff_pair *pair, struct copyoff_blkcopy_device *device,
			  struct copyoff_offer *offer, const struct copyoff_range *ranges, size_t n,
			  copyoff_find_fn *find, void *state)
{
	int ret = copyoff_bracket_begin(&device->bracket, pair, offer, ranges, n, find, state);

	/* By another pair of descriptors. */
	return ret < 0 ? ret : check_trust(device, offer);
}

/* --- comparing ------------------------------------------------------------------------------------ */

/* Both ends as they are on the medium, by one descriptor. */
struct reader {
	struct copyoff_pair pair;
	int err; /* that stopped it, -errno */
};

static int open_reader(struct reader *reader, const struct copyoff_pair *pair, uint32_t block)
{
	int fd = copyoff_sys_reopen(pair->out.fd, COPYOFF_ACCESS_DIRECT);

	*reader = (struct reader){ .pair = *pair };
	reader->pair.in.fd = reader->pair.out.fd = fd;
	reader->pair.in.io_align = reader->pair.out.io_align = block;
	return fd < 0 ? fd : 0;
}

static void close_reader(const struct reader *reader)
{
	(void)copyoff_sys_close(reader->pair.in.fd); /* nothing was written */
}

/* What comes back from a comparison. */
enum finding {
	EQUAL,
	DIFFERENT, /* or unreadable */
	UNDECIDED, /* with reader.err */
};

static enum finding compare(struct reader *reader, const struct copyoff_range *ranges, size_t n,
			    uint64_t len)
{
	uint64_t equal = copyoff_verify(&reader->pair, ranges, n, len, &reader->err);

	if (equal == len)
		return EQUAL;
	return reader->err == -EIO ? DIFFERENT : UNDECIDED;
}

/* Of each range its ends, where most of what goes wrong would be seen. */
static enum finding compare_edges(struct reader *reader, const struct copyoff_range *ranges,
				  size_t n)
{
	enum finding finding = EQUAL;

	for (size_t i = 0; i < n && finding == EQUAL; i++) {
		struct copyoff_range edge = ranges[i];

		if (edge.len <= 2 * COMPARE_EDGE) {
			finding = compare(reader, &edge, 1, edge.len);
			continue;
		}
		edge.len = COMPARE_EDGE;
		finding = compare(reader, &edge, 1, edge.len);
		edge.src += (int64_t)(ranges[i].len - COMPARE_EDGE);
		edge.dst += (int64_t)(ranges[i].len - COMPARE_EDGE);
		if (finding == EQUAL)
			finding = compare(reader, &edge, 1, edge.len);
	}
	return finding;
}

int64_t copyoff_blkcopy_accept(const struct copyoff_pair *pair,
			       const struct copyoff_blkcopy_device *device,
			       struct copyoff_offer *offer, const struct copyoff_range *ranges,
			       size_t n, uint64_t total)
{
	struct reader reader;
	enum finding finding = UNDECIDED;

	if (recall(device, offer))
		return (int64_t)total; /* what was wrong is not asked to copy again */
	reader.err = open_reader(&reader, pair, (uint32_t)offer->limits.align);
	if (reader.err == 0) {
		finding = total <= COMPARE_WHOLE ? compare(&reader, ranges, n, total)
						 : compare_edges(&reader, ranges, n);
		close_reader(&reader);
	}
	if (finding == UNDECIDED)
		return copyoff_decline(offer, COPYOFF_REASON_RESOURCE, reader.err,
				       "the first copy on this device cannot be compared", "");
	learn(device, offer, finding == DIFFERENT);
	return finding == EQUAL ? (int64_t)total : misbehaved(offer);
}

int64_t copyoff_blkcopy_salvage(const struct copyoff_pair *pair,
				const struct copyoff_blkcopy_device *device,
				struct copyoff_offer *offer, const struct copyoff_range *ranges,
				size_t n, uint64_t claimed)
{
	struct reader reader;
	enum finding finding;

	claimed -= claimed % offer->limits.align;
	if (claimed == 0 || open_reader(&reader, pair, (uint32_t)offer->limits.align) < 0)
		return COPYOFF_DECLINE;
	finding = compare(&reader, ranges, n, claimed);
	close_reader(&reader);
	if (finding == EQUAL)
		return (int64_t)claimed;
	if (finding == UNDECIDED)
		return COPYOFF_DECLINE;
	learn(device, offer, true);
	return misbehaved(offer);
}
