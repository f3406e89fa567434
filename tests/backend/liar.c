/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * liar.c - a backend that copies correctly, but for the lie that the environment
 * names in COPYOFF_TEST_LIE
 */
#include "backend.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { RANGE_MOST = 64 << 10, RANGES_MOST = 8 };

enum lie {
	NONE,
	MORE_THAN_COPIED,
	MORE_THAN_ASKED,
	WRONG_BYTE,
	BYTE_BEHIND,
	BYTE_BEFORE,
	LAST_RANGE,
	EARLY_END,
	POSITION_IN,
	POSITION_OUT,
	WRONG_OFFSET,
	LIES
};

static const char *const names[LIES] = {
	[NONE] = "none",
	[MORE_THAN_COPIED] = "more-than-copied", /* lie */
	[MORE_THAN_ASKED] = "more-than-asked", /* lie */
	[WRONG_BYTE] = "wrong-byte", /* lie */
	[BYTE_BEHIND] = "byte-behind", /* lie */
	[BYTE_BEFORE] = "byte-before", /* lie */
	[LAST_RANGE] = "last-range", /* lie */
	[EARLY_END] = "early-end", /* lie */
	[POSITION_IN] = "position-in", /* lie */
	[POSITION_OUT] = "position-out", /* lie */
	[WRONG_OFFSET] = "wrong-offset", /* lie */
};

static enum lie chosen_lie(void)
{
	const char *name = copyoff_sys_getenv("COPYOFF_TEST_LIE");

	for (int i = 0; name && i < LIES; i++) {
		if (strcmp(names[i], name) == 0)
			return (enum lie)i;
	}
	abort(); /* a test that tests nothing */
}

static int liar_probe(const struct copyoff_pair *pair, struct copyoff_offer *offer)
{
	if (pair->in.kind != COPYOFF_KIND_REGULAR || pair->out.kind != COPYOFF_KIND_REGULAR ||
	    pair->in.direct || pair->out.direct)
		return copyoff_decline(offer, COPYOFF_REASON_FILE_TYPE, 0,
				       "copies between regular files only", "");
	offer->limits.max_range = RANGE_MOST;
	offer->limits.max_ranges = RANGES_MOST;
	return 0;
}

/* Change one byte outside of what was to be written. */
static void spoil(int fd, int64_t off)
{
	unsigned char byte = 0;

	if (off < 0)
		return;
	(void)copyoff_sys_pread(fd, &byte, 1, off);
	byte ^= 0xff;
	(void)copyoff_sys_pwrite(fd, &byte, 1, off);
}

static int64_t copy_range(const struct copyoff_pair *pair, char *buf, const struct copyoff_range *r,
			  enum lie lie)
{
	int64_t off = lie == WRONG_OFFSET && r->src > 0 ? r->src - 1 : r->src;
	ssize_t in = copyoff_sys_pread(pair->in.fd, buf, (size_t)r->len, off);
	ssize_t out;

	if (in <= 0)
		return in;
	if (lie == WRONG_BYTE)
		buf[in / 2] = (char)(buf[in / 2] ^ 1);
	if (lie == MORE_THAN_COPIED && in > 1)
		in /= 2;
	out = copyoff_sys_pwrite(pair->out.fd, buf, (size_t)in, r->dst);
	if (out > 0 && lie == BYTE_BEHIND)
		spoil(pair->out.fd, r->dst + out);
	if (out > 0 && lie == BYTE_BEFORE)
		spoil(pair->out.fd, r->dst - 1);
	if (out > 0 && lie == MORE_THAN_COPIED)
		return (int64_t)r->len;
	return out == 0 ? -EIO : out;
}

static int64_t liar_copy(const struct copyoff_pair *pair, struct copyoff_offer *offer,
			 const struct copyoff_range *ranges, size_t n)
{
	static char buf[RANGE_MOST];
	enum lie lie = chosen_lie();
	int64_t done = 0;

	(void)offer;
	if (lie == EARLY_END && ranges[0].src >= RANGE_MOST)
		return 0;
	for (size_t i = 0; i < n; i++) {
		bool pretend = lie == LAST_RANGE && n > 1 && i == n - 1;
		int64_t ret =
			pretend ? (int64_t)ranges[i].len : copy_range(pair, buf, &ranges[i], lie);

		if (ret < 0)
			return done > 0 ? done : ret;
		done += ret;
		if ((uint64_t)ret < ranges[i].len)
			break;
	}
	if (lie == POSITION_IN)
		(void)copyoff_sys_set_position(pair->in.fd, 0);
	if (lie == POSITION_OUT)
		(void)copyoff_sys_set_position(pair->out.fd, 0);
	return lie == MORE_THAN_ASKED && done > 0 ? done + 1 : done;
}

const struct copyoff_backend copyoff_backend_liar = {
	.info = COPYOFF_BACKEND_INFO("liar", "copies, and lies on request", COPYOFF_TRAIT_HOST),
	.probe = liar_probe,
	.copy = liar_copy,
};
