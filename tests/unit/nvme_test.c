/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * nvme_test.c - the backend nvme, with a namespace in memory
 *
 * The seam is wrapped.  Behind it is a controller that reads commands by the
 * specification, not with the functions under test; it copies, keeps its limits,
 * and fails as it is told.  The disk and its partitions are those of
 * tests/fixtures/sysfs/nvme.
 */
#define _GNU_SOURCE
#include "../../backends/nvme_command.h"
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#define DEV(major, minor) ((uint64_t)(major) << 32 | (minor))

enum {
	DISK_BYTES = 48 << 20,
	BLOCK = 512,
	/* Descriptors. */
	DISK = 1000,
	PART1,
	PART2,
	OTHER, /* another disk */
	NODES,
	REOPENED = 2000, /* is added to the one it is of */
	CLAIMED = 3000,
	COMMANDS = 20000,
	STEPS = 64,
};

static const struct node {
	uint64_t rdev;
	uint64_t base, size; /* in the memory, bytes */
} nodes[] = {
	{ DEV(259, 2), 0, DISK_BYTES },
	{ DEV(259, 3), 2048 * 512, 47104 * 512 },
	{ DEV(259, 4), 49152 * 512, 40960 * 512 },
	{ DEV(259, 99), 0, DISK_BYTES },
};

/* What becomes of a Copy command. */
struct step {
	int ret; /* status, or -errno */
	unsigned ranges; /* that are copied before; the rest is spoiled */
	bool lies; /* about that */
	uint32_t dword0;
};

struct command {
	uint64_t sdlba;
	unsigned n;
	uint64_t blocks;
	int ret;
	bool old_ioctl;
};

static unsigned char content[DISK_BYTES];
static unsigned char before[DISK_BYTES]; /* the copy began */

static struct {
	unsigned shift;
	uint64_t sequence;
	int64_t id; /* NVME_IOCTL_ID */
	const char *fixture; /* sysfs; NULL: not to be read */
	const char *zoned; /* instead of what the fixture says */
	/* Answers to Identify, and what goes wrong with it. */
	unsigned char controller[4096], namespace[4096], nvm[4096];
	int identify_ret[6]; /* by CNS */
	/* After so many Copy commands the limits are others. */
	unsigned limits_after;
	uint16_t mssrl_then;
	uint32_t mcl_then;
	uint8_t msrc_then;
	bool restless; /* MCL is another one after each Copy command */
	/* Faults. */
	struct step steps[STEPS];
	size_t n_steps, step;
	int ioctl64; /* -errno of the newer ioctl */
	int claim; /* -errno */
	int read_error; /* -errno of the next read of a device */
	unsigned writes; /* to devices */
	bool cached; /* pages stay */
	bool read_only;
	uint64_t smaller; /* bytes that partition 2 has lost */
	unsigned sequence_changes; /* after so many Copy commands */
	unsigned fail_at; /* the call of the seam to fail, from 1; 0: none */
	int fail_with; /* positive errno */
	bool fail_on; /* and all behind it */
	/* What happened. */
	unsigned calls; /* of the seam */
	bool failed; /* as it was told */
	struct command commands[COMMANDS];
	unsigned n_commands, identifies;
	struct copyoff_span flushed_in, flushed_out, dropped; /* in the memory, of the last copy */
	unsigned flushes_after, drops_before; /* out of order */
	int open; /* descriptors */
} w;

/* --- little-endian, by the specification ------------------------------------------- */

static uint64_t le(const unsigned char *p, unsigned n)
{
	return n == 0 ? 0 : (uint64_t)p[0] | le(p + 1, n - 1) << 8;
}

static void set_le(unsigned char *p, unsigned n, uint64_t value)
{
	for (unsigned i = 0; i < n; i++, value >>= 8)
		p[i] = value & 0xff;
}

static void set_limits(uint16_t mssrl, uint32_t mcl, uint8_t msrc)
{
	set_le(w.namespace + 74, 2, mssrl);
	set_le(w.namespace + 76, 4, mcl);
	w.namespace[80] = msrc;
}

static void set_blocks(unsigned shift, unsigned metadata)
{
	w.shift = shift;
	set_le(w.namespace, 8, (uint64_t)DISK_BYTES >> shift);
	set_le(w.namespace + 128 + 4 * 3, 4, (uint64_t)shift << 16 | metadata);
}

/* --- the controller ------------------------------------------------------------------ */

/* Is this call to fail?  0, or -errno. */
static int fault(void)
{
	w.calls++;
	if (!w.fail_at || (w.fail_on ? w.calls < w.fail_at : w.calls != w.fail_at))
		return 0;
	w.failed = true;
	return -w.fail_with;
}

/* Those that were claimed and reopened, too. */
static const struct node *node_of(int fd)
{
	int i = fd % 1000;

	ck_assert_msg(fd >= DISK && fd < CLAIMED + NODES - DISK && i < NODES - DISK,
		      "no such descriptor: %d", fd);
	return &nodes[i];
}

static unsigned descriptor_size(unsigned format)
{
	return format == 1 || format == 3 ? 40 : 32;
}

static void copy_range(const unsigned char *descriptor, uint64_t *dlba, bool spoil)
{
	uint64_t slba = le(descriptor + 8, 8), n = le(descriptor + 16, 2) + 1;
	unsigned char *to = content + (*dlba << w.shift);

	if (spoil)
		memset(to, 0xdb, (size_t)(n << w.shift));
	else
		memcpy(to, content + (slba << w.shift), (size_t)(n << w.shift));
	*dlba += n;
}

/* What is wrong with the command itself; 0: nothing. */
static int check_copy(const struct copyoff_nvme_command *c, struct command *log)
{
	const unsigned char *d = c->data;
	unsigned format = c->cdw[2] >> 8 & 0xf, size = descriptor_size(format);
	unsigned guard = (unsigned)le(w.nvm + 12 + 4 * 3, 4) >> 7 & 3;
	uint64_t nsze = le(w.namespace, 8);
	bool beyond = false, too_long = false;

	log->n = (c->cdw[2] & 0xff) + 1;
	log->sdlba = (uint64_t)c->cdw[1] << 32 | c->cdw[0];
	ck_assert_uint_eq(c->nsid, 1);
	ck_assert_uint_eq(c->len, log->n * size);
	ck_assert_uint_eq((uintptr_t)d % 4, 0);
	/* No protection, streams, lifetime or limited retry. */
	ck_assert_uint_eq(c->cdw[2] & 0xfffff000, 0);
	ck_assert_uint_eq(c->cdw[3] | c->cdw[4] | c->cdw[5], 0);
	for (unsigned i = 0; i < log->n; i++, d += size) {
		uint64_t slba = le(d + 8, 8), n = le(d + 16, 2) + 1;

		for (unsigned j = 0; j < size; j++)
			ck_assert((j >= 8 && j < 18) || d[j] == 0);
		beyond |= slba >= nsze || n > nsze - slba;
		too_long |= n > le(w.namespace + 74, 2);
		log->blocks += n;
	}
	if ((format == 0) != (guard == 0))
		return 0x410a;
	if (log->n > w.namespace[80] + 1u || too_long || log->blocks > le(w.namespace + 76, 4))
		return 0x4183;
	return beyond || log->sdlba + log->blocks > nsze ? 0x4080 : 0;
}

static int carry_out(const struct copyoff_nvme_command *c, const struct step *step, unsigned n)
{
	const unsigned char *d = c->data;
	unsigned size = descriptor_size(c->cdw[2] >> 8 & 0xf);
	uint64_t dlba = (uint64_t)c->cdw[1] << 32 | c->cdw[0];

	for (unsigned i = 0; i < n; i++)
		copy_range(d + i * size, &dlba, step->ret && i >= step->ranges);
	return step->ret;
}

static int copy_command(struct copyoff_nvme_command *c, bool old_ioctl)
{
	struct command *log = &w.commands[w.n_commands];
	struct step step = { 0, 0, false, 0 };

	ck_assert_uint_lt(w.n_commands, COMMANDS);
	*log = (struct command){ .old_ioctl = old_ioctl };
	if (w.limits_after && w.n_commands + 1 == w.limits_after)
		set_limits(w.mssrl_then, w.mcl_then, w.msrc_then);
	w.n_commands++;
	if (w.restless)
		set_limits(128, 1024 + w.n_commands, 127);
	if (w.sequence_changes && w.n_commands == w.sequence_changes)
		w.sequence++;
	log->ret = check_copy(c, log);
	c->result = 0;
	if (log->ret)
		return log->ret;
	if (w.step < w.n_steps)
		step = w.steps[w.step++];
	log->ret = carry_out(c, &step, log->n);
	c->result = (uint64_t)0xabcdef01 << 32 | (step.lies ? step.dword0 : step.ranges);
	return log->ret;
}

