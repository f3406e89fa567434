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

/* One side of the pair. */
struct side {
	bool is_loop; /* or a regular file */
	struct copyoff_chain chain; /* as it was; its descriptors are closed */
	uint64_t sequence; /* of the device's medium; 0: not known */
	uint64_t size; /* of the device, for which caches were found */
	struct copyoff_coherence caches;
	char path[4096]; /* of the backing file */
	int fd; /* of the file, during a copy */
};

struct state {
	struct side in;
	struct side out;
	struct copyoff_offer inner; /* for the files */
	bool valid; /* all of it has been found out */
};

/* --- what lies beneath -------------------------------------------------------- */

static uint64_t sequence_of(int fd)
{
	uint64_t sequence;

	return copyoff_sys_disk_sequence(fd, &sequence) < 0 ? 0 : sequence;
}

static int not_a_loop(struct copyoff_offer *offer)
{
	return copyoff_decline(offer, COPYOFF_REASON_FILE_TYPE, 0,
			       "not loop devices on files, nor a loop device and a file", "");
}

static int find_side(const struct copyoff_end *end, struct side *side, struct copyoff_offer *offer)
{
	const struct copyoff_chain *chain = &side->chain;
	ssize_t len;

	side->is_loop = end->kind == COPYOFF_KIND_BLOCK;
	side->fd = -1;
	if (!side->is_loop)
		return 0;
	side->sequence = sequence_of(end->fd);
	side->size = end->size;
	copyoff_chain_open(&side->chain, end->fd, end->rdev);
	copyoff_coherence_find(&side->caches, chain, end->size);
	copyoff_chain_close(&side->chain);
	if (!chain->place.in_file)
		return not_a_loop(offer);
	len = copyoff_sysfs_text(chain->lowest, "loop/backing_file", side->path,
				 sizeof(side->path));
	if (len < 0)
		return copyoff_decline(offer, COPYOFF_REASON_UNSUPPORTED, (int)len,
				       "the kernel does not tell the path of the backing file", "");
	return 0;
}

/* The same loop device on the same file, with the same offset and size? */
static bool same_side(const struct copyoff_end *end, const struct side *side)
{
	return !side->is_loop ||
	       (end->size == side->size && copyoff_chain_unchanged(&side->chain, end->fd) &&
		sequence_of(end->fd) == side->sequence);
}

static bool unchanged(const struct copyoff_pair *pair, const struct state *state)
{
	return state->valid && same_side(&pair->in, &state->in) &&
	       same_side(&pair->out, &state->out);
}

static int open_side(const struct copyoff_end *end, struct side *side, enum copyoff_access access,
		     struct copyoff_offer *offer)
{
	const struct copyoff_place *place = &side->chain.place;

	side->fd = end->fd;
	if (!side->is_loop)
		return 0;
	side->fd = -1;
	if (copyoff_sys_has_locks(place->ino))
		return copyoff_decline(offer, COPYOFF_REASON_RESOURCE, EBUSY,
				       "this process has POSIX locks on the backing file, which "
				       "opening and closing it would drop",
				       "use locks of open file descriptions (F_OFD_SETLK)");
	side->fd = copyoff_sys_open_file(side->path, place->dev, place->ino, access);
	if (side->fd == -EACCES || side->fd == -EPERM || side->fd == -EROFS)
		return copyoff_decline(offer, COPYOFF_REASON_PERMISSION, side->fd,
				       "the backing file may not be opened", "grant access to it");
	if (side->fd == -ENOMEM || side->fd == -EMFILE || side->fd == -ENFILE)
		return copyoff_decline(offer, COPYOFF_REASON_RESOURCE, side->fd,
				       "no memory or descriptors for the backing file", "");
	if (side->fd < 0)
		return copyoff_decline(offer, COPYOFF_REASON_UNSUPPORTED, side->fd,
				       "the backing file cannot be found by its path: deleted, "
				       "renamed, or in another mount namespace",
				       "attach the loop device to a file that can be seen here");
	return 0;
}

static void close_side(struct side *side)
{
	/* What was written to it is in its cache; the device reports errors of that. */
	if (side->is_loop && side->fd >= 0)
		(void)copyoff_sys_close(side->fd);
	side->fd = -1;
}

static int open_files(const struct copyoff_pair *pair, struct state *state,
		      struct copyoff_offer *offer)
{
	int ret = open_side(&pair->in, &state->in, COPYOFF_ACCESS_READ, offer);

	return ret ? ret : open_side(&pair->out, &state->out, COPYOFF_ACCESS_WRITE, offer);
}

static void close_files(struct state *state)
{
	close_side(&state->in);
	close_side(&state->out);
}

