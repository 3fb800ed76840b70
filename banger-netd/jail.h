/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * A VMM's jail: namespaces of its own (mount, pid, ipc, uts, network), a tmpfs root with a
 * read-only /usr and three device nodes, its own uid, no capabilities.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/confine.h"
#include "common/err.h"

#define JAIL_FDS_MAX 32

struct jail {
	const char *mount_point; /* any directory of the host: the jail is put over it, unseen */
	uid_t uid;		 /* of the VMM, and its gid */
	bool kvm;		 /* a /dev/kvm node of its own */
	uint64_t file_size;	 /* RLIMIT_FSIZE, bytes */
	uint64_t address_space;	 /* RLIMIT_AS, bytes */
	enum confine_mode mode;	 /* of its deny-list */
	int kernel, initramfs;	 /* become /kernel and /initramfs: readable by others */
	int stdio;		 /* becomes stdout and stderr */
	const int *fds;		 /* become 3, 4, 5…, all that the VMM inherits */
	size_t n_fds;
	const int *listen; /* positions in fds of sockets, bound, that are to listen */
	size_t n_listen;
	int binary; /* executed */
	char *const *argv;
};

/* Clone the jail and execute the binary in it. On success the VMM runs (or has run) with *ret_pid
 * as the caller sees it; the caller reaps it. On failure nothing is left. */
int jail_spawn(const struct jail *j, pid_t *ret_pid, int *ret_pidfd, struct err *err);

/* Give up root for good: groups, gid, uid, capabilities, and ways to new ones. 0, or -1 with
 * errno. */
int jail_drop(uid_t uid);
