/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-cli/tty.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "common/str.h"

static volatile sig_atomic_t raw_fd = -1;
static struct termios saved, raw;

static bool dumb(void)
{
	const char *term = getenv("TERM");

	return !term || !*term || strcmp(term, "dumb") == 0;
}

bool tty_redraws(FILE *f)
{
	return isatty(fileno(f)) && !dumb();
}

bool tty_colours(FILE *f)
{
	const char *no = getenv("NO_COLOR");

	return tty_redraws(f) && !(no && *no);
}

void tty_size(uint16_t *ret_rows, uint16_t *ret_columns)
{
	struct winsize ws;

	*ret_rows = 24;
	*ret_columns = 80;
	for (int fd = 0; fd <= 2; fd++) {
		if (ioctl(fd, TIOCGWINSZ, &ws) < 0 || ws.ws_row == 0 || ws.ws_col == 0)
			continue;
		*ret_rows = ws.ws_row;
		*ret_columns = ws.ws_col;
		return;
	}
}

void tty_restore(void)
{
	int fd = raw_fd;

	raw_fd = -1;
	if (fd >= 0)
		tcsetattr(fd, TCSADRAIN, &saved);
}

/* tcsetattr(3) may be called from a handler (signal-safety(7)). */
static void on_defect(int signo)
{
	if (raw_fd >= 0)
		tcsetattr(raw_fd, TCSANOW, &saved);
	raise(signo); /* SA_RESETHAND: the default action now */
}

static void watch_defects(void)
{
	static const int signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS };
	struct sigaction sa = { .sa_handler = on_defect, .sa_flags = (int)SA_RESETHAND };

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		sigaction(signals[i], &sa, NULL);
}

int tty_raw(int fd, struct err *err)
{
	static bool prepared;

	if (tcgetattr(fd, &saved) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot read the terminal's mode");
	if (!prepared) {
		atexit(tty_restore);
		watch_defects();
		prepared = true;
	}
	raw = saved;
	cfmakeraw(&raw);
	raw_fd = fd;
	if (tcsetattr(fd, TCSADRAIN, &raw) == 0)
		return 0;
	raw_fd = -1;
	return err_sys(err, ERR_operation_failed, errno, "cannot set the terminal's mode");
}

void tty_raw_again(void)
{
	if (raw_fd >= 0)
		tcsetattr(raw_fd, TCSADRAIN, &raw);
}

bool tty_is_raw(void)
{
	return raw_fd >= 0;
}
