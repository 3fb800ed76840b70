/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
#include "common/err.h"

/*
 * Load the modules of one phase (channel, net, disk, late), in the order that /modules/order in the
 * tree gives: lines of "FILE PHASE" or "FILE PHASE virtio:ID", the latter only when the machine has
 * a virtio device of that kind by now. A module that is loaded already is no failure; one that
 * cannot be loaded is logged, and the rest are tried: what it was for will say so. Fails when the
 * list cannot be read; a tree without the list (all is built in) has nothing to load.
 */
int modules_load(int tree, const char *phase, struct err *err);