static int identify_command(struct copyoff_nvme_command *c)
{
	unsigned cns = c->cdw[0];
	const unsigned char *answers[] = { [0] = w.namespace, [1] = w.controller, [5] = w.nvm };

	w.identifies++;
	ck_assert_uint_eq(c->opcode, 6);
	ck_assert_uint_eq(c->len, 4096);
	ck_assert(cns == 0 || cns == 1 || cns == 5);
	ck_assert_uint_eq(c->nsid, cns == 1 ? 0 : 1);
	ck_assert_uint_eq(c->cdw[1] | c->cdw[2] | c->cdw[3] | c->cdw[4] | c->cdw[5], 0);
	if (w.identify_ret[cns] == 0)
		memcpy(c->data, answers[cns], 4096);
	return w.identify_ret[cns];
}

/* --- the seam -------------------------------------------------------------------------- */

ssize_t __real_copyoff_sys_read_sysfs(const char *path, char *buf, size_t size);
int __real_copyoff_sys_list_sysfs(const char *path, int (*entry)(void *data, const char *name),
				  void *data);
void *__real_copyoff_sys_alloc(size_t size, size_t align);
void *__wrap_copyoff_sys_alloc(size_t size, size_t align);
int64_t __wrap_copyoff_sys_nvme_id(int fd);
int __wrap_copyoff_sys_nvme_command(int fd, enum copyoff_nvme_queue queue,
				    struct copyoff_nvme_command *command);
ssize_t __wrap_copyoff_sys_read_sysfs(const char *path, char *buf, size_t size);
int __wrap_copyoff_sys_list_sysfs(const char *path, int (*entry)(void *data, const char *name),
				  void *data);
int __wrap_copyoff_sys_open_mountinfo(void);
int __wrap_copyoff_sys_close(int fd);
int __wrap_copyoff_sys_block_size(int fd, uint64_t *bytes, uint32_t *logical_block);
int __wrap_copyoff_sys_physical_block(int fd, uint32_t *bytes);
int __wrap_copyoff_sys_read_only(int fd, bool *read_only);
int __wrap_copyoff_sys_disk_sequence(int fd, uint64_t *sequence);
int __wrap_copyoff_sys_claim(int fd);
int __wrap_copyoff_sys_open_device(uint64_t rdev);
int __wrap_copyoff_sys_reopen(int fd, enum copyoff_access access);
int __wrap_copyoff_sys_flush_range(int fd, int64_t off, int64_t len);
int __wrap_copyoff_sys_drop_cache(int fd, int64_t off, int64_t len);
int64_t __wrap_copyoff_sys_cachestat(int fd, int64_t off, int64_t len);
int __wrap_copyoff_sys_invalidate_range(int fd, int64_t off, int64_t len);
ssize_t __wrap_copyoff_sys_pread(int fd, void *buf, size_t len, int64_t off);
ssize_t __wrap_copyoff_sys_pwrite(int fd, const void *buf, size_t len, int64_t off);

void *__wrap_copyoff_sys_alloc(size_t size, size_t align)
{
	return fault() < 0 ? NULL : __real_copyoff_sys_alloc(size, align);
}

int64_t __wrap_copyoff_sys_nvme_id(int fd)
{
	int ret = fault();

	if (ret < 0)
		return ret;
	(void)node_of(fd);
	return w.id;
}

int __wrap_copyoff_sys_nvme_command(int fd, enum copyoff_nvme_queue queue,
				    struct copyoff_nvme_command *command)
{
	int ret = fault();

	if (ret < 0)
		return ret;
	(void)node_of(fd);
	if (queue == COPYOFF_NVME_ADMIN)
		return identify_command(command);
	ck_assert_uint_eq(command->opcode, 0x19);
	if (queue == COPYOFF_NVME_IO && w.ioctl64)
		return w.ioctl64;
	/* Later kernels let anybody leave a partition by it. */
	ck_assert(queue == COPYOFF_NVME_IO || fd == DISK);
	return copy_command(command, queue == COPYOFF_NVME_IO_OLD);
}

/* The seam puts "/sys/" in front. */
static void elsewhere(char path[PATH_MAX], const char *name)
{
	ck_assert_int_lt(snprintf(path, PATH_MAX, "..%s/sysfs/%s/%s", FIXTURES, w.fixture, name),
			 PATH_MAX);
}

ssize_t __wrap_copyoff_sys_read_sysfs(const char *path, char *buf, size_t size)
{
	char there[PATH_MAX];
	int ret = fault();

	if (ret < 0)
		return ret;
	if (!w.fixture)
		return -EACCES;
	if (strstr(path, "logical_block_size"))
		return snprintf(buf, size, "%u", 1u << w.shift);
	if (w.zoned && strstr(path, "queue/zoned"))
		return snprintf(buf, size, "%s", w.zoned);
	elsewhere(there, path);
	return __real_copyoff_sys_read_sysfs(there, buf, size);
}

int __wrap_copyoff_sys_list_sysfs(const char *path, int (*entry)(void *data, const char *name),
				  void *data)
{
	char there[PATH_MAX];
	int ret = fault();

	if (ret < 0)
		return ret;
	elsewhere(there, path);
	return __real_copyoff_sys_list_sysfs(there, entry, data);
}

int __wrap_copyoff_sys_open_mountinfo(void)
{
	int ret = fault();

	if (ret < 0)
		return ret;
	w.open++;
	return open(FIXTURES "/mountinfo", O_RDONLY | O_CLOEXEC);
}

int __wrap_copyoff_sys_close(int fd)
{
	w.open--;
	if (fd >= DISK)
		return 0;
	return close(fd) < 0 ? -errno : 0;
}

int __wrap_copyoff_sys_block_size(int fd, uint64_t *bytes, uint32_t *logical_block)
{
	int ret = fault();

	if (ret < 0)
		return ret;
	*bytes = node_of(fd)->size - (fd == PART2 ? w.smaller : 0);
	*logical_block = 1u << w.shift;
	return 0;
}

int __wrap_copyoff_sys_physical_block(int fd, uint32_t *bytes)
{
	int ret = fault();

	if (ret < 0)
		return ret;
	(void)fd;
	*bytes = 1u << w.shift;
	return 0;
}

int __wrap_copyoff_sys_read_only(int fd, bool *read_only)
{
	int ret = fault();

	if (ret < 0)
		return ret;
	(void)node_of(fd);
	*read_only = w.read_only;
	return 0;
}

int __wrap_copyoff_sys_disk_sequence(int fd, uint64_t *sequence)
{
	int ret = fault();

	if (ret < 0)
		return ret;
	(void)node_of(fd);
	*sequence = w.sequence;
	return w.sequence ? 0 : -ENOTTY;
}

int __wrap_copyoff_sys_claim(int fd)
{
	int ret = fault();

	if (ret < 0)
		return ret;
	if (w.claim)
		return w.claim;
	w.open++;
	return fd % 1000 + CLAIMED;
}

int __wrap_copyoff_sys_open_device(uint64_t rdev)
{
	int ret = fault();

	if (ret < 0)
		return ret;
	for (int i = 0; i < NODES - DISK; i++) {
		if (nodes[i].rdev == rdev) {
			w.open++;
			return REOPENED + i;
		}
	}
	return -ENXIO; /* partition 3 */
}

int __wrap_copyoff_sys_reopen(int fd, enum copyoff_access access)
{
	int ret = fault();

	if (ret < 0)
		return ret;
	(void)access;
	w.open++;
	return fd % 1000 + REOPENED;
}

static struct copyoff_span span_of(int fd, int64_t off, int64_t len)
{
	uint64_t start = node_of(fd)->base + (uint64_t)off;

	return (struct copyoff_span){ start, start + (uint64_t)len };
}

static bool has_data_of(const struct copyoff_span *s, uint64_t start, uint64_t end)
{
	return s->start <= start && end <= s->end;
}

