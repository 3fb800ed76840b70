/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/tar_header.h"

#include <stddef.h>
#include <string.h>

#include "banger-imaged/tar_number.h"

struct raw {
	uint8_t name[100], mode[8], uid[8], gid[8], size[12], mtime[12], sum[8], type, link[100],
		magic[8], uname[32], gname[32], major[8], minor[8], prefix[155], rest[12];
};
_Static_assert(sizeof(struct raw) == TAR_BLOCK, "a header is a block");

#define GNU_SEGMENTS 386 /* in a header … */
#define GNU_MORE     482
#define GNU_SIZE     483
#define FURTHER_MORE 504 /* … and in a block behind it */
#define STAR_TRAILER 508
#define STAR_PREFIX  131 /* bytes; times follow */
#define NUMBER	     12

bool tar_header_is_end(const uint8_t block[TAR_BLOCK])
{
	return block[0] == 0 && memcmp(block, block + 1, TAR_BLOCK - 1) == 0;
}

/* Of unsigned bytes; old systems summed signed ones. */
static bool sum_is_right(const struct raw *r)
{
	const uint8_t *p = (const uint8_t *)r;
	int64_t told, sum = 8 * ' ', is_signed = 8 * ' ';

	for (size_t i = 0; i < TAR_BLOCK; i++) {
		if (i - offsetof(struct raw, sum) < sizeof(r->sum))
			continue;
		sum += p[i];
		is_signed += (int8_t)p[i];
	}
	return tar_number_field(r->sum, sizeof(r->sum), &told) &&
	       (told == sum || told == is_signed);
}

static size_t put(char *dst, const uint8_t *p, size_t n)
{
	n = strnlen((const char *)p, n);
	memcpy(dst, p, n);
	dst[n] = '\0';
	return n;
}

static void set_name(const struct raw *r, struct tar_header *h)
{
	const uint8_t *block = (const uint8_t *)r;
	size_t n = 0;

	if (memcmp(r->magic, "ustar", 6) == 0) {
		bool star = memcmp(block + STAR_TRAILER, "tar", 4) == 0;

		n = put(h->name, r->prefix, star ? STAR_PREFIX : sizeof(r->prefix));
		if (n > 0)
			h->name[n++] = '/';
	}
	put(h->name + n, r->name, sizeof(r->name));
}

/* As GNU's headers end, and others have a prefix. */
static bool set_sparse(const uint8_t block[TAR_BLOCK], struct tar_header *h)
{
	h->sparse_more = block[GNU_MORE] != 0;
	return tar_number_field(block + GNU_SIZE, NUMBER, &h->sparse_size) && h->sparse_size >= 0;
}

bool tar_header_decode(const uint8_t block[TAR_BLOCK], struct tar_header *ret, const char **ret_why)
{
	const struct raw *r = (const struct raw *)block;
	struct tar_header *h = ret;
	struct {
		const uint8_t *p;
		size_t n;
		int64_t *ret;
		const char *why;
	} numbers[] = {
		{ r->mode, sizeof(r->mode), &h->mode, "its mode is no octal number" },
		{ r->uid, sizeof(r->uid), &h->uid, "its uid is no octal number" },
		{ r->gid, sizeof(r->gid), &h->gid, "its gid is no octal number" },
		{ r->size, sizeof(r->size), &h->size, "its size is no octal number" },
		{ r->mtime, sizeof(r->mtime), &h->mtime, "its time is no octal number" },
		{ r->major, sizeof(r->major), &h->major, "its device is no octal number" },
		{ r->minor, sizeof(r->minor), &h->minor, "its device is no octal number" },
	};
	/* What is no device has anything there. */
	size_t n =
		sizeof(numbers) / sizeof(numbers[0]) - (r->type == '3' || r->type == '4' ? 0 : 2);

	*h = (struct tar_header){ .type = r->type };
	*ret_why = "a header's check sum is wrong";
	if (!sum_is_right(r))
		return false;
	for (size_t i = 0; i < n; i++) {
		*ret_why = numbers[i].why;
		if (!tar_number_field(numbers[i].p, numbers[i].n, numbers[i].ret))
			return false;
	}
	*ret_why = "its size is negative";
	if (h->size < 0)
		return false;
	*ret_why = "a sparse file's size is no number";
	if (h->type == 'S' && !set_sparse(block, h))
		return false;
	set_name(r, h);
	put(h->link, r->link, sizeof(r->link));
	return true;
}

int tar_header_segments(
	const uint8_t block[TAR_BLOCK], bool further, struct tar_map *m, struct err *err)
{
	const uint8_t *p = further ? block : block + GNU_SEGMENTS;
	int64_t offset, length;

	for (int i = 0; i < (further ? 21 : 4); i++, p += 2 * (ptrdiff_t)NUMBER) {
		if (p[0] == 0 && p[NUMBER] == 0)
			break;
		if (!tar_number_field(p, NUMBER, &offset) ||
			!tar_number_field(p + NUMBER, NUMBER, &length) || offset < 0 || length < 0)
			return err_set(err, ERR_bad_input, "its sparse map has no numbers");
		if (tar_map_add(m, (uint64_t)offset, (uint64_t)length, err) < 0)
			return -1;
	}
	return 0;
}

bool tar_header_continues(const uint8_t block[TAR_BLOCK])
{
	return block[FURTHER_MORE] != 0;
}
