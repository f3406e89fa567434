/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * scsi_fuzz.c - the backends xcopy and odx against a target that does what the input says
 *
 * The input decides what there is to copy, what the target can, and what becomes of
 * each command.  An honest target loses commands, fails with any sense data, before or
 * after it has copied, and sends less of an answer than it should: then each byte that
 * is counted must have been copied.  A hostile one says anything.  In any case no
 * address is outside of the ranges, nothing is left open or allocated, and it ends.
 * Or what there is to copy is a hole of a file, which the target makes.
 */
#include "../../backends/scsi_command.h"
#include "../unit/scsi_world.h"

#include <errno.h>
#include <string.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	RANGES_MOST = 5,
	COMMANDS_MOST = 1000 * 1000,
	HOLE_LEAST = WORLD_LEAST_ZEROES,
	HOLE_MOST = HOLE_LEAST + 100 * 4096,
};

static struct {
	const uint8_t *at, *end;
	bool hostile;
	struct copyoff_range v[RANGES_MOST];
	size_t n;
} input;

/* At the end of the input all goes well. */
static uint8_t take(void)
{
	return input.at < input.end ? *input.at++ : 0;
}

static void take_bytes(unsigned char *to, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] = take();
}

/* --- parsers: nothing behind the answer is read -------------------------------------- */

static void parse_all(const uint8_t *data, size_t n)
{
	/* Of its own, so that a sanitizer sees where it ends. */
	unsigned char *copy = malloc(n ? n : 1);
	bool is_disk, copies;
	struct copyoff_scsi_capacity capacity;
	struct copyoff_scsi_designator designator;
	struct copyoff_scsi_copy_limits limits;
	struct copyoff_scsi_third_party page;
	struct copyoff_scsi_failure failure;
	struct copyoff_scsi_token_information info;

	MUST(copy);
	memcpy(copy, data, n);
	copyoff_scsi_parse_inquiry(copy, n, &is_disk, &copies);
	copyoff_scsi_parse_capacity(copy, n, &capacity);
	if (n > 1)
		copy[1] = COPYOFF_SCSI_VPD_IDENTIFICATION;
	if (copyoff_scsi_parse_designator(copy, n, &designator))
		MUST(designator.len > 0 && designator.len <= sizeof(designator.bytes));
	if (n > 1)
		copy[1] = COPYOFF_SCSI_VPD_THIRD_PARTY;
	copyoff_scsi_parse_third_party(copy, n, &page);
	copyoff_scsi_parse_copy_limits(copy, n, &limits);
	copyoff_scsi_parse_copy_status(copy, n);
	if (copyoff_scsi_parse_failure(copy, n, &failure))
		MUST(failure.sense >= copy && failure.sense + failure.sense_len <= copy + n);
	if (copyoff_scsi_parse_token_information(copy, n, 512, &info)) {
		MUST(info.sense >= copy && info.sense + info.sense_len <= copy + n);
		MUST(!info.token || info.token + COPYOFF_SCSI_TOKEN_BYTES <= copy + n);
		copyoff_scsi_judge_sense(info.status, info.sense, info.sense_len);
	}
	copyoff_scsi_judge_sense(2, copy, n < 252 ? n : 252);
	free(copy);
}

/* --- what is sent ------------------------------------------------------------------------ */

static uint64_t get(const unsigned char *p, unsigned n)
{
	return n == 0 ? 0 : get(p, n - 1) << 8 | p[n - 1];
}

/* Is this, in blocks of the disk, a part of a range, of @fd from its @which offset? */
static bool is_part(uint64_t lba, uint64_t blocks, int fd, bool is_source, int64_t *shift)
{
	for (size_t i = 0; i < input.n; i++) {
		const struct copyoff_range *r = &input.v[i];
		uint64_t start = (uint64_t)(is_source ? r->src : r->dst) + world_base(fd);

		if (lba << w.shift >= start && (lba + blocks) << w.shift <= start + r->len) {
			*shift = r->dst - r->src;
			return true;
		}
	}
	return false;
}

static void check_segments(const unsigned char *list, uint32_t len)
{
	uint64_t n = get(list + 8, 4);
	int64_t shift;

	MUST(get(list + 2, 2) == 64 && 80 + n == len && n % 28 == 0 && n > 0);
	for (const unsigned char *s = list + 80; s < list + len; s += 28) {
		uint64_t blocks = get(s + 10, 2), src = get(s + 12, 8), dst = get(s + 20, 8);

		MUST(blocks > 0 && is_part(dst, blocks, B1, false, &shift));
		MUST(((dst << w.shift) - world_base(B1)) - ((src << w.shift) - world_base(A1)) ==
		     (uint64_t)shift);
	}
}

