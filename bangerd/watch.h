/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The fds of VMs (pidfds, consoles) on the main loop: one epoll inside it, which any thread may
 * change. One lock guards the set and is held while a callback runs: once watch_remove() returned,
 * the callback does not run and will not. What callbacks share with other threads is guarded by
 * the same lock, watches_lock(), which is recursive; under it only leaf locks are taken.
 */
#include <stdint.h>

#include "common/err.h"

struct sd_event;
struct watches;
struct watch;

/* On the main thread, which runs the callbacks; they must not wait. `revents` are epoll's. */
typedef void (*watch_fn)(void *ctx, uint32_t revents);

int watches_create(struct sd_event *event, struct watches **ret, struct err *err);
void watches_destroy(struct watches *w); /* all watches are removed by then; NULL is allowed */

void watches_lock(struct watches *w);
void watches_unlock(struct watches *w);

/* Watch fd, which stays the caller's and must outlive the watch. EPOLLHUP and EPOLLERR come
 * whether asked for or not: a callback that gets them removes the watch. */
int watch_add(struct watches *w, int fd, uint32_t events, watch_fn fn, void *ctx,
	struct watch **ret, struct err *err);
void watch_set(struct watch *watch, uint32_t events);
void watch_remove(struct watch **watch); /* sets it to NULL; NULL there is allowed */
