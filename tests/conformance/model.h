/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * model.h - the semantics of docs/semantics.md, executed on byte arrays
 *
 * It shares no code with the library and knows no backends: what it computes is
 * what every one of them must do.
 */
#ifndef CONFORMANCE_MODEL_H
#define CONFORMANCE_MODEL_H

#include <copyoff.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A regular file, or a device.  Bytes between size and capacity are zero. */
struct model {
	unsigned char *data;
	uint64_t size;
	uint64_t capacity;
	bool fixed; /* a device: it cannot grow */
};

void model_init(struct model *m);
void model_free(struct model *m);

/* To @size bytes at least, with zeroes. */
void model_extend(struct model *m, uint64_t size);
void model_write(struct model *m, uint64_t off, const void *data, uint64_t len);
/* Never changes the size. */
void model_zero(struct model *m, uint64_t off, uint64_t len);
void model_truncate(struct model *m, uint64_t size);

/* Is [@off, @off + @len) of @a the same as that of @b?  Else *@where is the offset. */
bool model_equal(const unsigned char *a, const unsigned char *b, uint64_t len, uint64_t *where);

/*
 * What the call must return: a count, or -errno.  @out is changed as the copy
 * must change it.  @in and @out are the same pointer for a copy within one file.
 * @limit is RLIMIT_FSIZE, UINT64_MAX for none.
 */
int64_t model_copy(const struct model *in, int64_t off_in, struct model *out, int64_t off_out,
		   uint64_t len, unsigned flags, uint64_t limit);
int64_t model_copyv(const struct model *in, struct model *out, const struct copyoff_range *v,
		    size_t n, unsigned flags, uint64_t limit);

#endif
