/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-netd/launch_qemu.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "banger-netd/qemu_argv.h"
#include "common/fd.h"
#include "common/str.h"

#define N_FDS	  (QEMU_FD_END - 3)
#define N_SOCKETS (QEMU_FD_END - QEMU_FD_QMP)

static void socket_name(int fd, char name[16])
{
	if (fd == QEMU_FD_QMP)
		str_copy(name, 16, "qmp");
	else if (fd == QEMU_FD_CONSOLE)
		str_copy(name, 16, "console");
	else
		str_format(name, 16, "p%d", fd - QEMU_FD_PORT0);
}

/* A socket bound to rundir/name, that members of the group may connect to. It does not listen. */
static int bind_socket(int rundir, const char *name, gid_t group, int *ret, struct err *err)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	_cleanup_fd_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 ||
		!str_format(a.sun_path, sizeof(a.sun_path), "/proc/self/fd/%d/%s", rundir, name) ||
		bind(fd, (const struct sockaddr *)&a, sizeof(a)) < 0 ||
		fchownat(rundir, name, 0, group, AT_SYMLINK_NOFOLLOW) < 0 ||
		fchmodat(rundir, name, 0660, 0) < 0)
		return err_sys(
			err, ERR_operation_failed, errno, "cannot make the VM's socket '%s'", name);
	*ret = TAKE_FD(fd);
	return 0;
}

static int bind_sockets(int rundir, gid_t group, int *fds, struct err *err)
{
	for (int i = 0; i < N_SOCKETS; i++) {
		char name[16];

		socket_name(QEMU_FD_QMP + i, name);
		if (bind_socket(rundir, name, group, &fds[i], err) < 0)
			return -1;
	}
	return 0;
}

static const struct jail_item items[] = {
	{ JAIL_DIR, 0, "/dev", 0, 0, 0 },
	{ JAIL_DIR, 0, "/etc", 0, 0, 0 },
	{ JAIL_HOST, 0, "/usr", 0, 0, 0 },
	{ JAIL_HOST, 0, "/lib", 0, 0, 0 },
	{ JAIL_HOST, 0, "/lib64", 0, 0, 0 },
	{ JAIL_HOST, 0, "/etc/ld.so.cache", 0, 0, 0 },
	{ JAIL_READ, 0, QEMU_KERNEL, JAIL_FILE_KERNEL, 0, 0 },
	{ JAIL_READ, 0, QEMU_INITRAMFS, JAIL_FILE_INITRAMFS, 0, 0 },
	JAIL_DEVICES,
};

static const struct jail_layout layout = { items, ARRAY_SIZE(items) };

/* What it may make its files as large as: the larger of its disks. */
static int measure(
	const struct launch_qemu_spawn_in *in, bool *ret_block, uint64_t *ret_size, struct err *err)
{
	struct stat disk, work = { 0 };

	if (fstat(in->disk, &disk) < 0 || (in->work >= 0 && fstat(in->work, &work) < 0))
		return err_sys(err, ERR_operation_failed, errno, "cannot look at the disks");
	*ret_block = S_ISBLK(disk.st_mode);
	*ret_size = *ret_block ? JAIL_FILE_SIZE : (uint64_t)disk.st_size;
	if (*ret_size < (uint64_t)work.st_size)
		*ret_size = (uint64_t)work.st_size;
	return 0;
}

/* fds: disk, tap (the caller's), the sockets, and the work disk where there is one. */
static int spawn(const struct netd_config *config, int binary,
	const struct launch_qemu_spawn_in *in, bool kvm, const int *fds, int log,
	struct jail_child *ret, struct err *err)
{
	struct qemu_machine machine = { in->vm, in->vcpus, in->memory, kvm, in->tsc_khz, in->mac,
		.work = in->work >= 0 };
	struct qemu_argv argv;
	int listening[N_SOCKETS];
	struct jail jail = { .mount_point = config->run_dir,
		.uid = in->jail_uid,
		.layout = &layout,
		.with = kvm ? JAIL_WITH_KVM : 0,
		.files = { in->kernel, in->initramfs, -1, -1, -1 },
		.profile = CONFINE_qemu,
		.mode = config->mode,
		.umask = 077,
		.address_space = ((uint64_t)in->memory << 20) + JAIL_ADDRESS_SPACE_EXTRA,
		.open_files = 256,
		.std = { -1, log, log },
		.fds = fds,
		.n_fds = N_FDS + (in->work >= 0),
		.listen = listening,
		.n_listen = N_SOCKETS,
		.binary = binary,
		.argv = argv.argv };

	if (measure(in, &machine.block, &jail.file_size, err) < 0)
		return -1;
	for (int i = 0; i < N_SOCKETS; i++)
		listening[i] = QEMU_FD_QMP - 3 + i;
	if (qemu_argv_build(config->qemu, &machine, &argv, err) < 0)
		return -1;
	return jail_spawn(&jail, ret, err);
}

int launch_qemu(const struct netd_config *config, int binary, const struct launch_qemu_spawn_in *in,
	bool kvm, struct jail_child *ret, struct vmm_log *ret_log, struct err *err)
{
	int fds[N_FDS + 1] = { in->disk, in->tap };
	struct vmm_log log = VMM_LOG_INIT;
	_cleanup_fd_ int writer = -1;
	int r;

	for (int i = 2; i < N_FDS; i++)
		fds[i] = -1;
	fds[N_FDS] = in->work;
	r = bind_sockets(in->rundir, config->group, fds + 2, err);
	if (r == 0)
		r = vmm_log_open(in->rundir, config->group, &log, &writer, err);
	if (r == 0)
		r = spawn(config, binary, in, kvm, fds, writer, ret, err);
	fd_close_many(fds + 2, N_SOCKETS);
	if (r < 0) {
		vmm_log_finish(&log);
		return -1;
	}
	*ret_log = log;
	return 0;
}