int __wrap_copyoff_sys_flush_range(int fd, int64_t off, int64_t len)
{
	int ret = fault();

	if (ret < 0)
		return ret;
	if (fd == DISK || fd == PART1)
		w.flushed_in = span_of(fd, off, len);
	if (fd == DISK || fd == PART2)
		w.flushed_out = span_of(fd, off, len);
	return 0;
}

int __wrap_copyoff_sys_drop_cache(int fd, int64_t off, int64_t len)
{
	int ret = fault();

	if (ret < 0)
		return ret;
	if (fd < REOPENED)
		w.dropped = span_of(fd, off, len);
	return 0;
}

int64_t __wrap_copyoff_sys_cachestat(int fd, int64_t off, int64_t len)
{
	int ret = fault();

	if (ret < 0)
		return ret;
	(void)fd;
	(void)off;
	(void)len;
	return w.cached;
}

/* The pages stay, or are there again. */
int __wrap_copyoff_sys_invalidate_range(int fd, int64_t off, int64_t len)
{
	(void)fd;
	(void)off;
	(void)len;
	return fault();
}

ssize_t __wrap_copyoff_sys_pread(int fd, void *buf, size_t len, int64_t off)
{
	const struct node *node;
	int ret = fault();

	if (ret < 0)
		return ret;
	if (fd < DISK) { /* the list of mounts */
		ssize_t got = pread(fd, buf, len, off);

		return got < 0 ? -errno : got;
	}
	ret = w.read_error;
	w.read_error = 0;
	if (ret < 0)
		return ret;
	node = node_of(fd);
	ck_assert_uint_le((uint64_t)off, node->size);
	if (len > node->size - (uint64_t)off)
		len = (size_t)(node->size - (uint64_t)off);
	memcpy(buf, content + node->base + off, len);
	return (ssize_t)len;
}

ssize_t __wrap_copyoff_sys_pwrite(int fd, const void *buf, size_t len, int64_t off)
{
	const struct node *node = node_of(fd);
	int ret = fault();

	if (ret < 0)
		return ret;
	w.writes++;
	ck_assert(len <= node->size && (uint64_t)off <= node->size - len);
	memcpy(content + node->base + off, buf, len);
	return (ssize_t)len;
}

/* --- a copy ------------------------------------------------------------------------------ */

static struct copyoff_ctx ctx;

/* What is looked at of both partitions and in front of them; 0: the whole disk. */
static size_t reach;

/* Once: each test has a copy of it, being a process of its own. */
static void fill(void)
{
	uint64_t state = 88172645463325252u;

	for (size_t i = 0; i < DISK_BYTES; i += 8) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		memcpy(content + i, &state, 8);
	}
}

static void setup(void)
{
	memset(&w, 0, sizeof(w));
	reach = 4 << 20;
	w.fixture = "nvme";
	w.sequence = 3; /* as in the fixture */
	w.id = 1;
	set_le(w.controller + 520, 2, 0x015d);
	set_le(w.controller + 534, 2, 0x0003);
	w.namespace[26] = 0x03; /* the fourth format is in use */
	set_blocks(9, 0);
	set_limits(128, 1024, 127);
	copyoff_ctx_init(&ctx);
}

static void teardown(void)
{
	copyoff_ctx_fini(&ctx);
	ck_assert_int_eq(w.open, 0);
}

/* Only these backends. */
static void use(const char *list)
{
	const char *bad;
	size_t len;

	ck_assert_int_eq(copyoff_filter_parse(list, &ctx.filter, &ctx.named, &bad, &len), 0);
}

static struct copyoff_end end_of(int fd)
{
	const struct node *node = node_of(fd);

	return (struct copyoff_end){
		.fd = fd,
		.kind = COPYOFF_KIND_BLOCK,
		.rdev = node->rdev,
		.place = { .dev = nodes[0].rdev, .base = node->base },
		.size = node->size,
		.size_known = true,
		.io_align = 1,
	};
}

static size_t index_of(const char *name)
{
	return copyoff_registry_find(name, strlen(name));
}

enum { IN_FRONT = 65536 };

static void remember(void)
{
	if (!reach)
		memcpy(before, content, DISK_BYTES);
	for (int i = PART1 - DISK; reach && i <= PART2 - DISK; i++)
		memcpy(before + nodes[i].base - IN_FRONT, content + nodes[i].base - IN_FRONT,
		       reach + IN_FRONT);
}

static bool as_remembered(void)
{
	bool same = reach || memcmp(before, content, DISK_BYTES) == 0;

	for (int i = PART1 - DISK; reach && i <= PART2 - DISK; i++)
		same &= memcmp(before + nodes[i].base - IN_FRONT,
			       content + nodes[i].base - IN_FRONT, reach + IN_FRONT) == 0;
	return same;
}

static int64_t copyv(int in, int out, const struct copyoff_range *v, size_t n, unsigned flags)
{
	struct copyoff_end from = end_of(in), to = end_of(out);

	remember();
	copyoff_ctx_begin(&ctx);
	return copyoff_engine_run(&ctx, &from, &to, v, n, flags, 0);
}

/* @done bytes are copied, and no byte is changed outside of the ranges. */
static void check_bytes(int in, int out, const struct copyoff_range *v, size_t n, uint64_t done)
{
	const unsigned char *src = before + node_of(in)->base;
	unsigned char *must = before + node_of(out)->base;
	unsigned char *is = content + node_of(out)->base;

	/* Destinations do not overlap sources: what is copied has not changed. */
	for (size_t i = 0; i < n; i++) {
		uint64_t part = v[i].len < done ? v[i].len : done;

		ck_assert(memcmp(is + v[i].dst, src + v[i].src, (size_t)part) == 0);
		memcpy(must + v[i].dst, is + v[i].dst, (size_t)v[i].len);
		done -= part;
	}
	ck_assert(as_remembered());
}

static int64_t copy(int in, int64_t src, int out, int64_t dst, uint64_t len, unsigned flags)
{
	struct copyoff_range r = { src, dst, len };
	int64_t ret = copyv(in, out, &r, 1, flags);

	check_bytes(in, out, &r, 1, ret > 0 ? (uint64_t)ret : 0);
	return ret;
}

static void script(struct step step)
{
	ck_assert_uint_lt(w.n_steps, STEPS);
	w.steps[w.n_steps++] = step;
}

static uint64_t copied_by(const char *name)
{
	return ctx.stats[index_of(name)].bytes;
}

static const struct copyoff_offer *offer(void)
{
	return &ctx.routes[0].offers[index_of("nvme")];
}

static void expect_text(const char *text)
{
	ck_assert_msg(strstr(offer()->text, text), "\"%s\" is not in \"%s\"", text, offer()->text);
}

/* --- bytes ----------------------------------------------------------------------------------- */

START_TEST(test_range_bytes)
{
	static const unsigned char format0[32] = { [8] = 0xef, 0xcd, 0xab, 0x89, 0x67,
						   0x45,       0x23, 0x01, 0x7f, 0x00 };
	unsigned char to[48];

	memset(to, 0xa5, sizeof(to));
	copyoff_nvme_encode_range(0, 0x0123456789abcdef, 128, to);
	ck_assert(memcmp(to, format0, 32) == 0);
	ck_assert(to[32] == 0xa5 && to[47] == 0xa5);
	ck_assert_uint_eq(copyoff_nvme_range_size(0), 32);
	copyoff_nvme_encode_range(0, 1, 65536, to);
	ck_assert(to[8] == 1 && to[16] == 0xff && to[17] == 0xff && to[18] == 0);
	/* Format 1h differs in tags only, which are 0. */
	memset(to, 0xa5, sizeof(to));
	copyoff_nvme_encode_range(1, 0x0123456789abcdef, 128, to);
	ck_assert(memcmp(to, format0, 32) == 0);
	for (int i = 32; i < 48; i++)
		ck_assert_uint_eq(to[i], i < 40 ? 0 : 0xa5);
	ck_assert_uint_eq(copyoff_nvme_range_size(1), 40);
}
END_TEST

START_TEST(test_copy_dwords)
{
	unsigned char ranges[1];
	struct copyoff_nvme_command c = copyoff_nvme_copy(7, 0, 0x123456789a, ranges, 1);

	ck_assert_uint_eq(c.opcode, 0x19);
	ck_assert_uint_eq(c.nsid, 7);
	ck_assert_uint_eq(c.cdw[0], 0x3456789a);
	ck_assert_uint_eq(c.cdw[1], 0x12);
	ck_assert_uint_eq(c.cdw[2], 0);
	ck_assert_uint_eq(c.cdw[3] | c.cdw[4] | c.cdw[5], 0);
	ck_assert_ptr_eq(c.data, ranges);
	ck_assert_uint_eq(c.len, 32);
	c = copyoff_nvme_copy(7, 1, 1, ranges, 256);
	ck_assert_uint_eq(c.cdw[2], 0x1ff);
	ck_assert_uint_eq(c.len, 256 * 40);
}
END_TEST

