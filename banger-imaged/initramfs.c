/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/initramfs.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "banger-imaged/elf64.h"
#include "banger-imaged/expand.h"
#include "banger-imaged/modules_order.h"
#include "common/fd.h"
#include "common/str.h"

#define ORDER "modules/order"

struct writer {
	struct archive *a;
	struct archive_entry *e;
	int fd;
	uint64_t size;
	int64_t ino;
	int sys; /* why a write failed */
};

static void writer_finish(struct writer *w)
{
	archive_entry_free(w->e);
	archive_write_free(w->a);
}

static la_ssize_t write_block(struct archive *a, void *ctx, const void *p, size_t n)
{
	struct writer *w = ctx;

	if (n > INITRAMFS_MAX - w->size) {
		w->sys = EFBIG;
		return -1;
	}
	if (fd_pwrite_full(w->fd, p, n, w->size) < 0) {
		w->sys = errno;
		archive_set_error(a, w->sys, "%s", "cannot write");
		return -1;
	}
	w->size += n;
	return (la_ssize_t)n;
}

static int write_failed(const struct writer *w, struct err *err)
{
	if (w->sys)
		return err_sys(err, w->sys == ENOSPC ? ERR_no_space : ERR_operation_failed, w->sys,
			"cannot write the initramfs");
	return expand_fail(w->a, ERR_operation_failed, "cannot write the initramfs", err);
}

static int writer_init(struct writer *w, int fd, struct err *err)
{
	*w = (struct writer){ .a = archive_write_new(), .e = archive_entry_new(), .fd = fd };
	if (!w->a || !w->e)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot make an initramfs");
	if (archive_write_set_format_cpio_newc(w->a) != ARCHIVE_OK ||
		archive_write_add_filter_none(w->a) != ARCHIVE_OK ||
		archive_write_set_bytes_in_last_block(w->a, 1) != ARCHIVE_OK ||
		archive_write_open(w->a, w, NULL, write_block, NULL) != ARCHIVE_OK)
		return write_failed(w, err);
	return 0;
}

/* One entry with its content. Times, owners and inode numbers never come from the host. */
static int put(struct writer *w, const char *path, mode_t mode, dev_t rdev, const void *p, size_t n,
	struct err *err)
{
	archive_entry_clear(w->e);
	archive_entry_set_pathname(w->e, path);
	archive_entry_set_mode(w->e, mode);
	archive_entry_set_nlink(w->e, S_ISDIR(mode) ? 2 : 1);
	archive_entry_set_ino64(w->e, ++w->ino);
	archive_entry_set_rdev(w->e, rdev);
	archive_entry_set_uid(w->e, 0);
	archive_entry_set_gid(w->e, 0);
	archive_entry_set_mtime(w->e, 0, 0);
	archive_entry_set_size(w->e, (la_int64_t)n);
	if (archive_write_header(w->a, w->e) != ARCHIVE_OK)
		return write_failed(w, err);
	if (n > 0 && archive_write_data(w->a, p, n) != (la_ssize_t)n)
		return write_failed(w, err);
	return 0;
}

static int put_program(struct writer *w, const char *path, int fd, struct err *err)
{
	_cleanup_free_ uint8_t *p = NULL;
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) < 0)
		return err_sys(
			err, ERR_operation_failed, errno, "cannot look at the guest's %s", path);
	if (!S_ISREG(st.st_mode) || st.st_size <= 0 || st.st_size > INITRAMFS_PROGRAM_MAX)
		return err_set(err, ERR_bad_input,
			"the guest's %s is no regular file of 1 byte to %u MiB", path,
			INITRAMFS_PROGRAM_MAX >> 20);
	p = malloc((size_t)st.st_size);
	if (!p)
		return err_sys(
			err, ERR_operation_failed, ENOMEM, "cannot read the guest's %s", path);
	n = fd_pread_full(fd, p, (size_t)st.st_size, 0);
	if (n != st.st_size)
		return err_sys(err, ERR_operation_failed, n < 0 ? errno : EIO,
			"cannot read the guest's %s", path);
	if (elf64_check_program(p, (size_t)n, path, err) < 0)
		return -1;
	return put(w, path, S_IFREG | 0755, 0, p, (size_t)n, err);
}

static int put_base(struct writer *w, int init_fd, int agent_fd, struct err *err)
{
	static const char *const dirs[] = { "dev", "proc", "sys", "run", "newroot", "modules" };

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		if (put(w, dirs[i], S_IFDIR | 0755, 0, NULL, 0, err) < 0)
			return -1;
	if (put(w, "dev/console", S_IFCHR | 0600, makedev(5, 1), NULL, 0, err) < 0 ||
		put(w, "dev/null", S_IFCHR | 0666, makedev(1, 3), NULL, 0, err) < 0 ||
		put_program(w, "init", init_fd, err) < 0)
		return -1;
	return put_program(w, "agent", agent_fd, err);
}

