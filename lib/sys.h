/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * sys.h - the seam: every call that the library makes into the system
 *
 * Nothing else in lib/ and backends/ talks to the kernel, so a test can fail
 * each call by wrapping one symbol (tests/fault).  All functions return a
 * negative errno on failure, and retry nothing but a wait.
 *
 * sys_linux.c implements them for Linux, sys_posix.c with nothing but POSIX;
 * what a system does not have returns -ENOSYS.
 */
#ifndef COPYOFF_SYS_H
#define COPYOFF_SYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A device number as copyoff_stat has it on Linux: the major number is the upper half. */
static inline uint64_t copyoff_device(uint32_t major, uint32_t minor)
{
	return (uint64_t)major << 32 | minor;
}

/* What a descriptor refers to. */
enum copyoff_kind {
	COPYOFF_KIND_OTHER, /* pipe, socket, character device, ... */
	COPYOFF_KIND_REGULAR,
	COPYOFF_KIND_BLOCK,
	COPYOFF_KIND_DIRECTORY,
};

struct copyoff_stat {
	enum copyoff_kind kind;
	uint64_t dev; /* of the file system */
	uint64_t ino;
	uint64_t rdev; /* of the block device */
	uint64_t size; /* bytes; 0 for anything but a regular file */
	uint64_t allocated; /* bytes */
	bool immutable;
	uint32_t dio_align; /* offset and length for O_DIRECT; 0: not known */
};

/* What fcntl(F_GETFL) says, in words. */
struct copyoff_open_mode {
	bool readable;
	bool writable;
	bool append;
	bool direct;
	bool path_only; /* O_PATH */
};

int copyoff_sys_open_mode(int fd, struct copyoff_open_mode *mode);
int copyoff_sys_stat(int fd, struct copyoff_stat *st);
int copyoff_sys_block_size(int fd, uint64_t *bytes, uint32_t *logical_block);

/* BLKPBSZGET: bytes that the device writes at once. */
int copyoff_sys_physical_block(int fd, uint32_t *bytes);
/* BLKROGET: are writes refused? */
int copyoff_sys_read_only(int fd, bool *read_only);
/* BLKGETDISKSEQ: a number that no other medium has until the next boot, since 5.15. */
int copyoff_sys_disk_sequence(int fd, uint64_t *sequence);

/* LOOP_GET_STATUS64, also of partitions; -ENXIO if no file is attached. */
struct copyoff_loop_status {
	uint64_t backing_dev; /* file system of the backing file, as in copyoff_stat */
	uint64_t backing_ino;
	uint64_t backing_rdev; /* 0 unless the backing file is a block device */
	uint64_t offset; /* of the loop device in the backing file, bytes */
	uint64_t size_limit; /* bytes, 0: to the end of the backing file */
	uint32_t number; /* of the loop device */
	bool direct; /* the backing file is used with O_DIRECT */
	bool read_only;
};
int copyoff_sys_loop_status(int fd, struct copyoff_loop_status *status);

/*
 * The type of the targets in the live table of the device mapper device @dev;
 * "" if there is no table, or one with targets of several types.  It takes
 * CAP_SYS_ADMIN.
 */
int copyoff_sys_dm_target(uint64_t dev, char *type, size_t size);

/*
 * NVME_IOCTL_ID: the number of the NVMe namespace that a block device is, or is a
 * partition of.  -ENOTTY for other devices; device mapper hands it down.
 */
int64_t copyoff_sys_nvme_id(int fd);

struct copyoff_nvme_command {
	uint8_t opcode;
	uint32_t nsid;
	uint32_t cdw3;
	uint32_t cdw[6]; /* dwords 10 to 15 */
	void *data; /* to or from the device, as the opcode says */
	uint32_t len; /* bytes: exactly what the command transfers */
	uint64_t result; /* completion dwords 0 and 1, if a status is returned */
};

enum copyoff_nvme_queue {
	COPYOFF_NVME_ADMIN,
	COPYOFF_NVME_IO,
	/*
	 * Before Linux 5.6, and with 32 bits of the result.  Later kernels let a
	 * user without privileges leave a partition by it.
	 */
	COPYOFF_NVME_IO_OLD,
};

/*
 * A command to the controller of the namespace @fd, as it is: its addresses are
 * those of the namespace, and nobody checks them, nor how @fd was opened.
 * Returns the status of the completion, more than 0 if it failed; or -errno: then
 * it was refused, or is lost, and what became of it is unknown.  The wait ends by
 * no signal: -EINTR is a command that was canceled.
 */
int copyoff_sys_nvme_command(int fd, enum copyoff_nvme_queue queue,
			     struct copyoff_nvme_command *command);