static void check_ranges(const unsigned char *list, uint32_t len, uint32_t at, bool is_source)
{
	int64_t shift;

	MUST(get(list, 2) + 2 == len && get(list + at - 2, 2) == len - at && len > at);
	for (const unsigned char *r = list + at; r < list + len; r += 16)
		MUST(get(r + 8, 4) > 0 &&
		     is_part(get(r, 8), get(r + 8, 4), is_source ? A1 : B1, is_source, &shift));
}

static void check_addresses(unsigned lun, const struct copyoff_scsi_command *c)
{
	if (c->cdb[0] != 0x83 || c->cdb[1] == COPYOFF_SCSI_ABORT)
		return;
	MUST(get(c->cdb + 10, 4) == c->len);
	MUST(lun == (c->cdb[1] == COPYOFF_SCSI_POPULATE_TOKEN ? 0 : 1));
	if (c->cdb[1] == COPYOFF_SCSI_EXTENDED_COPY)
		check_segments(c->data, c->len);
	else if (c->cdb[1] == COPYOFF_SCSI_POPULATE_TOKEN)
		check_ranges(c->data, c->len, 16, true);
	else
		check_ranges(c->data, c->len, 536, false);
}

/* --- what becomes of it ---------------------------------------------------------------------- */

static void take_sense(struct copyoff_scsi_command *c)
{
	static const uint8_t codes[] = { 0x70, 0x72, 0xf0, 0x71, 0x73 };
	unsigned kind = take();
	unsigned char *key;

	c->status = 2;
	c->sense_len = take() % (sizeof(c->sense) + 1);
	memset(c->sense, 0, sizeof(c->sense));
	take_bytes(c->sense, c->sense_len);
	if (kind % 8 < sizeof(codes))
		c->sense[0] = codes[kind % 8];
	if (c->sense[0] % 2 == 0 && c->sense[7] == 0)
		c->sense[7] = 10;
	/* A recovered error says that all was done, but for a deferred one. */
	key = (c->sense[0] & 0x7f) >= 0x72 ? &c->sense[1] : &c->sense[2];
	if (!input.hostile && (*key & 0xf) == 1 && !(c->sense[0] & 1))
		*key ^= 2;
}

static int not_sent(void)
{
	static const int errors[] = { EPERM, ENODEV, ENOMEM, EIO, EINTR, EAGAIN, ENOTTY, EINVAL };

	return -errors[take() % 8];
}

static void no_answer(struct copyoff_scsi_command *c)
{
	c->host = take() % 32;
	c->driver = take() % 16;
	if (!c->host && (!c->driver || c->driver == 8))
		c->host = 7;
	c->status = c->sense_len = 0;
}

static void cut(struct copyoff_scsi_command *c)
{
	uint32_t keep = (uint32_t)take() * (take() % 4 + 1u);

	if (c->to_device || keep >= c->len)
		return;
	c->residue = c->len - keep;
	memset((char *)c->data + keep, 0, c->residue);
}

static void overwrite(struct copyoff_scsi_command *c)
{
	uint32_t at = (uint32_t)take() * (take() % 4 + 1u), n = take() % 32;

	if (!c->to_device && at + n <= c->len)
		take_bytes((unsigned char *)c->data + at, n);
}

static int lie(unsigned lun, struct copyoff_scsi_command *c)
{
	switch (take() % 4) {
	case 0:
		return 0; /* all is well, and nothing done */
	case 1:
		if (!c->to_device)
			take_bytes(c->data, c->len < 600 ? c->len : 600);
		c->residue = (uint32_t)get((const uint8_t[]){ take(), take(), take(), take() }, 4);
		return 0;
	default:
		world_ask_target(lun, c);
		overwrite(c);
		return 0;
	}
}

static int answer(unsigned lun, struct copyoff_scsi_command *c)
{
	int ret = 0;

	MUST(w.commands < COMMANDS_MOST);
	check_addresses(lun, c);
	switch (take() % 16) {
	case 1:
		return not_sent();
	case 2:
		world_ask_target(lun, c);
		no_answer(c);
		return 0;
	case 3:
		no_answer(c);
		return 0;
	case 4:
		world_ask_target(lun, c);
		take_sense(c);
		return 0;
	case 5:
		take_sense(c);
		return 0;
	case 6:
		c->status = take() | 8;
		return 0;
	case 7:
		ret = world_ask_target(lun, c);
		cut(c);
		return ret;
	case 8:
		w.clock += (uint64_t)take() * 1000 * 1000 * 1000;
		return world_ask_target(lun, c);
	case 9:
	case 10:
	case 11:
		return input.hostile ? lie(lun, c) : world_ask_target(lun, c);
	default:
		return world_ask_target(lun, c);
	}
}

