/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Rows of kernels. Names are unique per owner. */
#include <sys/types.h>

#include "bangerd/store.h"

struct kernel_row {
	vm_id id; /* of the same form as a VM's */
	ref_name name;
	uid_t owner;
	text version, arch;
	uint64_t size; /* of vmlinux and initramfs, bytes */
	uint32_t n_modules;
	digest guest; /* of the guest programs in its initramfs */
	int64_t created_at;
	digest digest; /* of the file that it was pulled as; "": it was not */
};

/* As for images (store_image.h). */
int store_kernel_insert(struct store *s, const struct kernel_row *r, struct err *err);
/* Its initramfs was made anew. */
int store_kernel_refreshed(
	struct store *s, const vm_id *id, const digest *guest, uint64_t size, struct err *err);

typedef int (*store_kernel_each)(void *ctx, const struct kernel_row *r, struct err *err);
int store_kernel_list(struct store *s, enum store_side side, uid_t uid, store_kernel_each each,
	void *ctx, struct err *err);
int store_kernel_get(struct store *s, enum store_side side, const vm_id *id, struct kernel_row *ret,
	struct err *err);
