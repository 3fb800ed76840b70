/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * banger-imaged-worker: one job. It reads what users bring, so it can do nothing but that: no file
 * by name, no network, no program, a few dozen system calls on the fds that came with the job.
 */
#include <errno.h>
#include <locale.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "banger-imaged/job.h"
#include "banger-imaged/worker.h"
#include "common/confine.h"
#include "common/failpoint.h"
#include "common/fd.h"
#include "common/log.h"
#include "common/proto_job.h"
#include "common/str.h"

#ifdef __SANITIZE_ADDRESS__
/* The leak check at exit opens /proc, which a worker cannot. */
__attribute__((visibility("default"))) const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}
#endif

/* Bounds for one job: beyond what any input within its limits takes. */
static const struct confine_rlimit rlimits[] = {
#ifndef __SANITIZE_ADDRESS__ /* whose shadow is terabytes of address space */
	{ RLIMIT_AS, (rlim_t)4 << 30 },
#endif
	{ RLIMIT_CPU, 3600 },
	{ RLIMIT_FSIZE, (rlim_t)1 << 40 },
	{ RLIMIT_NOFILE, 256 }, /* an OCI layout's layers, 128, are open at once */
	{ RLIMIT_CORE, 0 },
};

static int parse_mode(const char *s, enum confine_mode *ret)
{
	if (str_eq(s, "off"))
		*ret = CONFINE_OFF;
	else if (str_eq(s, "log"))
		*ret = CONFINE_LOG;
	else if (str_eq(s, "kill"))
		*ret = CONFINE_KILL;
	else
		return -1;
	return 0;
}

/* What libraries would read from files once they are used. */
static int warm_up(struct err *err)
{
	/* libarchive reads pax names, which are UTF-8, by the locale. It converts even in "C"
	 * (tar.c), by iconv, whose configuration is read along with this locale. */
	if (!setlocale(LC_CTYPE, "C.UTF-8"))
		return err_set(err, ERR_operation_failed, "the locale C.UTF-8 is not there");
	/* Digests need nothing of the host's OpenSSL configuration. */
	if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1)
		return err_set(err, ERR_operation_failed, "cannot start libcrypto");
	return 0;
}

static int confine(enum confine_mode mode, struct err *err)
{
	struct confine c = {
		.profile = CONFINE_worker,
		.mode = mode,
		.landlock = true, /* and no path */
		.rlimits = rlimits,
		.n_rlimits = ARRAY_SIZE(rlimits),
	};

	return confine_apply(&c, err);
}

/* The job is cancelled by closing its socket; the job's thread may be deep inside a library. */
static void *watch(void *arg)
{
	struct pollfd p = { .fd = WORKER_FD, .events = POLLRDHUP };

	while (poll(&p, 1, -1) < 0 && errno == EINTR)
		;
	_exit(WORKER_EXIT_CLOSED);
}

static int start_watch(struct err *err)
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

static int serve(struct err *err)
{
	struct ipc *ch;
	int r;

	if (start_watch(err) < 0 || ipc_open(WORKER_FD, &job_protocol, &ch, err) < 0)
		return -1;
	r = job_serve(ch, err);
	ipc_close(ch);
	return r < 0 ? -1 : 0;
}

int main(int argc, char **argv)
{
	static const int keep[] = { 0, 1, 2, WORKER_FD };
	struct err err = ERR_INIT;
	enum confine_mode mode;

	uint64_t level;

	FAILPOINT_INIT();
	if (argc != 3 || parse_mode(argv[1], &mode) < 0 ||
		!str_to_u64(argv[2], LOG_ERROR, LOG_DEBUG, &level)) {
		fprintf(stderr, WORKER_PROGRAM ": is started by banger-imaged\n");
		return 2;
	}
	log_init(WORKER_PROGRAM, (enum log_level)level);
	fd_close_all_but(keep, ARRAY_SIZE(keep));
	if (warm_up(&err) < 0 || confine(mode, &err) < 0 || serve(&err) < 0) {
		log_error("%s", err.msg);
		return 1;
	}
	return 0;
}