/* --- what there is to copy ---------------------------------------------------------------------- */

static void take_target(uint8_t how)
{
	struct scsi_target_unit_options a = world_options(512, 0), b = world_options(512, 1);
	struct scsi_target_faults *faults;

	a.limits = (struct scsi_target_limits){
		.segments = take() % 8,
		.segment_bytes = (uint32_t)(take() % 32 * 512),
		.ranges = take() % 8,
		.token_blocks = take() % 128,
		.concurrent = how & 64 ? 4 : 1,
	};
	b.limits = a.limits;
	b.without = (take() & 15 ? 0u : (unsigned)SCSI_TARGET_NO_ABORT) |
		    (take() & 7 ? 0u : (unsigned)SCSI_TARGET_NO_COPY_STATUS);
	world_disks(&a, &b);
	faults = scsi_target_faults(w.target);
	faults->populate_blocks = take() % 64;
	faults->write_blocks = take() % 64;
	faults->token_uses = take() % 8;
	faults->polls = take() % 4;
	faults->stall_ms = take() * 8u;
	faults->count_units = take() % 8 == 1;
	faults->descriptor_sense = take() & 1;
	faults->bad[0] = (struct scsi_target_bad){ 0, 32u + take(), take() % 4, true, false };
	faults->bad[1] = (struct scsi_target_bad){ 1, 32u + take(), take() % 4, false, true };
}

static uint64_t take_ranges(void)
{
	uint64_t total = 0;
	int64_t dst = take() * 512;

	input.n = 1 + take() % RANGES_MOST;
	for (size_t i = 0; i < input.n; i++) {
		struct copyoff_range *r = &input.v[i];

		r->src = take() * 512;
		r->dst = dst;
		r->len = (uint64_t)(take() % 100 * 512) + (take() & 7 ? 0u : take());
		dst += (int64_t)r->len + (take() & 3) * 512;
		total += r->len;
	}
	return total;
}

/* One range, all of which is a hole: large enough that it is worth a command. */
static uint64_t take_hole(unsigned char *content_before)
{
	struct copyoff_range *r = &input.v[0];

	input.n = 1;
	r->src = take() * 512;
	r->dst = take() * 512;
	r->len = HOLE_LEAST + take() % 100u * 4096;
	r->len += take() % 8u;
	w.holes = DISK_BYTES;
	memcpy(content_before, content[0] + world_base(A1) + r->src, (size_t)r->len);
	memset(content[0] + world_base(A1) + r->src, 0, (size_t)r->len);
	return r->len;
}

static void run(void)
{
	static const char *const backends[] = { "xcopy", "odx", "xcopy,odx,readwrite",
						"xcopy,odx" };
	static unsigned char content_before[HOLE_MOST];
	uint8_t how = take();
	const bool is_hole = (how & 192) == 128;
	uint64_t total;
	int64_t ret;

	world_begin(512);
	input.hostile = how & 1;
	w.exact = how & 2;
	w.sequence = how & 4 ? 0 : 21;
	w.reach = is_hole ? 2 << 20 : 512 << 10;
	w.flight = how & 64 ? how : 0;
	w.lose_after = how & 128 ? 5 : 0;
	take_target(how);
	world_use(is_hole ? "odx,readwrite" : backends[how >> 3 & 3]);
	w.answer = answer;
	total = is_hole ? take_hole(content_before) : take_ranges();
	for (int call = 0; call < 2; call++) {
		w.commands = 0;
		ret = world_copyv(A1, B1, input.v, input.n,
				  is_hole    ? COPYOFF_SPARSE
				  : how & 32 ? COPYOFF_REQUIRE_OFFLOAD
					     : 0);
		MUST(ret <= (int64_t)total);
		MUST(ret == (int64_t)total || ctx.result.error);
		MUST(ret >= -4095);
		MUST(w.open == 0);
		world_check(A1, B1, input.v, input.n,
			    ret > 0 && !input.hostile ? (uint64_t)ret : 0);
	}
	if (is_hole)
		memcpy(content[0] + world_base(A1) + input.v[0].src, content_before,
		       (size_t)input.v[0].len);
	world_end();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	world_fill();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	parse_all(data, size);
	input.at = data;
	input.end = data + size;
	run();
	return 0;
}
