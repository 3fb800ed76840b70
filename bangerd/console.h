/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * A VM's serial console: what the guest writes goes to a bounded log of two files in the VM's
 * directory (console.log, and console.log.1 before it) and to everybody attached; what they type
 * goes to the guest. It runs on the main loop and never waits: who does not read loses bytes.
 * Functions may be called from any thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "bangerd/watch.h"
#include "common/err.h"

#define CONSOLE_LOG	    "console.log"
#define CONSOLE_LOG_BEFORE  "console.log.1"
#define CONSOLE_CLIENTS_MAX 16

struct console;

/* `dirfd` is the VM's directory; it is duplicated; `owner` attaches. The log keeps at most log_max
 * bytes (4 KiB at least) and goes on where an earlier one ended. */
int console_create(struct watches *w, int dirfd, uid_t owner, uint64_t log_max,
	struct console **ret, struct err *err);
/* Attached ones get what they take at once, then end of file. NULL is allowed. The log stays. */
void console_destroy(struct console *c);

/* Have `fn` called, on the main loop, whenever the guest writes a kernel's last words (see
 * halt_words.h). Before it is connected. */
void console_on_halt(struct console *c, void (*fn)(void *ctx), void *ctx);

/* Takes both fds, O_NONBLOCK and two even when they are one file: what the guest writes comes out
 * of `out`, what it is to read goes into `in`. SIGPIPE must be ignored. */
int console_connect(struct console *c, int out, int in, struct err *err);

/* The VMM ended: take what is left on its socket, let followers end. */
void console_disconnect(struct console *c);

/* A socket for a client: the console both ways from now on. Fails with quota_exceeded. */
int console_attach(struct console *c, int *ret_fd, struct err *err);

/* The log so far, to be read up to end of file: a memory file; or, with `follow` on a connected
 * console, a socket on which the log goes on until the VMM ends. */
int console_logs(struct console *c, bool follow, int *ret_fd, struct err *err);

/* The last bytes of the log as text (printable, one line: newlines become " | "). */
void console_tail(struct console *c, char *dst, size_t cap);
