/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * A VM's second disk: a plain file `work` in the VM's directory, sparse, with an ext4 file system
 * that a worker made. It lives as long as the VM, whatever becomes of the root disk. It has its
 * name once it is whole: what is not is removed, and made anew. The VM's row says that it was made
 * (disk_place.made), from the moment it has its name: then it must be there.
 */
#include <stdbool.h>
#include <stdint.h>

#include "bangerd/disk.h"
#include "common/err.h"
#include "common/types.h"

struct ipc;

struct work_disk {
	int fd; /* -1: none; the VMM gets this one */
	bool fresh;
	uint64_t size;
};

#define WORK_DISK_INIT    \
	{                 \
		.fd = -1, \
	}

/* Bytes that a work disk of this size may have: at least WORK_DISK_MIN, at most what a disk may
 * have. Fails with bad_request. */
int work_disk_check(uint64_t size, struct err *err);

/* Whether one that was made is there as it was left; as disk_ops.look. */
int work_disk_look(const struct disk_place *place, struct err *err);

/* As disk_ops.fits. */
bool work_disk_fits(const struct disk_place *place);

/* One that was made, as disk_ops.attach does it; else a file of zeros that work_disk_finish() makes
 * a disk of, in the place of whatever has its name. */
int work_disk_open(const struct disk_place *place, struct work_disk *ret, struct err *err);

/* What the one that has its name was made with, by a banger that did not note it: the bytes of its
 * file, and at least WORK_DISK_MIN; 0 when there is none. */
int work_disk_made(int dirfd, const vm_id *vm, uint64_t *ret, struct err *err);

/* A fresh one gets its file system, and its name; with `durable` it is on the host's disk then.
 * Ends with cancelled soon after cancel_fd (-1: none) is readable. */
int work_disk_finish(struct work_disk *w, struct ipc *imaged, int dirfd, bool durable,
	int cancel_fd, struct err *err);

/* Remove what is half made in a VM's directory: at start, and when a start failed. */
void work_disk_sweep(int dirfd, const vm_id *vm);

void work_disk_close(struct work_disk *w); /* may be called again */
