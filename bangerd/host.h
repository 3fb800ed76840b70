/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What the host offers, as banger-netd measured it when it started. */
#include <stdbool.h>

#include "common/enums.h"
#include "common/err.h"
#include "common/proto_netd.h"

struct ipc;

struct host {
	struct netd_host_status_out status;
};

int host_load(struct ipc *netd, struct host *ret, struct err *err);

/* What a VM that asks for `wanted` runs on: kvm or tcg. Fails with unavailable, and says why, when
 * kvm is asked for and is not there. */
int host_accel(const struct host *h, enum accel wanted, enum accel *ret, struct err *err);
