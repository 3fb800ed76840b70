/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A VM's run directory, vm/ID: root's, readable by bangerd's group, flat. */
#include <sys/types.h>

#include "common/err.h"
#include "common/types.h"

/* The directory of all, made when absent, in run_dirfd. */
int rundir_open_all(int run_dirfd, gid_t group, int *ret, struct err *err);

/* A fresh one: what an earlier attempt left is removed first. *ret_fd is open for reading. */
int rundir_create(int all, vm_id vm, gid_t group, int *ret_fd, struct err *err);
int rundir_open(int all, vm_id vm, int *ret_fd, struct err *err);

/* With all that is in it; none is fine. */
int rundir_remove(int all, vm_id vm, struct err *err);
