/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guest/modules.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/log.h"
#include "common/str.h"
#include "guest/virtio.h"

#define ORDER_MAX 65536

static void load(int dir, const char *file)
{
	_cleanup_fd_ int fd = openat(dir, file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0) {
		log_warning("cannot open module %s: %s", file, strerror(errno));
		return;
	}
	if (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST)
		log_warning("cannot load module %s: %s", file, strerror(errno));
}

/* A line without its file: is it of this phase, and for this machine? */
static bool is_due(int tree, char *rest, const char *phase)
{
	char *device = strchr(rest, ' ');
	uint64_t id;

	if (device)
		*device++ = '\0';
	if (!str_eq(rest, phase))
		return false;
	return !device || !str_starts(device, "virtio:") ||
	       !str_to_u64(device + strlen("virtio:"), 1, UINT16_MAX, &id) ||
	       virtio_has(tree, (unsigned)id);
}

int modules_load(int tree, const char *phase, struct err *err)
{
	_cleanup_fd_ int dir = openat(tree, "modules", O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_fd_ int fd = dir < 0 ? -1 : openat(dir, "order", O_RDONLY | O_CLOEXEC);
	_cleanup_free_ char *text = NULL;
	char *line, *save = NULL;

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot open /modules/order");
	if (fd_read_text(fd, ORDER_MAX, &text, NULL, err) < 0)
		return err_wrap(err, "/modules/order");
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *blank = strchr(line, ' ');

		if (!blank)
			return err_set(
				err, ERR_bad_input, "/modules/order: '%s' has no phase", line);
		*blank = '\0';
		if (is_due(tree, blank + 1, phase))
			load(dir, line);
	}
	return 0;
}
