/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Raw bytes between a stream of the daemon and the user: a console, a log. */
#include <stdbool.h>

#include "common/err.h"

struct news;

struct relay {
	int stream;	   /* not closed here */
	int signals;	   /* signals_open() */
	bool input;	   /* pass standard input on, until Ctrl-] if it is a terminal */
	struct news *news; /* of the VM, or NULL */
	bool filter;	   /* drop control sequences that are not colours */
};

/* Until the stream ends, the user detaches (0), or a signal asks for the end (128 + its number). */
int relay_run(const struct relay *r, struct err *err);