/* The file of one side as an end of the inner pair. */
static int file_end(const struct copyoff_end *outer, const struct side *side,
		    struct copyoff_end *end)
{
	struct copyoff_stat st;
	int ret;

	*end = *outer;
	if (!side->is_loop)
		return 0;
	ret = copyoff_sys_stat(side->fd, &st);
	*end = (struct copyoff_end){
		.fd = side->fd,
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
	int ret = find_side(&pair->in, &state->in, offer);

	state->valid = false;
	if (ret == 0)
		ret = find_side(&pair->out, &state->out, offer);
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
	offer->base_in = state->in.is_loop ? state->in.chain.place.base : 0;
	offer->base_out = state->out.is_loop ? state->out.chain.place.base : 0;
	state->valid = true;
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
	return (!state->in.is_loop || ends_within(&files->in, offer->base_in, r->src, r->len)) &&
	       (!state->out.is_loop || ends_within(&files->out, offer->base_out, r->dst, r->len));
}

/* Open what caches the two devices have; what cannot be opened leaves it to others. */
static int begin(struct state *state, const struct copyoff_pair *pair, struct copyoff_offer *offer)
{
	int ret = 0;

	if (state->in.is_loop)
		ret = copyoff_coherence_begin(&state->in.caches, pair->in.fd);
	if (ret == 0 && state->out.is_loop)
		ret = copyoff_coherence_begin(&state->out.caches, pair->out.fd);
	if (ret == 0)
		return 0;
	return copyoff_decline(offer, COPYOFF_REASON_RESOURCE, ret,
			       "a device beneath a loop device cannot be opened", "");
}

static void end(struct state *state)
{
	copyoff_coherence_end(&state->in.caches);
	copyoff_coherence_end(&state->out.caches);
}

static int flush(const struct state *state, const struct copyoff_range *r)
{
	int ret = 0;

	if (state->in.is_loop)
		ret = copyoff_coherence_flush_source(&state->in.caches, (uint64_t)r->src, r->len);
	if (ret == 0 && state->out.is_loop)
		ret = copyoff_coherence_flush_destination(&state->out.caches, (uint64_t)r->dst,
							  r->len);
	return ret;
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

/*
 * All of the range, also of what was not counted: it may have changed.  Where
 * that cannot be done, copying through the cache makes it right.
 */
static int64_t drop(const struct copyoff_pair *pair, const struct copyoff_pair *files,
		    struct copyoff_offer *offer, const struct state *state,
		    const struct copyoff_range *r, int64_t copied)
{
	const struct copyoff_origin from = {
		.fd = files->in.fd,
		.shift = offer->base_in,
		.ranges = r,
		.n = 1,
	};
	int ret = 0;

	if (state->out.is_loop)
		ret = copyoff_coherence_drop(&state->out.caches, (uint64_t)r->dst, r->len,
					     pair->out.direct, &from);
	if (ret == 0 || copied < 0)
		return copied;
	return copyoff_decline(offer, COPYOFF_REASON_RESOURCE, ret,
			       "the page cache of the destination cannot be dropped", "");
}

/* With the files open. */
static int64_t copy_range(const struct copyoff_pair *pair, struct copyoff_offer *offer,
			  struct state *state, const struct copyoff_range *r)
{
	struct copyoff_pair files;
	int64_t ret = file_pair(pair, state, &files);

	if (ret < 0)
		return ret;
	if (!fits(&files, offer, state, r))
		return copyoff_decline(offer, COPYOFF_REASON_RESOURCE, 0,
				       "the backing file is shorter than the device", "");
	ret = begin(state, pair, offer);
	if (ret == 0)
		ret = flush(state, r);
	if (ret == 0) {
		ret = copy_inside(&files, offer, state, r);
		ret = drop(pair, &files, offer, state, r, ret);
	}
	end(state);
	/* Bytes may have gone anywhere. */
	if (ret > 0 && !unchanged(pair, state))
		return -EIO;
	return ret;
}

/* For the next call: this one's ranges were cut for what there was before. */
static int64_t start_anew(const struct copyoff_pair *pair, struct copyoff_offer *offer,
			  struct state *state)
{
	int ret = find_files(pair, state, offer);

	return ret ? ret
		   : copyoff_decline(offer, COPYOFF_REASON_RESOURCE, 0,
				     "a loop device was set up anew", "");
}

static int64_t loop_copy(const struct copyoff_pair *pair, struct copyoff_offer *offer,
			 const struct copyoff_range *ranges, size_t n)
{
	struct state *state = offer->priv;
	int64_t ret;

	(void)n; /* limits.max_ranges is 1 */
	if (!unchanged(pair, state))
		return start_anew(pair, offer, state);
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
