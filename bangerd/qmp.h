/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * A small strict client of QEMU's monitor protocol (QEMU docs/interop/qmp-spec): one command in
 * flight, one JSON object a line. The VMM may be in a guest's hands: lines and depth are bounded,
 * and what is not the protocol ends the connection for good.
 */
#include <stddef.h>

#include "bangerd/wait.h"
#include "common/err.h"

struct json_object;
struct qmp;

#define QMP_LINE_MAX   65536
#define QMP_EVENTS_MAX 1024 /* while one command waits for its answer */

enum qmp_kind { QMP_GREETING, QMP_RETURN, QMP_ERROR, QMP_EVENT };

struct qmp_message {
	enum qmp_kind kind;
	int64_t id;		    /* of a return or error; -1 when it has none */
	struct json_object *object; /* the whole message; the caller puts it */
};

/* One line without its newline. Fails with protocol, saying what is wrong with it. */
int qmp_parse(const char *line, size_t n, struct qmp_message *ret, struct err *err);

/* Takes fd (a connected socket, O_NONBLOCK): reads the greeting, leaves the negotiation mode. */
int qmp_open(int fd, const struct wait *w, struct qmp **ret, struct err *err);
void qmp_close(struct qmp *q); /* NULL is allowed */

/*
 * A command without arguments. *ret_result (may be NULL) becomes the caller's. Fails with
 * operation_failed when QEMU refuses it, unavailable when QEMU is gone, protocol, timeout,
 * cancelled; after the last four the connection is of no more use.
 */
int qmp_command(struct qmp *q, const char *command, const struct wait *w,
	struct json_object **ret_result, struct err *err);
