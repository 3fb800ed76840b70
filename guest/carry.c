/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guest/carry.h"

#include "common/proto_agent.h"
#include "guest/session.h"

static struct {
	struct loop *loop;
	int tree;
	const struct image *image;
} carriers;

void carry_init(struct loop *loop, int tree, const struct image *image)
{
	carriers.loop = loop;
	carriers.tree = tree;
	carriers.image = image;
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

int carry_take(struct carrier *c, struct err *err)
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

void carry_move(struct carrier *c)
{
	if (c->session)
		session_move(c->session);
	else
		carrier_flush(c);
}

void carry_drop(struct carrier *c)
{
	if (c->session)
		session_drop(c->session);
	c->session = NULL;
	loop_close(carriers.loop, &c->source);
	stream_destroyp(&c->stream);
}
