/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Places where a test build (meson's option `failpoints`) can be told to fail; in any other build
 * there is nothing of them. Whoever starts the suite gives it one shared file as FAILPOINT_FD,
 * which every process maps before it confines itself: what is to happen where is read from that
 * page, and what was passed is noted there. tests/lib/failpoints.py is the other end of it.
 */
#include "common/err.h"

enum failpoint {
#define POINT(process, name, text) failpoint_##name,
#include "common/proto/failpoints.tbl.h"
	failpoint__count
};

#ifdef BANGER_FAILPOINTS

#include <stdint.h>

#define FAILPOINT_FD	63
#define FAILPOINT_KEEP	, FAILPOINT_FD /* in a list of fds that stay open */
#define FAILPOINT_ARMS	2
#define FAILPOINT_NAMES 1000
#define FAILPOINT_NAME	64

enum failpoint_fault {
	FAILPOINT_NONE,
	FAILPOINT_ERROR, /* the place fails with operation_failed */
	FAILPOINT_CRASH, /* its process is gone, with nothing cleared away */
	FAILPOINT_HANG,	 /* it stays there until `released`; a place that can be cancelled, until
			    then */
};

/* An order is obeyed once: `fault` is none afterwards, `met` is set. */
struct failpoint_arm {
	char name[FAILPOINT_NAME];
	uint32_t fault, met;
};

/* The shared file: in each process's memory, so that no system call is needed to read it. */
struct failpoint_page {
	uint32_t released;
	uint32_t n_passed; /* places passed since the tests set it to 0; counts on when full */
	uint32_t patience; /* what watchdogs' times are multiplied with; 0 is 1 */
	struct failpoint_arm arms[FAILPOINT_ARMS];
	char passed[FAILPOINT_NAMES][FAILPOINT_NAME];
};

/* Map the page; first of all in main(). Nothing happens when there is none. */
void failpoint_init(void);

/* 0, or what the page has for this place: -1 with err filled, the process's end, or a stay. */
int failpoint_pass(enum failpoint point, struct err *err);

/* The same for a step of a saga: a stay there ends with cancelled once cancel_fd is readable;
 * without one (-1) with timeout, as the waits that cannot be cancelled do. */
int failpoint_pass_name(const char *name, int cancel_fd, struct err *err);

/* As the page has it; 1 without one. */
unsigned failpoint_patience(void);

#define FAILPOINT_INIT()      failpoint_init()
#define FAILPOINT(point, err) failpoint_pass(failpoint_##point, err)

#else

#define FAILPOINT_KEEP
#define FAILPOINT_INIT()      ((void)0)
#define FAILPOINT(point, err) ((void)failpoint_##point, (void)(err), 0)

#endif
