/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-cli/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "common/fd.h"
#include "common/frame.h"
#include "common/ipc.h"
#include "common/proto_source.h"
#include "common/str.h"

struct source {
	int dir;
	struct ipc *channel;
};

#define PROTO	    source
#define PROTO_TABLE "common/proto/source.tbl.h"
#define PROTO_CTX   struct source
#include "common/ipc_serve.h"

int on_file_open(struct source *s, struct source_file_open_in *in, struct source_file_open_out *out,
	struct err *err)
{
	struct stat st;
	/* O_NONBLOCK: opening a FIFO does not wait for its writer. */
	_cleanup_fd_ int fd =
		fd_open_beneath(s->dir, in->path.s, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return err_sys(err, ERR_not_found, errno, "cannot open %s", in->path.s);
	if (fd < 0 && (errno == ELOOP || errno == EXDEV))
		return err_sys(err, ERR_bad_input, errno,
			"cannot open %s: it leads out of the directory or through a symlink",
			in->path.s);
	if (fd < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot open %s", in->path.s);
	if (fstat(fd, &st) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot look at %s", in->path.s);
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_bad_input, "%s is no regular file", in->path.s);
	out->size = (uint64_t)st.st_size;
	out->file = TAKE_FD(fd);
	return 0;
}

int source_open(const char *path, struct source **ret, int *ret_peer, struct err *err)
{
	_cleanup_source_ struct source *s = calloc(1, sizeof(*s));
	int pair[2];

	if (!s)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot serve %s", path);
	s->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->dir < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot open %s", path);
	if (frame_pair(pair, err) < 0)
		return -1;
	if (ipc_open(pair[0], &source_protocol, &s->channel, err) < 0) {
		fd_closep(&pair[1]);
		return -1;
	}
	*ret_peer = pair[1];
	*ret = TAKE_PTR(s);
	return 0;
}

void source_close(struct source *s)
{
	if (!s)
		return;
	ipc_close(s->channel);
	fd_closep(&s->dir);
	free(s);
}

void source_closep(struct source **s)
{
	source_close(*s);
	*s = NULL;
}

static int ready(struct watch *w, struct err *err)
{
	struct source *s = w->ctx;
	struct err why = ERR_INIT;

	/* The end of file, or a worker that broke the protocol: its job fails, and says so. */
	if (ipc_serve(s->channel, source_handlers, s, NULL, &why) > 0)
		return 0;
	ipc_close(TAKE_PTR(s->channel));
	w->fd = -1;
	return 0;
}

struct watch source_watch(struct source *s)
{
	return (struct watch){ .fd = ipc_fd(s->channel), .ready = ready, .ctx = s };
}
