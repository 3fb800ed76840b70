/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guest/carrier.h"

#include "common/log.h"
#include "common/proto_agent.h"

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
