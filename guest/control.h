/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
#include "common/err.h"
#include "guest/loop.h"

/* Port 0: bangerd's requests. `port` and `setup` are those of guest/handover.h; the setup request
 * is the first to be taken. The fds become control's. */
int control_start(struct loop *loop, int tree, int port, int setup, int pid1, struct err *err);