START_TEST(test_identify)
{
	struct copyoff_nvme_controller controller;
	struct copyoff_nvme_namespace namespace;
	unsigned char data[4096] = { 0 };

	set_le(data + 520, 2, 0xfeff); /* all but Copy */
	set_le(data + 534, 2, 0x8421);
	copyoff_nvme_parse_controller(data, &controller);
	ck_assert(!controller.copies);
	ck_assert_uint_eq(controller.formats, 0x8421);
	set_le(data + 520, 2, 0x0100);
	copyoff_nvme_parse_controller(data, &controller);
	ck_assert(controller.copies);

	memset(data, 0, sizeof(data));
	set_le(data, 8, 0x0102030405060708);
	data[26] = 0x72; /* the format 3 << 4 | 2, metadata behind the data */
	set_le(data + 74, 2, 0xfedc);
	set_le(data + 76, 4, 0xba987654);
	data[80] = 0xff;
	set_le(data + 128 + 4 * 0x32, 4, 0x000c0008);
	copyoff_nvme_parse_namespace(data, &namespace);
	ck_assert_uint_eq(namespace.blocks, 0x0102030405060708);
	ck_assert_uint_eq(namespace.format_index, 0x32);
	ck_assert_uint_eq(namespace.block_shift, 12);
	ck_assert_uint_eq(namespace.metadata, 8);
	ck_assert(!namespace.protection && !namespace.write_protected);
	ck_assert_uint_eq(namespace.range_blocks, 0xfedc);
	ck_assert_uint_eq(namespace.total_blocks, 0xba987654);
	ck_assert_uint_eq(namespace.ranges, 256);
	data[29] = 0x08; /* only where it would be */
	data[99] = 0xfe;
	copyoff_nvme_parse_namespace(data, &namespace);
	ck_assert(!namespace.protection && !namespace.write_protected);
	data[29] = 3;
	data[99] = 1;
	copyoff_nvme_parse_namespace(data, &namespace);
	ck_assert(namespace.protection && namespace.write_protected);

	memset(data, 0, sizeof(data));
	set_le(data + 12 + 4 * 5, 4, 2 << 7 | 0x7f);
	ck_assert_uint_eq(copyoff_nvme_parse_guard(data, 5), 2);
	ck_assert_uint_eq(copyoff_nvme_parse_guard(data, 4), 0);
}
END_TEST

/* --- probe ----------------------------------------------------------------------------------- */

static const struct copyoff_offer *probe(int in, int out)
{
	struct copyoff_end from = end_of(in), to = end_of(out);

	use("nvme");
	copyoff_route_offer(&ctx, copyoff_ctx_route(&ctx, &from, &to), index_of("nvme"), 0);
	return offer();
}

START_TEST(test_limits)
{
	const struct copyoff_offer *o;

	set_limits(100, 1000, 9);
	o = probe(PART1, PART2);
	ck_assert_int_eq(o->state, COPYOFF_OFFER_OPEN);
	ck_assert_uint_eq(o->limits.align, 512);
	ck_assert_uint_eq(o->limits.max_range, 100 * 512);
	ck_assert_uint_eq(o->limits.max_ranges, 10);
	ck_assert_uint_eq(o->limits.max_total, 1000 * 512);
	ck_assert_uint_eq(o->base_in, nodes[1].base);
	ck_assert_uint_eq(o->base_out, nodes[2].base);
	ck_assert_uint_eq(o->traits, COPYOFF_TRAIT_RAW | COPYOFF_TRAIT_PRIV);
	ck_assert_uint_eq(w.n_commands, 0);
}
END_TEST

/* As large as they can be: in 64 bits, and no command without end. */
START_TEST(test_largest_limits)
{
	const struct copyoff_offer *o;

	set_blocks(12, 0);
	set_limits(0xffff, 0xffffffff, 0xff);
	o = probe(DISK, DISK);
	ck_assert_int_eq(o->state, COPYOFF_OFFER_OPEN);
	ck_assert_uint_eq(o->limits.align, 4096);
	ck_assert_uint_eq(o->limits.max_range, 0xffffull * 4096);
	ck_assert_uint_eq(o->limits.max_ranges, 256);
	ck_assert_uint_eq(o->limits.max_total, 256 << 20);
}
END_TEST

static void no_copy(void)
{
	w.controller[521] = 0;
}
static void no_range(void)
{
	set_limits(0, 128, 127);
}
static void no_total(void)
{
	set_limits(128, 0, 127);
}
static void protected(void)
{
	w.namespace[29] = 1;
}
static void write_protected(void)
{
	w.namespace[99] = 1;
}
static void no_format(void)
{
	set_le(w.controller + 534, 2, 0xfffe);
}
static void other_blocks(void)
{
	w.namespace[128 + 4 * 3 + 2] = 12;
}
static void absurd_blocks(void)
{
	w.namespace[128 + 4 * 3 + 2] = 0xff;
}
static void eacces(void)
{
	w.identify_ret[1] = -EACCES;
}
static void eperm(void)
{
	w.identify_ret[0] = -EPERM;
}
static void no_answer(void)
{
	w.identify_ret[0] = 0x4002;
}
static void canceled(void)
{
	w.identify_ret[1] = -EINTR;
}
static void other_id(void)
{
	w.id = 2;
}
static void no_id(void)
{
	w.id = -ENOTTY;
}
static void no_path(void)
{
	w.id = -EAGAIN;
}
static void in_use(void)
{
	w.claim = -EBUSY;
}
static void read_only(void)
{
	w.read_only = true;
}
static void managed_zones(void)
{
	w.zoned = "host-managed";
}
static void strange_zones(void)
{
	w.zoned = "perhaps";
}
static void no_sysfs(void)
{
	w.fixture = NULL;
}
static void no_nvme(void)
{
	w.fixture = "scsi";
}
static void long_guard(void)
{
	set_blocks(9, 16);
	set_le(w.nvm + 12 + 4 * 3, 4, 3 << 7);
}
static void no_long_format(void)
{
	set_blocks(9, 16);
	set_le(w.nvm + 12 + 4 * 3, 4, 2 << 7);
	set_le(w.controller + 534, 2, 0x0001);
}

static const struct refusal {
	void (*what)(void);
	enum copyoff_reason reason;
	int error;
	const char *text, *remedy;
} refusals[] = {
	{ no_copy, COPYOFF_REASON_UNSUPPORTED, 0, "no Copy command", "" },
	{ no_range, COPYOFF_REASON_UNSUPPORTED, 0, "limits are 0", "" },
	{ no_total, COPYOFF_REASON_UNSUPPORTED, 0, "limits are 0", "" },
	{ protected, COPYOFF_REASON_UNSUPPORTED, 0, "protection information", "" },
	{ write_protected, COPYOFF_REASON_PERMISSION, EROFS, "write protected", "" },
	{ no_format, COPYOFF_REASON_UNSUPPORTED, 0, "formats 0h and 1h", "" },
	{ no_long_format, COPYOFF_REASON_UNSUPPORTED, 0, "formats 0h and 1h", "" },
	{ long_guard, COPYOFF_REASON_UNSUPPORTED, 0, "formats 0h and 1h", "" },
	{ other_blocks, COPYOFF_REASON_UNSUPPORTED, 0, "larger or smaller", "" },
	{ absurd_blocks, COPYOFF_REASON_UNSUPPORTED, 0, "larger or smaller", "" },
	{ managed_zones, COPYOFF_REASON_UNSUPPORTED, 0, "zones", "" },
	{ strange_zones, COPYOFF_REASON_UNSUPPORTED, 0, "zones", "" },
	{ eacces, COPYOFF_REASON_PERMISSION, EACCES, "may not send", "CAP_SYS_ADMIN" },
	{ eperm, COPYOFF_REASON_PERMISSION, EPERM, "may not send", "Linux 6.2" },
	{ no_answer, COPYOFF_REASON_UNSUPPORTED, EIO, "does not answer", "" },
	{ canceled, COPYOFF_REASON_FAILED, EIO, "could not find out", "" },
	{ other_id, COPYOFF_REASON_FILE_TYPE, 0, "not NVMe namespaces", "" },
	{ no_id, COPYOFF_REASON_FILE_TYPE, 0, "not NVMe namespaces", "" },
	{ no_path, COPYOFF_REASON_FAILED, EAGAIN, "could not find out", "" },
	{ in_use, COPYOFF_REASON_RESOURCE, EBUSY, "held", "unmount" },
	{ read_only, COPYOFF_REASON_PERMISSION, EPERM, "read-only", "" },
	{ no_sysfs, COPYOFF_REASON_FAILED, EACCES, "could not find out", "" },
	{ no_nvme, COPYOFF_REASON_FILE_TYPE, 0, "not NVMe namespaces", "" },
};

