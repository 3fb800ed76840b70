/* SPDX-License-Identifier: GPL-2.0-or-later */
/* banger-imaged: started by bangerd, as the image user, with fd 3 a socket to bangerd. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "banger-imaged/server.h"
#include "banger-imaged/worker.h"
#include "common/failpoint.h"
#include "common/fd.h"
#include "common/log.h"
#include "common/settings.h"
#include "common/str.h"

#define BANGERD_FD 3

/* What a worker's program needs to be loaded, and no more. */
static const struct confine_path loader_paths[] = {
	{ "/lib", CONFINE_EXEC },
	{ "/lib64", CONFINE_EXEC },
	{ "/usr/lib", CONFINE_EXEC },
	{ "/usr/lib64", CONFINE_EXEC },
	{ "/etc/ld.so.cache", CONFINE_READ },
#ifdef __SANITIZE_ADDRESS__ /* which reads its own maps */
	{ "/proc", CONFINE_READ },
#endif
};

/* Workers cannot raise them again. */
static const struct confine_rlimit rlimits[] = {
	{ RLIMIT_NOFILE, 256 },
	{ RLIMIT_CORE, 0 },
};

/* The worker's program stands beside this one. */
static int worker_path(char *ret, size_t cap, struct err *err)
{
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (n < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot find " WORKER_PROGRAM);
	self[n] = '\0';
	slash = strrchr(self, '/');
	if (!slash || !str_format(ret, cap, "%.*s/%s", (int)(slash - self), self, WORKER_PROGRAM))
		return err_set(err, ERR_operation_failed, "cannot find " WORKER_PROGRAM);
	return 0;
}

static int confine(const char *worker, enum confine_mode mode, struct err *err)
{
	struct confine_path paths[ARRAY_SIZE(loader_paths) + 1];
	struct confine c = {
		.profile = CONFINE_imaged,
		.mode = mode,
		.landlock = true,
		.paths = paths,
		.n_paths = ARRAY_SIZE(paths),
		.rlimits = rlimits,
		.n_rlimits = ARRAY_SIZE(rlimits),
	};

	memcpy(paths, loader_paths, sizeof(loader_paths));
	paths[ARRAY_SIZE(loader_paths)] = (struct confine_path){ worker, CONFINE_EXEC };
	return confine_apply(&c, err);
}

/* Standard input and output are nobody's business here, and workers inherit them. */
static int silence(struct err *err)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot open /dev/null");
	if (null > 2)
		close(null);
	return 0;
}

static int run(const char *config, struct err *err)
{
	static const int keep[] = { 0, 1, 2, BANGERD_FD FAILPOINT_KEEP };
	char path[4096 + sizeof(WORKER_PROGRAM)];
	struct settings settings;
	struct server *server;
	int worker, r;

	fd_close_all_but(keep, ARRAY_SIZE(keep));
	if (fd_set_cloexec(BANGERD_FD, true) < 0)
		return err_set(
			err, ERR_bad_request, "is started by bangerd, with a socket as fd 3");
	if (silence(err) < 0 || settings_load(config, &settings, err) < 0)
		return -1;
	log_init("banger-imaged", settings.daemon_log_level);
	if (worker_path(path, sizeof(path), err) < 0)
		return -1;
	worker = open(path, O_PATH | O_CLOEXEC | O_NOFOLLOW);
	if (worker < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot open %s", path);
	if (server_create(
		    worker, settings.daemon_seccomp, settings.daemon_log_level, &server, err) < 0)
		return -1;
	r = confine(path, settings.daemon_seccomp, err);
	if (r == 0)
		r = server_run(server, BANGERD_FD, err);
	server_destroy(server);
	return r;
}

/* Inherited by workers. */
static void ignore_signals(void)
{
	/* The end is bangerd's to say, by closing the socket: a Ctrl-C or a stop that reaches the
	 * whole group must not take the jobs from under it. A limit on file sizes shows as EFBIG,
	 * a closed socket as EPIPE. */
	static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGXFSZ };
	const struct sigaction ignore = { .sa_handler = SIG_IGN };

	for (size_t i = 0; i < ARRAY_SIZE(ignored); i++)
		sigaction(ignored[i], &ignore, NULL);
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "config", required_argument, NULL, 'c' },
		{ 0 } };
	const char *config = SETTINGS_PATH;
	struct err err = ERR_INIT;
	int opt;

	FAILPOINT_INIT();
	log_init("banger-imaged", LOG_INFO);
	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt != 'c')
			return 2;
		config = optarg;
	}
	ignore_signals();
	if (run(config, &err) < 0) {
		log_error("%s", err.msg);
		return 1;
	}
	return 0;
}
