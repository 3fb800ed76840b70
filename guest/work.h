/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
#include "common/err.h"

/*
 * The work disk on the home of the guest's user: `user` is USER[:GROUP] as the image's passwd knows
 * it, "" for root. The root disk is mounted on ROOT_DIR by then, and nothing else in it.
 *
 * A new disk is filled with what the image has in that home, or with its /etc/skel when it has no
 * such directory, which is made then. What is mounted is `home` of the disk: it has that name once
 * it is whole, so that a guest that was killed in between begins anew.
 */
int work_mount(const char *device, const char *user, struct err *err);