START_TEST(test_refusal)
{
	const struct refusal *r = &refusals[_i];

	r->what();
	probe(PART1, PART2);
	ck_assert_int_eq(offer()->state, COPYOFF_OFFER_DECLINED);
	ck_assert_int_eq(offer()->reason, r->reason);
	ck_assert_int_eq(offer()->error, r->error);
	expect_text(r->text);
	ck_assert(strstr(offer()->remedy, r->remedy));
	ck_assert_uint_eq(w.n_commands, 0);
}
END_TEST

/* Not a single command: neither to ask nor to copy, also where it was asked before. */
START_TEST(test_no_raw)
{
	for (int i = 0; i < 2; i++) {
		use("nvme,readwrite");
		w.identifies = w.n_commands = 0;
		ck_assert_int_eq(copy(PART1, 0, PART2, 0, 1 << 20, COPYOFF_NO_RAW), 1 << 20);
		ck_assert_uint_eq(w.identifies + w.n_commands, 0);
		ck_assert_uint_eq(copied_by("readwrite"), 1u << (20 + i));
		ck_assert_ptr_nonnull(strstr(ctx.message, "COPYOFF_NO_RAW"));
		use("nvme");
		ck_assert_int_eq(copy(PART1, 0, PART2, 0, 1 << 20, COPYOFF_NO_RAW), -EOPNOTSUPP);
		ck_assert_uint_eq(w.identifies + w.n_commands, 0);
		ck_assert_int_eq(copy(PART1, 0, PART2, 0, 1 << 20, 0), 1 << 20);
		ck_assert_uint_gt(w.n_commands, 0);
	}
}
END_TEST

START_TEST(test_other_disk)
{
	probe(OTHER, PART2);
	ck_assert_int_eq(offer()->reason, COPYOFF_REASON_CROSS_DEVICE);
}
END_TEST

/* The device in front of the paths of multipath. */
START_TEST(test_multipath)
{
	struct copyoff_end end = end_of(DISK);

	w.fixture = "nvme-multipath";
	w.sequence = 2;
	set_blocks(12, 0);
	end.rdev = end.place.dev = DEV(259, 1);
	use("nvme");
	ck_assert_ptr_nonnull(copyoff_route_offer(&ctx, copyoff_ctx_route(&ctx, &end, &end),
						  index_of("nvme"), 0));
}
END_TEST

START_TEST(test_files)
{
	struct copyoff_end from = end_of(PART1), to = end_of(PART2);

	to.kind = COPYOFF_KIND_REGULAR;
	use("nvme");
	ck_assert_ptr_null(copyoff_route_offer(&ctx, copyoff_ctx_route(&ctx, &from, &to),
					       index_of("nvme"), 0));
	ck_assert_int_eq(offer()->reason, COPYOFF_REASON_FILE_TYPE);
}
END_TEST

/* --- copy -------------------------------------------------------------------------------------- */

/* The addresses are those of the namespace. */
START_TEST(test_partitions)
{
	reach = 0;
	use("nvme");
	ck_assert_int_eq(copy(PART1, 1024, PART2, 4096, 10240, 0), 10240);
	ck_assert_uint_eq(w.n_commands, 1);
	ck_assert_uint_eq(w.commands[0].sdlba, 49152 + 8);
	ck_assert_uint_eq(w.commands[0].n, 1);
	ck_assert_uint_eq(w.commands[0].blocks, 20);
	ck_assert_uint_eq(ctx.result.bytes_offloaded, 10240);
	/* To the last block of both, from one to the other and back. */
	ck_assert_int_eq(copy(PART1, 47104 * 512 - 512, PART2, 40960 * 512 - 512, 512, 0), 512);
	ck_assert_int_eq(copy(PART2, 40960 * 512 - 512, DISK, 0, 512, 0), 512);
	ck_assert_int_eq(copy(PART1, 0, PART2, 40960 * 512 - 512, 1024, 0), 512);
	ck_assert_int_eq(ctx.result.error, ENOSPC);
}
END_TEST

START_TEST(test_blocks_of_4096)
{
	reach = 0;
	set_blocks(12, 0);
	use("nvme");
	ck_assert_int_eq(copy(DISK, 8192, PART2, 4096, 40960, 0), 40960);
	ck_assert_uint_eq(w.commands[0].sdlba, 49152 / 8 + 1);
	ck_assert_uint_eq(w.commands[0].blocks, 10);
	/* An odd head and tail are not for it. */
	use("nvme,readwrite");
	ck_assert_int_eq(copy(PART1, 512, PART2, 512, 40960, 0), 40960);
	ck_assert_uint_eq(copied_by("readwrite"), 4096);
}
END_TEST

/* Metadata goes with its blocks; where the guard could be long, so are descriptors. */
START_TEST(test_metadata)
{
	static const unsigned guards[] = { 0, 1, 2 };

	set_blocks(9, 16);
	set_le(w.nvm + 12 + 4 * 3, 4, guards[_i] << 7);
	use("nvme");
	ck_assert_int_eq(copy(PART1, 0, PART2, 0, 1 << 20, 0), 1 << 20);
	ck_assert_uint_eq(w.n_commands, 2);
}
END_TEST

/* Controllers that do not know the question. */
START_TEST(test_metadata_of_old_controllers)
{
	w.identify_ret[5] = 0x4002;
	set_blocks(9, 8);
	use("nvme");
	ck_assert_int_eq(copy(PART1, 0, PART2, 0, 65536, 0), 65536);
}
END_TEST

/* --- how many commands -------------------------------------------------------------------------- */

enum { MANY = 10000 };
static struct copyoff_range many[MANY];

/* 10,000 ranges of two blocks from anywhere, one behind the other in the destination. */
static void scatter(uint64_t len)
{
	uint64_t slots = 4 * (uint64_t)MANY / 3;

	/* 7919 is prime, and has no factor in common with the number of slots. */
	for (uint64_t i = 0; i < MANY; i++)
		many[i] = (struct copyoff_range){ (int64_t)(i * 7919 % slots * 1024),
						  (int64_t)(i * len), len };
}

static void expect_scattered(unsigned msrc, unsigned commands)
{
	set_limits(8, 0xffffff, (uint8_t)msrc);
	scatter(1024);
	use("nvme");
	ck_assert_int_eq(copyv(PART1, PART2, many, MANY, 0), MANY * 1024);
	check_bytes(PART1, PART2, many, MANY, MANY * 1024);
	ck_assert_uint_eq(w.n_commands, commands);
	ck_assert_uint_eq(ctx.stats[index_of("nvme")].short_copies, 0);
}

START_TEST(test_scattered)
{
	static const unsigned msrc[] = { 255, 127, 1, 0 };

	reach = 0;
	expect_scattered(msrc[_i], (MANY + msrc[_i]) / (msrc[_i] + 1));
}
END_TEST

/* One range of 16 MiB: commands are as large as MCL, and of ranges as large as MSSRL. */
START_TEST(test_long_range)
{
	reach = 0;
	set_limits(100, 1024, 127);
	use("nvme");
	ck_assert_int_eq(copy(PART1, 0, PART2, 512, 16 << 20, 0), 16 << 20);
	ck_assert_uint_eq(w.n_commands, 32);
	for (unsigned i = 0; i < 32; i++) {
		ck_assert_uint_eq(w.commands[i].blocks, 1024);
		ck_assert_uint_eq(w.commands[i].n, 11);
	}
}
END_TEST

