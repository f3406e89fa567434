/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * scsi_disk.c - see scsi_disk.h
 */
#include "scsi_disk.h"

#include <errno.h>
#include <string.h>

enum {
	RETRIES = 5, /* several things may have happened to a device, and each is reported */
	WAITS = 8, /* each twice as long as the one before: 2.5 seconds */
	FIRST_WAIT_NS = 10 * 1000 * 1000,
};

/* --- transport ------------------------------------------------------------------------ */

/*
 * An EXTENDED COPY that got lost has been aborted by the kernel.  What copies by token
 * goes on when its command has ended, and would run twice.
 */
static bool must_not_run_twice(const struct copyoff_scsi_command *command)
{
	return command->cdb[0] == COPYOFF_SCSI_COPY_OUT &&
	       command->cdb[1] != COPYOFF_SCSI_EXTENDED_COPY;
}

struct copyoff_scsi_verdict copyoff_scsi_heed(struct copyoff_offer *offer,
					      struct copyoff_scsi_verdict verdict)
{
	if (verdict.action == COPYOFF_SCSI_DEFERRED)
		copyoff_fatal(offer, verdict.error, verdict.text);
	return verdict;
}

struct copyoff_scsi_verdict copyoff_scsi_send(struct copyoff_offer *offer, int fd,
					      struct copyoff_scsi_command *command)
{
	uint64_t wait = FIRST_WAIT_NS;
	int retries = 0, waits = 0;

	for (;;) {
		int ret = copyoff_sys_scsi_command(fd, command);
		struct copyoff_scsi_verdict verdict =
			copyoff_scsi_heed(offer, copyoff_scsi_judge(ret, command));

		if (verdict.outcome == COPYOFF_SCSI_IN_DOUBT && must_not_run_twice(command))
			return verdict;
		if (verdict.action == COPYOFF_SCSI_WAIT && waits < WAITS) {
			waits++;
			copyoff_sys_pause(wait);
			wait *= 2;
		} else if (verdict.action == COPYOFF_SCSI_RETRY && retries < RETRIES) {
			retries++;
		} else {
			return verdict;
		}
	}
}

static bool is_final(const struct copyoff_scsi_verdict *verdict)
{
	return verdict->action == COPYOFF_SCSI_FINAL || verdict->action == COPYOFF_SCSI_DEFERRED;
}

int copyoff_scsi_refuse(struct copyoff_offer *offer, const struct copyoff_scsi_verdict *verdict)
{
	const char *remedy = "";

	if (is_final(verdict))
		return -verdict->error;
	if (verdict->error == EPERM)
		remedy = "have CAP_SYS_RAWIO: without it, the kernel passes these commands by "
			 "nothing but a /dev/sg node, which is no block device to copy";
	return copyoff_decline(offer, verdict->reason, verdict->error, verdict->text, remedy);
}

int copyoff_scsi_refuse_question(struct copyoff_offer *offer, struct copyoff_scsi_verdict verdict)
{
	if (is_final(&verdict)) {
		verdict.action = COPYOFF_SCSI_DECLINE;
		verdict.reason = COPYOFF_REASON_RESOURCE;
	}
	return copyoff_scsi_refuse(offer, &verdict);
}

/* --- one disk ----------------------------------------------------------------------------- */

int copyoff_scsi_not_disks(struct copyoff_offer *offer)
{
	return copyoff_decline(offer, COPYOFF_REASON_FILE_TYPE, 0,
			       "not SCSI disks, nor partitions of them", "");
}

static bool has_line(const char *text, const char *line)
{
	const size_t len = strlen(line);

	for (; text; text = strchr(text, '\n')) {
		text += *text == '\n';
		if (strncmp(text, line, len) == 0 && (text[len] == '\n' || text[len] == '\0'))
			return true;
	}
	return false;
}

/*
 * Does the disk itself hang on a device of SCSI that has blocks (type 0)?  Device
 * mapper hands commands down, with addresses that are those of another device.
 */
static int check_device(uint64_t disk, struct copyoff_offer *offer)
{
	char uevent[1024];
	ssize_t len = copyoff_sysfs_text(disk, "device/uevent", uevent, sizeof(uevent));

	if (len == -ENOENT || len == -E2BIG)
		return copyoff_scsi_not_disks(offer);
	if (len < 0)
		return (int)len;
	return has_line(uevent, "DEVTYPE=scsi_device") && has_line(uevent, "MODALIAS=scsi:t-0x00")
		       ? 0
		       : copyoff_scsi_not_disks(offer);
}

