/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Rows say which /24 of the pool a VM is in, and its guest has the address that this made when it
 * started. So the pool is noted beside the ledger: one that is configured otherwise while VMs have
 * a network would cut them off, and give their addresses' rules to nobody.
 */
#include "banger-netd/config.h"
#include "banger-netd/ledger.h"

/* At start, before anything is made: the pool that is configured is noted from now on. Fails with
 * bad_input when a VM's address would be another in it, or none, and says which VMs these are. */
int pool_note_check(struct ledger *l, const struct netd_config *c, struct err *err);
