/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The daemon's concerns, made in their order, run, and taken apart. After the drop from root. */
#include "common/err.h"

struct settings;
struct helpers;
struct daemon;

struct daemon_fds {
	int state_fd, listen_fd;
	char socket_path[300];
};

/* All of them must outlive the daemon. Main thread. */
int daemon_create(const struct settings *settings, struct helpers *helpers,
	const struct daemon_fds *fds, struct daemon **ret, struct err *err);

/* Serve until SIGTERM, SIGINT, `shutdown`, or (then it fails) a helper's death. */
int daemon_run(struct daemon *d, struct err *err);

/* End what is under way, and close all; NULL is allowed. */
void daemon_destroy(struct daemon *d);
