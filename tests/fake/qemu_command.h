/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The machine as QEMU's command line. */
#include "tests/fake/machine.h"

#define QEMU_WORDS 128

struct qemu_command {
	char *argv[QEMU_WORDS + 1];
	size_t n, used;
	char text[16384];
};

/* With these ends of socket pairs, QMP's and vhost-user's (-1: no vsock). Fds are named by their
 * numbers: QEMU must inherit them. */
int qemu_command_build(const struct machine *m, int qmp, int vhost_user, struct qemu_command *ret,
	struct err *err);
