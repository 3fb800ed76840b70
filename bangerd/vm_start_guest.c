/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The VMM of a start, and its guest until that is ready. */
#include <errno.h>
#include <poll.h>
#include <sys/random.h>
#include <time.h>

#include "bangerd/call.h"
#include "bangerd/host.h"
#include "bangerd/vm_entry.h"
#include "bangerd/vm_start_impl.h"
#include "bangerd/vm_stop.h"
#include "common/settings.h"
#include "common/str.h"

/* ---- launch: the VMM, then its guest ---- */

/* Between the end of a VMM's sockets and its own. */
#define END_MS 500

/* A VMM that is dead says more than the socket that closed. */
static int explain(struct start *s, struct err *err)
{
	struct pollfd p = { .fd = s->vm->vmm.pidfd, .events = POLLIN };
	bool closed = err->code == ERR_unavailable || err->sys == ECONNRESET || err->sys == EPIPE;
	char why[ERR_MSG_MAX];

	if (err->code == ERR_cancelled)
		return -1;
	if (poll(&p, 1, closed ? END_MS : 0) <= 0)
		return err_wrap(err, "VM '%s'", s->vm->row.name.s);
	vm_death(s->vm, !s->how->make_disk, why, sizeof(why));
	return err_set(err, ERR_operation_failed, "VM '%s' ended before it was ready: %s",
		s->vm->row.name.s, why);
}

int vm_start_launch(void *ctx, struct err *err)
{
	struct start *s = ctx;
	const struct vm_row *row = &s->vm->row;
	const struct settings *settings = s->vms->services->settings;
	const struct vmm_machine machine = {
		.vm = row->id,
		.vcpus = row->vcpus,
		.memory_mib = row->memory_mib,
		.accel = s->choice.accel,
		.mac = row->mac,
		.kernel = s->kernel.vmlinux,
		.initramfs = s->kernel.initramfs,
		.disk = s->disk.fd,
		.work = s->work.fd,
		.firecracker_version = s->vms->services->host->status.firecracker_version.s,
		.disk_bandwidth = settings->vmm_disk_bandwidth,
		.disk_ops = settings->vmm_disk_ops,
		.net_bandwidth = settings->vmm_net_bandwidth,
		.console_rate = settings->vmm_console_rate,
	};
	struct vmm vmm;
	int out, in;

	if (s->ops->launch(s->vms->services->netd, &machine, &vmm, err) < 0)
		return -1;
	pthread_mutex_lock(&s->vms->lock);
	s->vm->vmm = vmm;
	pthread_mutex_unlock(&s->vms->lock);
	s->guest = wait_ms(s->cancel_fd, settings->vmm_start_timeout * 1000);
	if (s->ops->configure(&vmm, &machine, &s->guest, err) < 0 ||
		s->ops->console(&vmm, &out, &in, err) < 0 ||
		console_connect(s->vm->console, out, in, err) < 0 ||
		s->ops->start(&vmm, &s->guest, err) < 0 ||
		(s->ops->attach && s->ops->attach(&vmm, s->vms->services->netd, &machine, err) < 0))
		return explain(s, err);
	return 0;
}

/* ---- guest: who it is, and when it is ready ---- */

static int set_up(struct start *s, struct agent_setup_out *out, struct err *err)
{
	const struct vm_row *row = &s->vm->row;
	struct agent_setup_in in = {
		.hostname = row->name,
		.mac = row->mac,
		.address = s->net.address,
		.prefix = s->net.prefix,
		.gateway = s->net.gateway,
		.dns1 = s->vms->dns[0],
		.dns2 = s->vms->dns[1],
	};
	_cleanup_free_ char *joined = NULL;
	struct timespec now;
	uint8_t seed[32];

	if (getrandom(seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
		return err_sys(err, ERR_operation_failed, errno, "no random bytes for the guest");
	in.seed = (bytes){ seed, sizeof(seed) };
	if (vm_entry(row, &s->image, &in, &joined, err) < 0)
		return -1;
	clock_gettime(CLOCK_REALTIME, &now);
	in.clock_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	return agent_call(s->vm->agent, agent_msg_setup, &in, out, &s->guest, err);
}

static int greet(struct start *s, struct agent_setup_out *out, struct err *err)
{
	const struct vmm *vmm = &s->vm->vmm;
	struct agent_hello_out hello;
	int fd;

	if (vmm->ops->control(vmm, &s->guest, &fd, err) < 0 ||
		agent_attach(s->vm->agent, fd, &s->guest, &hello, err) < 0)
		return -1;
	return set_up(s, out, err);
}

int vm_start_guest(void *ctx, struct err *err)
{
	struct start *s = ctx;
	struct agent_setup_out out;

	if (greet(s, &out, err) == 0) {
		pthread_mutex_lock(&s->vms->lock);
		s->vm->row.boot_id = out.boot_id;
		s->vm->row.started_at = (int64_t)time(NULL);
		pthread_mutex_unlock(&s->vms->lock);
		return 0;
	}
	explain(s, err);
	if (err->code != ERR_timeout || wait_cancelled(s->cancel_fd))
		return -1;
	s->keep = !s->vm->row.auto_remove; /* the client would take it away, once it is gone */
	return err_set(err, ERR_timeout,
		"the guest of VM '%s' did not answer in time (%llu s); %s%s", s->vm->row.name.s,
		(unsigned long long)s->vms->services->settings->vmm_start_timeout,
		s->vm->row.auto_remove ? "without --rm it is kept, and what it said"
				       : "what it said: banger vm logs ",
		s->vm->row.auto_remove ? "" : s->vm->row.name.s);
}
