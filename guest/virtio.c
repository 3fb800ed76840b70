/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guest/virtio.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>

#include "common/fd.h"
#include "common/str.h"

static void close_dirp(DIR **d)
{
	if (*d)
		closedir(*d);
}

/* The kind of the device in directory `name` of `dir`, which its file `device` has as "0x0013". */
static unsigned long kind_of(int dir, const char *name)
{
	char path[sizeof(((struct dirent *)NULL)->d_name) + 8], text[16] = "";
	_cleanup_fd_ int fd = -1;

	if (!str_format(path, sizeof(path), "%s/device", name))
		return 0;
	fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fd_read_full(fd, text, sizeof(text) - 1) <= 0)
		return 0;
	return strtoul(text, NULL, 16);
}

bool virtio_has(int tree, unsigned id)
{
	int fd = openat(tree, "sys/bus/virtio/devices", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_(close_dirp) DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!d) {
		fd_closep(&fd);
		return false;
	}
	while ((e = readdir(d)))
		if (e->d_name[0] != '.' && kind_of(dirfd(d), e->d_name) == id)
			return true;
	return false;
}
