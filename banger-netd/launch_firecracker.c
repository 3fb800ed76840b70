/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-netd/launch_firecracker.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "banger-netd/fd_check.h"
#include "common/fd.h"
#include "common/jail_paths.h"
#include "common/str.h"

static const struct jail_item items[] = {
	{ JAIL_DIR, 0, "/dev", 0, 0, 0 },
	{ JAIL_DIR, 0, "/dev/net", 0, 0, 0 },
	{ JAIL_DIR, JAIL_WITH_LOADER, "/etc", 0, 0, 0 },
	{ JAIL_HOST, JAIL_WITH_LOADER, "/usr", 0, 0, 0 },
	{ JAIL_HOST, JAIL_WITH_LOADER, "/lib", 0, 0, 0 },
	{ JAIL_HOST, JAIL_WITH_LOADER, "/lib64", 0, 0, 0 },
	{ JAIL_HOST, JAIL_WITH_LOADER, "/etc/ld.so.cache", 0, 0, 0 },
	{ JAIL_READ, 0, JAIL_KERNEL, JAIL_FILE_KERNEL, 0, 0 },
	{ JAIL_READ, 0, JAIL_INITRAMFS, JAIL_FILE_INITRAMFS, 0, 0 },
	{ JAIL_WRITE, 0, JAIL_DISK, JAIL_FILE_DISK, 0, 0 },
	{ JAIL_WRITE, JAIL_WITH_WORK, JAIL_WORK, JAIL_FILE_WORK, 0, 0 },
	{ JAIL_WRITE, 0, JAIL_RUN, JAIL_FILE_RUN, 0, 0 },
	{ JAIL_OWNED_NODE, 0, "/dev/net/tun", 0, 10, 200 },
	JAIL_DEVICES,
};

static const struct jail_layout layout = { items, ARRAY_SIZE(items) };

/* Both ends at once and never waiting: it sees no end of file and blocks on nobody, and bangerd
 * may come and go. */
