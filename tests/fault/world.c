/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
#include "world.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HOLE = 64 << 10 };

void quit(int status, const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fputs(status == 77 ? "SKIP: " : "FAILED: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(status);
}

void *xalloc(size_t size)
{
	void *p = calloc(1, size ? size : 1);

	REQUIRE(p);
	return p;
}

void fill(char *buf, size_t size, uint64_t seed)
{
	uint64_t x = seed * 0x9e3779b97f4a7c15u + 1;

	for (size_t i = 0; i < size; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		buf[i] = (char)(x >> 32 | 1); /* never 0: zeroes are holes */
	}
}

void write_all(int fd, const char *buf, size_t size, int64_t off)
{
	while (size > 0) {
		ssize_t ret = pwrite(fd, buf, size, off);

		if (ret < 0 && errno == EINTR)
			continue;
		if (ret <= 0)
			quit(1, "cannot write the files of the test: %s", strerror(errno));
		buf += ret;
		size -= (size_t)ret;
		off += ret;
	}
}

size_t read_all(int fd, char *buf, size_t size, int64_t off)
{
	size_t done = 0;

	while (done < size) {
		ssize_t ret = pread(fd, buf + done, size - done, off + (off_t)done);

		if (ret < 0 && errno == EINTR)
			continue;
		if (ret < 0)
			quit(1, "cannot read the files of the test: %s", strerror(errno));
		if (ret == 0)
			break;
		done += (size_t)ret;
	}
	return done;
}

int unnamed_file(const char *dir)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/copyoff-fault.XXXXXX", dir ? dir : ".");
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		quit(1, "cannot make a file in %s: %s", dir ? dir : ".", strerror(errno));
	unlink(path);
	return fd;
}

int count_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	REQUIRE(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

int open_again(int fd, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, flags | O_CLOEXEC);
}

/* --- making -------------------------------------------------------------------- */

static int open_device(const char *variable, size_t size)
{
	const char *path = getenv(variable);
	int fd = open(path ? path : "", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		quit(1, "%s is \"%s\": %s", variable, path ? path : "", strerror(errno));
	if (lseek(fd, 0, SEEK_END) != (off_t)size)
		quit(1, "%s has not %zu bytes", path, size);
	return fd;
}

static void make_source(struct world *w, const struct layout *layout)
{
	w->src_size = layout->src_size;
	w->src = xalloc(w->src_size);
	fill(w->src, w->src_size, 1);
	if (layout->src_device) {
		w->src_fd = open_device(layout->src_device, w->src_size);
	} else {
		w->src_fd = unnamed_file(layout->src_dir);
		REQUIRE(ftruncate(w->src_fd, (off_t)w->src_size) == 0);
	}
	for (size_t off = 0; off < w->src_size; off += HOLE) {
		size_t len = w->src_size - off < HOLE ? w->src_size - off : HOLE;

		if (layout->holes && (off / HOLE % 2 == 1 || off + len == w->src_size))
			memset(w->src + off, 0, len);
		else
			write_all(w->src_fd, w->src + off, len, (int64_t)off);
	}
}

static void take_source(struct world *w, const char *path)
{
	const size_t most = 1 << 20;

	w->src_fd = open(path, O_RDONLY | O_CLOEXEC);
	REQUIRE(w->src_fd >= 0);
	w->src = xalloc(most);
	w->src_size = read_all(w->src_fd, w->src, most, 0);
	REQUIRE(w->src_size > 0 && w->src_size < most);
}

static void make_destination(struct world *w, const struct layout *layout)
{
	w->dst_is_device = layout->same ? layout->src_device : layout->dst_device;
	if (layout->same) {
		w->dst_fd = w->src_fd;
		w->old_size = w->src_size;
		w->old = xalloc(w->old_size);
		memcpy(w->old, w->src, w->old_size);
		return;
	}
	w->dst_fd = layout->dst_device ? open_device(layout->dst_device, layout->dst_size)
				       : unnamed_file(layout->dst_dir);
	w->old_size = layout->dst_size;
	w->old = xalloc(w->old_size);
	fill(w->old, w->old_size, 2);
}

static bool make(struct world *w, const struct layout *layout, const char **why)
{
	memset(w, 0, sizeof(*w));
	w->same = layout->same;
	if (layout->src_path)
		take_source(w, layout->src_path);
	else
		make_source(w, layout);
	make_destination(w, layout);
	w->fd_in = open_again(w->src_fd, O_RDONLY | (layout->src_direct ? O_DIRECT : 0));
	w->fd_out = open_again(w->dst_fd, O_RDWR | (layout->dst_direct ? O_DIRECT : 0));
	if (w->fd_in >= 0 && w->fd_out >= 0)
		return true;
	*why = strerror(errno);
	world_free(w);
	return false;
}

/* File systems in memory are faster, but not all of them have O_DIRECT. */
bool world_make(struct world *w, const struct layout *layout, const char **why)
{
	struct layout elsewhere = *layout;

	if (make(w, layout, why))
		return true;
	if (!layout->src_dir && !layout->dst_dir)
		return false;
	elsewhere.src_dir = elsewhere.dst_dir = NULL;
	return make(w, &elsewhere, why);
}

void world_free(struct world *w)
{
	close(w->fd_in);
	close(w->fd_out);
	if (w->dst_fd != w->src_fd)
		close(w->dst_fd);
	close(w->src_fd);
	free(w->src);
	free(w->old);
	free(w->now);
	free(w->should);
}

static uint64_t to_copy(const struct world *w, const struct copyoff_range *r)
{
	uint64_t left = (uint64_t)r->src < w->src_size ? w->src_size - (uint64_t)r->src : 0;

	return r->len < left ? r->len : left;
}

void world_add(struct world *w, int64_t src, int64_t dst, uint64_t len)
{
	struct copyoff_range *r = &w->v[w->n++];
	uint64_t end;

	REQUIRE(w->n <= WORLD_RANGES);
	*r = (struct copyoff_range){ src, dst, len };
	w->total += to_copy(w, r);
	end = (uint64_t)dst + to_copy(w, r);
	if (w->room < end)
		w->room = (size_t)end;
}

void world_reset(struct world *w)
{
	if (!w->now) {
		if (w->room < w->old_size)
			w->room = w->old_size;
		if (w->room < w->src_size)
			w->room = w->src_size;
		w->room += 4096; /* to see what is beyond */
		w->now = xalloc(w->room);
		w->should = xalloc(w->room);
	}
	if (!w->same && !w->dst_is_device) /* so that blocks are as fresh as the first time */
		REQUIRE(ftruncate(w->dst_fd, 0) == 0);
	if (!w->dst_is_device)
		REQUIRE(ftruncate(w->dst_fd, (off_t)w->old_size) == 0);
	write_all(w->dst_fd, w->old, w->old_size, 0);
}

size_t world_rest(const struct world *w, uint64_t done, struct copyoff_range *v)
{
	size_t n = 0;

	for (size_t i = 0; i < w->n; i++) {
		uint64_t part = to_copy(w, &w->v[i]);

		part = part < done ? part : done;
		done -= part;
		v[n] = w->v[i];
		v[n].src += (int64_t)part;
		v[n].dst += (int64_t)part;
		v[n].len -= part;
		n += v[n].len > 0;
	}
	return n;
}

/* --- checking ------------------------------------------------------------------- */

static bool each_old_or_copied(const struct world *w, size_t src, size_t dst, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		char old = dst + i < w->old_size ? w->old[dst + i] : 0;

		if (w->now[dst + i] != old && w->now[dst + i] != w->src[src + i])
			return false;
	}
	return true;
}

