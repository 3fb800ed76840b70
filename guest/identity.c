/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guest/identity.h"

#include <fcntl.h>
#include <string.h>
#include <sys/utsname.h>

#include "common/fd.h"
#include "guest/ports.h"

void identity_boot(int tree, text *ret)
{
	_cleanup_fd_ int fd = openat(tree, "proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	char s[64] = "";

	if (fd >= 0 && fd_read_full(fd, s, sizeof(s) - 1) > 0)
		s[strcspn(s, "\n")] = '\0';
	if (!text_parse(s, ret))
		*ret = (text){ 0 };
}

void identity_hello(int tree, bool ready, struct agent_hello_out *out)
{
	struct utsname u;

	*out = (struct agent_hello_out){ .version = AGENT_VERSION, .ready = ready };
	identity_boot(tree, &out->boot_id);
	if (uname(&u) < 0 || !text_parse(u.release, &out->kernel))
		out->kernel = (text){ 0 };
	out->ports = ports_count(tree);
}
