/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * fake.c - see fake.h
 */
#include "fake.h"

#include <errno.h>
#include <string.h>

unsigned char fake_src[FAKE_BYTES];
unsigned char fake_dst[2 * FAKE_BYTES];
struct fake fakes[COPYOFF_BACKENDS];
uint64_t fake_confirmed;
const struct copyoff_range *fake_ranges;
size_t fake_n_ranges;
struct copyoff_end fake_in, fake_out;
struct copyoff_ctx fake_ctx;
bool fake_bare;

static const char *const names[] = { "fake0", "fake1", "fake2", "fake3", "fake4",
				     "fake5", "fake6", "fake7", "fake8", "fake9" };
_Static_assert(COPYOFF_BACKENDS <= COUNT(names), "a name for each");

/* --- instead of registry.c ------------------------------------------------ */

const struct copyoff_backend *__wrap_copyoff_registry_get(size_t i);
const struct copyoff_backend_info *__wrap_copyoff_registry_info(size_t i);
size_t __wrap_copyoff_registry_find(const char *name, size_t len);

const struct copyoff_backend *__wrap_copyoff_registry_get(size_t i)
{
	return fakes[i].backend.info.built ? &fakes[i].backend : NULL;
}

const struct copyoff_backend_info *__wrap_copyoff_registry_info(size_t i)
{
	return &fakes[i].backend.info;
}

size_t __wrap_copyoff_registry_find(const char *name, size_t len)
{
	for (size_t i = 0; i < COPYOFF_BACKENDS; i++) {
		if (strlen(names[i]) == len && memcmp(names[i], name, len) == 0)
			return i;
	}
	return COPYOFF_BACKENDS;
}

/* --- the backends --------------------------------------------------------- */

static struct fake *fake_of(const struct copyoff_offer *offer)
{
	return &fakes[(const struct fake *)(const void *)offer->backend - fakes];
}

static int fake_probe(const struct copyoff_pair *pair, struct copyoff_offer *offer)
{
	struct fake *fake = fake_of(offer);

	(void)pair;
	fake->probes++;
	if (fake->probe_fatal)
		copyoff_fatal(offer, EIO, "told to be fatal");
	if (fake->probe_error)
		return fake->probe_error;
	if (fake->probe_reason)
		return copyoff_decline(offer, fake->probe_reason, 0, "told to decline", "");
	offer->limits = fake->limits;
	offer->unaligned_eof = fake->unaligned_eof;
	offer->adjacent = fake->adjacent;
	offer->slower = fake->slower ? "told to be slower" : NULL;
	offer->slower_remedy = "";
	offer->makes_zeroes = fake->makes_zeroes;
	offer->base_out = fake->base_out;
	offer->traits = fake->offered_traits;
	offer->priv = fake;
	*offer->keep = fake;
	return 0;
}

/* Where the concatenation is after @done bytes. */
static struct copyoff_range at(uint64_t done)
{
	for (size_t i = 0; i < fake_n_ranges; i++) {
		const struct copyoff_range *r = &fake_ranges[i];

		if (done < r->len)
			return (struct copyoff_range){ r->src + (int64_t)done,
						       r->dst + (int64_t)done, r->len - done };
		done -= r->len;
	}
	return (struct copyoff_range){ -1, -1, 0 };
}

