/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * nvme_world.c - see nvme_world.h
 */
#define _GNU_SOURCE
#include "nvme_world.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const struct node nodes[NODES - DISK] = {
	{ DEV(259, 2), 0, DISK_BYTES },
	{ DEV(259, 3), 2048 * 512, 47104 * 512 },
	{ DEV(259, 4), 49152 * 512, 40960 * 512 },
	{ DEV(259, 99), DISK_BYTES, OTHER_BYTES },
};

unsigned char content[DISK_BYTES + OTHER_BYTES];
static unsigned char before[DISK_BYTES + OTHER_BYTES]; /* the copy began */
static uint64_t tags[(DISK_BYTES + OTHER_BYTES) / BLOCK]; /* reference tags, by block */

struct world w;

/* --- little-endian, by the specification ------------------------------------------- */

static uint64_t le(const unsigned char *p, unsigned n)
{
	return n == 0 ? 0 : (uint64_t)p[0] | le(p + 1, n - 1) << 8;
}

void set_le(unsigned char *p, unsigned n, uint64_t value)
{
	for (unsigned i = 0; i < n; i++, value >>= 8)
		p[i] = value & 0xff;
}

void set_limits(uint16_t mssrl, uint32_t mcl, uint8_t msrc)
{
	set_le(w.namespace + 74, 2, mssrl);
	set_le(w.namespace + 76, 4, mcl);
	w.namespace[80] = msrc;
}

void set_blocks(unsigned shift, unsigned metadata)
{
	w.shift = shift;
	set_le(w.namespace, 8, (uint64_t)DISK_BYTES >> shift);
	set_le(w.namespace + 128 + 4 * 3, 4, (uint64_t)shift << 16 | metadata);
}

/* Where the blocks of the namespace begin in the memory. */
static uint64_t first_block(uint32_t nsid)
{
	ck_assert(nsid == 1 || nsid == 2);
	return nsid == 1 ? 0 : (uint64_t)DISK_BYTES >> w.shift;
}

static uint64_t right_tag(uint64_t block)
{
	uint64_t second = first_block(2);

	return block < second ? block : block - second;
}

void set_protection(unsigned type, unsigned guard, unsigned storage_bits)
{
	set_blocks(w.shift, guard ? 16 : 8);
	w.namespace[29] = (unsigned char)type;
	set_le(w.nvm + 12 + 4 * 3, 4, guard << 7 | storage_bits);
	for (uint64_t i = 0; i < COUNT(tags); i++)
		tags[i] = right_tag(i);
}

void set_second(void)
{
	memcpy(w.namespace2, w.namespace, sizeof(w.namespace2));
	memcpy(w.nvm2, w.nvm, sizeof(w.nvm2));
	set_le(w.namespace2, 8, (uint64_t)OTHER_BYTES >> w.shift);
	set_le(w.controller + 534, 2, 0x000f);
	set_le(w.behavior + 4, 2, 0x000c);
}

static unsigned protection(void)
{
	return w.namespace[29] & 7;
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

	ck_assert_msg(fd >= DISK && fd < GENERIC + NODES - DISK && i < NODES - DISK,
		      "no such descriptor: %d", fd);
	return &nodes[i];
}

static unsigned descriptor_size(unsigned format)
{
	return format == 1 || format == 3 ? 40 : 32;
}

/* Of blocks of type 1 and 2, which can be read only with those. */
static bool tags_are_right(uint64_t start, uint64_t len)
{
	bool right = true;

	for (uint64_t i = start >> w.shift; i < (start + len) >> w.shift; i++)
		right &= protection() == 0 || protection() == 3 || tags[i] == right_tag(i);
	return right;
}

/* Made by the controller, if it acts, or as they were. */
static void copy_tags(const struct copyoff_nvme_command *c, uint64_t slba, uint64_t dlba,
		      uint64_t n)
{
	const uint64_t sdlba = first_block(c->nsid) + ((uint64_t)c->cdw[1] << 32 | c->cdw[0]);
	const bool pract = c->cdw[2] >> 29 & 1;

	for (uint64_t i = 0; i < n; i++)
		tags[dlba + i] = pract ? c->cdw[4] + (dlba - sdlba) + i : tags[slba + i];
}

