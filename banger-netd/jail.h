/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * A VMM's jail: namespaces of its own (mount, pid, ipc, uts, network), a root of its own
 * (jail_root.h), its own uid, no capabilities. It is made in two steps: the child exists in its
 * namespaces and waits, so that it can be put under limits; once it is told to go it builds its
 * root and executes the VMM. Nobody who could tell it is left: it ends.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "banger-netd/jail_root.h"
#include "common/confine.h"
#include "common/err.h"

#define JAIL_FDS_MAX 32

/* Of a VMM beyond the guest's memory: its own, TCG's buffer of 1 GiB, stacks and arenas of threads,
 * mapped rather than used. */
#define JAIL_ADDRESS_SPACE_EXTRA (6ULL << 30)

/* RLIMIT_FSIZE of a VMM whose disk is no file: it has none to write but its log. */
#define JAIL_FILE_SIZE (1 << 20)

struct jail {
	const char *mount_point; /* any directory of the host: the jail is put over it, unseen */
	uid_t uid;		 /* of the VMM, and its gid */
	const struct jail_layout *layout;
	unsigned with; /* enum jail_with */
	int files[JAIL_FILE__count];
	bool network;		      /* its own: it is to get a TAP (jail_child.tun, .netlink) */
	uint64_t file_size;	      /* RLIMIT_FSIZE, bytes */
	uint64_t address_space;	      /* RLIMIT_AS, bytes */
	unsigned open_files;	      /* RLIMIT_NOFILE */
	enum confine_profile profile; /* its deny-list */
	enum confine_mode mode;
	mode_t umask;
	int std[3];	/* become stdin, stdout and stderr; -1: /dev/null */
	const int *fds; /* become 3, 4, 5…, all that the VMM inherits besides */
	size_t n_fds;
	const int *listen; /* positions in fds of sockets, bound, that are to listen */
	size_t n_listen;
	int binary; /* executed */
	char *const *argv;
};

/* The caller's. */
struct jail_child {
	pid_t pid;
	int pidfd;
	int gate; /* for jail_go() */
	/* Of a jail with a network, else -1: /dev/net/tun and a rtnetlink socket, bound, both of
	 * the jail's network namespace. */
	int tun, netlink;
};

#define JAIL_CHILD_INIT                                            \
	{                                                          \
		.pidfd = -1, .gate = -1, .tun = -1, .netlink = -1, \
	}

/* Clone the jail's child, which waits. The caller reaps it. On failure nothing is left. */
int jail_spawn(const struct jail *j, struct jail_child *ret, struct err *err);

/* Let the child execute the VMM; on success it runs (or has run). On failure the child is dead and
 * reaped. The gate stays the caller's, of no more use. */
int jail_go(int gate, pid_t pid, struct err *err);

/* Give up root for good: groups, gid, uid, capabilities, and ways to new ones. 0, or -1 with
 * errno. */
int jail_drop(uid_t uid);
