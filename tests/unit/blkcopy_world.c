/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * blkcopy_world.c - see blkcopy_world.h
 */
#define _GNU_SOURCE
#include "blkcopy_world.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct world w;
struct copyoff_ctx ctx;
unsigned char *content;
static unsigned char *before; /* the copy began */

const char *const fixtures[VERSIONS] = {
	[STOCK] = "nvme",          [RFC1] = "blkcopy-rfc1",   [RFC3] = "blkcopy-v1",
	[RFC5] = "blkcopy-v1",     [V1] = "blkcopy-v1",       [V2] = "blkcopy-v1",
	[V3] = "blkcopy-v3",       [V4] = "blkcopy-v3",       [V5] = "blkcopy-v5",
	[V7] = "blkcopy-v5",       [V14] = "blkcopy-v14",     [VEC] = "blkcopy-2025",
	[SINGLE] = "blkcopy-2025", [MARTIN] = "blkcopy-2014", [MIKULAS] = "blkcopy-2022",
};

static const struct node {
	uint64_t rdev;
	uint64_t base, size; /* in the memory, bytes */
	bool direct;
} nodes[] = {
	{ DEV(259, 0), 0, DISK_BYTES, false },           { DEV(259, 0), 0, DISK_BYTES, true },
	{ DEV(259, 1), PART_START, 65536 * 512, false }, { DEV(253, 0), 0, DISK_BYTES, false },
	{ DEV(259, 99), 0, DISK_BYTES, false },
};

/* Is this call to fail?  0, or -errno. */
static int fault(void)
{
	w.seam_calls++;
	if (!w.fail_at || (w.fail_on ? w.seam_calls < w.fail_at : w.seam_calls != w.fail_at))
		return 0;
	w.failed = true;
	return -w.fail_with;
}

static int kind_of(int fd)
{
	return fd / 1000 * 1000;
}

static const struct node *node_of(int fd)
{
	int i = fd % 1000;

	ck_assert_msg(fd >= DISK && fd < OPENED + 1000 && i < NODES - DISK,
		      "no such descriptor: %d", fd);
	return &nodes[i];
}

static bool is_direct(int fd)
{
	return kind_of(fd) == DIRECT || (kind_of(fd) == DISK && node_of(fd)->direct);
}

static bool is_writable(int fd)
{
	return kind_of(fd) == DISK || kind_of(fd) == WRITER || kind_of(fd) == DIRECT;
}

static uint64_t size_of(int fd)
{
	return node_of(fd)->size - w.smaller;
}

/* --- sysfs ------------------------------------------------------------------------------ */

static const struct attribute *overridden(const char *path)
{
	const struct attribute *found = NULL;

	for (size_t i = 0; i < w.n_attributes; i++) {
		size_t len = strlen(w.attributes[i].name), all = strlen(path);

		if (all > len && path[all - len - 1] == '/' &&
		    strcmp(path + all - len, w.attributes[i].name) == 0)
			found = &w.attributes[i];
	}
	return found;
}

void world_set(const char *name, const char *value)
{
	for (size_t i = 0; i < w.n_attributes; i++) {
		if (strcmp(w.attributes[i].name, name) == 0) {
			w.attributes[i].value = value;
			return;
		}
	}
	ck_assert_uint_lt(w.n_attributes, ATTRIBUTES_MOST);
	w.attributes[w.n_attributes++] = (struct attribute){ name, value };
}

/* The seam puts "/sys/" in front. */
static void elsewhere(char path[PATH_MAX], const char *name)
{
	const char *fixture = w.fixture ? w.fixture : fixtures[w.version];

	ck_assert_int_lt(snprintf(path, PATH_MAX, "..%s/sysfs/%s/%s", FIXTURES, fixture, name),
			 PATH_MAX);
}

ssize_t __real_copyoff_sys_read_sysfs(const char *path, char *buf, size_t size);
int __real_copyoff_sys_list_sysfs(const char *path, int (*entry)(void *data, const char *name),
				  void *data);
