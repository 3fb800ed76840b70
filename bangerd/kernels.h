/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Kernels: an ELF vmlinux, an initramfs with banger's guest programs, and a row each. A caller sees
 * its own and root's.
 */
#include <sys/types.h>

#include "bangerd/store_kernel.h"
#include "common/err.h"

struct kernels;
struct ipc;
struct settings;
struct call;
struct rpc_kernel_import_in;

/* `state_fd` is the state directory; it, and the others, must outlive the kernels. Opens the guest
 * programs in libexec_dir; that they are missing fails imports, not this. */
int kernels_create(const struct settings *settings, struct store *store, struct ipc *imaged,
	int state_fd, struct kernels **ret, struct err *err);
void kernels_destroy(struct kernels *k); /* NULL is allowed */

/* As images_sweep(). */
int kernels_sweep(struct kernels *k, struct err *err);

/* As images_find(). A NULL ref is the newest version that `uid` sees, its own before root's. */
int kernels_find(
	struct kernels *k, uid_t uid, const char *ref, struct kernel_row *ret, struct err *err);

/* Fails with no_space when less than is to stay free would be left after `need` bytes more. */
int kernels_check_space(struct kernels *k, uint64_t need, struct err *err);

struct kernel_files {
	int vmlinux, initramfs; /* read-only */
};
#define KERNEL_FILES_INIT \
	{                 \
		-1, -1    \
	}
void kernel_files_close(struct kernel_files *f); /* for _cleanup_ */

/* The files that a VM boots from. An initramfs with guest programs of another build is made anew
 * first, which takes an imaged job (cancel_fd, or -1, ends it). */
int kernels_open(struct kernels *k, const vm_id *id, int cancel_fd, struct kernel_files *ret,
	struct err *err);

/* The requests: see rpc.tbl.h. With a digest (NULL: none) the kernel's file must have it. */
int kernels_import(struct kernels *k, struct call *call, struct rpc_kernel_import_in *in,
	const digest *pin, struct kernel_row *ret, struct err *err);
int kernels_delete(struct kernels *k, struct call *call, const char *ref, struct err *err);
