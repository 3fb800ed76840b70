/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The helper processes: started as root, watched, and ended by closing their sockets. */
#include <sys/types.h>

#include "common/err.h"

struct settings;
struct loop;
struct ipc;

struct helper {
	const char *name;
	int pidfd;
	struct ipc *channel;
};

struct helpers {
	struct helper netd, imaged, fetch;
};
#define HELPERS_INIT                                                        \
	{                                                                   \
		{ "banger-netd", -1, NULL }, { "banger-imaged", -1, NULL }, \
		{                                                           \
			"banger-imaged (its fetchers)", -1, NULL            \
		}                                                           \
	}

struct helpers_users {
	uid_t image_uid;
	gid_t image_gid;
	gid_t banger_gid;
	int caches_fd; /* the fetchers' alone; stays the caller's */
};

/* Make the socket pairs, and start the helpers on fd 3: netd as root, imaged as the image user,
 * once for workers and once for fetchers (these with the blob caches on fd 4). A helper's own
 * failure shows when it is asked something. As root, before any thread. */
int helpers_start(const struct settings *settings, const char *config,
	const struct helpers_users *users, struct helpers *ret, struct err *err);

/* End the loop, with an error, when one of them is gone. */
int helpers_watch(struct helpers *h, struct loop *loop, struct err *err);

/* Close their sockets and wait (for some seconds) until they are gone. */
void helpers_end(struct helpers *h);
