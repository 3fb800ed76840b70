/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * When things happened, for figures: a file (`stamps=FILE`, behaviour.h) of lines `NAME NS`, by
 * CLOCK_MONOTONIC: `begin` (of the program), `socket` (it listens), `first` (byte of the first
 * request), `start` (the machine runs), and `busy`: the nanoseconds spent on requests until then.
 * It is whole before InstanceStart is answered.
 */
#include <stdint.h>

enum stamp { STAMP_BEGIN, STAMP_SOCKET, STAMP_FIRST, STAMP_START, STAMP__count };

uint64_t stamps_now(void);
/* Now, the first time it is called for one. */
void stamps_note(enum stamp s);
/* Work on requests began then, and ends now. */
void stamps_busy_since(uint64_t ns);
/* Write the file, if one is wanted and none was written. */
void stamps_write(void);
