/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
#include <stdint.h>

/* Run a loop of some 100,000 instructions in a VM of /dev/kvm, in long mode with paging, and say
 * how long that took. 0, or -1 with errno (EPROTO: it did not end as it should). */
int kvm_guest_run(int kvm_fd, uint64_t *ret_ns);
