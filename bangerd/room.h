/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* How much room there is on the file system of a directory. */
#include <stdint.h>

#include "common/err.h"

struct room {
	uint64_t free, total; /* bytes; free: to those who are not root */
};

int room_look(int dirfd, struct room *ret, struct err *err);

/* Fails with no_space unless `need` bytes can be written below dirfd and `keep` bytes stay free.
 * `what` needs them ("the image"). The message says how much is needed and free, and what to do. */
int room_check(int dirfd, const char *what, uint64_t need, uint64_t keep, struct err *err);