/* What a backend may rely on. */
static void check_contract(const struct fake *fake, const struct copyoff_pair *pair,
			   const struct copyoff_offer *offer, const struct copyoff_range *ranges,
			   size_t n)
{
	const struct copyoff_limits *limits = &fake->limits;
	uint64_t align = limits->align ? limits->align : 1;
	uint64_t done = fake_confirmed;
	uint64_t total = 0;

	ck_assert_uint_ge(n, 1);
	ck_assert_uint_le(n, limits->max_ranges ? limits->max_ranges : 1);
	ck_assert_ptr_eq(offer->priv, fake_bare ? NULL : fake);
	for (size_t i = 0; i < n; i++) {
		const struct copyoff_range *r = &ranges[i];
		struct copyoff_range next = at(done);
		bool at_eof = fake->unaligned_eof && (uint64_t)r->src + r->len == pair->in.size &&
			      (uint64_t)r->dst + r->len >= pair->out.size;

		ck_assert_msg(r->src == next.src && r->dst == next.dst && r->len <= next.len,
			      "%s is given %lld -> %lld, %llu bytes; next is %lld -> %lld, %llu",
			      fake->backend.info.name, (long long)r->src, (long long)r->dst,
			      (unsigned long long)r->len, (long long)next.src, (long long)next.dst,
			      (unsigned long long)next.len);
		ck_assert_uint_gt(r->len, 0);
		ck_assert_uint_eq((uint64_t)r->src % align, 0);
		ck_assert_uint_eq((uint64_t)r->dst % align, 0);
		ck_assert(r->len % align == 0 || at_eof);
		ck_assert(!limits->max_range || r->len <= limits->max_range);
		ck_assert(fake_bare || (uint64_t)r->src + r->len <= pair->in.size);
		ck_assert(i == 0 || !fake->adjacent ||
			  (uint64_t)r->dst == (uint64_t)ranges[i - 1].dst + ranges[i - 1].len);
		total += r->len;
		done += r->len;
	}
	ck_assert(!limits->max_total || total <= limits->max_total);
}

/* Copies @len bytes of the ranges, and spoils the rest of them if it likes to. */
static void move(const struct copyoff_range *ranges, size_t n, uint64_t len, bool scribble)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t part = ranges[i].len < len ? ranges[i].len : len;

		memcpy(fake_dst + ranges[i].dst, fake_src + ranges[i].src, (size_t)part);
		if (scribble)
			memset(fake_dst + ranges[i].dst + part, 0x5a,
			       (size_t)(ranges[i].len - part));
		len -= part;
	}
}

static uint64_t sum_of(const struct copyoff_range *ranges, size_t n)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += ranges[i].len;
	return sum;
}

static int64_t fake_copy(const struct copyoff_pair *pair, struct copyoff_offer *offer,
			 const struct copyoff_range *ranges, size_t n)
{
	struct fake *fake = fake_of(offer);
	struct fake_step step = { FAKE_ALL, 0 };
	uint64_t total = sum_of(ranges, n), count = 0;

	check_contract(fake, pair, offer, ranges, n);
	if (fake->copies < FAKE_CALLS)
		fake->calls[fake->copies] = (struct fake_call){ ranges[0], n, total };
	fake->copies++;
	if (fake->step < fake->n_steps)
		step = fake->steps[fake->step++];
	if (step.action == FAKE_ALL)
		count = total;
	if (step.action == FAKE_SHORT || step.action == FAKE_INTERRUPTED ||
	    step.action == FAKE_SPENT || step.action == FAKE_FATAL)
		count = (uint64_t)step.value < total ? (uint64_t)step.value : total;
	move(ranges, n, count, fake->scribbles);
	fake->confirmed += count;
	fake_confirmed += count;
	switch (step.action) {
	case FAKE_INTERRUPTED:
		offer->interrupted = true;
		return (int64_t)count;
	case FAKE_SPENT:
		copyoff_decline(offer, COPYOFF_REASON_RESOURCE, ENODATA, "told to be spent", "");
		offer->spent = true;
		return (int64_t)count;
	case FAKE_FATAL:
		copyoff_fatal(offer, EIO, "told to be fatal");
		return step.value > 1 ? (int64_t)count
				      : copyoff_decline(offer, COPYOFF_REASON_RESOURCE, 0, "", "");
	case FAKE_DECLINE:
		return copyoff_decline(offer, (enum copyoff_reason)step.value, ENODATA,
				       "told to decline", "");
	case FAKE_ERROR:
		return -step.value;
	case FAKE_TOO_MANY:
		return (int64_t)total + step.value;
	default:
		return (int64_t)count;
	}
}

