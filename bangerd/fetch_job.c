/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/fetch_job.h"

#include <poll.h>

#include "bangerd/call.h"
#include "common/fd.h"
#include "common/frame.h"
#include "common/ipc.h"
#include "common/log.h"
#include "common/proto_fetch.h"
#include "common/proto_imaged.h"

#define RETRY_MS 100

static int start(struct call *call, int *ret_fd, struct err *err)
{
	struct imaged_fetch_start_in in = { .owner = call->uid };
	struct imaged_fetch_start_out out;
	int sv[2], r;

	if (frame_pair(sv, err) < 0)
		return -1;
	in.socket = sv[1];
	r = imaged_fetch_start(call->services->fetch, &in, &out, err);
	fd_closep(&sv[1]);
	if (r < 0) {
		fd_closep(&sv[0]);
		return -1;
	}
	log_debug("fetcher %u begins", out.pid);
	*ret_fd = sv[0];
	return 0;
}

int fetch_job_begin(struct call *call, struct ipc **ret, struct err *err)
{
	struct err why = ERR_INIT;
	int fd;

	while (start(call, &fd, &why) < 0) {
		struct pollfd p = { .fd = call->cancel_fd, .events = POLLIN };

		if (why.code != ERR_busy) {
			*err = why;
			return err_wrap(err, "cannot start a fetcher");
		}
		call_progress(call, "wait for other pulls", 0, 0, 0, 0);
		if (poll(&p, 1, RETRY_MS) > 0)
			return err_set(err, ERR_cancelled, "cancelled before it began");
		why = (struct err)ERR_INIT;
	}
	return ipc_open(fd, &fetch_protocol, ret, err);
}

int fetch_job_failed(struct ipc *fetcher, struct err *err)
{
	if (err->code == ERR_unavailable && ipc_broken(fetcher))
		err_set(err, ERR_operation_failed,
			"the fetcher died at its work; the daemon's log may say why");
	return -1;
}