/* One command has one destination. */
START_TEST(test_gap)
{
	static const struct copyoff_range v[] = {
		{ 0, 0, 4096 }, { 8192, 4096, 4096 }, { 16384, 12288, 4096 }, { 0, 16384, 4096 }
	};

	use("nvme");
	ck_assert_int_eq(copyv(PART1, PART2, v, COUNT(v), 0), 4 * 4096);
	check_bytes(PART1, PART2, v, COUNT(v), 4 * 4096);
	ck_assert_uint_eq(w.n_commands, 2);
	ck_assert_uint_eq(w.commands[0].n, 2);
	ck_assert_uint_eq(w.commands[1].sdlba, 49152 + 24);
}
END_TEST

/* MCL beyond what all ranges of one command can have, and below one range. */
START_TEST(test_odd_limits)
{
	set_limits(100, 100000, 3);
	use("nvme");
	ck_assert_int_eq(copy(PART1, 0, PART2, 0, 800 * 512, 0), 800 * 512);
	ck_assert_uint_eq(w.n_commands, 2);
	copyoff_ctx_fini(&ctx);
	copyoff_ctx_init(&ctx);
	use("nvme");
	set_limits(1000, 7, 3);
	ck_assert_int_eq(copy(PART1, 0, PART2, 0, 21 * 512, 0), 21 * 512);
	ck_assert_uint_eq(w.n_commands, 5);
}
END_TEST

/* --- failures ------------------------------------------------------------------------------------ */

/* By the specification and by what DESIGN of the library says is final. */
static const struct row {
	int status;
	enum { DECLINED, PUT_ASIDE, AGAIN, FINAL } outcome;
	int error;
} rows[] = {
	{ 0x001, DECLINED, EOPNOTSUPP }, { 0x002, DECLINED, EOPNOTSUPP },
	{ 0x004, PUT_ASIDE, EIO },       { 0x005, PUT_ASIDE, EIO },
	{ 0x006, PUT_ASIDE, EIO },       { 0x007, PUT_ASIDE, EIO },
	{ 0x008, PUT_ASIDE, EIO },       { 0x00b, PUT_ASIDE, ENXIO },
	{ 0x00f, PUT_ASIDE, EINVAL },    { 0x020, FINAL, EROFS },
	{ 0x021, AGAIN, EBUSY },         { 0x080, PUT_ASIDE, EINVAL },
	{ 0x081, FINAL, ENOSPC },        { 0x082, AGAIN, EBUSY },
	{ 0x083, FINAL, EACCES },        { 0x084, AGAIN, EBUSY },
	{ 0x10a, DECLINED, EOPNOTSUPP }, { 0x181, PUT_ASIDE, EIO },
	{ 0x182, FINAL, EROFS },         { 0x183, DECLINED, EOPNOTSUPP },
	{ 0x185, DECLINED, EOPNOTSUPP }, { 0x186, DECLINED, EOPNOTSUPP },
	{ 0x187, PUT_ASIDE, EINVAL },    { 0x189, AGAIN, EBUSY },
	{ 0x1b8, PUT_ASIDE, EINVAL },    { 0x1b9, FINAL, ENOSPC },
	{ 0x1ba, FINAL, EROFS },         { 0x1bb, PUT_ASIDE, EIO },
	{ 0x1bc, PUT_ASIDE, EINVAL },    { 0x1bd, PUT_ASIDE, EBUSY },
	{ 0x1be, PUT_ASIDE, EBUSY },     { 0x1bf, PUT_ASIDE, EIO },
	{ 0x280, PUT_ASIDE, EIO },       { 0x281, PUT_ASIDE, EIO },
	{ 0x282, PUT_ASIDE, EIO },       { 0x283, PUT_ASIDE, EIO },
	{ 0x284, PUT_ASIDE, EIO },       { 0x286, PUT_ASIDE, EACCES },
	{ 0x287, PUT_ASIDE, EIO },       { 0x300, AGAIN, EIO },
	{ 0x301, AGAIN, EIO },           { 0x302, AGAIN, EIO },
	{ 0x303, AGAIN, EIO },           { 0x360, AGAIN, EIO },
	{ 0x370, AGAIN, EIO },           { 0x371, PUT_ASIDE, EIO },
};

static void fail_always(int ret)
{
	for (w.n_steps = 0; w.n_steps < STEPS - 1;)
		script((struct step){ ret, 0, false, 0 });
	w.step = 0;
}

/* The library reads and writes instead, or returns the error. */
START_TEST(test_status)
{
	const struct row *row = &rows[_i];
	int64_t ret;

	use("nvme,readwrite");
	fail_always(0x4000 | row->status);
	ret = copy(PART1, 0, PART2, 0, 65536 * 2, 0);
	ck_assert_int_eq(ret, row->outcome == FINAL ? -row->error : 65536 * 2);
	ck_assert_uint_eq(w.n_commands, row->outcome == AGAIN ? 4 : 1);
	ck_assert_uint_eq(copied_by("nvme"), 0);
	/* For the rest of the call, or for good? */
	fail_always(0x2000 | row->status);
	w.n_commands = 0;
	ret = copy(PART1, 0, PART2, 0, 65536, COPYOFF_REQUIRE_OFFLOAD);
	ck_assert_int_eq(ret, -row->error);
	if (row->outcome == DECLINED)
		ck_assert_uint_eq(w.n_commands, 0);
	else
		ck_assert_uint_eq(w.n_commands, row->outcome == AGAIN ? 4 : 1);
	if (row->outcome == PUT_ASIDE || row->outcome == AGAIN)
		ck_assert_ptr_nonnull(strstr(ctx.message, offer()->text));
}
END_TEST

/* All others, among them those of vendors. */
START_TEST(test_unknown_status)
{
	unsigned unknown = 0;

	for (int status = 0; status < 0x800; status++) {
		const struct copyoff_nvme_verdict *v = copyoff_nvme_verdict_of(status);
		bool listed = false;

		for (size_t i = 0; i < COUNT(rows); i++)
			listed |= rows[i].status == status;
		ck_assert_ptr_eq(v, copyoff_nvme_verdict_of(status | 0x7800));
		ck_assert_str_ne(v->text, "");
		if (listed)
			continue;
		unknown++;
		ck_assert_int_eq(v->action, COPYOFF_NVME_DECLINE);
		ck_assert_int_eq(v->reason, COPYOFF_REASON_RESOURCE);
		ck_assert_int_eq(v->error, EIO);
	}
	ck_assert_uint_eq(unknown, 0x800 - COUNT(rows));
}
END_TEST

/* A path comes back. */
START_TEST(test_retry)
{
	for (int i = 0; i < 3; i++)
		script((struct step){ 0x370, 0, false, 0 });
	use("nvme");
	ck_assert_int_eq(copy(PART1, 0, PART2, 0, 65536, 0), 65536);
	ck_assert_uint_eq(w.n_commands, 4);
}
END_TEST

static struct copyoff_range five[5];

static int64_t copy_five(unsigned flags)
{
	int64_t ret;

	for (int i = 0; i < 5; i++)
		five[i] = (struct copyoff_range){ (4 - i) * 8192, i * 4096, 4096 };
	ret = copyv(PART1, PART2, five, 5, flags);
	check_bytes(PART1, PART2, five, 5, ret > 0 ? (uint64_t)ret : 0);
	return ret;
}

/* The ranges before the one that failed count. */
START_TEST(test_partly)
{
	const int done = _i;

	script((struct step){ 0x280, (unsigned)done, false, 0 });
	script((struct step){ 0x280, 0, false, 0 });
	use("nvme,readwrite");
	ck_assert_int_eq(copy_five(0), 5 * 4096);
	ck_assert_int_eq((int64_t)copied_by("nvme"), done * 4096);
	ck_assert_int_eq((int64_t)copied_by("readwrite"), (5 - done) * 4096);
	w.step = 0;
	w.n_commands = 0;
	ck_assert_int_eq(copy_five(COPYOFF_REQUIRE_OFFLOAD), done ? done * 4096 : -EIO);
	ck_assert_int_eq(ctx.result.error, EIO);
	ck_assert_ptr_nonnull(strstr(ctx.message, "nvme: write fault, EIO"));
	ck_assert_uint_eq(w.n_commands, done ? 2 : 1);
}
END_TEST

/* A long range counts by what was copied of it. */
START_TEST(test_part_of_a_range)
{
	set_limits(8, 1024, 127);
	script((struct step){ 0x281, 3, false, 0 });
	script((struct step){ 0x281, 0, false, 0 });
	use("nvme");
	ck_assert_int_eq(copy(PART1, 0, PART2, 0, 65536, 0), 3 * 4096);
}
END_TEST

