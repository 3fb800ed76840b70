/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QEMU's microvm, launched by banger-netd, spoken to by QMP. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "bangerd/host.h"
#include "bangerd/qmp.h"
#include "bangerd/vmm.h"
#include "common/fd.h"
#include "common/proto_netd.h"
#include "common/str.h"

/* banger-netd makes p0 … p15 (banger-netd(8)). */
#define PORTS 15

void vmm_close(struct vmm *v)
{
	fd_closep(&v->pidfd);
	fd_closep(&v->rundir);
	*v = (struct vmm)VMM_INIT;
}

/* Connect to the socket `name` in the run directory. It is opened first and looked at, so that
 * what is connected to is a socket, and that one. */
static int connect_socket(const struct vmm *v, const char *name, int *ret_fd, struct err *err)
{
	_cleanup_fd_ int node = openat(v->rundir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_fd_ int fd = -1;
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct stat st;

	if (node < 0 || fstat(node, &st) < 0)
		return err_sys(err, ERR_unavailable, errno, "cannot open QEMU's socket %s", name);
	if (!S_ISSOCK(st.st_mode))
		return err_set(err, ERR_unavailable, "QEMU's %s is no socket", name);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d", node);
	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return err_sys(err, errno == EAGAIN ? ERR_busy : ERR_unavailable, errno,
			"cannot connect to QEMU's socket %s", name);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int qemu_probe(const struct host *host, struct err *err)
{
	if (!host->status.have_qemu)
		return err_set(err, ERR_unavailable,
			"QEMU is not installed: install the package qemu-system-x86 ([vmm] qemu)");
	if (!host->status.have_tun)
		return err_set(err, ERR_unavailable,
			"/dev/net/tun is not usable: load the module tun (modprobe tun)");
	return 0;
}

static int qemu_launch(
	struct ipc *netd, const struct vmm_machine *m, struct vmm *ret, struct err *err)
{
	const struct netd_qemu_launch_in in = {
		.vm = m->vm,
		.vcpus = m->vcpus,
		.memory = m->memory_mib,
		.accel = m->accel,
		.kernel = m->kernel,
		.initramfs = m->initramfs,
		.disk = m->disk,
	};
	struct netd_qemu_launch_out out;

	if (netd_qemu_launch(netd, &in, &out, err) < 0)
		return -1;
	*ret = (struct vmm){ &vmm_qemu, out.pid, out.start_time, out.pidfd, out.rundir };
	return 0;
}

static int qemu_adopt(struct ipc *netd, const vm_id *vm, struct vmm *ret, struct err *err)
{
	const struct netd_vm_adopt_in in = { .vm = *vm };
	struct netd_vm_adopt_out out;

	if (netd_vm_adopt(netd, &in, &out, err) < 0)
		return -1;
	*ret = (struct vmm){ &vmm_qemu, out.pid, out.start_time, out.pidfd, out.rundir };
	return 0;
}

/* One command on a connection of its own: nothing of it is kept between commands. */
static int command(const struct vmm *v, const char *name, const struct wait *w, struct err *err)
{
	struct qmp *q;
	int fd, r;

	if (connect_socket(v, "qmp", &fd, err) < 0 || qmp_open(fd, w, &q, err) < 0)
		return -1;
	r = qmp_command(q, name, w, NULL, err);
	qmp_close(q);
	return r;
}

static int qemu_resume(const struct vmm *v, const struct wait *w, struct err *err)
{
	return command(v, "cont", w, err);
}

static int qemu_quit(const struct vmm *v, const struct wait *w, struct err *err)
{
	return command(v, "quit", w, err);
}

static int qemu_console(const struct vmm *v, int *ret_fd, struct err *err)
{
	return connect_socket(v, "console", ret_fd, err);
}

static int qemu_port(const struct vmm *v, unsigned port, int *ret_fd, struct err *err)
{
	char name[16];

	str_format(name, sizeof(name), "p%u", port);
	return connect_socket(v, name, ret_fd, err);
}

const struct vmm_ops vmm_qemu = {
	.name = "qemu",
	.ports = PORTS,
	.probe = qemu_probe,
	.launch = qemu_launch,
	.adopt = qemu_adopt,
	.resume = qemu_resume,
	.quit = qemu_quit,
	.console = qemu_console,
	.port = qemu_port,
};
