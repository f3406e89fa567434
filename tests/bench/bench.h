/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * bench.h - what the files of the benchmark share
 *
 *   main.c      options, the order of things
 *   cases.c     the table of cases: what is copied, how much, in which state
 *   files.c     source and destination of a case, and their state before a copy
 *   peers.c     the table of competitors
 *   inside.c    those that copy within this process
 *   loop.c      loop devices
 *   ring.c      io_uring by hand; no_ring.c where liburing is missing
 *   command.c   those that are commands
 *   measure.c   rounds, samples, medians
 *   memory.c    growth of resident memory
 *   report.c    tables
 *   goals.c     the goals, and whether they were met
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)
#define GIB ((size_t)1 << 30)

/* --- cases.c ----------------------------------------------------------- */

enum state {
	OVERWRITE, /* cached source, cached destination with blocks of its own */
	NEW_FILE, /* cached source, empty destination */
	DIRECT, /* O_DIRECT on both sides, destination with blocks of its own */
	SPARSE, /* 1 % data, empty destination */
	UNALIGNED, /* both offsets 1, empty destination */
	/* Loop devices; the destination has blocks of its own. */
	LOOP_COLD, /* two, nothing is cached */
	LOOP_WARM, /* two, both are cached */
	LOOP_WITHIN, /* one, from its first to its second half; nothing is cached */
	LOOP_UNALIGNED, /* two, both offsets 1; nothing is cached */
};

/* What is compared with each other: copies of bytes, or clones of extents. */
enum kind { BYTES, CLONE };

struct scenario {
	const char *name;
	enum state state;
	enum kind kind;
	bool commands; /* competitors are commands, not calls */
	const size_t *sizes; /* ends with 0 */
	const size_t *quick_sizes;
};

extern const struct scenario scenarios[];
extern const size_t scenario_count;

/* --- files.c ----------------------------------------------------------- */

struct files {
	const char *fs; /* name, for people */
	bool clones; /* FICLONERANGE works there */
	bool loop; /* the paths are those of loop devices on files */
	char in_path[512];
	char out_path[512];
};

/* One copy, as competitors see it. */
struct copy {
	const struct files *files;
	int in;
	int out;
	off_t src;
	off_t dst;
	size_t len;
	unsigned flags; /* COPYOFF_*, for the library */
};

/* All return 0 or -errno, and print what failed. */
int files_init(struct files *f, const char *fs, const char *dir);
void files_remove(const struct files *f);
int files_make_source(const struct files *f, enum state state, size_t size);
/* Before a competitor's first sample: nothing in the destination is equal to the source. */
int files_spoil(const struct files *f, enum state state, size_t size);
/* Before each sample. */
int files_prepare(const struct files *f, enum state state, size_t size);
int files_open(const struct files *f, enum state state, struct copy *copy);
void files_close(const struct copy *copy);
/* Is what was copied equal to its source?  -EIO if not. */
int files_compare(const struct copy *copy);

/* --- peers.c ----------------------------------------------------------- */

enum role { OURS, PEER, LIMIT };

/* What a competitor does where extents can be cloned. */
enum sharing {
	NEVER_SHARES,
	ALWAYS_SHARES, /* and cannot do anything else */
	MAY_SHARE, /* does so where it can: copies bytes on other file systems only */
	AS_TOLD, /* by copy.flags */
};

#define IN(state) (1u << (state))

struct competitor {
	const char *name;
	enum role role;
	enum sharing sharing;
	unsigned states; /* IN(state) | ... */
	/* 0, or -errno, or positive: a command failed */
	int (*run)(const struct competitor *c, const struct copy *copy);
	/* For commands: "%s" in it stands for the source, "%d" for the destination. */
	const char *const *argv;
	bool to_stdout; /* standard output is the destination */
};

extern const struct competitor competitors[];
extern const size_t competitor_count;
enum { COMPETITORS_MAX = 40 };

