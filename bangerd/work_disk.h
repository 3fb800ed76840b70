/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * A VM's second disk: a plain file `work` in the VM's directory, sparse, with an ext4 file system
 * that a worker made. It lives as long as the VM, whatever becomes of the root disk. It has its
 * name once it is whole: what is not is removed, and made anew.
 */
#include <stdbool.h>
#include <stdint.h>

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

/* The VM's, in its directory: as it is there, and made larger when it is smaller than `size`; else
 * a file of zeros that work_disk_finish() makes a disk of. */
int work_disk_open(
	int dirfd, const vm_id *vm, uint64_t size, struct work_disk *ret, struct err *err);

/* A fresh one gets its file system, and its name; with `durable` it is on the host's disk then.
 * Ends with cancelled soon after cancel_fd (-1: none) is readable. */
int work_disk_finish(struct work_disk *w, struct ipc *imaged, int dirfd, bool durable,
	int cancel_fd, struct err *err);

/* Remove what is half made in a VM's directory: at start, and when a start failed. */
void work_disk_sweep(int dirfd, const vm_id *vm);

void work_disk_close(struct work_disk *w); /* may be called again */
