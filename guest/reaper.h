/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
#include <sys/types.h>

/*
 * Process 1 where the image has no init of its own: reap orphans, and hand signals that ask an init
 * to end the machine (SIGTERM, SIGINT, SIGPWR, SIGUSR1, SIGUSR2) to the agent as SIGTERM. Without
 * the agent nothing can reach the guest: when it dies, the machine ends. All signals are blocked.
 */
_Noreturn void reaper_run(pid_t agent);
