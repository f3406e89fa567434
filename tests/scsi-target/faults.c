/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * faults.c - faults as text
 */
#define _POSIX_C_SOURCE 200809L
#include "target_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { LINE_BYTES = 256, WORDS = 16 };

static bool parse_number(const char *text, int base, uint64_t *n)
{
	char *end;

	errno = 0;
	*n = strtoull(text, &end, base);
	return end != text && *end == '\0' && errno == 0;
}

/* "NAME=VALUE" */
static bool is_value(const char *word, const char *name, const char **value)
{
	size_t n = strlen(name);

	if (strncmp(word, name, n) != 0 || word[n] != '=')
		return false;
	*value = word + n + 1;
	return true;
}

static bool parse_bad(struct scsi_target_faults *faults, char *const *words, unsigned n)
{
	uint64_t lun, lba, blocks;
	bool read, write;

	if (n != 5 || !parse_number(words[1], 0, &lun) || !parse_number(words[2], 0, &lba) ||
	    !parse_number(words[3], 0, &blocks) || blocks == 0 || lun >= SCSI_TARGET_UNITS)
		return false;
	read = strcmp(words[4], "write") != 0;
	write = strcmp(words[4], "read") != 0;
	if (read && write && strcmp(words[4], "both") != 0)
		return false;
	for (unsigned i = 0; i < SCSI_TARGET_FAULTS; i++) {
		if (faults->bad[i].blocks > 0)
			continue;
		faults->bad[i] = (struct scsi_target_bad){ .lun = (unsigned)lun,
							   .lba = lba,
							   .blocks = blocks,
							   .read = read,
							   .write = write };
		return true;
	}
	return false;
}

/* "OPCODE" or "OPCODE/ACTION", hexadecimal */
static bool parse_command(const char *word, unsigned char *opcode, int *action)
{
	unsigned op, act;
	int used = 0;

	*action = SCSI_TARGET_ANY_ACTION;
	if (sscanf(word, "%2x/%3x%n", &op, &act, &used) == 2 && word[used] == '\0')
		*action = (int)act;
	else if (sscanf(word, "%2x%n", &op, &used) != 1 || word[used] != '\0')
		return false;
	*opcode = (unsigned char)op;
	return true;
}

static bool parse_count(const char *text, unsigned *count)
{
	uint64_t n;

	if (strcmp(text, "forever") == 0) {
		*count = UINT32_MAX;
		return true;
	}
	if (!parse_number(text, 0, &n) || n == 0 || n > UINT32_MAX)
		return false;
	*count = (unsigned)n;
	return true;
}

static bool parse_sense(const char *text, struct scsi_target_answer *answer)
{
	unsigned key, asc, ascq;
	int used = 0;

	if (sscanf(text, "%1x/%2x/%2x%n", &key, &asc, &ascq, &used) != 3 || text[used] != '\0')
		return false;
	answer->status = STATUS_CHECK_CONDITION;
	answer->key = (unsigned char)key;
	answer->asc = (unsigned char)asc;
	answer->ascq = (unsigned char)ascq;
	return true;
}

static bool parse_answer_word(struct scsi_target_answer *answer, const char *word)
{
	const char *value;
	uint64_t n = 0;

	if (is_value(word, "sense", &value))
		return parse_sense(value, answer);
	if (is_value(word, "count", &value))
		return parse_count(value, &answer->count);
	if (is_value(word, "blocks", &value) && strcmp(value, "all") == 0) {
		answer->blocks = UINT64_MAX;
		return true;
	}
	value = strchr(word, '=');
	if (!value || !parse_number(value + 1, strncmp(word, "status", 6) == 0 ? 16 : 0, &n))
		return false;
	if (is_value(word, "status", &value) && n <= UINT8_MAX)
		answer->status = (unsigned char)n;
	else if (is_value(word, "lun", &value) && n < SCSI_TARGET_UNITS)
		answer->luns |= 1u << n;
	else if (is_value(word, "skip", &value) && n <= UINT32_MAX)
		answer->skip = (unsigned)n;
	else if (is_value(word, "blocks", &value))
		answer->blocks = n;
	else if (is_value(word, "delay", &value) && n <= UINT32_MAX)
		answer->delay_ms = (unsigned)n;
	else
		return false;
	return true;
}

static bool parse_answer(struct scsi_target_faults *faults, char *const *words, unsigned n)
{
	struct scsi_target_answer answer = { .count = 1 };

	if (n < 3 || !parse_command(words[1], &answer.opcode, &answer.action))
		return false;
	for (unsigned i = 2; i < n; i++) {
		if (!parse_answer_word(&answer, words[i]))
			return false;
	}
	for (unsigned i = 0; i < SCSI_TARGET_FAULTS; i++) {
		if (faults->answers[i].count == 0) {
			faults->answers[i] = answer;
			return true;
		}
	}
	return false;
}

