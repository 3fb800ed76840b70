/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guest/poweroff.h"

#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <unistd.h>

#include "common/log.h"

void poweroff_now(void)
{
	sync();
	if (mount(NULL, "/", NULL, MS_REMOUNT | MS_RDONLY, NULL) < 0)
		log_warning("the root stays writable to the end: %s", strerror(errno));
	reboot(RB_AUTOBOOT);
	log_error("cannot end the machine: %s", strerror(errno));
	for (;;)
		pause();
}
