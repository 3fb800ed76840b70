/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guest/wires.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/fd.h"

/* Not in glibc's headers everywhere (kernel: Documentation/filesystems/devpts.rst, ioctl_tty(2)).
 */
#ifndef TIOCGPTPEER
#define TIOCGPTPEER _IO('T', 0x41)
#endif

static const struct wires none = { { -1, -1, -1 }, { -1, -1, -1 } };

void wires_close_child(struct wires *w)
{
	/* A terminal's slave is there three times. */
	for (int i = 1; i < 3; i++)
		if (w->child[i] == w->child[0])
			w->child[i] = -1;
	fd_close_many(w->child, 3);
}

void wires_close(struct wires *w)
{
	wires_close_child(w);
	fd_close_many(w->agent, 3);
}

int wires_pipes(struct wires *ret, struct err *err)
{
	struct wires w = none;

	for (int i = 0; i < 3; i++) {
		int p[2];

		if (pipe2(p, O_CLOEXEC) < 0) {
			err_sys(err, ERR_operation_failed, errno, "cannot make pipes");
			wires_close(&w);
			return -1;
		}
		w.child[i] = p[i == 0 ? 0 : 1];
		w.agent[i] = p[i == 0 ? 1 : 0];
		if (fd_set_nonblock(w.agent[i], true) < 0) {
			err_sys(err, ERR_operation_failed, errno, "cannot make pipes");
			wires_close(&w);
			return -1;
		}
	}
	*ret = w;
	return 0;
}

int wires_terminal(int tree, uint16_t rows, uint16_t columns, struct wires *ret, struct err *err)
{
	struct winsize size = { .ws_row = rows, .ws_col = columns };
	_cleanup_fd_ int master =
		openat(tree, "dev/pts/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	int slave, unlock = 0;

	if (master < 0 || ioctl(master, TIOCSPTLCK, &unlock) < 0 ||
		ioctl(master, TIOCSWINSZ, &size) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot make a terminal");
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot open a terminal");
	*ret = (struct wires){ { slave, slave, slave }, { -1, TAKE_FD(master), -1 } };
	return 0;
}
