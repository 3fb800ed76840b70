/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Where KVM is slow, the truth probe takes a second, for which a suite that comes back after a
 * crash or an upgrade would let its VMs wait. So what it found is noted beside the ledger and holds
 * for who starts within a minute, on the same /dev/kvm: a module that was loaded anew makes it
 * anew.
 */
#include <stdbool.h>
#include <stdint.h>

#include "banger-netd/ledger.h"
#include "common/enums.h"

struct kvm_note {
	bool known;    /* to be slow */
	uint64_t us;   /* what the loop took */
	char node[96]; /* which /dev/kvm; "": there is none */
};

/* What is known, and of which node; at start, before netd confines itself. */
void kvm_note_read(struct ledger *l, struct kvm_note *ret);

/* What the probe found, when nothing was known: kept when it is slow, else (to ask again is quick)
 * not. A note that cannot be written is none. */
void kvm_note_write(
	struct ledger *l, const struct kvm_note *note, enum kvm_state state, uint64_t us);
