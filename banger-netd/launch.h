/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
#include "banger-netd/config.h"

/*
 * netd's other half: keeps root's privileges (it unshares, mounts, changes uid and executes), and
 * takes frames from netd alone (common/proto/launch.tbl.h). Runs until the socket, which it takes,
 * closes; VMMs live on. The process's exit status.
 */
int launch_main(int socket, const struct netd_config *config);
