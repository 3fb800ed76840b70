/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What runs in the guest, by the /proc of the initramfs's tree. */
#include <stdbool.h>

/* Is there a process but process 1, this one, the kernel's own and the dead that nobody has taken
 * note of? True also when that cannot be told. */
bool processes_any_left(int tree);

/* Is process 1 systemd, or what it becomes at the end of a shutdown? */
bool processes_init_is_systemd(int tree);
