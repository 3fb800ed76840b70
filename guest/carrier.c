/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guest/carrier.h"

#include "common/log.h"
#include "common/proto_agent.h"
#include "guest/session.h"

static struct {
	struct loop *loop;
	int tree;
	const struct image *image;
} carriers;

void carrier_init(struct loop *loop, int tree, const struct image *image)
{
	carriers.loop = loop;
	carriers.tree = tree;
	carriers.image = image;
}

bool carrier_flush(struct carrier *c)
{
	struct err err = ERR_INIT;

	return stream_flush(c->stream, c->source.fd, &err) == 1;
}

void carrier_failed(struct carrier *c, uint32_t seq, const struct err *why)
{
	struct err err = ERR_INIT;

	c->session = NULL;
	if (stream_put_error(c->stream, agent_msg_exec, seq, why, &err) < 0)
		log_warning("a session's request: %s", err.msg);
	carrier_flush(c);
}

static int take_frame(struct carrier *c, const struct header *h, struct err *err)
{
	struct err why = ERR_INIT;
	struct agent_exec_in in;

	if (h->kind == FRAME_NOTICE && c->session)
		return session_notice(c->session, h->message, err);
	if (h->kind != FRAME_REQUEST || h->message != agent_msg_exec || c->session)
		return err_set(err, ERR_protocol, "a frame out of place");
	if (stream_decode(c->stream, &in, err) < 0)
		return -1;
	if (session_start(carriers.loop, c, carriers.tree, carriers.image, h->seq, &in, &c->session,
		    &why) < 0)
		carrier_failed(c, h->seq, &why);
	return 0;
}

int carrier_take(struct carrier *c, struct err *err)
{
	struct header h;
	int r;

	for (;;) {
		while ((r = stream_next(c->stream, &h, err)) == 1)
			if (take_frame(c, &h, err) < 0)
				return -1;
		if (r < 0)
			return -1;
		r = stream_feed(c->stream, c->source.fd, err);
		if (r <= 0)
			return r;
	}
}

void carrier_move(struct carrier *c)
{
	if (c->session)
		session_move(c->session);
	else
		carrier_flush(c);
}

void carrier_drop(struct carrier *c)
{
	if (c->session)
		session_drop(c->session);
	c->session = NULL;
	loop_close(carriers.loop, &c->source);
	stream_destroyp(&c->stream);
}
