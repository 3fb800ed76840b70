/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/imaged_job.h"

#include <poll.h>
#include <sys/socket.h>
#include <time.h>

#include "bangerd/blobs.h"
#include "bangerd/call.h"
#include "common/fd.h"
#include "common/frame.h"
#include "common/ipc.h"
#include "common/log.h"
#include "common/proto_imaged.h"
#include "common/str.h"

#define CHECK_MS 250 /* between two looks at the free space */
#define RETRY_MS 100

static int start_worker(struct ipc *imaged, bool brief, uid_t owner, int *ret_fd, struct err *err)
{
	struct imaged_job_start_in in = { .brief = brief, .owner = owner };
	struct imaged_job_start_out out;
	int sv[2], r;

	if (frame_pair(sv, err) < 0)
		return -1;
	in.socket = sv[1];
	r = imaged_job_start(imaged, &in, &out, err);
	fd_closep(&sv[1]);
	if (r < 0) {
		fd_closep(&sv[0]);
		return -1;
	}
	log_debug("worker %u begins", out.pid);
	*ret_fd = sv[0];
	return 0;
}

/* A little later; or cancelled. */
static int wait_turn(struct call *call, int cancel_fd, struct err *err)
{
	struct pollfd p = { .fd = cancel_fd, .events = POLLIN };

	if (call)
		call_progress(call, "wait for other imports", 0, 0, 0, 0);
	if (poll(&p, 1, RETRY_MS) > 0)
		return err_set(err, ERR_cancelled, "cancelled before it began");
	return 0;
}

static int begin(
	struct ipc *imaged, bool brief, int cancel_fd, struct imaged_job *job, struct err *err)
{
	struct err why = ERR_INIT;
	int fd;

	while (start_worker(imaged, brief, job->call ? job->call->uid : 0, &fd, &why) < 0) {
		if (why.code != ERR_busy) {
			*err = why;
			return err_wrap(err, "cannot start an image worker");
		}
		if (wait_turn(job->call, cancel_fd, err) < 0)
			return -1;
		why = (struct err)ERR_INIT;
	}
	return ipc_open(fd, &job_protocol, &job->channel, err);
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
