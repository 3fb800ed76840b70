/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
#include "banger-netd/config.h"
#include "banger-netd/jail.h"
#include "banger-netd/vmm_binary.h"
#include "banger-netd/vmm_log.h"
#include "common/proto_launch.h"

/*
 * Firecracker's child in its jail, which waits for jail_go(). In in->rundir: two FIFOs for its
 * console, its log, and the directory that it may write to, which is given to its uid; the disk is
 * given to its uid too (and stays writable to its group). The fds of `in` stay the caller's. On
 * failure no process is left; what is in the run directory goes with it.
 */
int launch_firecracker(const struct netd_config *config, const struct vmm_binary *binary,
	const struct launch_firecracker_spawn_in *in, struct jail_child *ret,
	struct vmm_log *ret_log, struct err *err);
