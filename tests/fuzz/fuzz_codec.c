/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A frame's bytes as any message of any protocol, encoded again: the same bytes must come out. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/proto_agent.h"
#include "common/proto_fetch.h"
#include "common/proto_imaged.h"
#include "common/proto_job.h"
#include "common/proto_launch.h"
#include "common/proto_netd.h"
#include "common/proto_source.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct protocol *const protocols[] = { &netd_protocol, &launch_protocol,
	&imaged_protocol, &job_protocol, &source_protocol, &fetch_protocol, &agent_protocol };

static void one(const struct protocol *p, const uint8_t *data, size_t size)
{
	static _Alignas(16) uint8_t st[8192];
	static uint8_t again[FRAME_MAX];
	int fds[FRAME_FDS], out[FRAME_FDS];
	struct err err = ERR_INIT;
	struct header h;
	size_t len, n;

	if (codec_header(p, data, size, &h, &err) < 0 || h.length != size)
		return;
	if (h.kind == FRAME_ERROR) {
		struct err remote = ERR_INIT;

		(void)codec_decode_error(&h, data, &remote, &err);
		return;
	}
	for (int i = 0; i < FRAME_FDS; i++)
		fds[i] = 100 + i;
	if (codec_decode(p, &h, data, fds, h.n_fds, st, &err) < 0)
		return;
	if (codec_encode(p, h.message, h.kind, h.seq, h.op, st, again, sizeof(again), &len, out, &n,
		    &err) < 0 ||
		len != size || memcmp(again, data, size) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0 || size > FRAME_MAX)
		return 0;
	one(protocols[data[0] % (sizeof(protocols) / sizeof(protocols[0]))], data + 1, size - 1);
	return 0;
}
