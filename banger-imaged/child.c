/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/child.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/log.h"
#include "common/str.h"

#ifdef __SANITIZE_ADDRESS__
/* The leak check at exit opens /proc, which a child cannot. */
__attribute__((visibility("default"))) const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}
#endif

static int parse_mode(const char *s, enum confine_mode *ret)
{
	for (enum confine_mode m = CONFINE_OFF; m <= CONFINE_KILL; m++) {
		if (str_eq(s, child_mode_word(m))) {
			*ret = m;
			return 0;
		}
	}
	return -1;
}

int child_begin(
	int argc, char **argv, const char *program, unsigned n_fds, enum confine_mode *ret_mode)
{
	static const int keep[] = { 0, 1, 2, CHILD_FD, CHILD_CACHE_FD };
	uint64_t level;

	if (argc != 3 || parse_mode(argv[1], ret_mode) < 0 ||
		!str_to_u64(argv[2], LOG_ERROR, LOG_DEBUG, &level)) {
		fprintf(stderr, "%s: is started by banger-imaged\n", program);
		return -1;
	}
	log_init(program, (enum log_level)level);
	fd_close_all_but(keep, CHILD_FD + n_fds);
	for (unsigned i = 0; i < n_fds; i++) {
		if (fd_set_cloexec(CHILD_FD + (int)i, true) < 0) {
			log_error("fd %u, which banger-imaged passes, is not open", CHILD_FD + i);
			return -1;
		}
	}
	return 0;
}

static void *watch(void *arg)
{
	struct pollfd p = { .fd = CHILD_FD, .events = POLLRDHUP };

	while (poll(&p, 1, -1) < 0 && errno == EINTR)
		;
	_exit(CHILD_EXIT_CLOSED);
}

int child_watch(struct err *err)
{
	pthread_attr_t attr;
	pthread_t thread;
	int r;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, 128 << 10);
	r = pthread_create(&thread, &attr, watch, NULL);
	pthread_attr_destroy(&attr);
	if (r != 0)
		return err_sys(err, ERR_operation_failed, r, "cannot watch the job's socket");
	return 0;
}
