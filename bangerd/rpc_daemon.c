/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ping, shutdown, daemon.status. */
#include <time.h>
#include <unistd.h>

#include "bangerd/call.h"
#include "bangerd/disk.h"
#include "bangerd/disk_watch.h"
#include "bangerd/host.h"
#include "bangerd/loop.h"
#include "bangerd/reply.h"
#include "bangerd/room.h"
#include "bangerd/vm_check.h"
#include "bangerd/vm_lost.h"
#include "bangerd/vms.h"
#include "common/log.h"
#include "common/settings.h"
#include "common/str.h"

int rpc_ping(
	struct call *call, struct rpc_ping_in *in, struct json_object **ret_result, struct err *err)
{
	struct reply r;

	reply_begin(&r);
	reply_string(&r, "version", BANGER_VERSION);
	return reply_end(&r, ret_result, err);
}

int rpc_shutdown(struct call *call, struct rpc_shutdown_in *in, struct json_object **ret_result,
	struct err *err)
{
	log_notice("uid %u asks for the end (pid %d)", (unsigned)call->uid, (int)call->pid);
	loop_end(call->services->loop);
	return 0;
}

static struct json_object *describe_host(const struct services *s)
{
	const struct netd_host_status_out *h = &s->host->status;
	struct err err = ERR_INIT;
	struct vmm_choice choice;
	enum disk_kind disk;
	bool can;
	char address[16], pool[32];
	struct reply r;

	can = host_choose(s->host, vmm_kind_auto, s->settings->vmm_accel, &choice, &err) == 0;
	str_format(pool, sizeof(pool), "%s/%u", ipv4_format(h->pool, address), h->pool_prefix);
	reply_begin(&r);
	reply_string(&r, "kvm", kvm_state_to_name(h->kvm));
	reply_int(&r, "kvm_probe_us", (int64_t)h->kvm_probe_us);
	reply_bool(&r, "tun", h->have_tun);
	reply_bool(&r, "qemu", h->have_qemu);
	reply_string(&r, "qemu_version", h->qemu_version.s);
	reply_bool(&r, "nftables", h->have_nft);
	reply_string(&r, "limits", limits_to_name(h->limits));
	reply_string(&r, "limits_problem", h->limits_problem.s);
	reply_string(&r, "net_pool", pool);
	reply_bool(&r, "firecracker", h->have_firecracker);
	reply_string(&r, "firecracker_version", h->firecracker_version.s);
	reply_string(&r, "firecracker_problem", h->firecracker_problem.s);
	reply_string(&r, "vmm", can ? vmm_kind_to_name(choice.kind) : NULL);
	reply_string(&r, "vmm_why", can ? choice.why.s : err.msg);
	reply_bool(&r, "device_mapper", h->have_dm);
	reply_string(&r, "disk",
		disk_choose(s->settings->image_disk, h->have_dm, &disk, &err) == 0
			? disk_kind_to_name(disk)
			: NULL);
	reply_string(&r, "accel", can ? accel_to_name(choice.accel) : NULL);
	return reply_take(&r);
}

static struct json_object *describe_defaults(const struct vm_defaults *d)
{
	struct reply r;

	reply_begin(&r);
	reply_int(&r, "vcpus", d->vcpus);
	reply_int(&r, "memory_mib", d->memory_mib);
	reply_int(&r, "disk_size", (int64_t)d->work_size);
	reply_int(&r, "system_overlay_size", (int64_t)d->disk_size);
	return reply_take(&r);
}

int rpc_daemon_status(struct call *call, struct rpc_daemon_status_in *in,
	struct json_object **ret_result, struct err *err)
{
	const struct services *s = call->services;
	unsigned all = 0, running = 0;
	struct vm_defaults defaults;
	struct timespec now;
	struct reply r;

	if (vm_defaults(s->vms, &defaults, err) < 0)
		return -1;
	vms_count(s->vms, call->uid, &all, &running);
	clock_gettime(CLOCK_MONOTONIC, &now);
	reply_begin(&r);
	reply_string(&r, "version", BANGER_VERSION);
	reply_int(&r, "pid", getpid());
	reply_int(&r, "uptime_s", now.tv_sec - s->started_ms / 1000);
	reply_int(&r, "vms", all);
	reply_int(&r, "vms_running", running);
	reply_object(&r, "host", describe_host(s));
	reply_object(&r, "defaults", describe_defaults(&defaults));
	reply_string(&r, "reconciled", vms_reconciled(s->vms));
	reply_string(&r, "socket", s->socket_path);
	reply_string(&r, "state_dir", s->settings->paths_state_dir.s);
	disk_watch_describe_host(s->vms, &r);
	return reply_end(&r, ret_result, err);
}

int rpc_daemon_examine(struct call *call, struct rpc_daemon_examine_in *in,
	struct json_object **ret_result, struct err *err)
{
	const struct services *s = call->services;
	const struct netd_forward_status_in forward_in;
	struct netd_forward_status_out forward;
	struct room room;
	struct reply r;

	if (netd_forward_status(s->netd, &forward_in, &forward, err) < 0 ||
		room_look(s->state_fd, &room, err) < 0)
		return -1;
	reply_begin(&r);
	reply_string(&r, "forward_dropped_by", forward.dropped ? forward.by.s : NULL);
	reply_int(&r, "state_free", (int64_t)room.free);
	vms_lost_describe(s->vms, call->uid, "lost", &r);
	return reply_end(&r, ret_result, err);
}
