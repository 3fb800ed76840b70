/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/vm_stop.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bangerd/call.h"
#include "bangerd/saga.h"
#include "bangerd/vm_files.h"
#include "bangerd/vm_guest.h"
#include "bangerd/vm_pause.h"
#include "bangerd/vm_watch.h"
#include "common/fd.h"
#include "common/log.h"
#include "common/proto_netd.h"
#include "common/str.h"

#define ASK_MS	  2000 /* for the agent, or QEMU, to take the request */
#define KILL_MS	  10000
#define LOG_MAX	  4096
#define WORDS_MAX 200 /* of a console, in a message */

static bool pidfd_ended(int pidfd)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

bool vm_has_ended(struct vm *vm)
{
	enum vm_state s = vm_state(vm);

	return (s == VM_RUNNING || s == VM_STOPPING || s == VM_PAUSED) && vm->vmm.ops &&
	       pidfd_ended(vm->vmm.pidfd);
}

/* The last line of the VMM's own log. */
static void read_vmm_log(struct vm *vm, char *dst, size_t cap)
{
	_cleanup_fd_ int fd = openat(vm->vmm.rundir, "vmm.log", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	char buf[LOG_MAX];
	ssize_t n = fd < 0 ? 0 : fd_read_full(fd, buf, sizeof(buf) - 1);
	char *last;

	buf[n < 0 ? 0 : n] = '\0';
	while (n > 0 && buf[n - 1] == '\n')
		buf[--n] = '\0';
	last = strrchr(buf, '\n');
	last = last ? last + 1 : buf;
	str_sanitize(last);
	str_format(dst, cap, "%.200s", last);
}

/* Reap a VMM that is dead; how it ended, "" for a plain exit. */
static void reap(struct vm *vm, char *dst, size_t cap)
{
	const struct netd_vm_reap_in in = { .vm = vm->row.id };
	struct netd_vm_reap_out out;
	struct err err = ERR_INIT;
	int status;

	dst[0] = '\0';
	if (netd_vm_reap(vm->vms->services->netd, &in, &out, &err) < 0) {
		log_warning("VM %s: %s", vm->row.id.s, err.msg);
		return;
	}
	status = (int)out.status;
	if (!out.known)
		return;
	if (WIFSIGNALED(status))
		str_format(dst, cap, "%s was killed by signal %d", vm->vmm.ops->name,
			WTERMSIG(status));
	else if (WEXITSTATUS(status) != 0)
		str_format(dst, cap, "%s ended with status %d", vm->vmm.ops->name,
			WEXITSTATUS(status));
}

/* What the console still holds goes to its log. */
static void disconnect_console(struct vm *vm)
{
	struct console *console = vm_console_get(vm);

	if (console)
		console_disconnect(console);
}

/* What its kernel panicked of, else the end of its console. */
static void last_words(struct vm *vm, char *dst, size_t cap)
{
	struct console *console = vm_console_get(vm);
	char tail[2 * LOG_MAX] = "", *from, *end;

	if (console)
		console_tail(console, tail, sizeof(tail));
	from = strstr(tail, "Kernel panic");
	end = from ? strstr(from, " | ") : NULL;
	if (end)
		*end = '\0';
	if (!from)
		from = strlen(tail) > WORDS_MAX ? tail + strlen(tail) - WORDS_MAX : tail;
	str_format(dst, cap, "%.*s", WORDS_MAX, from[0] ? from : "(nothing)");
}

/* "`what`: the VMM's last words; its console: …": where that is, or, of a VM that is not kept, what
 * it ended with. */
static void describe_end(struct vm *vm, const char *what, bool kept, char *dst, size_t cap)
{
	char said[224], words[WORDS_MAX + 1];

	read_vmm_log(vm, said, sizeof(said));
	if (kept) {
		str_format(dst, cap, "%s%s%s; its console: banger vm logs %s", what,
			said[0] ? ": " : "", said, vm->row.name.s);
		return;
	}
	last_words(vm, words, sizeof(words));
	str_format(dst, cap, "%s%s%s; its console ended with: %s", what, said[0] ? ": " : "", said,
		words);
}

void vm_death(struct vm *vm, bool kept, char *dst, size_t cap)
{
	char how[64];

	disconnect_console(vm);
	reap(vm, how, sizeof(how));
	describe_end(vm, how[0] ? how : "the guest powered off", kept, dst, cap);
}

int vm_release_host(struct vm *vm, struct err *err)
{
	const struct netd_vm_release_in in = { .vm = vm->row.id };
	struct netd_vm_release_out out;
	struct err why = ERR_INIT;
	struct vmm old;
	int r;

	vm_unwatch(vm);
	r = netd_vm_release(vm->vms->services->netd, &in, &out, &why);
	disconnect_console(vm);
	agent_detach(vm->agent);
	pthread_mutex_lock(&vm->vms->lock);
	old = vm->vmm;
	vm->vmm = (struct vmm)VMM_INIT;
	pthread_mutex_unlock(&vm->vms->lock);
	vmm_close(&old);
	vm->unreleased = r < 0;
	if (r < 0) {
		log_error("VM %s: cannot be taken off the host: %s", vm->row.id.s, why.msg);
		*err = why;
	}
	return r;
}

/* Ask the agent to shut the guest down; false when it does not even answer. */
static bool ask_guest(struct vm *vm, const struct wait *stop, struct err *err)
{
	const struct agent_shutdown_in in = { .timeout_ms = (uint32_t)wait_left_ms(stop) };
	struct wait w = wait_ms(stop->cancel_fd, ASK_MS);
	struct agent_shutdown_out out;
	struct err why = ERR_INIT;

	if (w.deadline_ms > stop->deadline_ms)
		w.deadline_ms = stop->deadline_ms;
	if (vm_agent_call(vm, agent_msg_shutdown, &in, &out, &w, &why) == 0)
		return true;
	if (why.code == ERR_cancelled)
		*err = why;
	else
		log_warning("VM %s: cannot be shut down by its agent: %s", vm->row.id.s, why.msg);
	return false;
}

/* 0 when it ended, or is to be killed. */
static int power_off(struct vm *vm, const struct vm_hold *hold, uint64_t ms, struct err *err)
{
	const struct wait w = wait_ms(hold->cancel_fd, ms);
	struct wait quit = wait_ms(hold->cancel_fd, ASK_MS);
	struct err why = ERR_INIT;

	if (ask_guest(vm, &w, err)) {
		vm_set_state(vm, VM_STOPPING);
		if (wait_ready(vm->vmm.pidfd, POLLIN, &w, "the guest", &why) == 0)
			return 0;
		if (why.code == ERR_cancelled) {
			*err = why;
			return -1;
		}
		log_warning("VM %s: did not power off in time", vm->row.id.s);
	}
	if (err->code == ERR_cancelled)
		return -1;
	/* QEMU writes out what it holds before it quits; one that cannot be asked is killed. */
	if (vm->vmm.ops->quit(&vm->vmm, &quit, &why) == 0)
		(void)wait_ready(vm->vmm.pidfd, POLLIN, &quit, "the VMM", &why);
	return 0;
}

/* ---- the end, in steps: of one that ended by itself, is killed, or is asked to stop ---- */

struct end {
	struct vm *vm;
	const struct vm_hold *hold;
	uint64_t timeout_ms; /* for the guest to power off */
	enum vm_state was;
	bool by_itself;
	char why[ERR_MSG_MAX]; /* that is not as it should be */
};

/* The guest is asked to power off. What does not is the next step's. */
static int do_shutdown(void *ctx, struct err *err)
{
	struct end *e = ctx;
	struct vm *vm = e->vm;
	struct err why = ERR_INIT;

	/* Only a guest that runs can shut itself down. */
	if (vm_state(vm) == VM_PAUSED && vm_resume_held(vm, e->hold, &why) < 0) {
		if (why.code == ERR_cancelled) {
			*err = why;
			return -1;
		}
		/* What it has not written yet is in its memory: to kill it is the user's choice. */
		if (why.code == ERR_no_space) {
			*err = why;
			return err_wrap(err,
				"it cannot shut down (banger vm kill %s ends it as it is)",
				vm->row.name.s);
		}
		log_warning("VM %s: %s", vm->row.id.s, why.msg);
	}
	vm_unwatch(vm);
	e->was = vm_state(vm);
	return power_off(vm, e->hold, e->timeout_ms, err);
}

static int do_kill(void *ctx, struct err *err)
{
	struct end *e = ctx;
	struct vm *vm = e->vm;
	const struct netd_vm_signal_in in = { .vm = vm->row.id, .signo = SIGKILL };
	const struct wait w = wait_ms(-1, KILL_MS);
	struct netd_vm_signal_out out;
	struct err why = ERR_INIT;

	/* That it cannot be signalled any more is what is wanted. */
	vm_unwatch(vm);
	if (!pidfd_ended(vm->vmm.pidfd) &&
		netd_vm_signal(vm->vms->services->netd, &in, &out, &why) < 0 &&
		!pidfd_ended(vm->vmm.pidfd)) {
		*err = why;
		return -1;
	}
	return wait_ready(vm->vmm.pidfd, POLLIN, &w, "the killed VMM", err);
}

/* It runs on, as it did; or it is over, and as much of the rest is done as can be. */
static void undo_end(void *ctx)
{
	struct end *e = ctx;
	struct vm *vm = e->vm;
	struct err err = ERR_INIT;

	if (vm->vmm.ops && !pidfd_ended(vm->vmm.pidfd)) {
		vm_set_state(vm, e->was);
		if (vm_watch_end(vm, &err) < 0)
			log_error("VM %s: %s", vm->row.id.s, err.msg);
		return;
	}
	if (vm->vmm.ops && vm_release_host(vm, &err) < 0)
		err = (struct err)ERR_INIT; /* logged; a start or delete tries again */
	if (vm_save(vm, VM_STOPPED, e->why, &err) < 0)
		log_error("VM %s: cannot save that it stopped: %s", vm->row.id.s, err.msg);
}

static int do_reap(void *ctx, struct err *err)
{
	struct end *e = ctx;
	struct vm *vm = e->vm;
	char how[64];

	disconnect_console(vm);
	reap(vm, how, sizeof(how));
	if (e->by_itself && how[0]) {
		describe_end(vm, how, !vm->row.auto_remove, e->why, sizeof(e->why));
		log_warning("VM %s: %s", vm->row.id.s, e->why);
	} else if (e->by_itself) {
		log_info("VM %s '%s' powered off", vm->row.id.s, vm->row.name.s);
	}
	return 0;
}

static int do_release(void *ctx, struct err *err)
{
	struct end *e = ctx;

	return vm_release_host(e->vm, err);
}

static int do_save(void *ctx, struct err *err)
{
	struct end *e = ctx;

	return vm_save(e->vm, VM_STOPPED, e->why, err);
}

static const struct saga_step stop_steps[] = {
	{ "shutdown", do_shutdown, undo_end },
	{ "kill", do_kill, NULL },
	{ "reap", do_reap, NULL },
	{ "release", do_release, NULL },
	{ "save", do_save, NULL },
};

static const struct saga_step kill_steps[] = {
	{ "kill", do_kill, undo_end },
	{ "reap", do_reap, NULL },
	{ "release", do_release, NULL },
	{ "save", do_save, NULL },
};

static const struct saga_step end_steps[] = {
	{ "reap", do_reap, undo_end },
	{ "release", do_release, NULL },
	{ "save", do_save, NULL },
};

static const struct saga stop_saga = SAGA("vm.stop", stop_steps);
static const struct saga kill_saga = SAGA("vm.kill", kill_steps);
static const struct saga end_saga = SAGA("vm.end", end_steps);

void vm_end(struct vm *vm)
{
	struct end e = { .vm = vm, .was = vm_state(vm), .by_itself = true };
	struct err err = ERR_INIT;

	if (saga_run(&end_saga, &e, -1, NULL, &err) < 0)
		log_error("VM %s: its end: %s", vm->row.id.s, err.msg);
}

int vm_kill_held(struct vm *vm, struct err *err)
{
	struct end e = { .vm = vm, .was = vm_state(vm) };

	return vm->vmm.ops ? saga_run(&kill_saga, &e, -1, NULL, err) : 0;
}

int vm_kill_silent(struct vm *vm, struct err *err)
{
	struct err why = *err, failed = ERR_INIT;

	if (vm_kill_held(vm, &failed) < 0) {
		log_error("VM %s: %s, and cannot be killed: %s", vm->row.id.s, why.msg, failed.msg);
		return -1;
	}
	err_set(err, ERR_timeout, "%s: it is killed", why.msg);
	log_error("VM %s: %s", vm->row.id.s, err->msg);
	if (vm_save(vm, VM_STOPPED, err->msg, &failed) < 0)
		log_error("VM %s: cannot save that it stopped: %s", vm->row.id.s, failed.msg);
	return -1;
}

int vm_stop_held(struct vm *vm, const struct vm_hold *hold, uint64_t timeout_ms, struct err *err)
{
	struct end e = { .vm = vm, .hold = hold, .timeout_ms = timeout_ms, .was = vm_state(vm) };

	if (!vm->vmm.ops)
		return 0;
	if (pidfd_ended(vm->vmm.pidfd)) {
		vm_end(vm);
		return 0;
	}
	if (timeout_ms == 0)
		return saga_run(&kill_saga, &e, -1, NULL, err);
	return saga_run(&stop_saga, &e, hold->cancel_fd, NULL, err);
}
