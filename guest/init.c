/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Process 1 of the initramfs: enough of a system to hear from the host, then the root disk, then
 * the agent, and in the end the image's own init, or the reaper.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/log.h"
#include "common/str.h"
#include "guest/clock.h"
#include "guest/disk.h"
#include "guest/entropy.h"
#include "guest/greet.h"
#include "guest/handover.h"
#include "guest/modules.h"
#include "guest/names.h"
#include "guest/net.h"
#include "guest/poweroff.h"
#include "guest/reaper.h"
#include "guest/root.h"
#include "guest/tree.h"
#include "guest/uevent.h"
#include "guest/work.h"

#define DISK_TIMEOUT_MS 10000

/* Where an image's init is looked for, in this order. */
static const char *const inits[] = { "/sbin/init", "/usr/lib/systemd/systemd",
	"/lib/systemd/systemd", "/etc/init", "/bin/init" };

/* From the first instruction to a request to set up. */
static int arrive(struct greet *g, int *ret_uevents, struct err *err)
{
	int tree;

	if (tree_mount(&tree, err) < 0 || uevent_open(ret_uevents, err) < 0 ||
		modules_load(tree, "channel", err) < 0)
		return -1;
	if (greet_open(g, tree, *ret_uevents, err) < 0 || modules_load(tree, "net", err) < 0)
		return -1;
	return greet_wait(g, err);
}

static int settle_work(int uevents, const char *user, struct err *err)
{
	static char disk[] = DISK_WORK;

	if (!uevent_wait(uevents, disk_present, disk, DISK_TIMEOUT_MS))
		return err_set(err, ERR_not_found, "the machine has no work disk");
	if (work_mount(disk, user, err) < 0)
		return err_wrap(err, "the work disk");
	return 0;
}

