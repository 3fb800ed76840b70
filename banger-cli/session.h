/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A command's session in a guest, on the stream that vm.exec gives: standard input, output and
 * error, the terminal's size, and signals, as frames of common/proto/agent.tbl.h. */
#include <stdbool.h>

#include "common/err.h"

struct news;

struct session {
	int stream;  /* not closed here */
	int signals; /* signals_open() */
	bool tty;    /* the guest's side has a terminal; raw mode when standard input is one */
	bool no_stdin;
	struct news *news; /* of its VM */
};

/*
 * Run until the command has ended and all its output is written. Returns its exit status: 128 + N
 * for a signal, 126 or 127 when it could not be started. -1: the session was lost, or standard
 * output failed.
 *
 * Without a terminal, signals go to the command; INT or TERM again within two seconds kills it.
 * With one, TERM and HUP end the session: the guest hangs up the command when the stream closes.
 * *ret_signal is then the signal (else 0), and 128 + it the result.
 */
int session_run(const struct session *s, int *ret_signal, struct err *err);
