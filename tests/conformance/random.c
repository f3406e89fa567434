/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * random.c - copies interleaved with everything else that changes files
 *
 * COPYOFF_TEST_OPS: number of operations; COPYOFF_TEST_SEED: to repeat a run.
 */
#define _GNU_SOURCE
#include "conformance.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { FILE_MOST = 1 << 20, RANGES_MOST = 20, LOG_LINES = 40, OPS_DEFAULT = 2000 };

static struct {
	uint64_t state;
	struct devices d; /* or files */
	copyoff_ctx *ctx;
} run;

/* Shared with the process that waits for the test: a failure ends this one at once. */
static struct log {
	char lines[LOG_LINES][160];
	unsigned n;
	bool failed; /* until the end is reached */
} * shared;

static void note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void note(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(shared->lines[shared->n % LOG_LINES], sizeof(shared->lines[0]), fmt, ap);
	va_end(ap);
	shared->n++;
}

static void log_begin(void)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (shared == MAP_FAILED) {
		perror("mmap");
		exit(EXIT_FAILURE);
	}
}

static void log_end(void)
{
	unsigned first = shared->n > LOG_LINES ? shared->n - LOG_LINES : 0;

	if (shared->failed) {
		printf("The last operations:\n");
		for (unsigned i = first; i < shared->n; i++)
			printf("%6u: %s\n", i, shared->lines[i % LOG_LINES]);
	}
	munmap(shared, sizeof(*shared));
}

static uint64_t below(uint64_t n)
{
	return random_below(&run.state, n);
}

static struct file *any_file(void)
{
	return below(2) ? run.d.in : run.d.out;
}

/* Where the copies to @out go. */
static int64_t shift_of(const struct file *out)
{
	return out == run.d.out ? run.d.shift : 0;
}

/* What a device has of it. */
static uint64_t clip(const struct file *f, uint64_t off, uint64_t len)
{
	if (!f->model.fixed || off + len <= f->model.size)
		return len;
	return off < f->model.size ? f->model.size - off : 0;
}

/* Half of them are multiples of something that matters. */
static uint64_t any_offset(uint64_t most)
{
	static const uint64_t units[] = { 1, 1, 1, 512, 4096, 65536 };
	uint64_t unit = units[below(6)];

	return below(most) / unit * unit;
}

static uint64_t any_length(void)
{
	return any_offset(below(3) ? 40000 : FILE_MOST / 2);
}

static unsigned any_seed(void)
{
	return (unsigned)below(1000000);
}

/* Of a device, some of them are about its end. */
static uint64_t any_place(const struct file *f, uint64_t most)
{
	uint64_t off = any_offset(most);

	if (f->model.fixed && off < f->model.size && below(8) == 0)
		return f->model.size + 65536 - off % 262144;
	return off;
}

static int name(const struct file *f)
{
	return f == run.d.in ? 'A' : 'B';
}

static void op_write(void)
{
	struct file *f = any_file();
	uint64_t off = any_place(f, FILE_MOST / 2) + (uint64_t)shift_of(f);
	uint64_t len = clip(f, off, any_length());

	note("write %c %llu, %llu bytes", name(f), (unsigned long long)off,
	     (unsigned long long)len);
	file_write(f, off, len, any_seed());
}

static void op_map_write(void)
{
	struct file *f = any_file();
	uint64_t off, len = any_length();

	if (f->model.size == 0)
		return;
	off = any_offset(f->model.fixed ? FILE_MOST : f->model.size) + (uint64_t)shift_of(f);
	if (off + len > f->model.size)
		len = f->model.size - off;
	note("mapped write %c %llu, %llu bytes", name(f), (unsigned long long)off,
	     (unsigned long long)len);
	file_map_write(f, off, len, any_seed());
}