/* Of the destination alone. */
static int64_t fake_zero(const struct copyoff_pair *pair, struct copyoff_offer *offer,
			 const struct copyoff_range *ranges, size_t n)
{
	struct fake *fake = fake_of(offer);
	const struct copyoff_range next = at(fake_confirmed), *r = ranges;
	const uint64_t align = fake->limits.align ? fake->limits.align : 1;
	uint64_t count = r->len;

	fake->zeroes++;
	ck_assert(fake->makes_zeroes && offer->makes_zeroes && offer->canceled);
	ck_assert(pair->in.fd == fake_out.fd && pair->out.fd == fake_out.fd);
	ck_assert_uint_eq(n, 1);
	ck_assert(r->src == r->dst && r->dst == next.dst && r->len > 0 && r->len <= next.len);
	ck_assert(r->len % align == 0 && ((uint64_t)r->dst + fake->base_out) % align == 0);
	ck_assert(!fake->limits.max_range || r->len <= fake->limits.max_range);
	ck_assert(!fake->limits.max_total || r->len <= fake->limits.max_total);
	if (fake->zeroes_ask)
		ck_assert(copyoff_canceled(offer));
	if (fake->zeroes_fatal)
		copyoff_fatal(offer, EIO, "told to be fatal");
	if (fake->zeroes_error == COPYOFF_DECLINE)
		return copyoff_decline(offer, COPYOFF_REASON_RESOURCE, 0, "told to decline", "");
	if (fake->zeroes_error)
		return fake->zeroes_error;
	if (fake->zeroes_most && fake->zeroes_most < count)
		count = fake->zeroes_most;
	memset(fake_dst + r->dst, 0, (size_t)count);
	fake->confirmed += count;
	fake_confirmed += count;
	return (int64_t)count;
}

static void fake_release(struct copyoff_offer *offer)
{
	fake_of(offer)->releases++;
}

static void fake_close(void *keep)
{
	((struct fake *)keep)->closes++;
}

void fake_reset(void)
{
	uint64_t state = 42;

	memset(fakes, 0, sizeof(fakes));
	for (size_t i = 0; i < COPYOFF_BACKENDS; i++) {
		fakes[i].backend = (struct copyoff_backend){
			.info = { names[i], "does as it is told", COPYOFF_TRAIT_HOST, 1 },
			.unsized = true,
			.least_zeroes = 1 << 20,
			.probe = fake_probe,
			.copy = fake_copy,
			.zero = fake_zero,
			.release = fake_release,
			.close = fake_close,
		};
		fakes[i].offered_traits = COPYOFF_TRAIT_HOST;
	}
	for (size_t i = 0; i < sizeof(fake_src); i++)
		fake_src[i] = (unsigned char)random_below(&state, 256);
	memset(fake_dst, 0xa5, sizeof(fake_dst));
	fake_in = (struct copyoff_end){
		.fd = -1,
		.kind = COPYOFF_KIND_REGULAR,
		.dev = 1,
		.ino = 1,
		.size = sizeof(fake_src),
		.size_known = true,
		.allocated = sizeof(fake_src), /* no holes */
		.io_align = 1,
	};
	fake_out = fake_in;
	fake_out.fd = -2; /* the same number would mean the same file */
	fake_out.ino = 2;
	fake_out.size = sizeof(fake_dst);
	copyoff_ctx_init(&fake_ctx);
}

void fake_script(size_t i, const struct fake_step *steps, size_t n)
{
	fakes[i].steps = steps;
	fakes[i].n_steps = n;
	fakes[i].step = 0;
}

int64_t fake_run(const struct copyoff_range *v, size_t n, unsigned flags)
{
	fake_confirmed = 0;
	fake_ranges = v;
	fake_n_ranges = n;
	copyoff_ctx_begin(&fake_ctx);
	return copyoff_engine_run(&fake_ctx, &fake_in, &fake_out, v, n, flags, 0);
}
