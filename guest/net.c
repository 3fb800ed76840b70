/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernels have no ip= (IP_PNP=n), images have no tools: a few ioctls do. */
#include "guest/net.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <net/route.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/str.h"

static int open_socket(int *ret, struct err *err)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot open a network socket");
	*ret = fd;
	return 0;
}

static int bring_up(int fd, const char *name, struct err *err)
{
	struct ifreq r = { 0 };

	str_copy(r.ifr_name, sizeof(r.ifr_name), name);
	if (ioctl(fd, SIOCGIFFLAGS, &r) < 0)
		return err_sys(err, ERR_operation_failed, errno, "no state of interface %s", name);
	r.ifr_flags = (short)(r.ifr_flags | IFF_UP | IFF_RUNNING);
	if (ioctl(fd, SIOCSIFFLAGS, &r) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot bring %s up", name);
	return 0;
}

int net_loopback(struct err *err)
{
	_cleanup_fd_ int fd = -1;

	return open_socket(&fd, err) < 0 ? -1 : bring_up(fd, "lo", err);
}

static bool has_mac(int dir, const char *name, const char *want)
{
	char path[IFNAMSIZ + 16], have[18];
	_cleanup_fd_ int fd = -1;

	if (!str_format(path, sizeof(path), "%s/address", name))
		return false;
	fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fd_read_full(fd, have, 17) != 17)
		return false;
	have[17] = '\0';
	return str_eq(have, want);
}

static int find_interface(int tree, mac wanted, char name[IFNAMSIZ], struct err *err)
{
	char want[18];
	int fd = openat(tree, "sys/class/net", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	mac_format(wanted, want);
	while (d && (e = readdir(d)))
		if (e->d_name[0] != '.' && has_mac(dirfd(d), e->d_name, want) &&
			str_copy(name, IFNAMSIZ, e->d_name)) {
			closedir(d);
			return 0;
		}
	if (d)
		closedir(d);
	else
		fd_closep(&fd);
	return err_set(err, ERR_not_found, "no network interface has the address %s", want);
}

static struct sockaddr to_sockaddr(uint32_t host_order)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(host_order) };
	struct sockaddr sa;

	memcpy(&sa, &in, sizeof(sa));
	return sa;
}

static int set_address(int fd, unsigned long request, const char *name, uint32_t a, struct err *err)
{
	struct ifreq r = { 0 };

	str_copy(r.ifr_name, sizeof(r.ifr_name), name);
	r.ifr_addr = to_sockaddr(a);
	if (ioctl(fd, request, &r) < 0)
		return err_sys(
			err, ERR_operation_failed, errno, "cannot give %s its address", name);
	return 0;
}

int net_configure(int tree, mac wanted, ipv4 address, uint8_t prefix, ipv4 gateway, struct err *err)
{
	uint32_t mask = ~0U << (32 - prefix);
	struct rtentry route = { .rt_flags = RTF_UP | RTF_GATEWAY };
	char name[IFNAMSIZ];
	_cleanup_fd_ int fd = -1;

	if (open_socket(&fd, err) < 0 || find_interface(tree, wanted, name, err) < 0)
		return -1;
	if (set_address(fd, SIOCSIFADDR, name, address.v, err) < 0 ||
		set_address(fd, SIOCSIFNETMASK, name, mask, err) < 0 ||
		set_address(fd, SIOCSIFBRDADDR, name, address.v | ~mask, err) < 0 ||
		bring_up(fd, name, err) < 0)
		return -1;
	if (gateway.v == 0)
		return 0;
	route.rt_dst = route.rt_genmask = to_sockaddr(0);
	route.rt_gateway = to_sockaddr(gateway.v);
	if (ioctl(fd, SIOCADDRT, &route) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot set the default route");
	return 0;
}
