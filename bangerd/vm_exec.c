/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/vm_exec.h"

#include <fcntl.h>
#include <stdlib.h>

#include "bangerd/reply.h"
#include "bangerd/vm_files.h"
#include "bangerd/vm_guest.h"
#include "common/fd.h"
#include "common/settings.h"
#include "common/str.h"

#define ACCEPT_MS 15000 /* for a guest at work to accept a command */
#define HEALTH_MS 5000

int vm_exec(struct vm *vm, struct call *call, const struct rpc_vm_exec_in *in,
	struct json_object **ret, struct err *err)
{
	const struct wait w = wait_ms(call->cancel_fd, ACCEPT_MS);
	struct agent_exec_in request = {
		.argv = in->argv,
		.environment = in->env,
		.tty = in->tty,
		.rows = (uint16_t)(in->rows > UINT16_MAX ? UINT16_MAX : in->rows),
		.columns = (uint16_t)(in->columns > UINT16_MAX ? UINT16_MAX : in->columns),
	};
	struct agent_exec_out accepted;
	struct reply r;
	int fd;

	if ((in->user && !text_parse(in->user, &request.user)) ||
		(in->directory && !text_parse(in->directory, &request.directory)))
		return err_set(err, ERR_bad_request, "user or directory is no line of text");
	if (vm_session(vm, &request, &w, &accepted, &fd, err) < 0)
		return -1;
	reply_begin(&r);
	reply_int(&r, "pid", accepted.pid);
	if (reply_end(&r, ret, err) < 0) {
		fd_closep(&fd);
		return -1;
	}
	call->reply_fd = fd;
	return 0;
}

int vm_console(struct vm *vm, struct call *call, struct err *err)
{
	struct console *console;

	/* The guest has one from its launch on, ready or not. */
	if (vm_state(vm) == VM_STOPPED)
		return vm_not_running(vm, VM_STOPPED, err);
	if (vm_console_open(vm, &console, err) < 0)
		return -1;
	return console_attach(console, &call->reply_fd, err);
}

int vm_logs(struct vm *vm, struct call *call, bool follow, struct err *err)
{
	struct console *console;

	if (vm_console_open(vm, &console, err) < 0)
		return -1;
	return console_logs(console, follow, &call->reply_fd, err);
}

static int reply_health(const struct agent_health_out *h, const struct err *why,
	struct json_object **ret, struct err *err)
{
	struct reply r;

	reply_begin(&r);
	reply_bool(&r, "healthy", !why);
	if (why) {
		reply_string(&r, "message", why->msg);
		return reply_end(&r, ret, err);
	}
	reply_int(&r, "uptime_ms", (int64_t)h->uptime_ms);
	reply_string(&r, "main", main_state_to_name(h->main));
	reply_int(&r, "main_status", h->main_status);
	reply_int(&r, "sessions", h->sessions);
	reply_int(&r, "memory_total", (int64_t)h->memory_total);
	reply_int(&r, "memory_available", (int64_t)h->memory_available);
	reply_int(&r, "disk_total", (int64_t)h->disk_total);
	reply_int(&r, "disk_free", (int64_t)h->disk_free);
	return reply_end(&r, ret, err);
}

int vm_health(struct vm *vm, struct call *call, struct json_object **ret, struct err *err)
{
	const struct wait w = wait_ms(call->cancel_fd, HEALTH_MS);
	const struct agent_health_in in;
	struct agent_health_out out;
	struct err why = ERR_INIT;

	if (vm_agent_call(vm, agent_msg_health, &in, &out, &w, &why) == 0)
		return reply_health(&out, NULL, ret, err);
	if (why.code == ERR_not_running || why.code == ERR_cancelled) {
		*err = why;
		return -1;
	}
	return reply_health(NULL, &why, ret, err);
}