bool takes_part(const struct competitor *c, const struct scenario *s, const struct files *f);

/* --- inside.c ---------------------------------------------------------- */

/* Makes buffers, a pipe and a context, outside all measurements. */
int inside_init(void);
void inside_exit(void);
int run_copyoff(const struct competitor *c, const struct copy *copy);
int run_copyoff_ctx(const struct competitor *c, const struct copy *copy);
int run_readwrite(const struct competitor *c, const struct copy *copy);
int run_copy_file_range(const struct competitor *c, const struct copy *copy);
int run_splice(const struct competitor *c, const struct copy *copy);
int run_clone(const struct competitor *c, const struct copy *copy);
int run_walk_kernel(const struct competitor *c, const struct copy *copy);
int run_walk_readwrite(const struct competitor *c, const struct copy *copy);
int run_memcpy(const struct competitor *c, const struct copy *copy);

/* --- loop.c ------------------------------------------------------------ */

bool is_loop(enum state state);
/* Loop devices on new files in the places of @f; -errno, and says why. */
int loop_attach(const struct files *f, enum state state, size_t size, struct files *devices);
void loop_detach(const struct files *f);
int loop_prepare(enum state state, size_t size);
int run_clone_beneath(const struct competitor *c, const struct copy *copy);
int run_dd_fsync(const struct competitor *c, const struct copy *copy);
int run_dd_direct(const struct competitor *c, const struct copy *copy);

/* Bytes since some moment. */
struct traffic {
	double devices; /* read from and written to the loop devices */
	double own; /* by system calls of this process */
};
struct traffic loop_traffic(void);

/* --- ring.c ------------------------------------------------------------ */

extern const bool ring_built;
int ring_init(void);
void ring_exit(void);
int run_ring_4(const struct competitor *c, const struct copy *copy);
int run_ring_8(const struct competitor *c, const struct copy *copy);

/* --- command.c --------------------------------------------------------- */

/* The paths that stand for the commands "copyoff" and "io_uring-cp"; NULL: $PATH. */
void command_set_paths(const char *copyoff, const char *io_uring_cp);
bool command_is_installed(const struct competitor *c);
int run_command(const struct competitor *c, const struct copy *copy);

/* --- measure.c --------------------------------------------------------- */

struct result {
	const struct competitor *competitor;
	double seconds; /* median, of one copy; 0: failed */
	double least; /* seconds of the fastest sample */
	double spread; /* between the quartiles, as a part of the median */
	struct traffic traffic; /* the most of any sample, loop devices only */
	int error;
};

struct measured {
	const struct scenario *scenario;
	size_t size;
	unsigned rounds;
	struct result results[COMPETITORS_MAX];
	size_t n;
};

enum { MEASURED_MAX = 64 };

enum { ROUNDS_LEAST = 7, ROUNDS_MOST = 99 };

/* 0, or -errno if the files could not be made. */
int measure(const struct files *f, const struct scenario *s, size_t size, unsigned rounds,
	    struct measured *m);
const struct result *find_result(const struct measured *m, const char *name);
/* The fastest competitor that is not ours, NULL if there is none. */
const struct result *best_peer(const struct measured *m);

/* --- memory.c ---------------------------------------------------------- */

struct memory {
	const char *what;
	size_t bytes; /* growth of the peak, 0: not measured */
};

enum { MEMORY_CASES = 4 };

/* Returns the number of rows filled. */
size_t measure_memory(const struct files *f, bool quick, struct memory *rows);

/* --- report.c ---------------------------------------------------------- */

void report_missing(void);
void report(const struct files *f, const struct measured *m);
void report_memory(const struct files *f, const struct memory *rows, size_t n);
const char *size_name(size_t size);

/* --- goals.c ----------------------------------------------------------- */

/* @complete: also name the goals that nothing was measured for. */
void report_goals(const struct files *f, const struct measured *m, size_t n,
		  const struct memory *rows, size_t n_rows, bool complete);

#endif
