/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/integration/full_disk.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

/* What the linker puts in the place of the C library's, and calls those by. */
ssize_t __real_pwrite64(int fd, const void *p, size_t n, off_t at);
ssize_t __wrap_pwrite64(int fd, const void *p, size_t n, off_t at);
int __real_fallocate64(int fd, int mode, off_t at, off_t n);
int __wrap_fallocate64(int fd, int mode, off_t at, off_t n);
int __real_ftruncate64(int fd, off_t n);
int __wrap_ftruncate64(int fd, off_t n);
int __real_fsync(int fd);
int __wrap_fsync(int fd);

static atomic_uint calls, full_at;

void full_disk_at(unsigned n)
{
	full_at = n;
}

/* Whether this call meets a full disk; *ret_first: it is the one that fills it. */
static bool is_full(bool *ret_first)
{
	unsigned n = atomic_fetch_add(&calls, 1) + 1;

	*ret_first = n == full_at;
	if (full_at == 0 || n < full_at)
		return false;
	errno = ENOSPC;
	return true;
}

ssize_t __wrap_pwrite64(int fd, const void *p, size_t n, off_t at)
{
	bool first;

	if (!is_full(&first))
		return __real_pwrite64(fd, p, n, at);
	return first && n > 1 ? __real_pwrite64(fd, p, n / 2, at) : -1;
}

int __wrap_fallocate64(int fd, int mode, off_t at, off_t n)
{
	bool first;

	return is_full(&first) ? -1 : __real_fallocate64(fd, mode, at, n);
}

int __wrap_ftruncate64(int fd, off_t n)
{
	bool first;

	return is_full(&first) ? -1 : __real_ftruncate64(fd, n);
}

int __wrap_fsync(int fd)
{
	bool first;

	return is_full(&first) ? -1 : __real_fsync(fd);
}
