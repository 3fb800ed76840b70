/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Firecracker's API (its src/firecracker/swagger/firecracker.yaml): calls that ask or act. Those
 * that configure are in firecracker_config.h. Firecracker serves one request after the other, and
 * may be in its guest's hands.
 *
 * Errors of all calls: operation_failed, no_space, busy or unavailable when Firecracker refuses,
 * with its own reason cleaned ("Firecracker refused the root drive: …"); unavailable when it is
 * gone; protocol when it answers nonsense; timeout ("Firecracker does not answer (PUT
 * /drives/root, 5 s)") and cancelled. The connection is of no more use after unavailable, timeout
 * and cancelled, nor after a reply that is not HTTP as http_message.h has it.
 */
#include <stdbool.h>

#include "bangerd/firecracker_version.h"
#include "bangerd/wait.h"
#include "common/err.h"

struct json_object;
struct firecracker_api;

/* What one request may take, within the caller's wait; the start of the guest thrice that. */
#define FIRECRACKER_REQUEST_MS 5000u

enum firecracker_state { FIRECRACKER_NOT_STARTED, FIRECRACKER_RUNNING, FIRECRACKER_PAUSED };
enum firecracker_action {
	FIRECRACKER_INSTANCE_START,
	FIRECRACKER_FLUSH_METRICS,
	FIRECRACKER_SEND_CTRL_ALT_DEL,
};

/* Takes fd, a connection to the API's socket. */
int firecracker_api_open(
	int fd, unsigned request_ms, struct firecracker_api **ret, struct err *err);
void firecracker_api_close(struct firecracker_api *api); /* NULL is allowed */

/*
 * PUT `path` (of [A-Za-z0-9/_.-], static) with a body, which is taken (NULL: there was no memory
 * for it). `what` stands in messages: "refused WHAT".
 */
int firecracker_api_put(struct firecracker_api *api, const char *path, const char *what,
	struct json_object *body, const struct wait *w, struct err *err);

int firecracker_api_version(struct firecracker_api *api, const struct wait *w,
	struct firecracker_version *ret, struct err *err);
int firecracker_api_state(struct firecracker_api *api, const struct wait *w,
	enum firecracker_state *ret, struct err *err);
/* GET /vm/config; *ret, an object, becomes the caller's. */
int firecracker_api_config(struct firecracker_api *api, const struct wait *w,
	struct json_object **ret, struct err *err);

int firecracker_api_action(struct firecracker_api *api, enum firecracker_action action,
	const struct wait *w, struct err *err);
/* PATCH /vm, after the start; succeeds when it is so already. */
int firecracker_api_pause(
	struct firecracker_api *api, bool pause, const struct wait *w, struct err *err);
