/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/resolvers.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/str.h"

#define FILE_MAX 65536

static bool usable(ipv4 a)
{
	return a.v != 0 && a.v >> 24 != 127;
}

void resolvers_parse(const char *conf, ipv4 ret[2])
{
	unsigned n = 0;

	ret[0] = ret[1] = (ipv4){ 0 };
	while (*conf && n < 2) {
		size_t line = strcspn(conf, "\n"), blanks;
		char word[16] = "";
		ipv4 a;

		if (strncmp(conf, "nameserver", 10) == 0 && (blanks = strspn(conf + 10, " \t"))) {
			const char *p = conf + 10 + blanks;
			size_t len = strcspn(p, " \t\r\n");

			if (len < sizeof(word)) {
				memcpy(word, p, len);
				if (ipv4_parse(word, &a) && usable(a))
					ret[n++] = a;
			}
		}
		conf += line + (conf[line] == '\n');
	}
}

static bool read_file(const char *path, ipv4 ret[2])
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	_cleanup_free_ char *conf = NULL;
	struct err why = ERR_INIT;

	if (fd < 0 || fd_read_text(fd, FILE_MAX, &conf, NULL, &why) < 0)
		return false;
	resolvers_parse(conf, ret);
	return ret[0].v != 0;
}

void resolvers_choose(const struct addresses *setting, ipv4 ret[2])
{
	ret[0] = ret[1] = (ipv4){ 0 };
	if (!setting->automatic) {
		memcpy(ret, setting->a, sizeof(setting->a));
		return;
	}
	if (!read_file("/etc/resolv.conf", ret))
		read_file("/run/systemd/resolve/resolv.conf", ret);
}
