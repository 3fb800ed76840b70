/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Undo the compression that wraps kernels, modules and members of packages. */
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

struct archive;

/* Let `a` see through gzip, bzip2, lzma, xz, lz4 and zstd, and nothing else. Fails with unavailable
 * when this libarchive lacks one (it would run a command instead). */
int expand_filters(struct archive *a, struct err *err);

/* Fill err, with `code`, from the last error of `a`, in words fit for a log; always -1. */
int expand_fail(struct archive *a, enum err_code code, const char *what, struct err *err);

/* Takes the next n bytes; -1 with err stops the expansion. */
typedef int (*expand_sink)(void *ctx, const void *p, size_t n, struct err *err);

/* Expand the n bytes at p into `sink`. Fails with bad_input when they are damaged, are not
 * compressed in a known way, or expand to more than `limit` bytes. `what` names them in errors. */
int expand_to(const void *p, size_t n, uint64_t limit, expand_sink sink, void *ctx,
	const char *what, struct err *err);

/* The same into a heap buffer (the caller frees). */
int expand_memory(const void *p, size_t n, size_t limit, const char *what, uint8_t **ret,
	size_t *ret_len, struct err *err);
