/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The two directories and the socket, made ready as root. */
#include <stdbool.h>
#include <sys/types.h>

#include "common/err.h"

/* The state directory: `uid`'s, 0700, made when absent, locked against a second daemon. One of
 * root's is taken over only when it is empty. *ret_fd is the directory, and holds the lock. */
int dirs_open_state(const char *path, uid_t uid, gid_t gid, int *ret_fd, struct err *err);

/* As root: the directory of all blob caches, below the state directory: the image user's, 0700,
 * made when absent. */
int dirs_open_caches(int state_fd, uid_t uid, gid_t gid, int *ret_fd, struct err *err);

/* The run directory: root's, group `gid`, 1775: in it bangerd may make and remove its socket, and
 * nothing of netd's. */
int dirs_make_run(const char *path, gid_t gid, struct err *err);

/* The listening socket, for everybody to connect to, owned by uid. One that a daemon listens on is
 * left alone (busy); a stale one is replaced. */
int dirs_listen(const char *path, uid_t uid, gid_t gid, int *ret_fd, struct err *err);

/* As the daemon's user: a directory below the state directory, made when absent. */
int dirs_open_below(int state_fd, const char *name, int *ret_fd, struct err *err);

/* The same: whether there is nothing in it, or no such directory. */
int dirs_empty_below(int state_fd, const char *name, bool *ret, struct err *err);
