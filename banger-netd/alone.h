/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Locks that say that there is another banger-netd. */
#include "common/err.h"

/* Lock an open file for good; one who has it may be about to end, and is waited for, two seconds.
 * Fails with busy: "another banger-netd has WHAT". */
int alone_lock(int fd, const char *what, struct err *err);

/*
 * One netd a network namespace, whatever its directories are: two would take each other's bridges
 * and rules for leftovers, and with the same jail uids each other's VMs. *ret_fd is the claim, or
 * -1 where it cannot be made, which is logged. Fails with busy.
 */
int alone_claim(int *ret_fd, struct err *err);
