/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/room.h"

#include <errno.h>
#include <sys/statvfs.h>

#include "common/str.h"

/* Halves of a MiB and more are one. */
static unsigned long long mib(uint64_t n)
{
	return (n >> 20) + (n >> 19 & 1);
}

static uint64_t times(uint64_t blocks, uint64_t size)
{
	uint64_t bytes;

	return ckd_mul(&bytes, blocks, size) ? UINT64_MAX : bytes;
}

int room_look(int dirfd, struct room *ret, struct err *err)
{
	struct statvfs st;

	if (fstatvfs(dirfd, &st) < 0)
		return err_sys(err, ERR_operation_failed, errno,
			"cannot see how much space is left on the host");
	ret->free = times(st.f_bavail, st.f_frsize);
	ret->total = times(st.f_blocks, st.f_frsize);
	return 0;
}

int room_check(int dirfd, const char *what, uint64_t need, uint64_t keep, struct err *err)
{
	struct room room;
	uint64_t want;

	if (room_look(dirfd, &room, err) < 0)
		return -1;
	if (ckd_add(&want, need, keep))
		want = UINT64_MAX;
	if (room.free >= want)
		return 0;
	return err_set(err, ERR_no_space,
		"not enough space on the host: %s needs %llu MiB and %llu MiB are to stay free "
		"([image] min_free), but %llu MiB are free on the file system of state_dir; delete "
		"VMs or images, or make it larger",
		what, mib(need), mib(keep), mib(room.free));
}
