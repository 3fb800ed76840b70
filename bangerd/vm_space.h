/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What the daemon does about a VM when the host is full, or its disk lost: it is paused, and goes
 * on when there is room again (disk_watch.h says when). */
#include "bangerd/work.h"

/* Do it, in a worker, for the VM whose `space` this is. */
void vm_space_act(struct work_item *item);
