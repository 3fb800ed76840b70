/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/fetch_job.h"

#include "bangerd/call.h"
#include "bangerd/job_start.h"
#include "common/ipc.h"
#include "common/proto_fetch.h"
#include "common/proto_imaged.h"

static int ask(const struct job_start_how *how, int socket, uint32_t *ret_pid, struct err *err)
{
	const struct imaged_fetch_start_in in = { .socket = socket, .owner = how->call->uid };
	struct imaged_fetch_start_out out;

	if (imaged_fetch_start(how->server, &in, &out, err) < 0)
		return -1;
	*ret_pid = out.pid;
	return 0;
}

int fetch_job_begin(struct call *call, struct ipc **ret, struct err *err)
{
	const struct job_start_how how = {
		.ask = ask,
		.server = call->services->fetch,
		.protocol = &fetch_protocol,
		.what = "a fetcher",
		.waits = "wait for other pulls",
		.call = call,
		.cancel_fd = call->cancel_fd,
	};

	return job_start(&how, ret, err);
}

int fetch_job_failed(struct ipc *fetcher, struct err *err)
{
	if (err->code == ERR_unavailable && ipc_broken(fetcher))
		err_set(err, ERR_operation_failed,
			"the fetcher died at its work; the daemon's log may say why");
	return -1;
}
