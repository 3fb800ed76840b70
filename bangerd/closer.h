/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Where the fds that clients sent are closed: in threads of their own. close(2) may take as long as
 * whoever is behind the file likes (a socket that lingers, a file system that is a user's program),
 * and so may that of a connection, in which fds may wait that nobody received. A uid whose files do
 * not close holds up its own. From any thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Fds of one uid on their way, with which nothing more should be taken from it. */
#define CLOSER_FULL 256

#define CLOSER_FDS_MAX 253 /* of one message, as the kernel has it (SCM_MAX_FD) */

/* Close *fd soon, and set it to -1; -1 is fine. */
void closer_close(uid_t uid, int *fd);
void closer_close_many(uid_t uid, int *fds, size_t n);

/* read(2) from a socket, non-blocking, whose other end such a client has: fds that come are closed.
 * Fails with EMFILE when the uid is full. */
ssize_t closer_read(uid_t uid, int sock, void *dst, size_t cap);

/* Shut such a socket down and close it: fds may wait in it. */
void closer_hang_up(uid_t uid, int *sock);

/* Nothing more is to be taken from this uid: what it sent does not close. */
bool closer_is_full(uid_t uid);
