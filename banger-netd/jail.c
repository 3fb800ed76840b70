/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-netd/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/netlink.h>
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

#include "common/codec.h"
#include "common/fd.h"
#include "common/frame.h"
#include "common/str.h"

/* fds are moved here first, out of the way of the places that they are to have. */
#define FD_ASIDE 100

/* What a child says through its gate: that it waits (nothing failed), or why it is not the VMM. */
struct report {
	int sys;
	char what[48];
};

static _Noreturn void give_up(int gate, const char *what)
{
	struct report r = { .sys = errno };
	struct err err = ERR_INIT;

	str_copy(r.what, sizeof(r.what), what);
	/* Without a reader there is nobody to tell. */
	if (frame_send(gate, &r, sizeof(r), NULL, 0, &err) < 0)
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
	if (set_limit(RLIMIT_NOFILE, j->open_files) < 0 || set_limit(RLIMIT_CORE, 0) < 0)
		return -1;
	/* vcpus, and at most 64 threads for the disk. */
	if (set_limit(RLIMIT_NPROC, 128) < 0 || set_limit(RLIMIT_MEMLOCK, 0) < 0)
		return -1;
	return set_limit(RLIMIT_MSGQUEUE, 0);
}

/* A copy of *fd that is out of the way, in its place. */
static int move_aside(int *fd)
{
	int copy = fcntl(*fd, F_DUPFD_CLOEXEC, FD_ASIDE);

	if (copy < 0)
		return -1;
	*fd = copy;
	return 0;
}

static int place_std(const struct jail *j)
{
	_cleanup_fd_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int std[3];

	if (null < 0 || move_aside(&null) < 0)
		return -1;
	for (int i = 0; i < 3; i++) {
		std[i] = j->std[i] < 0 ? null : j->std[i];
		if (move_aside(&std[i]) < 0)
			return -1;
	}
	for (int i = 0; i < 3; i++)
		if (dup2(std[i], i) < 0)
			return -1;
	return 0;
}

/* Put the fds at their places, and close what is not needed; what is until the end is moved
 * aside. */
static int place_fds(const struct jail *j, int *binary, int *gate, struct jail_sources *src)
{
	int aside[JAIL_FDS_MAX], keep[3 + JAIL_FDS_MAX + 2 + JAIL_ITEMS_MAX];
	size_t n = 0;

	if (move_aside(binary) < 0 || move_aside(gate) < 0)
		return -1;
	for (size_t i = 0; i < JAIL_ITEMS_MAX; i++)
		if (src->fd[i] >= 0 && move_aside(&src->fd[i]) < 0)
			return -1;
	for (size_t i = 0; i < j->n_fds; i++) {
		aside[i] = j->fds[i];
		if (move_aside(&aside[i]) < 0)
			return -1;
	}
	if (place_std(j) < 0)
		return -1;
	for (size_t i = 0; i < j->n_fds; i++)
		if (dup2(aside[i], (int)(3 + i)) < 0)
			return -1;
	for (size_t i = 0; i < 3 + j->n_fds; i++)
		keep[n++] = (int)i;
	keep[n++] = *binary;
	keep[n++] = *gate;
	for (size_t i = 0; i < JAIL_ITEMS_MAX; i++)
		if (src->fd[i] >= 0)
			keep[n++] = src->fd[i];
	fd_close_all_but(keep, n);
	return 0;
}