ssize_t __wrap_copyoff_sys_read_sysfs(const char *path, char *buf, size_t size);
int __wrap_copyoff_sys_list_sysfs(const char *path, int (*entry)(void *data, const char *name),
				  void *data);

ssize_t __wrap_copyoff_sys_read_sysfs(const char *path, char *buf, size_t size)
{
	const struct attribute *other = overridden(path);
	char there[PATH_MAX];
	int ret = fault();

	if (ret < 0)
		return ret;
	if (w.no_sysfs)
		return -EACCES;
	if (other && !other->value)
		return -ENOENT;
	if (other)
		return snprintf(buf, size, "%s", other->value);
	if (strstr(path, "logical_block_size"))
		return snprintf(buf, size, "%u", w.block);
	elsewhere(there, path);
	return __real_copyoff_sys_read_sysfs(there, buf, size);
}

/* Of the directory queue/, without those that are not there. */
struct listing {
	int (*entry)(void *data, const char *name);
	void *data;
};

static int list_entry(void *data, const char *name)
{
	const struct listing *l = data;
	char path[PATH_MAX];
	const struct attribute *other;

	snprintf(path, sizeof(path), "queue/%s", name);
	other = overridden(path);
	return other && !other->value ? 0 : l->entry(l->data, name);
}

int __wrap_copyoff_sys_list_sysfs(const char *path, int (*entry)(void *data, const char *name),
				  void *data)
{
	struct listing l = { entry, data };
	char there[PATH_MAX];
	int ret = fault();

	if (ret < 0)
		return ret;
	if (w.no_sysfs)
		return -EACCES;
	elsewhere(there, path);
	return __real_copyoff_sys_list_sysfs(there, list_entry, &l);
}

/* --- the block layer ------------------------------------------------------------------------ */

/* Of the disk, by the name in its directory queue/; UINT64_MAX: it is not there. */
static uint64_t attribute_value(const char *name)
{
	char path[PATH_MAX], there[PATH_MAX], text[64];
	const struct attribute *other;

	snprintf(path, sizeof(path), "dev/block/259:0/queue/%s", name);
	other = overridden(path);
	if (other)
		return other->value ? strtoull(other->value, NULL, 10) : UINT64_MAX;
	elsewhere(there, path);
	if (__real_copyoff_sys_read_sysfs(there, text, sizeof(text)) < 0)
		return UINT64_MAX;
	return strtoull(text, NULL, 10);
}

/* With a limit of 0, some kernels loop for ever and take all memory. */
static void expect_limits(void)
{
	static const char *const names[] = {
		"copy_offload",       "copy_max_bytes",    "copy_max_range_bytes",
		"copy_max_nr_ranges", "max_copy_sectors",  "max_copy_range_sectors",
		"max_copy_nr_ranges", "max_copy_segments", "copy_segment_max_bytes",
	};

	for (size_t i = 0; i < COUNT(names); i++)
		ck_assert_msg(attribute_value(names[i]) != 0, "%s is 0: the kernel hangs",
			      names[i]);
}

void world_step(struct step step)
{
	ck_assert_uint_lt(w.n_steps, STEPS_MOST);
	w.steps[w.n_steps++] = step;
}

static struct step next_step(void)
{
	if (w.step < w.n_steps)
		return w.steps[w.step++];
	return w.always && w.n_steps > 0 ? w.steps[w.n_steps - 1] : WELL;
}

/* What no kernel looks at, and what the device would do wrong. */
static void expect_sane(const struct node *node, const struct copyoff_range *v, size_t n)
{
	const uint64_t size = node->size - w.smaller;
	uint64_t total = 0;

	expect_limits();
	ck_assert_msg(!w.read_only, "some kernels write to read-only devices");
	ck_assert_msg(node->base == 0, "on partitions data are lost");
	for (size_t i = 0; i < n; i++) {
		ck_assert_msg(v[i].len <= DISK_BYTES - total, "the kernel never returns");
		total += v[i].len;
		ck_assert(v[i].len > 0 && v[i].len <= size &&
			  (uint64_t)v[i].src <= size - v[i].len &&
			  (uint64_t)v[i].dst <= size - v[i].len);
		ck_assert(((uint64_t)v[i].src | (uint64_t)v[i].dst | v[i].len) % w.block == 0);
		for (size_t j = 0; j < n; j++) {
			ck_assert_msg((uint64_t)v[i].dst >= (uint64_t)v[j].src + v[j].len ||
					      (uint64_t)v[j].src >= (uint64_t)v[i].dst + v[i].len,
				      "an overlap corrupts data");
			ck_assert_msg(i == j ||
					      (uint64_t)v[i].dst >= (uint64_t)v[j].dst + v[j].len ||
					      (uint64_t)v[j].dst >= (uint64_t)v[i].dst + v[i].len,
				      "destinations overlap");
		}
	}
}

