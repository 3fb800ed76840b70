/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kernel-tool KERNEL MODULES_DIR|- INIT AGENT VMLINUX_OUT INITRAMFS_OUT
 *
 * The import of a kernel as banger-imaged's worker does it, in one process, for tests that boot a
 * guest without the suite. A directory of modules is served as the CLI would.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "banger-imaged/kernel_import.h"
#include "common/fd.h"
#include "common/frame.h"
#include "common/proto_source.h"
#include "common/str.h"

#define PROTO	    source
#define PROTO_TABLE "common/proto/source.tbl.h"
#define PROTO_CTX   const int
#include "common/ipc_serve.h"

int on_file_open(const int *dir, struct source_file_open_in *in, struct source_file_open_out *out,
	struct err *err)
{
	_cleanup_fd_ int fd = fd_open_beneath(*dir, in->path.s, O_RDONLY | O_NOCTTY, 0);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, errno == ENOENT ? ERR_not_found : ERR_operation_failed, errno,
			"cannot open %s", in->path.s);
	out->size = (uint64_t)st.st_size;
	out->file = TAKE_FD(fd);
	return 0;
}

/* Serve the directory in a child until the returned socket is closed. */
static int serve_directory(const char *path, pid_t *ret_pid)
{
	struct err err = ERR_INIT;
	struct ipc *ch;
	int sv[2], dir;

	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || frame_pair(sv, &err) < 0) {
		fprintf(stderr, "kernel-tool: %s: %s\n", path, strerror(errno));
		return -1;
	}
	*ret_pid = fork();
	if (*ret_pid == 0) {
		close(sv[0]);
		if (ipc_open(sv[1], &source_protocol, &ch, &err) < 0)
			_exit(1);
		while (ipc_serve(ch, source_handlers, &dir, NULL, &err) > 0)
			;
		_exit(0);
	}
	close(sv[1]);
	close(dir);
	if (*ret_pid < 0)
		fd_closep(&sv[0]);
	return sv[0];
}

static int open_or_say(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0644);

	if (fd < 0)
		fprintf(stderr, "kernel-tool: %s: %s\n", path, strerror(errno));
	return fd;
}

int main(int argc, char **argv)
{
	struct job_kernel_import_in in = { .modules = -1 };
	struct job_kernel_import_out out;
	struct err err = ERR_INIT;
	pid_t pid = -1;
	int r;

	if (argc != 7) {
		fprintf(stderr, "usage: kernel-tool KERNEL MODULES_DIR|- INIT AGENT VMLINUX_OUT "
				"INITRAMFS_OUT\n");
		return 2;
	}
	if (!str_eq(argv[2], "-") && (in.modules = serve_directory(argv[2], &pid)) < 0)
		return 1;
	in.kernel = open_or_say(argv[1], O_RDONLY);
	in.init = open_or_say(argv[3], O_RDONLY);
	in.agent = open_or_say(argv[4], O_RDONLY);
	in.vmlinux = open_or_say(argv[5], O_RDWR | O_CREAT | O_TRUNC);
	in.initramfs = open_or_say(argv[6], O_RDWR | O_CREAT | O_TRUNC);
	if (in.kernel < 0 || in.init < 0 || in.agent < 0 || in.vmlinux < 0 || in.initramfs < 0)
		return 1;
	r = kernel_import(&in, &out, NULL, &err);
	if (r < 0)
		fprintf(stderr, "kernel-tool: %s: %s\n", err_code_name(err.code), err.msg);
	else
		printf("%s %s, %u modules, %llu bytes\n", out.version.s, out.arch.s, out.n_modules,
			(unsigned long long)out.size);
	fd_closep(&in.modules);
	if (pid > 0)
		waitpid(pid, NULL, 0);
	return r < 0;
}