/* The addresses in the memory. */
static void copy_range(uint64_t slba, uint64_t *dlba, uint64_t n, bool spoil)
{
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
	uint64_t nsze = le(c->nsid == 1 ? w.namespace : w.namespace2, 8);
	uint64_t source_nsze = nsze;
	bool beyond = false, too_long = false;

	log->n = (c->cdw[2] & 0xff) + 1;
	log->sdlba = (uint64_t)c->cdw[1] << 32 | c->cdw[0];
	ck_assert_uint_eq(c->len, log->n * size);
	ck_assert_uint_eq((uintptr_t)d % 4, 0);
	/* No streams, lifetime or limited retry; guards are checked, and made anew. */
	ck_assert_uint_eq(c->cdw[2] & 0xfffff000, protection() ? 0x2000c000 : 0);
	ck_assert_uint_eq(c->cdw3 | c->cdw[3] | c->cdw[5], 0);
	ck_assert(protection() == 1 || protection() == 2 || c->cdw[4] == 0);
	for (unsigned i = 0; i < log->n; i++, d += size) {
		uint64_t slba = le(d + 8, 8), n = le(d + 16, 2) + 1;

		for (unsigned j = 0; j < size; j++)
			ck_assert((j >= 8 && j < 18) || (format >= 2 && j < 4) || d[j] == 0);
		ck_assert(format < 2 || le(d, 4) == 3 - c->nsid);
		if (format >= 2)
			source_nsze = le(le(d, 4) == 1 ? w.namespace : w.namespace2, 8);
		beyond |= slba >= source_nsze || n > source_nsze - slba;
		too_long |= n > le(w.namespace + 74, 2);
		log->blocks += n;
	}
	if ((format % 2 == 0) != (guard == 0))
		return 0x410a;
	if (format >= 2 && !(le(w.behavior + 4, 2) >> format & 1))
		return 0x4002;
	if (log->n > w.namespace[80] + 1u || too_long || log->blocks > le(w.namespace + 76, 4))
		return 0x4183;
	return beyond || log->sdlba + log->blocks > nsze ? 0x4080 : 0;
}

/* The block that cannot be read is in one of the ranges: those before are copied. */
static bool is_bad(const struct copyoff_nvme_command *c, struct step *step)
{
	const unsigned char *d = c->data;
	unsigned format = c->cdw[2] >> 8 & 0xf, n = (c->cdw[2] & 0xff) + 1;

	for (unsigned i = 0; w.bad && i < n; i++, d += descriptor_size(format)) {
		if (w.bad_block - le(d + 8, 8) <= le(d + 16, 2)) {
			*step = (struct step){ 0x281, i, false, 0 };
			return true;
		}
	}
	return false;
}

static int carry_out(const struct copyoff_nvme_command *c, const struct step *step, unsigned n)
{
	const unsigned char *d = c->data;
	unsigned format = c->cdw[2] >> 8 & 0xf, size = descriptor_size(format);
	uint64_t dlba = first_block(c->nsid) + ((uint64_t)c->cdw[1] << 32 | c->cdw[0]);

	for (unsigned i = 0; i < n; i++, d += size) {
		uint32_t snsid = format >= 2 ? (uint32_t)le(d, 4) : c->nsid;
		uint64_t slba = first_block(snsid) + le(d + 8, 8), blocks = le(d + 16, 2) + 1;

		copy_tags(c, slba, dlba, blocks);
		copy_range(slba, &dlba, blocks, step->ret && i >= step->ranges);
	}
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
	if (w.failing && log->sdlba == w.failing)
		step.ret = w.fails;
	else if (!is_bad(c, &step) && w.step < w.n_steps)
		step = w.steps[w.step++];
	log->ret = carry_out(c, &step, log->n);
	c->result = (uint64_t)0xabcdef01 << 32 | (step.lies ? step.dword0 : step.ranges);
	return log->ret;
}

static int identify_command(struct copyoff_nvme_command *c)
{
	unsigned cns = c->cdw[0];
	const bool second = c->nsid == 2;
	const unsigned char *answers[] = { [0] = second ? w.namespace2 : w.namespace,
					   [1] = w.controller,
					   [5] = second ? w.nvm2 : w.nvm };

	w.identifies++;
	ck_assert_uint_eq(c->opcode, 6);
	ck_assert_uint_eq(c->len, 4096);
	ck_assert(cns == 0 || cns == 1 || cns == 5);
	ck_assert(cns == 1 ? c->nsid == 0 : c->nsid == 1 || second);
	ck_assert_uint_eq(c->cdw[1] | c->cdw[2] | c->cdw[3] | c->cdw[4] | c->cdw[5], 0);
	if (w.identify_ret[cns] == 0)
		memcpy(c->data, answers[cns], 4096);
	return w.identify_ret[cns];
}

