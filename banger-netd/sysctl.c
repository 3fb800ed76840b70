/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-netd/sysctl.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/str.h"

static int open_switch(const char *family, const char *ifname, const char *key, int flags, int *ret,
	struct err *err)
{
	char path[160];
	int fd;

	if (strchr(ifname, '/') || str_starts(ifname, ".") ||
		!str_format(path, sizeof(path), "/proc/sys/net/%s/conf/%s/%s", family, ifname, key))
		return err_set(err, ERR_operation_failed, "'%s' is no interface", ifname);
	fd = open(path, flags | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, errno == ENOENT ? ERR_not_found : ERR_operation_failed, errno,
			"cannot open %s", path);
	*ret = fd;
	return 0;
}

int sysctl_set(const char *family, const char *ifname, const char *key, int value, struct err *err)
{
	_cleanup_fd_ int fd = -1;
	char s[16];

	if (open_switch(family, ifname, key, O_WRONLY, &fd, err) < 0)
		return -1;
	str_format(s, sizeof(s), "%d\n", value);
	if (fd_write_full(fd, s, strlen(s)) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot set %s of interface %s",
			key, ifname);
	return 0;
}

int sysctl_get(const char *family, const char *ifname, const char *key, int *ret, struct err *err)
{
	_cleanup_fd_ int fd = -1;
	char s[16];
	ssize_t n;

	if (open_switch(family, ifname, key, O_RDONLY, &fd, err) < 0)
		return -1;
	n = fd_read_full(fd, s, sizeof(s));
	if (n < 2 || (s[0] != '0' && s[0] != '1') || s[1] != '\n')
		return err_set(
			err, ERR_operation_failed, "cannot read %s of interface %s", key, ifname);
	*ret = s[0] == '1';
	return 0;
}
