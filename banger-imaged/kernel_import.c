/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/kernel_import.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "banger-imaged/bzimage.h"
#include "banger-imaged/deb.h"
#include "banger-imaged/elf64.h"
#include "banger-imaged/hash.h"
#include "banger-imaged/initramfs.h"
#include "banger-imaged/modules.h"
#include "common/failpoint.h"
#include "common/fd.h"
#include "common/ipc.h"
#include "common/proto_source.h"
#include "common/str.h"

#define LIST_MAX (4U << 20) /* modules.dep, modules.builtin */
#define BLOCK	 (1U << 20)

static int check_input(int fd, const char *what, uint64_t max, uint64_t *ret_size, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot look at %s", what);
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_bad_input, "%s is no regular file", what);
	if ((uint64_t)st.st_size > max)
		return err_set(err, ERR_bad_input, "%s is larger than %llu MiB, which is the limit",
			what, (unsigned long long)(max >> 20));
	*ret_size = (uint64_t)st.st_size;
	return 0;
}

/* Targets are bangerd's: anything but an empty file that can be read back is a fault of its. */
static int check_target(int fd, struct err *err)
{
	int flags = fcntl(fd, F_GETFL);
	struct stat st;

	if (flags < 0 || fstat(fd, &st) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot look at a target");
	if (!S_ISREG(st.st_mode) || st.st_size != 0 || (flags & O_ACCMODE) != O_RDWR)
		return err_set(err, ERR_bad_request,
			"a target is no empty regular file that can be read and written");
	return 0;
}

/* ---- one that must be of a digest ---- */

struct spooling {
	int to;
	uint64_t size;
	const struct progress *progress;
};

static int on_piece(void *ctx, const void *p, size_t n, uint64_t at, struct err *err)
{
	const struct spooling *s = ctx;

	if (fd_pwrite_full(s->to, p, n, at) < 0)
		return err_sys(err, errno == ENOSPC ? ERR_no_space : ERR_operation_failed, errno,
			"cannot copy the kernel");
	progress_tell(s->progress, job_stage_verify, at + n, s->size);
	return 0;
}

/* The kernel into the spool, where nobody changes it any more: the file may be somebody's who can.
 */
static int prove(const struct job_kernel_import_in *in, const struct progress *p, struct err *err)
{
	struct hash h = { 0 };
	struct spooling s = { .to = in->spool, .progress = p };
	digest want, got;
	int r;

	if (!digest_parse(in->digest.s, &want) || in->spool < 0)
		return err_set(err, ERR_bad_request, "a kernel's digest is none, or has no spool");
	if (check_target(in->spool, err) < 0 ||
		check_input(in->kernel, "the kernel", DEB_EXPANDED_MAX, &s.size, err) < 0 ||
		hash_init(&h, &want, err) < 0)
		return -1;
	r = hash_file(&h, in->kernel, s.size, "the kernel", on_piece, &s, err);
	if (r == 0)
		r = hash_digest(&h, &got, err);
	hash_finish(&h);
	if (r == 0 && !str_eq(got.s, want.s))
		return err_set(err, ERR_bad_input, "the kernel's file has the digest %s, not %s",
			got.s, want.s);
	return r;
}

/* ---- the kernel ---- */

struct vmlinux {
	int fd;
	uint64_t size, expected;
	const struct progress *progress;
};

static int vmlinux_write(void *ctx, const void *p, size_t n, struct err *err)
{
	struct vmlinux *v = ctx;

	if (n > KERNEL_VMLINUX_MAX - v->size)
		return err_set(err, ERR_bad_input, "the kernel is larger than %llu MiB",
			(unsigned long long)(KERNEL_VMLINUX_MAX >> 20));
	if (fd_pwrite_full(v->fd, p, n, v->size) < 0)
		return err_sys(err, errno == ENOSPC ? ERR_no_space : ERR_operation_failed, errno,
			"cannot write the kernel");
	v->size += n;
	progress_tell(v->progress, job_stage_kernel, v->size, v->expected);
	return 0;
}

/* A bzImage or vmlinux that is in memory. */
static int write_image(
	const uint8_t *p, size_t n, struct vmlinux *v, text *version, struct err *err)
{
	struct bzimage b;

	if (elf64_is(p, n)) {
		v->expected = n;
		return vmlinux_write(v, p, n, err);
	}
	if (!bzimage_is(p, n))
		return err_set(err, ERR_bad_input,
			"the kernel is no bzImage, ELF vmlinux or Debian package");
	if (bzimage_parse(p, n, &b, err) < 0)
		return -1;
	*version = b.version;
	v->expected = b.unpacked_len;
	return bzimage_expand(&b, KERNEL_VMLINUX_MAX, vmlinux_write, v, err);
}

static int copy_vmlinux(int fd, uint64_t size, struct vmlinux *v, struct err *err)
{
	_cleanup_free_ uint8_t *buf = malloc(BLOCK);

	if (!buf)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot copy the kernel");
	v->expected = size;
	while (v->size < size) {
		uint64_t left = size - v->size;
		ssize_t n = fd_pread_full(fd, buf, left < BLOCK ? left : BLOCK, v->size);

		if (n <= 0)
			return err_sys(
				err, ERR_bad_input, n < 0 ? errno : EIO, "cannot read the kernel");
		if (vmlinux_write(v, buf, (size_t)n, err) < 0)
			return -1;
	}
	return 0;
}

/* What was written must be a kernel; *version is set already when a header said it. */
static int check_vmlinux(const struct vmlinux *v, text *version, struct err *err)
{
	if (elf64_check_kernel(v->fd, v->size, err) < 0)
		return -1;
	if (version->s[0] == '\0' && elf64_kernel_version(v->fd, v->size, version, err) < 0)
		return -1;
	return 0;
}

/* ---- a Debian package ---- */

struct package {
	int fd;
	uint64_t size;
	bool first; /* the first pass: all is looked at, later ones load modules only */
	bool kernel;
	bool with_modules; /* take the package's own */
	char release[128]; /* the directory below lib/modules */
	struct modules *modules;
	struct vmlinux *v;
	text version;
};

/* "lib/modules/RELEASE/rest" or "usr/lib/…": the rest, or NULL for other paths. */
static const char *below_modules(const char *path, char *release, size_t cap)
{
	const char *slash;

	if (str_starts(path, "usr/"))
		path += strlen("usr/");
	if (!str_starts(path, "lib/modules/"))
		return NULL;
	path += strlen("lib/modules/");
	slash = strchr(path, '/');
	if (!slash || !str_format(release, cap, "%.*s", (int)(slash - path), path))
		return NULL;
	return slash + 1;
}

static bool is_kernel_path(const char *path)
{
	char release[128];
	const char *rest = below_modules(path, release, sizeof(release));

	return str_starts(path, "boot/vmlinuz-") || (rest && str_eq(rest, "vmlinuz"));
}

static int package_kernel(struct package *pk, const struct deb_file *f, struct err *err)
{
	_cleanup_free_ uint8_t *p = NULL;

	if (pk->kernel)
		return err_set(err, ERR_bad_input,
			"the package has more than one kernel: unpack it and name one");
	if (deb_read(f, KERNEL_FILE_MAX, &p, err) < 0 ||
		write_image(p, f->size, pk->v, &pk->version, err) < 0)
		return -1;
	pk->kernel = true;
	return 0;
}

static int package_builtin(struct package *pk, const struct deb_file *f, struct err *err)
{
	_cleanup_free_ uint8_t *p = NULL;

	if (deb_read(f, LIST_MAX, &p, err) < 0)
		return -1;
	p[f->size] = '\0';
	return modules_parse_builtin(pk->modules, (char *)p, err);
}

static int package_module(struct package *pk, const struct deb_file *f, struct err *err)
{
	_cleanup_free_ uint8_t *p = NULL;
	struct module *mod;

	if (modules_add(pk->modules, f->path, &mod, err) < 0)
		return -1;
	if (!mod || mod->data || !str_eq(mod->path, f->path) ||
		!(mod->wanted || (pk->first && modules_is_likely(mod->name))))
		return 0;
	if (deb_read(f, MODULE_MAX, &p, err) < 0)
		return -1;
	return modules_load(pk->modules, mod, p, f->size, err);
}

static int visit(void *ctx, const struct deb_file *f, struct err *err)
{
	struct package *pk = ctx;
	char release[sizeof(pk->release)];
	const char *rest;

	if (is_kernel_path(f->path))
		return pk->first ? package_kernel(pk, f, err) : 0;
	rest = below_modules(f->path, release, sizeof(release));
	if (!rest || !pk->with_modules)
		return 0;
	if (pk->release[0] == '\0')
		str_copy(pk->release, sizeof(pk->release), release);
	if (!str_eq(pk->release, release))
		return err_set(
			err, ERR_bad_input, "the package has the modules of more than one kernel");
	if (str_eq(rest, "modules.builtin"))
		return pk->first ? package_builtin(pk, f, err) : 0;
	return package_module(pk, f, err);
}

/* Walks again only when something wanted was not read along before. */
static int package_fetch(void *ctx, struct modules *m, struct err *err)
{
	struct package *pk = ctx;
	bool needed = false;

	for (size_t i = 0; i < m->n; i++)
		needed |= m->v[i].wanted && !m->v[i].data;
	return needed ? deb_walk(pk->fd, pk->size, visit, pk, pk->v->progress, err) : 0;
}

/* ---- a directory of modules, behind a source socket ---- */

static int source_read(
	struct ipc *ch, const char *path, size_t max, uint8_t **ret, size_t *ret_n, struct err *err)
{
	_cleanup_fd_ int fd = -1;
	_cleanup_free_ uint8_t *p = NULL;
	struct source_file_open_in in = { 0 };
	struct source_file_open_out out;
	uint64_t size;
	ssize_t n;

	if (!text_parse(path, &in.path))
		return err_set(err, ERR_bad_input, "the modules' directory has a path too long");
	if (source_file_open(ch, &in, &out, err) < 0)
		return err_wrap(err, "the modules' directory: %s", path);
	fd = out.file;
	if (check_input(fd, path, max, &size, err) < 0)
		return -1;
	p = malloc(size + 1);
	if (!p)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot read %s", path);
	n = fd_pread_full(fd, p, size, 0);
	if (n < 0 || (uint64_t)n != size)
		return err_sys(err, ERR_bad_input, n < 0 ? errno : EIO, "cannot read %s", path);
	p[size] = '\0';
	*ret = TAKE_PTR(p);
	*ret_n = size;
	return 0;
}

static int source_list(struct ipc *ch, const char *path, struct modules *m,
	int (*parse)(struct modules *, char *, struct err *), struct err *err)
{
	_cleanup_free_ uint8_t *p = NULL;
	size_t n;

	if (source_read(ch, path, LIST_MAX, &p, &n, err) < 0)
		return -1;
	return parse(m, (char *)p, err);
}

static int source_fetch(void *ctx, struct modules *m, struct err *err)
{
	for (size_t i = 0; i < m->n; i++) {
		_cleanup_free_ uint8_t *p = NULL;
		size_t n;

		if (!m->v[i].wanted || m->v[i].data)
			continue;
		if (source_read(ctx, m->v[i].path, MODULE_MAX, &p, &n, err) < 0 ||
			modules_load(m, &m->v[i], p, n, err) < 0)
			return -1;
	}
	return 0;
}

static int select_from_source(
	struct ipc *ch, const char *version, struct modules *m, struct err *err)
{
	if (source_list(ch, "modules.dep", m, modules_parse_dep, err) < 0 ||
		source_list(ch, "modules.builtin", m, modules_parse_builtin, err) < 0)
		return -1;
	return modules_select(m, version, source_fetch, ch, err);
}

/* ---- together ---- */

/* The kernel to v->fd, its version, and, from a package without `source`, its modules. */
static int import_file(int fd, struct ipc *source, struct vmlinux *v, struct modules *m,
	text *version, struct err *err)
{
	struct package pk = {
		.fd = fd, .first = true, .with_modules = !source, .modules = m, .v = v
	};
	_cleanup_free_ uint8_t *p = NULL;
	uint8_t head[BZIMAGE_MAGIC_SIZE];
	uint64_t size = 0;
	ssize_t n;

	if (check_input(fd, "the kernel", DEB_EXPANDED_MAX, &size, err) < 0)
		return -1;
	pk.size = size;
	n = fd_pread_full(fd, head, sizeof(head), 0);
	if (n < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot read the kernel");
	if (deb_is(head, (size_t)n)) {
		if (deb_walk(fd, size, visit, &pk, v->progress, err) < 0)
			return -1;
		if (!pk.kernel)
			return err_set(
				err, ERR_bad_input, "the package has no boot/vmlinuz-VERSION");
		*version = pk.version;
		if (check_vmlinux(v, version, err) < 0)
			return -1;
		pk.first = false;
		return source ? 0 : modules_select(m, version->s, package_fetch, &pk, err);
	}
	if (elf64_is(head, (size_t)n)) {
		if (check_input(fd, "the kernel", KERNEL_VMLINUX_MAX, &size, err) < 0 ||
			copy_vmlinux(fd, size, v, err) < 0)
			return -1;
		return check_vmlinux(v, version, err);
	}
	if (check_input(fd, "the kernel", KERNEL_FILE_MAX, &size, err) < 0)
		return -1;
	p = malloc(size + 1);
	if (!p)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot read the kernel");
	if (fd_pread_full(fd, p, size, 0) != (ssize_t)size)
		return err_sys(err, ERR_bad_input, EIO, "cannot read the kernel");
	if (write_image(p, size, v, version, err) < 0)
		return -1;
	return check_vmlinux(v, version, err);
}

static int sync_target(int fd, const char *what, struct err *err)
{
	if (fsync(fd) < 0)
		return err_sys(err, errno == ENOSPC ? ERR_no_space : ERR_operation_failed, errno,
			"cannot write %s", what);
	return 0;
}

static int import(struct job_kernel_import_in *in, struct job_kernel_import_out *out,
	struct ipc *source, struct modules *m, const struct progress *p, struct err *err)
{
	struct vmlinux v = { .fd = in->vmlinux, .progress = p };
	uint64_t initramfs_size;
	bool pinned = in->digest.s[0] != '\0';
	text version = { "" };

	if (check_target(in->vmlinux, err) < 0 || check_target(in->initramfs, err) < 0)
		return -1;
	progress_tell(p, job_stage_read, 0, 0);
	if (pinned && prove(in, p, err) < 0)
		return -1;
	if (import_file(pinned ? in->spool : in->kernel, source, &v, m, &version, err) < 0)
		return -1;
	progress_tell(p, job_stage_modules, 0, 0);
	if (source && select_from_source(source, version.s, m, err) < 0)
		return -1;
	progress_tell(p, job_stage_initramfs, 0, m->n_order);
	if (FAILPOINT(kernel_unpacked, err) < 0 ||
		initramfs_write(in->initramfs, in->init, in->agent, m, &initramfs_size, err) < 0 ||
		FAILPOINT(kernel_written, err) < 0)
		return -1;
	progress_tell(p, job_stage_sync, 0, 0);
	if (sync_target(in->vmlinux, "the kernel", err) < 0 ||
		sync_target(in->initramfs, "the initramfs", err) < 0)
		return -1;
	out->version = version;
	text_parse("x86_64", &out->arch);
	out->size = v.size + initramfs_size;
	out->n_modules = (uint32_t)m->n_order;
	return 0;
}

int kernel_import(struct job_kernel_import_in *in, struct job_kernel_import_out *out,
	const struct progress *p, struct err *err)
{
	struct modules m = { 0 };
	struct ipc *source = NULL;
	int r = 0;

	if (in->modules >= 0)
		r = ipc_open(TAKE_FD(in->modules), &source_protocol, &source, err);
	if (r == 0)
		r = import(in, out, source, &m, p, err);
	modules_finish(&m);
	ipc_close(source);
	return r;
}

int kernel_refresh(const struct job_initramfs_refresh_in *in, struct job_initramfs_refresh_out *out,
	struct err *err)
{
	uint64_t size;

	if (check_target(in->initramfs, err) < 0 ||
		check_input(in->old, "the old initramfs", INITRAMFS_MAX, &size, err) < 0 ||
		initramfs_refresh(in->initramfs, in->old, in->init, in->agent, &size, err) < 0)
		return -1;
	if (sync_target(in->initramfs, "the initramfs", err) < 0)
		return -1;
	out->size = size;
	return 0;
}
