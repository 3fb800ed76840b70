/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/guest_programs.h"

#include <errno.h>
#include <fcntl.h>

#include "bangerd/guest_digest.h" /* made by the build: GUEST_DIGEST */
#include "common/fd.h"
#include "common/str.h"

static int open_one(const char *dir, const char *name, int *ret, struct err *err)
{
	char path[300];
	int fd;

	if (!str_format(path, sizeof(path), "%s/%s", dir, name))
		return err_set(err, ERR_bad_request, "libexec_dir is too long");
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return err_sys(err, ERR_unavailable, errno,
			"cannot open the guest program %s: is banger installed completely?", path);
	*ret = fd;
	return 0;
}

int guest_programs_open(const char *libexec_dir, struct guest_programs *ret, struct err *err)
{
	struct guest_programs g = GUEST_PROGRAMS_INIT;

	if (open_one(libexec_dir, "guest-init", &g.init, err) < 0 ||
		open_one(libexec_dir, "guest-agent", &g.agent, err) < 0) {
		guest_programs_close(&g);
		return -1;
	}
	if (!digest_parse(GUEST_DIGEST, &g.digest)) {
		guest_programs_close(&g);
		return err_set(err, ERR_operation_failed, "the build's digest is none");
	}
	*ret = g;
	return 0;
}

void guest_programs_close(struct guest_programs *g)
{
	fd_closep(&g->init);
	fd_closep(&g->agent);
}
