/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/hybrid_vsock.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/str.h"

#define WHO	   "the guest's vsock"
#define ANSWER_MAX 13 /* "OK 4294967295", without its newline */

static int nobody(uint32_t port, struct err *err)
{
	return err_set(err, ERR_unavailable, "nobody listens on port %u of the guest", port);
}

static int ask(int fd, uint32_t port, const struct wait *w, struct err *err)
{
	char line[32];
	const char *p = line;

	str_format(line, sizeof(line), "CONNECT %u\n", port);
	while (*p) {
		ssize_t r = send(fd, p, strlen(p), MSG_NOSIGNAL);

		if (r < 0 && errno == EAGAIN) {
			if (wait_ready(fd, POLLOUT, w, WHO, err) < 0)
				return -1;
			continue;
		}
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0 && (errno == EPIPE || errno == ECONNRESET))
			return nobody(port, err);
		if (r < 0)
			return err_sys(err, ERR_unavailable, errno, "cannot write to " WHO);
		p += r;
	}
	return 0;
}

/* A byte at a time: what follows the newline is the stream's. */
static int answer(
	int fd, uint32_t port, const struct wait *w, char line[ANSWER_MAX + 1], struct err *err)
{
	size_t n = 0;

	for (;;) {
		ssize_t r;
		char c;

		if (wait_ready(fd, POLLIN, w, WHO, err) < 0)
			return -1;
		r = read(fd, &c, 1);
		if (r < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (r < 0 && errno != ECONNRESET)
			return err_sys(err, ERR_unavailable, errno, "cannot read from " WHO);
		if (r <= 0 && n > 0)
			return err_set(err, ERR_protocol, WHO " stopped within its answer");
		if (r <= 0)
			return nobody(port, err);
		if (c == '\n')
			break;
		if (n == ANSWER_MAX || c == '\0')
			return err_set(err, ERR_protocol, WHO " answered what it should not");
		line[n++] = c;
	}
	line[n] = '\0';
	return 0;
}

int hybrid_vsock_connect(int fd, uint32_t port, const struct wait *w, struct err *err)
{
	char line[ANSWER_MAX + 1];
	uint64_t host_port;

	if (ask(fd, port, w, err) < 0 || answer(fd, port, w, line, err) < 0)
		return -1;
	if (!str_starts(line, "OK ") || !str_to_u64(line + 3, 0, UINT32_MAX, &host_port))
		return err_set(err, ERR_protocol, WHO " answered what it should not");
	return 0;
}
