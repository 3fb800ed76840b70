/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/host.h"

#include "common/ipc.h"

int host_load(struct ipc *netd, enum vmm_kind configured, struct host *ret, struct err *err)
{
	const struct netd_host_status_in in;
	struct host h = { .configured = configured };

	if (netd_host_status(netd, &in, &h.status, err) < 0)
		return err_wrap(err, "cannot ask banger-netd about the host");
	*ret = h;
	return 0;
}

int host_choose(const struct host *h, enum vmm_kind asked, enum accel accel, struct vmm_choice *ret,
	struct err *err)
{
	const struct vmm_wish wish = { asked, h->configured, accel };
	const struct netd_host_status_out *s = &h->status;
	const struct vmm_offer offer = {
		.qemu = s->have_qemu,
		.firecracker = s->have_firecracker,
		.firecracker_version = s->firecracker_version.s,
		.firecracker_problem = s->firecracker_problem.s,
		.kvm = s->kvm,
		.kvm_probe_us = s->kvm_probe_us,
	};

	return vmm_choose(&offer, &wish, ret, err);
}
