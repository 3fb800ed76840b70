/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guest/names.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/str.h"
#include "guest/bind.h"
#include "guest/root.h"

static int write_file(int tree, const char *path, const char *content, struct err *err)
{
	_cleanup_fd_ int fd = openat(tree, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0 || fchmod(fd, 0644) < 0 || fd_write_full(fd, content, strlen(content)) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot write /%s", path);
	return 0;
}

/* Keep `text` at /names/NAME of the tree and bind that onto /etc/NAME of the root. */
static int provide(int tree, int root, const char *name, const char *content, struct err *err)
{
	char source[64], target[64];
	bool done;

	str_format(source, sizeof(source), "names/%s", name);
	str_format(target, sizeof(target), "etc/%s", name);
	if (write_file(tree, source, content, err) < 0)
		return -1;
	return bind_file(tree, source, root, target, &done, err);
}

static void resolv_conf(char *s, size_t cap, ipv4 dns1, ipv4 dns2)
{
	ipv4 dns[] = { dns1, dns2 };
	char a[16];

	s[0] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(dns); i++) {
		size_t used = strlen(s);

		if (dns[i].v != 0)
			str_format(s + used, cap - used, "nameserver %s\n", ipv4_format(dns[i], a));
	}
}

int names_bind(
	int tree, const vm_name *hostname, ipv4 address, ipv4 dns1, ipv4 dns2, struct err *err)
{
	_cleanup_fd_ int root = open(ROOT_DIR, O_PATH | O_DIRECTORY | O_CLOEXEC);
	char s[512], a[16];

	if (root < 0 || (mkdirat(tree, "names", 0755) < 0 && errno != EEXIST))
		return err_sys(err, ERR_operation_failed, errno, "cannot make /names");
	str_format(s, sizeof(s), "%s\n", hostname->s);
	if (provide(tree, root, "hostname", s, err) < 0)
		return -1;
	str_format(s, sizeof(s),
		"127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n%s\t%s\n",
		address.v != 0 ? ipv4_format(address, a) : "127.0.1.1", hostname->s);
	if (provide(tree, root, "hosts", s, err) < 0)
		return -1;
	if (dns1.v == 0 && dns2.v == 0)
		return 0;
	resolv_conf(s, sizeof(s), dns1, dns2);
	return provide(tree, root, "resolv.conf", s, err);
}
