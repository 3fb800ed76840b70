/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/bzimage.h"

#include <string.h>

#include "common/str.h"

/* Offsets of the setup header, boot.rst "The Real-Mode Kernel Header". */
enum {
	OFF_SETUP_SECTS = 0x1f1,
	OFF_MAGIC = 0x202,
	OFF_PROTOCOL = 0x206,
	OFF_VERSION = 0x20e,
	OFF_XLOADFLAGS = 0x236,
	OFF_PAYLOAD_OFFSET = 0x248,
	OFF_PAYLOAD_LENGTH = 0x24c,
	HEADER_END = 0x250,
};

#define SECTOR		 512
#define PROTOCOL_PAYLOAD 0x0208 /* the first with payload_offset */
#define PROTOCOL_XLOAD	 0x020c /* the first with xloadflags */
#define XLF_KERNEL_64	 0x0001
#define VERSION_MAX	 256

static uint16_t le16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t le32(const uint8_t *p)
{
	return (uint32_t)le16(p) | (uint32_t)le16(p + 2) << 16;
}

bool bzimage_is(const void *p, size_t n)
{
	return n >= BZIMAGE_MAGIC_SIZE && memcmp((const uint8_t *)p + OFF_MAGIC, "HdrS", 4) == 0;
}

/* "6.1.0-18-cloud-amd64 (…) #1 SMP …", NUL-terminated, at 0x200 + the header's word. */
static int parse_version(const uint8_t *p, size_t n, text *ret, struct err *err)
{
	size_t at = (size_t)le16(p + OFF_VERSION) + SECTOR, len = 0;
	char word[VERSION_MAX];

	if (at == SECTOR || at >= n)
		return err_set(err, ERR_bad_input, "the kernel says no version");
	while (len < sizeof(word) - 1 && at + len < n && p[at + len] > ' ') {
		word[len] = (char)p[at + len];
		len++;
	}
	word[len] = '\0';
	if (len == 0 || len == sizeof(word) - 1 || !str_printable(word, false) ||
		!text_parse(word, ret))
		return err_set(err, ERR_bad_input, "the kernel's version is not readable");
	return 0;
}

static bool is_gzip(const uint8_t *p, size_t n)
{
	return n >= 2 && p[0] == 0x1f && p[1] == 0x8b;
}

int bzimage_parse(const uint8_t *p, size_t n, struct bzimage *ret, struct err *err)
{
	struct bzimage b = { 0 };
	uint64_t sects, start, end;
	uint32_t length;

	if (n < HEADER_END || !bzimage_is(p, n))
		return err_set(err, ERR_bad_input, "not a bzImage");
	if (le16(p + OFF_PROTOCOL) < PROTOCOL_PAYLOAD)
		return err_set(err, ERR_bad_input, "the bzImage is of a boot protocol before 2.08");
	if (le16(p + OFF_PROTOCOL) >= PROTOCOL_XLOAD && !(le16(p + OFF_XLOADFLAGS) & XLF_KERNEL_64))
		return err_set(err, ERR_bad_input, "the kernel is not for x86-64");
	if (parse_version(p, n, &b.version, err) < 0)
		return -1;
	sects = p[OFF_SETUP_SECTS] ? p[OFF_SETUP_SECTS] : 4;
	start = (sects + 1) * SECTOR + le32(p + OFF_PAYLOAD_OFFSET);
	length = le32(p + OFF_PAYLOAD_LENGTH);
	end = start + length; /* two 32-bit numbers and a small one: fits */
	if (length < 8 || end > n)
		return err_set(err, ERR_bad_input, "the bzImage is truncated");
	b.payload = p + start;
	b.unpacked_len = le32(p + end - 4);
	/* gzip ends with the unpacked size itself; behind the others it was appended. */
	b.payload_len = is_gzip(b.payload, length) ? length : length - 4;
	*ret = b;
	return 0;
}

struct counted {
	expand_sink sink;
	void *ctx;
	uint64_t n;
};

static int count(void *ctx, const void *p, size_t n, struct err *err)
{
	struct counted *c = ctx;

	c->n += n; /* expand_to() bounds it */
	return c->sink(c->ctx, p, n, err);
}

int bzimage_expand(
	const struct bzimage *b, uint64_t limit, expand_sink sink, void *ctx, struct err *err)
{
	struct counted c = { sink, ctx, 0 };

	if (b->unpacked_len > limit)
		return err_set(err, ERR_bad_input, "the kernel is %u bytes, more than %llu MiB",
			b->unpacked_len, (unsigned long long)(limit >> 20));
	if (expand_to(b->payload, b->payload_len, b->unpacked_len, count, &c,
		    "the bzImage's kernel", err) < 0)
		return -1;
	if (c.n != b->unpacked_len)
		return err_set(err, ERR_bad_input, "the kernel expands to %llu bytes, not to %u",
			(unsigned long long)c.n, b->unpacked_len);
	return 0;
}
