/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guest/root.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/str.h"
#include "guest/bind.h"

int root_bind(int tree, struct err *err)
{
	static const char *const dirs[] = { "proc", "sys", "dev" };
	_cleanup_fd_ int root = open(ROOT_DIR, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (root < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot open " ROOT_DIR);
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		if (bind_dir(tree, root, dirs[i], err) < 0)
			return -1;
	return 0;
}

int root_switch(struct err *err)
{
	if (chdir(ROOT_DIR) < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 ||
		chdir("/") < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot switch to the root disk");
	return 0;
}
