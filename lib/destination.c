/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * destination.c - nobody else has the destination of a copy behind its page cache
 */
#include "backend.h"

#include <errno.h>

enum { CLAIMS_MOST = 100 };

/* Why nobody else can have it. */
static int held(const struct copyoff_end *out, struct copyoff_offer *offer, int err)
{
	struct copyoff_block block;
	int ret = copyoff_facts_block(out->fd, out->rdev, &block);

	if (ret == 0 && block.mounted == COPYOFF_ANSWER_YES)
		return copyoff_decline(offer, COPYOFF_REASON_RESOURCE, err,
				       "the destination device is mounted", "unmount it");
	if (ret == 0 && block.holders > 0)
		return copyoff_decline(offer, COPYOFF_REASON_RESOURCE, err,
				       "other devices are stacked on the destination device",
				       "remove them");
	if (err == -EDEADLK)
		return copyoff_decline(offer, COPYOFF_REASON_RESOURCE, err,
				       "somebody has POSIX locks on the destination device, which "
				       "closing it once more might drop",
				       "use locks of open file descriptions (F_OFD_SETLK)");
	return copyoff_decline(offer, COPYOFF_REASON_RESOURCE, err,
			       "the destination device is held exclusively, by a file system, "
			       "another program or this one",
			       "unmount it; open it without O_EXCL");
}

/*
 * Only for a moment, and so several times: others who ask are no reason, and as
 * long as the claim was kept, they would be refused, mount(2) included.
 */
static int claim(int fd)
{
	int ret = -EBUSY;

	for (int i = 0; i < CLAIMS_MOST && ret == -EBUSY; i++)
		ret = copyoff_sys_claim(fd);
	if (ret < 0)
		return ret;
	(void)copyoff_sys_close(ret);
	return 0;
}

int copyoff_check_destination(const struct copyoff_end *out, struct copyoff_offer *offer)
{
	bool read_only = false;
	int ret;

	if (out->kind != COPYOFF_KIND_BLOCK)
		return 0;
	/* It may have been made so since it was opened, which its file cannot know. */
	if (copyoff_sys_read_only(out->fd, &read_only) < 0 || read_only)
		return copyoff_decline(offer, COPYOFF_REASON_PERMISSION, EPERM,
				       "the destination device is read-only", "");
	ret = claim(out->fd);
	return ret == 0 ? 0 : held(out, offer, ret);
}
