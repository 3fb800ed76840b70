/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <systemd/sd-event.h>
#include <time.h>
#include <unistd.h>

#include "bangerd/call.h"
#include "bangerd/catalog.h"
#include "bangerd/dirs.h"
#include "bangerd/disk_watch.h"
#include "bangerd/helpers.h"
#include "bangerd/host.h"
#include "bangerd/images.h"
#include "bangerd/kernels.h"
#include "bangerd/loop.h"
#include "bangerd/operations.h"
#include "bangerd/pulls.h"
#include "bangerd/rpc.h"
#include "bangerd/store.h"
#include "bangerd/store_subnet.h"
#include "bangerd/vm_duty.h"
#include "bangerd/vm_space.h"
#include "bangerd/vms.h"
#include "bangerd/work.h"
#include "common/fd.h"
#include "common/ipc.h"
#include "common/log.h"
#include "common/settings.h"
#include "common/str.h"

/* What is under way at the end has this long to be cancelled and undone. */
#define END_S 25

struct daemon {
	struct services services;
	struct host host;
	struct rpc *rpc;
	int listen_fd; /* main's */
	bool told_to_end, at_once;
};

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *si, void *ctx)
{
	struct daemon *d = ctx;

	log_notice("ending%s: signal %u from pid %u", d->told_to_end ? " at once" : "",
		si->ssi_signo, si->ssi_pid);
	d->at_once = d->told_to_end;
	d->told_to_end = true;
	loop_end(d->services.loop);
	return 0;
}

static int watch_signals(struct daemon *d, struct err *err)
{
	static const int signals[] = { SIGTERM, SIGINT };
	sigset_t set;
	int r = 0;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		sigaddset(&set, signals[i]);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		r = -errno;
	for (size_t i = 0; i < ARRAY_SIZE(signals) && r >= 0; i++)
		r = sd_event_add_signal(
			loop_event(d->services.loop), NULL, signals[i], on_signal, d);
	return r < 0 ? err_sys(err, ERR_operation_failed, -r, "cannot watch signals") : 0;
}

static void on_gone(const struct services *services, uint64_t connection)
{
	vms_connection_closed(services->vms, connection);
}

/* What no row of the database is about is taken for an interrupted request's, and removed. */
static int is_bare(int state_fd, bool *ret, struct err *err)
{
	static const char *const names[] = { "images", "kernels", "vms" };
	bool empty = true;

	for (size_t i = 0; empty && i < ARRAY_SIZE(names); i++)
		if (dirs_empty_below(state_fd, names[i], &empty, err) < 0)
			return -1;
	*ret = empty;
	return 0;
}

static int open_store(struct services *s, struct err *err)
{
	char path[300];
	bool bare;

	if (!str_format(path, sizeof(path), "%s/banger.db", s->settings->paths_state_dir.s))
		return err_set(err, ERR_bad_request, "state_dir is too long");
	if (is_bare(s->state_fd, &bare, err) < 0)
		return -1;
	return store_open(path, bare, &s->store, err);
}

/* banger-netd does not begin with another pool as long as VMs have a network (pool_note.h). */
static int fit_networks(const struct services *s, struct err *err)
{
	unsigned moved = 0;

	if (store_subnet_fit(s->store, s->host->status.pool_prefix, &moved, err) < 0)
		return -1;
	if (moved > 0)
		log_notice("[net] pool is smaller: %u users' VMs have other addresses now", moved);
	return 0;
}

/* Of a VM that an older database does not know, image and kernel may be unknown to it, too. */
static int sweep_blobs(const struct services *s, struct err *err)
{
	if (vms_has_strays(s->vms))
		return 0;
	return images_sweep(s->images, err) < 0 ? -1 : kernels_sweep(s->kernels, err);
}

