/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * scsi_world.c - see scsi_world.h
 */
#define _GNU_SOURCE
#include "scsi_world.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#define DEV(major, minor) ((uint64_t)(major) << 32 | (minor))

enum { REOPENED = 1000, CLAIMED = 2000, GENERIC = 3000 /* is added to the one it is of */ };

static const struct node {
	uint64_t rdev, disk;
	unsigned lun;
	uint64_t base, size; /* on the disk, bytes */
} nodes[] = {
	{ DEV(8, 0), DEV(8, 0), 0, 0, DISK_BYTES },
	{ DEV(8, 1), DEV(8, 0), 0, 32 * 512, 42976 * 512 },
	{ DEV(8, 2), DEV(8, 0), 0, 43008 * 512, 16384 * 512 },
	{ DEV(8, 16), DEV(8, 16), 1, 0, DISK_BYTES },
	{ DEV(8, 17), DEV(8, 16), 1, 32 * 512, 42976 * 512 },
	{ DEV(253, 2), DEV(253, 2), 0, 0, DISK_BYTES },
};

struct world w;
unsigned char content[2][DISK_BYTES];
static unsigned char before[2][DISK_BYTES]; /* the copy began */
struct copyoff_ctx ctx;

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

	MUST(fd >= A && fd < CLAIMED + NODES_END && i < NODES_END - A);
	return &nodes[i];
}

static unsigned char *bytes_of(const struct node *node)
{
	return content[node->lun] + node->base;
}

/* --- commands ----------------------------------------------------------------------- */

static void note_token(const struct copyoff_scsi_command *c)
{
	const unsigned char *data = c->data;
	size_t at;

	if (c->cdb[0] != 0x84 || c->cdb[1] != 7 || c->status || c->len < 1024)
		return;
	at = 32u + data[13];
	if (data[at + 2] == 2) {
		memcpy(w.token, data + at + 6, sizeof(w.token));
		w.token_seen = true;
	}
}

int world_ask_target(unsigned lun, struct copyoff_scsi_command *c)
{
	static unsigned char no_data[1];
	struct scsi_request r = {
		.lun = lun,
		.cdb = c->cdb,
		.cdb_len = c->cdb_len,
		.out = c->to_device && c->len ? c->data : no_data,
		.out_len = c->to_device ? c->len : 0,
		.in = !c->to_device && c->len ? c->data : no_data,
		.in_size = c->to_device ? 0 : c->len,
	};

	scsi_target_execute(w.target, &r);
	w.clock += (uint64_t)r.delay_ms * 1000 * 1000;
	c->status = r.status;
	c->sense_len = (uint8_t)r.sense_len;
	memcpy(c->sense, r.sense, r.sense_len);
	c->residue = c->to_device || w.exact ? 0 : c->len - (uint32_t)r.in_len;
	return 0;
}

const unsigned char world_deferred_sense[18] = { 0x71, 0, 0x4, [7] = 10, [12] = 0x44 };

int world_defer(struct copyoff_scsi_command *c)
{
	w.answer = NULL;
	c->status = 0x02;
	c->sense_len = sizeof(world_deferred_sense);
	memcpy(c->sense, world_deferred_sense, sizeof(world_deferred_sense));
	return 0;
}

struct script *world_script(uint8_t opcode, int action)
{
	struct script *s = &w.scripts[w.n_scripts++];

	MUST(w.n_scripts <= SCRIPTS);
	*s = (struct script){ .opcode = opcode, .action = action, .count = 1 };
	return s;
}

static struct script *find_script(const struct copyoff_scsi_command *c)
{
	for (size_t i = 0; i < w.n_scripts; i++) {
		struct script *s = &w.scripts[i];

		if (s->opcode != c->cdb[0] || (s->action >= 0 && s->action != c->cdb[1]))
			continue;
		if (s->skip > 0) {
			s->skip--;
		} else if (s->count > 0) {
			s->count--;
			return s;
		}
	}
	return NULL;
}