static void op_truncate(void)
{
	struct file *f = any_file();
	uint64_t size = below(10) ? any_offset(FILE_MOST) : 0;

	if (f->model.fixed)
		return;
	note("truncate %c to %llu", name(f), (unsigned long long)size);
	file_truncate(f, size);
}

static void op_zero(void)
{
	struct file *f = any_file();
	uint64_t off = any_offset(FILE_MOST), len = any_length();
	bool punch = below(2);

	note("%s %c %llu, %llu bytes", punch ? "punch" : "zero", name(f), (unsigned long long)off,
	     (unsigned long long)len);
	if (punch)
		file_punch(f, off, len);
	else
		file_zero_range(f, off, len);
}

static void op_reopen(void)
{
	struct file *f = any_file();
	bool direct = below(2) && !subject.posix;

	note("reopen %c %s", name(f), direct ? "O_DIRECT" : "buffered");
	file_reopen(f, O_RDWR | (direct ? O_DIRECT : 0));
}

static void op_new_context(void)
{
	size_t chunk = below(2) ? (size_t)(4096 * (1 + below(16))) : 0;

	note("new context, chunk %zu", chunk);
	copyoff_ctx_free(run.ctx);
	run.ctx = context_new(chunk, (unsigned)below(9));
}

static unsigned any_flags(void)
{
	static const unsigned flags[] = { 0,
					  0,
					  0,
					  0,
					  COPYOFF_SPARSE,
					  COPYOFF_NO_SHARE,
					  COPYOFF_NO_RAW,
					  COPYOFF_SPARSE | COPYOFF_NO_SHARE,
					  COPYOFF_VERIFY,
					  COPYOFF_VERIFY | COPYOFF_SPARSE,
					  COPYOFF_SYNC,
					  COPYOFF_REQUIRE_SHARE,
					  COPYOFF_REQUIRE_OFFLOAD };

	return flags[below(sizeof(flags) / sizeof(flags[0]))];
}

/* The files may have to share: any prefix is right, or none. */
static void copy_if_offloaded(struct file *in, int64_t src, struct file *out, int64_t dst,
			      uint64_t len, unsigned flags)
{
	struct model before = out->model;
	int64_t must, got;

	before.data = malloc((size_t)before.capacity + 1);
	ck_assert_ptr_nonnull(before.data);
	if (before.capacity > 0)
		memcpy(before.data, out->model.data, (size_t)before.capacity);
	must = model_copy(in == out ? &before : &in->model, src, &before, dst, len, flags,
			  UINT64_MAX);
	got = copy((enum how)below(HOW_COUNT), run.ctx, in->fd, src, out->fd, dst, len, flags);
	ck_assert_msg(got == must || (must > 0 && got > 0 && got < must) ||
			      (got == -EOPNOTSUPP && (must > 0 || in->model.size == 0)),
		      "returned %lld, and must return %lld or EOPNOTSUPP", (long long)got,
		      (long long)must);
	free(before.data);
	if (got > 0)
		model_copy(&in->model, src, &out->model, dst, (uint64_t)got, flags, UINT64_MAX);
	if (got != must && must > 0)
		file_adopt(out, (uint64_t)(dst + (got > 0 ? got : 0)),
			   (uint64_t)(must - (got > 0 ? got : 0)));
	file_check(out, "offload or nothing");
	file_check(in, "offload or nothing");
}

static void op_copy(void)
{
	struct file *in = any_file(), *out = any_file();
	int64_t src = (int64_t)any_place(in, FILE_MOST);
	int64_t dst = (int64_t)any_place(out, FILE_MOST / 2) + shift_of(out);
	uint64_t len = any_length();
	enum how how = (enum how)below(HOW_COUNT);
	unsigned flags = any_flags();

	if (below(3) == 0) /* congruent */
		dst = dst / 4096 * 4096 + src % 4096;
	note("%s %c %lld -> %c %lld, %llu bytes, flags 0x%x", how_names[how], name(in),
	     (long long)src, name(out), (long long)dst, (unsigned long long)len, flags);
	if (flags & (COPYOFF_REQUIRE_SHARE | COPYOFF_REQUIRE_OFFLOAD))
		copy_if_offloaded(in, src, out, dst, len, flags);
	else
		checked_copy(how, run.ctx, in, src, out, dst, len, flags);
}