static void carry_out(const struct copyoff_range *v, size_t n, const struct step *step)
{
	uint64_t good = step->good;

	for (size_t i = 0; i < n; i++) {
		uint64_t part = v[i].len < good ? v[i].len : good;

		memcpy(content + v[i].dst, content + v[i].src, (size_t)part);
		if (step->spoils)
			memset(content + v[i].dst + part, 0xdb, (size_t)(v[i].len - part));
		good -= part;
	}
}

/* Behind a copy. */
static void go_on(void)
{
	w.copies++;
	if (w.change_after && w.copies == w.change_after)
		world_set(w.change.name, w.change.value);
	if (w.sequence_changes && w.copies == w.sequence_changes)
		w.sequence++;
}

static struct call *log_call(int fd, uint32_t request)
{
	struct call *call = &w.calls[w.n_calls++];

	ck_assert_uint_lt(w.n_calls, CALLS_MOST);
	*call = (struct call){ .fd = fd, .request = request, .probe = !is_writable(fd) };
	return call;
}

static int copy_ranges(struct call *call, const struct copyoff_range *v, size_t n,
		       struct step *step)
{
	expect_sane(node_of(call->fd), v, n);
	*step = next_step();
	carry_out(v, n, step);
	go_on();
	call->n = n;
	for (size_t i = 0; i < n; i++)
		call->bytes += v[i].len;
	return step->ret;
}

/* --- the ioctl ---------------------------------------------------------------------------------- */

static bool knows(uint32_t request)
{
	switch (w.version) {
	case RFC1:
	case RFC3:
	case RFC5:
		return request == REQUEST_RFC;
	case V1:
		return request == REQUEST_V1;
	case V2:
	case V3:
	case V4:
	case V5:
		return request == REQUEST_LIST;
	case VEC:
		return request == REQUEST_VECTOR || request == REQUEST_SINGLE;
	case SINGLE:
		return request == REQUEST_SINGLE;
	default:
		return false;
	}
}

static int gather(struct call *call, uint64_t dst, uint64_t n, uint64_t list, unsigned unit)
{
	const struct source *sources = (const void *)(uintptr_t)list;
	struct copyoff_range v[4096];
	struct step step;

	ck_assert(n > 0 && n < 4096);
	for (size_t i = 0; i < n; i++) {
		v[i] = (struct copyoff_range){ (int64_t)(sources[i].src * unit),
					       (int64_t)(dst * unit), sources[i].len * unit };
		dst += sources[i].len;
	}
	return copy_ranges(call, v, (size_t)n, &step);
}

static int gather_request(struct call *call, const void *arg)
{
	const struct gather_request *r = arg;

	ck_assert_uint_eq(r->rsvd, 0);
	/* No more than the device takes in one command. */
	ck_assert_uint_le(r->nr_range, attribute_value("max_copy_nr_ranges"));
	return gather(call, r->dest, r->nr_range, r->range_list,
		      w.version == V1 || w.version == RFC5 ? 512 : 1);
}

static int vector_request(struct call *call, const void *arg)
{
	static const uint8_t none[6];
	const struct vector_request *r = arg;

	ck_assert(memcmp(r->rsvd, none, sizeof(none)) == 0);
	return gather(call, r->dst_sector, r->nr_ranges, r->sources, 512);
}

