/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
#include <stdint.h>

#include "common/err.h"

/*
 * The two ends of a process's stdin, stdout and stderr: `child` is what it gets, `agent` what the
 * agent keeps, O_NONBLOCK. With a terminal all of child is its slave, agent[1] its master, and the
 * other two are -1.
 */
struct wires {
	int child[3], agent[3];
};

int wires_pipes(struct wires *ret, struct err *err);
int wires_terminal(int tree, uint16_t rows, uint16_t columns, struct wires *ret, struct err *err);

/* Close the child's ends; all ends. */
void wires_close_child(struct wires *w);
void wires_close(struct wires *w);
