/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/image_serve.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "bangerd/call.h"
#include "bangerd/fetch_job.h"
#include "bangerd/images.h"
#include "bangerd/wait.h"
#include "common/fd.h"
#include "common/frame.h"
#include "common/ipc.h"
#include "common/log.h"
#include "common/proto_fetch.h"
#include "common/str.h"

#define BLOBS_MAX   160 /* that are told of: a manifest's 128 layers, and what stands beside */
#define CHECK_MS    250 /* between two looks at the free space */
#define STACK_BYTES ((size_t)256 * 1024)

struct serving {
	struct call *call;
	struct ipc *fetcher;
	int source; /* the fetcher's end */
	pthread_t thread;
	uint64_t op;
	/* The thread's own, until it is joined. */
	char stages[BLOBS_MAX][32]; /* "fetch " and the beginning of a digest */
	unsigned n_stages;
	int64_t checked_ms;
	struct err space;
	struct err why; /* code is ERR_none when it went well */
};

/* Which stage a blob is; what is told of must live as long as the request. */
static unsigned stage_of(struct serving *s, const digest *d)
{
	char name[32];
	unsigned i = 0;

	str_format(name, sizeof(name), "fetch %.12s", strchr(d->s, ':') + 1);
	while (i < s->n_stages && !str_eq(s->stages[i], name))
		i++;
	if (i == BLOBS_MAX)
		return BLOBS_MAX - 1;
	if (i == s->n_stages)
		memcpy(s->stages[s->n_stages++], name, sizeof(name));
	return i;
}

static void check_space(struct serving *s)
{
	struct timespec t;
	int64_t now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
	now = (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
	if (now - s->checked_ms < CHECK_MS || s->space.code != ERR_none)
		return;
	s->checked_ms = now;
	/* The fetcher does not know how much is to stay free: end it from here. */
	if (images_check_space(s->call->services->images, 0, &s->space) < 0)
		shutdown(ipc_fd(s->fetcher), SHUT_RDWR);
}

static void on_notice(void *ctx, uint16_t msg, const void *in)
{
	struct serving *s = ctx;
	const struct fetch_progress_in *p = in;
	const struct fetch_note_in *note = in;
	unsigned i;

	if (msg == fetch_msg_note)
		log_notice("%s", note->text.s);
	if (msg != fetch_msg_progress)
		return;
	i = stage_of(s, &p->blob);
	call_progress(s->call, s->stages[i], 0, 0, p->done, p->total);
	check_space(s);
}

static void *serve(void *ctx)
{
	struct serving *s = ctx;
	const struct fetch_serve_in in = { .source = s->source };
	struct fetch_serve_out out;

	log_set_op(s->op);
	ipc_set_op(s->op);
	if (ipc_call_long(s->fetcher, fetch_msg_serve, &in, &out, on_notice, s, s->call->cancel_fd,
		    -1, &s->why) == 0)
		log_info("fetched %llu bytes, %llu were in the cache",
			(unsigned long long)out.fetched, (unsigned long long)out.reused);
	else
		(void)fetch_job_failed(s->fetcher, &s->why);
	/* The worker sees that nobody serves it any more. */
	fd_closep(&s->source);
	return NULL;
}

static int start(struct serving *s, struct err *err)
{
	pthread_attr_t attr;
	int r;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	r = pthread_create(&s->thread, &attr, serve, s);
	pthread_attr_destroy(&attr);
	if (r != 0)
		return err_sys(err, ERR_operation_failed, r, "cannot watch the fetcher");
	return 0;
}

/* Why there is no image. Each end takes the other with it: a worker that was left alone knows less
 * of it than the fetcher, and a fetcher that was ended says that it was cancelled, whoever did it.
 */
static const struct err *reason(const struct serving *s, const struct err *worker)
{
	if (wait_cancelled(s->call->cancel_fd))
		return worker;
	if (s->space.code != ERR_none)
		return &s->space;
	return s->why.code != ERR_none && s->why.code != ERR_cancelled ? &s->why : worker;
}

static int import(struct serving *s, int *source, const ref_name *name,
	const struct images_origin *origin, struct image_row *ret, struct err *err)
{
	struct rpc_image_import_in in = {
		.name = name->s, .kind = image_kind_oci_layout, .replace = true, .source = *source
	};
	struct err why = ERR_INIT;
	int r;

	if (start(s, err) < 0)
		return -1;
	r = images_import(s->call->services->images, s->call, &in, origin, ret, &why);
	/* The fetcher is done when nobody has the other end. */
	fd_closep(source);
	pthread_join(s->thread, NULL);
	if (r == 0)
		return 0;
	*err = *reason(s, &why);
	return -1;
}

int image_serve(struct call *call, struct ipc *fetcher, const ref_name *name,
	const struct images_origin *origin, struct image_row *ret, struct err *err)
{
	struct serving *s = calloc(1, sizeof(*s));
	int pair[2], r;

	if (!s)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot serve an image");
	if (frame_pair(pair, err) < 0) {
		free(s);
		return -1;
	}
	s->call = call;
	s->fetcher = fetcher;
	s->op = call->op;
	s->source = pair[0];
	r = import(s, &pair[1], name, origin, ret, err);
	fd_closep(&s->source);
	fd_closep(&pair[1]);
	/* A request remembers the stage it told last: one that outlives this. */
	call_progress(call, "ready", 0, 0, 0, 0);
	free(s);
	return r;
}
