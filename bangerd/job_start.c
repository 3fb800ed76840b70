/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/job_start.h"

#include <poll.h>

#include "bangerd/call.h"
#include "common/fd.h"
#include "common/frame.h"
#include "common/ipc.h"
#include "common/log.h"

#define RETRY_MS 100

static int start_once(const struct job_start_how *how, int *ret_fd, struct err *err)
{
	uint32_t pid = 0;
	int sv[2], r;

	if (frame_pair(sv, err) < 0)
		return -1;
	r = how->ask(how, sv[1], &pid, err);
	fd_closep(&sv[1]);
	if (r < 0) {
		fd_closep(&sv[0]);
		return -1;
	}
	log_debug("%s begins: %u", how->what, pid);
	*ret_fd = sv[0];
	return 0;
}

/* A little later; or cancelled. */
static int wait_turn(const struct job_start_how *how, struct err *err)
{
	struct pollfd p = { .fd = how->cancel_fd, .events = POLLIN };

	if (how->call)
		call_progress(how->call, how->waits, 0, 0, 0, 0);
	if (poll(&p, 1, RETRY_MS) > 0)
		return err_set(err, ERR_cancelled, "cancelled before it began");
	return 0;
}

int job_start(const struct job_start_how *how, struct ipc **ret, struct err *err)
{
	struct err why = ERR_INIT;
	int fd;

	while (start_once(how, &fd, &why) < 0) {
		if (why.code != ERR_busy) {
			*err = why;
			return err_wrap(err, "cannot start %s", how->what);
		}
		if (wait_turn(how, err) < 0)
			return -1;
		why = (struct err)ERR_INIT;
	}
	return ipc_open(fd, how->protocol, ret, err);
}
