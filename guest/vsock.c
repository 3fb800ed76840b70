/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guest/vsock.h"

#include <errno.h>
#include <linux/vm_sockets.h>
#include <sys/socket.h>

#include "common/fd.h"

/* Connections that wait to be taken; the kernel refuses what is beyond. */
#define BACKLOG 64

int vsock_listen(uint32_t port, int *ret_fd, struct err *err)
{
	struct sockaddr_vm a = {
		.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY, .svm_port = port
	};
	_cleanup_fd_ int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return err_sys(err, ERR_operation_failed, errno,
			"the machine has a vsock device, and the kernel no driver for it");
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, BACKLOG) < 0)
		return err_sys(
			err, ERR_operation_failed, errno, "cannot listen on vsock port %u", port);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int vsock_accept(int listener)
{
	struct sockaddr_vm a = { 0 };
	socklen_t len = sizeof(a);
	_cleanup_fd_ int fd =
		accept4(listener, (struct sockaddr *)&a, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd >= 0 && a.svm_cid != VMADDR_CID_HOST) {
		errno = EPERM;
		return -1;
	}
	return TAKE_FD(fd);
}
