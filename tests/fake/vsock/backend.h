/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * A vsock device for QEMU's vhost-user-vsock-device, with Firecracker's way to it on the host: Unix
 * stream sockets. It runs in a thread of its own.
 *
 * Host to guest: connect to the listening socket, write "CONNECT PORT\n"; "OK HOSTPORT\n" comes
 * back when the guest has accepted, end of file when it refuses or does not answer. A connection
 * that comes before the guest's driver waits for it. Guest to host: a connection to the host's port
 * P goes to the Unix socket at "<uds_path>_P", and is reset when nobody listens there.
 *
 * As with Firecracker, a host that shuts its sending side down has closed the whole connection, and
 * a guest that shuts only its own side down is not seen to have done so. Connections, buffers and
 * answers that wait are bounded; nothing that guest or clients send ends the thread.
 *
 * Sources: virtio 1.2, 5.10; QEMU's docs/interop/vhost-user; Firecracker's docs/vsock.md.
 */
#include <stdint.h>

struct vsock_backend;

/*
 * Serve. vhost_user_fd: the connected socket whose other end is QEMU's `-chardev socket` (or what
 * was accepted from it). listen_fd: a listening Unix stream socket, which the caller has bound to
 * uds_path. guest_cid is what the guest is told of its own. Both fds become the backend's, on
 * failure too. 0, or -1 with errno.
 */
int vsock_backend_start(int vhost_user_fd, int listen_fd, const char *uds_path, uint32_t guest_cid,
	struct vsock_backend **ret);

/* End all connections and the thread, close the fds, free. NULL is taken. */
void vsock_backend_stop(struct vsock_backend *b);
