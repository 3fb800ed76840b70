/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guest/workload.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/log.h"
#include "common/str.h"
#include "guest/processes.h"
#include "guest/signame.h"

static struct {
	struct loop *loop;
	int tree;
	const struct image *image;
	void (*on_settled)(void);
	enum guest_mode mode;
	enum main_state state;
	uint32_t status;
	pid_t pid;
	struct source pid1, outcome, pidfd;
} w;

static void settle(enum main_state state)
{
	w.state = state;
	w.on_settled();
}

static void on_outcome(struct source *s, uint32_t events)
{
	struct err err = ERR_INIT;
	int r = child_outcome(s->fd, &err);

	loop_close(w.loop, s);
	if (r < 0) {
		log_error("%s", err.msg);
		w.status = CHILD_NOT_STARTED; /* asked for before it is reaped, too */
	}
	settle(r < 0 ? main_state_failed : main_state_running);
}

static void on_ended(struct source *s, uint32_t events)
{
	bool signaled;
	int status;

	if (!child_ended(s->fd, &signaled, &status))
		return;
	/* How it began is heard first. */
	if (w.outcome.fd >= 0)
		on_outcome(&w.outcome, 0);
	child_reap(s->fd);
	loop_close(w.loop, s);
	w.pid = 0;
	w.status = (uint32_t)status;
	if (w.state == main_state_running)
		w.state = signaled ? main_state_signaled : main_state_exited;
}

static int run(struct err *err)
{
	_cleanup_fd_ int null = openat(w.tree, "dev/null", O_RDWR | O_CLOEXEC);
	_cleanup_fd_ int console = openat(w.tree, "dev/console", O_WRONLY | O_NOCTTY | O_CLOEXEC);
	struct child_spec spec = { .image = w.image,
		.argv = w.image->argv,
		.user = "",
		.directory = "",
		.stdio = { null, console, console },
		.tree = w.tree };
	struct child child;

	if (null < 0 || console < 0)
		return err_sys(err, ERR_operation_failed, errno, "no console for the command");
	if (child_start(&spec, &child, err) < 0)
		return -1;
	w.pid = child.pid;
	w.pidfd.fd = child.pidfd;
	w.outcome.fd = child.status;
	if (loop_watch(w.loop, &w.pidfd, EPOLLIN, err) < 0)
		return -1;
	return loop_watch(w.loop, &w.outcome, EPOLLIN, err);
}

static void on_pid1(struct source *s, uint32_t events)
{
	struct err err = ERR_INIT;
	int why = 0;
	ssize_t n = read(s->fd, &why, sizeof(why));

	loop_close(w.loop, s);
	if (n == 0) {
		settle(main_state_init);
	} else if (why != 0) {
		settle(main_state_failed);
	} else if (w.mode == guest_mode_idle || w.image->argv.count == 0) {
		settle(main_state_none);
	} else if (run(&err) < 0) {
		log_error("%s", err.msg);
		settle(main_state_failed);
	}
}

void workload_init(struct loop *loop, int tree, const struct image *image, void (*on_settled)(void))
{
	w.loop = loop;
	w.tree = tree;
	w.image = image;
	w.on_settled = on_settled;
	w.pid1 = (struct source){ -1, on_pid1 };
	w.outcome = (struct source){ -1, on_outcome };
	w.pidfd = (struct source){ -1, on_ended };
}

void workload_start(enum guest_mode mode, int pid1)
{
	struct err err = ERR_INIT;

	w.mode = mode;
	w.pid1.fd = pid1;
	if (loop_watch(w.loop, &w.pid1, EPOLLIN, &err) < 0) {
		log_error("%s", err.msg);
		settle(main_state_failed);
	}
}

enum main_state workload_state(void)
{
	return w.state;
}

uint32_t workload_status(void)
{
	return w.status;
}

/* systemd's own signal for "restart now, in order"; other init systems take what the kernel sends
 * for Ctrl-Alt-Del. Ending by a restart is what ends a VMM (guest/poweroff.h). */
static int init_stop_signal(void)
{
	if (processes_init_is_systemd(w.tree))
		return SIGRTMIN + 5;
	return SIGINT;
}

void workload_stop(void)
{
	int signo = w.state == main_state_init ? init_stop_signal()
					       : signame_parse(w.image->stop_signal.s, SIGTERM);
	pid_t target = w.state == main_state_init ? 1 : w.pid > 0 ? -w.pid : 0;

	if (target != 0 && kill(target, signo) < 0 && errno != ESRCH)
		log_warning("cannot stop the workload: %s", strerror(errno));
}