static int single_request(struct call *call, const void *arg)
{
	const uint64_t *words = arg;
	struct copyoff_range r = { (int64_t)words[1] * 512, (int64_t)words[0] * 512,
				   words[2] * 512 };
	struct step step;

	return copy_ranges(call, &r, 1, &step);
}

static uint64_t most_bytes(void)
{
	return w.version == V2 ? UINT64_MAX : w.version == V3 ? 2 << 20 : 128 << 20;
}

/* What is said, or true, of each range. */
static void report(struct list_entry *entries, size_t n, const struct step *step)
{
	uint64_t left = step->says == UINT64_MAX ? step->good : step->says;

	for (size_t i = 0; i < n; i++) {
		entries[i].comp_len = entries[i].len < left ? entries[i].len : left;
		left -= entries[i].comp_len;
	}
	if (step->says != UINT64_MAX)
		entries[n - 1].comp_len += left;
}

static int list_request(struct call *call, void *arg)
{
	struct list_request *r = arg;
	struct list_entry *entries = (void *)(r + 1);
	struct copyoff_range v[4096];
	struct step step;
	uint64_t total = 0;
	int ret;

	if (r->nr_range == 0 || r->nr_range >= 4096 || r->reserved)
		return -EINVAL;
	for (size_t i = 0; i < r->nr_range; i++) {
		/* Those that are not looked at keep what they have. */
		ck_assert_uint_eq(entries[i].comp_len, 0);
		v[i] = (struct copyoff_range){ (int64_t)entries[i].src, (int64_t)entries[i].dst,
					       entries[i].len };
		total += entries[i].len;
	}
	if (total >= most_bytes())
		return -EINVAL;
	ret = copy_ranges(call, v, (size_t)r->nr_range, &step);
	report(entries, (size_t)r->nr_range, &step);
	return ret;
}

static int carry_out_request(struct call *call, void *arg)
{
	switch (call->request) {
	case REQUEST_LIST:
		return list_request(call, arg);
	case REQUEST_VECTOR:
		return vector_request(call, arg);
	case REQUEST_SINGLE:
		return single_request(call, arg);
	default:
		return gather_request(call, arg);
	}
}

int __wrap_copyoff_sys_block_copy(int fd, uint32_t request, void *arg);
int __wrap_copyoff_sys_block_copy(int fd, uint32_t request, void *arg)
{
	static const unsigned char zeroes[64];
	struct call *call = log_call(fd, request);
	int ret = fault();

	ck_assert_msg(request != 0x1281, "that may mean something else");
	if (call->probe) {
		/* Nothing that any driver could carry out; not through device mapper. */
		ck_assert(memcmp(arg, zeroes, sizeof(zeroes)) == 0);
		ck_assert(kind_of(fd) == REOPENED && node_of(fd)->rdev != DEV(253, 0));
	}
	if (ret == 0 && request == w.stranger)
		ret = 0;
	else if (ret == 0 && !knows(request))
		ret = -w.unknown;
	else if (ret == 0)
		ret = call->probe ? -EBADF : carry_out_request(call, arg);
	call->ret = ret;
	return ret;
}

/* --- copy_file_range() ---------------------------------------------------------------------------- */

static int64_t copy_by_device(struct call *call, const struct copyoff_range *r)
{
	struct step step;

	if (((uint64_t)r->src | (uint64_t)r->dst | r->len) % w.block || r->len >= 128 << 20)
		return 0;
	ck_assert_uint_le(r->len, 64 << 20);
	if (copy_ranges(call, r, 1, &step) < 0)
		return step.ret;
	if (step.says != UINT64_MAX)
		return (int64_t)step.says;
	return (int64_t)(step.good < r->len ? step.good : r->len);
}

int64_t __wrap_copyoff_sys_copy_file_range(int fd_in, int64_t off_in, int fd_out, int64_t off_out,
					   size_t len);
