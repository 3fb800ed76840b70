/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-cli/credential_helper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/str.h"

#define TIMEOUT_MS 30000
/* What docker's own helpers print. */
#define NOT_FOUND "credentials not found"

struct helper {
	const char *name;
	pid_t pid;
	int in, out; /* its standard input and output; -1: closed */
};

/* In the child: the first of that name along the PATH, of directories that are said in full. */
static _Noreturn void become(const char *program, int in, int out)
{
	const struct sigaction normal = { .sa_handler = SIG_DFL };
	const char *dirs = getenv("PATH");
	char path[4096], get[] = "get";
	char *argv[] = { path, get, NULL };
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	sigaction(SIGPIPE, &normal, NULL);
	if (dup2(in, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0)
		_exit(127);
	while (dirs && *dirs) {
		size_t n = strcspn(dirs, ":");

		if (dirs[0] == '/' &&
			str_format(path, sizeof(path), "%.*s/%s", (int)n, dirs, program))
			execv(path, argv);
		dirs += n + (dirs[n] == ':');
	}
	_exit(127);
}

static int start(struct helper *h, struct err *err)
{
	_cleanup_fd_ int in_read = -1, in_write = -1, out_read = -1, out_write = -1;
	char program[80];
	int p[2];

	if (!str_format(program, sizeof(program), "docker-credential-%s", h->name))
		return err_set(err, ERR_bad_request, "a credential helper's name is too long");
	if (pipe2(p, O_CLOEXEC) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot ask %s", program);
	in_read = p[0];
	in_write = p[1];
	if (pipe2(p, O_CLOEXEC) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot ask %s", program);
	out_read = p[0];
	out_write = p[1];
	h->pid = fork();
	if (h->pid < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot start %s", program);
	if (h->pid == 0)
		become(program, in_read, out_write);
	h->in = TAKE_FD(in_write);
	h->out = TAKE_FD(out_read);
	return 0;
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* All that it says, until it closes its output. */
static int collect(struct helper *h, char *buf, size_t *ret_n, struct err *err)
{
	int64_t until = now_ms() + TIMEOUT_MS;
	size_t used = 0;

	for (;;) {
		struct pollfd p = { .fd = h->out, .events = POLLIN };
		int64_t left = until - now_ms();
		ssize_t n;

		if (left <= 0)
			return err_set(err, ERR_timeout,
				"docker-credential-%s did not answer within %d s", h->name,
				TIMEOUT_MS / 1000);
		if (poll(&p, 1, (int)left) <= 0)
			continue;
		if (used == CREDENTIAL_ANSWER_MAX)
			return err_set(
				err, ERR_bad_input, "docker-credential-%s says too much", h->name);
		n = read(h->out, buf + used, CREDENTIAL_ANSWER_MAX - used);
		if (n < 0 && errno != EINTR)
			return err_sys(err, ERR_operation_failed, errno,
				"cannot read from docker-credential-%s", h->name);
		if (n == 0)
			break;
		if (n > 0)
			used += (size_t)n;
	}
	*ret_n = used;
	return 0;
}

static bool says(const char *buf, size_t n, const char *what)
{
	return memmem(buf, n, what, strlen(what)) != NULL;
}

static int end(struct helper *h, bool unheard)
{
	int status = 0;

	fd_closep(&h->in);
	fd_closep(&h->out);
	if (unheard)
		kill(h->pid, SIGKILL);
	while (waitpid(h->pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

int credential_helper_get(
	const char *name, const char *key, char *buf, size_t *ret_n, struct err *err)
{
	struct helper h = { .name = name, .in = -1, .out = -1 };
	const struct sigaction ignore = { .sa_handler = SIG_IGN };
	size_t n = 0;
	int r, status;

	if (start(&h, err) < 0)
		return -1;
	/* As signals_open() does, which comes later. */
	sigaction(SIGPIPE, &ignore, NULL);
	/* Some end before they read it; a pipe holds it all. */
	if (fd_write_full(h.in, key, strlen(key)) < 0 && errno != EPIPE) {
		err_sys(err, ERR_operation_failed, errno, "cannot ask docker-credential-%s", name);
		end(&h, true);
		return -1;
	}
	fd_closep(&h.in);
	r = collect(&h, buf, &n, err);
	status = end(&h, r < 0);
	if (r < 0)
		return -1;
	*ret_n = n;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 1;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return err_set(err, ERR_not_found,
			"docker-credential-%s, which the credentials are said to be in, is not "
			"there",
			name);
	if (says(buf, n, NOT_FOUND))
		return 0;
	return err_set(err, ERR_operation_failed,
		"docker-credential-%s failed: ask it by hand (echo %s | docker-credential-%s get)",
		name, key, name);
}
