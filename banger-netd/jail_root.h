/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The file system that a VMM sees. */
#include <stdbool.h>
#include <sys/types.h>

#include "common/err.h"

/* Detached copies of the host's mounts, made before the new mount namespace: a file that was
 * opened outside cannot be mounted inside. */
enum jail_source {
	JAIL_SOURCE_USR,
	JAIL_SOURCE_LIB, /* these four only on a host where they are directories */
	JAIL_SOURCE_LIB64,
	JAIL_SOURCE_LD_CACHE,
	JAIL_SOURCE_KERNEL,
	JAIL_SOURCE_INITRAMFS,
	JAIL_SOURCE__count
};

struct jail_sources {
	int fd[JAIL_SOURCE__count];
	bool kvm;
	dev_t kvm_device;
};

#define JAIL_SOURCES_INIT                        \
	{                                        \
		.fd = { -1, -1, -1, -1, -1, -1 } \
	}

int jail_sources_open(
	int kernel, int initramfs, bool kvm, struct jail_sources *ret, struct err *err);
void jail_sources_close(struct jail_sources *s);

/* In the child, with a mount namespace of its own: make the root and enter it for good. NULL, or
 * the step that failed, with errno. */
const char *jail_root_enter(const char *mount_point, const struct jail_sources *src, uid_t uid);
