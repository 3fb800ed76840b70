/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * How a VM gets its root disk from an image. A disk is made in two halves, so that the VMM can be
 * started beside the copying: after `begin` the file has its final size and the image's first MiB,
 * which is all that a kernel looks at before banger's init is told to mount; `finish` does the
 * rest.
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"

/* What is there after `begin`: the partition scan and its readahead stay inside. */
#define DISK_HEAD (1024 * 1024)

struct disk {
	int fd;	   /* the disk, read and write; the VMM gets this one */
	int image; /* -1 once all is copied */
	uint64_t size;
};

struct disk_ops {
	const char *name;
	/* Host bytes that a disk of this image takes at once. */
	int (*cost)(int image, uint64_t *ret_bytes, struct err *err);
	/* Make `name`, which must not exist, under dirfd; `size` is not below the image's own.
	 * Takes `image`, which nobody else may seek. On failure the file may be left. */
	int (*begin)(int dirfd, const char *name, int image, uint64_t size, struct disk *ret,
		struct err *err);
	/* Copy what is left; no_space when the host is full. Ends with cancelled soon after
	 * cancel_fd (-1: none) is readable. */
	int (*finish)(struct disk *disk, int cancel_fd, struct err *err);
};

/* Reflink where the file system can, else a copy that keeps holes. The disk is a plain file. */
extern const struct disk_ops disk_clone;

#define DISK_INIT                     \
	{                             \
		.fd = -1, .image = -1 \
	}

/* Close what it holds; may be called again. */
void disk_close(struct disk *disk);

/* Fails with no_space unless `bytes` can be written below dirfd and `keep` bytes stay free. */
int disk_check_space(int dirfd, uint64_t bytes, uint64_t keep, struct err *err);