static int get_behavior(struct copyoff_nvme_command *c)
{
	ck_assert_uint_eq(c->opcode, 0x0a);
	ck_assert_uint_eq(c->len, 512);
	/* The current value, not the default or the saved one. */
	ck_assert_uint_eq(c->cdw[0], 0x16);
	ck_assert_uint_eq(c->nsid | c->cdw[1] | c->cdw[2] | c->cdw[3] | c->cdw[4] | c->cdw[5], 0);
	memcpy(c->data, w.behavior, 512);
	return w.behavior_ret;
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
int __wrap_copyoff_sys_open_generic(uint64_t rdev);
int __wrap_copyoff_sys_nvme_ring_open(unsigned depth, struct copyoff_nvme_ring **ring);
void __wrap_copyoff_sys_nvme_ring_close(struct copyoff_nvme_ring *ring);
int __wrap_copyoff_sys_nvme_ring_send(struct copyoff_nvme_ring *ring, int fd, unsigned tag,
				      const struct copyoff_nvme_command *command);
int __wrap_copyoff_sys_nvme_ring_wait(struct copyoff_nvme_ring *ring, unsigned *tag,
				      uint64_t *result);
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
	return node_of(fd) == &nodes[OTHER - DISK] ? 2 : w.id;
}

int __wrap_copyoff_sys_nvme_command(int fd, enum copyoff_nvme_queue queue,
				    struct copyoff_nvme_command *command)
{
	int ret = fault();

	if (ret < 0)
		return ret;
	(void)node_of(fd);
	if (queue == COPYOFF_NVME_ADMIN && command->opcode == 0x0a)
		return get_behavior(command);
	if (queue == COPYOFF_NVME_ADMIN)
		return identify_command(command);
	/* The kernel wants it so. */
	ck_assert_uint_eq(command->nsid, fd == OTHER ? 2 : 1);
	ck_assert_uint_eq(command->opcode, 0x19);
	if (queue == COPYOFF_NVME_IO && w.ioctl64)
		return w.ioctl64;
	/* Later kernels let anybody leave a partition by it. */
	ck_assert(queue == COPYOFF_NVME_IO || fd == DISK || fd == OTHER);
	return copy_command(command, queue == COPYOFF_NVME_IO_OLD);
}

/* The number of the node, in the place of the minor one. */
int __wrap_copyoff_sys_open_generic(uint64_t rdev)
{
	int ret = fault();

	if (ret < 0)
		return ret;
	ret = w.open_generic;
	w.open_generic = 0;
	if (ret < 0)
		return ret;
	ck_assert(rdev == DEV(240, 0) || rdev == DEV(240, OTHER - DISK));
	w.open++;
	return GENERIC + (int)(rdev & UINT32_MAX);
}

/* Commands that were sent, and did not come back yet. */
struct copyoff_nvme_ring {
	unsigned depth, n;
	bool broken; /* nothing may be sent any more */
	struct {
		unsigned tag;
		struct copyoff_nvme_command command;
	} flying[64];
};

int __wrap_copyoff_sys_nvme_ring_open(unsigned depth, struct copyoff_nvme_ring **ring)
{
	int ret = fault();

	if (ret < 0 || w.ring_open)
		return ret < 0 ? ret : w.ring_open;
	ck_assert(depth > 1 && depth <= 64);
	*ring = calloc(1, sizeof(**ring));
	(*ring)->depth = depth;
	w.rings++;
	return 0;
}

void __wrap_copyoff_sys_nvme_ring_close(struct copyoff_nvme_ring *ring)
{
	ck_assert_uint_eq(ring->n, 0);
	w.rings--;
	free(ring);
}

