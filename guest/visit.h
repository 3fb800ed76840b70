/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Sessions over vsock: each connection to AGENT_VSOCK_SESSION is one. When its session has ended it
 * stays open until the host has closed it: a VMM may give the host but seconds to read what lies
 * between them once the guest's end is closed.
 */
#include "common/err.h"
#include "guest/loop.h"

/* Connections at a time. One more takes the place of the oldest that has no session. */
#define VISITS_MAX 128

/* Listen, and serve what comes; carry_init() comes first. */
int visit_start(struct loop *loop, struct err *err);