/*
 * The character device @rdev that takes commands for a disk, of an NVMe namespace
 * (ng0n1) or of SCSI (sg0), to read and write.  -EBUSY if somebody else has it for
 * himself; other errors as those of copyoff_sys_open_device().
 */
int copyoff_sys_open_generic(uint64_t rdev);

/*
 * Up to @depth commands in flight to such devices, since Linux 5.19.  -ENOSYS if the
 * kernel or the library was built without, others if io_uring is not to be had.
 */
struct copyoff_nvme_ring;
int copyoff_sys_nvme_ring_open(unsigned depth, struct copyoff_nvme_ring **ring);
/* When nothing is in flight any more. */
void copyoff_sys_nvme_ring_close(struct copyoff_nvme_ring *ring);
/*
 * Send a command, whose data must stay where it is until it comes back as @tag.
 * After an error, which is one of the ring, the command was not sent, and no other
 * one may be.
 */
int copyoff_sys_nvme_ring_send(struct copyoff_nvme_ring *ring, int fd, unsigned tag,
			       const struct copyoff_nvme_command *command);
/*
 * Wait for one that is in flight to come back, whatever signals arrive.  Returns
 * what copyoff_sys_nvme_command() does, for @tag; the @result is set likewise.
 */
int copyoff_sys_nvme_ring_wait(struct copyoff_nvme_ring *ring, unsigned *tag, uint64_t *result);

struct copyoff_scsi_command {
	uint8_t cdb[16];
	uint8_t cdb_len;
	bool to_device; /* the data */
	void *data;
	uint32_t len; /* bytes, 0: no data */
	uint32_t timeout; /* milliseconds; the kernel may take a longer one */
	/* The answer. */
	uint32_t residue; /* bytes that were not transferred, as the host reports it */
	uint8_t status; /* of the device */
	uint16_t host, driver; /* what else went wrong, in words of the kernel (DID_*, DRIVER_*) */
	uint8_t sense[96]; /* zeroes behind sense_len */
	uint8_t sense_len;
};

/*
 * SG_IO: a command to the SCSI disk that @fd is, or is a partition of, as it is:
 * its addresses are those of the disk, and nobody checks them, nor how @fd was
 * opened.  0: there is an answer, which need not be a good one, and in which the
 * host may say that the device gave none; -errno: it was not sent.  The wait ends
 * by no signal.
 */
int copyoff_sys_scsi_command(int fd, struct copyoff_scsi_command *command);

/*
 * The same by the character device of the disk (sg, version 3), without waiting: up
 * to 16 commands for each descriptor.  A command must stay where it is until it comes
 * back as @tag.  -errno: it was not sent.
 */
enum { COPYOFF_SCSI_DEPTH_MOST = 16 };
int copyoff_sys_scsi_send(int fd, unsigned tag, struct copyoff_scsi_command *command);
/*
 * Wait for one that was sent to come back, whatever signals arrive: its answer is in
 * it.  -errno: no answers are to be had any more, as of a disk that was removed, and
 * what becomes of the commands is unknown; their memory is not used any more.
 */
int copyoff_sys_scsi_wait(int fd, unsigned *tag);

/*
 * One of the kernel's block copy interfaces: ioctl(2) with the request, which is
 * read, and may be written to, at @arg; it is larger than any of them.
 */
int copyoff_sys_block_copy(int fd, uint32_t request, void *arg);

/*
 * The text of /sys/@path without its last newline; returns its length.
 * -ENAMETOOLONG for a path, -E2BIG for a text that does not fit.
 */
ssize_t copyoff_sys_read_sysfs(const char *path, char *buf, size_t size);
/*
 * Calls @entry for each name in the directory /sys/@path that does not begin
 * with a dot, until it returns not 0; returns that, or 0.
 */
int copyoff_sys_list_sysfs(const char *path, int (*entry)(void *data, const char *name),
			   void *data);
/* A descriptor of the list of mounts, /proc/self/mountinfo. */
int copyoff_sys_open_mountinfo(void);

int64_t copyoff_sys_tell(int fd);
int64_t copyoff_sys_set_position(int fd, int64_t off);

/* The file system's magic number, statfs(2) f_type. */
int64_t copyoff_sys_fs_type(int fd);

/* RLIMIT_FSIZE in bytes, UINT64_MAX for none.  Cannot fail. */
uint64_t copyoff_sys_file_size_limit(void);

/*
 * A second descriptor of the same file with its own position, through /proc;
 * only COPYOFF_ACCESS_DIRECT, which is for reading and writing, has O_DIRECT.
 * -EBUSY if the process has POSIX locks on the file, which closing it would drop.
 */
