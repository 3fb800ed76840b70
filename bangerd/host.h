/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What the host offers, as banger-netd measured it when it started. */
#include "bangerd/vmm_choice.h"
#include "common/err.h"
#include "common/proto_netd.h"

struct ipc;

struct host {
	struct netd_host_status_out status;
};

int host_load(struct ipc *netd, struct host *ret, struct err *err);

/* The VMM for a VM that asks so, or, with both auto, for one that does not: see vmm_choose(). */
int host_choose(
	const struct host *h, const struct vmm_wish *wish, struct vmm_choice *ret, struct err *err);
