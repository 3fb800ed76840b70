/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * What bangerd may hand over for a VMM: files of its own group, with a name, of a fitting size.
 * All fail with bad_request. `what` names the file in the message.
 */
#include <stdint.h>
#include <sys/types.h>

#include "common/err.h"

/* A kernel or initramfs: open for reading alone, readable by others (the jail's uid reads it). */
int fd_check_boot_file(int fd, const char *what, gid_t group, struct err *err);

/* A disk, open for reading and writing: a file in whole sectors, or the block device `node` (0:
 * none), which is the VM's copy-on-write disk. */
int fd_check_disk(int fd, gid_t group, dev_t node, struct err *err);

/* A work disk beside it, which is a file always, and another one. */
int fd_check_work(int work, int disk, gid_t group, struct err *err);

/* What a copy-on-write disk of `size` bytes is made of (common/cow.h): an image, open for reading
 * alone, and a file of differences. */
int fd_check_cow(int image, int cow, uint64_t size, gid_t group, struct err *err);

/* A FIFO that was just made by name, in a directory that bangerd may write to, before anything is
 * done to it: it is that one. Fails with protocol: no honest bangerd puts another there. */
int fd_check_new_fifo(int fd, const char *what, struct err *err);
