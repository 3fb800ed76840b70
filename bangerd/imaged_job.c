/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/imaged_job.h"

#include <sys/socket.h>
#include <time.h>

#include "bangerd/blobs.h"
#include "bangerd/call.h"
#include "bangerd/job_start.h"
#include "common/ipc.h"
#include "common/proto_imaged.h"
#include "common/str.h"

#define CHECK_MS 250 /* between two looks at the free space */

static int ask(const struct job_start_how *how, int socket, uint32_t *ret_pid, struct err *err)
{
	const struct imaged_job_start_in in = {
		.socket = socket,
		.brief = how->brief,
		.owner = how->call ? how->call->uid : 0,
	};
	struct imaged_job_start_out out;

	if (imaged_job_start(how->server, &in, &out, err) < 0)
		return -1;
	*ret_pid = out.pid;
	return 0;
}

static int begin(
	struct ipc *imaged, bool brief, int cancel_fd, struct imaged_job *job, struct err *err)
{
	const struct job_start_how how = {
		.ask = ask,
		.server = imaged,
		.protocol = &job_protocol,
		.what = "an image worker",
		.waits = "wait for other imports",
		.call = job->call,
		.brief = brief,
		.cancel_fd = cancel_fd,
	};

	return job_start(&how, &job->channel, err);
}

int imaged_job_begin(struct ipc *imaged, const struct blobs *blobs, uint64_t leave,
	struct call *call, int cancel_fd, struct imaged_job *ret, struct err *err)
{
	*ret = (struct imaged_job){ .call = call, .blobs = blobs, .leave = leave };
	return begin(imaged, false, cancel_fd, ret, err);
}

int imaged_job_begin_brief(
	struct ipc *imaged, int cancel_fd, struct imaged_job *ret, struct err *err)
{
	*ret = (struct imaged_job){ 0 };
	return begin(imaged, true, cancel_fd, ret, err);
}

/* What users read. */
static const char *stage_text(enum job_stage stage)
{
	static const char *const texts[job_stage__count] = {
		[job_stage_read] = "read",
		[job_stage_verify] = "verify",
		[job_stage_unpack] = "unpack",
		[job_stage_write] = "write",
		[job_stage_sync] = "sync to disk",
		[job_stage_kernel] = "unpack the kernel",
		[job_stage_modules] = "collect modules",
		[job_stage_initramfs] = "make the initramfs",
	};

	return texts[stage];
}

static void on_notice(void *ctx, uint16_t msg, const void *in)
{
	struct imaged_job *job = ctx;
	const struct job_progress_in *p = in;
	struct timespec t;
	int64_t now;

	if (msg != job_msg_progress)
		return;
	if (job->call)
		call_progress(job->call, stage_text(p->stage), 0, 0, p->done, p->total);
	clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
	now = (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
	if (!job->blobs || now - job->checked_ms < CHECK_MS || job->space.code != ERR_none)
		return;
	job->checked_ms = now;
	/* The worker cannot see how much is to stay free: end it from here. */
	if (blobs_check_space(job->blobs, 0, job->leave, &job->space) < 0)
		shutdown(ipc_fd(job->channel), SHUT_RDWR);
}

int imaged_job_call(struct imaged_job *job, uint16_t msg, const void *in, void *out, int cancel_fd,
	struct err *err)
{
	if (ipc_call_long(job->channel, msg, in, out, on_notice, job, cancel_fd, -1, err) == 0)
		return 0;
	if (job->space.code != ERR_none)
		*err = job->space;
	else if (err->code == ERR_unavailable)
		err_set(err, ERR_operation_failed,
			"the image worker died at its work; the daemon's log may say why");
	return -1;
}

void imaged_job_end(struct imaged_job *job)
{
	ipc_close(TAKE_PTR(job->channel));
}
