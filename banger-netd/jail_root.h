/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The file system that a VMM sees: a fresh tmpfs with what a table says, and nothing else. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/err.h"

/* Open files of which a jail has mounts. */
enum jail_file {
	JAIL_FILE_KERNEL,
	JAIL_FILE_INITRAMFS,
	JAIL_FILE_DISK,
	JAIL_FILE_WORK,
	JAIL_FILE_RUN, /* a directory */
	JAIL_FILE__count
};

/* What only some jails of a kind of VMM need. */
enum jail_with {
	JAIL_WITH_KVM = 1,
	JAIL_WITH_LOADER = 2, /* the VMM is dynamically linked */
	JAIL_WITH_WORK = 4,   /* the VM has a work disk */
};

enum jail_item_kind {
	JAIL_DIR,   /* a directory of root's */
	JAIL_HOST,  /* the host's file or directory of the same path, read-only; a link as a link */
	JAIL_READ,  /* one of the open files, read-only, not to be executed */
	JAIL_WRITE, /* the same, to be written too; a block device as a node of the VMM's uid */
	JAIL_NODE,  /* a character device of root's, for all */
	JAIL_OWNED_NODE, /* one of the VMM's uid's alone */
};

struct jail_item {
	enum jail_item_kind kind;
	unsigned needs; /* bits of enum jail_with: not in jails without */
	const char
		*path; /* absolute, as the VMM sees it; a directory stands before what is in it */
	enum jail_file file;
	unsigned major, minor;
};

#define JAIL_ITEMS_MAX 16

/* The nodes of each VMM, in /dev. Numbers from Documentation/admin-guide/devices.txt. */
#define JAIL_DEVICES                                                                       \
	{ JAIL_NODE, 0, "/dev/null", 0, 1, 3 }, { JAIL_NODE, 0, "/dev/urandom", 0, 1, 9 }, \
	{                                                                                  \
		JAIL_OWNED_NODE, JAIL_WITH_KVM, "/dev/kvm", 0, 10, 232                     \
	}

struct jail_layout {
	const struct jail_item *items;
	size_t n; /* at most JAIL_ITEMS_MAX */
};

/* Detached copies of mounts, made before the new mount namespace: a file that was opened outside
 * cannot be mounted inside. One an item, or -1. */
struct jail_sources {
	int fd[JAIL_ITEMS_MAX];
};

int jail_sources_open(const struct jail_layout *layout, unsigned with,
	const int files[JAIL_FILE__count], struct jail_sources *ret, struct err *err);
void jail_sources_close(struct jail_sources *s);

/* In the child, with a mount namespace of its own: make the root and enter it for good. NULL, or
 * the step that failed, with errno. */
const char *jail_root_enter(const char *mount_point, const struct jail_layout *layout,
	unsigned with, const struct jail_sources *src, uid_t uid);