int __wrap_copyoff_sys_nvme_ring_send(struct copyoff_nvme_ring *ring, int fd, unsigned tag,
				      const struct copyoff_nvme_command *command)
{
	int ret = fault();

	ck_assert(!ring->broken);
	ring->broken = ret < 0;
	if (ret < 0)
		return ret;
	ck_assert_int_ge(fd, GENERIC);
	ck_assert_uint_eq(command->nsid, node_of(fd) == &nodes[OTHER - DISK] ? 2 : 1);
	ck_assert_uint_eq(command->opcode, 0x19);
	ck_assert(ring->n < ring->depth && tag < ring->depth);
	for (unsigned i = 0; i < ring->n; i++) {
		ck_assert_uint_ne(ring->flying[i].tag, tag);
		ck_assert_ptr_ne(ring->flying[i].command.data, command->data);
	}
	ring->flying[ring->n].tag = tag;
	ring->flying[ring->n].command = *command;
	w.flying = ++ring->n;
	if (w.flying > w.most_flying)
		w.most_flying = w.flying;
	return 0;
}

/* In any order. */
int __wrap_copyoff_sys_nvme_ring_wait(struct copyoff_nvme_ring *ring, unsigned *tag,
				      uint64_t *result)
{
	int ret = fault();
	unsigned i;

	ck_assert_uint_gt(ring->n, 0);
	w.flight = w.flight * 6364136223846793005u + 1442695040888963407u; /* Knuth, MMIX */
	i = (unsigned)(w.flight >> 33) % ring->n;
	*tag = ring->flying[i].tag;
	*result = 77; /* not to be looked at */
	if (ret == 0)
		ret = w.refuse_flight;
	if (ret == 0) {
		ret = copy_command(&ring->flying[i].command, false);
		*result = ring->flying[i].command.result;
		w.commands[w.n_commands - 1].flew = true;
	}
	ring->flying[i] = ring->flying[--ring->n];
	w.flying = ring->n;
	return ret;
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
	/* It is read once more behind each open(), which may have found another one. */
	if (strstr(path, "device/ng0n1/dev"))
		return snprintf(buf, size, "240:%d", w.generic_moves && w.generic_read++ % 2);
	if (strstr(path, "device/ng0n2/dev"))
		return snprintf(buf, size, "240:%d", OTHER - DISK);
	if (strstr(path, "device/ng"))
		return -ENOENT;
	if (strstr(path, "259:99/nsid"))
		return snprintf(buf, size, "2");
	if (strstr(path, "259:99/device/dev"))
		return snprintf(buf, size, w.foreign ? "241:1" : "241:0");
	if (strstr(path, "device/dev") && !strcmp(w.fixture, "nvme"))
		return snprintf(buf, size, "241:0");
	if (strstr(path, "259:99/queue/zoned"))
		return snprintf(buf, size, "none");
	if (strstr(path, "259:99/dev"))
		return snprintf(buf, size, "259:99");
	elsewhere(there, path);
	return __real_copyoff_sys_read_sysfs(there, buf, size);
}

/* In the directory of the controller; only one of them is the one that is looked for. */
static const char *const names[] = {
	"nvme0n1",
	"ng",
	"ngx",
	"ng0n2",
	"power",
	"ng0n1",
	"ng-of-a-name-that-is-longer-than-others",
};

int __wrap_copyoff_sys_list_sysfs(const char *path, int (*entry)(void *data, const char *name),
				  void *data)
{
	char there[PATH_MAX];
	int ret = fault();

	if (ret < 0)
		return ret;
	if (w.flight && strstr(path, "/device")) {
		for (size_t i = 0; i < COUNT(names) && ret == 0; i++)
			ret = entry(data, names[i]);
		return ret;
	}
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
	ck_assert(fd < GENERIC || w.flying == 0);
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

bool has_data_of(const struct copyoff_span *s, uint64_t start, uint64_t end)
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
	if (!tags_are_right(node->base + (uint64_t)off, len))
		return -EILSEQ;
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
	for (uint64_t i = (node->base + (uint64_t)off) >> w.shift, n = len >> w.shift; n > 0;
	     n--, i++)
		tags[i] = right_tag(i);
	return (ssize_t)len;
}

/* --- a copy ------------------------------------------------------------------------------ */

struct copyoff_ctx ctx;

size_t reach;

/* Once: each test has a copy of it, being a process of its own. */
void fill(void)
{
	uint64_t state = 88172645463325252u;

	for (size_t i = 0; i < sizeof(content); i += 8) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		memcpy(content + i, &state, 8);
	}
}

