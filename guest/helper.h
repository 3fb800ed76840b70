/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
#include "common/err.h"
#include "guest/loop.h"

/* Work that would hold the loop up, done by a fork of the agent. */

/* sync(2); *ret_pidfd becomes readable when it is done, and is then reaped by child_reap(). */
int helper_sync(int *ret_pidfd, struct err *err);

/* What can wait until the guest is ready: the `late` modules, then the memory of the initramfs's
 * files. Failures are logged. Once. */
void helper_late(struct loop *loop, int tree);
