/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Signals as something to poll, for commands that have to clean up or to pass them on. */
#include <stdbool.h>

#include "common/err.h"

/*
 * Block INT, TERM, HUP, QUIT, USR1, USR2, WINCH and CONT and get an fd that is readable when one
 * came; non-blocking. What was ignored when banger started (nohup) stays ignored. SIGPIPE is
 * ignored from here on. The fd is the caller's.
 */
int signals_open(int *ret_fd, struct err *err);

/* The next signal that came, or 0. */
int signals_next(int fd);

/* Whether a signal asks banger to end: INT, TERM, HUP or QUIT. */
bool signals_ends(int signo);

/* "interrupted", "terminated"… */
const char *signals_word(int signo);
