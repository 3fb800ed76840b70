/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-netd/netd.h"

int on_firecracker_launch(struct netd *n, struct netd_firecracker_launch_in *in,
	struct netd_firecracker_launch_out *out, struct err *err)
{
	struct ledger_row *row;

	if (netd_gate(n, netd_msg_firecracker_launch, in->vm, &row, err) < 0)
		return -1;
	return err_set(err, ERR_unavailable, "there is no firecracker");
}

int on_tap_attach(struct netd *n, struct netd_tap_attach_in *in, struct netd_tap_attach_out *out,
	struct err *err)
{
	struct ledger_row *row;

	if (netd_gate(n, netd_msg_tap_attach, in->vm, &row, err) < 0)
		return -1;
	return err_set(err, ERR_protocol, "VM %s has its TAP", in->vm.s);
}
