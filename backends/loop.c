/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * loop.c - copies between loop devices, made between the files behind them
 *
 * One side may be a regular file.  The copy itself is made by the best backend
 * that can copy between the two files: shared extents, or the system call.
 * Alignment is that of the offsets in these files.  What the page caches of the
 * devices hold is written back before and dropped behind the copy.
 *
 * Nothing is kept open between two copies: an open backing file would keep its
 * space after it was deleted, and an open device cannot be detached.
 */
#include "backend.h"

#include <errno.h>

enum {
	/* To find out all that is needed costs as much as copying some 100 KiB. */
	LEAST_ONCE = 1 << 20,
	RANGE_MOST = 1 << 30, /* a multiple of all blocks; bytes between two progress callbacks */
};

/* The file of one side of the pair: behind the loop device, or that side itself. */
struct file {
	bool is_backing;
	char path[4096]; /* of a backing file */
	int fd; /* during a copy */
};

struct state {
	struct copyoff_bracket bracket;
	struct file in;
	struct file out;
	struct copyoff_offer inner; /* for the files */
};

/* --- what lies beneath -------------------------------------------------------- */

static int not_a_loop(struct copyoff_offer *offer)
{
	return copyoff_decline(offer, COPYOFF_REASON_FILE_TYPE, 0,
			       "not loop devices on files, nor a loop device and a file", "");
}

static int find_file(const struct copyoff_side *side, struct file *file,
		     struct copyoff_offer *offer)
{
	ssize_t len;

	file->is_backing = side->is_device;
	file->fd = -1;
	if (!file->is_backing)
		return 0;
	if (!side->chain.place.in_file)
		return not_a_loop(offer);
	len = copyoff_sysfs_text(side->chain.lowest, "loop/backing_file", file->path,
				 sizeof(file->path));
	if (len < 0)
		return copyoff_decline(offer, COPYOFF_REASON_UNSUPPORTED, (int)len,
				       "the kernel does not tell the path of the backing file", "");
	return 0;
}

static int check_locks(const struct state *state, struct copyoff_offer *offer)
{
	uint64_t inodes[2];
	size_t n = 0;

	if (state->in.is_backing)
		inodes[n++] = state->bracket.in.chain.place.ino;
	if (state->out.is_backing)
		inodes[n++] = state->bracket.out.chain.place.ino;
	if (!copyoff_sys_has_locks(inodes, n))
		return 0;
	return copyoff_decline(offer, COPYOFF_REASON_RESOURCE, EBUSY,
			       "this process has POSIX locks on a backing file, which opening and "
			       "closing it would drop",
			       "use locks of open file descriptions (F_OFD_SETLK)");
}

static int open_file(const struct copyoff_end *end, const struct copyoff_side *side,
		     struct file *file, enum copyoff_access access, struct copyoff_offer *offer)
{
	const struct copyoff_place *place = &side->chain.place;

	file->fd = end->fd;
	if (!file->is_backing)
		return 0;
	file->fd = copyoff_sys_open_file(file->path, place->dev, place->ino, access);
	if (file->fd == -EACCES || file->fd == -EPERM || file->fd == -EROFS)
		return copyoff_decline(offer, COPYOFF_REASON_PERMISSION, file->fd,
				       "the backing file may not be opened", "grant access to it");
	if (file->fd == -ENOMEM || file->fd == -EMFILE || file->fd == -ENFILE)
		return copyoff_decline(offer, COPYOFF_REASON_RESOURCE, file->fd,
				       "no memory or descriptors for the backing file", "");
	if (file->fd < 0)
		return copyoff_decline(offer, COPYOFF_REASON_UNSUPPORTED, file->fd,
				       "the backing file cannot be found by its path: deleted, "
				       "renamed, or in another mount namespace",
				       "attach the loop device to a file that can be seen here");
	return 0;
}

static void close_file(struct file *file)
{
	/* What was written to it is in its cache; the device reports errors of that. */
	if (file->is_backing && file->fd >= 0)
		(void)copyoff_sys_close(file->fd);
	file->fd = -1;
}

static int open_files(const struct copyoff_pair *pair, struct state *state,
		      struct copyoff_offer *offer)
{
	const struct copyoff_bracket *b = &state->bracket;
	int ret = check_locks(state, offer);

	if (ret == 0)
		ret = open_file(&pair->in, &b->in, &state->in, COPYOFF_ACCESS_READ, offer);

	if (ret == 0)
		ret = open_file(&pair->out, &b->out, &state->out, COPYOFF_ACCESS_WRITE, offer);
	return ret;
}

