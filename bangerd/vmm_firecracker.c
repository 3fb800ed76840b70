/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Firecracker, launched by banger-netd in its jail, spoken to by its API's socket there. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

#include "bangerd/boot_args.h"
#include "bangerd/firecracker_api.h"
#include "bangerd/firecracker_config.h"
#include "bangerd/hybrid_vsock.h"
#include "bangerd/vmm_socket.h"
#include "common/agent_ports.h"
#include "common/fd.h"
#include "common/jail_paths.h"
#include "common/proto_netd.h"
#include "common/str.h"

#define API_SOCKET_S 15 /* from its launch to its socket: 6 to 60 ms on an idle host */
#define NAP_MOST_MS  10 /* between two looks */
#define NAP_SHORT    8	/* so many of a millisecond */
#define GUEST_CID    3
/* Firecracker itself forgets a connection that its guest does not answer in 2 s. */
#define CONNECT_MS 3000
#define END_MS	   200 /* from its sockets' end to its own */

static struct wait within(const struct wait *w, uint64_t ms)
{
	struct wait own = wait_ms(w->cancel_fd, ms);

	if (w->deadline_ms != 0 && w->deadline_ms < own.deadline_ms)
		own.deadline_ms = w->deadline_ms;
	return own;
}

static bool over(const struct wait *w)
{
	return wait_left_ms(w) == 0;
}

/* Do nothing for `ms`, unless Firecracker ends, or the wait is over: -1 then. `what` was waited
 * for. */
static int nap(
	const struct vmm *v, const struct wait *w, unsigned ms, const char *what, struct err *err)
{
	struct wait own = within(w, ms);
	struct err why = ERR_INIT;

	if (wait_ready(v->pidfd, POLLIN, &own, "it", &why) == 0)
		return err_set(err, ERR_unavailable, "Firecracker ended before %s", what);
	if (why.code != ERR_timeout) {
		*err = why;
		return -1;
	}
	return 0;
}

