/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "banger-imaged/child.h"
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
	struct server_role role;
	int child_fd; /* signalfd of SIGCHLD */
	/* Of workers, the brief ones' places come last; of fetchers all are alike. */
	struct child {
		pid_t pid; /* 0: free */
		uid_t owner;
	} children[SERVER_FETCHES_MAX];
};
_Static_assert(SERVER_FETCHES_MAX == 2 * SERVER_WORKERS_MAX, "one array for both roles");

int server_create(const struct server_role *role, struct server **ret, struct err *err)
{
	struct server *s = calloc(1, sizeof(*s));
	sigset_t set;

	if (!s) {
		fd_close_many((int[]){ role->program_fd, role->cache_fd }, 2);
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot make the job server");
	}
	s->role = *role;
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
	fd_closep(&s->role.program_fd);
	fd_closep(&s->role.cache_fd);
	fd_closep(&s->child_fd);
	free(s);
}

/* In the child. All fds save 0 to 2 are close-on-exec; CHILD_FD is bangerd's socket until here,
 * and CHILD_CACHE_FD the directory of all caches. */
static _Noreturn void become_child(const struct server *s, int job_fd, int cache_fd)
{
	char program[64], mode[8], level[4];
	char *argv[] = { program, mode, level, NULL };
	static const char complaint[] = "banger-imaged: cannot execute a job's program\n";
	sigset_t none;

	str_copy(program, sizeof(program), s->role.program);
	str_copy(mode, sizeof(mode), child_mode_word(s->role.mode));
	str_format(level, sizeof(level), "%d", (int)s->role.level);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (dup2(job_fd, CHILD_FD) == CHILD_FD &&
		(cache_fd < 0 || dup2(cache_fd, CHILD_CACHE_FD) == CHILD_CACHE_FD))
		execveat(s->role.program_fd, "", argv, environ, AT_EMPTY_PATH);
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

/* A child in the first free one of places [begin, end). */
static int start_child(struct server *s, size_t begin, size_t end, int job_fd, int cache_fd,
	struct child **ret, struct err *err)
{
	size_t slot = begin;
	pid_t pid;

	while (slot < end && s->children[slot].pid)
		slot++;
	if (slot == end)
		return err_set(err, ERR_busy,
			"%zu image jobs are running, which is the limit: try again later",
			end - begin);
	pid = fork();
	if (pid < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot start a job");
	if (pid == 0)
		become_child(s, job_fd, cache_fd);
	s->children[slot] = (struct child){ .pid = pid };
	log_debug("%s %d started", s->role.program, (int)pid);
	*ret = &s->children[slot];
	return 0;
}

static size_t children_of(const struct server *s, size_t begin, size_t end, uid_t owner)
{
	size_t n = 0;

	for (size_t i = begin; i < end; i++)
		n += s->children[i].pid && s->children[i].owner == owner;
	return n;
}

int on_job_start(struct server *s, struct imaged_job_start_in *in, struct imaged_job_start_out *out,
	struct err *err)
{
	size_t begin = in->brief ? SERVER_WORKERS_MAX : 0, end = begin + SERVER_WORKERS_MAX;
	size_t own = children_of(s, begin, end, in->owner);
	struct child *child;

	if (s->role.cache_fd >= 0)
		return err_set(err, ERR_protocol, "the fetchers' server has no workers");
	if (check_job_socket(in->socket, err) < 0)
		return -1;
	if (!in->brief && own >= SERVER_WORKERS_MAX / 2)
		return err_set(err, ERR_busy, "you have %zu imports running: try again later", own);
	if (FAILPOINT(job_begin, err) < 0 ||
		start_child(s, begin, end, in->socket, -1, &child, err) < 0)
		return -1;
	child->owner = in->owner;
	if (FAILPOINT(job_started, err) < 0)
		return -1;
	out->pid = (uint32_t)child->pid;
	return 0;
}

int on_fetch_start(struct server *s, struct imaged_fetch_start_in *in,
	struct imaged_fetch_start_out *out, struct err *err)
{
	_cleanup_fd_ int cache = -1;
	struct child *child;
	size_t own = children_of(s, 0, SERVER_FETCHES_MAX, in->owner);
	char name[16];

	if (s->role.cache_fd < 0)
		return err_set(err, ERR_protocol, "the workers' server has no fetchers");
	if (check_job_socket(in->socket, err) < 0)
		return -1;
	if (own >= SERVER_FETCHES_MAX / 2)
		return err_set(err, ERR_busy, "you have %zu pulls running: try again later", own);
	str_format(name, sizeof(name), "%u", (unsigned)in->owner);
	if (mkdirat(s->role.cache_fd, name, 0700) < 0 && errno != EEXIST)
		return err_sys(err, errno == ENOSPC ? ERR_no_space : ERR_operation_failed, errno,
			"cannot make a blob cache");
	cache = fd_open_beneath(s->role.cache_fd, name, O_RDONLY | O_DIRECTORY, 0);
	if (cache < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot open a blob cache");
	if (FAILPOINT(fetch_begin, err) < 0 ||
		start_child(s, 0, SERVER_FETCHES_MAX, in->socket, cache, &child, err) < 0)
		return -1;
	child->owner = in->owner;
	if (FAILPOINT(fetch_started, err) < 0)
		return -1;
	out->pid = (uint32_t)child->pid;
	return 0;
}

static void note_end(struct server *s, pid_t pid, int status)
{
	const char *program = s->role.program;

	for (size_t i = 0; i < ARRAY_SIZE(s->children); i++)
		if (s->children[i].pid == pid)
			s->children[i].pid = 0;
	if (WIFSIGNALED(status))
		log_warning("%s %d was killed by signal %d%s", program, (int)pid, WTERMSIG(status),
			WTERMSIG(status) == SIGSYS ? " (a forbidden system call)" : "");
	else if (WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != CHILD_EXIT_CLOSED)
		log_warning("%s %d ended with status %d", program, (int)pid, WEXITSTATUS(status));
	else
		log_debug("%s %d ended", program, (int)pid);
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
