/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-cli/import.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "banger-cli/ending.h"
#include "banger-cli/progress.h"
#include "banger-cli/signals.h"
#include "common/fd.h"
#include "common/str.h"

#define OFFERS_MAX 2

void offer_finish(struct offer *o)
{
	fd_closep(&o->fd);
	source_close(TAKE_PTR(o->source));
}

/* A worker may be handed a regular file or a pipe: nothing with ioctls, nothing to write to. */
static int check_kind(int fd, const char *shown, struct err *err)
{
	struct stat st;
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fstat(fd, &st) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot look at %s", shown);
	if (!S_ISREG(st.st_mode) && !S_ISFIFO(st.st_mode))
		return err_set(err, ERR_bad_request, "%s is no regular file and no pipe%s", shown,
			isatty(fd) ? " but a terminal: name a file, or redirect one (<)" : "");
	if ((flags & O_ACCMODE) != O_RDONLY)
		return err_set(err, ERR_bad_request,
			"%s is open for writing, too: open it for reading alone (<)", shown);
	return 0;
}

int offer_file(const char *path, struct offer *ret, struct err *err)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return err_sys(err, errno == ENOENT ? ERR_not_found : ERR_operation_failed, errno,
			"cannot open %s", path);
	if (check_kind(fd, path, err) < 0)
		return -1;
	ret->fd = TAKE_FD(fd);
	return 0;
}

int offer_directory(const char *path, struct offer *ret, struct err *err)
{
	return source_open(path, &ret->source, &ret->fd, err);
}

static int offer_stdin(struct offer *ret, struct err *err)
{
	_cleanup_fd_ int fd = -1;

	if (check_kind(STDIN_FILENO, "standard input", err) < 0)
		return -1;
	fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	if (fd < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot pass standard input on");
	ret->fd = TAKE_FD(fd);
	return 0;
}

int offer_any(const char *path, struct offer *ret, struct err *err)
{
	struct stat st;

	if (strcmp(path, "-") == 0)
		return offer_stdin(ret, err);
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return offer_directory(path, ret, err);
	return offer_file(path, ret, err);
}

int import_failed(const char *source, struct err *err)
{
	if (err->code != ERR_bad_request && err->code != ERR_bad_input &&
		err->code != ERR_operation_failed)
		return -1;
	return err_wrap(
		err, "cannot import %s", strcmp(source, "-") == 0 ? "standard input" : source);
}

int import_run(struct cli *cli, enum rpc_method method, struct params *p, struct offer *offers,
	size_t n_offers, bool quiet, struct reply *ret, struct err *err)
{
	_cleanup_client_ struct client *client = NULL;
	_cleanup_fd_ int signals = -1;
	struct ending ending = { cli, ": nothing was imported" };
	struct watch watches[1 + OFFERS_MAX];
	struct progress progress;
	struct client_wait wait = { progress_stage, &progress, watches, 1 };
	struct json_object *params = params_finish(p, err);
	int fds[OFFERS_MAX], r;
	size_t n_fds = 0;
	uint64_t id;

	if (!params || n_offers > OFFERS_MAX || cli_connect(cli, &client, err) < 0 ||
		signals_open(&signals, err) < 0) {
		json_object_put(params);
		return -1;
	}
	watches[0] = ending_watch(&ending, signals);
	for (size_t i = 0; i < n_offers; i++) {
		if (offers[i].fd >= 0)
			fds[n_fds++] = offers[i].fd;
		if (offers[i].source)
			watches[wait.n_watches++] = source_watch(offers[i].source);
	}
	progress_init(&progress, quiet);
	if (client_send(client, method, params, fds, n_fds, true, &id, err) < 0)
		return -1;
	/* The daemon has them: a server sees its worker's end only when no copy stays here. */
	for (size_t i = 0; i < n_offers; i++)
		fd_closep(&offers[i].fd);
	r = client_wait(client, id, &wait, ret, err);
	progress_clear(&progress);
	return r;
}