/* Ranges that do not overlap, one after the other or mixed. */
static void op_copyv(void)
{
	struct copyoff_range v[RANGES_MOST];
	size_t n = 1 + (size_t)below(RANGES_MOST);
	uint64_t unit = below(2) ? 4096 : 1;
	uint64_t slot = FILE_MOST / 2 / RANGES_MOST / unit * unit;
	unsigned flags = below(2) ? 0 : COPYOFF_SPARSE;
	bool reverse = below(2);

	for (size_t i = 0; i < n; i++) {
		size_t place = reverse ? n - 1 - i : i;

		v[i].src = (int64_t)any_offset(run.d.in->model.fixed ? FILE_MOST
								     : run.d.in->model.size + 1);
		v[i].dst = (int64_t)(place * slot) + run.d.shift;
		v[i].len = below(4) ? below(slot + 1) / unit * unit : slot;
	}
	note("copyv A -> B, %zu ranges in slots of %llu, unit %llu, flags 0x%x", n,
	     (unsigned long long)slot, (unsigned long long)unit, flags);
	checked_copyv(run.ctx, run.d.in, run.d.out, v, n, flags);
}

static void one_operation(void)
{
	switch (below(16)) {
	case 0:
		return op_write();
	case 1:
		return op_map_write();
	case 2:
		return op_truncate();
	case 3:
	case 4:
		return op_zero();
	case 5:
		return op_reopen();
	case 6:
		return op_new_context();
	case 7:
	case 8:
		return op_copyv();
	default:
		return op_copy();
	}
}

static uint64_t from_environment(const char *variable, uint64_t otherwise)
{
	const char *value = getenv(variable);

	return value && *value ? strtoull(value, NULL, 0) : otherwise;
}

static void open_subject(void)
{
	struct devices *d = &run.d;

	if (subject.devices[0]) {
		devices_open(d, O_RDWR, O_RDWR);
		return;
	}
	*d = (struct devices){ .in = &d->files[0], .out = &d->files[1] };
	file_make(d->in, 300000, 1);
	file_make(d->out, 200000, 2);
}

static void check_both(void)
{
	file_check(run.d.in, "A");
	file_check(run.d.out, "B");
}

static void work(uint64_t ops)
{
	open_subject();
	run.ctx = context_new(0, 0);
	for (uint64_t i = 0; i < ops; i++) {
		one_operation();
		check_both();
	}
	if (subject.devices[0]) {
		file_check_direct(run.d.in, 0, UINT64_MAX, "A at the end");
		file_check_direct(run.d.out, 0, UINT64_MAX, "B at the end");
	}
	copyoff_ctx_free(run.ctx);
	devices_close(&run.d);
}

START_TEST(test_random)
{
	uint64_t seed = from_environment("COPYOFF_TEST_SEED",
					 (uint64_t)time(NULL) * 1000003u + (uint64_t)getpid());
	uint64_t ops = from_environment("COPYOFF_TEST_OPS", OPS_DEFAULT);

	printf("COPYOFF_TEST_SEED=%llu COPYOFF_TEST_OPS=%llu\n", (unsigned long long)seed,
	       (unsigned long long)ops);
	fflush(stdout);
	run.state = seed * 2 + 1;
	shared->failed = true;
	work(ops);
	shared->failed = false;
}
END_TEST

TCase *cases_random(void)
{
	TCase *tc = tcase_create("random");

	tcase_set_timeout(tc, 0);
	tcase_add_unchecked_fixture(tc, log_begin, log_end);
	tcase_add_test(tc, test_random);
	return tc;
}
