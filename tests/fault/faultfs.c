/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * faultfs.c - a file system that passes everything through to a directory, and
 * fails where it is told to
 *
 * Usage: faultfs DIRECTORY MOUNTPOINT [FUSE OPTIONS]
 *
 * Rules are lines written to the file .rules in the mount; truncating it removes
 * them all:
 *
 *	OPERATION ERRNO OFFSET LENGTH COUNT [SHORT [DELAY_MS]]
 *
 * OPERATION is read, write, copy_file_range or fsync.  A request that touches
 * LENGTH bytes from OFFSET (of the destination, for copy_file_range) fails with
 * the number ERRNO, COUNT times (-1: always).  With ERRNO 0 it does at most
 * SHORT bytes, or, if that is written as +N, reports N more than were asked for.
 *
 * With -o one_ino, all files have the same inode number.  With -o writeback, the
 * kernel keeps what is written for a while.
 */
#define FUSE_USE_VERSION 31
#include <fuse.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct rule {
	char op[20];
	int err;
	long long off, len;
	long count;
	long long most; /* -1: no limit */
	long long lie; /* this many more */
	unsigned delay;
};

static const char control[] = "/.rules";
static struct rule rules[16];
static size_t n_rules;
static int root; /* the directory behind */
static struct options {
	int one_ino;
	int writeback;
} options;

static bool is_control(const char *path)
{
	return strcmp(path, control) == 0;
}

static const char *below(const char *path)
{
	return path[1] ? path + 1 : ".";
}

/* --- rules ---------------------------------------------------------------------------- */

