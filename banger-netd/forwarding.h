/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * IPv4 forwarding, per interface, never globally: the kernel asks the interface that a packet came
 * in by (net.ipv4.conf.IF.forwarding). It is on for bridges that have a VM with NAT, and, while
 * there is any, for the host's uplinks (for the replies). What an uplink had before is kept in the
 * ledger's note "forwarding" and put back with the last such VM.
 */
#include <stdbool.h>

#include "banger-netd/ledger.h"
#include "banger-netd/link.h"

/* Switch it on for the uplinks of now (those that came later follow with the next VM). */
int forwarding_up(struct ledger *l, struct link *link, struct err *err);

/* Put back what was. An interface that is gone is fine. */
int forwarding_down(struct ledger *l, struct err *err);

/* The uplinks that it was switched on for, one a line (the caller frees). */
int forwarding_uplinks(struct ledger *l, char **ret, struct err *err);
