/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-netd/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>

#include "common/fd.h"
#include "common/str.h"

static int set_name(int fd, const char *name, struct err *err)
{
	struct ifreq ifr = { 0 };

	str_copy(ifr.ifr_name, sizeof(ifr.ifr_name), name);
	ifr.ifr_flags = (short)(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_TUN_EXCL);
	if (ioctl(fd, TUNSETIFF, &ifr) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot make TAP %s", name);
	return 0;
}

int tap_open(const char *name, int *ret_fd, struct err *err)
{
	_cleanup_fd_ int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return err_sys(err, ERR_unavailable, errno,
			"cannot open /dev/net/tun (is the kernel module 'tun' loaded?)");
	if (set_name(fd, name, err) < 0)
		return -1;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int tap_make(int fd, const char *name, uid_t owner, struct err *err)
{
	if (set_name(fd, name, err) < 0)
		return -1;
	if (ioctl(fd, TUNSETOWNER, (unsigned long)owner) < 0 || ioctl(fd, TUNSETPERSIST, 1UL) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot give TAP %s away", name);
	return 0;
}