static void close_files(struct state *state)
{
	close_file(&state->in);
	close_file(&state->out);
}

/* The file of one side as an end of the inner pair. */
static int file_end(const struct copyoff_end *outer, const struct file *file,
		    struct copyoff_end *end)
{
	struct copyoff_stat st;
	int ret;

	*end = *outer;
	if (!file->is_backing)
		return 0;
	ret = copyoff_sys_stat(file->fd, &st);
	*end = (struct copyoff_end){
		.fd = file->fd,
		.kind = st.kind,
		.dev = st.dev,
		.ino = st.ino,
		.size = st.size,
		.size_known = true,
		.allocated = st.allocated,
		.io_align = 1,
		.place = { .in_file = true, .dev = st.dev, .ino = st.ino },
	};
	return ret;
}

static int file_pair(const struct copyoff_pair *pair, const struct state *state,
		     struct copyoff_pair *files)
{
	int ret;

	*files = *pair;
	ret = file_end(&pair->in, &state->in, &files->in);
	return ret < 0 ? ret : file_end(&pair->out, &state->out, &files->out);
}

/* --- probe --------------------------------------------------------------------- */

static int refused_inside(struct copyoff_offer *offer, const struct copyoff_offer *inner)
{
	return copyoff_decline(offer, inner->reason, inner->error, inner->text, inner->remedy);
}

static int probe_files(const struct copyoff_pair *pair, struct state *state,
		       struct copyoff_offer *offer)
{
	struct copyoff_pair files;
	int ret = file_pair(pair, state, &files);

	if (ret == 0)
		ret = copyoff_inner_probe(&files, &state->inner);
	if (ret == COPYOFF_DECLINE)
		return refused_inside(offer, &state->inner);
	return ret;
}

static int find_files(const struct copyoff_pair *pair, struct state *state,
		      struct copyoff_offer *offer)
{
	const struct copyoff_bracket *b = &state->bracket;
	int ret;

	copyoff_bracket_find(&state->bracket, pair);
	ret = find_file(&b->in, &state->in, offer);
	if (ret == 0)
		ret = find_file(&b->out, &state->out, offer);
	if (ret == 0)
		ret = copyoff_check_destination(&pair->out, offer);
	if (ret == 0)
		ret = open_files(pair, state, offer);
	if (ret == 0)
		ret = probe_files(pair, state, offer);
	close_files(state);
	if (ret < 0)
		return ret;
	offer->traits = state->inner.traits;
	offer->limits = state->inner.limits;
	offer->limits.max_range = RANGE_MOST;
	offer->base_in = state->in.is_backing ? b->in.chain.place.base : 0;
	offer->base_out = state->out.is_backing ? b->out.chain.place.base : 0;
	state->bracket.valid = true;
	return 0;
}

static int loop_probe(const struct copyoff_pair *pair, struct copyoff_offer *offer)
{
	struct state *state;
	int ret;

	if (pair->in.kind != COPYOFF_KIND_BLOCK && pair->out.kind != COPYOFF_KIND_BLOCK)
		return not_a_loop(offer);
	state = copyoff_sys_alloc(sizeof(*state), sizeof(void *));
	if (!state)
		return -ENOMEM;
	*state = (struct state){ 0 };
	ret = find_files(pair, state, offer);
	if (ret == 0)
		offer->priv = state;
	else
		copyoff_sys_free(state);
	return ret;
}

static void loop_release(struct copyoff_offer *offer)
{
	copyoff_sys_free(offer->priv);
}

/* --- copy ------------------------------------------------------------------------ */

static bool ends_within(const struct copyoff_end *file, uint64_t base, int64_t off, uint64_t len)
{
	uint64_t end = base + (uint64_t)off;

	return end <= file->size && len <= file->size - end;
}

/* Beyond its end, a file would be made longer, and the source would seem to end. */
static bool fits(const struct copyoff_pair *files, const struct copyoff_offer *offer,
		 const struct state *state, const struct copyoff_range *r)
{
	return (!state->in.is_backing || ends_within(&files->in, offer->base_in, r->src, r->len)) &&
	       (!state->out.is_backing ||
		ends_within(&files->out, offer->base_out, r->dst, r->len));
}

/* In pieces: the backend inside may want to be asked for less at a time. */
static int64_t copy_inside(const struct copyoff_pair *files, struct copyoff_offer *offer,
			   struct state *state, const struct copyoff_range *r)
{
	struct copyoff_offer *inner = &state->inner;
	uint64_t done = 0;
	int64_t ret = 0;

