/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Device-mapper by its ioctls (linux/dm-ioctl.h): devices are made and removed by name. A device of
 * this suite's is known by its UUID, BANGER-SUITE-NAME; any other is somebody else's, and every
 * function here leaves it as it is. Needs CAP_SYS_ADMIN.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/err.h"

#define DM_SECTOR      512
#define DM_NAME_MAX    64
#define DM_PARAMS_MAX  96
#define DM_TARGETS_MAX 2

struct dm {
	int control;	/* -1: not open */
	uint32_t suite; /* what tells suites of one host apart: the first of their jail uids */
};

/* One line of a table: `length` sectors from sector `start` on. */
struct dm_target {
	uint64_t start, length;
	char type[16];
	char params[DM_PARAMS_MAX];
};

struct dm_table {
	size_t n;
	struct dm_target target[DM_TARGETS_MAX];
};

struct dm_info {
	dev_t dev;
	uint32_t open_count;
	bool live; /* has a table in use */
};

/* Open the control node. Fails with unavailable where the kernel has no device-mapper. */
int dm_open(uint32_t suite, struct dm *ret, struct err *err);
void dm_close(struct dm *dm);

/* The kernel has a kind of target: its module is loaded if need be. Fails with unavailable. */
int dm_check_target(const struct dm *dm, const char *target, struct err *err);

/* Make a device. On failure there is none. Fails with
 * already_exists when there is one of that name. udev's event has no cookie: a cookie is waited for
 * by nobody, and makes udev execute dmsetup twice. data/59-banger.rules keeps it off the content.
 */
int dm_create(const struct dm *dm, const char *name, const struct dm_table *table, bool read_only,
	dev_t *ret_dev, struct err *err);

/* 1 and *ret when this suite's device of that name is there, 0 when none is, -1 on failure, also
 * when it is somebody else's. */
int dm_find(const struct dm *dm, const char *name, struct dm_info *ret, struct err *err);

/* Remove it; while somebody has it open it goes with the last close. None is fine. */
int dm_remove(const struct dm *dm, const char *name, struct err *err);

/* The status line of its first target, as text. */
int dm_status(const struct dm *dm, const char *name, char *dst, size_t cap, struct err *err);

/* Tell f of each of this suite's devices; it may remove the one that it is told of. Stops at the
 * first -1 of f. */
int dm_each(const struct dm *dm, int (*f)(void *ctx, const char *name, struct err *err), void *ctx,
	struct err *err);
