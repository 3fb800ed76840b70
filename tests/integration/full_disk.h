/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A disk that fills up: linked with --wrap of what meson.build lists. */

/* The n-th of those calls (1: the first) does half of its work, if it has a half, and it and all
 * that follow fail with ENOSPC. 0: none does. */
void full_disk_at(unsigned n);
