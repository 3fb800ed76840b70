/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What the host offers, as banger-netd measured it when it started, and what is configured of it.
 */
#include "bangerd/vmm_choice.h"
#include "common/err.h"
#include "common/proto_netd.h"

struct ipc;

struct host {
	struct netd_host_status_out status;
	enum vmm_kind configured; /* [vmm] vmm */
};

int host_load(struct ipc *netd, enum vmm_kind configured, struct host *ret, struct err *err);

/* The VMM for a VM that asks so: what it asks for, else what is configured, else the best. See
 * vmm_choose(). */
int host_choose(const struct host *h, enum vmm_kind asked, enum accel accel, struct vmm_choice *ret,
	struct err *err);
