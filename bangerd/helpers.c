/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/helpers.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "bangerd/drop.h"
#include "bangerd/loop.h"
#include "common/fd.h"
#include "common/frame.h"
#include "common/ipc.h"
#include "common/log.h"
#include "common/proto_imaged.h"
#include "common/proto_netd.h"
#include "common/settings.h"
#include "common/str.h"

#define HELPER_FD 3
#define CACHES_FD 4
#define END_MS	  5000

struct start {
	const char *path;
	const char *const *argv;
	uid_t uid; /* 0: stay root */
	gid_t gid;
	int sock;
	int caches; /* -1: none */
};

/* Away from the places that are given out, first. */
static int keep_off(int *fd)
{
	*fd = fcntl(*fd, F_DUPFD_CLOEXEC, CACHES_FD + 1);
	return *fd;
}

/* Between fork and exec. A process group of its own: a terminal's Ctrl-C is for bangerd, which
 * ends the helpers in its order. */
static int become(const struct start *s, struct err *err)
{
	int sock = s->sock, caches = s->caches;
	sigset_t none;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	sigemptyset(&none);
	if (null < 0 || setpgid(0, 0) < 0 || sigprocmask(SIG_SETMASK, &none, NULL) < 0 ||
		dup2(null, 0) < 0 || dup2(null, 1) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot prepare it");
	if (keep_off(&sock) < 0 || (caches >= 0 && keep_off(&caches) < 0) ||
		dup2(sock, HELPER_FD) < 0 || (caches >= 0 && dup2(caches, CACHES_FD) < 0))
		return err_sys(err, ERR_operation_failed, errno, "cannot hand it its files");
	if (s->uid != 0 && drop_to(s->uid, s->gid, err) < 0)
		return -1;
	execv(s->path, (char *const *)s->argv);
	return err_sys(err, ERR_operation_failed, errno, "cannot run it");
}

static int start(struct helper *h, const struct start *s, struct err *err)
{
	pid_t pid = fork();

	if (pid < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot start %s", h->name);
	if (pid == 0) {
		become(s, err);
		log_error("%s: %s", s->path, err->msg);
		_exit(127);
	}
	h->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (h->pidfd < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot watch %s", h->name);
	return 0;
}

/* A socket pair, the helper at one end of it, a channel at the other. */
static int start_with_channel(
	struct helper *h, struct start *s, const struct protocol *p, struct err *err)
{
	int sv[2];

	if (frame_pair(sv, err) < 0)
		return -1;
	s->sock = sv[1];
	if (start(h, s, err) < 0) {
		fd_close_many(sv, 2);
		return -1;
	}
	fd_closep(&sv[1]);
	return ipc_open(sv[0], p, &h->channel, err);
}

int helpers_start(const struct settings *settings, const char *config,
	const struct helpers_users *users, struct helpers *ret, struct err *err)
{
	const char *dir = settings->paths_libexec_dir.s;
	char netd[300], imaged[300], gid[16];
	const char *netd_argv[] = { netd, "--config", config, "--group", gid, NULL };
	const char *imaged_argv[] = { imaged, "--config", config, NULL };
	const char *fetch_argv[] = { imaged, "--config", config, "--fetch", NULL };
	struct start netd_start = { .path = netd, .argv = netd_argv, .caches = -1 };
	struct start imaged_start = { .path = imaged,
		.argv = imaged_argv,
		.uid = users->image_uid,
		.gid = users->image_gid,
		.caches = -1 };
	struct start fetch_start = imaged_start;

	if (!str_format(netd, sizeof(netd), "%s/banger-netd", dir) ||
		!str_format(imaged, sizeof(imaged), "%s/banger-imaged", dir) ||
		!str_format(gid, sizeof(gid), "%u", (unsigned)users->banger_gid))
		return err_set(err, ERR_bad_request, "libexec_dir is too long");
	if (start_with_channel(&ret->netd, &netd_start, &netd_protocol, err) < 0)
		return -1;
	fetch_start.argv = fetch_argv;
	fetch_start.caches = users->caches_fd;
	if (start_with_channel(&ret->imaged, &imaged_start, &imaged_protocol, err) < 0)
		return -1;
	return start_with_channel(&ret->fetch, &fetch_start, &imaged_protocol, err);
}

/* How it ended, as far as is known within a second. */
static void say_end(const struct helper *h)
{
	struct pollfd p = { .fd = h->pidfd, .events = POLLIN };
	siginfo_t info = { 0 };

	if (poll(&p, 1, 1000) <= 0 || waitid(P_PIDFD, (id_t)h->pidfd, &info, WEXITED) < 0)
		log_error("%s closed its socket", h->name);
	else if (info.si_code == CLD_EXITED)
		log_error("%s ended with status %d", h->name, info.si_status);
	else
		log_error("%s was ended by signal %d%s", h->name, info.si_status,
			info.si_status == SIGALRM ? ": a request took too long" : "");
}

static struct loop *watched_by;

static int on_gone(sd_event_source *source, int fd, uint32_t revents, void *ctx)
{
	struct helper *h = ctx;
	struct err err = ERR_INIT;

	sd_event_source_set_enabled(source, SD_EVENT_OFF);
	say_end(h);
	err_set(&err, ERR_unavailable,
		"%s is gone, and nothing can be done without it: ending; VMs go on", h->name);
	loop_fail(watched_by, &err);
	return 0;
}

/* No event is asked for: the end of the other side is always told. */
static int watch(struct helper *h, struct loop *loop, struct err *err)
{
	int r = sd_event_add_io(loop_event(loop), NULL, ipc_fd(h->channel), 0, on_gone, h);

	return r < 0 ? err_sys(err, ERR_operation_failed, -r, "cannot watch %s", h->name) : 0;
}

int helpers_watch(struct helpers *h, struct loop *loop, struct err *err)
{
	watched_by = loop;
	if (watch(&h->netd, loop, err) < 0 || watch(&h->imaged, loop, err) < 0)
		return -1;
	return watch(&h->fetch, loop, err);
}

static void end(struct helper *h)
{
	struct pollfd p = { .fd = h->pidfd, .events = POLLIN };
	siginfo_t info;

	ipc_close(TAKE_PTR(h->channel));
	if (h->pidfd < 0)
		return;
	if (poll(&p, 1, END_MS) <= 0)
		log_warning("%s does not end", h->name);
	else
		/* Reap it; it may be reaped already. */
		(void)waitid(P_PIDFD, (id_t)h->pidfd, &info, WEXITED | WNOHANG);
	fd_closep(&h->pidfd);
}

void helpers_end(struct helpers *h)
{
	end(&h->fetch);
	end(&h->imaged);
	end(&h->netd);
}
