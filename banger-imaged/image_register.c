/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/image_register.h"

#include <errno.h>
#include <ext2fs/ext2fs.h>
#include <sys/stat.h>

#include "banger-imaged/hash.h"
#include "common/fd.h"
#include "common/str.h"

/* Whether it is one, as far as a boot gets that has to find it; the guest's kernel sees the rest.
 */
static int check_super(int fd, uint64_t size, struct err *err)
{
	struct ext2_super_block s; /* in the byte order of every host there is a kernel for here */
	uint64_t needs;
	ssize_t n = fd_pread_full(fd, &s, sizeof(s), SUPERBLOCK_OFFSET);

	if (n < 0)
		return err_sys(err, ERR_bad_input, errno, "cannot read the file");
	if (n != sizeof(s) || s.s_magic != EXT2_SUPER_MAGIC ||
		s.s_log_block_size > EXT2_MAX_BLOCK_LOG_SIZE - EXT2_MIN_BLOCK_LOG_SIZE)
		return err_set(err, ERR_bad_input,
			"the file is no ext4 file system: of anything else, banger image import "
			"makes an image");
	if (ckd_mul(&needs, (uint64_t)ext2fs_blocks_count(&s),
		    (uint64_t)EXT2_MIN_BLOCK_SIZE << s.s_log_block_size) ||
		needs > size)
		return err_set(err, ERR_bad_input,
			"the file has %llu bytes, and its file system more: it is not whole",
			(unsigned long long)size);
	return 0;
}

struct reading {
	const struct progress *progress;
	uint64_t size;
};

static int on_piece(void *ctx, const void *p, size_t n, uint64_t at, struct err *err)
{
	const struct reading *r = ctx;

	progress_tell(r->progress, job_stage_read, at + n, r->size);
	return 0;
}

int image_register(const struct job_image_register_in *in, struct job_image_register_out *out,
	const struct progress *p, struct err *err)
{
	struct hash h = { 0 };
	struct reading reading = { .progress = p };
	struct stat st;
	int r;

	if (fstat(in->source, &st) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot look at the file");
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_bad_input, "this is no regular file");
	reading.size = (uint64_t)st.st_size;
	if (check_super(in->source, reading.size, err) < 0 || hash_init(&h, NULL, err) < 0)
		return -1;
	r = hash_file(&h, in->source, reading.size, "the file", on_piece, &reading, err);
	if (r == 0)
		r = hash_digest(&h, &out->id, err);
	hash_finish(&h);
	if (r == 0)
		out->size = reading.size;
	return r;
}