	do {
		uint64_t most = inner->limits.max_range;
		struct copyoff_range beneath = {
			.src = r->src + (int64_t)(offer->base_in + done),
			.dst = r->dst + (int64_t)(offer->base_out + done),
			.len = r->len - done,
		};

		if (most && beneath.len > most)
			beneath.len = most;
		inner->interrupted = false;
		ret = inner->backend->copy(files, inner, &beneath, 1);
		if (ret > 0)
			done += (uint64_t)ret;
		if (ret != (int64_t)beneath.len)
			break;
	} while (done < r->len);
	offer->interrupted = inner->interrupted;
	if (done > 0) /* what stopped it, the next call finds again */
		return (int64_t)done;
	if (ret == COPYOFF_DECLINE)
		return refused_inside(offer, inner);
	if (ret == 0) /* the device does not end here, whatever became of its file */
		return copyoff_decline(offer, COPYOFF_REASON_RESOURCE, 0,
				       "the backing file ends before the device", "");
	return ret;
}

/* What copy_inside() is called with. */
struct call {
	const struct copyoff_pair *files;
	struct copyoff_offer *offer;
	const struct copyoff_range *range;
};

static int64_t copy_call(void *data)
{
	const struct call *c = data;

	return copy_inside(c->files, c->offer, c->offer->priv, c->range);
}

/* With the files open. */
static int64_t copy_range(const struct copyoff_pair *pair, struct copyoff_offer *offer,
			  struct state *state, const struct copyoff_range *r)
{
	const struct copyoff_origin from = {
		.fd = state->in.fd,
		.shift = offer->base_in,
		.ranges = r,
		.n = 1,
	};
	struct copyoff_pair files;
	struct call call = { &files, offer, r };
	int ret = file_pair(pair, state, &files);

	if (ret < 0)
		return ret;
	if (!fits(&files, offer, state, r))
		return copyoff_decline(offer, COPYOFF_REASON_RESOURCE, 0,
				       "the backing file is shorter than the device", "");
	return copyoff_bracket_copy(&state->bracket, pair, offer, &from, copy_call, &call);
}

/* Would the core, which went by @before, cut the ranges and choose the backend likewise? */
static bool same_terms(const struct copyoff_offer *before, const struct copyoff_offer *now)
{
	return before->traits == now->traits && before->base_in == now->base_in &&
	       before->base_out == now->base_out && before->limits.align == now->limits.align &&
	       before->limits.min_total == now->limits.min_total;
}

/* Is it what the arguments of the call were checked against? */
static bool as_checked(const struct copyoff_end *end, const struct copyoff_side *side)
{
	return !side->is_device ||
	       (copyoff_same_place(&end->place, &side->chain.place) &&
		end->place.base == side->chain.place.base && end->size == side->size);
}

/* 0: the ranges fit what there is now. */
static int find_again(const struct copyoff_pair *pair, struct copyoff_offer *offer,
		      struct state *state)
{
	const struct copyoff_offer before = *offer;
	int ret = find_files(pair, state, offer);

	if (ret == 0 &&
	    (!same_terms(&before, offer) || !as_checked(&pair->in, &state->bracket.in) ||
	     !as_checked(&pair->out, &state->bracket.out)))
		return copyoff_decline(offer, COPYOFF_REASON_RESOURCE, 0,
				       "a loop device was set up anew", "");
	return ret;
}

static int64_t loop_copy(const struct copyoff_pair *pair, struct copyoff_offer *offer,
			 const struct copyoff_range *ranges, size_t n)
{
	struct state *state = offer->priv;
	int64_t ret = 0;

	(void)n; /* limits.max_ranges is 1 */
	if (!state->bracket.valid || !copyoff_bracket_holds(&state->bracket, pair))
		ret = find_again(pair, offer, state);
	if (ret == 0)
		ret = copyoff_check_destination(&pair->out, offer);
	if (ret == 0)
		ret = open_files(pair, state, offer);
	if (ret == 0)
		ret = copy_range(pair, offer, state, &ranges[0]);
	close_files(state);
	return ret;
}

const struct copyoff_backend copyoff_backend_loop = {
	.info = COPYOFF_BACKEND_INFO("loop", "copies between the files behind loop devices",
				     COPYOFF_TRAIT_MAY_SHARE),
	.least_once = LEAST_ONCE,
	.probe = loop_probe,
	.copy = loop_copy,
	.release = loop_release,
};
