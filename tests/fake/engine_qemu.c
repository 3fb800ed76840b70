/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A real guest: QEMU's microvm by TCG, with the same kernel, disks, TAPs, serial port, and a vsock
 * device whose other end is here (tests/fake/vsock). It works in Firecracker's jail, which forbids
 * fork(2) and execve(2): glibc's fork() is clone(2), and execveat(2) there is.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/json.h"
#include "common/str.h"
#include "tests/fake/log.h"
#include "tests/fake/machine.h"
#include "tests/fake/qemu_command.h"
#include "tests/fake/qmp.h"
#include "tests/fake/serial.h"
#include "tests/fake/vsock/backend.h"

#define QEMU "/usr/bin/qemu-system-x86_64"

static struct {
	pid_t pid;
	struct qmp qmp;
	struct vsock_backend *vsock;
	bool ending; /* it was told to quit */
} qemu;

/* ---- the child ---- */

static int inherit(int fd)
{
	return fd < 0 ? 0 : fd_set_cloexec(fd, false);
}

static _Noreturn void become_qemu(
	const struct machine *m, int binary, const struct qemu_ends *ends, char **argv)
{
	int r = prctl(PR_SET_PDEATHSIG, SIGKILL) | inherit(ends->qmp) | inherit(ends->vhost_user) |
		inherit(ends->serial);

	for (size_t i = 0; i < m->n_drives; i++)
		r |= inherit(m->drives[i].fd);
	for (size_t i = 0; i < m->n_nics; i++)
		r |= inherit(m->nics[i].tap);
	if (r == 0)
		syscall(SYS_execveat, binary, "", argv, environ, AT_EMPTY_PATH);
	perror("cannot execute " QEMU);
	_exit(127);
}

/* ---- how it ends ---- */

static void reap(void)
{
	while (qemu.pid > 0 && waitpid(qemu.pid, NULL, 0) < 0 && errno == EINTR)
		;
	qemu.pid = 0;
}

static _Noreturn void end(int status)
{
	log_line(LOG_LINE_INFO, "Firecracker exiting. exit_code=%d", status);
	exit(status);
}

/* A reset, by whatever way, is the end. A machine that was switched off stays, and so does its VMM:
 * nobody tells Firecracker. */
static void on_event(const char *name, struct json_object *data)
{
	struct json_object *reason;
	struct err err = ERR_INIT;

	if (qemu.ending || !str_eq(name, "SHUTDOWN") ||
		!json_object_object_get_ex(data, "reason", &reason) ||
		str_eq(json_object_get_string(reason), "guest-shutdown"))
		return;
	qemu.ending = true;
	/* It writes what it has, then closes. */
	if (qmp_execute(&qemu.qmp, "{\"execute\": \"quit\"}", &err) == 0)
		reap();
	end(0);
}

static void on_qmp(struct source *s, uint32_t events)
{
	if (qmp_move(&qemu.qmp) == 0)
		return;
	log_line(LOG_LINE_ERROR, "QEMU ended by itself");
	reap();
	end(1);
}

static void kill_qemu(void)
{
	/* The jail forbids kill(2). Should it be dead already, it is not reaped yet. */
	syscall(SYS_tgkill, qemu.pid, qemu.pid, SIGKILL);
	reap();
	qmp_close(&qemu.qmp);
	vsock_backend_stop(qemu.vsock);
	qemu.vsock = NULL;
}

/* ---- start ---- */

/* Our ends; QEMU's come to *ret. What was made by a failure stays the caller's to close. */
struct ours {
	int qmp, vhost_user;
};

static int pair(int *ours, int *qemus, struct err *err)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot make a socket pair");
	*ours = fds[0];
	*qemus = fds[1];
	return 0;
}

static int make_ends(
	const struct machine *m, struct ours *ours, struct qemu_ends *ret, struct err *err)
{
	if (pair(&ours->qmp, &ret->qmp, err) < 0)
		return -1;
	if (m->vsock && pair(&ours->vhost_user, &ret->vhost_user, err) < 0)
		return -1;
	return serial_is_limited(m) ? serial_start(m, &ret->serial, err) : 0;
}

static int start_vsock(struct machine *m, int vhost_user, struct err *err)
{
	struct json_object *path = json_object_object_get(m->vsock, "uds_path");
	/* A start that fails may be tried again. */
	int listening = fcntl(m->vsock_listen, F_DUPFD_CLOEXEC, 3);
	uint64_t cid = 0;

	json_get_u64(m->vsock, "guest_cid", 0, UINT32_MAX, &cid);
	if (vsock_backend_start(vhost_user, listening, json_object_get_string(path), (uint32_t)cid,
		    &qemu.vsock) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot serve the vsock");
	return 0;
}

/* QEMU asks its vsock's other end before it speaks QMP. */
static int start_others(struct machine *m, int qmp, int vhost_user, struct err *err)
{
	if (vhost_user >= 0 && start_vsock(m, vhost_user, err) < 0) {
		fd_closep(&qmp);
		return -1;
	}
	if (qmp_open(&qemu.qmp, qmp, err) < 0)
		return -1;
	qemu.qmp.source.ready = on_qmp;
	qemu.qmp.event = on_event;
	return loop_watch(&qemu.qmp.source, EPOLLIN, err);
}

static int spawn(struct machine *m, const struct qemu_ends *ends, struct err *err)
{
	_cleanup_fd_ int binary = open(QEMU, O_PATH | O_CLOEXEC);
	_cleanup_free_ struct qemu_command *c = malloc(sizeof(*c));

	if (binary < 0 || !c)
		return err_sys(err, ERR_unavailable, errno, "cannot open " QEMU);
	if (qemu_command_build(m, ends, c, err) < 0)
		return -1;
	qemu.pid = fork();
	if (qemu.pid == 0)
		become_qemu(m, binary, ends, c->argv);
	if (qemu.pid < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot start QEMU");
	return 0;
}

static int start(struct machine *m, struct err *err)
{
	struct qemu_ends ends = { -1, -1, -1 };
	struct ours ours = { -1, -1 };
	int r = make_ends(m, &ours, &ends, err);

	if (r == 0)
		r = spawn(m, &ends, err);
	fd_close_many((int[]){ ends.qmp, ends.vhost_user, ends.serial }, 3);
	if (r < 0) {
		fd_close_many((int[]){ ours.qmp, ours.vhost_user }, 2);
		return -1;
	}
	if (start_others(m, ours.qmp, ours.vhost_user, err) == 0)
		return 0;
	kill_qemu();
	return -1;
}

static int pause_guest(struct machine *m, struct err *err)
{
	return qmp_execute(&qemu.qmp, "{\"execute\": \"stop\"}", err);
}

static int resume_guest(struct machine *m, struct err *err)
{
	return qmp_execute(&qemu.qmp, "{\"execute\": \"cont\"}", err);
}

static int ctrl_alt_del(struct machine *m, struct err *err)
{
	return qmp_execute(&qemu.qmp, "{\"execute\": \"system_reset\"}", err);
}

static int balloon(struct machine *m, uint64_t mib, struct err *err)
{
	char command[128];

	snprintf(command, sizeof(command),
		"{\"execute\": \"balloon\", \"arguments\": {\"value\": %llu}}",
		(unsigned long long)(machine_mib(m) - mib) << 20);
	return qmp_execute(&qemu.qmp, command, err);
}

const struct engine engine_qemu = { start, pause_guest, resume_guest, ctrl_alt_del, balloon };
