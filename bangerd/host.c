/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/host.h"

#include "common/ipc.h"

int host_load(struct ipc *netd, struct host *ret, struct err *err)
{
	const struct netd_host_status_in in;
	struct host h;

	if (netd_host_status(netd, &in, &h.status, err) < 0)
		return err_wrap(err, "cannot ask banger-netd about the host");
	*ret = h;
	return 0;
}

int host_accel(const struct host *h, enum accel wanted, enum accel *ret, struct err *err)
{
	bool good = h->status.kvm == kvm_state_good;

	if (wanted == accel_kvm && !good)
		return err_set(err, ERR_unavailable,
			"KVM cannot be used: /dev/kvm is %s; use tcg, or auto",
			kvm_state_to_name(h->status.kvm));
	*ret = wanted == accel_tcg || !good ? accel_tcg : accel_kvm;
	return 0;
}
