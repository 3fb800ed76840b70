/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bangerd/vm_hold: one at a time, in order, and never for ever. */
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "bangerd/vm_hold.h"
#include "common/fd.h"
#include "common/str.h"

static struct vms all;
static struct vm vm;

static int setup(void **state)
{
	(void)state;
	memset(&vm, 0, sizeof(vm));
	pthread_mutex_init(&all.lock, NULL);
	vm.vms = &all;
	vm.refs = 1;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	assert_int_equal(vm.refs, 1);
	assert_null(vm.holder);
	assert_null(vm.waiters);
	pthread_mutex_destroy(&all.lock);
	return 0;
}

struct other {
	enum vm_hold_kind kind;
	int cancel_fd, got;
	enum err_code code;
	pthread_t thread;
};

static void *other_main(void *arg)
{
	struct other *o = arg;
	struct vm_hold h = VM_HOLD_INIT;
	struct err err = ERR_INIT;

	if (vm_hold_take(&h, &vm, o->kind, true, o->cancel_fd, &err) == 0)
		eventfd_write(o->got, 1);
	o->code = err.code;
	vm_hold_drop(&h);
	return NULL;
}

static void other_start(struct other *o, enum vm_hold_kind kind, int cancel_fd)
{
	struct vm_hold *waits = NULL;

	*o = (struct other){
		.kind = kind, .cancel_fd = cancel_fd, .got = eventfd(0, EFD_NONBLOCK)
	};
	assert_int_equal(pthread_create(&o->thread, NULL, other_main, o), 0);
	while (!waits) {
		pthread_mutex_lock(&all.lock);
		waits = vm.waiters;
		pthread_mutex_unlock(&all.lock);
		usleep(1000);
	}
}

static bool readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

static void waits_its_turn(void **state)
{
	struct vm_hold h = VM_HOLD_INIT;
	struct err err = ERR_INIT;
	struct other o;

	(void)state;
	assert_int_equal(vm_hold_take(&h, &vm, VM_HOLD_WAIT, true, -1, &err), 0);
	other_start(&o, VM_HOLD_WAIT, -1);
	assert_false(readable(o.got));
	assert_false(readable(h.cancel_fd));
	vm_hold_drop(&h);
	pthread_join(o.thread, NULL);
	assert_true(readable(o.got));
	close(o.got);
}

static void tries(void **state)
{
	struct vm_hold h = VM_HOLD_INIT, again = VM_HOLD_INIT;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(vm_hold_take(&h, &vm, VM_HOLD_TRY, false, -1, &err), 0);
	assert_int_equal(vm_hold_take(&again, &vm, VM_HOLD_TRY, false, -1, &err), -1);
	assert_int_equal(err.code, ERR_busy);
	assert_null(vm.waiters);
	vm_hold_drop(&again); /* it has nothing */
	assert_false(readable(h.cancel_fd));
	vm_hold_drop(&h);
}

static void preempts(void **state)
{
	struct vm_hold h = VM_HOLD_INIT;
	struct err err = ERR_INIT;
	struct other waits, wants;

	(void)state;
	assert_int_equal(vm_hold_take(&h, &vm, VM_HOLD_WAIT, true, -1, &err), 0);
	other_start(&waits, VM_HOLD_WAIT, -1);
	other_start(&wants, VM_HOLD_PREEMPT, -1);
	/* The one that waits is told to give up, and the holder to end. */
	pthread_join(waits.thread, NULL);
	assert_int_equal(waits.code, ERR_cancelled);
	assert_true(readable(h.cancel_fd));
	assert_false(readable(wants.got));
	vm_hold_drop(&h);
	pthread_join(wants.thread, NULL);
	assert_true(readable(wants.got));
	close(waits.got);
	close(wants.got);
}

static void who_does_not_yield(void **state)
{
	struct vm_hold h = VM_HOLD_INIT;
	struct err err = ERR_INIT;
	struct other o;

	(void)state;
	assert_int_equal(vm_hold_take(&h, &vm, VM_HOLD_PREEMPT, false, -1, &err), 0);
	other_start(&o, VM_HOLD_PREEMPT, -1);
	assert_false(readable(h.cancel_fd));
	vm_hold_drop(&h);
	pthread_join(o.thread, NULL);
	close(o.got);
}

static void gives_up(void **state)
{
	_cleanup_fd_ int cancel = eventfd(0, EFD_NONBLOCK);
	struct vm_hold h = VM_HOLD_INIT;
	struct err err = ERR_INIT;
	struct other o;

	(void)state;
	assert_int_equal(vm_hold_take(&h, &vm, VM_HOLD_WAIT, true, cancel, &err), 0);
	other_start(&o, VM_HOLD_WAIT, cancel);
	eventfd_write(cancel, 1);
	pthread_join(o.thread, NULL);
	assert_int_equal(o.code, ERR_cancelled);
	assert_true(readable(h.cancel_fd));
	vm_hold_drop(&h);
	vm_hold_drop(&h);
	close(o.got);
}

static void deleted_meanwhile(void **state)
{
	struct vm_hold h = VM_HOLD_INIT;
	struct err err = ERR_INIT;
	struct other o;

	(void)state;
	assert_int_equal(vm_hold_take(&h, &vm, VM_HOLD_WAIT, true, -1, &err), 0);
	other_start(&o, VM_HOLD_WAIT, -1);
	pthread_mutex_lock(&all.lock);
	vm.gone = true;
	pthread_mutex_unlock(&all.lock);
	vm_hold_drop(&h);
	pthread_join(o.thread, NULL);
	assert_int_equal(o.code, ERR_not_found);
	close(o.got);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(waits_its_turn, setup, teardown),
		cmocka_unit_test_setup_teardown(tries, setup, teardown),
		cmocka_unit_test_setup_teardown(preempts, setup, teardown),
		cmocka_unit_test_setup_teardown(who_does_not_yield, setup, teardown),
		cmocka_unit_test_setup_teardown(gives_up, setup, teardown),
		cmocka_unit_test_setup_teardown(deleted_meanwhile, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
