/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-netd/limits_cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "banger-netd/limits_figures.h"
#include "common/fd.h"
#include "common/str.h"

#define ROOT	   "/sys/fs/cgroup"
#define TREE	   "banger"
#define SUBTREE	   "cgroup.subtree_control"
#define PREFIX	   "vm-"
#define FILE_MAX   4096
#define CPU_PERIOD 100000U /* µs, the kernel's default */

static const char *const controllers[] = { "memory", "pids", "cpu" };

static int read_text(int dir, const char *name, char **ret, struct err *err)
{
	_cleanup_fd_ int fd = fd_open_beneath(dir, name, O_RDONLY, 0);

	if (fd < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot open %s", name);
	return fd_read_text(fd, FILE_MAX, ret, NULL, err);
}

/* One write, as such files want it. */
static int write_text(int dir, const char *name, const char *s, struct err *err)
{
	_cleanup_fd_ int fd = fd_open_beneath(dir, name, O_WRONLY, 0);
	size_t n = strlen(s);

	if (fd < 0)
		return err_sys(
			err, ERR_operation_failed, errno, "cannot open the cgroup's %s", name);
	if (write(fd, s, n) != (ssize_t)n)
		return err_sys(err, ERR_operation_failed, errno,
			"cannot write '%s' to the cgroup's %s", s, name);
	return 0;
}

static int write_number(int dir, const char *name, uint64_t n, struct err *err)
{
	char s[24];

	str_format(s, sizeof(s), "%llu", (unsigned long long)n);
	return write_text(dir, name, s, err);
}

static bool has_word(const char *s, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = s; (p = strstr(p, word)); p += n)
		if ((p == s || p[-1] == ' ') && (!p[n] || p[n] == ' ' || p[n] == '\n'))
			return true;
	return false;
}

/* Have the controllers in `dir`'s children; those that are on already are left alone. */
static int switch_on(int dir, struct err *err)
{
	_cleanup_free_ char *there = NULL, *on = NULL;
	char more[64] = "";

	if (read_text(dir, "cgroup.controllers", &there, err) < 0 ||
		read_text(dir, SUBTREE, &on, err) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(controllers); i++) {
		size_t n = strlen(more);

		if (!has_word(there, controllers[i]))
			return err_set(err, ERR_unavailable,
				"the cgroup v2 tree lacks the controller %s", controllers[i]);
		if (!has_word(on, controllers[i]))
			str_format(more + n, sizeof(more) - n, "+%s ", controllers[i]);
	}
	return more[0] ? write_text(dir, SUBTREE, more, err) : 0;
}

