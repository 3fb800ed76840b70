/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guest/ports.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/str.h"

#define PORTS_DIR "sys/class/virtio-ports"

static void close_dirp(DIR **d)
{
	if (*d)
		closedir(*d);
}

/* The k of the port in directory `device` of `dir`; false when it is none of ours. */
static bool port_number(int dir, const char *device, uint64_t *ret)
{
	char path[sizeof(((struct dirent *)NULL)->d_name) + 8], name[64];
	_cleanup_fd_ int fd = -1;
	ssize_t n;

	if (!str_format(path, sizeof(path), "%s/name", device))
		return false;
	fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = fd_read_full(fd, name, sizeof(name) - 1);
	if (n <= 0)
		return false;
	name[n] = '\0';
	name[strcspn(name, "\n")] = '\0';
	return str_starts(name, "banger.") &&
	       str_to_u64(name + strlen("banger."), 0, PORTS_MAX - 1, ret);
}

/* Find port `want`, its device's name into `device`; how many others than port 0 were seen before
 * it was found, all of them when it was not. */
static unsigned scan(int tree, uint64_t want, char *device, size_t cap, bool *ret_found)
{
	int fd = openat(tree, PORTS_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_(close_dirp) DIR *d = fd < 0 ? NULL : fdopendir(fd);
	unsigned count = 0;
	struct dirent *e;

	*ret_found = false;
	if (!d) {
		fd_closep(&fd);
		return 0;
	}
	while ((e = readdir(d))) {
		uint64_t k;

		if (e->d_name[0] == '.' || !port_number(dirfd(d), e->d_name, &k))
			continue;
		if (k == want && str_copy(device, cap, e->d_name)) {
			*ret_found = true;
			return count;
		}
		count += k > 0;
	}
	return count;
}

int ports_open(int tree, unsigned k, int *ret_fd, struct err *err)
{
	char device[64], path[80];
	bool found;
	int fd;

	scan(tree, k, device, sizeof(device), &found);
	if (!found || !str_format(path, sizeof(path), "dev/%s", device))
		return err_set(err, ERR_not_found, "the guest has no port %u", k);
	fd = openat(tree, path, O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, errno == EBUSY ? ERR_busy : ERR_unavailable, errno,
			"cannot open port %u", k);
	*ret_fd = fd;
	return 0;
}

uint8_t ports_count(int tree)
{
	char device[64];
	bool found;

	/* No port has this number: all are counted. */
	return (uint8_t)scan(tree, PORTS_MAX, device, sizeof(device), &found);
}
