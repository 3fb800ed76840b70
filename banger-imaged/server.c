/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "banger-imaged/worker.h"
#include "common/failpoint.h"
#include "common/fd.h"
#include "common/ipc.h"
#include "common/log.h"
#include "common/proto_imaged.h"
#include "common/str.h"
#include "common/watchdog.h"

#define PROTO	    imaged
#define PROTO_TABLE "common/proto/imaged.tbl.h"
#define PROTO_CTX   struct server
#include "common/ipc_serve.h"

struct server {
	int worker_fd;
	int child_fd; /* signalfd of SIGCHLD */
	enum confine_mode mode;
	enum log_level level;
	pid_t workers[2 * SERVER_WORKERS_MAX]; /* 0: free; the brief ones' places come last */
};

int server_create(int worker_fd, enum confine_mode mode, enum log_level level, struct server **ret,
	struct err *err)
{
	struct server *s = calloc(1, sizeof(*s));
	sigset_t set;

	if (!s) {
		fd_closep(&worker_fd);
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot make the job server");
	}
	s->worker_fd = worker_fd;
	s->mode = mode;
	s->level = level;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	s->child_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s->child_fd < 0) {
		err_sys(err, ERR_operation_failed, errno, "cannot watch for workers' ends");
		server_destroy(s);
		return -1;
	}
	*ret = s;
	return 0;
}

void server_destroy(struct server *s)
{
	if (!s)
		return;
	fd_closep(&s->worker_fd);
	fd_closep(&s->child_fd);
	free(s);
}

/* In the child. All fds save 0 to 2 are close-on-exec; WORKER_FD is bangerd's socket until here. */
static _Noreturn void become_worker(const struct server *s, int job_fd)
{
	static const char *const modes[] = {
		[CONFINE_OFF] = "off", [CONFINE_LOG] = "log", [CONFINE_KILL] = "kill"
	};
	char program[] = WORKER_PROGRAM, mode[8], level[4];
	char *argv[] = { program, mode, level, NULL };
	static const char complaint[] = "banger-imaged: cannot execute " WORKER_PROGRAM "\n";
	sigset_t none;

	str_copy(mode, sizeof(mode), modes[s->mode]);
	str_format(level, sizeof(level), "%d", (int)s->level);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (dup2(job_fd, WORKER_FD) == WORKER_FD)
		execveat(s->worker_fd, "", argv, environ, AT_EMPTY_PATH);
	if (write(STDERR_FILENO, complaint, sizeof(complaint) - 1) < 0)
		_exit(126);
	_exit(127);
}

static int check_job_socket(int fd, struct err *err)
{
	int type = 0;
	socklen_t len = sizeof(type);

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0 || type != SOCK_SEQPACKET)
		return err_set(err, ERR_bad_request, "a job's socket is no SEQPACKET socket");
	return 0;
}

int on_job_start(struct server *s, struct imaged_job_start_in *in, struct imaged_job_start_out *out,
	struct err *err)
{
	size_t slot = in->brief ? SERVER_WORKERS_MAX : 0, end = slot + SERVER_WORKERS_MAX;
	pid_t pid;

	if (check_job_socket(in->socket, err) < 0)
		return -1;
	while (slot < end && s->workers[slot])
		slot++;
	if (slot == end)
		return err_set(err, ERR_busy,
			"%d image jobs are running, which is the limit: try again later",
			SERVER_WORKERS_MAX);
	if (FAILPOINT(job_begin, err) < 0)
		return -1;
	pid = fork();
	if (pid < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot start a worker");
	if (pid == 0)
		become_worker(s, in->socket);
	s->workers[slot] = pid;
	if (FAILPOINT(job_started, err) < 0)
		return -1;
	log_debug("worker %d started", (int)pid);
	out->pid = (uint32_t)pid;
	return 0;
}

static void note_end(struct server *s, pid_t pid, int status)
{
	for (size_t i = 0; i < ARRAY_SIZE(s->workers); i++)
		if (s->workers[i] == pid)
			s->workers[i] = 0;
	if (WIFSIGNALED(status))
		log_warning("worker %d was killed by signal %d%s", (int)pid, WTERMSIG(status),
			WTERMSIG(status) == SIGSYS ? " (a forbidden system call)" : "");
	else if (WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != WORKER_EXIT_CLOSED)
		log_warning("worker %d ended with status %d", (int)pid, WEXITSTATUS(status));
	else
		log_debug("worker %d ended", (int)pid);
}

static void reap(struct server *s)
{
	struct signalfd_siginfo si;
	int status;
	pid_t pid;

	while (read(s->child_fd, &si, sizeof(si)) == (ssize_t)sizeof(si))
		;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		note_end(s, pid, status);
}

static void before(void *ctx, const struct message *m, uint64_t op)
{
	log_set_op(op);
	log_debug("%s", m->name);
	watchdog_begin(WATCHDOG_IMAGED);
}

static int serve_loop(struct server *s, struct ipc *ch, struct err *err)
{
	struct pollfd p[2] = { { .fd = ipc_fd(ch), .events = POLLIN },
		{ .fd = s->child_fd, .events = POLLIN } };

	for (;;) {
		int r;

		if (poll(p, 2, -1) < 0) {
			if (errno == EINTR)
				continue;
			return err_sys(err, ERR_operation_failed, errno, "cannot poll");
		}
		if (p[1].revents)
			reap(s);
		if (!p[0].revents)
			continue;
		r = ipc_serve(ch, imaged_handlers, s, before, err);
		watchdog_end();
		log_set_op(0);
		if (r <= 0)
			return r;
	}
}

int server_run(struct server *s, int fd, struct err *err)
{
	struct ipc *ch;
	int r;

	if (ipc_open(fd, &imaged_protocol, &ch, err) < 0)
		return -1;
	r = serve_loop(s, ch, err);
	ipc_close(ch);
	return r;
}