void setup(void)
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

void teardown(void)
{
	copyoff_ctx_fini(&ctx);
	ck_assert_int_eq(w.open, 0);
	ck_assert_int_eq(w.rings, 0);
}

/* Only these backends. */
void use(const char *list)
{
	const char *bad;
	size_t len;

	ck_assert_int_eq(copyoff_filter_parse(list, &ctx.filter, &ctx.named, &bad, &len), 0);
}

struct copyoff_end end_of(int fd)
{
	const struct node *node = node_of(fd);

	return (struct copyoff_end){
		.fd = fd,
		.kind = COPYOFF_KIND_BLOCK,
		.rdev = node->rdev,
		.place = { .dev = fd == OTHER ? node->rdev : nodes[0].rdev,
			   .base = fd == OTHER ? 0 : node->base },
		.size = node->size,
		.size_known = true,
		.io_align = 1,
	};
}

size_t index_of(const char *name)
{
	return copyoff_registry_find(name, strlen(name));
}

enum { IN_FRONT = 65536 };

static void remember(void)
{
	if (!reach)
		memcpy(before, content, sizeof(before));
	for (int i = PART1 - DISK; reach && i <= PART2 - DISK; i++)
		memcpy(before + nodes[i].base - IN_FRONT, content + nodes[i].base - IN_FRONT,
		       reach + IN_FRONT);
}

static bool as_remembered(void)
{
	bool same = reach || memcmp(before, content, sizeof(before)) == 0;

	for (int i = PART1 - DISK; reach && i <= PART2 - DISK; i++)
		same &= memcmp(before + nodes[i].base - IN_FRONT,
			       content + nodes[i].base - IN_FRONT, reach + IN_FRONT) == 0;
	return same;
}

int64_t copyv(int in, int out, const struct copyoff_range *v, size_t n, unsigned flags)
{
	struct copyoff_end from = end_of(in), to = end_of(out);

	remember();
	copyoff_ctx_begin(&ctx);
	return copyoff_engine_run(&ctx, &from, &to, v, n, flags, 0);
}

/* @done bytes are copied, and no byte is changed outside of the ranges. */
void check_bytes(int in, int out, const struct copyoff_range *v, size_t n, uint64_t done)
{
	const unsigned char *src = before + node_of(in)->base;
	unsigned char *must = before + node_of(out)->base;
	unsigned char *is = content + node_of(out)->base;
	const uint64_t size = node_of(out)->size;

	/* Destinations do not overlap sources: what is copied has not changed. */
	for (size_t i = 0; i < n; i++) {
		uint64_t part = v[i].len < done ? v[i].len : done;

		ck_assert(memcmp(is + v[i].dst, src + v[i].src, (size_t)part) == 0);
		ck_assert(tags_are_right(node_of(out)->base + (uint64_t)v[i].dst, part));
		memcpy(must + v[i].dst, is + v[i].dst,
		       (size_t)copyoff_range_min(v[i].len, size - (uint64_t)v[i].dst));
		done -= part;
	}
	ck_assert(as_remembered());
}

int64_t copy(int in, int64_t src, int out, int64_t dst, uint64_t len, unsigned flags)
{
	struct copyoff_range r = { src, dst, len };
	int64_t ret = copyv(in, out, &r, 1, flags);

	check_bytes(in, out, &r, 1, ret > 0 ? (uint64_t)ret : 0);
	return ret;
}

void script(struct step step)
{
	ck_assert_uint_lt(w.n_steps, STEPS);
	w.steps[w.n_steps++] = step;
}

uint64_t copied_by(const char *name)
{
	return ctx.stats[index_of(name)].bytes;
}

const struct copyoff_offer *offer(void)
{
	return &ctx.routes[0].offers[index_of("nvme")];
}

void expect_text(const char *text)
{
	ck_assert_msg(strstr(offer()->text, text), "\"%s\" is not in \"%s\"", text, offer()->text);
}

const struct copyoff_offer *probe(int in, int out)
{
	struct copyoff_end from = end_of(in), to = end_of(out);

	use("nvme");
	copyoff_route_offer(&ctx, copyoff_ctx_route(&ctx, &from, &to), index_of("nvme"), 0);
	return offer();
}
