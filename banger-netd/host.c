/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-netd/host.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <x86intrin.h>

#include "common/fd.h"

#define TSC_NS 100000000U

/* linux/miscdevice.h: TUN_MINOR. */
#define TUN_MAJOR 10
#define TUN_MINOR 200

static uint64_t raw_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC_RAW, &t);
	return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

/* Both clocks at one moment: of three tries the one between whose two looks least time went. */
static void read_both(uint64_t *ticks, uint64_t *ns)
{
	uint64_t least = UINT64_MAX;

	*ticks = *ns = 0;
	for (int i = 0; i < 3; i++) {
		uint64_t before = raw_ns(), t = __rdtsc(), after = raw_ns();

		if (after - before < least) {
			least = after - before;
			*ticks = t;
			*ns = before + least / 2;
		}
	}
}

void host_tsc_start(struct host_tsc *t)
{
	t->khz = 0;
	read_both(&t->ticks, &t->ns);
}

uint32_t host_tsc_khz(struct host_tsc *t)
{
	uint64_t ticks, ns;

	if (t->khz)
		return t->khz;
	ns = raw_ns() - t->ns;
	if (ns < TSC_NS) {
		const struct timespec rest = { .tv_nsec = (long)(TSC_NS - ns) };

		nanosleep(&rest, NULL);
	}
	read_both(&ticks, &ns);
	t->khz = (uint32_t)((double)(ticks - t->ticks) * 1e6 / (double)(ns - t->ns));
	return t->khz;
}

bool host_have_tun(void)
{
	struct stat st;

	return stat("/dev/net/tun", &st) == 0 && S_ISCHR(st.st_mode) &&
	       st.st_rdev == makedev(TUN_MAJOR, TUN_MINOR);
}

int host_boot_id(char ret[37], struct err *err)
{
	_cleanup_fd_ int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	char s[37];

	if (fd < 0 || fd_read_full(fd, s, sizeof(s)) != (ssize_t)sizeof(s))
		return err_sys(err, ERR_operation_failed, errno, "cannot read the boot id");
	s[36] = '\0';
	memcpy(ret, s, sizeof(s));
	return 0;
}
