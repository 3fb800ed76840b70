/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* One thread that waits for all fds: epoll, one event a turn, so that a source may free itself. */
#include <stdint.h>

#include "common/err.h"

struct source {
	int fd;
	void (*ready)(struct source *s, uint32_t events);
};

#define container_of(at, type, member) \
	((type *)(void *)((char *)(at) - __builtin_offsetof(type, member)))

int loop_init(struct err *err);
/* Wait for `events` (EPOLLIN, EPOLLOUT); the source must stay where it is until loop_close(). */
int loop_watch(struct source *s, uint32_t events, struct err *err);
int loop_change(struct source *s, uint32_t events, struct err *err);
/* Stop waiting and close the fd (set to -1). Does nothing to a source without one. */
void loop_close(struct source *s);
/* Turns without end; comes back only when waiting fails. */
int loop_run(struct err *err);
