/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The user's terminal: what it can, how large it is, and raw mode, which always ends. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "common/err.h"

/* A terminal that shows colours: not when NO_COLOR (no-color.org) is set or TERM is dumb. */
bool tty_colours(FILE *f);

/* A terminal on which a line can be drawn again. */
bool tty_redraws(FILE *f);

/* Rows and columns of the first of standard input, output and error that is a terminal; 24 by 80
 * when none is. */
void tty_size(uint16_t *ret_rows, uint16_t *ret_columns);

/* Raw mode on fd, until tty_restore(): at the latest when the process exits or dies of a defect
 * (SIGSEGV, SIGABRT…). One terminal at a time. */
int tty_raw(int fd, struct err *err);
void tty_restore(void);

bool tty_is_raw(void);

/* Raw mode again, after the process was stopped and the shell had the terminal. */
void tty_raw_again(void);