int64_t __wrap_copyoff_sys_copy_file_range(int fd_in, int64_t off_in, int fd_out, int64_t off_out,
					   size_t len)
{
	const struct copyoff_range r = { off_in, off_out, len };
	struct call *call = log_call(fd_out, 0);
	int64_t ret = fault();

	if (ret == 0 && w.version != V14)
		ret = -EINVAL;
	else if (ret == 0 && call->probe)
		ret = -EBADF;
	else if (ret == 0 && off_in < 0)
		ret = -EOVERFLOW;
	else if (ret == 0) {
		ck_assert_msg(is_direct(fd_in) && is_direct(fd_out), "the kernel moves pages");
		ret = copy_by_device(call, &r);
	}
	call->ret = ret;
	return ret;
}

/* --- the rest of the seam ------------------------------------------------------------------------------ */

void *__real_copyoff_sys_alloc(size_t size, size_t align);
void *__wrap_copyoff_sys_alloc(size_t size, size_t align);
int __wrap_copyoff_sys_open_mode(int fd, struct copyoff_open_mode *mode);
int __wrap_copyoff_sys_stat(int fd, struct copyoff_stat *st);
int __wrap_copyoff_sys_open_mountinfo(void);
int __wrap_copyoff_sys_close(int fd);
int __wrap_copyoff_sys_block_size(int fd, uint64_t *bytes, uint32_t *logical_block);
int __wrap_copyoff_sys_physical_block(int fd, uint32_t *bytes);
int __wrap_copyoff_sys_read_only(int fd, bool *read_only);
int __wrap_copyoff_sys_disk_sequence(int fd, uint64_t *sequence);
int __wrap_copyoff_sys_dm_target(uint64_t dev, char *type, size_t size);
int __wrap_copyoff_sys_claim(int fd);
int __wrap_copyoff_sys_open_device(uint64_t rdev);
int __wrap_copyoff_sys_reopen(int fd, enum copyoff_access access);
int __wrap_copyoff_sys_flush_range(int fd, int64_t off, int64_t len);
int __wrap_copyoff_sys_drop_cache(int fd, int64_t off, int64_t len);
int __wrap_copyoff_sys_invalidate_range(int fd, int64_t off, int64_t len);
int64_t __wrap_copyoff_sys_cachestat(int fd, int64_t off, int64_t len);
ssize_t __wrap_copyoff_sys_pread(int fd, void *buf, size_t len, int64_t off);
ssize_t __wrap_copyoff_sys_pwrite(int fd, const void *buf, size_t len, int64_t off);

void *__wrap_copyoff_sys_alloc(size_t size, size_t align)
{
	return fault() < 0 ? NULL : __real_copyoff_sys_alloc(size, align);
}

int __wrap_copyoff_sys_open_mode(int fd, struct copyoff_open_mode *mode)
{
	int ret = fault();

	if (ret < 0)
		return ret;
	*mode = (struct copyoff_open_mode){ true, is_writable(fd), false, is_direct(fd), false };
	return 0;
}

int __wrap_copyoff_sys_stat(int fd, struct copyoff_stat *st)
{
	int ret = fault();

	if (ret < 0)
		return ret;
	*st = (struct copyoff_stat){ .kind = COPYOFF_KIND_BLOCK, .rdev = node_of(fd)->rdev };
	return 0;
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
	*bytes = size_of(fd);
	*logical_block = w.block;
	return 0;
}

int __wrap_copyoff_sys_physical_block(int fd, uint32_t *bytes)
{
	int ret = fault();

	if (ret < 0)
		return ret;
	(void)node_of(fd);
	*bytes = w.block;
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
	/* As in the fixtures; 0: it has none. */
	*sequence = w.sequence + (node_of(fd)->rdev == DEV(253, 0) && w.sequence);
	return w.sequence ? 0 : -ENOTTY;
}

int __wrap_copyoff_sys_dm_target(uint64_t dev, char *type, size_t size)
{
	int ret = fault();

	if (ret < 0)
		return ret;
	ck_assert_uint_eq(dev, DEV(253, 0));
	if (!w.target)
		return -EACCES;
	snprintf(type, size, "%s", w.target);
	return 0;
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
			return OPENED + i;
		}
	}
	return -ENXIO;
}