/* Numbers that cannot be true, or are not the device's. */
static const struct step lies[] = {
	{ 0x280, 0, true, 5 },
	{ 0x280, 0, true, 6 },
	{ 0x280, 0, true, UINT32_MAX },
	/* Left from another command. */
	{ 0x371, 0, true, 3 },
	{ 0x370, 0, true, 3 },
	/* Errors have no completion at all. */
	{ -EINTR, 2, true, 3 },
	{ -EIO, 2, true, 3 },
	{ -ENODEV, 2, true, 3 },
};

START_TEST(test_lies)
{
	fail_always(lies[_i].ret);
	for (size_t i = 0; i < w.n_steps; i++)
		w.steps[i] = lies[_i];
	use("nvme,readwrite");
	ck_assert_int_eq(copy_five(0), 5 * 4096);
	ck_assert_uint_eq(copied_by("nvme"), 0);
	ck_assert_uint_eq(copied_by("readwrite"), 5 * 4096);
}
END_TEST

/* Not a signal: the same command is not sent again, and a loop on EINTR ends. */
static const struct lost {
	int ret, error;
	enum copyoff_reason reason;
} losts[] = {
	{ -EINTR, EIO, COPYOFF_REASON_RESOURCE },
	{ -EAGAIN, EIO, COPYOFF_REASON_RESOURCE },
	{ -EIO, EIO, COPYOFF_REASON_RESOURCE },
	{ -ENODEV, ENODEV, COPYOFF_REASON_RESOURCE },
	{ -ENXIO, ENXIO, COPYOFF_REASON_RESOURCE },
	{ -ENOMEM, ENOMEM, COPYOFF_REASON_RESOURCE },
	{ -EINVAL, EINVAL, COPYOFF_REASON_RESOURCE },
	{ -EACCES, EACCES, COPYOFF_REASON_PERMISSION },
	{ -EPERM, EPERM, COPYOFF_REASON_PERMISSION },
	{ -ENOSYS, ENOSYS, COPYOFF_REASON_UNSUPPORTED },
};

START_TEST(test_lost)
{
	const struct lost *lost = &losts[_i];
	bool passing = lost->reason == COPYOFF_REASON_RESOURCE;

	script((struct step){ lost->ret, 3, false, 0 });
	use("nvme,readwrite");
	ck_assert_int_eq(copy_five(0), 5 * 4096);
	ck_assert_uint_eq(w.n_commands, 1);
	ck_assert_uint_eq(copied_by("nvme"), 0);
	ck_assert_int_eq(offer()->reason, lost->reason);
	ck_assert_int_eq(offer()->error, lost->error);
	/* All of it may have changed. */
	ck_assert(has_data_of(&w.dropped, nodes[2].base, nodes[2].base + 5 * 4096));
	fail_always(lost->ret);
	ck_assert_int_eq(copy_five(COPYOFF_REQUIRE_OFFLOAD), passing ? -lost->error : -EOPNOTSUPP);
}
END_TEST

/* --- limits that change ----------------------------------------------------------------------- */

static void limits_become(unsigned after, uint16_t mssrl, uint32_t mcl, uint8_t msrc)
{
	w.limits_after = after;
	w.mssrl_then = mssrl;
	w.mcl_then = mcl;
	w.msrc_then = msrc;
}

START_TEST(test_narrower)
{
	static const struct {
		uint16_t mssrl;
		uint32_t mcl;
		uint8_t msrc;
	} then[] = { { 3, 1024, 127 }, { 128, 9, 127 }, { 128, 1024, 0 }, { 3, 7, 1 } };

	limits_become(2, then[_i].mssrl, then[_i].mcl, then[_i].msrc);
	use("nvme");
	ck_assert_int_eq(copy(PART1, 0, PART2, 0, 2 << 20, 0), 2 << 20);
	ck_assert_int_eq(w.commands[1].ret, 0x4183);
	for (unsigned i = 0; i < w.n_commands; i++)
		ck_assert(i == 1 || w.commands[i].ret == 0);
	ck_assert_uint_eq(w.identifies, 3);
}
END_TEST

/* Copy was switched off, or the device refuses what it said it takes. */
START_TEST(test_no_limits)
{
	if (_i == 0)
		limits_become(2, 0, 0, 0);
	else
		script((struct step){ 0x183, 0, false, 0 });
	use("nvme,readwrite");
	ck_assert_int_eq(copy(PART1, 0, PART2, 0, 2 << 20, 0), 2 << 20);
	ck_assert_uint_eq(w.n_commands, _i == 0 ? 2 : 1);
	ck_assert_int_eq(offer()->reason, COPYOFF_REASON_UNSUPPORTED);
}
END_TEST

/* There are other limits each time, and these are not kept either. */
START_TEST(test_asked_once)
{
	fail_always(0x183);
	w.restless = true;
	use("nvme,readwrite");
	ck_assert_int_eq(copy(PART1, 0, PART2, 0, 65536, 0), 65536);
	ck_assert_uint_eq(w.n_commands, 2);
	ck_assert_uint_eq(w.identifies, 3);
}
END_TEST

/* --- what becomes of the device in the meantime -------------------------------------------------- */

START_TEST(test_other_medium)
{
	use("nvme,readwrite");
	ck_assert_int_eq(copy(PART1, 0, PART2, 0, 65536, 0), 65536);
	ck_assert_uint_eq(w.identifies, 2);
	/* Another one, with protection: found out, though the pair is known. */
	w.sequence = 0;
	w.namespace[29] = 1;
	ck_assert_int_eq(copy(PART1, 0, PART2, 0, 65536, 0), 65536);
	ck_assert_uint_eq(w.n_commands, 1);
	expect_text("protection");
}
END_TEST

/* Kernels without sequence numbers: it is asked about each time. */
START_TEST(test_no_sequence)
{
	w.sequence = 0;
	use("nvme");
	ck_assert_int_eq(copy(PART1, 0, PART2, 0, 1 << 20, 0), 1 << 20);
	ck_assert_uint_eq(w.n_commands, 2);
	ck_assert_uint_eq(w.identifies, 2 + 2 * 2);
	set_blocks(12, 0);
	ck_assert_int_eq(copy(PART1, 0, PART2, 0, 65536, 0), -EOPNOTSUPP);
	expect_text("formatted anew");
	ck_assert_uint_eq(w.n_commands, 2);
}
END_TEST

START_TEST(test_formatted)
{
	use("nvme");
	ck_assert_int_eq(copy(PART1, 0, PART2, 0, 65536, 0), 65536);
	set_blocks(12, 0);
	ck_assert_int_eq(copy(PART1, 512, PART2, 512, 65536, 0), -EOPNOTSUPP);
	expect_text("formatted anew");
	ck_assert_uint_eq(w.n_commands, 1);
}
END_TEST

/* Nobody knows where the bytes went. */
START_TEST(test_changed_under_way)
{
	w.sequence_changes = 2;
	use("nvme,readwrite");
	ck_assert_int_eq(copy(PART1, 0, PART2, 0, 2 << 20, 0), 1024 * 512);
	ck_assert_int_eq(ctx.result.error, EIO);
	ck_assert_uint_eq(copied_by("readwrite"), 0);
}
END_TEST

/* What lies behind the partition now is not its own. */
START_TEST(test_smaller)
{
	use("nvme");
	w.smaller = 4096;
	ck_assert_int_eq(copy(PART1, 0, PART2, 40960 * 512 - 8192, 8192, 0), -EOPNOTSUPP);
	expect_text("smaller");
	ck_assert_int_eq(copy(PART2, 40960 * 512 - 8192, PART1, 0, 8192, 0), -EOPNOTSUPP);
	ck_assert_uint_eq(w.n_commands, 0);
}
END_TEST

START_TEST(test_mounted_later)
{
	use("nvme,readwrite");
	ck_assert_int_eq(copy(PART1, 0, PART2, 0, 65536, 0), 65536);
	w.claim = -EBUSY;
	ck_assert_int_eq(copy(PART1, 0, PART2, 0, 65536, 0), 65536);
	ck_assert_uint_eq(w.n_commands, 1);
	ck_assert_int_eq(offer()->reason, COPYOFF_REASON_RESOURCE);
}
END_TEST

/* --- old kernels --------------------------------------------------------------------------------- */

