/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/vmm.h"

#include "common/fd.h"
#include "common/proto_netd.h"

const struct vmm_ops *vmm_ops_of(enum vmm_kind kind)
{
	static const struct vmm_ops *const drivers[vmm_kind__count] = {
		[vmm_kind_qemu] = &vmm_qemu,
		[vmm_kind_firecracker] = &vmm_firecracker,
	};

	return (unsigned)kind < vmm_kind__count ? drivers[kind] : NULL;
}

int vmm_adopt(struct ipc *netd, const vm_id *vm, struct vmm *ret, struct err *err)
{
	const struct netd_vm_adopt_in in = { .vm = *vm };
	struct netd_vm_adopt_out out;
	struct vmm v;

	if (netd_vm_adopt(netd, &in, &out, err) < 0)
		return -1;
	v = (struct vmm){ .ops = vmm_ops_of(out.vmm),
		.pid = out.pid,
		.start_time = out.start_time,
		.pidfd = out.pidfd,
		.rundir = out.rundir,
		.jail_uid = out.jail_uid };
	if (!v.ops) {
		vmm_close(&v);
		return err_set(
			err, ERR_protocol, "banger-netd does not say what runs VM %s", vm->s);
	}
	*ret = v;
	return 0;
}

void vmm_close(struct vmm *v)
{
	fd_closep(&v->pidfd);
	fd_closep(&v->rundir);
	*v = (struct vmm)VMM_INIT;
}