static int open_fifo(int rundir, const char *name, gid_t group, int *ret, struct err *err)
{
	_cleanup_fd_ int fd = -1;

	if (mkfifoat(rundir, name, 0600) < 0 ||
		fchownat(rundir, name, 0, group, AT_SYMLINK_NOFOLLOW) < 0 ||
		fchmodat(rundir, name, 0660, 0) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot make the FIFO '%s'", name);
	fd = fd_open_beneath(rundir, name, O_RDWR | O_NONBLOCK, 0);
	if (fd < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot open the FIFO '%s'", name);
	*ret = TAKE_FD(fd);
	return 0;
}

/* Where Firecracker logs to is a file that it opens by name. It is one pipe with its stderr, so
 * that the log is bounded, and its last words are read when it is dead (vmm_log.h). */
static int make_log(int run, uid_t uid, struct vmm_log *log, int *ret_writer, struct err *err)
{
	_cleanup_fd_ int reader = -1, writer = -1;
	char again[32];

	if (mkfifoat(run, JAIL_RUN_LOG, 0600) == 0)
		reader = fd_open_beneath(run, JAIL_RUN_LOG, O_RDWR | O_NONBLOCK, 0);
	if (reader >= 0 && fd_check_new_fifo(reader, "VMM's log", err) < 0)
		return -1;
	str_format(again, sizeof(again), "/proc/self/fd/%d", reader);
	if (reader >= 0)
		writer = open(again, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	if (writer < 0 || fchown(reader, uid, (gid_t)-1) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot make the VMM's log");
	fd_closep(&log->pipe);
	fd_closep(ret_writer);
	log->pipe = TAKE_FD(reader);
	*ret_writer = TAKE_FD(writer);
	return 0;
}

/* The directory that netd made for it, with its log; what is in there is the VMM's from now on. */
static int open_run(const struct launch_firecracker_spawn_in *in, struct vmm_log *log, int *ret,
	int *ret_writer, struct err *err)
{
	_cleanup_fd_ int fd = fd_open_beneath(in->rundir, JAIL_RUN_HOST, O_RDONLY | O_DIRECTORY, 0);

	if (fd < 0)
		return err_sys(
			err, ERR_operation_failed, errno, "cannot open the VMM's run directory");
	if (make_log(fd, in->jail_uid, log, ret_writer, err) < 0)
		return -1;
	if (fchown(fd, in->jail_uid, (gid_t)-1) < 0)
		return err_sys(
			err, ERR_operation_failed, errno, "cannot give the VMM its run directory");
	*ret = TAKE_FD(fd);
	return 0;
}

/* It opens its disks by path: the file becomes its uid's, and its group, bangerd's, keeps access.
 * Only a file's owner may set its mode (without CAP_FOWNER). Of a block device the jail makes a
 * node of its own. */
static int give_disk(int disk, uid_t uid, uint64_t *ret_size, struct err *err)
{
	struct stat st;

	if (fstat(disk, &st) == 0 && S_ISBLK(st.st_mode)) {
		*ret_size = JAIL_FILE_SIZE;
		return 0;
	}
	if (fchown(disk, 0, (gid_t)-1) < 0 || fchmod(disk, 0660) < 0 ||
		fchown(disk, uid, (gid_t)-1) < 0 || fstat(disk, &st) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot give the VMM its disk");
	*ret_size = (uint64_t)st.st_size;
	return 0;
}

/* *ret_size: of the larger of its files. */
static int give_disks(
	const struct launch_firecracker_spawn_in *in, uint64_t *ret_size, struct err *err)
{
	uint64_t disk, work = 0;

	if (give_disk(in->disk, in->jail_uid, &disk, err) < 0 ||
		(in->work >= 0 && give_disk(in->work, in->jail_uid, &work, err) < 0))
		return -1;
	*ret_size = disk > work ? disk : work;
	return 0;
}

int launch_firecracker(const struct netd_config *config, const struct vmm_binary *binary,
	const struct launch_firecracker_spawn_in *in, struct jail_child *ret,
	struct vmm_log *ret_log, struct err *err)
{
	char id[VM_ID_LEN + 1], name[] = "firecracker", id_option[] = "--id",
				socket_option[] = "--api-sock",
				socket[] = JAIL_RUN "/" JAIL_RUN_API;
	char *const argv[] = { name, id_option, id, socket_option, socket, NULL };
	_cleanup_fd_ int run = -1, input = -1, output = -1, writer = -1;
	_cleanup_(vmm_log_finish) struct vmm_log log = VMM_LOG_INIT;
	struct jail jail = { .mount_point = config->run_dir,
		.uid = in->jail_uid,
		.layout = &layout,
		.with = JAIL_WITH_KVM | (binary->interpreted ? JAIL_WITH_LOADER : 0) |
			(in->work >= 0 ? JAIL_WITH_WORK : 0),
		.network = true,
		.profile = CONFINE_firecracker,
		.mode = config->mode,
		.umask = 007, /* its sockets are for bangerd's group, whose directory it is */
		.address_space = ((uint64_t)in->memory << 20) + JAIL_ADDRESS_SPACE_EXTRA,
		.open_files =
			2048, /* its vsock may have 1023 connections; as its own jailer has it */
		.binary = binary->fd,
		.argv = argv };
	uint64_t memory = (uint64_t)in->memory << 20;

	str_copy(id, sizeof(id), in->vm.s);
	if (vmm_log_open(in->rundir, config->group, &log, &writer, err) < 0 ||
		open_run(in, &log, &run, &writer, err) < 0 ||
		give_disks(in, &jail.file_size, err) < 0 ||
		open_fifo(in->rundir, JAIL_CONSOLE_IN, config->group, &input, err) < 0 ||
		open_fifo(in->rundir, JAIL_CONSOLE_OUT, config->group, &output, err) < 0)
		return -1;
	/* Guest memory in a memfd is a file too. */
	if (jail.file_size < memory)
		jail.file_size = memory;
	jail.files[JAIL_FILE_KERNEL] = in->kernel;
	jail.files[JAIL_FILE_INITRAMFS] = in->initramfs;
	jail.files[JAIL_FILE_DISK] = in->disk;
	jail.files[JAIL_FILE_WORK] = in->work;
	jail.files[JAIL_FILE_RUN] = run;
	jail.std[0] = input;
	jail.std[1] = output;
	jail.std[2] = writer;
	if (jail_spawn(&jail, ret, err) < 0)
		return -1;
	*ret_log = log;
	log = (struct vmm_log)VMM_LOG_INIT;
	return 0;
}