/* Everything that the request asks for, up to a root that is ready to be entered. */
static int settle(struct greet *g, int uevents, struct err *err)
{
	const struct agent_setup_in *in = &g->in;
	static char root_disk[] = DISK_ROOT;

	clock_advance(in->clock_ns);
	entropy_add(g->tree, &in->seed);
	if (sethostname(in->hostname.s, strlen(in->hostname.s)) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot set the host name");
	if (net_loopback(err) < 0)
		return -1;
	if (in->address.v != 0 &&
		net_configure(g->tree, in->mac, in->address, in->prefix, in->gateway, err) < 0)
		return -1;
	/* The host had until the request to make the disk: not a byte of it was read before. */
	if (modules_load(g->tree, "disk", err) < 0)
		return -1;
	if (!uevent_wait(uevents, disk_present, root_disk, DISK_TIMEOUT_MS))
		return err_set(err, ERR_not_found, "the machine has no disk");
	if (disk_mount(root_disk, ROOT_DIR, "root", err) < 0 ||
		(in->work && settle_work(uevents, in->user.s, err) < 0) ||
		root_bind(g->tree, err) < 0)
		return -1;
	return names_bind(g->tree, &in->hostname, in->address, in->dns1, in->dns2, err);
}

/* After fork: become the agent, with the handed over fds in their places; -1 is one that is not. */
_Noreturn static void become_agent(int program, const int *fds)
{
	static char name[] = AGENT_ARGV0;
	char *argv[] = { name, NULL }, *envp[] = { NULL };
	int high[HANDOVER_END];

	/* Out of the way first: places may be taken by others of the set. */
	for (int i = HANDOVER_PORT; i < HANDOVER_END; i++)
		high[i] = fds[i] < 0 ? -1 : fcntl(fds[i], F_DUPFD_CLOEXEC, HANDOVER_END);
	program = fcntl(program, F_DUPFD_CLOEXEC, HANDOVER_END);
	for (int i = HANDOVER_PORT; i < HANDOVER_END; i++) {
		if (fds[i] < 0)
			close(i);
		else if (high[i] < 0 || dup2(high[i], i) < 0)
			_exit(125);
	}
	if (setsid() < 0)
		_exit(125);
	execveat(program, "", argv, envp, AT_EMPTY_PATH);
	log_error("cannot run the agent: %s", strerror(errno));
	_exit(125);
}

static int start_agent(struct greet *g, int program, int pid1[2], pid_t *ret, struct err *err)
{
	_cleanup_fd_ int setup = -1;
	int fds[HANDOVER_END] = { 0 };
	pid_t pid;

	if (greet_rest(g, &setup, err) < 0)
		return -1;
	if (pipe2(pid1, O_CLOEXEC) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot make a pipe");
	fds[HANDOVER_PORT] = g->port;
	fds[HANDOVER_SETUP] = setup;
	fds[HANDOVER_TREE] = g->tree;
	fds[HANDOVER_PID1] = pid1[0];
	fds[HANDOVER_LISTENER] = g->listener;
	pid = fork();
	if (pid < 0) {
		fd_close_many(pid1, 2);
		return err_sys(err, ERR_operation_failed, errno, "cannot start the agent");
	}
	if (pid == 0)
		become_agent(program, fds);
	fd_closep(&pid1[0]);
	fd_closep(&g->port);
	fd_closep(&g->listener);
	*ret = pid;
	return 0;
}

/* Become the image's own init. Returns only if it has none (0), or the errno for which it could
 * not be run. */
static int become_init(void)
{
	char *envp[] = { (char *)(uintptr_t) "HOME=/", (char *)(uintptr_t) "TERM=linux", NULL };
	sigset_t none, all;
	struct stat st;
	int why = 0;

	sigemptyset(&none);
	sigfillset(&all);
	for (size_t i = 0; i < ARRAY_SIZE(inits); i++) {
		char *argv[] = { (char *)(uintptr_t)inits[i], NULL };

		if (stat(inits[i], &st) < 0 || !S_ISREG(st.st_mode) || access(inits[i], X_OK) < 0)
			continue;
		sigprocmask(SIG_SETMASK, &none, NULL);
		execve(inits[i], argv, envp);
		why = errno;
		sigprocmask(SIG_SETMASK, &all, NULL);
		log_error("cannot run %s of the image: %s", inits[i], strerror(why));
	}
	return why;
}

/* The root is in place: there is no way back, a failure ends the machine. */
static int enter(struct greet *g, pid_t *ret_agent, struct err *err)
{
	_cleanup_fd_ int program = open("/agent", O_RDONLY | O_CLOEXEC);
	struct rlimit files = { 1024, 524288 };
	int pid1[2] = { -1, -1 }, why = 0;

	if (program < 0)
		return err_sys(err, ERR_operation_failed, errno, "no agent in the initramfs");
	if (root_switch(err) < 0)
		return -1;
	/* What distributions give their services; the kernel's own 4096 is too few for many. */
	if (setrlimit(RLIMIT_NOFILE, &files) < 0)
		log_warning("cannot raise the limit of open files: %s", strerror(errno));
	if (start_agent(g, program, pid1, ret_agent, err) < 0)
		return -1;
	if (g->in.mode == guest_mode_auto)
		why = become_init();
	if (fd_write_full(pid1[1], &why, sizeof(why)) < 0)
		log_warning("the agent is gone: %s", strerror(errno));
	fd_closep(&pid1[1]);
	return 0;
}

int main(void)
{
	struct err err = ERR_INIT;
	struct greet g = { .tree = -1, .port = -1, .listener = -1 };
	int uevents = -1;
	pid_t agent = 0;
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	log_init("banger-init", LOG_INFO);
	if (arrive(&g, &uevents, &err) < 0) {
		log_error("%s", err.msg);
		poweroff_now();
	}
	/* What fails once fails again: the host is told each time it asks, until it gives up. */
	if (settle(&g, uevents, &err) < 0) {
		struct err lost = ERR_INIT;

		log_error("%s", err.msg);
		do
			greet_refuse(&g, &err);
		while (greet_wait(&g, &lost) == 0);
		log_error("%s", lost.msg);
		poweroff_now();
	}
	fd_closep(&uevents);
	if (enter(&g, &agent, &err) < 0) {
		log_error("%s", err.msg);
		poweroff_now();
	}
	stream_destroy(g.s);
	reaper_run(agent);
}
