/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Images that are files of their owners, where these have them. Who made the file can write it, so
 * what counts is what it was when it was registered: which file, how large, and when it changed. */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>

#include "bangerd/call.h"
#include "bangerd/imaged_job.h"
#include "bangerd/images_impl.h"
#include "bangerd/store_owned.h"
#include "common/log.h"
#include "common/str.h"

#define XFS_MAGIC 0x58465342

/* File systems that are the host's own: of one that a user's program answers for, reading could
 * last as long as that likes, and the times be whatever it says. */
static bool is_hosts(int fd)
{
	static const unsigned long kinds[] = { EXT4_SUPER_MAGIC, XFS_MAGIC, BTRFS_SUPER_MAGIC,
		F2FS_SUPER_MAGIC, TMPFS_MAGIC };
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if ((unsigned long)fs.f_type == kinds[i])
			return true;
	return false;
}

/* What a file is now, as text to be compared; ctime is nobody's to choose. */
static int look(int fd, struct stat *st, text *ret, struct err *err)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || (flags & O_ACCMODE) != O_RDONLY || (flags & O_PATH))
		return err_set(
			err, ERR_bad_request, "the image's file must be open for reading alone");
	if (!is_hosts(fd))
		return err_set(err, ERR_bad_request,
			"the image's file is on no file system of the host's own (ext4, xfs, "
			"btrfs, "
			"f2fs, tmpfs): banger image import makes an image of it");
	if (fstat(fd, st) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot look at the image's file");
	if (!S_ISREG(st->st_mode))
		return err_set(err, ERR_bad_request, "the image's file is no regular file");
	str_format(ret->s, sizeof(ret->s), "%llu:%llu %lld %lld.%09ld %lld.%09ld",
		(unsigned long long)st->st_dev, (unsigned long long)st->st_ino,
		(long long)st->st_size, (long long)st->st_mtim.tv_sec, st->st_mtim.tv_nsec,
		(long long)st->st_ctim.tv_sec, st->st_ctim.tv_nsec);
	return 0;
}

int images_check_file(const struct image_row *row, int fd, struct err *err)
{
	struct stat st;
	text stamp = { "" };

	if (look(fd, &st, &stamp, err) < 0)
		return err_wrap(err, "image '%s'", row->name.s);
	if (!str_eq(stamp.s, row->stamp.s))
		return err_set(err, ERR_bad_input,
			"image '%s': %s is not what was registered: it changed; register it again "
			"(--replace)",
			row->name.s, row->path.s);
	return 0;
}

static int run_job(
	struct images *im, struct call *call, int file, struct image_row *row, struct err *err)
{
	_cleanup_(imaged_job_end) struct imaged_job job = { 0 };
	const struct job_image_register_in in = { .source = file };
	struct job_image_register_out out;

	if (imaged_job_begin(im->imaged, NULL, 0, call, call->cancel_fd, &job, err) < 0 ||
		imaged_job_call(&job, job_msg_image_register, &in, &out, call->cancel_fd, err) < 0)
		return -1;
	row->digest = out.id;
	row->size = out.size;
	return 0;
}

static int check(struct images *im, struct call *call, const struct rpc_image_register_in *in,
	struct image_row *row, struct err *err)
{
	struct stat st;

	if (!ref_name_parse(in->name, &row->name))
		return err_set(err, ERR_bad_request, "'%s' is no name for an image", in->name);
	if (in->path[0] != '/' || !text_parse(in->path, &row->path))
		return err_set(err, ERR_bad_request, "`path` must be an absolute path");
	if (!in->replace &&
		store_owned_is_free(im->store, STORE_IMAGE, call->uid, in->name, err) < 0)
		return -1;
	if (look(in->file, &st, &row->stamp, err) < 0)
		return -1;
	if (st.st_uid != call->uid)
		return err_set(err, ERR_unauthorized,
			"%s is not yours: who owns it could change it under your VMs; banger image "
			"import makes an image of it",
			in->path);
	return 0;
}

int images_register(struct images *im, struct call *call, const struct rpc_image_register_in *in,
	struct image_row *ret, struct err *err)
{
	struct image_row row = { .id = vm_id_random(), .owner = call->uid };

	/* Nothing is made: a row without a file, once it is known what it stands for. */
	if (check(im, call, in, &row, err) < 0 || run_job(im, call, in->file, &row, err) < 0 ||
		images_check_file(&row, in->file, err) < 0)
		return -1;
	row.created_at = time(NULL);
	if (images_commit_row(im, &row, in->replace, err) < 0)
		return -1;
	log_info("image %s '%s' is %s", row.id.s, row.name.s, row.path.s);
	*ret = row;
	return 0;
}
