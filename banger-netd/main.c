/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "banger-netd/alone.h"
#include "banger-netd/forwarding.h"
#include "banger-netd/launch.h"
#include "banger-netd/netd.h"
#include "banger-netd/pool_note.h"
#include "banger-netd/rundir.h"
#include "banger-netd/sweep.h"
#include "banger-netd/uid_range.h"
#include "common/confine.h"
#include "common/failpoint.h"
#include "common/fd.h"
#include "common/frame.h"
#include "common/log.h"
#include "common/settings.h"
#include "common/str.h"

#define PEER_FD 3 /* bangerd's end of the socket pair is there at exec */

struct arguments {
	const char *config;
	gid_t group;
};

static int parse_arguments(int argc, char **argv, struct arguments *ret, struct err *err)
{
	struct arguments a = { .config = SETTINGS_PATH };
	bool have_group = false;
	uint64_t n;

	for (int i = 1; i + 1 < argc; i += 2) {
		if (str_eq(argv[i], "--config"))
			a.config = argv[i + 1];
		else if (str_eq(argv[i], "--group") &&
			 str_to_u64(argv[i + 1], 0, UINT32_MAX - 1, &n)) {
			a.group = (gid_t)n;
			have_group = true;
		} else
			return err_set(err, ERR_bad_request, "'%s %s' is not understood", argv[i],
				argv[i + 1]);
	}
	if (argc % 2 == 0 || !have_group)
		return err_set(err, ERR_bad_request,
			"usage: banger-netd --group GID [--config FILE], started by bangerd");
	*ret = a;
	return 0;
}

static int check_start(struct err *err)
{
	socklen_t len = sizeof(int);
	int type;

	if (geteuid() != 0)
		return err_set(err, ERR_unauthorized, "banger-netd must run as root");
	if (getsockopt(PEER_FD, SOL_SOCKET, SO_TYPE, &type, &len) < 0 || type != SOCK_SEQPACKET)
		return err_set(err, ERR_bad_request,
			"banger-netd is started by bangerd alone: "
			"fd 3 is no SEQPACKET socket");
	return fd_set_cloexec(PEER_FD, true) < 0
		       ? err_sys(err, ERR_operation_failed, errno, "cannot keep fd 3")
		       : 0;
}

static int read_config(const struct arguments *a, struct netd_config *ret, struct err *err)
{
	struct netd_config c = { .group = a->group };
	struct settings s;

	if (settings_load(a->config, &s, err) < 0)
		return -1;
	log_set_level(s.daemon_log_level);
	str_copy(c.run_dir, sizeof(c.run_dir), s.paths_run_dir.s);
	str_copy(c.qemu, sizeof(c.qemu), s.vmm_qemu.s);
	str_copy(c.firecracker, sizeof(c.firecracker), s.vmm_firecracker.s);
	c.pool = s.net_pool.base;
	c.pool_prefix = s.net_pool.prefix;
	c.uid_base = (uid_t)s.jail_uid_base;
	c.uid_count = (uint32_t)s.jail_uid_count;
	c.mode = s.daemon_seccomp;
	if (uid_range_check("/etc", c.uid_base, c.uid_count, err) < 0)
		return -1;
	*ret = c;
	return 0;
}