/* What holds for all commands, whatever they are. */
static void check_command(int fd, const struct copyoff_scsi_command *c)
{
	static const unsigned char lengths[] = { 6, 10, 10, 0, 16, 12 };

	(void)node_of(fd);
	MUST(fd < A + 1000); /* the caller's, whose mode is known */
	MUST(c->cdb_len == lengths[c->cdb[0] >> 5]);
	MUST(c->len == 0 || c->data);
	MUST(c->len < 128 << 10);
	MUST(c->timeout >= 7000 && c->timeout <= 600 * 1000);
	MUST(c->to_device == (c->cdb[0] == 0x83));
}

static void count_command(const struct copyoff_scsi_command *c)
{
	w.commands++;
	w.inquiries += c->cdb[0] == 0x12;
	if (c->cdb[0] != 0x83)
		return;
	w.copies++;
	if (w.copies == w.sequence_changes)
		w.sequence++;
}

static int command(int fd, struct copyoff_scsi_command *c)
{
	unsigned lun = node_of(fd)->lun;
	const struct script *s = find_script(c);
	int ret = 0;

	if (w.swap_after && w.inquiries > w.swap_after)
		lun = !lun;
	memset(c->sense, 0, sizeof(c->sense));
	if (s && s->ret < 0)
		return s->ret; /* what else there was of an answer remains */
	c->host = c->driver = 0;
	c->status = 0;
	c->sense_len = 0;
	c->residue = 0;
	if (!s || s->executed)
		ret = w.answer ? w.answer(lun, c) : world_ask_target(lun, c);
	if (s) {
		c->host = s->host;
		c->status = 0;
		c->sense_len = 0;
		memset(c->sense, 0, sizeof(c->sense));
	}
	return ret;
}

/* --- commands in flight ---------------------------------------------------------------- */

static struct {
	unsigned n;
	struct {
		int fd;
		unsigned tag;
		struct copyoff_scsi_command *command;
	} flying[COPYOFF_SCSI_DEPTH_MOST];
} air;

static uint64_t random_number(void)
{
	w.flight = w.flight * 6364136223846793005 + 1442695040888963407;
	return w.flight >> 33;
}

/* What is in flight at the same time must be told apart. */
static void check_flying(unsigned tag, const struct copyoff_scsi_command *c)
{
	const unsigned char *list = c->data;

	MUST(c->cdb[0] == 0x83 && c->cdb[1] == 0 && air.n < COPYOFF_SCSI_DEPTH_MOST);
	for (unsigned i = 0; i < air.n; i++) {
		const unsigned char *other = air.flying[i].command->data;

		MUST(air.flying[i].tag != tag && air.flying[i].command != c);
		MUST(other != list && other[0] != list[0]);
	}
}

/* --- the seam -------------------------------------------------------------------------- */

ssize_t __real_copyoff_sys_read_sysfs(const char *path, char *buf, size_t size);
int __real_copyoff_sys_list_sysfs(const char *path, int (*entry)(void *data, const char *name),
				  void *data);
void *__real_copyoff_sys_alloc(size_t size, size_t align);
void *__wrap_copyoff_sys_alloc(size_t size, size_t align);
int __wrap_copyoff_sys_scsi_command(int fd, struct copyoff_scsi_command *c);
int __wrap_copyoff_sys_scsi_send(int fd, unsigned tag, struct copyoff_scsi_command *c);
int __wrap_copyoff_sys_scsi_wait(int fd, unsigned *tag);
int __wrap_copyoff_sys_open_generic(uint64_t rdev);
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
ssize_t __wrap_copyoff_sys_pread(int fd, void *buf, size_t len, int64_t off);
ssize_t __wrap_copyoff_sys_pwrite(int fd, const void *buf, size_t len, int64_t off);
int __wrap_copyoff_sys_punch_hole(int fd, int64_t off, int64_t len);
int __wrap_copyoff_extents_open(struct copyoff_extents *x, int fd);
void __wrap_copyoff_extents_close(struct copyoff_extents *x);
int __wrap_copyoff_extents_at(struct copyoff_extents *x, uint64_t off, uint64_t limit,
			      uint64_t *end, bool *hole);
