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

/* QEMU's ends of socket pairs: QMP; vhost-user (-1: no vsock); serial port (-1: it is on stdio). */
struct qemu_ends {
	int qmp, vhost_user, serial;
};

/* Fds are named by their numbers: QEMU must inherit them. */
int qemu_command_build(const struct machine *m, const struct qemu_ends *ends,
	struct qemu_command *ret, struct err *err);
