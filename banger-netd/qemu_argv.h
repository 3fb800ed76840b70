/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The one command line that QEMU is run with: a fixed template filled from typed values. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/types.h"

/* A VM's virtio-serial ports: banger.0 is bangerd's control, the others are leased. */
#define QEMU_PORTS 16

/* Where QEMU finds what it inherits. The sockets listen already. */
enum qemu_fd {
	QEMU_FD_DISK = 3,
	QEMU_FD_TAP,
	QEMU_FD_QMP,
	QEMU_FD_CONSOLE,
	QEMU_FD_PORT0,
	QEMU_FD_END = QEMU_FD_PORT0 + QEMU_PORTS,
	QEMU_FD_WORK = QEMU_FD_END /* where there is one */
};

/* Where it finds these, inside its jail. */
#define QEMU_KERNEL    "/kernel"
#define QEMU_INITRAMFS "/initramfs"

struct qemu_machine {
	vm_id vm;
	uint8_t vcpus;
	uint32_t memory; /* MiB */
	bool kvm;	 /* else TCG */
	uint32_t tsc_khz;
	mac mac;
	bool block; /* its disk is a block device, not a file */
	bool work;  /* it has a work disk, a file */
};

#define QEMU_ARGS_MAX 160

struct qemu_argv {
	char *argv[QEMU_ARGS_MAX + 1]; /* into text; NULL at the end */
	size_t n;
	char text[8192];
	size_t used;
};

/* Fails with operation_failed when the template outgrew the buffer. `path` is argv[0], from which
 * QEMU also finds its data. */
int qemu_argv_build(
	const char *path, const struct qemu_machine *m, struct qemu_argv *ret, struct err *err);