void __wrap_copyoff_sys_pause(uint64_t ns);
uint64_t __wrap_copyoff_sys_now(void);
int64_t __wrap_copyoff_sys_process(void);

void *__wrap_copyoff_sys_alloc(size_t size, size_t align)
{
	void *p = fault() < 0 ? NULL : __real_copyoff_sys_alloc(size, align);

	if (p && size > 8192 && size < 128 << 10) {
		w.state = p;
		w.state_size = size;
	}
	return p;
}

int __wrap_copyoff_sys_scsi_command(int fd, struct copyoff_scsi_command *c)
{
	int ret = fault();

	if (ret < 0)
		return ret;
	check_command(fd, c);
	count_command(c);
	ret = command(fd, c);
	if (ret == 0)
		note_token(c);
	return ret;
}

int __wrap_copyoff_sys_open_generic(uint64_t rdev)
{
	int ret = fault();

	if (ret < 0)
		return ret;
	ret = w.open_generic;
	w.open_generic = 0;
	if (ret < 0)
		return ret;
	MUST(rdev == DEV(21, 0) || rdev == DEV(21, 1));
	air.n = 0;
	w.open++;
	return (rdev == DEV(21, 0) ? A : B) + GENERIC;
}

int __wrap_copyoff_sys_scsi_send(int fd, unsigned tag, struct copyoff_scsi_command *c)
{
	int ret = fault();

	if (ret < 0)
		return ret;
	if (w.refuse_flight < 0)
		return w.refuse_flight;
	MUST(fd == A + GENERIC || fd == B + GENERIC);
	check_command(fd - GENERIC, c);
	check_flying(tag, c);
	count_command(c);
	air.flying[air.n].fd = fd;
	air.flying[air.n].tag = tag;
	air.flying[air.n++].command = c;
	w.flown++;
	w.most_flying = air.n > w.most_flying ? air.n : w.most_flying;
	return 0;
}

/* Those that are lost may have been carried out. */
static int lose(int err)
{
	while (air.n > 0) {
		if (random_number() % 2)
			(void)command(air.flying[air.n - 1].fd - GENERIC,
				      air.flying[air.n - 1].command);
		air.n--;
	}
	return err;
}

int __wrap_copyoff_sys_scsi_wait(int fd, unsigned *tag)
{
	int ret = fault();
	unsigned i;

	MUST(air.n > 0);
	if (ret < 0 || (w.lose_after && w.landed == w.lose_after))
		return lose(ret < 0 ? ret : -ENODEV);
	i = (unsigned)(random_number() % air.n);
	MUST(air.flying[i].fd == fd);
	if (command(fd - GENERIC, air.flying[i].command) < 0)
		air.flying[i].command->host = 7; /* it was sent, though */
	w.landed++;
	*tag = air.flying[i].tag;
	air.flying[i] = air.flying[--air.n];
	return 0;
}

void __wrap_copyoff_sys_pause(uint64_t ns)
{
	MUST(ns > 0 && ns <= (uint64_t)2000 * 1000 * 1000);
	w.pauses++;
	w.clock += ns;
}

uint64_t __wrap_copyoff_sys_now(void)
{
	return w.clock;
}

int64_t __wrap_copyoff_sys_process(void)
{
	return 4711;
}

/* The seam puts "/sys/" in front. */
static void elsewhere(char path[PATH_MAX], const char *name)
{
	MUST(snprintf(path, PATH_MAX, "..%s/sysfs/%s/%s", FIXTURES, w.fixture, name) < PATH_MAX);
}

