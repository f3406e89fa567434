/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
#include "bench.h"

#define CACHED  (IN(OVERWRITE) | IN(NEW_FILE))
#define STREAMS (CACHED | IN(DIRECT))
#define LOOPS   (IN(LOOP_COLD) | IN(LOOP_WARM) | IN(LOOP_WITHIN) | IN(LOOP_UNALIGNED))
/* Commands that copy whole devices. */
#define WHOLE (IN(LOOP_COLD) | IN(LOOP_WARM))

#define COMMAND(...)                                                                               \
	(const char *const[])                                                                      \
	{                                                                                          \
		__VA_ARGS__, NULL                                                                  \
	}

/* run_dd_*() add the rest. */
#define DD COMMAND("dd")

const struct competitor competitors[] = {
	{ "copyoff_copy", OURS, AS_TOLD, STREAMS | IN(SPARSE) | IN(UNALIGNED) | LOOPS, run_copyoff,
	  NULL, false },
	{ "copyoff_ctx_copy", OURS, AS_TOLD, STREAMS | IN(SPARSE) | IN(UNALIGNED) | LOOPS,
	  run_copyoff_ctx, NULL, false },
	{ "pread/pwrite 128K", PEER, NEVER_SHARES, STREAMS, run_readwrite, NULL, false },
	{ "copy_file_range", PEER, MAY_SHARE, STREAMS | IN(UNALIGNED), run_copy_file_range, NULL,
	  false },
	{ "splice 512K", PEER, NEVER_SHARES, CACHED, run_splice, NULL, false },
	{ "io_uring 4 x 256K", PEER, NEVER_SHARES, STREAMS, run_ring_4, NULL, false },
	{ "io_uring 8 x 256K", PEER, NEVER_SHARES, STREAMS, run_ring_8, NULL, false },
	{ "FICLONERANGE", PEER, ALWAYS_SHARES, CACHED, run_clone, NULL, false },
	{ "SEEK_DATA walk + copy_file_range", PEER, MAY_SHARE, IN(SPARSE), run_walk_kernel, NULL,
	  false },
	{ "SEEK_DATA walk + pread/pwrite", PEER, NEVER_SHARES, IN(SPARSE), run_walk_readwrite, NULL,
	  false },
	{ "memcpy", LIMIT, NEVER_SHARES, CACHED, run_memcpy, NULL, false },

	{ "copyoff copy", OURS, MAY_SHARE, CACHED | IN(SPARSE), run_command,
	  COMMAND("copyoff", "copy", "%s", "%d"), false },
	{ "copyoff copy --reflink=never", OURS, NEVER_SHARES, CACHED | IN(SPARSE), run_command,
	  COMMAND("copyoff", "copy", "--reflink=never", "%s", "%d"), false },
	{ "cp", PEER, MAY_SHARE, CACHED | IN(SPARSE), run_command, COMMAND("cp", "%s", "%d"),
	  false },
	{ "cp --reflink=never", PEER, NEVER_SHARES, CACHED | IN(SPARSE), run_command,
	  COMMAND("cp", "--reflink=never", "%s", "%d"), false },
	{ "dd bs=1M", PEER, NEVER_SHARES, CACHED, run_command,
	  COMMAND("dd", "bs=1M", "if=%s", "of=%d"), false },
	{ "dd bs=1M direct", PEER, NEVER_SHARES, IN(DIRECT), run_command,
	  COMMAND("dd", "bs=1M", "iflag=direct", "oflag=direct", "conv=notrunc", "if=%s", "of=%d"),
	  false },
	/* By copy_file_range(2) since coreutils 9.0. */
	{ "cat", PEER, MAY_SHARE, CACHED, run_command, COMMAND("cat", "%s"), true },
	{ "xfs_io copy_range", PEER, MAY_SHARE, CACHED, run_command,
	  COMMAND("xfs_io", "-f", "-c", "copy_range %s", "%d"), false },
	{ "nbdcopy", PEER, NEVER_SHARES, CACHED, run_command, COMMAND("nbdcopy", "%s", "%d"),
	  false },
	{ "qemu-img convert", PEER, NEVER_SHARES, CACHED | IN(SPARSE), run_command,
	  COMMAND("qemu-img", "convert", "-f", "raw", "-O", "raw", "%s", "%d"), false },
	{ "qemu-img convert -n direct", PEER, NEVER_SHARES, IN(DIRECT), run_command,
	  COMMAND("qemu-img", "convert", "-n", "-t", "none", "-T", "none", "-f", "raw", "-O", "raw",
		  "%s", "%d"),
	  false },
	{ "ddpt", PEER, NEVER_SHARES, CACHED, run_command,
	  COMMAND("ddpt", "bs=512", "bpt=2048", "if=%s", "of=%d"), false },
	{ "ddpt direct", PEER, NEVER_SHARES, IN(DIRECT), run_command,
	  COMMAND("ddpt", "bs=4096", "bpt=256", "iflag=direct", "oflag=direct", "conv=notrunc",
		  "if=%s", "of=%d"),
	  false },
	{ "io_uring-cp", PEER, NEVER_SHARES, CACHED, run_command,
	  COMMAND("io_uring-cp", "%s", "%d"), false },

	{ "FICLONERANGE beneath + flush", LIMIT, ALWAYS_SHARES, WHOLE | IN(LOOP_WITHIN),
	  run_clone_beneath, NULL, false },
	{ "dd bs=1M conv=fsync", PEER, NEVER_SHARES, LOOPS, run_dd_fsync, DD, false },
	{ "dd bs=1M direct, devices", PEER, NEVER_SHARES, WHOLE | IN(LOOP_WITHIN), run_dd_direct,
	  DD, false },
	{ "cp, devices", PEER, NEVER_SHARES, WHOLE, run_command, COMMAND("cp", "%s", "%d"), false },
	{ "qemu-img convert -C", PEER, NEVER_SHARES, WHOLE, run_command,
	  COMMAND("qemu-img", "convert", "-C", "-n", "-f", "raw", "-O", "raw", "%s", "%d"), false },
};
const size_t competitor_count = sizeof(competitors) / sizeof(competitors[0]);
_Static_assert(sizeof(competitors) / sizeof(competitors[0]) <= COMPETITORS_MAX,
	       "struct measured has room for all");

static bool is_missing(const struct competitor *c)
{
	if (c->argv)
		return !command_is_installed(c);
	return (c->run == run_ring_4 || c->run == run_ring_8) && !ring_built;
}

static enum kind kind_of(const struct competitor *c, const struct files *f)
{
	if (c->sharing == ALWAYS_SHARES || (c->sharing == MAY_SHARE && f->clones))
		return CLONE;
	return BYTES;
}

bool takes_part(const struct competitor *c, const struct scenario *s, const struct files *f)
{
	if (is_loop(s->state))
		return !is_missing(c) && (c->states & IN(s->state));
	if (is_missing(c) || (c->argv != NULL) != s->commands || !(c->states & IN(s->state)))
		return false;
	return c->sharing == AS_TOLD || kind_of(c, f) == s->kind;
}