int __wrap_copyoff_sys_reopen(int fd, enum copyoff_access access)
{
	static const int kinds[] = {
		[COPYOFF_ACCESS_READ] = REOPENED,
		[COPYOFF_ACCESS_WRITE] = WRITER,
		[COPYOFF_ACCESS_DIRECT] = DIRECT,
	};
	int ret = fault();

	if (ret < 0)
		return ret;
	if (w.reopen)
		return w.reopen;
	w.open++;
	return fd % 1000 + kinds[access];
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
	w.flushed = span_of(fd, off, len);
	w.flushes++;
	return 0;
}

int __wrap_copyoff_sys_drop_cache(int fd, int64_t off, int64_t len)
{
	int ret = fault();

	if (ret < 0)
		return ret;
	if (kind_of(fd) == DISK)
		w.dropped = span_of(fd, off, len);
	return 0;
}

/* Where pages stay, they do so in spite of this. */
int __wrap_copyoff_sys_invalidate_range(int fd, int64_t off, int64_t len)
{
	int ret = fault();

	(void)off;
	(void)len;
	ck_assert(is_direct(fd) && is_writable(fd));
	return ret;
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
	int ret = fault();

	if (ret < 0)
		return ret;
	if (fd < DISK) { /* the list of mounts */
		ssize_t got = pread(fd, buf, len, off);

		return got < 0 ? -errno : got;
	}
	ck_assert_uint_le((uint64_t)off, node_of(fd)->size);
	if (is_direct(fd)) {
		ck_assert(((uint64_t)off | len) % w.block == 0);
		w.direct_reads++;
	}
	if (len > node_of(fd)->size - (uint64_t)off)
		len = (size_t)(node_of(fd)->size - (uint64_t)off);
	memcpy(buf, content + node_of(fd)->base + off, len);
	return (ssize_t)len;
}

ssize_t __wrap_copyoff_sys_pwrite(int fd, const void *buf, size_t len, int64_t off)
{
	const struct node *node = node_of(fd);
	int ret = fault();

	if (ret < 0)
		return ret;
	w.writes++;
	ck_assert(is_writable(fd));
	ck_assert(len <= node->size && (uint64_t)off <= node->size - len);
	memcpy(content + node->base + off, buf, len);
	return (ssize_t)len;
}

/* --- a test ------------------------------------------------------------------------------------------------ */

static void fill(uint64_t start, uint64_t end)
{
	uint64_t state = 88172645463325252u + start;

	for (uint64_t i = start; i < end; i += 8) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		memcpy(content + i, &state, 8);
	}
}

/* Not in variables: the leak sanitizer looks through all of these behind each test. */
static unsigned char *disk(void)
{
	void *p =
		mmap(NULL, DISK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED) {
		perror("mmap");
		exit(EXIT_FAILURE);
	}
	return p;
}

/* Each test has a copy of it, being a process of its own, which takes time. */
void world_fill(void)
{
	content = disk();
	before = disk();
	fill(0, FILLED);
}

void world_fill_more(void)
{
	fill(FILLED, FILLED_MORE);
}

void world_setup(void)
{
	memset(&w, 0, sizeof(w));
	w.version = V5;
	w.unknown = ENOTTY;
	w.sequence = 5; /* as in the fixtures */
	w.block = 512;
	w.target = "linear";
	copyoff_ctx_init(&ctx);
}

void world_teardown(void)
{
	copyoff_ctx_fini(&ctx);
	ck_assert_int_eq(w.open, 0);
}

void world_use(const char *list)
{
	const char *bad;
	size_t len;

	ck_assert_int_eq(copyoff_filter_parse(list, &ctx.filter, &ctx.named, &bad, &len), 0);
}

size_t index_of(const char *name)
{
	return copyoff_registry_find(name, strlen(name));
}

uint64_t copied_by(const char *name)
{
	return ctx.stats[index_of(name)].bytes;
}

const struct copyoff_offer *offer_of(const char *name)
{
	return &ctx.routes[0].offers[index_of(name)];
}

struct copyoff_end world_end(int fd)
{
	const struct node *node = node_of(fd);

