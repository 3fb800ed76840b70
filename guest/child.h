/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
#include <stdbool.h>
#include <sys/types.h>

#include "common/err.h"
#include "common/types.h"

/* A process of the guest: a session's, or the main workload. */

/* What the image says of the processes that run in it (setup). */
struct image {
	strv argv, environment; /* views into `text` */
	char *text;
	text user, directory, stop_signal;
	vm_name hostname;
};

/* How a child is to be. Empty argv: the user's shell. */
struct child_spec {
	const struct image *image;
	strv argv, environment;
	const char *user;      /* "": the image's, else root */
	const char *directory; /* "": the image's, else the user's home; "/" when missing */
	int stdio[3];	       /* taken over by dup */
	bool tty;	       /* stdio[0] becomes the controlling terminal */
	int tree;
};

struct child {
	pid_t pid;
	int pidfd;
	int status; /* of a pipe: see child_outcome() */
};

/* Fork. The child is the leader of a session and process group of its own; all that can fail in it
 * (user, directory, command) is done there and told through ret->status, so that the agent reads
 * no file of the image. The fds are the caller's. */
int child_start(const struct child_spec *spec, struct child *ret, struct err *err);

/* The exit status of a child that could not become the program, whatever kept it from that. */
#define CHILD_NOT_STARTED 127

/* When ret->status becomes readable: 0 when the program runs; -1 with what kept it from running,
 * after which the child only waits to be reaped. */
int child_outcome(int status, struct err *err);

/* How a child ended, once its pidfd is readable; it stays a zombie, so that its process group's
 * number stays its own, until child_reap(). False when it has not ended. */
bool child_ended(int pidfd, bool *ret_signaled, int *ret_status);
void child_reap(int pidfd);
