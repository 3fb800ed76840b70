/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
#include "common/err.h"
#include "guest/loop.h"

/* The fds of guest/handover.h; port and listener are -1 when they are not there. */
struct control_fds {
	int tree, port, setup, pid1, listener;
};

/* The host's channel: bangerd's requests, over port 0 or one connection at a time. The setup
 * request is the first to be taken. The fds become control's. */
int control_start(struct loop *loop, const struct control_fds *fds, struct err *err);
