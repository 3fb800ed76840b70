/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest's agent: what the host asks of it over vsock or virtio-serial, it does. Started by init
 * with the fds of guest/handover.h, its root being the image's.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/log.h"
#include "guest/control.h"
#include "guest/handover.h"
#include "guest/loop.h"
#include "guest/poweroff.h"
#include "guest/stop.h"

static struct loop loop;

static void on_signal(struct source *s, uint32_t events)
{
	struct signalfd_siginfo i;

	while (read(s->fd, &i, sizeof(i)) == sizeof(i))
		stop_signalled(&loop, HANDOVER_TREE, i.ssi_pid);
}

/* SIGTERM is the one signal that is taken (guest/stop.h); all others stay blocked, but for
 * SIGCHLD's kind, which children are watched for by pidfd. */
static int watch_signals(struct source *s, struct err *err)
{
	sigset_t set, all;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigfillset(&all);
	if (sigprocmask(SIG_SETMASK, &all, NULL) < 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		return err_sys(err, ERR_operation_failed, errno, "cannot set signals up");
	s->ready = on_signal;
	s->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s->fd < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot set signals up");
	return loop_watch(&loop, s, EPOLLIN, err);
}

/* Without the agent nobody reaches the guest: the kernel is to take others first. */
static void avoid_oom(int tree)
{
	_cleanup_fd_ int fd = openat(tree, "proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, "-1000", 5) != 5)
		log_warning("the agent is not safe from the OOM killer: %s", strerror(errno));
}

/* One of the fds that may not be there, as it is for us: -1 when it is not. */
static int given(int fd)
{
	return fd_set_cloexec(fd, true) < 0 ? -1 : fd;
}

int main(void)
{
	struct err err = ERR_INIT;
	static struct source signals;
	struct control_fds fds = { .tree = HANDOVER_TREE,
		.setup = HANDOVER_SETUP,
		.pid1 = HANDOVER_PID1,
		.port = given(HANDOVER_PORT),
		.listener = given(HANDOVER_LISTENER) };

	log_init("banger-agent", LOG_INFO);
	avoid_oom(HANDOVER_TREE);
	if (fd_set_cloexec(fds.tree, true) < 0 || fd_set_cloexec(fds.setup, true) < 0 ||
		fd_set_cloexec(fds.pid1, true) < 0)
		return 1;
	if (loop_init(&loop, &err) < 0 || watch_signals(&signals, &err) < 0 ||
		control_start(&loop, &fds, &err) < 0) {
		log_error("%s", err.msg);
		poweroff_now();
	}
	while (loop_turn(&loop, &err) == 0)
		;
	log_error("%s", err.msg);
	poweroff_now();
}
