/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * usage: vsock-device VHOST_USER_FD UDS_PATH GUEST_CID
 *
 * A machine's vsock device as a process of its own: QEMU is at the other end of the fd. UDS_PATH is
 * made. Ends, with status 0, when its stdin does; what it was given goes with it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/str.h"
#include "tests/fake/vsock/backend.h"

static int listen_at(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || !str_copy(a.sun_path, sizeof(a.sun_path), path) ||
		bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 128) < 0)
		return -1;
	return fd;
}

int main(int argc, char **argv)
{
	struct vsock_backend *b;
	uint64_t fd, cid;
	int listener;
	char c;

	if (argc != 4 || !str_to_u64(argv[1], 3, 1023, &fd) ||
		!str_to_u64(argv[3], 3, UINT32_MAX - 1, &cid)) {
		fprintf(stderr, "usage: vsock-device VHOST_USER_FD UDS_PATH GUEST_CID\n");
		return 2;
	}
	listener = listen_at(argv[2]);
	if (listener < 0 ||
		vsock_backend_start((int)fd, listener, argv[2], (uint32_t)cid, &b) < 0) {
		fprintf(stderr, "vsock-device: %s: %s\n", argv[2], strerror(errno));
		return 1;
	}
	while (read(STDIN_FILENO, &c, 1) > 0)
		;
	vsock_backend_stop(b);
	return 0;
}
