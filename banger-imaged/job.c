/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/job.h"

#include <time.h>

#include "banger-imaged/image_import.h"
#include "banger-imaged/image_register.h"
#include "banger-imaged/kernel_import.h"
#include "banger-imaged/progress.h"
#include "banger-imaged/work_disk.h"
#include "common/failpoint.h"
#include "common/log.h"
#include "common/proto_job.h"

struct job {
	struct ipc *ch;
	bool told; /* a first notice was sent */
	enum job_stage stage;
	int64_t at_ms;
	struct image_answer *answer; /* what the answer points into, until it is sent */
};

#define PROTO	    job
#define PROTO_TABLE "common/proto/job.tbl.h"
#define PROTO_CTX   struct job
#include "common/ipc_serve.h"

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void tell(void *ctx, enum job_stage stage, uint64_t done, uint64_t total)
{
	struct job_progress_in in = { .stage = stage, .done = done, .total = total };
	struct err err = ERR_INIT;
	struct job *j = ctx;
	int64_t now = now_ms();

	if (j->told && stage == j->stage && now - j->at_ms < JOB_PROGRESS_MS)
		return;
	j->told = true;
	j->stage = stage;
	j->at_ms = now;
	/* A peer that is gone ends the worker anyhow. */
	if (ipc_notify(j->ch, job_msg_progress, &in, &err) < 0)
		log_debug("%s", err.msg);
}

/* Only workers send it; a table names both directions. */
int on_progress(
	struct job *j, struct job_progress_in *in, struct job_progress_out *out, struct err *err)
{
	return err_set(err, ERR_protocol, "progress is no request");
}

int on_image_import(struct job *j, struct job_image_import_in *in, struct job_image_import_out *out,
	struct err *err)
{
	struct progress p = { tell, j };

	if (FAILPOINT(job_taken, err) < 0 || image_import(&p, in, NULL, out, &j->answer, err) < 0)
		return -1;
	return FAILPOINT(job_done, err);
}

int on_image_register(struct job *j, struct job_image_register_in *in,
	struct job_image_register_out *out, struct err *err)
{
	struct progress p = { tell, j };

	if (FAILPOINT(job_taken, err) < 0 || image_register(in, out, &p, err) < 0)
		return -1;
	return FAILPOINT(job_done, err);
}

int on_kernel_import(struct job *j, struct job_kernel_import_in *in,
	struct job_kernel_import_out *out, struct err *err)
{
	struct progress p = { tell, j };

	if (FAILPOINT(job_taken, err) < 0 || kernel_import(in, out, &p, err) < 0)
		return -1;
	return FAILPOINT(job_done, err);
}

int on_initramfs_refresh(struct job *j, struct job_initramfs_refresh_in *in,
	struct job_initramfs_refresh_out *out, struct err *err)
{
	return kernel_refresh(in, out, err);
}

int on_work_disk_make(struct job *j, struct job_work_disk_make_in *in,
	struct job_work_disk_make_out *out, struct err *err)
{
	if (FAILPOINT(job_taken, err) < 0 || work_disk_make(in->target, in->size, err) < 0)
		return -1;
	return FAILPOINT(job_done, err);
}

static void before(void *ctx, const struct message *m, uint64_t op)
{
	log_set_op(op);
	log_info("%s", m->name);
}

int job_serve(struct ipc *ch, struct err *err)
{
	struct job j = { .ch = ch };

	int r = ipc_serve(ch, job_handlers, &j, before, err);

	image_answer_destroy(j.answer);
	return r;
}