/* Root's directory, in which nobody else can put another ledger in place of netd's. */
static int open_run_dir(const char *path, int *ret, struct err *err)
{
	_cleanup_fd_ int fd = -1;
	struct stat st;

	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return err_sys(err, ERR_operation_failed, errno, "cannot make %s", path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot open %s", path);
	if (st.st_uid != 0 || ((st.st_mode & 022) && !(st.st_mode & S_ISVTX)))
		return err_set(err, ERR_operation_failed,
			"%s must be root's, and not writable by others unless it is sticky", path);
	*ret = TAKE_FD(fd);
	return 0;
}

/* The other half, before anything is open that it should not have; *ret_fd is netd's end. */
static int fork_launch(const struct netd_config *c, int *ret_fd, struct err *err)
{
	int sv[2];
	pid_t pid;

	if (frame_pair(sv, err) < 0)
		return -1;
	pid = fork();
	if (pid < 0) {
		int saved = errno;

		fd_close_many(sv, 2);
		return err_sys(err, ERR_operation_failed, saved, "cannot fork");
	}
	if (pid == 0) {
		const int keep[] = { 0, 1, 2, sv[1] };

		fd_close_all_but(keep, ARRAY_SIZE(keep));
		log_init("banger-launch", LOG_INFO);
		exit(launch_main(sv[1], c));
	}
	fd_closep(&sv[1]);
	*ret_fd = sv[0];
	return 0;
}

/* What it left goes with the sweep, when what may run of it is dead. */
static int on_stale(void *ctx, vm_id vm, const char *why)
{
	(void)ctx;
	log_notice("discarding what VM %s left: %s", vm.s, why);
	return 0;
}

/* Rules and forwarding as the ledger has them: a crash may have come in between. */
static void mend(struct netd *n)
{
	const struct ledger_row *row;
	struct err err = ERR_INIT;
	bool nat = false;

	for (size_t i = 0; (row = ledger_at(n->ledger, i)); i++)
		nat = nat || (ledger_row_has_network(row) && row->nat);
	idle_recover(n->ledger, netd_bridge_down, n);
	n->swept = netd_sweep(n);
	if (!nat && forwarding_down(n->ledger, &err) < 0)
		log_error("%s", err.msg);
	n->have_nft = netd_firewall(n, NULL, &err) == 0;
	if (!n->have_nft)
		log_error("%s", err.msg);
}

/* VMs of another range nobody could end any more, and their disks would be another suite's. */
static int check_rows(const struct netd *n, struct err *err)
{
	const struct netd_config *c = &n->config;
	const struct ledger_row *row;

	for (size_t i = 0; (row = ledger_at(n->ledger, i)); i++)
		if (row->jail_uid < c->uid_base || row->jail_uid - c->uid_base >= c->uid_count)
			return err_set(err, ERR_bad_input,
				"VM %s has the jail uid %u, which [jail] uid_base = %u and "
				"uid_count = %u no longer have: set them back, stop all VMs, and "
				"change them then",
				row->vm.s, row->jail_uid, c->uid_base, c->uid_count);
	return 0;
}

/* Launch began to probe at its own start; what was found a moment ago spares it that. */
static int say_kvm(struct netd *n, struct err *err)
{
	struct launch_kvm_known_out out;

	kvm_note_read(n->ledger, &n->kvm);
	if (!n->kvm.known)
		return 0;
	return launch_kvm_known(
		n->launch, &(struct launch_kvm_known_in){ .probe_us = n->kvm.us }, &out, err);
}

static int open_all(struct netd *n, int launch_fd, struct err *err)
{
	_cleanup_fd_ int run_dir = -1;
	char boot_id[37];

	host_tsc_start(&n->tsc);
	if (getrandom(&n->next_uid, sizeof(n->next_uid), 0) != (ssize_t)sizeof(n->next_uid))
		return err_sys(err, ERR_operation_failed, errno, "cannot get random bytes");
	n->have_tun = host_have_tun();
	if (ipc_open(launch_fd, &launch_protocol, &n->launch, err) < 0)
		return -1;
	/* A file's owner may give it to a group that he is in: no capability is needed for that. */
	if (setgroups(1, &n->config.group) < 0)
		return err_sys(
			err, ERR_operation_failed, errno, "cannot join group %u", n->config.group);
	if (open_run_dir(n->config.run_dir, &run_dir, err) < 0 ||
		rundir_open_all(run_dir, n->config.group, &n->rundirs, err) < 0)
		return -1;
	n->netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (n->netns < 0)
		return err_sys(
			err, ERR_operation_failed, errno, "cannot open the network namespace");
	if (link_open(&n->link, err) < 0 || nft_open(&n->nft, err) < 0 ||
		host_boot_id(boot_id, err) < 0)
		return -1;
	if (alone_claim(&n->claim, err) < 0 ||
		ledger_open(run_dir, boot_id, on_stale, NULL, &n->ledger, err) < 0 ||
		check_rows(n, err) < 0 || pool_note_check(n->ledger, &n->config, err) < 0)
		return -1;
	return say_kvm(n, err);
}

static void close_all(struct netd *n)
{
	ledger_close(n->ledger);
	netd_firewall_close(n);
	nft_close(n->nft);
	link_close(n->link);
	ipc_close(n->launch);
	fd_closep(&n->rundirs);
	fd_closep(&n->netns);
	fd_closep(&n->claim);
}

static int confine(const struct netd *n, struct err *err)
{
	static const unsigned capabilities[] = { CAP_NET_ADMIN };
	const struct confine_path paths[] = {
		{ n->config.run_dir, CONFINE_WRITE },
		{ "/dev/net/tun", CONFINE_WRITE },
		{ "/proc/sys/net", CONFINE_WRITE },
	};
	static const struct confine_rlimit rlimits[] = {
		{ RLIMIT_CORE, 0 }, { RLIMIT_NPROC, 0 },
		{ RLIMIT_NOFILE, 8192 }, /* a TAP for each VM between tap_create and qemu_launch */
	};
	const struct confine c = { .profile = CONFINE_netd,
		.mode = n->config.mode,
		.capabilities = capabilities,
		.n_capabilities = ARRAY_SIZE(capabilities),
		.paths = paths,
		.n_paths = ARRAY_SIZE(paths),
		.landlock = true,
		.rlimits = rlimits,
		.n_rlimits = ARRAY_SIZE(rlimits) };

	return confine_apply(&c, err);
}

static int run(const struct arguments *a, struct err *err)
{
	struct netd n = { .rundirs = -1, .netns = -1, .claim = -1 };
	struct ipc *peer = NULL;
	int launch_fd = -1, status;

	if (read_config(a, &n.config, err) < 0 || fork_launch(&n.config, &launch_fd, err) < 0)
		return -1;
	if (open_all(&n, launch_fd, err) == 0 && confine(&n, err) == 0 &&
		ipc_open(PEER_FD, &netd_protocol, &peer, err) == 0) {
		mend(&n);
		status = netd_serve(&n, peer);
		close_all(&n);
		return status;
	}
	close_all(&n);
	return -1;
}

int main(int argc, char **argv)
{
	struct err err = ERR_INIT;
	struct arguments a = { 0 };
	int r;

	FAILPOINT_INIT();
	log_init("banger-netd", LOG_INFO);
	/* Its end is bangerd's end of file, not a stop that reaches every process of the suite. */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	/* Nor a log that nobody reads, or that is as long as a file may be. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	umask(077);
	if (parse_arguments(argc, argv, &a, &err) < 0 || check_start(&err) < 0 ||
		(r = run(&a, &err)) < 0) {
		log_error("%s", err.msg);
		return 1;
	}
	return r;
}
