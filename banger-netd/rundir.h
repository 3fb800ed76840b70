/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A VM's run directory, vm/ID: root's, readable by bangerd's group, flat but for the one directory
 * of a VMM that makes its sockets by itself (JAIL_RUN_HOST). */
#include <sys/types.h>

#include "common/err.h"
#include "common/types.h"

/* The directory of all, made when absent, in run_dirfd. */
int rundir_open_all(int run_dirfd, gid_t group, int *ret, struct err *err);

/* A fresh one: what an earlier attempt left is removed first. *ret_fd is open for reading. */
int rundir_create(int all, vm_id vm, gid_t group, int *ret_fd, struct err *err);
int rundir_open(int all, vm_id vm, int *ret_fd, struct err *err);

/* The VMM's own directory in a fresh run directory: root's at first, 2770, of the group. */
int rundir_vmm_create(int rundir, gid_t group, struct err *err);

/* That directory (O_PATH), once it is a VMM's, and whose; *ret_fd stays -1 when it is not there, or
 * root's. */
int rundir_vmm_open(int all, vm_id vm, int *ret_fd, uid_t *ret_uid, struct err *err);

/* With all that is in it, and in directories in it, which are root's; none is fine. */
int rundir_remove(int all, vm_id vm, struct err *err);
