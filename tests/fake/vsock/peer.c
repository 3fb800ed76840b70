/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A program for guests: the other end of what tests do with a vsock device.
 *
 *   vsock-peer echo PORT        serve PORT, each connection by a process that sends back what comes
 *   vsock-peer hold PORT        serve PORT, read nothing
 *   vsock-peer connect PORT     connect to the host's PORT, stdin to it, what it sends to stdout
 *   vsock-peer local CID PORT   connect to a port of the guest's own: prints what becomes of it
 *   vsock-peer many PORT N      N connections to the host's PORT at once: prints how many came to
 * be
 */
#include <errno.h>
#include <linux/vm_sockets.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/str.h"

static int fail(const char *what)
{
	printf("%s: %s\n", what, strerror(errno));
	return 1;
}

/* Everything from one fd into another; 0 at its end. */
static int copy(int from, int to)
{
	static char buf[65536];
	ssize_t n;

	while ((n = read(from, buf, sizeof(buf))) > 0)
		if (fd_write_full(to, buf, (size_t)n) < 0)
			return -1;
	return n < 0 ? -1 : 0;
}

static int serve(uint32_t port, bool echo)
{
	struct sockaddr_vm a = {
		.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY, .svm_port = port
	};
	int listener = socket(AF_VSOCK, SOCK_STREAM, 0);

	if (listener < 0 || bind(listener, (struct sockaddr *)&a, sizeof(a)) < 0 ||
		listen(listener, 64) < 0)
		return fail("listen");
	signal(SIGCHLD, SIG_IGN);
	printf("ready\n");
	fflush(stdout);
	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fd < 0)
			return fail("accept");
		if (!echo)
			continue; /* it stays open, unread, until we end */
		if (fork() == 0)
			_exit(copy(fd, fd) < 0);
		close(fd);
	}
}

static int call(uint32_t cid, uint32_t port)
{
	struct sockaddr_vm a = { .svm_family = AF_VSOCK, .svm_cid = cid, .svm_port = port };
	int fd = socket(AF_VSOCK, SOCK_STREAM, 0);

	if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
		return fd;
	fd_closep(&fd);
	return -1;
}

static int call_host(uint32_t port)
{
	return call(VMADDR_CID_HOST, port);
}

static int call_self(uint32_t cid, uint32_t port)
{
	int fd = call(cid, port);
	char c;

	if (fd < 0)
		return fail("connect");
	if (read(fd, &c, 1) <= 0)
		printf("closed\n");
	return 0;
}

static int converse(uint32_t port)
{
	int fd = call_host(port);
	pid_t child;

	if (fd < 0)
		return fail("connect");
	child = fork();
	if (child == 0)
		_exit(copy(STDIN_FILENO, fd) < 0);
	if (copy(fd, STDOUT_FILENO) < 0)
		return fail("read");
	kill(child, SIGKILL);
	return 0;
}

static int many(uint32_t port, uint64_t n)
{
	unsigned made = 0;

	for (uint64_t i = 0; i < n; i++)
		made += call_host(port) >= 0;
	printf("%u\n", made);
	fflush(stdout);
	pause();
	return 0;
}

int main(int argc, char **argv)
{
	uint64_t port, n = 0;

	if (argc < 3 || !str_to_u64(argv[2], 0, UINT32_MAX, &port) ||
		(argc > 3 && !str_to_u64(argv[3], 1, UINT32_MAX, &n)))
		return 2;
	if (str_eq(argv[1], "echo") || str_eq(argv[1], "hold"))
		return serve((uint32_t)port, str_eq(argv[1], "echo"));
	if (str_eq(argv[1], "connect"))
		return converse((uint32_t)port);
	if (str_eq(argv[1], "local"))
		return call_self((uint32_t)port, (uint32_t)n);
	return str_eq(argv[1], "many") ? many((uint32_t)port, n) : 2;
}
