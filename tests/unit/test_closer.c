/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bangerd/closer: who sent what does not close holds up nobody else. */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "bangerd/closer.h"

#define HUNG 1 /* whose files do not close */
#define GOOD 2

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wake = PTHREAD_COND_INITIALIZER;
static int stuck_fd = -1; /* close() of what has this file's flags waits until it is -1 */
static unsigned waiting;

int __real_close(int fd);
int __wrap_close(int fd);

static bool is_stuck(int fd)
{
	return stuck_fd >= 0 && fd != stuck_fd && (fcntl(fd, F_GETFL) & O_APPEND);
}

int __wrap_close(int fd)
{
	pthread_mutex_lock(&lock);
	if (is_stuck(fd)) {
		waiting++;
		while (stuck_fd >= 0)
			pthread_cond_wait(&wake, &lock);
		waiting--;
	}
	pthread_mutex_unlock(&lock);
	return __real_close(fd);
}

static unsigned hung(void)
{
	unsigned n;

	pthread_mutex_lock(&lock);
	n = waiting;
	pthread_mutex_unlock(&lock);
	return n;
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static void await_closed(int fd)
{
	for (int i = 0; is_open(fd) && i < 5000; i++)
		usleep(1000);
	assert_false(is_open(fd));
}

static void good_one_closes(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), copy = fd;

	assert_true(fd >= 0);
	closer_close(GOOD, &fd);
	assert_int_equal(fd, -1);
	await_closed(copy);
}

static void one_that_hangs_holds_up_its_own(void **state)
{
	int fds[CLOSER_FULL], last;

	stuck_fd = open("/dev/null", O_WRONLY | O_APPEND | O_CLOEXEC);
	assert_true(stuck_fd >= 0);
	for (size_t i = 0; i < CLOSER_FULL; i++)
		assert_true((fds[i] = dup(stuck_fd)) >= 0);
	last = fds[CLOSER_FULL - 1];
	closer_close_many(HUNG, fds, CLOSER_FULL - 1);
	assert_false(closer_is_full(HUNG));
	closer_close_many(HUNG, fds, CLOSER_FULL); /* the others are gone from it */
	assert_true(closer_is_full(HUNG));
	assert_false(closer_is_full(GOOD));
	for (int i = 0; i < 20; i++)
		good_one_closes();
	/* It has a few of the threads, no more. */
	for (int i = 0; hung() < 4 && i < 5000; i++)
		usleep(1000);
	assert_int_equal(hung(), 4);
	assert_true(is_open(last));

	pthread_mutex_lock(&lock);
	last = stuck_fd;
	stuck_fd = -1;
	pthread_cond_broadcast(&wake);
	pthread_mutex_unlock(&lock);
	for (int i = 0; closer_is_full(HUNG) && i < 5000; i++)
		usleep(1000);
	assert_false(closer_is_full(HUNG));
	close(last);
}

static void none_is_fine(void **state)
{
	int fds[3] = { -1, open("/dev/null", O_RDONLY | O_CLOEXEC), -1 }, copy = fds[1];

	closer_close_many(GOOD, fds, 3);
	await_closed(copy);
	assert_int_equal(fds[1], -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(none_is_fine),
		cmocka_unit_test(one_that_hangs_holds_up_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
