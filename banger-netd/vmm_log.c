/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-netd/vmm_log.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fd.h"

int vmm_log_open(int rundir, gid_t group, struct vmm_log *ret, int *ret_writer, struct err *err)
{
	struct vmm_log log = VMM_LOG_INIT;
	_cleanup_fd_ int writer = -1;
	int p[2];

	log.file =
		openat(rundir, "vmm.log", O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
	if (log.file < 0 || fchown(log.file, (uid_t)-1, group) < 0 || fchmod(log.file, 0640) < 0 ||
		pipe2(p, O_CLOEXEC) < 0) {
		int saved = errno;

		vmm_log_finish(&log);
		return err_sys(err, ERR_operation_failed, saved, "cannot make the VMM's log");
	}
	log.pipe = p[0];
	writer = p[1];
	if (fd_set_nonblock(log.pipe, true) < 0 || fd_set_nonblock(writer, true) < 0) {
		int saved = errno;

		vmm_log_finish(&log);
		return err_sys(err, ERR_operation_failed, saved, "cannot make the VMM's log");
	}
	*ret = log;
	*ret_writer = TAKE_FD(writer);
	return 0;
}

void vmm_log_finish(struct vmm_log *log)
{
	fd_closep(&log->pipe);
	fd_closep(&log->file);
}

/* At most what a pipe holds: a VMM that is not dead after all must not keep us here. */
void vmm_log_save(struct vmm_log *log)
{
	char s[4096];

	for (int i = 0; log->pipe >= 0 && i < 16; i++) {
		ssize_t n = read(log->pipe, s, sizeof(s));

		/* A log that cannot be written is short, no more. */
		if (n <= 0 || fd_write_full(log->file, s, (size_t)n) < 0)
			break;
	}
	vmm_log_finish(log);
}
