/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A client of QEMU's QMP, as far as the engine needs it: one command at a time. */
#include <stddef.h>

#include "common/err.h"
#include "tests/fake/loop.h"

struct json_object;

struct qmp {
	struct source source; /* watched by the caller: qmp_move() when it is readable */
	/* What QEMU says unasked; `data` may be NULL. */
	void (*event)(const char *name, struct json_object *data);
	char buf[32768];
	size_t len;
};

/* The handshake, on a connected socket which becomes the client's: QEMU runs when it returns. */
int qmp_open(struct qmp *q, int fd, struct err *err);
void qmp_close(struct qmp *q);

/* One command, a JSON text; waits for its return. */
int qmp_execute(struct qmp *q, const char *command, struct err *err);

/* Take what is there. -1: QEMU is gone. */
int qmp_move(struct qmp *q);
