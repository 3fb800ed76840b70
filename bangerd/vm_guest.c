/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/vm_guest.h"

#include <errno.h>
#include <fcntl.h>

#include "common/fd.h"
#include "common/str.h"
#include "common/stream.h"

#define GREET_MS 500

int vm_not_running(const struct vm *vm, enum vm_state state, struct err *err)
{
	if (state == VM_STOPPED)
		return err_set(err, ERR_not_running, "VM '%s' is not running: banger vm start %s",
			vm->row.name.s, vm->row.name.s);
	if (state == VM_PAUSED)
		return err_set(err, ERR_not_running, "VM '%s' is paused: banger vm resume %s",
			vm->row.name.s, vm->row.name.s);
	return err_set(err, ERR_not_running, "VM '%s' is not running: it is %s", vm->row.name.s,
		vm_state_name(state));
}

/* The VMM with an fd of its own to the run directory (no pidfd); close with vmm_close(). Fails
 * with not_running unless the state is running. */
static int open_vmm(struct vm *vm, struct vmm *ret, struct err *err)
{
	struct vmm v = VMM_INIT;
	enum vm_state state;

	pthread_mutex_lock(&vm->vms->lock);
	state = vm->row.state;
	if (state == VM_RUNNING) {
		v = vm->vmm;
		v.pidfd = -1;
		v.rundir = fcntl(vm->vmm.rundir, F_DUPFD_CLOEXEC, 3);
	}
	pthread_mutex_unlock(&vm->vms->lock);
	if (state != VM_RUNNING)
		return vm_not_running(vm, state, err);
	if (v.rundir < 0)
		return err_sys(
			err, ERR_operation_failed, errno, "cannot reach VM '%s'", vm->row.name.s);
	*ret = v;
	return 0;
}

/* A guest that saw two hosts come and go at once may miss the greeting of the last one: it is
 * greeted anew, with more patience each time. */
static int attach(struct vm *vm, const struct vmm *v, const struct wait *w, struct err *err)
{
	struct err why = ERR_INIT;

	if (agent_attached(vm->agent))
		return 0;
	for (uint64_t ms = GREET_MS;; ms *= 3) {
		struct wait part = wait_ms(w->cancel_fd, ms);
		struct agent_hello_out hello;
		bool last = part.deadline_ms >= w->deadline_ms;
		int fd;

		if (v->ops->control(v, w, &fd, err) < 0)
			return -1;
		if (agent_attach(vm->agent, fd, last ? w : &part, &hello, &why) == 0)
			return 0;
		if (last || (why.code != ERR_timeout && why.code != ERR_protocol))
			break;
	}
	*err = why;
	return -1;
}

/* Whose agent it is, when that is what failed, and not what was asked of it. */
static int say_whose(const struct vm *vm, struct err *err)
{
	if (err->code == ERR_timeout || err->code == ERR_unavailable || err->code == ERR_protocol)
		err_wrap(err, "VM '%s' does not answer (banger vm logs %s: what it said)",
			vm->row.name.s, vm->row.name.s);
	return -1;
}

int vm_agent_call(struct vm *vm, enum agent_message msg, const void *in, void *out,
	const struct wait *w, struct err *err)
{
	_cleanup_(vmm_close) struct vmm v = VMM_INIT;

	if (open_vmm(vm, &v, err) < 0)
		return -1;
	if (attach(vm, &v, w, err) < 0 || agent_call(vm->agent, msg, in, out, w, err) < 0)
		return say_whose(vm, err);
	return 0;
}

/* ---- sessions ---- */

/* The port after the one given last that nobody asks for just now; 0: none. It rests before it is
 * given again, so that what a session leaves has time to go. */
static unsigned take_port(struct vm *vm, unsigned n_ports, uint32_t tried)
{
	unsigned port = 0;

	pthread_mutex_lock(&vm->vms->lock);
	for (unsigned i = 0; i < n_ports && port == 0; i++) {
		unsigned k = (vm->last_port + i) % n_ports + 1;

		if (!((vm->leasing | tried) >> k & 1))
			port = k;
	}
	if (port > 0) {
		vm->leasing |= UINT32_C(1) << port;
		vm->last_port = port;
	}
	pthread_mutex_unlock(&vm->vms->lock);
	return port;
}

static void leave_port(struct vm *vm, unsigned port)
{
	pthread_mutex_lock(&vm->vms->lock);
	vm->leasing &= ~(UINT32_C(1) << port);
	pthread_mutex_unlock(&vm->vms->lock);
}

/* Ask the agent for the port, then connect to it: in this order, who is connected when the agent
 * looks is an earlier session's client, and the port busy. */
static int lease(struct vm *vm, const struct vmm *v, unsigned port, const struct wait *w,
	int *ret_fd, struct err *err)
{
	struct agent_lease_in in = { .port = (uint8_t)port };
	_cleanup_fd_ int fd = -1;
	uint8_t nonce[STREAM_NONCE];
	struct agent_lease_out out;

	stream_nonce(nonce);
	in.nonce = (bytes){ nonce, sizeof(nonce) };
	if (agent_call(vm->agent, agent_msg_lease, &in, &out, w, err) < 0 ||
		v->ops->port(v, port, &fd, err) < 0 || agent_handshake(fd, nonce, w, err) < 0)
		return -1;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int lease_any(
	struct vm *vm, const struct vmm *v, const struct wait *w, int *ret_fd, struct err *err)
{
	uint32_t tried = 0;
	unsigned port;

	while ((port = take_port(vm, v->ops->ports, tried)) > 0) {
		struct err why = ERR_INIT;
		int r = lease(vm, v, port, w, ret_fd, &why);

		leave_port(vm, port);
		if (r == 0)
			return 0;
		if (why.code != ERR_busy) {
			*err = why;
			return -1;
		}
		tried |= UINT32_C(1) << port;
	}
	return err_set(err, ERR_busy,
		"VM '%s' has %u commands at work already: end one, then try again", vm->row.name.s,
		v->ops->ports);
}

/* A session's stream, ready for its request. */
static int open_session(
	struct vm *vm, const struct vmm *v, const struct wait *w, int *ret_fd, struct err *err)
{
	if (v->ops->ports == 0)
		return v->ops->stream(v, w, ret_fd, err);
	if (attach(vm, v, w, err) < 0)
		return -1;
	return lease_any(vm, v, w, ret_fd, err);
}

int vm_session(struct vm *vm, const struct agent_exec_in *in, const struct wait *w,
	struct agent_exec_out *out, int *ret_fd, struct err *err)
{
	_cleanup_(vmm_close) struct vmm v = VMM_INIT;
	_cleanup_fd_ int fd = -1;

	if (open_vmm(vm, &v, err) < 0)
		return -1;
	if (open_session(vm, &v, w, &fd, err) < 0 || agent_exec_begin(fd, in, out, w, err) < 0)
		return say_whose(vm, err);
	*ret_fd = TAKE_FD(fd);
	return 0;
}