static bool parse_garble_word(struct scsi_target_garble *garble, const char *word)
{
	const char *value;
	uint64_t n = 0;

	if (is_value(word, "count", &value))
		return parse_count(value, &garble->count);
	value = strchr(word, '=');
	if (!value || !parse_number(value + 1, 0, &n))
		return false;
	if (is_value(word, "cut", &value)) {
		garble->cut = true;
		garble->cut_to = n;
	} else if (is_value(word, "at", &value) && n <= UINT32_MAX) {
		garble->at = (unsigned)n;
	} else if (is_value(word, "bytes", &value) && n <= 8) {
		garble->bytes = (unsigned)n;
	} else if (is_value(word, "value", &value)) {
		garble->value = n;
	} else if (is_value(word, "seed", &value)) {
		garble->seed = n;
	} else {
		return false;
	}
	return true;
}

static bool parse_garble(struct scsi_target_faults *faults, char *const *words, unsigned n)
{
	struct scsi_target_garble garble = { .count = 1 };

	if (n < 3 || !parse_command(words[1], &garble.opcode, &garble.action))
		return false;
	for (unsigned i = 2; i < n; i++) {
		if (!parse_garble_word(&garble, words[i]))
			return false;
	}
	for (unsigned i = 0; i < SCSI_TARGET_FAULTS; i++) {
		if (faults->garbles[i].count == 0) {
			faults->garbles[i] = garble;
			return true;
		}
	}
	return false;
}

static bool parse_flag(struct scsi_target_faults *faults, const char *word)
{
	const struct {
		const char *name;
		bool *flag;
	} flags[] = {
		{ "descriptor-sense", &faults->descriptor_sense },
		{ "no-information", &faults->no_information },
		{ "no-sense", &faults->no_sense },
	};

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		if (strcmp(word, flags[i].name) == 0) {
			*flags[i].flag = true;
			return true;
		}
	}
	return false;
}

static bool parse_setting(struct scsi_target_faults *faults, const char *name, const char *text)
{
	uint64_t n;
	bool negative = text[0] == '-';

	if (!parse_number(text + negative, 0, &n))
		return false;
	if (strcmp(name, "count-add") == 0 && n <= INT64_MAX) {
		faults->count_add = negative ? -(int64_t)n : (int64_t)n;
		return true;
	}
	if (negative)
		return false;
	if (strcmp(name, "polls") == 0 && n <= UINT32_MAX) {
		faults->polls = (unsigned)n;
	} else if (strcmp(name, "stall") == 0 && n <= UINT32_MAX) {
		faults->stall_ms = (unsigned)n;
	} else if (strcmp(name, "populate") == 0) {
		faults->populate_blocks = n;
	} else if (strcmp(name, "write") == 0) {
		faults->write_blocks = n;
	} else if (strcmp(name, "uses") == 0 && n <= UINT32_MAX) {
		faults->token_uses = (unsigned)n;
	} else if (strcmp(name, "count") == 0) {
		faults->count_set = true;
		faults->count = n;
	} else if (strcmp(name, "units") == 0 && n <= 6) {
		faults->count_units = (unsigned char)n;
	} else if (strcmp(name, "say-units") == 0 && n <= UINT8_MAX) {
		faults->count_units_said = (unsigned char)n;
	} else if (strcmp(name, "sense-cut") == 0) {
		faults->sense_cut = n;
	} else {
		return false;
	}
	return true;
}

int scsi_target_add_fault(struct scsi_target_faults *faults, const char *line)
{
	char copy[LINE_BYTES], *words[WORDS], *rest = NULL;
	unsigned n = 0;
	bool good;

	if (strlen(line) >= sizeof(copy))
		return -1;
	strcpy(copy, line);
	for (char *word = strtok_r(copy, " \t\r\n", &rest); word && n < WORDS;
	     word = strtok_r(NULL, " \t\r\n", &rest))
		words[n++] = word;
	if (n == 0)
		return -1;
	if (strcmp(words[0], "bad") == 0)
		good = parse_bad(faults, words, n);
	else if (strcmp(words[0], "answer") == 0)
		good = parse_answer(faults, words, n);
	else if (strcmp(words[0], "garble") == 0)
		good = parse_garble(faults, words, n);
	else if (n == 1)
		good = parse_flag(faults, words[0]);
	else
		good = n == 2 && parse_setting(faults, words[0], words[1]);
	return good ? 0 : -1;
}