int limits_cgroup_root(int *ret, struct err *err)
{
	_cleanup_fd_ int fd = open(ROOT, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct statfs fs;

	if (fd < 0 || fstatfs(fd, &fs) < 0)
		return err_sys(err, ERR_unavailable, errno, "cannot open " ROOT);
	if (fs.f_type != CGROUP2_SUPER_MAGIC)
		return err_set(err, ERR_unavailable, ROOT " is no cgroup v2 tree");
	*ret = TAKE_FD(fd);
	return 0;
}

int limits_cgroup_open(int root, int *ret, struct err *err)
{
	_cleanup_fd_ int tree = -1;
	bool made;

	if (switch_on(root, err) < 0)
		return -1;
	made = mkdirat(root, TREE, 0755) == 0;
	if (!made && errno != EEXIST)
		return err_sys(err, ERR_operation_failed, errno, "cannot make the cgroup " TREE);
	tree = fd_open_beneath(root, TREE, O_RDONLY | O_DIRECTORY, 0);
	if (tree < 0)
		err_sys(err, ERR_operation_failed, errno, "cannot open the cgroup " TREE);
	else if (switch_on(tree, err) == 0) {
		*ret = TAKE_FD(tree);
		return 0;
	}
	if (made)
		unlinkat(root, TREE, AT_REMOVEDIR);
	return -1;
}

/* A file that this kernel may not have (no swap, no memory.oom.group before 4.19). */
static int write_if_there(int dir, const char *name, uint64_t n, struct err *err)
{
	if (faccessat(dir, name, F_OK, 0) < 0 && errno == ENOENT)
		return 0;
	return write_number(dir, name, n, err);
}

static int fill(int dir, const struct limits_vm *vm, struct err *err)
{
	struct limits_figures f;
	char cpu[48];

	limits_figures(vm, &f);
	str_format(cpu, sizeof(cpu), "%llu %u",
		(unsigned long long)(f.cpu_usec / (1000000 / CPU_PERIOD)), CPU_PERIOD);
	if (write_number(dir, "memory.max", f.memory, err) < 0 ||
		write_if_there(dir, "memory.swap.max", 0, err) < 0 ||
		write_if_there(dir, "memory.oom.group", 1, err) < 0 ||
		write_number(dir, "pids.max", f.tasks, err) < 0 ||
		write_text(dir, "cpu.max", cpu, err) < 0)
		return -1;
	return write_number(dir, "cgroup.procs", (uint64_t)vm->pid, err);
}

int limits_cgroup_place(int tree, const struct limits_vm *vm, struct err *err)
{
	struct limits_name name = limits_cgroup_name(vm->vm);
	_cleanup_fd_ int dir = -1;

	/* What an earlier life of the VM left: gone, or something lives there. */
	if (limits_cgroup_remove(tree, vm->vm, 0, err) < 0)
		return -1;
	if (mkdirat(tree, name.s, 0755) < 0)
		return err_sys(
			err, ERR_operation_failed, errno, "cannot make the cgroup %s", name.s);
	dir = fd_open_beneath(tree, name.s, O_RDONLY | O_DIRECTORY, 0);
	if (dir < 0)
		err_sys(err, ERR_operation_failed, errno, "cannot open the cgroup %s", name.s);
	else if (fill(dir, vm, err) == 0)
		return 0;
	unlinkat(tree, name.s, AT_REMOVEDIR);
	return -1;
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

/* The kernel wakes who polls cgroup.events when the answer has changed since it was read. */
static int await_empty(int dir, int timeout_ms, bool *ret, struct err *err)
{
	_cleanup_fd_ int fd = fd_open_beneath(dir, "cgroup.events", O_RDONLY, 0);
	int64_t end = now_ms() + timeout_ms, left;

	if (fd < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot open cgroup.events");
	for (;;) {
		char s[256];
		ssize_t n = fd_pread_full(fd, s, sizeof(s) - 1, 0);

		if (n < 0)
			return err_sys(
				err, ERR_operation_failed, errno, "cannot read cgroup.events");
		s[n] = '\0';
		*ret = strstr(s, "populated 0") != NULL;
		left = end - now_ms();
		if (*ret || left <= 0)
			return 0;
		if (poll(&(struct pollfd){ .fd = fd, .events = POLLPRI }, 1, (int)left) < 0 &&
			errno != EINTR)
			return err_sys(
				err, ERR_operation_failed, errno, "cannot wait for cgroup.events");
	}
}

int limits_cgroup_remove(int tree, vm_id vm, int timeout_ms, struct err *err)
{
	struct limits_name name = limits_cgroup_name(vm);
	_cleanup_fd_ int dir = fd_open_beneath(tree, name.s, O_RDONLY | O_DIRECTORY, 0);
	bool empty = false;

	if (dir < 0 && errno == ENOENT)
		return 0;
	if (dir < 0)
		return err_sys(
			err, ERR_operation_failed, errno, "cannot open the cgroup %s", name.s);
	if (await_empty(dir, timeout_ms, &empty, err) < 0)
		return -1;
	if (!empty)
		return err_set(
			err, ERR_busy, "something still lives in the cgroup " TREE "/%s", name.s);
	if (unlinkat(tree, name.s, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return err_sys(err, errno == EBUSY ? ERR_busy : ERR_operation_failed, errno,
			"cannot remove the cgroup " TREE "/%s", name.s);
	return 0;
}

int limits_cgroup_sweep(int tree, unsigned *ret_removed, struct err *err)
{
	int fd = fd_open_beneath(tree, ".", O_RDONLY | O_DIRECTORY, 0);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;
	unsigned n = 0;
	vm_id vm;

	if (!d) {
		err_sys(err, ERR_operation_failed, errno, "cannot read the cgroup " TREE);
		fd_closep(&fd);
		return -1;
	}
	while ((e = readdir(d))) {
		struct err lives = ERR_INIT;

		if (str_starts(e->d_name, PREFIX) && vm_id_parse(e->d_name + strlen(PREFIX), &vm) &&
			limits_cgroup_remove(tree, vm, 0, &lives) == 0)
			n++;
	}
	closedir(d);
	*ret_removed = n;
	return 0;
}
