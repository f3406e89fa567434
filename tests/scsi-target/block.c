/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * block.c - the content of a unit, and the commands that read and write it
 */
#define _POSIX_C_SOURCE 200809L
#include "target_internal.h"

#include <errno.h>
#include <unistd.h>

/* --- the content --------------------------------------------------------------- */

/* Bytes of these that are before the first bad block; its LBA, if there is one. */
static uint64_t before_bad(const struct unit *unit, bool write, uint64_t offset, uint64_t n,
			   uint64_t *lba)
{
	uint32_t size = unit->options.block_size;
	uint64_t good = n;

	for (unsigned i = 0; i < SCSI_TARGET_FAULTS; i++) {
		const struct scsi_target_bad *bad = &unit->target->faults.bad[i];
		uint64_t first = offset / size;

		if (bad->blocks == 0 || bad->lun != unit->lun || !(write ? bad->write : bad->read))
			continue;
		if (first < bad->lba)
			first = bad->lba;
		if (first - bad->lba >= bad->blocks || first >= (offset + n - 1) / size + 1)
			continue;
		if (first * size <= offset)
			good = 0;
		else if (first * size - offset < good)
			good = first * size - offset;
		else
			continue;
		*lba = first;
	}
	return good;
}

static uint64_t do_read(const struct unit *unit, uint64_t offset, unsigned char *to, uint64_t n)
{
	uint64_t done = 0;
	ssize_t ret;

	if (unit->options.memory) {
		memcpy(to, unit->options.memory + offset, n);
		return n;
	}
	while (done < n) {
		ret = pread(unit->options.fd, to + done, n - done, (off_t)(offset + done));
		if (ret > 0)
			done += (uint64_t)ret;
		else if (ret == 0 || errno != EINTR)
			break;
	}
	return done;
}

static uint64_t do_write(const struct unit *unit, uint64_t offset, const unsigned char *from,
			 uint64_t n)
{
	uint64_t done = 0;
	ssize_t ret;

	if (unit->options.memory) {
		memcpy(unit->options.memory + offset, from, n);
		return n;
	}
	while (done < n) {
		ret = pwrite(unit->options.fd, from + done, n - done, (off_t)(offset + done));
		if (ret > 0)
			done += (uint64_t)ret;
		else if (ret == 0 || errno != EINTR)
			break;
	}
	return done;
}

static bool is_inside(const struct unit *unit, uint64_t offset, uint64_t n)
{
	return offset <= unit->bytes && n <= unit->bytes - offset;
}

static struct sense out_of_range(const struct unit *unit, uint64_t offset)
{
	uint64_t lba = offset / unit->options.block_size;

	return sense_lba(KEY_ILLEGAL_REQUEST, 0x21, 0x00,
			 lba < unit->options.blocks ? unit->options.blocks : lba);
}

uint64_t unit_read(struct unit *unit, uint64_t offset, unsigned char *to, uint64_t n,
		   struct sense *sense)
{
	uint64_t good, done, lba = 0;

	if (!is_inside(unit, offset, n)) {
		*sense = out_of_range(unit, offset);
		return 0;
	}
	if (n == 0)
		return 0;
	good = before_bad(unit, false, offset, n, &lba);
	done = do_read(unit, offset, to, good);
	if (done < good) /* the file behind */
		*sense = sense_of(KEY_HARDWARE_ERROR, 0x44, 0x00);
	else if (good < n)
		*sense = sense_lba(KEY_MEDIUM_ERROR, 0x11, 0x00, lba);
	return done;
}

uint64_t unit_write(struct unit *unit, uint64_t offset, const unsigned char *from, uint64_t n,
		    struct sense *sense)
{
	uint64_t good, done, lba = 0;

	if (unit->options.read_only) {
		*sense = sense_of(KEY_DATA_PROTECT, 0x27, 0x00);
		return 0;
	}
	if (!is_inside(unit, offset, n)) {
		*sense = out_of_range(unit, offset);
		return 0;
	}
	if (n == 0)
		return 0;
	good = before_bad(unit, true, offset, n, &lba);
	if (good > 0)
		rods_written(unit->target, unit, offset, good);
	done = do_write(unit, offset, from, good);
	if (done < good)
		*sense = sense_of(KEY_HARDWARE_ERROR, 0x44, 0x00);
	else if (good < n)
		*sense = sense_lba(KEY_MEDIUM_ERROR, 0x0c, 0x00, lba);
	return done;
}

/*
 * Piece by piece, upwards: where source and destination overlap, the result is that
 * of many targets, and wrong.
 */
