/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Which /24 of the pool is whose, and what of it is taken. */
#include <stdint.h>
#include <sys/types.h>

#include "bangerd/addr.h"
#include "bangerd/store.h"
#include "common/err.h"

/* Inside a transaction: the owner's subnet, given now when it has none. Of a full pool the network
 * of an owner without VMs is given anew; else it fails with quota_exceeded. */
int store_subnet_of(
	struct store *s, uid_t owner, uint8_t pool_prefix, uint16_t *ret, struct err *err);

/* A pool may have become smaller: owners whose subnet is not in it any more get another, and so do
 * their VMs, none of which runs; *ret_moved: how many. Who gets none, since the pool is full, keeps
 * what he had. */
int store_subnet_fit(struct store *s, uint8_t pool_prefix, unsigned *ret_moved, struct err *err);

/* Inside a transaction: which addresses of a subnet have VMs. */
int store_subnet_hosts(struct store *s, uint16_t subnet, struct addr_hosts *ret, struct err *err);