/* Is each byte the old one, a copied one, or, where nothing was, zero? */
static bool old_or_copied(const struct world *w, size_t src, size_t dst, size_t len)
{
	const size_t step = 4096;

	for (size_t i = 0; i < len; i += step) {
		size_t left = len - i < step ? len - i : step;

		/* Mostly a whole block is one or the other. */
		if (memcmp(w->now + dst + i, w->src + src + i, left) != 0 &&
		    !each_old_or_copied(w, src + i, dst + i, left))
			return false;
	}
	return true;
}

const char *world_wrong(struct world *w, uint64_t done)
{
	size_t size = read_all(w->dst_fd, w->now, w->room, 0);
	size_t end = w->old_size; /* where the file should end at least */
	size_t most = w->old_size; /* and at most */

	memset(w->now + size, 0, w->room - size);
	memset(w->should, 0, w->room);
	memcpy(w->should, w->old, w->old_size);
	for (size_t i = 0; i < w->n; i++) {
		size_t src = (size_t)w->v[i].src;
		size_t dst = (size_t)w->v[i].dst;
		size_t len = (size_t)to_copy(w, &w->v[i]);
		size_t part = len < done ? len : (size_t)done;

		if (memcmp(w->now + dst, w->src + src, part) != 0)
			return "a byte that was counted is wrong";
		if (!old_or_copied(w, src + part, dst + part, len - part))
			return "a byte behind the count is neither old nor copied";
		memcpy(w->should + dst, w->now + dst, len);
		if (part > 0 && dst + part > end)
			end = dst + part;
		if (dst + len > most)
			most = dst + len;
		done -= part;
	}
	if (memcmp(w->now, w->should, w->room) != 0)
		return "a byte outside the range has changed";
	if (size < end)
		return "the destination is too short";
	if (size > most)
		return "the destination is too long";
	if (!w->same && (read_all(w->src_fd, w->now, w->src_size, 0) != w->src_size ||
			 memcmp(w->now, w->src, w->src_size) != 0))
		return "the source has changed";
	return NULL;
}

const char *world_incomplete(struct world *w)
{
	return world_wrong(w, w->total);
}
