/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* From a row to a guest that is ready. */
#include "bangerd/saga.h"
#include "bangerd/vm.h"
#include "bangerd/vm_hold.h"

/* What a start is told, and tells. */
struct vm_start_how {
	bool make_disk; /* the VM is being created: it has no directory yet */
	bool no_start;	/* make the disk only; then it is stopped */
	int image_fd;	/* with make_disk: of a registered image; else -1. Stays the caller's */
	saga_progress progress;
	void *progress_ctx;
};

/*
 * Under the VM's own lock: from stopped (or, with make_disk, creating) to running. On failure what
 * was made is gone again, directory and disk included when they were made here; with one exception:
 * *ret_keep is set (else untouched) when all was well but the guest, which did not get ready in
 * time. Then the VM is whole, and stopped.
 */
int vm_start_held(struct vm *vm, const struct vm_hold *hold, const struct vm_start_how *how,
	bool *ret_keep, struct err *err);
