/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A kernel as people have it → what a VMM boots: an ELF vmlinux, and an initramfs. */
#include "banger-imaged/progress.h"
#include "common/err.h"
#include "common/proto_job.h"

#define KERNEL_FILE_MAX	   (128U << 20)		 /* a bzImage, or a kernel in a package */
#define KERNEL_VMLINUX_MAX (UINT64_C(512) << 20) /* a vmlinux */

/*
 * The message kernel_import of common/proto/job.tbl.h: fds of `in` stay the caller's but `modules`,
 * which is taken. Fails with bad_input when a file is not what it must be, no_space when a target
 * is full; the targets then hold rubbish.
 */
int kernel_import(struct job_kernel_import_in *in, struct job_kernel_import_out *out,
	const struct progress *p, struct err *err);

/* The message initramfs_refresh. */
int kernel_refresh(const struct job_initramfs_refresh_in *in, struct job_initramfs_refresh_out *out,
	struct err *err);