static int strange_answer(struct copyoff_offer *offer)
{
	return copyoff_decline(offer, COPYOFF_REASON_UNSUPPORTED, EIO,
			       "the device gives an answer that makes no sense", "");
}

/* It is known to be a disk: who may not send anything on a partition gets ENOTTY. */
static struct copyoff_scsi_verdict ask_first(struct copyoff_offer *offer, int fd, bool whole,
					     struct copyoff_scsi_command *command)
{
	struct copyoff_scsi_verdict verdict = copyoff_scsi_send(offer, fd, command);

	if (verdict.error == ENOTTY && !whole)
		verdict = (struct copyoff_scsi_verdict){
			COPYOFF_SCSI_DECLINE, COPYOFF_REASON_PERMISSION, EPERM,
			"this process may not send commands to the disk of a partition",
			COPYOFF_SCSI_NOT_SENT
		};
	return verdict;
}

/* The first question, and the only one for disks that cannot copy: some answer no others. */
static int ask_what_it_is(const struct copyoff_end *end, const struct copyoff_chain *chain,
			  unsigned char *answer, struct copyoff_offer *offer)
{
	const bool whole = chain->levels[0].rdev == chain->lowest;
	struct copyoff_scsi_command command = copyoff_scsi_inquiry(answer, 96);
	struct copyoff_scsi_verdict verdict = ask_first(offer, end->fd, whole, &command);
	bool is_disk, copies;

	if (verdict.action != COPYOFF_SCSI_GOOD)
		return copyoff_scsi_refuse_question(offer, verdict);
	if (!copyoff_scsi_parse_inquiry(answer, copyoff_scsi_received(&command), &is_disk, &copies))
		return strange_answer(offer);
	if (!is_disk)
		return copyoff_scsi_not_disks(offer);
	if (!copies)
		return copyoff_decline(offer, COPYOFF_REASON_UNSUPPORTED, 0,
				       "a disk has no copy commands", "");
	return 0;
}

static int ask_capacity(int fd, unsigned char *answer, struct copyoff_scsi_disk *disk,
			struct copyoff_offer *offer)
{
	struct copyoff_scsi_command command = copyoff_scsi_capacity(answer, 32);
	struct copyoff_scsi_verdict verdict = copyoff_scsi_send(offer, fd, &command);

	if (verdict.action != COPYOFF_SCSI_GOOD)
		return copyoff_scsi_refuse_question(offer, verdict);
	return copyoff_scsi_parse_capacity(answer, copyoff_scsi_received(&command), &disk->capacity)
		       ? 0
		       : strange_answer(offer);
}

struct copyoff_scsi_verdict copyoff_scsi_ask_name(struct copyoff_offer *offer, int fd,
						  unsigned char *answer,
						  struct copyoff_scsi_designator *name)
{
	struct copyoff_scsi_command command =
		copyoff_scsi_vpd(COPYOFF_SCSI_VPD_IDENTIFICATION, answer, COPYOFF_SCSI_ANSWER_MOST);
	struct copyoff_scsi_verdict verdict = copyoff_scsi_send(offer, fd, &command);

	*name = (struct copyoff_scsi_designator){ 0 };
	if (verdict.action == COPYOFF_SCSI_GOOD &&
	    !copyoff_scsi_parse_designator(answer, copyoff_scsi_received(&command), name))
		verdict = (struct copyoff_scsi_verdict){ COPYOFF_SCSI_DECLINE,
							 COPYOFF_REASON_UNSUPPORTED, EOPNOTSUPP,
							 "the disk has no name for copies",
							 COPYOFF_SCSI_ANSWERED };
	return verdict;
}

static int check_capacity(const struct copyoff_end *end, const struct copyoff_chain *chain,
			  const struct copyoff_scsi_capacity *capacity, struct copyoff_offer *offer)
{
	struct copyoff_block block;
	int ret = copyoff_facts_block(end->fd, end->rdev, &block);

	if (ret < 0)
		return ret;
	if (block.zoned != COPYOFF_ZONED_NONE)
		return copyoff_decline(offer, COPYOFF_REASON_UNSUPPORTED, 0,
				       "the disk has zones, or may have", "");
	if (capacity->protection)
		return copyoff_decline(offer, COPYOFF_REASON_UNSUPPORTED, 0,
				       "the disk has protection information", "");
	if (block.logical_block != capacity->block)
		return copyoff_decline(offer, COPYOFF_REASON_UNSUPPORTED, 0,
				       "the kernel takes the blocks for larger or smaller ones "
				       "than the disk has",
				       "");
	if (chain->place.base % capacity->block)
		return copyoff_decline(offer, COPYOFF_REASON_ALIGNMENT, 0,
				       "a partition does not begin on a block", "");
	/* Neither sum nor quotient can overflow. */
	if ((chain->place.base + end->size) / capacity->block > capacity->blocks)
		return copyoff_decline(offer, COPYOFF_REASON_UNSUPPORTED, 0,
				       "the kernel takes the disk for larger than it is",
				       "have the kernel look at it again");
	return 0;
}

