/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-netd/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "banger-netd/jail_root.h"
#include "common/fd.h"
#include "common/str.h"

/* fds are moved here first, out of the way of the places that they are to have. */
#define FD_ASIDE 100

/* What a child that could not become the VMM says through its pipe. */
struct failure {
	int sys;
	char what[48];
};

static _Noreturn void give_up(int pipe, const char *what)
{
	struct failure f = { .sys = errno };

	str_copy(f.what, sizeof(f.what), what);
	/* Without a reader there is nobody to tell. */
	if (fd_write_full(pipe, &f, sizeof(f)) < 0)
		_exit(126);
	_exit(127);
}

int jail_drop(uid_t uid)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { 0 };

	for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return -1;
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return -1;
	/* The raw calls: glibc's wrappers would tell threads, of which there are none. */
	if (syscall(SYS_setgroups, 0, NULL) < 0 || syscall(SYS_setresgid, uid, uid, uid) < 0 ||
		syscall(SYS_setresuid, uid, uid, uid) < 0)
		return -1;
	if (syscall(SYS_capset, &head, none) < 0)
		return -1;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

static int set_limit(int which, uint64_t value)
{
	struct rlimit r = { value, value };

	return setrlimit((__rlimit_resource_t)which, &r);
}

static int set_limits(const struct jail *j)
{
	if (set_limit(RLIMIT_FSIZE, j->file_size) < 0 || set_limit(RLIMIT_AS, j->address_space) < 0)
		return -1;
	if (set_limit(RLIMIT_NOFILE, 256) < 0 || set_limit(RLIMIT_CORE, 0) < 0)
		return -1;
	/* vcpus, and at most 64 threads for the disk. */
	if (set_limit(RLIMIT_NPROC, 128) < 0 || set_limit(RLIMIT_MEMLOCK, 0) < 0)
		return -1;
	return set_limit(RLIMIT_MSGQUEUE, 0);
}

/* Put the fds at their places; *binary and *pipe are moved aside. */
static int place_fds(const struct jail *j, int *binary, int *pipe)
{
	int aside[JAIL_FDS_MAX], out, null;

	*binary = fcntl(*binary, F_DUPFD_CLOEXEC, FD_ASIDE);
	*pipe = fcntl(*pipe, F_DUPFD_CLOEXEC, FD_ASIDE);
	out = fcntl(j->stdio, F_DUPFD_CLOEXEC, FD_ASIDE);
	null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (*binary < 0 || *pipe < 0 || out < 0 || null < 0)
		return -1;
	for (size_t i = 0; i < j->n_fds; i++)
		if ((aside[i] = fcntl(j->fds[i], F_DUPFD_CLOEXEC, FD_ASIDE)) < 0)
			return -1;
	if (dup2(null, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 ||
		dup2(out, STDERR_FILENO) < 0)
		return -1;
	for (size_t i = 0; i < j->n_fds; i++)
		if (dup2(aside[i], (int)(3 + i)) < 0)
			return -1;
	return 0;
}

static void close_others(const struct jail *j, int binary, int pipe)
{
	int keep[JAIL_FDS_MAX + 5];
	size_t n = 0;

	for (size_t i = 0; i < 3 + j->n_fds; i++)
		keep[n++] = (int)i;
	keep[n++] = binary;
	keep[n++] = pipe;
	fd_close_all_but(keep, n);
}

static void reset_signals(void)
{
	sigset_t none;

	for (int s = 1; s < NSIG; s++)
		signal(s, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static _Noreturn void become_vmm(const struct jail *j, const struct jail_sources *src, int pipe)
{
	const struct confine filter = { .profile = CONFINE_vmm, .mode = j->mode };
	char *const no_environment[] = { NULL };
	struct err err = ERR_INIT;
	const char *failed;
	int binary = j->binary;

	if (place_fds(j, &binary, &pipe) < 0)
		give_up(pipe, "placing its files");
	if (setsid() < 0)
		give_up(pipe, "making a session");
	failed = jail_root_enter(j->mount_point, src, j->uid);
	if (failed)
		give_up(pipe, failed);
	close_others(j, binary, pipe);
	umask(077);
	if (set_limits(j) < 0)
		give_up(pipe, "setting limits");
	if (jail_drop(j->uid) < 0)
		give_up(pipe, "dropping privileges");
	/* Whoever listens is what SO_PEERCRED shows to those who connect. */
	for (size_t i = 0; i < j->n_listen; i++)
		if (listen(3 + j->listen[i], 4) < 0)
			give_up(pipe, "listening");
	reset_signals();
	if (confine_apply(&filter, &err) < 0)
		give_up(pipe, "forbidding system calls");
	syscall(SYS_execveat, binary, "", j->argv, no_environment, AT_EMPTY_PATH);
	give_up(pipe, "executing the VMM");
}

/* fork() into new namespaces, with a pidfd: the child's pid, 0 in the child, -1. */
static pid_t clone_jail(int *ret_pidfd)
{
	struct clone_args args = {
		.flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET |
			 CLONE_PIDFD,
		.pidfd = (uintptr_t)ret_pidfd,
		.exit_signal = SIGCHLD,
	};

	return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

/* Wait until the child has executed the VMM, or has said why not (then it is reaped). */
static int await_exec(int pipe, pid_t pid, struct err *err)
{
	struct failure f = { 0 };
	ssize_t n = fd_read_full(pipe, &f, sizeof(f));

	if (n == 0)
		return 0;
	if (n != (ssize_t)sizeof(f))
		str_copy(f.what, sizeof(f.what), "an unknown step");
	f.what[sizeof(f.what) - 1] = '\0';
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return err_sys(err, ERR_operation_failed, f.sys, "cannot jail the VMM: %s", f.what);
}

int jail_spawn(const struct jail *j, pid_t *ret_pid, int *ret_pidfd, struct err *err)
{
	_cleanup_(jail_sources_close) struct jail_sources src = JAIL_SOURCES_INIT;
	_cleanup_fd_ int pidfd = -1, reader = -1, writer = -1;
	int p[2];
	pid_t pid;

	if (j->n_fds > JAIL_FDS_MAX)
		return err_set(
			err, ERR_operation_failed, "a VMM takes at most %d files", JAIL_FDS_MAX);
	if (jail_sources_open(j->kernel, j->initramfs, j->kvm, &src, err) < 0)
		return -1;
	if (pipe2(p, O_CLOEXEC) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot make a pipe");
	reader = p[0];
	writer = p[1];
	pid = clone_jail(&pidfd);
	if (pid < 0)
		return err_sys(
			err, ERR_operation_failed, errno, "cannot make the VMM's namespaces");
	if (pid == 0)
		become_vmm(j, &src, writer);
	fd_closep(&writer);
	if (await_exec(reader, pid, err) < 0)
		return -1;
	*ret_pid = pid;
	*ret_pidfd = TAKE_FD(pidfd);
	return 0;
}
