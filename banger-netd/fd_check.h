/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * What bangerd may hand over for a VMM: files of its own group, with a name, of a fitting size.
 * All fail with bad_request. `what` names the file in the message.
 */
#include <sys/types.h>

#include "common/err.h"

/* A kernel or initramfs: open for reading alone, readable by others (the jail's uid reads it). */
int fd_check_boot_file(int fd, const char *what, gid_t group, struct err *err);

/* A disk: open for reading and writing, in whole sectors. */
int fd_check_disk(int fd, gid_t group, struct err *err);
