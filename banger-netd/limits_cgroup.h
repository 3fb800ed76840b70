/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * VMs in cgroups of banger's own, banger/vm-ID, for hosts whose service manager is not systemd.
 * Rules: Linux, Documentation/admin-guide/cgroup-v2.rst.
 */
#include "banger-netd/limits.h"

/*
 * `root` is a directory of cgroup v2 (borrowed). Makes its child `banger` and switches memory, pids
 * and cpu on for what is beneath it; *ret is that directory, the caller's. Fails, with nothing
 * made, when the tree lacks one of them or may not be written.
 */
int limits_cgroup_open(int root, int *ret, struct err *err);

/* The directory of cgroup v2 where the whole tree is expected; fails when it is none. */
int limits_cgroup_root(int *ret, struct err *err);

/* As limits_place(): cgroup made, limits written, the process moved. */
int limits_cgroup_place(int tree, const struct limits_vm *vm, struct err *err);

/* Wait until nothing lives in the VM's cgroup, `timeout_ms` at most, and remove it. Fails with
 * busy. */
int limits_cgroup_remove(int tree, vm_id vm, int timeout_ms, struct err *err);

/* Remove the cgroups of VMs in which nothing lives; how many. */
int limits_cgroup_sweep(int tree, unsigned *ret_removed, struct err *err);
