/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/fetch_job.h"

#include "common/log.h"
#include "common/proto_fetch.h"
#include "common/str.h"

struct endpoint *fetch_job_endpoint(struct fetch_job *j, unsigned i)
{
	return &j->endpoints[(atomic_load(&j->first) + i) % j->n_endpoints];
}

void fetch_job_prefer(struct fetch_job *j, const struct endpoint *e)
{
	atomic_store(&j->first, (unsigned)(e - j->endpoints));
}

void fetch_job_progress(struct fetch_job *j, const digest *blob, uint64_t done, uint64_t total)
{
	struct fetch_progress_in in = { .blob = *blob, .done = done, .total = total };
	struct err err = ERR_INIT;

	/* A peer that is gone ends the program anyhow. */
	(void)ipc_notify(j->ch, fetch_msg_progress, &in, &err);
}

void fetch_job_note(struct fetch_job *j, const struct err *e)
{
	struct fetch_note_in in = { 0 };
	struct err err = ERR_INIT;
	char clean[ERR_MSG_MAX];

	(void)str_copy(clean, sizeof(clean), e->msg);
	str_sanitize(clean);
	/* A peer that is gone ends the program anyhow. */
	if (text_parse(clean, &in.text) && ipc_notify(j->ch, fetch_msg_note, &in, &err) < 0)
		log_debug("%s", err.msg);
}