enum copyoff_access {
	COPYOFF_ACCESS_READ,
	COPYOFF_ACCESS_WRITE,
	COPYOFF_ACCESS_DIRECT,
};
int copyoff_sys_reopen(int fd, enum copyoff_access access);
int copyoff_sys_close(int fd);

/*
 * The block device @rdev, to be looked at.  -ENXIO if another one is found;
 * -EBUSY if closing it would drop POSIX locks of the process.
 */
int copyoff_sys_open_device(uint64_t rdev);
/*
 * Open the block device @fd once more, exclusively: -EBUSY if somebody else has
 * done so, which mounting does, too.  Holds until the result is closed.
 * -EDEADLK if somebody has locks on it (fcntl(2)), which closing might drop.
 */
int copyoff_sys_claim(int fd);
/*
 * The regular file at @path, if it is the one with these numbers, -ESTALE if
 * not; for COPYOFF_ACCESS_WRITE also to be read.
 */
int copyoff_sys_open_file(const char *path, uint64_t dev, uint64_t ino, enum copyoff_access access);
/*
 * May this process have POSIX locks on a file with one of these inode numbers?  To
 * open that file and close it would drop them (fcntl(2)).  Takes a call for each
 * descriptor of the process.
 */
bool copyoff_sys_has_locks(const uint64_t *inodes, size_t n);

ssize_t copyoff_sys_pread(int fd, void *buf, size_t len, int64_t off);
ssize_t copyoff_sys_pwrite(int fd, const void *buf, size_t len, int64_t off);

/* The raw system call: a C library release truncated its result. */
int64_t copyoff_sys_copy_file_range(int fd_in, int64_t off_in, int fd_out, int64_t off_out,
				    size_t len);

/* FICLONERANGE, and the block size it is aligned to (FIGETBSZ, or statfs). */
int copyoff_sys_clone_range(int fd_in, int64_t off_in, int fd_out, int64_t off_out, uint64_t len);
int64_t copyoff_sys_clone_align(int fd);

/* A pipe for splice(); returns its capacity, which may be below @capacity. */
int64_t copyoff_sys_pipe(int fds[2], size_t capacity);
ssize_t copyoff_sys_splice_in(int fd, int64_t off, int pipe_fd, size_t len);
ssize_t copyoff_sys_splice_out(int pipe_fd, int fd, int64_t off, size_t len);

/* Offsets of the next data or hole at or behind @off; they move the position. */
int64_t copyoff_sys_seek_data(int fd, int64_t off);
int64_t copyoff_sys_seek_hole(int fd, int64_t off);

/* Neither changes the size. */
int copyoff_sys_punch_hole(int fd, int64_t off, int64_t len);
int copyoff_sys_zero_range(int fd, int64_t off, int64_t len);

int copyoff_sys_fdatasync(int fd);

/*
 * The page cache of a range: write back what is dirty and wait for it; drop what
 * is clean and not in use; count the pages that are there (-ENOSYS before Linux
 * 6.5, -EPERM if the file is not open for writing), or count them by a mapping,
 * which is too high if the caller does not own the file and cannot write to it.
 */
int copyoff_sys_flush_range(int fd, int64_t off, int64_t len);
int copyoff_sys_drop_cache(int fd, int64_t off, int64_t len);
int64_t copyoff_sys_cachestat(int fd, int64_t off, int64_t len);
int64_t copyoff_sys_mincore(int fd, int64_t off, int64_t len);
uint64_t copyoff_sys_page_size(void);

/*
 * Write back what is dirty in a range of the block device @fd, open for writing
 * with O_DIRECT, and take all pages out of the cache that are not made dirty
 * again meanwhile: the kernel waits for those that are locked or being read, and
 * unmaps those that are mapped.  Nothing is written to the device but what was
 * dirty.  Multiples of the page.
 */
int copyoff_sys_invalidate_range(int fd, int64_t off, int64_t len);

/* Memory for I/O, aligned to @align (a power of two); NULL: none. */
void *copyoff_sys_alloc(size_t size, size_t align);
void copyoff_sys_free(void *p);

/* getpid(2).  Cannot fail. */
int64_t copyoff_sys_process(void);

/* Wait; a signal may end it early. */
void copyoff_sys_pause(uint64_t ns);

/* Monotonic nanoseconds. */
uint64_t copyoff_sys_now(void);

/* secure_getenv(3), and a line (with its newline) to standard error for COPYOFF_DEBUG. */
const char *copyoff_sys_getenv(const char *name);
void copyoff_sys_debug(const char *line, size_t len);

#endif
