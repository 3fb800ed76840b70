/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
#include <stdbool.h>

/* Does the machine have a virtio device of this kind (linux/virtio_ids.h)? What brings in the bus
 * must be loaded; whether a driver has the device does not matter. */
bool virtio_has(int tree, unsigned id);
