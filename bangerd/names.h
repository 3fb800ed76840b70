/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
#include "common/types.h"

/* A made-up name, "calm-otter", for `seed`; the same seed, the same name. `extra` not 0 is added
 * as a number, for when the plain ones are taken. */
vm_name names_make(uint32_t seed, unsigned extra);
