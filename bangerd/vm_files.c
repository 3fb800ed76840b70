/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/vm_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bangerd/call.h"
#include "bangerd/console.h"
#include "bangerd/vm_watch.h"
#include "common/failpoint.h"
#include "common/fd.h"
#include "common/log.h"
#include "common/settings.h"
#include "common/str.h"

static void close_dirp(DIR **d)
{
	if (*d)
		closedir(*d);
}

/* A stream of its own over a directory. */
static DIR *list(int fd)
{
	int again = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = again < 0 ? NULL : fdopendir(again);

	if (!d)
		fd_closep(&again);
	return d;
}

int vm_dir_open(struct vms *vms, const vm_id *id, int *ret_fd, struct err *err)
{
	int fd = openat(vms->dir_fd, id->s, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return err_sys(err, ERR_operation_failed, errno,
			"cannot open the directory of VM %s", id->s);
	*ret_fd = fd;
	return 0;
}

int vm_dir_make(struct vms *vms, const vm_id *id, int *ret_fd, struct err *err)
{
	if (mkdirat(vms->dir_fd, id->s, 0700) < 0)
		return err_sys(err, errno == ENOSPC ? ERR_no_space : ERR_operation_failed, errno,
			"cannot make the directory of VM %s", id->s);
	return vm_dir_open(vms, id, ret_fd, err);
}

/* Its logs nobody was promised, and they may get another name just now. */
static bool is_promised(const struct dirent *e)
{
	return e->d_type != DT_DIR && !str_eq(e->d_name, CONSOLE_LOG) &&
	       !str_eq(e->d_name, CONSOLE_LOG_BEFORE);
}

int vm_dir_sync(struct vms *vms, int dir_fd, struct err *err)
{
	_cleanup_(close_dirp) DIR *d = list(dir_fd);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		_cleanup_fd_ int fd = -1;

		if (!is_promised(e))
			continue;
		fd = openat(dir_fd, e->d_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		if (fd < 0 || fdatasync(fd) < 0)
			return err_sys(err, errno == ENOSPC ? ERR_no_space : ERR_operation_failed,
				errno, "cannot write '%s' of a VM to the disk", e->d_name);
	}
	if (!d || fsync(dir_fd) < 0 || fsync(vms->dir_fd) < 0)
		return err_sys(err, ERR_operation_failed, errno,
			"cannot write the directory of a VM to the disk");
	return FAILPOINT(files_synced, err);
}

int vm_dir_taken(struct vms *vms, const vm_id *id, uint64_t *ret_bytes, struct err *err)
{
	_cleanup_fd_ int fd =
		openat(vms->dir_fd, id->s, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_(close_dirp) DIR *d = fd < 0 ? NULL : list(fd);
	uint64_t sum = 0;
	struct dirent *e;
	struct stat st;

	if (!d)
		return err_sys(err, errno == ENOENT ? ERR_not_found : ERR_operation_failed, errno,
			"cannot look at the files of VM %s", id->s);
	while ((e = readdir(d)))
		if (fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
			sum += (uint64_t)st.st_blocks * 512;
	*ret_bytes = sum;
	return 0;
}

/* Of a VM that is being deleted: what is called so is nobody's any more, whatever the database
 * says.
 */
static const char gone_suffix[] = ".gone";

struct gone_name {
	char s[VM_ID_LEN + sizeof(gone_suffix)];
};

static struct gone_name gone_name(const vm_id *id)
{
	struct gone_name n;

	str_format(n.s, sizeof(n.s), "%s%s", id->s, gone_suffix);
	return n;
}

static int remove_files(struct vms *vms, const vm_id *id, struct err *err)
{
	const struct gone_name name = gone_name(id);
	_cleanup_fd_ int fd =
		openat(vms->dir_fd, name.s, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_(close_dirp) DIR *d = fd < 0 ? NULL : list(fd);
	struct dirent *e;

	if (fd < 0 && errno == ENOENT)
		return 0;
	while (d && (e = readdir(d)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
			unlinkat(fd, e->d_name, 0) < 0)
			return err_sys(err, ERR_operation_failed, errno,
				"cannot remove '%s' of VM %s", e->d_name, id->s);
	if (unlinkat(vms->dir_fd, name.s, AT_REMOVEDIR) < 0)
		return err_sys(err, ERR_operation_failed, errno,
			"cannot remove the directory of VM %s", id->s);
	return 0;
}

/* Who opened it before it got this name may put a console's log there. */
static int remove_gone(struct vms *vms, const vm_id *id, struct err *err)
{
	struct err why = ERR_INIT;
	int r = remove_files(vms, id, &why);

	for (int i = 0; r < 0 && why.sys == ENOTEMPTY && i < 3; i++) {
		why = (struct err)ERR_INIT;
		r = remove_files(vms, id, &why);
	}
	if (r < 0)
		*err = why;
	return r;
}

int vm_dir_remove(struct vms *vms, const vm_id *id, struct err *err)
{
	/* What an earlier try left. */
	if (remove_gone(vms, id, err) < 0)
		return -1;
	if (renameat(vms->dir_fd, id->s, vms->dir_fd, gone_name(id).s) < 0)
		return errno == ENOENT ? 0
				       : err_sys(err, ERR_operation_failed, errno,
						 "cannot remove the directory of VM %s", id->s);
	return remove_gone(vms, id, err);
}

static bool is_known(struct vms *vms, const vm_id *id)
{
	for (struct vm *vm = vms->first; vm; vm = vm->next)
		if (str_eq(vm->row.id.s, id->s))
			return true;
	return false;
}

static bool is_gone(const char *name, vm_id *ret)
{
	char id[VM_ID_LEN + 1];

	return strlen(name) == sizeof(struct gone_name) - 1 && str_ends(name, gone_suffix) &&
	       str_format(id, sizeof(id), "%.*s", VM_ID_LEN, name) && vm_id_parse(id, ret);
}

unsigned vm_dirs_sweep(struct vms *vms)
{
	_cleanup_(close_dirp) DIR *d = list(vms->dir_fd);
	struct dirent *e;
	unsigned n = 0;
	vm_id id;

	while (d && (e = readdir(d))) {
		struct err err = ERR_INIT;

		if (is_gone(e->d_name, &id)) {
			if (remove_gone(vms, &id, &err) < 0)
				log_warning("%s", err.msg);
			else
				log_notice("removed the files of VM %s, which is no more", id.s);
		} else if (vm_id_parse(e->d_name, &id) && !is_known(vms, &id)) {
			log_warning("%s/vms/%s is kept, and of no VM: is banger.db older than it "
				    "is? If nobody needs it, remove it",
				vms->services->settings->paths_state_dir.s, id.s);
			n++;
		}
	}
	return n;
}

struct console *vm_console_get(struct vm *vm)
{
	struct console *c;

	pthread_mutex_lock(&vm->vms->lock);
	c = vm->console;
	pthread_mutex_unlock(&vm->vms->lock);
	return c;
}

int vm_console_open(struct vm *vm, struct console **ret, struct err *err)
{
	struct vms *vms = vm->vms;
	_cleanup_fd_ int dir = -1;
	struct console *made = vm_console_get(vm);

	if (made) {
		*ret = made;
		return 0;
	}
	if (vm_dir_open(vms, &vm->row.id, &dir, err) < 0 ||
		console_create(vms->watches, dir, vm->row.owner,
			vms->services->settings->vmm_console_log_size, &made, err) < 0)
		return -1;
	console_on_halt(made, vm_guest_halted, vm);
	pthread_mutex_lock(&vms->lock);
	if (!vm->console)
		vm->console = TAKE_PTR(made);
	*ret = vm->console;
	pthread_mutex_unlock(&vms->lock);
	console_destroy(made); /* somebody else was quicker */
	return 0;
}
