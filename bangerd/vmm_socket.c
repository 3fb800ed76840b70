/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/vmm_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "common/fd.h"

/* The kernel keeps who listens, as of listen(2). */
static int check_peer(const struct vmm *v, int fd, const char *name, struct err *err)
{
	struct ucred peer;
	socklen_t n = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) < 0)
		return err_sys(err, ERR_operation_failed, errno,
			"cannot ask who listens at %s's %s", v->ops->name, name);
	if (peer.uid != v->jail_uid)
		return err_set(err, ERR_protocol, "%s's %s is of uid %u, not of its jail's %u",
			v->ops->name, name, (unsigned)peer.uid, (unsigned)v->jail_uid);
	return 0;
}

int vmm_socket(const struct vmm *v, int dirfd, const char *name, int *ret_fd, struct err *err)
{
	_cleanup_fd_ int node = openat(dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_fd_ int fd = -1;
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct stat st;

	if (node < 0 || fstat(node, &st) < 0)
		return err_sys(err, ERR_unavailable, errno, "cannot open %s's socket %s",
			v->ops->name, name);
	if (!S_ISSOCK(st.st_mode))
		return err_set(err, ERR_protocol, "%s's %s is no socket", v->ops->name, name);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d", node);
	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return err_sys(err, errno == EAGAIN ? ERR_busy : ERR_unavailable, errno,
			"cannot connect to %s's socket %s", v->ops->name, name);
	if (check_peer(v, fd, name, err) < 0)
		return -1;
	*ret_fd = TAKE_FD(fd);
	return 0;
}
