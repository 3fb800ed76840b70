/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * What is banger's on this host and in no row of the ledger: a row was lost, or a crash came
 * between a change and what undoes it. Taken away when netd starts. A name alone makes nothing
 * ours: a process has a uid of our range, a bridge the MAC that its owner's uid gives, a TAP such
 * an owner or such a bridge, a disk this suite's mark.
 */
#include "banger-netd/netd.h"

/* A log line for each; how many. What cannot be taken away is logged, and left. */
unsigned netd_sweep(struct netd *n);