/* Connect to `name` in the directory that is the VMM's own. */
static int run_socket(const struct vmm *v, const char *name, int *ret_fd, struct err *err)
{
	_cleanup_fd_ int dir =
		openat(v->rundir, JAIL_RUN_HOST, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (dir < 0)
		return err_sys(err, ERR_unavailable, errno,
			"cannot open Firecracker's directory " JAIL_RUN_HOST);
	return vmm_socket(v, dir, name, ret_fd, err);
}

/* ---- the API ---- */

static int with_api(const struct vmm *v, struct firecracker_api **ret, struct err *err)
{
	int fd;

	if (run_socket(v, JAIL_RUN_API, &fd, err) < 0)
		return -1;
	return firecracker_api_open(fd, FIRECRACKER_REQUEST_MS, ret, err);
}

/* It is launched before it listens: not there, there and not listening, and full are all "not
 * yet". */
static bool not_yet(const struct err *e)
{
	return e->code == ERR_busy ||
	       (e->code == ERR_unavailable && (e->sys == ENOENT || e->sys == ECONNREFUSED));
}

static int wait_for_api(
	const struct vmm *v, const struct wait *w, struct firecracker_api **ret, struct err *err)
{
	struct wait own = within(w, API_SOCKET_S * 1000);

	/* Each nap is short beside what was waited already: a start is not kept by them. */
	for (unsigned look = 0;; look++) {
		unsigned ms = look < NAP_SHORT ? 1 : look - NAP_SHORT + 2;
		struct err why = ERR_INIT;

		if (with_api(v, ret, &why) == 0)
			return 0;
		if (!not_yet(&why)) {
			*err = why;
			return -1;
		}
		if (over(&own))
			return err_set(err, ERR_timeout,
				"Firecracker did not open its API's socket in time");
		if (nap(v, &own, ms < NAP_MOST_MS ? ms : NAP_MOST_MS, "it opened its API's socket",
			    err) < 0)
			return -1;
	}
}

/*
 * What a start that failed adds. One that does not answer is of no use: who starts it ends it. One
 * whose socket closed has most likely ended, and says why by how: its pidfd follows its sockets.
 */
static int explain(const struct vmm *v, struct err *err)
{
	struct pollfd p = { .fd = v->pidfd, .events = POLLIN };
	struct err e = *err;

	if (e.code == ERR_timeout)
		return err_set(err, ERR_timeout, "%s: it is killed", e.msg);
	if (e.code == ERR_unavailable)
		poll(&p, 1, END_MS);
	return -1;
}

/* ---- what is said before the start ---- */

static int check_version(struct firecracker_api *api, const struct vmm_machine *m,
	const struct wait *w, struct firecracker_version *ret, struct err *err)
{
	struct firecracker_version binary;

	if (firecracker_api_version(api, w, ret, err) < 0)
		return -1;
	if (!firecracker_version_parse(m->firecracker_version, &binary) ||
		binary.major != ret->major || binary.minor != ret->minor ||
		binary.patch != ret->patch)
		return err_set(err, ERR_bad_version,
			"Firecracker's API is of version %u.%u.%u, its program of '%s': install "
			"it again ([vmm] firecracker), and restart banger",
			ret->major, ret->minor, ret->patch, m->firecracker_version);
	return 0;
}

static int say_network(struct firecracker_api *api, const struct vmm_machine *m,
	const struct wait *w, struct err *err)
{
	char tap[16];

	if (!str_format(tap, sizeof(tap), JAIL_TAP_PREFIX "%s", m->vm.s))
		return err_set(err, ERR_bad_request, "no name for the TAP of VM %s", m->vm.s);
	return firecracker_config_interface(api, tap, m->mac, m->net_bandwidth, w, err);
}

static int say_machine(struct firecracker_api *api, const struct vmm_machine *m,
	const struct wait *w, struct err *err)
{
	char args[BOOT_ARGS_MAX + 1];

	if (boot_args(m->vcpus, args, sizeof(args), err) < 0 ||
		firecracker_config_machine(api, m->vcpus, m->memory_mib, w, err) < 0 ||
		firecracker_config_boot(api, JAIL_KERNEL, JAIL_INITRAMFS, args, w, err) < 0)
		return -1;
	if (firecracker_config_root(api, JAIL_DISK, m->disk_bandwidth, m->disk_ops, w, err) < 0)
		return -1;
	/* In this order the guest sees them. */
	if (m->work < 0)
		return 0;
	return firecracker_config_work(api, JAIL_WORK, m->disk_bandwidth, m->disk_ops, w, err);
}

/* The balloon's statistics would wake the guest each second, and nobody reads them yet. Without
 * a limit of its own the console is still bounded: by its pipe, and by what is kept of it. */
static int say_devices(struct firecracker_api *api, const struct vmm_machine *m,
	const struct firecracker_version *version, const struct wait *w, struct err *err)
{
	if (firecracker_config_vsock(api, GUEST_CID, JAIL_RUN "/" JAIL_RUN_VSOCK, w, err) < 0 ||
		firecracker_config_entropy(api, w, err) < 0 ||
		firecracker_config_balloon(api, 0, w, err) < 0)
		return -1;
	if (m->console_rate == 0 || !firecracker_version_least(version, 1, 16))
		return 0;
	return firecracker_config_serial(api, m->console_rate, w, err);
}

static int say_all(struct firecracker_api *api, const struct vmm_machine *m, const struct wait *w,
	struct err *err)
{
	struct firecracker_version version;

	/* The log first: until then it is the console's. */
	if (check_version(api, m, w, &version, err) < 0 ||
		firecracker_config_logger(api, JAIL_RUN "/" JAIL_RUN_LOG, w, err) < 0 ||
		say_machine(api, m, w, err) < 0 || say_network(api, m, w, err) < 0)
		return -1;
	return say_devices(api, m, &version, w, err);
}

/* ---- the driver ---- */

static int firecracker_launch(
	struct ipc *netd, const struct vmm_machine *m, struct vmm *ret, struct err *err)
{
	const struct netd_firecracker_launch_in in = {
		.vm = m->vm,
		.vcpus = m->vcpus,
		.memory = m->memory_mib,
		.kernel = m->kernel,
		.initramfs = m->initramfs,
		.disk = m->disk,
		.work = m->work,
	};
	struct netd_firecracker_launch_out out;

	if (netd_firecracker_launch(netd, &in, &out, err) < 0)
		return -1;
	*ret = (struct vmm){ .ops = &vmm_firecracker,
		.pid = out.pid,
		.start_time = out.start_time,
		.pidfd = out.pidfd,
		.rundir = out.rundir,
		.jail_uid = out.jail_uid };
	return 0;
}

static int firecracker_configure(
	const struct vmm *v, const struct vmm_machine *m, const struct wait *w, struct err *err)
{
	struct firecracker_api *api;
	int r;

	if (wait_for_api(v, w, &api, err) < 0)
		return explain(v, err);
	r = say_all(api, m, w, err);
	firecracker_api_close(api);
	return r < 0 ? explain(v, err) : 0;
}

static int firecracker_start(const struct vmm *v, const struct wait *w, struct err *err)
{
	struct firecracker_api *api;
	int r;

	if (with_api(v, &api, err) < 0)
		return explain(v, err);
	r = firecracker_api_action(api, FIRECRACKER_INSTANCE_START, w, err);
	firecracker_api_close(api);
	return r < 0 ? explain(v, err) : 0;
}

/* The TAP, which Firecracker has open by now, leaves its network namespace for the host's side:
 * the kernel waits for a grace period of RCU on the way, some 15 ms in which the guest boots. */
static int firecracker_attach(
	const struct vmm *v, struct ipc *netd, const struct vmm_machine *m, struct err *err)
{
	const struct netd_tap_attach_in in = { .vm = m->vm };
	struct netd_tap_attach_out out;

	(void)v;
	return netd_tap_attach(netd, &in, &out, err);
}

static int set_paused(const struct vmm *v, bool pause, const struct wait *w, struct err *err)
{
	struct firecracker_api *api;
	int r;

	if (with_api(v, &api, err) < 0)
		return -1;
	r = firecracker_api_pause(api, pause, w, err);
	firecracker_api_close(api);
	return r;
}

static int firecracker_pause(const struct vmm *v, const struct wait *w, struct err *err)
{
	return set_paused(v, true, w, err);
}

static int firecracker_resume(const struct vmm *v, const struct wait *w, struct err *err)
{
	return set_paused(v, false, w, err);
}

static int firecracker_paused(const struct vmm *v, const struct wait *w, bool *ret, struct err *err)
{
	enum firecracker_state state;
	struct firecracker_api *api;
	int r;

	if (with_api(v, &api, err) < 0)
		return -1;
	r = firecracker_api_state(api, w, &state, err);
	firecracker_api_close(api);
	if (r == 0)
		*ret = state == FIRECRACKER_PAUSED;
	return r;
}

static int firecracker_quit(const struct vmm *v, const struct wait *w, struct err *err)
{
	(void)v, (void)w;
	return err_set(err, ERR_unavailable, "Firecracker has no request to end itself");
}

/* ---- console: FIFOs that launch made, in a directory that is not the VMM's to write ---- */

static int open_fifo(const struct vmm *v, const char *name, int mode, int *ret_fd, struct err *err)
{
	_cleanup_fd_ int fd =
		openat(v->rundir, name, mode | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, ERR_unavailable, errno, "cannot open Firecracker's %s", name);
	if (!S_ISFIFO(st.st_mode))
		return err_set(err, ERR_protocol, "Firecracker's %s is no FIFO", name);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int firecracker_console(const struct vmm *v, int *ret_out, int *ret_in, struct err *err)
{
	_cleanup_fd_ int out = -1;
	int in;

	if (open_fifo(v, JAIL_CONSOLE_OUT, O_RDONLY, &out, err) < 0 ||
		open_fifo(v, JAIL_CONSOLE_IN, O_WRONLY, &in, err) < 0)
		return -1;
	*ret_out = TAKE_FD(out);
	*ret_in = in;
	return 0;
}

/* ---- the guest's agent ---- */

static int connect_port(
	const struct vmm *v, uint32_t port, const struct wait *w, int *ret_fd, struct err *err)
{
	_cleanup_fd_ int fd = -1;

	if (run_socket(v, JAIL_RUN_VSOCK, &fd, err) < 0 ||
		hybrid_vsock_connect(fd, port, w, err) < 0)
		return -1;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* While the guest boots nobody answers, or nobody listens: each is tried again. */
static int firecracker_control(
	const struct vmm *v, const struct wait *w, int *ret_fd, struct err *err)
{
	for (;;) {
		struct wait one = within(w, CONNECT_MS);
		struct err why = ERR_INIT;

		if (connect_port(v, AGENT_VSOCK_CONTROL, &one, ret_fd, &why) == 0)
			return 0;
		if (why.code != ERR_unavailable && why.code != ERR_busy &&
			why.code != ERR_timeout) {
			*err = why;
			return -1;
		}
		if (nap(v, w, NAP_MOST_MS, "its guest's agent was there", err) < 0)
			return -1;
		if (over(w))
			return err_set(
				err, ERR_timeout, "the guest's agent is not there: %s", why.msg);
	}
}

static int firecracker_stream(
	const struct vmm *v, const struct wait *w, int *ret_fd, struct err *err)
{
	return connect_port(v, AGENT_VSOCK_SESSION, w, ret_fd, err);
}

const struct vmm_ops vmm_firecracker = {
	.name = "Firecracker",
	.kind = vmm_kind_firecracker,
	.stays = true,
	.launch = firecracker_launch,
	.configure = firecracker_configure,
	.start = firecracker_start,
	.attach = firecracker_attach,
	.pause = firecracker_pause,
	.resume = firecracker_resume,
	.paused = firecracker_paused,
	.quit = firecracker_quit,
	.console = firecracker_console,
	.control = firecracker_control,
	.stream = firecracker_stream,
};