START_TEST(test_old_ioctl)
{
	reach = 0;
	w.ioctl64 = -ENOTTY;
	use("nvme,readwrite");
	ck_assert_int_eq(copy(DISK, 0, DISK, 1 << 20, 1 << 20, 0), 1 << 20);
	ck_assert_uint_eq(w.n_commands, 2);
	ck_assert(w.commands[0].old_ioctl && w.commands[1].old_ioctl);
	/* Never on a partition. */
	ck_assert_int_eq(copy(PART1, 0, PART2, 0, 1 << 20, 0), 1 << 20);
	ck_assert_uint_eq(w.n_commands, 2);
}
END_TEST

/* --- page cache ------------------------------------------------------------------------------------ */

START_TEST(test_caches)
{
	const uint64_t src = nodes[1].base + 4096 * 3, dst = nodes[2].base + 4096 * 5;

	use("nvme");
	ck_assert_int_eq(copy(PART1, 4096 * 3, PART2, 4096 * 5, 65536, 0), 65536);
	ck_assert(has_data_of(&w.flushed_in, src, src + 65536));
	ck_assert(has_data_of(&w.flushed_out, dst, dst + 65536));
	ck_assert(has_data_of(&w.dropped, dst, dst + 65536));
}
END_TEST

/* Old pages stay: they are overwritten in place. */
START_TEST(test_stale)
{
	w.cached = true;
	use("nvme,readwrite");
	ck_assert_int_eq(copy(PART1, 0, PART2, 0, 65536, 0), 65536);
	ck_assert_uint_eq(copied_by("nvme"), 65536);
	ck_assert_uint_gt(w.writes, 0);
}
END_TEST

/* That fails: copying through the cache makes it right. */
START_TEST(test_stale_for_good)
{
	w.cached = true;
	w.read_error = -ENOMEM;
	use("nvme,readwrite");
	ck_assert_int_eq(copy(PART1, 0, PART2, 0, 65536, 0), 65536);
	ck_assert_uint_eq(copied_by("nvme"), 0);
	ck_assert_uint_eq(copied_by("readwrite"), 65536);
}
END_TEST

/* --- random ---------------------------------------------------------------------------------------- */

enum { ROUNDS = 500, RANGES_MOST = 40 };

static size_t random_ranges(uint64_t *state, struct copyoff_range *v)
{
	size_t n = 1 + (size_t)random_below(state, RANGES_MOST);
	uint64_t dst = random_below(state, 100) * BLOCK;

	for (size_t i = 0; i < n; i++) {
		uint64_t unit = random_below(state, 8) ? BLOCK : 1;

		v[i].len = random_below(state, 200 * BLOCK) / unit * unit;
		v[i].src = (int64_t)(random_below(state, 1000) * BLOCK);
		v[i].dst = (int64_t)dst;
		dst += v[i].len + (random_below(state, 4) ? 0 : random_below(state, 4) * BLOCK);
	}
	return n;
}

static void random_faults(uint64_t *state)
{
	w.n_steps = w.step = 0;
	while (w.n_steps < 20) {
		struct step step = { 0, 0, false, 0 };

		if (random_below(state, 3) == 0) {
			step.ret = random_below(state, 3)
					   ? rows[random_below(state, COUNT(rows))].status
					   : losts[random_below(state, 7)].ret;
			step.ranges = (unsigned)random_below(state, 5);
		}
		script(step);
	}
}

/* Whatever the device does, what is counted is copied, and nothing else is touched. */
START_TEST(test_random)
{
	struct copyoff_range v[RANGES_MOST];
	uint64_t state = random_seed((uint64_t)getpid());

	reach = 8 << 20;
	for (int round = 0; round < ROUNDS; round++) {
		uint64_t total = 0;
		size_t n = random_ranges(&state, v);
		int64_t ret;

		copyoff_ctx_fini(&ctx);
		copyoff_ctx_init(&ctx);
		use(random_below(&state, 2) ? "nvme,readwrite" : "nvme");
		set_limits((uint16_t)(1 + random_below(&state, 60)),
			   (uint32_t)(1 + random_below(&state, 300)),
			   (uint8_t)random_below(&state, 10));
		random_faults(&state);
		w.n_commands = 0;
		for (size_t i = 0; i < n; i++)
			total += v[i].len;
		ret = copyv(PART1, PART2, v, n, 0);
		ck_assert(ret <= (int64_t)total);
		ck_assert(ret == (int64_t)total || ctx.result.error);
		check_bytes(PART1, PART2, v, n, ret > 0 ? (uint64_t)ret : 0);
	}
}
END_TEST

/* Each call of the seam fails, once, or from there on. */
START_TEST(test_each_call_fails)
{
	static const struct {
		int err;
		bool on;
	} kinds[] = { { EIO, false }, { EACCES, false }, { EINTR, false }, { ENOMEM, false },
		      { EIO, true },  { ENOTTY, true },  { ENOSYS, true } };
	struct copyoff_range v[] = { { 8192, 512, 4096 + 512 }, { 65536, 5120, 66048 } };
	const int64_t total = 4096 + 512 + 66048;
	unsigned n = 0;

	reach = 1 << 20;
	w.fail_with = kinds[_i].err;
	w.fail_on = kinds[_i].on;
	w.sequence = _i % 2 ? 0 : 3;
	do {
		int64_t ret;

		copyoff_ctx_fini(&ctx);
		copyoff_ctx_init(&ctx);
		use(n % 2 ? "nvme,readwrite" : "nvme");
		w.n_commands = w.calls = 0;
		w.failed = false;
		w.fail_at = ++n;
		ret = copyv(PART1, PART2, v, COUNT(v), 0);
		w.fail_at = 0;
		check_bytes(PART1, PART2, v, COUNT(v), ret > 0 ? (uint64_t)ret : 0);
		ck_assert(ret == total || ctx.result.error);
		ck_assert_int_eq(w.open, 0);
		/* And then it works again. */
		ret = copyv(PART1, PART2, v, COUNT(v), 0);
		check_bytes(PART1, PART2, v, COUNT(v), ret > 0 ? (uint64_t)ret : 0);
		if (n % 2 == 0)
			ck_assert_int_eq(ret, total);
	} while (w.failed || n % 2);
	ck_assert_uint_gt(n, 40);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("nvme");
	TCase *tc = tcase_create("nvme");

	tcase_set_timeout(tc, 120);
	fill();
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_range_bytes);
	tcase_add_test(tc, test_copy_dwords);
	tcase_add_test(tc, test_identify);
	tcase_add_test(tc, test_limits);
	tcase_add_test(tc, test_largest_limits);
	tcase_add_loop_test(tc, test_refusal, 0, COUNT(refusals));
	tcase_add_test(tc, test_no_raw);
	tcase_add_test(tc, test_other_disk);
	tcase_add_test(tc, test_multipath);
	tcase_add_test(tc, test_files);
	tcase_add_test(tc, test_partitions);
	tcase_add_test(tc, test_blocks_of_4096);
	tcase_add_loop_test(tc, test_metadata, 0, 3);
	tcase_add_test(tc, test_metadata_of_old_controllers);
	tcase_add_loop_test(tc, test_scattered, 0, 4);
	tcase_add_test(tc, test_long_range);
	tcase_add_test(tc, test_gap);
	tcase_add_test(tc, test_odd_limits);
	tcase_add_loop_test(tc, test_status, 0, COUNT(rows));
	tcase_add_test(tc, test_unknown_status);
	tcase_add_test(tc, test_retry);
	tcase_add_loop_test(tc, test_partly, 0, 5);
	tcase_add_test(tc, test_part_of_a_range);
	tcase_add_loop_test(tc, test_lies, 0, COUNT(lies));
	tcase_add_loop_test(tc, test_lost, 0, COUNT(losts));
	tcase_add_loop_test(tc, test_narrower, 0, 4);
	tcase_add_loop_test(tc, test_no_limits, 0, 2);
	tcase_add_test(tc, test_asked_once);
	tcase_add_test(tc, test_other_medium);
	tcase_add_test(tc, test_no_sequence);
	tcase_add_test(tc, test_formatted);
	tcase_add_test(tc, test_changed_under_way);
	tcase_add_test(tc, test_smaller);
	tcase_add_test(tc, test_mounted_later);
	tcase_add_test(tc, test_old_ioctl);
	tcase_add_test(tc, test_caches);
	tcase_add_test(tc, test_stale);
	tcase_add_test(tc, test_stale_for_good);
	tcase_add_test(tc, test_random);
	tcase_add_loop_test(tc, test_each_call_fails, 0, 7);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
