/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * Write everything out, make the root file system read-only where that can be, and end the
 * machine, always by a reset: with reboot=t (QEMU, -no-reboot) or reboot=k (Firecracker) that ends
 * the VMM, which a guest's power-off does not everywhere. Does not return.
 */
_Noreturn void poweroff_now(void);
