/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A running VM's guest: its agent, and sessions, on streams of the VMM's or on leased ports. */
#include "bangerd/vm.h"

/* Fails, with not_running and what to do about it, because the state is `state`. */
int vm_not_running(const struct vm *vm, enum vm_state state, struct err *err);

/* agent_call(), on a new connection when there is none. */
int vm_agent_call(struct vm *vm, enum agent_message msg, const void *in, void *out,
	const struct wait *w, struct err *err);

/* Begin a session: its stream, with the exec request accepted. Fails with busy when
 * there are as many sessions as can be. */
int vm_session(struct vm *vm, const struct agent_exec_in *in, const struct wait *w,
	struct agent_exec_out *out, int *ret_fd, struct err *err);
