/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
#include "common/err.h"

/*
 * The initramfs as process 1 finds it: mount /proc, /sys, /dev, /dev/pts and /dev/shm there, with
 * the links that programs expect in /dev, and make /dev/console stdin, stdout and stderr.
 * *ret_tree is its root directory, from which all of this is reached later, whatever the image
 * has or lacks.
 */
int tree_mount(int *ret_tree, struct err *err);

/* Free the memory of the initramfs's own files, once nothing of them is needed any more. Mounts,
 * and what is mounted elsewhere, stay. */
void tree_empty(int tree);
