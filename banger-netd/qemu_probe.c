/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-netd/qemu_probe.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "banger-netd/jail.h"
#include "common/fd.h"
#include "common/str.h"

#define LIMIT_MS 5000

static int open_binary(const char *path, int *ret, struct err *err)
{
	_cleanup_fd_ int fd = open(path, O_PATH | O_CLOEXEC);
	struct stat st;

	if (fd < 0 && errno == ENOENT)
		return err_set(err, ERR_unavailable,
			"there is no %s: install the package qemu-system-x86", path);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, ERR_unavailable, errno, "cannot open %s", path);
	if (!S_ISREG(st.st_mode) || st.st_uid != 0 || (st.st_mode & 022) || !(st.st_mode & 1))
		return err_set(err, ERR_unavailable,
			"%s must be a program of root's that nobody else may write", path);
	*ret = TAKE_FD(fd);
	return 0;
}

static _Noreturn void ask_version(int binary, const char *path, uid_t uid, int writer)
{
	char *const argv[] = { (char *)(uintptr_t)path, (char *)(uintptr_t) "--version", NULL };
	char *const no_environment[] = { NULL };
	const struct rlimit no_core = { 0, 0 };
	int keep[] = { 0, 1, 2, binary };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0 || dup2(null, 0) < 0 || dup2(null, 2) < 0 || dup2(writer, 1) < 0)
		_exit(126);
	fd_close_all_but(keep, ARRAY_SIZE(keep));
	if (setrlimit(RLIMIT_CORE, &no_core) < 0 || jail_drop(uid) < 0)
		_exit(126);
	syscall(SYS_execveat, binary, "", argv, no_environment, AT_EMPTY_PATH);
	_exit(127);
}

void qemu_probe_start(struct qemu_probe *p, const char *path, uid_t uid)
{
	struct err err = ERR_INIT;
	int fds[2];

	*p = (struct qemu_probe){ .binary = -1, .pipe = -1 };
	if (open_binary(path, &p->binary, &err) < 0) {
		text_parse(err.msg, &p->problem);
		return;
	}
	/* Without a version there still is a QEMU. */
	if (pipe2(fds, O_CLOEXEC) < 0)
		return;
	p->pid = fork();
	if (p->pid == 0)
		ask_version(p->binary, path, uid, fds[1]);
	fd_closep(&fds[1]);
	p->pipe = fds[0];
	if (p->pid < 0) {
		p->pid = 0;
		fd_closep(&p->pipe);
	}
}

/* "QEMU emulator version 7.2.22 (Debian …)", of which the version is kept. */
static void keep_version(struct qemu_probe *p, char *s)
{
	static const char intro[] = "QEMU emulator version ";

	s[strcspn(s, "\n")] = '\0';
	if (str_starts(s, intro))
		text_parse(s + sizeof(intro) - 1, &p->version);
}

static void end_child(struct qemu_probe *p)
{
	kill(p->pid, SIGKILL);
	while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR)
		;
	fd_closep(&p->pipe);
	p->pid = 0;
}

void qemu_probe_finish(struct qemu_probe *p)
{
	struct pollfd pfd = { .fd = p->pipe, .events = POLLIN };
	char s[256];
	ssize_t n;

	if (p->pid == 0)
		return;
	/* Its first write has the line; one read takes it. */
	if (poll(&pfd, 1, LIMIT_MS) == 1) {
		n = read(p->pipe, s, sizeof(s) - 1);
		s[n > 0 ? n : 0] = '\0';
		keep_version(p, s);
	}
	end_child(p);
}

void qemu_probe_cancel(struct qemu_probe *p)
{
	if (p->pid > 0)
		end_child(p);
	fd_closep(&p->binary);
}
