/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/image_register.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "banger-imaged/hash.h"
#include "common/fd.h"
#include "common/str.h"

/* The superblock, as the kernel's Documentation/filesystems/ext4/super.rst has it. */
#define SUPER_AT    1024
#define SUPER_SIZE  1024
#define BLOCKS_LO   0x4
#define BLOCK_SHIFT 0x18
#define MAGIC	    0x38
#define INCOMPAT    0x60
#define BLOCKS_HI   0x150
#define MAGIC_VALUE 0xef53
#define INCOMPAT_64 0x80
#define SHIFT_MAX   6 /* 64 KiB */
#define READ_BYTES  (1U << 20)

static uint32_t le32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return le32toh(v);
}

/* Whether it is one, as far as a boot gets that has to find it; the guest's kernel sees the rest.
 */
static int check_super(int fd, uint64_t size, struct err *err)
{
	uint8_t s[SUPER_SIZE];
	uint64_t blocks, needs;
	ssize_t n = fd_pread_full(fd, s, sizeof(s), SUPER_AT);

	if (n < 0)
		return err_sys(err, ERR_bad_input, errno, "cannot read the file");
	if (n != sizeof(s) || (le32(s + MAGIC) & 0xffff) != MAGIC_VALUE ||
		le32(s + BLOCK_SHIFT) > SHIFT_MAX)
		return err_set(err, ERR_bad_input,
			"the file is no ext4 file system: of anything else, banger image import "
			"makes an image");
	blocks = le32(s + BLOCKS_LO);
	if (le32(s + INCOMPAT) & INCOMPAT_64)
		blocks |= (uint64_t)le32(s + BLOCKS_HI) << 32;
	if (ckd_mul(&needs, blocks, UINT64_C(1024) << le32(s + BLOCK_SHIFT)) || needs > size)
		return err_set(err, ERR_bad_input,
			"the file has %llu bytes, and its file system more: it is not whole",
			(unsigned long long)size);
	return 0;
}

static int hash_file(
	int fd, uint64_t size, struct hash *h, const struct progress *p, struct err *err)
{
	_cleanup_free_ uint8_t *buf = malloc(READ_BYTES);

	if (!buf)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot read the file");
	for (uint64_t at = 0; at < size;) {
		size_t want = size - at < READ_BYTES ? (size_t)(size - at) : READ_BYTES;
		ssize_t n = fd_pread_full(fd, buf, want, at);

		if (n < 0)
			return err_sys(err, ERR_bad_input, errno, "cannot read the file");
		if ((size_t)n != want)
			return err_set(err, ERR_bad_input, "the file became shorter");
		if (hash_update(h, buf, want, err) < 0)
			return -1;
		at += want;
		progress_tell(p, job_stage_read, at, size);
	}
	return 0;
}

int image_register(const struct job_image_register_in *in, struct job_image_register_out *out,
	const struct progress *p, struct err *err)
{
	struct hash h = { 0 };
	struct stat st;
	int r;

	if (fstat(in->source, &st) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot look at the file");
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_bad_input, "this is no regular file");
	if (check_super(in->source, (uint64_t)st.st_size, err) < 0 || hash_init(&h, NULL, err) < 0)
		return -1;
	r = hash_file(in->source, (uint64_t)st.st_size, &h, p, err);
	if (r == 0)
		r = hash_digest(&h, &out->id, err);
	hash_finish(&h);
	out->size = (uint64_t)st.st_size;
	return r;
}
