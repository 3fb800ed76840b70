/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-cli/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

void sink_init(struct sink *s, int fd)
{
	char path[32];
	struct stat st;
	int own = -1;

	*s = (struct sink){ .fd = fd, .small = true };
	if (fstat(fd, &st) < 0)
		return;
	if (S_ISREG(st.st_mode))
		s->small = false;
	if (!S_ISFIFO(st.st_mode))
		return;
	/* A pipe opened again has flags of its own (it is somebody else's: perhaps not allowed). */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	own = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	if (own < 0)
		return;
	*s = (struct sink){ .fd = own, .own = true };
}

void sink_finish(struct sink *s)
{
	if (s->own)
		close(s->fd);
	s->own = false;
	s->fd = -1;
}

ssize_t sink_write(struct sink *s, const void *p, size_t n)
{
	ssize_t w;

	if (s->closed)
		return (ssize_t)n;
	/* POLLOUT promises a pipe room for PIPE_BUF bytes (pipe(7)). */
	if (s->small && n > PIPE_BUF)
		n = PIPE_BUF;
	w = send(s->fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (w < 0 && errno == ENOTSOCK)
		w = write(s->fd, p, n);
	if (w < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	/* EIO: the terminal is gone. */
	if (w < 0 && (errno == EPIPE || errno == ECONNRESET || errno == EIO)) {
		s->closed = true;
		return (ssize_t)n;
	}
	return w;
}