ssize_t __wrap_copyoff_sys_read_sysfs(const char *path, char *buf, size_t size)
{
	char there[PATH_MAX];
	int ret = fault();

	if (ret < 0)
		return ret;
	if (!w.fixture)
		return -EACCES;
	if (strstr(path, "/scsi_generic/sg3/dev")) {
		bool moved = w.generic_read++ % 2 && w.generic_moves;

		return snprintf(buf, size, "21:%d", (strstr(path, "/8:16/") != NULL) ^ moved);
	}
	if (strstr(path, "logical_block_size"))
		return snprintf(buf, size, "%u", 1u << w.shift);
	if (w.zoned && strstr(path, "queue/zoned"))
		return snprintf(buf, size, "%s", w.zoned);
	if (w.uevent && strstr(path, "device/uevent"))
		return snprintf(buf, size, "%s", w.uevent);
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
	if (strstr(path, "/scsi_generic")) {
		ret = w.flight ? entry(data, "power") : -ENOENT;
		return ret ? ret : entry(data, "sg3");
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
	MUST(fd < A + GENERIC || air.n == 0); /* nothing is in flight */
	if (fd >= A)
		return 0;
	return close(fd) < 0 ? -errno : 0;
}

int __wrap_copyoff_sys_block_size(int fd, uint64_t *bytes, uint32_t *logical_block)
{
	int ret = fault();

	if (ret < 0)
		return ret;
	*bytes = node_of(fd)->size - (fd == B1 ? w.smaller : 0);
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
	*sequence = w.sequence ? w.sequence + node_of(fd)->lun : 0;
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
	return fd % 1000 + A + CLAIMED;
}

int __wrap_copyoff_sys_open_device(uint64_t rdev)
{
	int ret = fault();

	if (ret < 0)
		return ret;
	for (int i = 0; i < NODES_END - A; i++) {
		if (nodes[i].rdev == rdev) {
			w.open++;
			return A + REOPENED + i;
		}
	}
	return -ENXIO; /* partitions 3 */
}

int __wrap_copyoff_sys_reopen(int fd, enum copyoff_access access)
{
	int ret = fault();

	if (ret < 0)
		return ret;
	(void)access;
	w.open++;
	return fd % 1000 + A + REOPENED;
}

static struct copyoff_span span_of(int fd, int64_t off, int64_t len)
{
	uint64_t start = node_of(fd)->base + (uint64_t)off;

	return (struct copyoff_span){ start, start + (uint64_t)len };
}

int __wrap_copyoff_sys_flush_range(int fd, int64_t off, int64_t len)
{
	int ret = fault();

	if (ret < 0)
		return ret;
	if (w.flush_fails && --w.flush_fails == 0)
		return -EIO;
	if (fd == A || fd == A1)
		w.flushed_in = span_of(fd, off, len);
	if (fd == B || fd == B1)
		w.flushed_out = span_of(fd, off, len);
	return 0;
}

int __wrap_copyoff_sys_drop_cache(int fd, int64_t off, int64_t len)
{
	int ret = fault();

	if (ret < 0)
		return ret;
	if (fd < A + REOPENED)
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

ssize_t __wrap_copyoff_sys_pread(int fd, void *buf, size_t len, int64_t off)
{
	const struct node *node;
	int ret = fault();

	if (ret < 0)
		return ret;
	if (fd < A) { /* the list of mounts */
		ssize_t got = pread(fd, buf, len, off);

		return got < 0 ? -errno : got;
	}
	ret = w.read_error;
	w.read_error = 0;
	if (ret < 0)
		return ret;
	node = node_of(fd);
	MUST((uint64_t)off <= node->size);
	if (len > node->size - (uint64_t)off)
		len = (size_t)(node->size - (uint64_t)off);
	memcpy(buf, bytes_of(node) + off, len);
	return (ssize_t)len;
}

ssize_t __wrap_copyoff_sys_pwrite(int fd, const void *buf, size_t len, int64_t off)
{
	const struct node *node = node_of(fd);
	int ret = fault();

	if (ret < 0)
		return ret;
	w.writes++;
	MUST(len <= node->size && (uint64_t)off <= node->size - len);
	memcpy(bytes_of(node) + off, buf, len);
	return (ssize_t)len;
}

/* --- smaller holes than in earnest ---------------------------------------------------------- */

const struct copyoff_backend *__real_copyoff_registry_get(size_t i);
const struct copyoff_backend *__wrap_copyoff_registry_get(size_t i);

const struct copyoff_backend *__wrap_copyoff_registry_get(size_t i)
{
	static struct copyoff_backend changed;
	const struct copyoff_backend *real = __real_copyoff_registry_get(i);

	if (!real || !real->zero)
		return real;
	MUST(real->least_zeroes >= WORLD_LEAST_ZEROES);
	changed = *real;
	changed.least_zeroes = WORLD_LEAST_ZEROES;
	return &changed;
}

/* --- holes -------------------------------------------------------------------------------- */

int __wrap_copyoff_sys_punch_hole(int fd, int64_t off, int64_t len)
{
	const struct node *node = node_of(fd);
	int ret = fault();

	w.punched++;
	if (ret < 0)
		return ret;
	if (!w.punches)
		return -EOPNOTSUPP;
	MUST((uint64_t)len <= node->size && (uint64_t)off <= node->size - (uint64_t)len);
	memset(bytes_of(node) + off, 0, (size_t)len);
	return 0;
}

int __wrap_copyoff_extents_open(struct copyoff_extents *x, int fd)
{
	int ret = fault();

	MUST(fd == A1 && w.holes);
	x->fd = ret < 0 ? -1 : fd;
	return ret;
}

void __wrap_copyoff_extents_close(struct copyoff_extents *x)
{
	x->fd = -1;
}

int __wrap_copyoff_extents_at(struct copyoff_extents *x, uint64_t off, uint64_t limit,
			      uint64_t *end, bool *hole)
{
	int ret = fault();

	MUST(x->fd == A1);
	if (ret < 0)
		return ret;
	*end = copyoff_range_min((off / w.holes + 1) * w.holes, limit);
	*hole = off / w.holes % 2 == 0;
	return 0;
}

/* --- a world ------------------------------------------------------------------------------ */

/* What is used: all else stays untouched, which makes it cheap to fork. */
static void fill(unsigned char *from, size_t n, uint64_t state)
{
	for (size_t i = 0; i < n; i += 8) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		memcpy(from + i, &state, 8);
	}
}

void world_fill(void)
{
	for (size_t disk = 0; disk < 2; disk++) {
		fill(content[disk], 5 << 20, 88172645463325252u + disk);
		/* The end of the first partition, and the beginning of the second. */
		fill(content[disk] + (20 << 20), 3 << 20, 362436069u + disk);
	}
}

static uint64_t milliseconds(void *arg)
{
	(void)arg;
	return w.clock / 1000 / 1000;
}

struct scsi_target_unit_options world_options(uint32_t block, int disk)
{
	return (struct scsi_target_unit_options){
		.block_size = block,
		.blocks = DISK_BYTES / block,
		.memory = content[disk],
		.fd = -1,
	};
}

void world_disks(const struct scsi_target_unit_options *a, const struct scsi_target_unit_options *b)
{
	scsi_target_free(w.target);
	w.target = scsi_target_new();
	MUST(w.target && scsi_target_add(w.target, a) == 0 && scsi_target_add(w.target, b) == 1);
	scsi_target_set_clock(w.target, milliseconds, NULL);
}

void world_begin(uint32_t block)
{
	struct scsi_target_unit_options a = world_options(block, 0), b = world_options(block, 1);

	memset(&w, 0, sizeof(w));
	w.reach = 5 << 18;
	w.fixture = "dm-multipath";
	w.sequence = 21; /* and 22, as in the fixture */
	while (1u << w.shift < block)
		w.shift++;
	world_disks(&a, &b);
	copyoff_ctx_init(&ctx);
	air.n = 0;
}

void world_end(void)
{
	copyoff_ctx_fini(&ctx);
	MUST(w.open == 0);
	scsi_target_free(w.target);
	w.target = NULL;
}

void world_forget(void)
{
	copyoff_mask filter = ctx.filter, named = ctx.named;

	copyoff_ctx_fini(&ctx);
	copyoff_ctx_init(&ctx);
	ctx.filter = filter;
	ctx.named = named;
}

void world_use(const char *list)
{
	const char *bad;
	size_t len;

	MUST(copyoff_filter_parse(list, &ctx.filter, &ctx.named, &bad, &len) == 0);
}

uint64_t world_base(int fd)
{
	return node_of(fd)->base;
}

uint64_t world_size(int fd)
{
	return node_of(fd)->size;
}

struct copyoff_end world_end_of(int fd)
{
	const struct node *node = node_of(fd);

	if (w.holes && fd == A1)
		return (struct copyoff_end){
			.fd = fd,
			.kind = COPYOFF_KIND_REGULAR,
			.dev = 1,
			.ino = 2,
			.place = { .dev = 1, .ino = 2, .in_file = true },
			.size = node->size,
			.size_known = true,
			.allocated = node->size / 2,
			.io_align = 1,
		};
	return (struct copyoff_end){
		.fd = fd,
		.kind = COPYOFF_KIND_BLOCK,
		.rdev = node->rdev,
		.place = { .dev = node->disk, .base = node->base },
		.size = node->size,
		.size_known = true,
		.io_align = 1,
	};
}

static const int looked_at[] = { A1, A2, B1 };

static void each_part(bool (*what)(unsigned char *now, unsigned char *then, size_t n), bool *same)
{
	for (size_t i = 0; i < sizeof(looked_at) / sizeof(looked_at[0]); i++) {
		const struct node *node = node_of(looked_at[i]);
		size_t at = (size_t)node->base - IN_FRONT;
		size_t n = w.reach < node->size ? w.reach : (size_t)node->size;

		if (!what(content[node->lun] + at, before[node->lun] + at, n + IN_FRONT))
			*same = false;
	}
}

static bool keep(unsigned char *now, unsigned char *then, size_t n)
{
	memcpy(then, now, n);
	return true;
}

static bool compare(unsigned char *now, unsigned char *then, size_t n)
{
	return memcmp(now, then, n) == 0;
}

int64_t world_copyv(int in, int out, const struct copyoff_range *v, size_t n, unsigned flags)
{
	struct copyoff_end from = world_end_of(in), to = world_end_of(out);
	bool same;

	each_part(keep, &same);
	copyoff_ctx_begin(&ctx);
	return copyoff_engine_run(&ctx, &from, &to, v, n, flags, 0);
}

void world_check(int in, int out, const struct copyoff_range *v, size_t n, uint64_t done)
{
	const unsigned char *src = before[node_of(in)->lun] + world_base(in);
	unsigned char *must = before[node_of(out)->lun] + world_base(out);
	unsigned char *is = bytes_of(node_of(out));
	bool same = true;

	/* Destinations do not overlap sources: what is copied has not changed. */
	for (size_t i = 0; i < n; i++) {
		uint64_t part = v[i].len < done ? v[i].len : done;

		MUST(memcmp(is + v[i].dst, src + v[i].src, (size_t)part) == 0);
		memcpy(must + v[i].dst, is + v[i].dst, (size_t)v[i].len);
		done -= part;
	}
	each_part(compare, &same);
	MUST(same);
}

int64_t world_copy(int in, int64_t src, int out, int64_t dst, uint64_t len, unsigned flags)
{
	struct copyoff_range r = { src, dst, len };
	int64_t ret = world_copyv(in, out, &r, 1, flags);

	world_check(in, out, &r, 1, ret > 0 ? (uint64_t)ret : 0);
	return ret;
}

static size_t index_of(const char *name)
{
	return copyoff_registry_find(name, strlen(name));
}

const struct copyoff_offer *world_offer(const char *backend)
{
	return &ctx.routes[0].offers[index_of(backend)];
}

uint64_t world_copied_by(const char *backend)
{
	return ctx.stats[index_of(backend)].bytes;
}
