/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* Checked arithmetic, by the names C23 gives it: true on overflow. */
#define ckd_add(r, a, b) __builtin_add_overflow(a, b, r)
#define ckd_sub(r, a, b) __builtin_sub_overflow(a, b, r)
#define ckd_mul(r, a, b) __builtin_mul_overflow(a, b, r)

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Take a pointer out of a variable that a _cleanup_ would free. */
#define TAKE_PTR(p)                            \
	__extension__({                        \
		__auto_type take_at_ = &(p);   \
		__auto_type take_ = *take_at_; \
		*take_at_ = NULL;              \
		take_;                         \
	})

#define _cleanup_(f) __attribute__((cleanup(f)))

static inline void str_freep(void *pp)
{
	free(*(void **)pp);
}
#define _cleanup_free_ _cleanup_(str_freep)

/* Copy with the terminator; false, and dst empty, when src does not fit. */
bool str_copy(char *dst, size_t cap, const char *src);

/* printf into dst; false, and dst empty, when it does not fit. */
bool str_format(char *dst, size_t cap, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

bool str_eq(const char *a, const char *b); /* NULL equals NULL alone */
bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);

/* The whole string as an unsigned decimal in [min, max]; false otherwise (signs, blanks, leading
 * zeros before other digits and empty strings are refused). */
bool str_to_u64(const char *s, uint64_t min, uint64_t max, uint64_t *ret);

/* A size: decimal with an optional suffix K M G T (powers of 1024, "B" or "iB" may follow), in
 * bytes; false when it is not one, is zero, or does not fit. */
bool str_to_size(const char *s, uint64_t *ret_bytes);

/* True when s has only printable bytes (and, as `utf8` allows, those above 0x7f): fit for logs
 * and terminals. */
bool str_printable(const char *s, bool utf8);

/* Replace what is not printable in place by '?', for text from outside on its way to a log. */
void str_sanitize(char *s);
