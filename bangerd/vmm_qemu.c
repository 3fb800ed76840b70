/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QEMU's microvm, launched by banger-netd, spoken to by QMP. */
#include <errno.h>
#include <fcntl.h>

#include "bangerd/qmp.h"
#include "bangerd/vmm_socket.h"
#include "common/fd.h"
#include "common/json.h"
#include "common/proto_netd.h"
#include "common/str.h"

/* banger-netd makes p0 … p15 (banger-netd(8)). */
#define PORTS 15

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
		.work = m->work,
	};
	struct netd_qemu_launch_out out;

	if (netd_qemu_launch(netd, &in, &out, err) < 0)
		return -1;
	*ret = (struct vmm){ .ops = &vmm_qemu,
		.pid = out.pid,
		.start_time = out.start_time,
		.pidfd = out.pidfd,
		.rundir = out.rundir,
		.jail_uid = out.jail_uid };
	return 0;
}

/* What there is to say was in its arguments. */
static int qemu_configure(
	const struct vmm *v, const struct vmm_machine *m, const struct wait *w, struct err *err)
{
	(void)v, (void)m, (void)w, (void)err;
	return 0;
}

/* One command on a connection of its own: nothing of it is kept between commands. */
static int ask(const struct vmm *v, const char *name, const struct wait *w,
	struct json_object **ret, struct err *err)
{
	struct qmp *q;
	int fd, r;

	if (vmm_socket(v, v->rundir, "qmp", &fd, err) < 0 || qmp_open(fd, w, &q, err) < 0)
		return -1;
	r = qmp_command(q, name, w, ret, err);
	qmp_close(q);
	return r;
}

static int qemu_resume(const struct vmm *v, const struct wait *w, struct err *err)
{
	return ask(v, "cont", w, NULL, err);
}

static int qemu_pause(const struct vmm *v, const struct wait *w, struct err *err)
{
	return ask(v, "stop", w, NULL, err);
}

/* RunState of QEMU's qapi/run-state.json: "paused" is what stop makes of a guest that ran; with
 * "io-error" QEMU stopped it by itself, since the host had no space for what it wrote. Either goes
 * on with cont, which writes it again. */
static int qemu_paused(const struct vmm *v, const struct wait *w, bool *ret, struct err *err)
{
	_cleanup_json_ struct json_object *o = NULL;
	struct json_object *member = NULL;
	const char *status;

	if (ask(v, "query-status", w, &o, err) < 0)
		return -1;
	if (json_object_is_type(o, json_type_object))
		json_object_object_get_ex(o, "status", &member);
	status = json_text(member, 32);
	if (!status)
		return err_set(err, ERR_protocol, "QEMU does not say how its guest is");
	*ret = str_eq(status, "paused") || str_eq(status, "io-error");
	return 0;
}

static int qemu_quit(const struct vmm *v, const struct wait *w, struct err *err)
{
	return ask(v, "quit", w, NULL, err);
}

static int qemu_console(const struct vmm *v, int *ret_out, int *ret_in, struct err *err)
{
	_cleanup_fd_ int fd = -1;
	int in;

	if (vmm_socket(v, v->rundir, "console", &fd, err) < 0)
		return -1;
	in = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (in < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot take QEMU's console");
	*ret_out = TAKE_FD(fd);
	*ret_in = in;
	return 0;
}

static int qemu_port(const struct vmm *v, unsigned port, int *ret_fd, struct err *err)
{
	char name[16];

	str_format(name, sizeof(name), "p%u", port);
	return vmm_socket(v, v->rundir, name, ret_fd, err);
}

static int qemu_control(const struct vmm *v, const struct wait *w, int *ret_fd, struct err *err)
{
	(void)w; /* QEMU itself listens: the guest's hello is what is waited for, by the agent */
	return qemu_port(v, 0, ret_fd, err);
}

const struct vmm_ops vmm_qemu = {
	.name = "QEMU",
	.kind = vmm_kind_qemu,
	.ports = PORTS,
	.launch = qemu_launch,
	.configure = qemu_configure,
	.start = qemu_resume,
	.pause = qemu_pause,
	.resume = qemu_resume,
	.paused = qemu_paused,
	.quit = qemu_quit,
	.console = qemu_console,
	.control = qemu_control,
	.port = qemu_port,
};
