/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/tar_header.h"

#include <string.h>

/* Offsets and sizes of the fields. */
enum {
	AT_NAME = 0,
	AT_MODE = 100,
	AT_UID = 108,
	AT_GID = 116,
	AT_SIZE = 124,
	AT_MTIME = 136,
	AT_SUM = 148,
	AT_TYPE = 156,
	AT_LINK = 157,
	AT_MAGIC = 257,
	AT_MAJOR = 329,
	AT_MINOR = 337,
	AT_PREFIX = 345,
	AT_GNU_EXTENDED = 482,
	AT_GNU_REAL_SIZE = 483,
};

bool tar_header_is_end(const uint8_t block[TAR_BLOCK])
{
	for (size_t i = 0; i < TAR_BLOCK; i++)
		if (block[i] != 0)
			return false;
	return true;
}

/* Base 256: the first byte's top bit is set; two's complement, big-endian, the bit below it is the
 * sign (GNU tar manual, "Extensions"). */
static bool base256(const uint8_t *p, size_t n, int64_t *ret)
{
	bool negative = p[0] & 0x40;
	uint8_t fill = negative ? 0xff : 0;
	uint64_t v = negative ? UINT64_MAX : 0;

	for (size_t i = 0; i < n; i++) {
		uint8_t b = i == 0 ? (uint8_t)((p[0] & 0x7f) | (negative ? 0x80 : 0)) : p[i];

		if (n - i > 8 && b != fill)
			return false;
		v = v << 8 | b;
	}
	if (negative != ((v >> 63) != 0))
		return false;
	*ret = (int64_t)v;
	return true;
}

bool tar_number(const uint8_t *p, size_t n, int64_t *ret)
{
	uint64_t v = 0;
	size_t i = 0;

	if (p[0] & 0x80)
		return base256(p, n, ret);
	while (i < n && p[i] == ' ')
		i++;
	for (; i < n && p[i] >= '0' && p[i] <= '7'; i++) {
		if (v >> 60)
			return false;
		v = v << 3 | (uint64_t)(p[i] - '0');
	}
	for (; i < n; i++)
		if (p[i] != ' ' && p[i] != '\0')
			return false;
	*ret = (int64_t)v;
	return true;
}

/* POSIX sums unsigned bytes; some old writers summed signed ones. */
static bool checksum_ok(const uint8_t *block)
{
	int64_t said, sum_unsigned = 0, sum_signed = 0;

	for (size_t i = 0; i < TAR_BLOCK; i++) {
		uint8_t b = i >= AT_SUM && i < AT_SUM + 8 ? ' ' : block[i];

		sum_unsigned += b;
		sum_signed += (int8_t)b;
	}
	return tar_number(block + AT_SUM, 8, &said) && (said == sum_unsigned || said == sum_signed);
}

static size_t copy_field(char *dst, const uint8_t *p, size_t n)
{
	size_t len = strnlen((const char *)p, n);

	memcpy(dst, p, len);
	dst[len] = '\0';
	return len;
}

static void parse_names(const uint8_t *block, bool posix, struct tar_header *h)
{
	size_t at = 0;

	if (posix && block[AT_PREFIX] != '\0') {
		at = copy_field(h->name, block + AT_PREFIX, 155);
		h->name[at++] = '/';
	}
	copy_field(h->name + at, block + AT_NAME, 100);
	copy_field(h->link, block + AT_LINK, 100);
}

int tar_header_parse(const uint8_t block[TAR_BLOCK], struct tar_header *ret, struct err *err)
{
	bool posix = memcmp(block + AT_MAGIC, "ustar\0", 6) == 0;
	bool gnu = memcmp(block + AT_MAGIC, "ustar  ", 8) == 0;
	struct tar_header h = { 0 };
	int64_t mode = 0;

	if (!checksum_ok(block))
		return err_set(err, ERR_bad_input, "not a tar header (its checksum is wrong)");
	parse_names(block, posix, &h);
	h.type = block[AT_TYPE] == '\0' ? '0' : (char)block[AT_TYPE];
	/* In the oldest archives a directory is a file with a slash behind its name. */
	if (block[AT_TYPE] == '\0' && h.name[0] != '\0' && h.name[strlen(h.name) - 1] == '/')
		h.type = '5';
	if (!tar_number(block + AT_MODE, 8, &mode) || !tar_number(block + AT_UID, 8, &h.uid) ||
		!tar_number(block + AT_GID, 8, &h.gid) ||
		!tar_number(block + AT_SIZE, 12, &h.size) ||
		!tar_number(block + AT_MTIME, 12, &h.mtime) || mode < 0)
		return err_set(
			err, ERR_bad_input, "'%s': a number in its tar header is not one", h.name);
	h.mode = (uint32_t)(mode & 07777);
	if ((posix || gnu) && (h.type == '3' || h.type == '4') &&
		(!tar_number(block + AT_MAJOR, 8, &h.major) ||
			!tar_number(block + AT_MINOR, 8, &h.minor)))
		return err_set(err, ERR_bad_input, "'%s': its device number is not one", h.name);
	if (h.type == 'S') {
		h.extended = block[AT_GNU_EXTENDED] != 0;
		if (!tar_number(block + AT_GNU_REAL_SIZE, 12, &h.real_size))
			return err_set(
				err, ERR_bad_input, "'%s': its sparse size is no number", h.name);
	}
	*ret = h;
	return 0;
}