uint64_t unit_copy(struct unit *from, uint64_t from_offset, struct unit *to, uint64_t to_offset,
		   uint64_t n, struct sense *sense, enum party *party)
{
	enum { PIECE = 65536 };
	static const unsigned char zeroes[PIECE];
	struct scsi_target *target = to->target;
	unsigned char buf[PIECE];
	uint64_t done = 0, piece, got, put_;

	*party = PARTY_NONE;
	while (done < n) {
		piece = n - done < PIECE ? n - done : PIECE;
		if (target->answer && piece > target->answer_after)
			piece = target->answer_after;
		if (piece == 0) {
			*sense = sense_of(target->answer->key, target->answer->asc,
					  target->answer->ascq);
			break;
		}
		got = from ? unit_read(from, from_offset + done, buf, piece, sense) : piece;
		if (got < piece)
			*party = PARTY_SOURCE;
		put_ = got;
		if (got > 0) {
			struct sense write_sense = sense_good;

			put_ = unit_write(to, to_offset + done, from ? buf : zeroes, got,
					  &write_sense);
			if (put_ < got) {
				*sense = write_sense;
				*party = PARTY_DESTINATION;
			}
		}
		done += put_;
		target->counts.copied += put_;
		if (target->answer)
			target->answer_after -= put_;
		if (put_ < piece)
			break;
	}
	return done;
}

/* --- READ and WRITE ------------------------------------------------------------ */

struct sense command_read_write(struct unit *unit, struct scsi_request *request)
{
	enum { WRITE_6 = 0x0a, WRITE_10 = 0x2a, WRITE_16 = 0x8a };
	const unsigned char *cdb = request->cdb;
	bool write = cdb[0] == WRITE_6 || cdb[0] == WRITE_10 || cdb[0] == WRITE_16;
	struct sense sense = sense_good;
	uint64_t lba, blocks, bytes, done;

	switch (cdb[0] >> 5) {
	case 0: /* 6 bytes */
		lba = get(cdb + 1, 3) & 0x1fffff;
		blocks = cdb[4] == 0 ? 256 : cdb[4];
		break;
	case 1: /* 10 bytes */
		lba = get(cdb + 2, 4);
		blocks = get(cdb + 7, 2);
		break;
	default: /* 16 bytes */
		lba = get(cdb + 2, 8);
		blocks = get(cdb + 10, 4);
	}
	if (!unit_has(unit, lba, blocks))
		return sense_lba(KEY_ILLEGAL_REQUEST, 0x21, 0x00, lba);
	bytes = blocks * unit->options.block_size;
	if (bytes > (write ? request->out_len : request->in_size))
		return sense_cdb(0x24, 0x00, cdb[0] >> 5 == 0 ? 4 : cdb[0] >> 5 == 1 ? 7 : 10);
	lba *= unit->options.block_size;
	if (write) {
		done = unit_write(unit, lba, request->out, bytes, &sense);
		unit->target->counts.written += done;
	} else {
		done = unit_read(unit, lba, request->in, bytes, &sense);
		unit->target->counts.read += done;
		request->in_len = done;
	}
	return sense;
}

/* --- the form ------------------------------------------------------------------ */

struct sense command_read_capacity_10(struct unit *unit, struct scsi_request *request)
{
	uint64_t last = unit->options.blocks - 1;
	unsigned char data[8];

	put(data, 4, last > UINT32_MAX ? UINT32_MAX : last);
	put(data + 4, 4, unit->options.block_size);
	return reply(request, data, sizeof(data), sizeof(data));
}

struct sense command_read_capacity_16(struct unit *unit, struct scsi_request *request)
{
	unsigned char data[32] = { 0 };

	put(data, 8, unit->options.blocks - 1);
	put(data + 8, 4, unit->options.block_size);
	return reply(request, data, sizeof(data), get(request->cdb + 10, 4));
}

struct sense command_mode_sense(struct unit *unit, struct scsi_request *request)
{
	enum { MODE_SENSE_6 = 0x1a, CACHING = 0x08, ALL = 0x3f, WP = 0x80, DPOFUA = 0x10 };
	const unsigned char *cdb = request->cdb;
	bool six = cdb[0] == MODE_SENSE_6;
	unsigned code = cdb[2] & 0x3f;
	unsigned char data[8 + 20] = { 0 };
	size_t head = six ? 4 : 8, n = head;

	if (code != CACHING && code != ALL)
		return sense_cdb(0x24, 0x00, 2);
	/* No cache that loses something: WCE is 0. */
	data[n] = CACHING;
	data[n + 1] = 18;
	n += 20;
	data[six ? 2 : 3] = (unsigned char)(unit->options.read_only ? WP | DPOFUA : DPOFUA);
	if (six)
		data[0] = (unsigned char)(n - 1);
	else
		put(data, 2, n - 2);
	return reply(request, data, n, six ? cdb[4] : get(cdb + 7, 2));
}
