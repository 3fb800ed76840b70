/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What the files of a start share: vm_start.c has the order, vm_start_disks.c and vm_start_guest.c
 * the steps that make something. */
#include "bangerd/disk.h"
#include "bangerd/kernels.h"
#include "bangerd/store_image.h"
#include "bangerd/vm_start.h"
#include "bangerd/vmm_choice.h"
#include "bangerd/work_disk.h"
#include "common/proto_netd.h"

/* One start at work. */
struct start {
	struct vm *vm;
	struct vms *vms;
	const struct vm_start_how *how;
	int cancel_fd;
	const struct err *err; /* why it failed, for what undoes */
	bool keep;	       /* the VM stays although the start failed */
	struct wait guest;     /* until the guest must be ready */

	struct image_row image;
	const struct disk_ops *disk_ops;
	int image_fd; /* -1 when its disk does without */
	struct kernel_files kernel;
	struct vmm_choice choice;
	const struct vmm_ops *ops;
	int dir_fd;
	struct disk disk;
	struct work_disk work;
	struct netd_tap_create_out net;
};

/* Its root disk is made of its image now. */
bool vm_start_makes_disk(const struct start *s);

/* Steps (saga.h); ctx is a struct start. */

/* The root disk's head, which is all that the booting kernel looks at. */
int vm_start_disk(void *ctx, struct err *err);
void vm_start_undo_disk(void *ctx);

/* The work disk, where the VM has one. */
int vm_start_work(void *ctx, struct err *err);
void vm_start_undo_work(void *ctx);

/* The rest of the disks, while the kernel boots. */
int vm_start_copy(void *ctx, struct err *err);

/* The VMM, and its guest let run. */
int vm_start_launch(void *ctx, struct err *err);

/* The guest is told who it is, and gets ready. */
int vm_start_guest(void *ctx, struct err *err);

/* No step: a VM that is kept is on the disk before anybody is told of it, or its row says so. */
int vm_start_keep_files(struct start *s, bool runs, struct err *err);
