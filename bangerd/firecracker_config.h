/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The calls of Firecracker's API that say what machine it is to be: all before the guest starts.
 * Paths are those inside the jail. Rates are a second, in each direction where there are two; 0 is
 * no limit. Errors as in firecracker_api.h; bad_request for what Firecracker would take and fail
 * with later, or cannot do.
 */
#include <stdint.h>

#include "bangerd/firecracker_api.h"
#include "common/types.h"

#define FIRECRACKER_VCPUS_MAX 32

int firecracker_config_machine(struct firecracker_api *api, unsigned vcpus, uint32_t memory_mib,
	const struct wait *w, struct err *err);
int firecracker_config_boot(struct firecracker_api *api, const char *kernel, const char *initramfs,
	const char *args, const struct wait *w, struct err *err);

/* The root drive, read and write; what the guest has flushed is on the host's disk. */
int firecracker_config_root(struct firecracker_api *api, const char *path, uint64_t bandwidth,
	uint64_t operations, const struct wait *w, struct err *err);

/* The same for the work disk. */
int firecracker_config_work(struct firecracker_api *api, const char *path, uint64_t bandwidth,
	uint64_t operations, const struct wait *w, struct err *err);

/* The one interface, on the TAP of that name in Firecracker's network namespace. */
int firecracker_config_interface(struct firecracker_api *api, const char *tap, mac address,
	uint64_t bandwidth, const struct wait *w, struct err *err);

/* Firecracker makes the socket at `path` with this call. cid ≥ 3. */
int firecracker_config_vsock(struct firecracker_api *api, uint32_t cid, const char *path,
	const struct wait *w, struct err *err);
int firecracker_config_entropy(struct firecracker_api *api, const struct wait *w, struct err *err);

/* An empty balloon, which gives back what it has when the guest runs out of memory. stats_s: how
 * often the guest counts its memory; 0: never. */
int firecracker_config_balloon(
	struct firecracker_api *api, unsigned stats_s, const struct wait *w, struct err *err);

/* Since 1.16 (its CHANGELOG): bytes of console output beyond the rate are dropped. */
int firecracker_config_serial(
	struct firecracker_api *api, uint64_t rate, const struct wait *w, struct err *err);

/* Warnings and errors of its own, into a FIFO or file that exists. Until it is told, Firecracker
 * logs to its standard output. */
int firecracker_config_logger(
	struct firecracker_api *api, const char *path, const struct wait *w, struct err *err);
/* Once only. */
int firecracker_config_metrics(
	struct firecracker_api *api, const char *path, const struct wait *w, struct err *err);