static int create_all(struct daemon *d, struct helpers *helpers, int listen_fd, struct err *err)
{
	struct services *s = &d->services;
	const struct settings *settings = s->settings;
	int fd;

	if (settings->daemon_workers < 2 || settings->daemon_workers > 256)
		return err_set(err, ERR_bad_request, "[daemon] workers must be 2 to 256");
	if (loop_create(&s->loop, err) < 0 || watch_signals(d, err) < 0 ||
		helpers_watch(helpers, s->loop, err) < 0 ||
		host_load(s->netd, settings->vmm_vmm, &d->host, err) < 0 ||
		open_store(s, err) < 0 || fit_networks(s, err) < 0 ||
		images_create(settings, s->store, s->imaged, s->state_fd, &s->images, err) < 0 ||
		kernels_create(settings, s->store, s->imaged, s->state_fd, &s->kernels, err) < 0 ||
		pulls_create(&s->pulls, err) < 0 ||
		operations_create(s->loop, &s->operations, err) < 0 ||
		work_create(s->loop, (unsigned)settings->daemon_workers, &s->work, err) < 0)
		return -1;
	if (vms_create(s, vm_duty_run, &s->vms, err) < 0 || vms_reconcile(s->vms, err) < 0 ||
		sweep_blobs(s, err) < 0 || disk_watch_begin(s->vms, vm_space_act, err) < 0)
		return -1;
	fd = fcntl(listen_fd, F_DUPFD_CLOEXEC, 3);
	if (fd < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot keep the socket");
	return rpc_create(s, fd, on_gone, &d->rpc, err);
}

/* They are read for each request; who starts the daemon is told of them now. */
static int look_at_catalogs(const struct settings *s, struct err *err)
{
	_cleanup_catalog_ struct catalog *c = NULL;

	if (catalog_load(s->paths_catalog_dir.s, s->paths_vendor_catalog_dir.s, &c, err) < 0)
		return -1;
	for (size_t i = 0; i < c->n_problems; i++)
		log_warning("a catalog is left out: %s", c->problems[i].s);
	return 0;
}

int daemon_create(const struct settings *settings, struct helpers *helpers,
	const struct daemon_fds *fds, struct daemon **ret, struct err *err)
{
	struct daemon *d = calloc(1, sizeof(*d));
	struct timespec now;

	if (!d)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot start");
	clock_gettime(CLOCK_MONOTONIC, &now);
	d->services = (struct services){ .settings = settings,
		.host = &d->host,
		.netd = helpers->netd.channel,
		.imaged = helpers->imaged.channel,
		.fetch = helpers->fetch.channel,
		.state_fd = fds->state_fd,
		.socket_path = fds->socket_path,
		.started_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 };
	d->listen_fd = fds->listen_fd;
	if (create_all(d, helpers, fds->listen_fd, err) < 0 ||
		look_at_catalogs(settings, err) < 0) {
		daemon_destroy(d);
		return -1;
	}
	*ret = d;
	return 0;
}

int daemon_run(struct daemon *d, struct err *err)
{
	return loop_run(d->services.loop, err);
}

/* Threads that do not end may hold anything: what they leave is put right at the next start, as
 * after a crash. A user's file may be among it, and the kernel lets go of nothing of a process
 * whose close(2) of such a one does not come back: so what the next suite needs is given back
 * before. */
static _Noreturn void give_up(const struct daemon *d)
{
	const struct services *s = &d->services;
	const struct ipc *const helpers[] = { s->fetch, s->imaged, s->netd };

	shutdown(d->listen_fd, SHUT_RDWR);
	unlink(s->socket_path);
	for (size_t i = 0; i < ARRAY_SIZE(helpers); i++)
		shutdown(ipc_fd(helpers[i]), SHUT_RDWR);
	close(s->state_fd); /* and its lock */
	_exit(1);
}

/* Requests and operations end with the loop running: their answers go through it. */
static void end_work(struct daemon *d)
{
	struct services *s = &d->services;
	struct timespec now, until;
	struct err err = ERR_INIT;

	if (s->operations)
		operations_cancel_all(s->operations);
	if (!s->work)
		return;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += END_S;
	while (!work_is_idle(s->work)) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec >= until.tv_sec || d->at_once) {
			log_error("requests do not end: ending without them");
			give_up(d);
		}
		if (loop_turn(s->loop, 50000, &err) < 0) {
			log_error("%s", err.msg);
			give_up(d);
		}
	}
	/* What the last ones posted. */
	while (sd_event_run(loop_event(s->loop), 0) > 0)
		;
}

void daemon_destroy(struct daemon *d)
{
	struct services *s;

	if (!d)
		return;
	s = &d->services;
	if (d->rpc)
		rpc_close(d->rpc);
	disk_watch_stop(s->vms);
	end_work(d);
	rpc_destroy(d->rpc);
	work_destroy(s->work);
	disk_watch_end(s->vms);
	vms_destroy(s->vms);
	operations_destroy(s->operations);
	kernels_destroy(s->kernels);
	pulls_destroy(s->pulls);
	images_destroy(s->images);
	store_close(s->store);
	loop_destroy(s->loop);
	free(d);
}
