/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * How a VM gets its root disk from an image. A disk is made once, in the VM's directory, and
 * attached for each start. What takes long about its making is left to `finish`, so that the VMM
 * can be started beside it: before that the disk has its final size and the image's first MiB,
 * which is all that a kernel looks at before banger's init is told to mount.
 *
 * A disk is never made by the way: what was made once and is not there any more, or not as large,
 * is lost, and that is told.
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/enums.h"
#include "common/err.h"
#include "common/types.h"

struct ipc;

/* What is there before `finish`: the partition scan and its readahead stay inside. */
#define DISK_HEAD (1024 * 1024)

/* Whose disk, and where. Sizes are the disk's, in bytes. */
struct disk_place {
	vm_id vm;
	int dirfd;	  /* the VM's directory */
	bool work;	  /* for messages: it is the work disk */
	uint64_t size;	  /* as it is to be; not below the image's */
	uint64_t least;	  /* the image's: what a root disk has had from its first day */
	uint64_t made;	  /* as it was made, or grown, and has been written to; 0: not known */
	struct ipc *netd; /* for `attach` */
};

struct disk {
	int fd;	   /* attached: read and write; the VMM gets this one */
	int image; /* what is still needed of it, or -1 */
	uint64_t size;
	uint64_t image_size; /* of a copy's image, when it was begun */
};

struct disk_ops {
	enum disk_kind kind;
	bool on_image; /* an attached disk has its image below it: `attach` takes the image */

	/* Host bytes that a disk of this image takes at once. */
	int (*cost)(int image, uint64_t *ret_bytes, struct err *err);
	/* Make its files, which must not exist. Takes `image`, which nobody else may seek. On
	 * failure they may be left. */
	int (*make)(const struct disk_place *place, int image, struct disk *ret, struct err *err);
	/* Remove its files; none is fine. */
	int (*remove)(const struct disk_place *place, struct err *err);
	/* Whether a disk that is made is there as it was left: fails with bad_input when it is lost
	 * (its file is gone, none, too short, nothing is in it, or it is broken where the kernel
	 * begins to read). Changes nothing. */
	int (*look)(const struct disk_place *place, struct err *err);
	/* Whether a disk that is made is no larger yet than its place says; false when that cannot
	 * be seen. */
	bool (*fits)(const struct disk_place *place);
	/* A disk that is made, now or earlier (`disk` is DISK_INIT, or holds the image when the
	 * disk is on it): disk->fd. One that is smaller than its place says is made larger; one
	 * that is lost fails as of `look`. */
	int (*attach)(const struct disk_place *place, struct disk *disk, struct err *err);
	/* Copy what is left; no_space when the host is full. Ends with cancelled soon after
	 * cancel_fd (-1: none) is readable. */
	int (*finish)(struct disk *disk, int cancel_fd, struct err *err);
};

/* A plain file: reflink where the file system can, else a copy that keeps holes. */
extern const struct disk_ops disk_clone;

/* A device-mapper snapshot over the image, which all its VMs share; what differs is in a sparse
 * file of the VM's own. banger-netd makes it and takes it away with the VM's row. */
extern const struct disk_ops disk_dm;

/* NULL for auto. */
const struct disk_ops *disk_ops_of(enum disk_kind kind);

/* What new disks are: as configured, or (auto) device-mapper's where the host has it. Fails with
 * unavailable when it is configured and not there. */
int disk_choose(enum disk_kind configured, bool have_dm, enum disk_kind *ret, struct err *err);

#define DISK_INIT                     \
	{                             \
		.fd = -1, .image = -1 \
	}

/* Close what it holds; may be called again. */
void disk_close(struct disk *disk);

/* For the kinds of disks; sizes in `place` are the file's here. A file that is there is opened; one
 * with less than `made` or `least`, or that was made and has no data, is lost. disk_open() makes it
 * `size` bytes large if it is smaller. disk_unlink(): a file of the place goes, none is fine. */
int disk_look(const struct disk_place *place, const char *name, int *ret_fd, struct err *err);
int disk_open(const struct disk_place *place, const char *name, int *ret_fd, struct err *err);
bool disk_fits(const struct disk_place *place, const char *name);
int disk_unlink(const struct disk_place *place, const char *name, struct err *err);

/* That it is lost, since the file `how`. Always -1. */
int disk_lost(const struct disk_place *place, const char *name, const char *how, struct err *err);

/* Of a new file that did not get its size, for `sys`: bad_request where the file system has no
 * files of that size, no_space, or operation_failed. Always -1. */
int disk_cannot_make(bool work, int sys, struct err *err);