static int find_disk(const struct copyoff_end *end, const struct copyoff_chain *chain,
		     unsigned char *answer, struct copyoff_scsi_disk *disk,
		     struct copyoff_offer *offer)
{
	int ret = ask_capacity(end->fd, answer, disk, offer);

	if (ret == 0)
		ret = check_capacity(end, chain, &disk->capacity, offer);
	if (ret == 0) /* without one, some commands can copy none the less */
		disk->named = copyoff_scsi_ask_name(offer, end->fd, answer, &disk->name).action ==
			      COPYOFF_SCSI_GOOD;
	return ret;
}

/* --- both ------------------------------------------------------------------------------------ */

bool copyoff_scsi_same_name(const struct copyoff_scsi_designator *a,
			    const struct copyoff_scsi_designator *b)
{
	return a->type == b->type && a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}

/*
 * Two nodes with one name are two paths to one disk, where nobody has checked whether
 * ranges overlap; or two disks of a target that gives them the same name, where the
 * command would copy to the wrong one.
 */
static int check_names(const struct copyoff_chain *in, const struct copyoff_chain *out,
		       const struct copyoff_scsi_disk disks[2], struct copyoff_offer *offer)
{
	if (in->lowest == out->lowest || !disks[0].named || !disks[1].named ||
	    !copyoff_scsi_same_name(&disks[0].name, &disks[1].name))
		return 0;
	return copyoff_decline(offer, COPYOFF_REASON_UNSUPPORTED, 0,
			       "the two disks have the same name: they are one by two paths, or "
			       "their target does not tell them apart",
			       "use one path for both, or give the disks different identities");
}

static bool is_stacked(const struct copyoff_side *side)
{
	return side->chain.n > 1 || side->chain.place.in_file;
}

int copyoff_scsi_find_disks(const struct copyoff_pair *pair, const struct copyoff_bracket *b,
			    unsigned char *answer, struct copyoff_scsi_disk disks[2],
			    struct copyoff_offer *offer)
{
	const struct copyoff_chain *in = &b->in.chain, *out = &b->out.chain;
	int ret;

	if (is_stacked(&b->in) || is_stacked(&b->out))
		return copyoff_scsi_not_disks(offer);
	ret = check_device(in->lowest, offer);
	if (ret == 0)
		ret = check_device(out->lowest, offer);
	if (ret == 0)
		ret = ask_what_it_is(&pair->in, in, answer, offer);
	if (ret == 0)
		ret = ask_what_it_is(&pair->out, out, answer, offer);
	if (ret == 0)
		ret = find_disk(&pair->in, in, answer, &disks[0], offer);
	if (ret == 0)
		ret = find_disk(&pair->out, out, answer, &disks[1], offer);
	if (ret < 0)
		return ret;
	if (disks[0].capacity.block != disks[1].capacity.block)
		return copyoff_decline(offer, COPYOFF_REASON_UNSUPPORTED, 0,
				       "the blocks of the two disks are of different size", "");
	return check_names(in, out, disks, offer);
}

void copyoff_scsi_ranges(const struct copyoff_offer *offer, uint32_t block,
			 const struct copyoff_range *from, size_t n, struct copyoff_scsi_range *to)
{
	for (size_t i = 0; i < n; i++)
		to[i] = (struct copyoff_scsi_range){
			.src = ((uint64_t)from[i].src + offer->base_in) / block,
			.dst = ((uint64_t)from[i].dst + offer->base_out) / block,
			.blocks = (uint32_t)(from[i].len / block),
		};
}

/* splitmix64, Steele, Lea and Flood 2014 */
uint32_t copyoff_scsi_list_id(uint32_t last)
{
	uint64_t z = copyoff_sys_now() ^ (uint64_t)copyoff_sys_process() << 40 ^
		     (uint64_t)last * 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	z ^= z >> 31;
	return (uint32_t)z ? (uint32_t)z : 1;
}
