/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/vm_hold.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/str.h"

static int join_fds(struct vm_hold *h, int cancel_fd, struct err *err)
{
	struct epoll_event ev = { .events = EPOLLIN };

	h->preempted = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	h->granted = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	h->cancel_fd = epoll_create1(EPOLL_CLOEXEC);
	if (h->preempted < 0 || h->granted < 0 || h->cancel_fd < 0 ||
		epoll_ctl(h->cancel_fd, EPOLL_CTL_ADD, h->preempted, &ev) < 0 ||
		(cancel_fd >= 0 && epoll_ctl(h->cancel_fd, EPOLL_CTL_ADD, cancel_fd, &ev) < 0))
		return err_sys(err, ERR_operation_failed, errno, "cannot hold a VM");
	return 0;
}

static void close_fds(struct vm_hold *h)
{
	fd_closep(&h->cancel_fd);
	fd_closep(&h->preempted);
	fd_closep(&h->granted);
}

/* Under vms->lock: give the free lock to who waited longest. */
static void grant(struct vm *vm)
{
	struct vm_hold *h = vm->waiters;

	if (vm->holder || !h)
		return;
	vm->waiters = h->next;
	vm->holder = h;
	eventfd_write(h->granted, 1);
}

/* Under vms->lock. */
static void preempt(struct vm *vm)
{
	if (vm->holder && vm->holder->yields)
		eventfd_write(vm->holder->preempted, 1);
	for (struct vm_hold *h = vm->waiters; h; h = h->next)
		if (h->yields)
			eventfd_write(h->preempted, 1);
}

/* Under vms->lock: out of the queue; false when the lock was granted meanwhile. */
static bool leave_queue(struct vm_hold *h)
{
	for (struct vm_hold **p = &h->vm->waiters; *p; p = &(*p)->next)
		if (*p == h) {
			*p = h->next;
			return true;
		}
	return false;
}

static int wait_granted(struct vm_hold *h, int timeout, struct err *err)
{
	struct pollfd p[2] = { { .fd = h->granted, .events = POLLIN },
		{ .fd = h->cancel_fd, .events = POLLIN } };

	while (poll(p, 2, timeout) < 0)
		if (errno != EINTR)
			return err_sys(err, ERR_operation_failed, errno, "cannot wait for a VM");
	if (p[0].revents)
		return 0;
	if (!p[1].revents)
		return err_set(err, ERR_busy, "something is being done to VM '%s': try again",
			h->vm->row.name.s);
	return err_set(
		err, ERR_cancelled, "cancelled while waiting for VM '%s'", h->vm->row.name.s);
}

int vm_hold_take(struct vm_hold *h, struct vm *vm, enum vm_hold_kind kind, bool yields,
	int cancel_fd, struct err *err)
{
	struct vm_hold **end;
	bool gone;
	int r;

	*h = (struct vm_hold)VM_HOLD_INIT;
	h->yields = yields;
	if (join_fds(h, cancel_fd, err) < 0) {
		close_fds(h);
		return -1;
	}
	h->vm = vm_ref(vm);
	pthread_mutex_lock(&vm->vms->lock);
	if (kind == VM_HOLD_PREEMPT)
		preempt(vm);
	for (end = &vm->waiters; *end; end = &(*end)->next)
		;
	*end = h;
	grant(vm);
	pthread_mutex_unlock(&vm->vms->lock);
	r = wait_granted(h, kind == VM_HOLD_TRY ? 0 : -1, err);
	pthread_mutex_lock(&vm->vms->lock);
	if (r < 0 && leave_queue(h)) {
		pthread_mutex_unlock(&vm->vms->lock);
		vm_unref(TAKE_PTR(h->vm));
		close_fds(h);
		return -1;
	}
	gone = vm->gone;
	pthread_mutex_unlock(&vm->vms->lock);
	if (r == 0 && gone)
		r = err_set(err, ERR_not_found, "VM '%s' was deleted", vm->row.name.s);
	if (r < 0)
		vm_hold_drop(h);
	return r;
}

void vm_hold_drop(struct vm_hold *h)
{
	struct vm *vm = h->vm;

	if (!vm)
		return;
	pthread_mutex_lock(&vm->vms->lock);
	vm->holder = NULL;
	grant(vm);
	pthread_mutex_unlock(&vm->vms->lock);
	h->vm = NULL;
	close_fds(h);
	vm_unref(vm);
}
