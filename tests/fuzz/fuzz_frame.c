/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packets from a hostile peer into a serving channel: the input is a list of (u16 length, fds,
 * bytes). Nothing may crash, and no fd may stay. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/frame.h"
#include "common/proto_netd.h"
#include "common/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct context {
	int calls;
};

#define PROTO	    netd
#define PROTO_TABLE "common/proto/netd.tbl.h"
#define PROTO_CTX   struct context
#include "common/ipc_serve.h"

#define MSG(n, s)                                                                           \
	int on_##n(struct context *c, struct netd_##n##_in *in, struct netd_##n##_out *out, \
		struct err *err)                                                            \
	{                                                                                   \
		(void)in;                                                                   \
		(void)out;                                                                  \
		c->calls++;                                                                 \
		return err_set(err, ERR_unavailable, "nothing here");                       \
	}
#include "common/proto/netd.tbl.h"

static int lowest_fd(void)
{
	int fd = dup(STDERR_FILENO);

	close(fd);
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int before = lowest_fd(), sv[2];
	struct context c = { 0 };
	struct err err = ERR_INIT;
	struct ipc *ch;

	if (frame_pair(sv, &err) < 0)
		abort();
	if (ipc_open(sv[0], &netd_protocol, &ch, &err) < 0)
		abort();
	while (size >= 3) {
		size_t len = (size_t)(data[0] | data[1] << 8) % 512,
		       n_fds = data[2] % (FRAME_FDS + 1);
		int fds[FRAME_FDS];

		data += 3;
		size -= 3;
		if (len > size)
			len = size;
		for (size_t i = 0; i < n_fds; i++)
			fds[i] = STDERR_FILENO;
		if (len == 0 || frame_send(sv[1], data, len, fds, n_fds, &err) < 0)
			break;
		data += len;
		size -= len;
		if (ipc_serve(ch, netd_handlers, &c, NULL, &err) < 1)
			break;
	}
	close(sv[1]);
	ipc_close(ch);
	if (lowest_fd() != before)
		abort();
	return 0;
}