static int add_rules(const char *text, size_t size)
{
	char buf[1024];
	char *save = NULL;

	if (size >= sizeof(buf))
		return -EFBIG;
	memcpy(buf, text, size);
	buf[size] = '\0';
	for (char *line = strtok_r(buf, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		struct rule r = { .most = -1 };
		char most[24] = "-1";

		if (sscanf(line, "%19s %d %lld %lld %ld %23s %u", r.op, &r.err, &r.off, &r.len,
			   &r.count, most, &r.delay) < 5 ||
		    n_rules == sizeof(rules) / sizeof(rules[0]))
			return -EINVAL;
		*(most[0] == '+' ? &r.lie : &r.most) = strtoll(most, NULL, 10);
		rules[n_rules++] = r;
	}
	return (int)size;
}

static struct rule *find_rule(const char *op, off_t off, size_t size)
{
	for (size_t i = 0; i < n_rules; i++) {
		struct rule *r = &rules[i];

		if (r->count != 0 && strcmp(r->op, op) == 0 && off < r->off + r->len &&
		    off + (off_t)size > r->off)
			return r;
	}
	return NULL;
}

/*
 * What is to happen to a request: -errno, or 0; then *@size is what to do, and
 * *@lie how much to add to the answer.
 */
static int judge(const char *op, off_t off, size_t *size, long long *lie)
{
	struct rule *r = find_rule(op, off, *size);

	*lie = 0;
	if (!r)
		return 0;
	if (r->count > 0)
		r->count--;
	if (r->delay) {
		const struct timespec delay = { (time_t)(r->delay / 1000),
						(long)(r->delay % 1000 * 1000000) };

		nanosleep(&delay, NULL);
	}
	if (r->err)
		return -r->err;
	if (r->most >= 0 && (size_t)r->most < *size)
		*size = (size_t)r->most;
	*lie = r->lie;
	return 0;
}

/* --- operations -------------------------------------------------------------------------- */

static void *fs_init(struct fuse_conn_info *conn, struct fuse_config *config)
{
	config->use_ino = options.one_ino;
	/* Also over an open(2), which else makes the kernel write back. */
	config->kernel_cache = options.writeback;
	if (options.writeback)
		conn->want |= conn->capable & FUSE_CAP_WRITEBACK_CACHE;
	return NULL;
}

static int fs_getattr(const char *path, struct stat *st, struct fuse_file_info *fi)
{
	(void)fi;
	if (is_control(path))
		*st = (struct stat){ .st_mode = S_IFREG | 0600, .st_nlink = 1 };
	else if (fstatat(root, below(path), st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	st->st_ino = 1; /* nobody looks at it without -o one_ino */
	return 0;
}

static int fs_readdir(const char *path, void *buf, fuse_fill_dir_t add, off_t off,
		      struct fuse_file_info *fi, enum fuse_readdir_flags flags)
{
	(void)path;
	(void)off;
	(void)fi;
	(void)flags;
	return add(buf, control + 1, NULL, 0, 0) ? -ENOMEM : 0;
}

static int open_below(const char *path, int flags, mode_t mode, struct fuse_file_info *fi)
{
	/* Offsets come from the kernel, and it appends by itself; buffers are not aligned. */
	const int ours = flags & ~(O_APPEND | O_DIRECT);
	int fd = is_control(path) ? 0 : openat(root, below(path), ours, mode);

	/* The kernel may leave it to open(2) to truncate. */
	if (is_control(path) && flags & O_TRUNC)
		n_rules = 0;
	fi->fh = (uint64_t)fd;
	return fd < 0 ? -errno : 0;
}

static int fs_open(const char *path, struct fuse_file_info *fi)
{
	return open_below(path, fi->flags, 0, fi);
}

static int fs_create(const char *path, mode_t mode, struct fuse_file_info *fi)
{
	return open_below(path, fi->flags | O_CREAT, mode, fi);
}

static int fs_release(const char *path, struct fuse_file_info *fi)
{
	if (!is_control(path))
		close((int)fi->fh);
	return 0;
}

static int fs_truncate(const char *path, off_t size, struct fuse_file_info *fi)
{
	int fd, ret;

	(void)fi;
	if (is_control(path)) {
		n_rules = 0;
		return 0;
	}
	fd = openat(root, below(path), O_WRONLY);
	if (fd < 0)
		return -errno;
	ret = ftruncate(fd, size) < 0 ? -errno : 0;
	close(fd);
	return ret;
}

/* Asked for by a kernel that writes back. */
static int fs_utimens(const char *path, const struct timespec times[2], struct fuse_file_info *fi)
{
	(void)fi;
	if (is_control(path))
		return 0;
	return utimensat(root, below(path), times, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

static int fs_read(const char *path, char *buf, size_t size, off_t off, struct fuse_file_info *fi)
{
	long long lie;
	ssize_t done;
	int ret;

	if (is_control(path))
		return 0;
	ret = judge("read", off, &size, &lie);
	if (ret < 0)
		return ret;
	done = pread((int)fi->fh, buf, size, off);
	return done < 0 ? -errno : (int)done;
}

static int fs_write(const char *path, const char *buf, size_t size, off_t off,
		    struct fuse_file_info *fi)
{
	long long lie;
	ssize_t done;
	int ret;

	if (is_control(path))
		return add_rules(buf, size);
	ret = judge("write", off, &size, &lie);
	if (ret < 0)
		return ret;
	done = pwrite((int)fi->fh, buf, size, off);
	return done < 0 ? -errno : (int)done;
}

static ssize_t fs_copy_file_range(const char *path_in, struct fuse_file_info *fi_in, off_t off_in,
				  const char *path_out, struct fuse_file_info *fi_out,
				  off_t off_out, size_t size, int flags)
{
	long long lie;
	ssize_t done;
	int ret;

	(void)path_in;
	(void)path_out;
	ret = judge("copy_file_range", off_out, &size, &lie);
	if (ret < 0)
		return ret;
	if (size == 0)
		return 0;
	done = copy_file_range((int)fi_in->fh, &off_in, (int)fi_out->fh, &off_out, size,
			       (unsigned)flags);
	if (done < 0)
		return -errno;
	return done + (ssize_t)lie;
}

/* Of the file behind: it does not know what the kernel keeps. */
static off_t fs_lseek(const char *path, off_t off, int whence, struct fuse_file_info *fi)
{
	off_t ret = is_control(path) ? 0 : lseek((int)fi->fh, off, whence);

	return ret < 0 ? -errno : ret;
}

static int fs_fsync(const char *path, int data_only, struct fuse_file_info *fi)
{
	size_t size = 1;
	long long lie;
	int ret;

	(void)path;
	ret = judge("fsync", 0, &size, &lie);
	if (ret < 0)
		return ret;
	return (data_only ? fdatasync((int)fi->fh) : fsync((int)fi->fh)) < 0 ? -errno : 0;
}

static int fs_unlink(const char *path)
{
	return unlinkat(root, below(path), 0) < 0 ? -errno : 0;
}

static const struct fuse_operations operations = {
	.init = fs_init,
	.getattr = fs_getattr,
	.readdir = fs_readdir,
	.open = fs_open,
	.create = fs_create,
	.release = fs_release,
	.truncate = fs_truncate,
	.utimens = fs_utimens,
	.read = fs_read,
	.write = fs_write,
	.copy_file_range = fs_copy_file_range,
	.lseek = fs_lseek,
	.fsync = fs_fsync,
	.unlink = fs_unlink,
};

int main(int argc, char **argv)
{
	static const struct fuse_opt known[] = {
		{ "one_ino", offsetof(struct options, one_ino), 1 },
		{ "writeback", offsetof(struct options, writeback), 1 },
		FUSE_OPT_END,
	};
	struct fuse_args args;
	int status;

	if (argc < 3) {
		fprintf(stderr, "usage: faultfs DIRECTORY MOUNTPOINT [FUSE OPTIONS]\n");
		return 2;
	}
	root = open(argv[1], O_RDONLY | O_DIRECTORY);
	if (root < 0) {
		perror(argv[1]);
		return 1;
	}
	argv[1] = argv[0];
	args = (struct fuse_args)FUSE_ARGS_INIT(argc - 1, argv + 1);
	if (fuse_opt_parse(&args, &options, known, NULL) < 0)
		return 2;
	status = fuse_main(args.argc, args.argv, &operations, NULL);
	fuse_opt_free_args(&args);
	return status;
}
