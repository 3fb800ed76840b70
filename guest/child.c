/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guest/child.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/str.h"
#include "guest/env.h"
#include "guest/path.h"
#include "guest/user.h"

#define SHELL_DEFAULT "/bin/sh"

static void reset_signals(void)
{
	struct sigaction dfl = { .sa_handler = SIG_DFL };
	sigset_t none;

	/* Ignored signals stay ignored through exec. */
	for (int i = 1; i <= SIGRTMAX; i++)
		sigaction(i, &dfl, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* The agent is spared by the kernel when memory runs out; what it starts is not. */
static void reset_oom(int tree)
{
	_cleanup_fd_ int fd = openat(tree, "proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd >= 0)
		(void)!write(fd, "0", 1);
}

static int take_stdio(const struct child_spec *s, struct err *err)
{
	if (setsid() < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot make a session");
	if (s->tty && ioctl(s->stdio[0], TIOCSCTTY, 0) < 0)
		return err_sys(err, ERR_operation_failed, errno, "no controlling terminal");
	for (int i = 0; i < 3; i++)
		if (dup2(s->stdio[i], i) < 0)
			return err_sys(err, ERR_operation_failed, errno, "no stdio");
	return 0;
}

static int become_user(const struct user *u, bool tty, struct err *err)
{
	/* As login does, so that the user may open and set its own terminal. */
	if (tty && fchown(0, u->uid, (gid_t)-1) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot give the terminal away");
	if (setgroups(u->n_groups, u->groups) < 0 || setresgid(u->gid, u->gid, u->gid) < 0 ||
		setresuid(u->uid, u->uid, u->uid) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot become uid %u", u->uid);
	return 0;
}

/* An asked directory must be there; the image's may be missing, as may a home. */
static int enter_directory(const struct child_spec *s, const struct user *u, struct err *err)
{
	const char *dir = s->image->directory.s[0] ? s->image->directory.s : u->home;

	if (s->directory[0] != '\0') {
		if (chdir(s->directory) == 0)
			return 0;
		return err_sys(err, errno == ENOENT ? ERR_not_found : ERR_operation_failed, errno,
			"cannot enter directory '%s'", s->directory);
	}
	if (chdir(dir) < 0 && chdir("/") < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot enter '/'");
	return 0;
}

/*
 * The image's environment, then the user's own variables, then what was asked for. Under the
 * image's own user its HOME stands: its author meant it; another user has another home.
 */
static int make_env(
	const struct child_spec *s, const struct user *u, struct env *e, struct err *err)
{
	bool own = s->user[0] == '\0' || str_eq(s->user, s->image->user.s);

	if (env_add(e, &s->image->environment, err) < 0)
		return -1;
	if ((!own || !env_get(e, "HOME")) && env_set(e, "HOME", u->home, err) < 0)
		return -1;
	if (u->name[0] &&
		(env_set(e, "USER", u->name, err) < 0 || env_set(e, "LOGNAME", u->name, err) < 0))
		return -1;
	if (!env_get(e, "PATH") && env_set(e, "PATH", PATH_DEFAULT, err) < 0)
		return -1;
	if (s->tty && !env_get(e, "TERM") && env_set(e, "TERM", "xterm", err) < 0)
		return -1;
	if (env_set(e, "HOSTNAME", s->image->hostname.s, err) < 0)
		return -1;
	return env_add(e, &s->environment, err);
}

static int make_argv(const strv *v, char ***ret, struct err *err)
{
	char **argv = calloc((size_t)v->count + 1, sizeof(argv[0]));
	size_t n = 0;

	if (!argv)
		return err_sys(err, ERR_operation_failed, ENOMEM, "no arguments");
	for (const char *s = strv_next(v, NULL); s; s = strv_next(v, s))
		argv[n++] = (char *)(uintptr_t)s;
	*ret = argv;
	return 0;
}

/* The user's shell as argv: the one that passwd names, else /bin/sh. */
static int find_shell(const struct user *u, char file[PATH_MAX], char **argv, struct err *err)
{
	struct err no = ERR_INIT;

	if ((!u->shell[0] || path_find(u->shell, "", file, &no) < 0) &&
		path_find(SHELL_DEFAULT, "", file, &no) < 0)
		return err_set(err, ERR_no_command, "the image has no shell: say what to run");
	argv[0] = strrchr(file, '/') + 1;
	argv[1] = NULL;
	return 0;
}

static int run(
	const struct child_spec *s, const struct user *u, const struct env *e, struct err *err)
{
	const char *path = env_get(e, "PATH");
	char file[PATH_MAX], *shell[2], **argv = shell;

	if (s->argv.count == 0) {
		if (find_shell(u, file, shell, err) < 0)
			return -1;
	} else if (make_argv(&s->argv, &argv, err) < 0 ||
		   path_find(argv[0], path ? path : PATH_DEFAULT, file, err) < 0) {
		return -1;
	}
	execve(file, argv, e->v);
	if (errno == ENOENT)
		return err_set(err, ERR_no_command,
			"cannot run '%s': the image lacks the interpreter or loader it names",
			file);
	return err_sys(err, ERR_not_executable, errno, "cannot run '%s'", file);
}

static int become(const struct child_spec *s, int status, struct err *err)
{
	const int keep[] = { 0, 1, 2, s->stdio[0], s->stdio[1], s->stdio[2], s->tree, status };
	_cleanup_env_ struct env e = { 0 };
	static struct user u;

	/* Not left to exec: a port held here could not be reopened for its next lease. */
	fd_close_all_but(keep, ARRAY_SIZE(keep));
	reset_signals();
	reset_oom(s->tree);
	if (take_stdio(s, err) < 0)
		return -1;
	if (user_find(s->user[0] ? s->user : s->image->user.s, &u, err) < 0 ||
		become_user(&u, s->tty, err) < 0 || enter_directory(s, &u, err) < 0 ||
		make_env(s, &u, &e, err) < 0)
		return -1;
	return run(s, &u, &e, err);
}

int child_start(const struct child_spec *spec, struct child *ret, struct err *err)
{
	int status[2];
	pid_t pid;
	int pidfd;

	if (pipe2(status, O_CLOEXEC) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot make a pipe");
	pid = fork();
	if (pid == 0) {
		struct err why = ERR_INIT;

		become(spec, status[1], &why);
		(void)!write(status[1], &why, sizeof(why));
		_exit(CHILD_NOT_STARTED);
	}
	fd_closep(&status[1]);
	pidfd = pid < 0 ? -1 : pidfd_open(pid, 0);
	if (pidfd < 0) {
		err_sys(err, ERR_operation_failed, errno, "cannot start a process");
		if (pid > 0) {
			kill(pid, SIGKILL);
			waitpid(pid, NULL, 0);
		}
		fd_closep(&status[0]);
		return -1;
	}
	fd_set_nonblock(status[0], true);
	*ret = (struct child){ .pid = pid, .pidfd = pidfd, .status = status[0] };
	return 0;
}

int child_outcome(int status, struct err *err)
{
	struct err why;
	ssize_t n = read(status, &why, sizeof(why));

	if (n == 0)
		return 0;
	if (n != sizeof(why))
		return err_set(err, ERR_operation_failed, "the process did not start");
	*err = why;
	return -1;
}

bool child_ended(int pidfd, bool *ret_signaled, int *ret_status)
{
	siginfo_t i = { 0 };

	if (waitid(P_PIDFD, (id_t)pidfd, &i, WEXITED | WNOHANG | WNOWAIT) < 0 || i.si_pid == 0)
		return false;
	*ret_signaled = i.si_code != CLD_EXITED;
	*ret_status = i.si_status;
	return true;
}

void child_reap(int pidfd)
{
	siginfo_t i;

	waitid(P_PIDFD, (id_t)pidfd, &i, WEXITED | WNOHANG);
}
