/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/fake/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>

#include "common/fd.h"
#include "common/str.h"

#define VNET_HEADER 12

int tap_open(const char *name)
{
	struct ifreq q = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	_cleanup_fd_ int fd = -1;
	int header = VNET_HEADER;

	if (!str_copy(q.ifr_name, sizeof(q.ifr_name), name)) {
		errno = EINVAL;
		return -1;
	}
	fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &q) < 0 || ioctl(fd, TUNSETVNETHDRSZ, &header) < 0)
		return -1;
	return TAKE_FD(fd);
}
