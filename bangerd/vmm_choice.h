/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Which VMM a VM gets: Firecracker where it can, QEMU where not, or what was asked for. */
#include <stdbool.h>
#include <stdint.h>

#include "common/enums.h"
#include "common/err.h"
#include "common/types.h"

/* What the host has. */
struct vmm_offer {
	bool qemu, firecracker;
	const char *firecracker_version;
	const char *firecracker_problem; /* why there is none, or why it cannot be run; "" */
	enum kvm_state kvm;
	uint64_t kvm_probe_us; /* what the truth probe took */
};

/* What is wanted: of the VM, which goes before what is configured ([vmm] vmm). */
struct vmm_wish {
	enum vmm_kind asked, configured;
	enum accel accel;
};

struct vmm_choice {
	enum vmm_kind kind; /* firecracker or qemu */
	enum accel accel;   /* kvm or tcg */
	text why;	    /* one sentence without a full stop */
	bool warn;	    /* it may not go well: why says so */
};

/*
 * Choose. Firecracker runs guests by KVM alone, and packaged kernels find its devices by ACPI,
 * which it has since 1.8; what is older than 1.5 lacks calls that are needed. Fails with
 * unavailable (what is needed is not there; says what to do), bad_version (Firecracker is too
 * old), bad_request (Firecracker and TCG were asked for).
 */
int vmm_choose(const struct vmm_offer *offer, const struct vmm_wish *wish, struct vmm_choice *ret,
	struct err *err);
