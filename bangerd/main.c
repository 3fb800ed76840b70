/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bangerd: the one process that decides. As root it reads its settings, makes its directories,
 * socket and helpers ready; then it becomes its user for good, confines itself, and serves.
 */
#include <errno.h>
#include <getopt.h>
#include <malloc.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "bangerd/daemon.h"
#include "bangerd/dirs.h"
#include "bangerd/drop.h"
#include "bangerd/helpers.h"
#include "common/failpoint.h"
#include "common/fd.h"
#include "common/log.h"
#include "common/settings.h"
#include "common/str.h"

struct user {
	uid_t uid;
	gid_t gid;
};

static int find_user(const char *name, struct user *ret, struct err *err)
{
	const struct passwd *pw;

	errno = 0;
	pw = getpwnam(name);
	if (!pw)
		return err_sys(err, ERR_operation_failed, errno,
			"there is no user '%s': make it (sysusers.d/banger.conf), or set [daemon] "
			"user and image_user",
			name);
	if (pw->pw_uid == 0)
		return err_set(err, ERR_operation_failed, "'%s' is root: it must not be", name);
	*ret = (struct user){ pw->pw_uid, pw->pw_gid };
	return 0;
}

/* What is done as root. */
static int begin(const struct settings *s, const char *config, struct helpers *helpers,
	struct daemon_fds *ret, struct err *err)
{
	_cleanup_fd_ int caches = -1;
	struct user user, image;
	struct helpers_users users;

	if (geteuid() != 0)
		return err_set(err, ERR_unauthorized,
			"must be started as root: it gives root up by itself");
	if (find_user(s->daemon_user.s, &user, err) < 0 ||
		find_user(s->daemon_image_user.s, &image, err) < 0)
		return -1;
	if (user.uid == image.uid)
		return err_set(err, ERR_operation_failed,
			"[daemon] user and image_user must be two users");
	if (dirs_open_state(s->paths_state_dir.s, user.uid, user.gid, &ret->state_fd, err) < 0 ||
		dirs_open_caches(ret->state_fd, image.uid, image.gid, &caches, err) < 0 ||
		dirs_make_run(s->paths_run_dir.s, user.gid, err) < 0 ||
		dirs_listen(ret->socket_path, user.uid, user.gid, &ret->listen_fd, err) < 0)
		return -1;
	users = (struct helpers_users){ .image_uid = image.uid,
		.image_gid = image.gid,
		.banger_gid = user.gid,
		.caches_fd = caches };
	if (helpers_start(s, config, &users, helpers, err) < 0)
		return -1;
	return drop_to(user.uid, user.gid, err);
}

static int run(const struct settings *s, const char *config, struct err *err)
{
	struct helpers helpers = HELPERS_INIT;
	struct daemon_fds fds = { .state_fd = -1, .listen_fd = -1 };
	struct daemon *daemon = NULL;
	int r;

	if (!str_format(fds.socket_path, sizeof(fds.socket_path), "%s/bangerd.sock",
		    s->paths_run_dir.s))
		return err_set(err, ERR_bad_request, "run_dir is too long");
	r = begin(s, config, &helpers, &fds, err);
	if (r == 0)
		r = drop_confine(s, err);
	if (r == 0)
		r = daemon_create(s, &helpers, &fds, &daemon, err);
	if (r == 0) {
		log_notice("serving %s", fds.socket_path);
		sd_notify(0, "READY=1");
		r = daemon_run(daemon, err);
		sd_notify(0, "STOPPING=1");
	}
	daemon_destroy(daemon);
	if (fds.listen_fd >= 0 && unlink(fds.socket_path) < 0)
		log_warning("cannot remove %s: %s", fds.socket_path, strerror(errno));
	helpers_end(&helpers);
	fd_closep(&fds.listen_fd);
	fd_closep(&fds.state_fd);
	return r;
}

static void usage(FILE *f)
{
	fprintf(f, "usage: bangerd [--config FILE] [--foreground]\n"
		   "The coordinator of banger's virtual machines; see bangerd(8). It is started as "
		   "root\nand stays in the foreground.\n");
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "foreground", no_argument, NULL, 'f' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'v' },
		{ 0 },
	};
	static struct settings settings;
	const char *config = SETTINGS_PATH;
	struct err err = ERR_INIT;
	int opt;

	FAILPOINT_INIT();
	log_init("bangerd", LOG_INFO);
	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == 'c') {
			config = optarg;
		} else if (opt == 'h') {
			usage(stdout);
			return 0;
		} else if (opt == 'v') {
			printf("bangerd %s\n", BANGER_VERSION);
			return 0;
		} else if (opt != 'f') { /* it always is in the foreground */
			usage(stderr);
			return 2;
		}
	}
	if (optind < argc) {
		usage(stderr);
		return 2;
	}
	umask(0077);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	/* Few threads, small heaps: memory is for guests. */
	mallopt(M_ARENA_MAX, 2);
	mallopt(M_MMAP_THRESHOLD, 128 * 1024);
	mallopt(M_TRIM_THRESHOLD, 128 * 1024);
	if (settings_load(config, &settings, &err) < 0) {
		log_error("%s", err.msg);
		return 1;
	}
	log_init("bangerd", settings.daemon_log_level);
	if (run(&settings, config, &err) < 0) {
		log_error("%s", err.msg);
		return 1;
	}
	log_notice("ended");
	return 0;
}
