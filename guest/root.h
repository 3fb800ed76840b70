/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
#include "common/err.h"

/* The VM's root file system, on its way from a disk to "/". Nothing here writes a name into it. */
#define ROOT_DIR "/newroot"

/*
 * Give the root what programs expect: /proc, /sys, /dev with /dev/pts and /dev/shm: binds of those
 * in the tree. A mount point that the image lacks, or that is no directory, is left out: nothing is
 * made in an image. /run and /tmp are the image's own: entrypoints count on what it made there,
 * and an init system mounts its own.
 */
int root_bind(int tree, struct err *err);

/* Make it "/" for this process and those it starts; the initramfs stays below, reachable through
 * the tree's fd alone. */
int root_switch(struct err *err);
