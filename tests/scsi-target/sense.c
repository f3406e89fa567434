/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * sense.c - sense data, SPC-4 4.5
 */
#include "target_internal.h"

const struct sense sense_good;

struct sense sense_of(unsigned key, unsigned asc, unsigned ascq)
{
	return (struct sense){
		.status = STATUS_CHECK_CONDITION,
		.key = (unsigned char)key,
		.asc = (unsigned char)asc,
		.ascq = (unsigned char)ascq,
	};
}

struct sense sense_cdb(unsigned asc, unsigned ascq, unsigned field)
{
	struct sense sense = sense_of(KEY_ILLEGAL_REQUEST, asc, ascq);

	sense.has_field = FIELD_CDB;
	sense.field = (uint16_t)field;
	return sense;
}

struct sense sense_list(unsigned asc, unsigned ascq, unsigned field)
{
	struct sense sense = sense_cdb(asc, ascq, field);

	sense.has_field = FIELD_LIST;
	return sense;
}

struct sense sense_lba(unsigned key, unsigned asc, unsigned ascq, uint64_t lba)
{
	struct sense sense = sense_of(key, asc, ascq);

	sense.has_information = true;
	sense.information = lba;
	return sense;
}

/* SKSV, C/D, SD, and the field pointer; returns whether there is one. */
static bool put_field(const struct sense *sense, unsigned char *to)
{
	enum { SKSV = 0x80, IN_CDB = 0x40, IN_SEGMENT = 0x20 };

	if (sense->has_field == FIELD_NONE)
		return false;
	to[0] = SKSV;
	if (sense->has_field == FIELD_CDB)
		to[0] |= IN_CDB;
	if (sense->has_field == FIELD_SEGMENT)
		to[0] |= IN_SEGMENT;
	put(to + 1, 2, sense->field);
	return true;
}

static size_t encode_fixed(const struct sense *sense, unsigned char *to)
{
	enum { BYTES = 18, VALID = 0x80 };
	size_t n = BYTES;
	struct sense party;

	to[0] = 0x70;
	/* The field has four bytes: a larger number is not said. */
	if (sense->has_information && sense->information <= UINT32_MAX) {
		to[0] |= VALID;
		put(to + 3, 4, sense->information);
	}
	to[2] = sense->key;
	to[12] = sense->asc;
	to[13] = sense->ascq;
	put_field(sense, to + 15);
	if (sense->has_segment)
		put(to + 10, 2, sense->segment);
	if (sense->party != PARTY_NONE) {
		/* Where the status of the party is; its sense is behind. */
		to[sense->party == PARTY_SOURCE ? 8 : 9] = BYTES;
		to[n++] = STATUS_CHECK_CONDITION;
		party = sense_lba(sense->party_key, sense->party_asc, sense->party_ascq,
				  sense->party_lba);
		n += encode_fixed(&party, to + n);
	}
	to[7] = (unsigned char)(n - 8);
	return n;
}

static size_t encode_descriptors(const struct sense *sense, unsigned char *to)
{
	enum { INFORMATION = 0x00, COMMAND = 0x01, FIELD = 0x02, FORWARDED = 0x0c };
	enum { HEAD = 8, VALID = 0x80, WIDE = 0x0a };
	size_t n = HEAD;
	struct sense party;

	to[0] = 0x72;
	to[1] = sense->key;
	to[2] = sense->asc;
	to[3] = sense->ascq;
	if (sense->has_information) {
		to[n] = INFORMATION;
		to[n + 1] = WIDE;
		to[n + 2] = VALID;
		put(to + n + 4, 8, sense->information);
		n += 12;
	}
	if (sense->has_segment) {
		to[n] = COMMAND;
		to[n + 1] = WIDE;
		put(to + n + 4, 8, sense->segment);
		n += 12;
	}
	if (put_field(sense, to + n + 4)) {
		to[n] = FIELD;
		to[n + 1] = 0x06;
		n += 8;
	}
	if (sense->party != PARTY_NONE) {
		to[n] = FORWARDED;
		to[n + 2] = sense->party == PARTY_SOURCE ? 1 : 2;
		to[n + 3] = STATUS_CHECK_CONDITION;
		party = sense_lba(sense->party_key, sense->party_asc, sense->party_ascq,
				  sense->party_lba);
		to[n + 1] = (unsigned char)(2 + encode_descriptors(&party, to + n + 4));
		n += 2u + to[n + 1];
	}
	to[7] = (unsigned char)(n - HEAD);
	return n;
}

size_t sense_encode(const struct scsi_target_faults *faults, const struct sense *sense,
		    unsigned char *to)
{
	struct sense said = *sense;

	if (faults->no_information)
		said = sense_of(sense->key, sense->asc, sense->ascq);
	memset(to, 0, SCSI_TARGET_SENSE);
	if (sense->status != STATUS_CHECK_CONDITION)
		return 0;
	return faults->descriptor_sense ? encode_descriptors(&said, to) : encode_fixed(&said, to);
}

size_t sense_send(const struct scsi_target_faults *faults, const struct sense *sense,
		  unsigned char *to)
{
	size_t n = sense_encode(faults, sense, to);

	if (faults->no_sense)
		return 0;
	if (faults->sense_cut > 0 && faults->sense_cut < n) {
		n = faults->sense_cut;
		memset(to + n, 0, SCSI_TARGET_SENSE - n);
	}
	return n;
}
