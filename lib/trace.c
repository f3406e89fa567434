/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * trace.c - log lines, for copyoff_opts.log and COPYOFF_DEBUG
 */
#include "internal.h"

#include <errno.h>
#include <stdio.h>

void copyoff_trace(struct copyoff_ctx *ctx, const char *fmt, ...)
{
	char line[COPYOFF_MESSAGE_SIZE + 64] = "copyoff: ";
	const size_t prefix = 9;
	const size_t room = sizeof(line) - prefix - 1; /* keep one for the newline */
	va_list ap;
	size_t len;
	int ret;

	if (!copyoff_tracing(ctx))
		return;
	va_start(ap, fmt);
	ret = vsnprintf(line + prefix, room, fmt, ap);
	va_end(ap);
	if (ret < 0)
		return;
	if (ctx->log)
		ctx->log(ctx->log_data, line + prefix);
	if (ctx->debug) {
		len = prefix + ((size_t)ret < room ? (size_t)ret : room - 1);
		line[len++] = '\n';
		copyoff_sys_debug(line, len);
	}
}

void copyoff_trace_decline(struct copyoff_ctx *ctx, const struct copyoff_offer *offer)
{
	copyoff_trace(ctx, "%s declines: %s%s%s", offer->backend->info.name, offer->text,
		      offer->error ? ", " : "",
		      offer->error ? copyoff_errno_name(offer->error) : "");
}

/* strerror() is not safe with threads, and messages should not change by locale. */
const char *copyoff_errno_name(int err)
{
	static const struct {
		int err;
		const char *name;
	} names[] = {
#define NAME(e) { e, #e }
		NAME(E2BIG),     NAME(EACCES),     NAME(EAGAIN),    NAME(EBADF),     NAME(EBUSY),
		NAME(ECANCELED), NAME(EDEADLK),    NAME(EDQUOT),    NAME(EFAULT),    NAME(EFBIG),
		NAME(EINTR),     NAME(EINVAL),     NAME(EIO),       NAME(EISDIR),    NAME(EMFILE),
		NAME(ENFILE),    NAME(ENODATA),    NAME(ENODEV),    NAME(ENOENT),    NAME(ENOMEM),
		NAME(ENOSPC),    NAME(ENOSYS),     NAME(ENOTTY),    NAME(ENXIO),     NAME(EPERM),
		NAME(EROFS),     NAME(ESPIPE),     NAME(ESTALE),    NAME(ETIMEDOUT), NAME(ETXTBSY),
		NAME(EXDEV),     NAME(EOPNOTSUPP), NAME(EOVERFLOW),
#undef NAME
	};

	if (err < 0)
		err = -err;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (names[i].err == err)
			return names[i].name;
	}
	return "error";
}
