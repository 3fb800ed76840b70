/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The machine that requests describe, then run. */
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include <json-c/json_object.h>

#include "tests/fake/engine.h"
#include "tests/fake/reply.h"

#define MACHINE_DRIVES 8
#define MACHINE_NICS   8
#define MACHINE_ID     64

enum machine_state { MACHINE_NOT_STARTED, MACHINE_RUNNING, MACHINE_PAUSED };

struct drive {
	struct json_object *config;
	const char *id; /* in config */
	bool root, read_only;
	int fd;
};

struct nic {
	struct json_object *config;
	const char *id, *mac; /* in config; mac may be NULL */
	int tap;
};

struct machine {
	const struct engine *engine;
	enum machine_state state;
	char id[MACHINE_ID + 1];

	/* NULL: not configured */
	struct json_object *config, *boot, *balloon, *vsock, *entropy, *serial;
	int kernel, initrd; /* open since they were named; -1 */
	struct drive drives[MACHINE_DRIVES];
	size_t n_drives;
	struct nic nics[MACHINE_NICS];
	size_t n_nics;
	int vsock_listen, metrics; /* -1 */
};

/* One request, its body checked (NULL: it has none). */
struct request {
	const char *id; /* from the path, or NULL */
	struct json_object *body;
};

int machine_init(struct machine *m, const char *id, const struct engine *engine, struct err *err);

unsigned machine_vcpus(const struct machine *m);
uint64_t machine_mib(const struct machine *m);

/* A line of metrics where they are to go, if anywhere. */
int machine_flush_metrics(struct machine *m, struct err *err);

/* The handlers, by request. What they are given is as its table says. */
#define MACHINE_HANDLER(name) void name(struct machine *m, const struct request *q, struct reply *r)
typedef MACHINE_HANDLER(machine_handler);
machine_handler machine_get_info, machine_get_version, machine_get_config, machine_get_balloon,
	machine_get_all;
machine_handler machine_put_config, machine_patch_config, machine_put_boot, machine_put_balloon,
	machine_patch_balloon, machine_patch_statistics, machine_put_entropy, machine_put_serial,
	machine_put_logger, machine_put_metrics, machine_put_vsock;
machine_handler machine_put_drive, machine_patch_drive, machine_put_nic, machine_patch_nic;
machine_handler machine_action, machine_patch_vm, machine_put_snapshot;