static int put_modules(struct writer *w, const struct modules *m, struct err *err)
{
	_cleanup_free_ char *order = NULL;

	if (m->n_order == 0)
		return 0;
	for (size_t i = 0; i < m->n_order; i++) {
		const struct module *mod = &m->v[m->order[i]];
		char file[MODULES_ORDER_FILE], path[MODULES_ORDER_FILE + 16];

		modules_order_file(m, i, file, sizeof(file));
		str_format(path, sizeof(path), "modules/%s", file);
		if (put(w, path, S_IFREG | 0644, 0, mod->data, mod->size, err) < 0)
			return -1;
	}
	if (modules_order_write(m, &order, err) < 0)
		return -1;
	return put(w, ORDER, S_IFREG | 0644, 0, order, strlen(order), err);
}

static int writer_close(struct writer *w, uint64_t *ret_size, struct err *err)
{
	if (archive_write_close(w->a) != ARCHIVE_OK)
		return write_failed(w, err);
	*ret_size = w->size;
	return 0;
}

int initramfs_write(int fd, int init_fd, int agent_fd, const struct modules *m, uint64_t *ret_size,
	struct err *err)
{
	_cleanup_(writer_finish) struct writer w;

	if (writer_init(&w, fd, err) < 0 || put_base(&w, init_fd, agent_fd, err) < 0 ||
		put_modules(&w, m, err) < 0)
		return -1;
	return writer_close(&w, ret_size, err);
}

static void archive_freep(struct archive **a)
{
	archive_read_free(*a);
}

/* "NNN-name.ko" or "order", directly in modules/. */
static bool is_module_file(const char *path)
{
	const char *name = path + strlen("modules/");

	return str_starts(path, "modules/") && !strchr(name, '/') && str_printable(name, false) &&
	       (str_eq(name, "order") ||
		       (strlen(name) <= MODULE_NAME_MAX + 8 && str_ends(name, ".ko")));
}

static int put_renewed(struct writer *w, uint8_t *p, size_t n, struct err *err)
{
	_cleanup_free_ char *order = NULL;

	p[n] = '\0'; /* there is room */
	if (strlen((const char *)p) != n)
		return err_set(err, ERR_bad_input, "the old initramfs: " ORDER " is no text");
	if (modules_order_renew((const char *)p, &order, err) < 0)
		return -1;
	return put(w, ORDER, S_IFREG | 0644, 0, order, strlen(order), err);
}

static int copy_module(struct writer *w, struct archive *old, struct archive_entry *e,
	const char *path, struct err *err)
{
	_cleanup_free_ uint8_t *p = NULL;
	la_int64_t size = archive_entry_size(e);

	if (size < 0 || size > MODULE_MAX)
		return err_set(err, ERR_bad_input, "the old initramfs: %s has a bad size", path);
	p = malloc((size_t)size + 1);
	if (!p)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot copy %s", path);
	if (archive_read_data(old, p, (size_t)size) != size)
		return expand_fail(old, ERR_bad_input, "the old initramfs", err);
	if (str_eq(path, ORDER))
		return put_renewed(w, p, (size_t)size, err);
	return put(w, path, S_IFREG | 0644, 0, p, (size_t)size, err);
}

/* What init, agent and the fixed entries were is not read: put_base() has made them anew. */
static int copy_modules(struct writer *w, struct archive *old, struct err *err)
{
	bool has_init = false;
	int r;

	for (int i = 0; i < MODULES_WANTED_MAX + 16; i++) {
		char path[MODULE_NAME_MAX + 32];
		struct archive_entry *e;
		const char *name;

		r = archive_read_next_header(old, &e);
		if (r == ARCHIVE_EOF && has_init)
			return 0;
		if (r != ARCHIVE_OK)
			return r == ARCHIVE_EOF
				       ? err_set(err, ERR_bad_input,
						 "the old initramfs has no init")
				       : expand_fail(old, ERR_bad_input, "the old initramfs", err);
		name = archive_entry_pathname(e);
		if (!name)
			return err_set(err, ERR_bad_input, "the old initramfs has a bad name");
		has_init |= str_eq(name, "init");
		if (archive_entry_filetype(e) != AE_IFREG || !str_starts(name, "modules/"))
			continue;
		if (!is_module_file(name) || !str_copy(path, sizeof(path), name))
			return err_set(err, ERR_bad_input, "the old initramfs has a bad name");
		if (copy_module(w, old, e, path, err) < 0)
			return -1;
	}
	return err_set(err, ERR_bad_input, "the old initramfs has too many entries");
}

int initramfs_refresh(
	int fd, int old_fd, int init_fd, int agent_fd, uint64_t *ret_size, struct err *err)
{
	_cleanup_(archive_freep) struct archive *old = archive_read_new();
	_cleanup_(writer_finish) struct writer w = { 0 };

	if (!old)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot read an initramfs");
	if (lseek(old_fd, 0, SEEK_SET) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot read an initramfs");
	if (archive_read_support_format_cpio(old) != ARCHIVE_OK ||
		archive_read_open_fd(old, old_fd, 65536) != ARCHIVE_OK)
		return expand_fail(old, ERR_bad_input, "the old initramfs", err);
	if (writer_init(&w, fd, err) < 0 || put_base(&w, init_fd, agent_fd, err) < 0 ||
		copy_modules(&w, old, err) < 0)
		return -1;
	return writer_close(&w, ret_size, err);
}
