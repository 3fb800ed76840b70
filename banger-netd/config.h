/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What netd and its launch half are told before they confine themselves: by the root-owned
 * configuration file and by the one number that bangerd passes. */
#include <stdint.h>
#include <sys/types.h>

#include "common/confine.h"
#include "common/err.h"
#include "common/types.h"

#define CONFIG_PATH_MAX 256

struct netd_config {
	char run_dir[CONFIG_PATH_MAX];	   /* absolute */
	char qemu[CONFIG_PATH_MAX];	   /* absolute */
	char firecracker[CONFIG_PATH_MAX]; /* absolute */
	ipv4 pool;	     /* where each owner's /24 comes from, its host bits zero */
	uint8_t pool_prefix; /* 8…24 */
	uid_t uid_base;	     /* the first uid of jails */
	uint32_t uid_count;
	enum confine_mode mode; /* of seccomp */
	gid_t group; /* bangerd's: may connect to VMs' sockets, owns the files that it passes */
};
