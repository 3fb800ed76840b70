/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/blobs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bangerd/dirs.h"
#include "bangerd/room.h"
#include "common/fd.h"
#include "common/log.h"
#include "common/str.h"

/* Call `each` with every name in a directory; what it returns other than 0 ends it. */
static int each_name(int dirfd, int (*each)(void *ctx, const char *name, struct err *err),
	void *ctx, struct err *err)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;

	if (!d) {
		err_sys(err, ERR_operation_failed, errno, "cannot read a state directory");
		fd_closep(&fd);
		return -1;
	}
	while (r == 0 && (e = readdir(d)))
		if (e->d_name[0] != '.')
			r = each(ctx, e->d_name, err);
	closedir(d);
	return r;
}

static int remove_staged(void *ctx, const char *name, struct err *err)
{
	const struct blobs *b = ctx;

	log_notice("removing what an interrupted request left: %s", name);
	if (unlinkat(b->staging_fd, name, 0) < 0 && errno != ENOENT)
		return err_sys(err, ERR_operation_failed, errno, "cannot remove %s", name);
	return 0;
}

int blobs_open(int state_fd, const char *name, struct blobs *ret, struct err *err)
{
	struct blobs b = BLOBS_INIT;

	if (dirs_open_below(state_fd, name, &b.dirfd, err) < 0 ||
		dirs_open_below(b.dirfd, "staging", &b.staging_fd, err) < 0 ||
		each_name(b.staging_fd, remove_staged, &b, err) < 0) {
		blobs_close(&b);
		return -1;
	}
	*ret = b;
	return 0;
}

void blobs_close(struct blobs *b)
{
	fd_closep(&b->dirfd);
	fd_closep(&b->staging_fd);
}

int blob_begin(
	const struct blobs *b, uint64_t op, const char *suffix, struct blob *ret, struct err *err)
{
	struct blob blob = { .blobs = b };

	snprintf(blob.name, sizeof(blob.name), "%016llx.%s", (unsigned long long)op, suffix);
	blob.fd = openat(
		b->staging_fd, blob.name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (blob.fd < 0)
		return err_sys(err, errno == ENOSPC ? ERR_no_space : ERR_operation_failed, errno,
			"cannot make a file in the state directory");
	*ret = blob;
	return 0;
}

int blob_scratch(const struct blobs *b, uint64_t op, int *ret_fd, struct err *err)
{
	struct blob blob = BLOB_INIT;

	if (blob_begin(b, op, "scratch", &blob, err) < 0)
		return -1;
	*ret_fd = TAKE_FD(blob.fd);
	blob_end(&blob);
	return 0;
}

static void final_name(char dst[64], const vm_id *id, const char *suffix)
{
	snprintf(dst, 64, "%s.%s", id->s, suffix);
}

int blob_publish(struct blob *b, const vm_id *id, const char *suffix, struct err *err)
{
	char name[64];

	final_name(name, id, suffix);
	if (fsync(b->fd) < 0)
		return err_sys(err, errno == ENOSPC ? ERR_no_space : ERR_operation_failed, errno,
			"cannot write %s to the disk", name);
	if (renameat(b->blobs->staging_fd, b->name, b->blobs->dirfd, name) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot name %s", name);
	b->name[0] = '\0';
	return 0;
}

void blob_end(struct blob *b)
{
	if (b->name[0] && unlinkat(b->blobs->staging_fd, b->name, 0) < 0)
		log_warning("cannot remove %s: %s", b->name, strerror(errno));
	b->name[0] = '\0';
	fd_closep(&b->fd);
}

int blobs_sync(const struct blobs *b, struct err *err)
{
	if (fsync(b->dirfd) < 0)
		return err_sys(err, ERR_operation_failed, errno,
			"cannot write a state directory to the disk");
	return 0;
}

int blobs_link(const struct blobs *b, const vm_id *from, const vm_id *to, const char *suffix,
	struct err *err)
{
	char old[64], new[64];

	final_name(old, from, suffix);
	final_name(new, to, suffix);
	if (linkat(b->dirfd, old, b->dirfd, new, 0) < 0)
		return err_sys(err, errno == ENOSPC ? ERR_no_space : ERR_operation_failed, errno,
			"cannot give %s a second name", old);
	return 0;
}

int blobs_open_file(
	const struct blobs *b, const vm_id *id, const char *suffix, int *ret_fd, struct err *err)
{
	char name[64];
	int fd;

	final_name(name, id, suffix);
	fd = fd_open_beneath(b->dirfd, name, O_RDONLY, 0);
	if (fd < 0)
		return err_sys(err, ERR_operation_failed, errno,
			"cannot open %s, which was taken from the state directory (once no VM "
			"uses it, it can be deleted, and imported again)",
			name);
	*ret_fd = fd;
	return 0;
}

int blobs_open_whole(const struct blobs *b, const vm_id *id, const char *suffix, uint64_t size,
	int *ret_fd, struct err *err)
{
	_cleanup_fd_ int fd = -1;
	struct stat st;

	if (blobs_open_file(b, id, suffix, &fd, err) < 0)
		return -1;
	if (fstat(fd, &st) < 0)
		return err_sys(
			err, ERR_operation_failed, errno, "cannot look at %s.%s", id->s, suffix);
	if ((uint64_t)st.st_size != size || (size > 0 && !fd_has_data(fd)))
		return err_set(err, ERR_bad_input,
			"%s.%s in the state directory %s (once no VM uses it, it can be deleted, "
			"and imported again)",
			id->s, suffix,
			(uint64_t)st.st_size != size ? "is not as large as it was made"
						     : "has nothing in it any more");
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int blobs_remove(const struct blobs *b, const vm_id *id, const char *suffix, struct err *err)
{
	char name[64];

	final_name(name, id, suffix);
	if (unlinkat(b->dirfd, name, 0) < 0 && errno != ENOENT)
		return err_sys(err, ERR_operation_failed, errno, "cannot remove %s", name);
	return 0;
}

struct sweep {
	const struct blobs *blobs;
	blobs_keep keep;
	void *ctx;
};

static int sweep_one(void *ctx, const char *name, struct err *err)
{
	struct sweep *s = ctx;
	char id_text[VM_ID_LEN + 1];
	vm_id id;
	int keep = 0;

	if (str_eq(name, "staging"))
		return 0;
	if (str_format(id_text, sizeof(id_text), "%.*s", VM_ID_LEN, name) &&
		name[strlen(id_text)] == '.' && vm_id_parse(id_text, &id))
		keep = s->keep(s->ctx, &id, err);
	if (keep != 0)
		return keep < 0 ? -1 : 0;
	log_notice("removing %s: nothing in the database is about it", name);
	if (unlinkat(s->blobs->dirfd, name, 0) < 0 && errno != ENOENT)
		return err_sys(err, ERR_operation_failed, errno, "cannot remove %s", name);
	return 0;
}

int blobs_sweep(const struct blobs *b, blobs_keep keep, void *ctx, struct err *err)
{
	struct sweep s = { b, keep, ctx };

	return each_name(b->dirfd, sweep_one, &s, err);
}

int blobs_check_space(const struct blobs *b, uint64_t need, uint64_t leave, struct err *err)
{
	return room_check(b->dirfd, "the import", need, leave, err);
}