static void reset_signals(void)
{
	sigset_t none;

	for (int s = 1; s < NSIG; s++)
		signal(s, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Both belong to the network namespace that they are opened in, whoever uses them. */
static int open_network(int fds[2])
{
	const struct sockaddr_nl any = { .nl_family = AF_NETLINK };

	fds[0] = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	fds[1] = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (fds[0] < 0 || fds[1] < 0)
		return -1;
	return bind(fds[1], (const struct sockaddr *)&any, sizeof(any));
}

/* Say that all is well so far, and wait for the word. */
static void wait_at(const struct jail *j, int gate)
{
	const struct report well = { 0 };
	struct err err = ERR_INIT;
	size_t len = 0, n_fds = 0;
	int fds[FRAME_FDS] = { -1, -1 };
	uint8_t word;

	if (j->network && open_network(fds) < 0)
		give_up(gate, "opening /dev/net/tun and rtnetlink");
	if (frame_send(gate, &well, sizeof(well), fds, j->network ? 2 : 0, &err) < 0)
		_exit(126);
	fd_close_many(fds, 2);
	if (frame_recv(gate, &word, sizeof(word), &len, fds, &n_fds, &err) < 0 || len == 0)
		_exit(126);
}

static _Noreturn void become_vmm(const struct jail *j, struct jail_sources *src, int gate)
{
	const struct confine filter = { .profile = j->profile, .mode = j->mode };
	char *const no_environment[] = { NULL };
	struct err err = ERR_INIT;
	const char *failed;
	int binary = j->binary;

	if (place_fds(j, &binary, &gate, src) < 0)
		give_up(gate, "placing its files");
	if (setsid() < 0)
		give_up(gate, "making a session");
	wait_at(j, gate);
	failed = jail_root_enter(j->mount_point, j->layout, j->with, src, j->uid);
	if (failed)
		give_up(gate, failed);
	jail_sources_close(src);
	umask(j->umask);
	if (set_limits(j) < 0)
		give_up(gate, "setting limits");
	if (jail_drop(j->uid) < 0)
		give_up(gate, "dropping privileges");
	/* Whoever listens is what SO_PEERCRED shows to those who connect. */
	for (size_t i = 0; i < j->n_listen; i++)
		if (listen(3 + j->listen[i], 4) < 0)
			give_up(gate, "listening");
	reset_signals();
	if (confine_apply(&filter, &err) < 0)
		give_up(gate, "forbidding system calls");
	syscall(SYS_execveat, binary, "", j->argv, no_environment, AT_EMPTY_PATH);
	give_up(gate, "executing the VMM");
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

/* The child's next report; *ret_len 0 when it closed the gate. Takes n_fds files, exactly. */
static int read_report(
	int gate, struct report *ret, size_t *ret_len, int *fds, size_t n_fds, struct err *err)
{
	int got[FRAME_FDS];
	size_t n = 0;

	if (frame_recv(gate, ret, sizeof(*ret), ret_len, got, &n, err) < 0)
		return -1;
	ret->what[sizeof(ret->what) - 1] = '\0';
	if (*ret_len == sizeof(*ret) && !ret->what[0] && n == n_fds) {
		for (size_t i = 0; i < n; i++)
			fds[i] = got[i];
		return 0;
	}
	fd_close_many(got, n);
	if (*ret_len == 0)
		return 0;
	return err_sys(err, ERR_operation_failed, ret->sys, "cannot jail the VMM: %s",
		ret->what[0] ? ret->what : "an unknown step");
}

static void end_child(pid_t pid)
{
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* It waits in its namespaces, or is no more. */
static int await_child(const struct jail *j, struct jail_child *c, struct err *err)
{
	int fds[2] = { -1, -1 };
	struct report r = { 0 };
	size_t len = 0;

	if (read_report(c->gate, &r, &len, fds, j->network ? 2 : 0, err) < 0)
		return -1;
	if (len == 0)
		return err_set(err, ERR_operation_failed, "cannot jail the VMM: its process died");
	c->tun = fds[0];
	c->netlink = fds[1];
	return 0;
}

int jail_spawn(const struct jail *j, struct jail_child *ret, struct err *err)
{
	_cleanup_(jail_sources_close) struct jail_sources src;
	struct jail_child c = JAIL_CHILD_INIT;
	int gates[2];

	for (size_t i = 0; i < JAIL_ITEMS_MAX; i++)
		src.fd[i] = -1;
	if (j->n_fds > JAIL_FDS_MAX)
		return err_set(
			err, ERR_operation_failed, "a VMM takes at most %d files", JAIL_FDS_MAX);
	if (jail_sources_open(j->layout, j->with, j->files, &src, err) < 0)
		return -1;
	if (frame_pair(gates, err) < 0)
		return -1;
	c.pid = clone_jail(&c.pidfd);
	if (c.pid == 0)
		become_vmm(j, &src, gates[1]);
	fd_closep(&gates[1]);
	c.gate = gates[0];
	if (c.pid < 0) {
		int saved = errno;

		fd_closep(&c.gate);
		return err_sys(
			err, ERR_operation_failed, saved, "cannot make the VMM's namespaces");
	}
	if (await_child(j, &c, err) < 0) {
		end_child(c.pid);
		fd_closep(&c.pidfd);
		fd_closep(&c.gate);
		return -1;
	}
	*ret = c;
	return 0;
}

int jail_go(int gate, pid_t pid, struct err *err)
{
	const uint8_t word = 1;
	struct report r = { 0 };
	size_t len = 0;

	/* Its end of the gate closes when it executes the VMM. */
	if (frame_send(gate, &word, sizeof(word), NULL, 0, err) < 0 ||
		read_report(gate, &r, &len, NULL, 0, err) < 0) {
		end_child(pid);
		return -1;
	}
	if (len > 0) {
		end_child(pid);
		return err_set(err, ERR_operation_failed, "cannot jail the VMM: it waits again");
	}
	return 0;
}
