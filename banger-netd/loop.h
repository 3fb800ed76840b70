/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Loop devices (loop(4)) over open files. Each clears itself when nobody has it open any more. */
#include <stdbool.h>
#include <sys/types.h>

#include "common/err.h"

/* The host has loop devices. Fails with unavailable. */
int loop_check(struct err *err);

/* A loop device over all of `file`, a regular file, read-only if asked, with direct I/O where its
 * file system can. *ret_fd (O_CLOEXEC) is what keeps it until something else has it open. */
int loop_attach(int file, bool read_only, int *ret_fd, dev_t *ret_dev, struct err *err);