	return (struct copyoff_end){
		.fd = fd,
		.kind = COPYOFF_KIND_BLOCK,
		.rdev = node->rdev,
		.place = { .dev = node->rdev, .base = node->base },
		.size = node->size,
		.size_known = true,
		.direct = node->direct,
		.io_align = node->direct ? w.block : 1,
	};
}

const struct copyoff_offer *world_probe(const char *name, int in, int out, unsigned flags)
{
	struct copyoff_end from = world_end(in), to = world_end(out);

	world_use(name);
	copyoff_route_offer(&ctx, copyoff_ctx_route(&ctx, &from, &to), index_of(name), flags);
	return offer_of(name);
}

enum { GUARD = 8192 }; /* bytes that are looked at on both sides of a range */

static struct copyoff_span around(const struct copyoff_range *r)
{
	uint64_t end = (uint64_t)r->dst + r->len + GUARD;

	return (struct copyoff_span){ r->dst > GUARD ? (uint64_t)r->dst - GUARD : 0,
				      end < DISK_BYTES ? end : DISK_BYTES };
}

/* Of the disk, what is in the ranges and around them. */
static void remember(const struct copyoff_range *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct copyoff_span span = around(&v[i]);

		memcpy(before + span.start, content + span.start, (size_t)(span.end - span.start));
		memcpy(before + v[i].src, content + v[i].src, (size_t)v[i].len);
	}
}

/* @done bytes are copied, and no byte is changed outside of the ranges. */
static void check_bytes(const struct copyoff_range *v, size_t n, uint64_t done)
{
	/* Destinations do not overlap sources: what is copied has not changed. */
	for (size_t i = 0; i < n; i++) {
		uint64_t part = v[i].len < done ? v[i].len : done;

		ck_assert(memcmp(content + v[i].dst, before + v[i].src, (size_t)part) == 0);
		done -= part;
	}
	for (size_t i = 0; i < n; i++)
		memcpy(before + v[i].dst, content + v[i].dst, (size_t)v[i].len);
	for (size_t i = 0; i < n; i++) {
		struct copyoff_span span = around(&v[i]);

		ck_assert(memcmp(content + span.start, before + span.start,
				 (size_t)(span.end - span.start)) == 0);
	}
}

int64_t world_copyv(int in, int out, const struct copyoff_range *v, size_t n, unsigned flags)
{
	struct copyoff_end from = world_end(in), to = world_end(out);
	uint64_t base = node_of(in)->base, total = 0;
	struct copyoff_range *there = calloc(n, sizeof(*there));
	int64_t ret;

	ck_assert_uint_eq(base, node_of(out)->base);
	for (size_t i = 0; i < n; i++) {
		there[i] = (struct copyoff_range){ v[i].src + (int64_t)base,
						   v[i].dst + (int64_t)base, v[i].len };
		if (there[i].len > DISK_BYTES - (uint64_t)there[i].dst)
			there[i].len = DISK_BYTES - (uint64_t)there[i].dst;
		total += v[i].len;
	}
	remember(there, n);
	copyoff_ctx_begin(&ctx);
	ret = copyoff_engine_run(&ctx, &from, &to, v, n, flags, 0);
	ck_assert(ret <= (int64_t)total);
	ck_assert(ret == (int64_t)total || ctx.result.error);
	check_bytes(there, n, ret > 0 ? (uint64_t)ret : 0);
	free(there);
	return ret;
}

int64_t world_copy(int in, int64_t src, int out, int64_t dst, uint64_t len, unsigned flags)
{
	struct copyoff_range r = { src, dst, len };

	return world_copyv(in, out, &r, 1, flags);
}

size_t probes(void)
{
	size_t n = 0;

	for (size_t i = 0; i < w.n_calls; i++)
		n += w.calls[i].probe;
	return n;
}

const struct call *copy_call(size_t i)
{
	for (size_t j = 0; j < w.n_calls; j++) {
		if (!w.calls[j].probe && i-- == 0)
			return &w.calls[j];
	}
	ck_abort_msg("there was no such call");
	return NULL;
}
