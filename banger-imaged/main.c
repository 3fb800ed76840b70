/* SPDX-License-Identifier: GPL-2.0-or-later */
/* banger-imaged [--fetch]: started by bangerd, as the image user, with fd 3 a socket to bangerd. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "banger-imaged/child.h"
#include "banger-imaged/server.h"
#include "common/failpoint.h"
#include "common/fd.h"
#include "common/log.h"
#include "common/settings.h"
#include "common/str.h"

#define BANGERD_FD 3

#define CACHES_FD 4 /* with --fetch: the directory of all blob caches */
#define CACHES	  "/proc/self/fd/4"

/* What a child's program needs to be loaded, and no more. */
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

/* What a fetcher needs besides: names and certificates (whose links lead where they lead), and the
 * caches, of which it leaves itself one. */
static const struct confine_path fetch_paths[] = {
	{ "/etc", CONFINE_READ },
	{ "/run/systemd/resolve", CONFINE_READ },
	{ "/run/resolvconf", CONFINE_READ },
	{ "/run/NetworkManager", CONFINE_READ },
	{ "/usr/share/ca-certificates", CONFINE_READ },
	{ "/usr/local/share/ca-certificates", CONFINE_READ },
	{ CACHES, CONFINE_WRITE },
};

/* Children cannot raise them again. */
static const struct confine_rlimit rlimits[] = {
	{ RLIMIT_NOFILE, 256 },
	{ RLIMIT_CORE, 0 },
};

/* The children's program stands beside this one. */
static int program_path(const char *name, char *ret, size_t cap, struct err *err)
{
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (n < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot find %s", name);
	self[n] = '\0';
	slash = strrchr(self, '/');
	if (!slash || !str_format(ret, cap, "%.*s/%s", (int)(slash - self), self, name))
		return err_set(err, ERR_operation_failed, "cannot find %s", name);
	return 0;
}

static int confine(const char *program, bool fetch, enum confine_mode mode, struct err *err)
{
	struct confine_path paths[1 + ARRAY_SIZE(loader_paths) + ARRAY_SIZE(fetch_paths)];
	struct confine c = {
		.profile = fetch ? CONFINE_fetch_server : CONFINE_imaged,
		.mode = mode,
		.landlock = true,
		.network = fetch,
		.paths = paths,
		.n_paths = 1 + ARRAY_SIZE(loader_paths),
		.rlimits = rlimits,
		.n_rlimits = ARRAY_SIZE(rlimits),
	};

	paths[0] = (struct confine_path){ program, CONFINE_EXEC };
	memcpy(paths + 1, loader_paths, sizeof(loader_paths));
	if (fetch) {
		memcpy(paths + c.n_paths, fetch_paths, sizeof(fetch_paths));
		c.n_paths += ARRAY_SIZE(fetch_paths);
	}
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

static int open_program(struct server_role *role, char *path, size_t cap, struct err *err)
{
	if (program_path(role->program, path, cap, err) < 0)
		return -1;
	role->program_fd = open(path, O_PATH | O_CLOEXEC | O_NOFOLLOW);
	if (role->program_fd < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot open %s", path);
	return 0;
}

static int run(const char *config, bool fetch, struct err *err)
{
	const int keep[] = { 0, 1, 2, BANGERD_FD, fetch ? CACHES_FD : BANGERD_FD FAILPOINT_KEEP };
	struct server_role role = { .program = fetch ? CHILD_FETCHER : CHILD_WORKER,
		.cache_fd = fetch ? CACHES_FD : -1 };
	char path[4096 + 64];
	struct settings settings;
	struct server *server;
	int r;

	fd_close_all_but(keep, ARRAY_SIZE(keep));
	if (fd_set_cloexec(BANGERD_FD, true) < 0 || (fetch && fd_set_cloexec(CACHES_FD, true) < 0))
		return err_set(
			err, ERR_bad_request, "is started by bangerd, with a socket as fd 3");
	if (silence(err) < 0 || settings_load(config, &settings, err) < 0)
		return -1;
	role.mode = settings.daemon_seccomp;
	role.level = settings.daemon_log_level;
	log_init("banger-imaged", role.level);
	if (open_program(&role, path, sizeof(path), err) < 0 ||
		server_create(&role, &server, err) < 0)
		return -1;
	r = confine(path, fetch, role.mode, err);
	if (r == 0)
		r = server_run(server, BANGERD_FD, err);
	server_destroy(server);
	return r;
}

/* Inherited by children. */
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
		{ "fetch", no_argument, NULL, 'f' }, { 0 } };
	const char *config = SETTINGS_PATH;
	bool fetch = false;
	struct err err = ERR_INIT;
	int opt;

	FAILPOINT_INIT();
	log_init("banger-imaged", LOG_INFO);
	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == 'c')
			config = optarg;
		else if (opt == 'f')
			fetch = true;
		else
			return 2;
	}
	ignore_signals();
	if (run(config, fetch, &err) < 0) {
		log_error("%s", err.msg);
		return 1;
	}
	return 0;
}
