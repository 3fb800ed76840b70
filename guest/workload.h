/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * What the VM is for: the image's own init as process 1, or a command, the agent's child, whose
 * output goes to the console. When it ends, the VM goes on.
 */
#include <stdint.h>

#include "common/enums.h"
#include "guest/child.h"
#include "guest/loop.h"

/* `on_settled` is called once, when it is known how the workload began. */
void workload_init(
	struct loop *loop, int tree, const struct image *image, void (*on_settled)(void));

/* Wait for init's word on HANDOVER_PID1, then start what is to be started in that mode. */
void workload_start(enum guest_mode mode, int pid1);

enum main_state workload_state(void);
/* The exit status or signal, when it has ended. */
uint32_t workload_status(void);

/* Ask it to end: the image's stop signal to a command's process group, a request to restart the
 * machine to the image's init. */
void workload_stop(void);
