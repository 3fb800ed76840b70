/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/vm_json.h"

#include <json-c/json_object.h>

#include "bangerd/addr.h"
#include "bangerd/call.h"
#include "bangerd/disk_watch.h"
#include "bangerd/host.h"
#include "bangerd/reply.h"
#include "common/settings.h"
#include "common/str.h"

static ipv4 address_of(const struct vm *vm, uint8_t host)
{
	return addr_ipv4(vm->vms->services->host->status.pool, vm->row.subnet, host);
}

/* What it runs with, and why; of a VM that does not run, what it would. Under vms->lock. */
static void put_vmm(struct reply *r, const struct vm *vm)
{
	const struct vm_row *row = &vm->row;
	enum vmm_kind kind = vm->vmm.ops ? vm->vmm.ops->kind : row->vmm;
	struct vmm_choice c = { .kind = kind, .accel = row->accel };
	struct err why = ERR_INIT;

	if (host_choose(vm->vms->services->host, kind, row->accel, &c, &why) < 0)
		str_format(c.why.s, sizeof(c.why.s), "%.500s", why.msg);
	if (vm->vmm.ops)
		c.why = row->vmm_why;
	reply_string(r, "vmm", vmm_kind_to_name(c.kind));
	reply_string(r, "vmm_why", c.why.s);
	reply_string(r, "accel", accel_to_name(c.accel));
}

/* Under vms->lock. */
static void put_short(struct reply *r, const struct vm *vm)
{
	const struct vm_row *row = &vm->row;
	char buf[33];

	reply_owned(r, row->id.s, row->name.s, row->owner);
	reply_string(r, "state", vm_state_name(row->state));
	reply_string(r, "paused_why", row->paused_why.s[0] ? row->paused_why.s : NULL);
	reply_bool(r, "disk_lost", row->disk_lost || row->disk_gone);
	reply_bool(r, "work_lost", row->work_gone);
	reply_string(r, "image", row->image_name.s);
	reply_string(r, "kernel", row->kernel_name.s);
	reply_string(r, "ip", ipv4_format(address_of(vm, row->host), buf));
	reply_int(r, "vcpu", row->vcpus);
	reply_int(r, "memory_mib", row->memory_mib);
	reply_int(r, "disk_size", (int64_t)row->work_size);
	reply_int(r, "system_overlay_size", (int64_t)row->disk_size);
	reply_string(r, "disk", disk_kind_to_name(row->disk));
	reply_bool(r, "nat", row->nat);
	put_vmm(r, vm);
	reply_time(r, "created_at", row->created_at);
}

/* Under vms->lock. */
static void put_rest(struct reply *r, const struct vm *vm)
{
	const struct vm_row *row = &vm->row;
	bool runs = vm->vmm.ops != NULL;
	char buf[512];

	reply_string(r, "vmm_asked", vmm_kind_to_name(row->vmm));
	if (runs)
		reply_int(r, "pid", vm->vmm.pid);
	else
		reply_null(r, "pid");
	reply_time(r, "started_at", runs ? row->started_at : 0);
	reply_string(r, "boot_id", runs ? row->boot_id.s : NULL);
	reply_string(r, "mac", mac_format(row->mac, buf));
	reply_string(r, "gateway", ipv4_format(address_of(vm, 1), buf));
	reply_string(r, "mode", guest_mode_to_name(row->mode));
	reply_strv(r, "argv", &row->argv);
	reply_strv(r, "env", &row->env);
	reply_string(r, "user", row->user.s[0] ? row->user.s : NULL);
	reply_string(r, "directory", row->directory.s[0] ? row->directory.s : NULL);
	str_format(buf, sizeof(buf), "%s/vms/%s/%s", vm->vms->services->settings->paths_state_dir.s,
		row->id.s, CONSOLE_LOG);
	reply_string(r, "console_log", buf);
	disk_watch_describe(vm, r);
	reply_string(r, "last_error", row->last_error.s[0] ? row->last_error.s : NULL);
}

int vm_describe(struct vm *vm, bool full, struct json_object **ret, struct err *err)
{
	struct reply r;

	reply_begin(&r);
	pthread_mutex_lock(&vm->vms->lock);
	put_short(&r, vm);
	if (full)
		put_rest(&r, vm);
	pthread_mutex_unlock(&vm->vms->lock);
	return reply_end(&r, ret, err);
}

int vm_describe_all(struct vms *vms, uid_t uid, struct json_object **ret, struct err *err)
{
	struct reply list;

	reply_begin_array(&list);
	pthread_mutex_lock(&vms->lock);
	for (struct vm *vm = vms->first; vm && !list.failed; vm = vm->next) {
		struct reply r;

		if (uid != 0 && vm->row.owner != uid)
			continue;
		reply_begin(&r);
		put_short(&r, vm);
		reply_object(&list, NULL, reply_take(&r));
	}
	pthread_mutex_unlock(&vms->lock);
	return reply_single("vms", reply_take(&list), ret, err);
}
