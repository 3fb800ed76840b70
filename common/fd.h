/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/err.h"

#define TAKE_FD(fd)                    \
	__extension__({                \
		int *take_at_ = &(fd); \
		int take_ = *take_at_; \
		*take_at_ = -1;        \
		take_;                 \
	})

/* Close *fd if it is open and set it to -1; errno is kept. */
void fd_closep(int *fd);
#define _cleanup_fd_ __attribute__((cleanup(fd_closep)))

/* Close a set of fds, each to -1. */
void fd_close_many(int *fds, size_t n);

/* All n bytes, through short counts and EINTR; 0, or -1 with errno. */
int fd_write_full(int fd, const void *buf, size_t n);

/* Read until n bytes or end of file; the count, or -1 with errno. */
ssize_t fd_read_full(int fd, void *buf, size_t n);
ssize_t fd_pread_full(int fd, void *buf, size_t n, uint64_t off);
int fd_pwrite_full(int fd, const void *buf, size_t n, uint64_t off);

/* The whole file as a NUL-terminated heap string of at most max bytes (the caller frees). */
int fd_read_text(int fd, size_t max, char **ret, size_t *ret_len, struct err *err);

/* Whether anything of a file was ever written: it is no single hole. Its offset is 0 afterwards. */
bool fd_has_data(int fd);

int fd_set_nonblock(int fd, bool on);
int fd_set_cloexec(int fd, bool on);

/* Close every fd of the process but the n (at most 64) in `keep`, given in any order. */
void fd_close_all_but(const int *keep, size_t n);

/* openat2 beneath a directory, through no symlink: RESOLVE_BENEATH|RESOLVE_NO_SYMLINKS|
 * RESOLVE_NO_MAGICLINKS. Returns the fd (O_CLOEXEC added) or -1 with errno. */
int fd_open_beneath(int dirfd, const char *path, int flags, mode_t mode);
