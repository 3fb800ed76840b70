/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What the daemon does about VMs by itself: when a VMM ended, when a connection is gone. */
#include "bangerd/work.h"

/* Do the duties of the VM whose `duty` this is, in a worker. */
void vm_duty_run(struct work_item *item);
