/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The text of /modules/order in an initramfs: a line for each module, in the order in which they
 * load, "NNN-name.ko PHASE" or "NNN-name.ko PHASE virtio:ID". With an ID the guest loads the module
 * only when it has a virtio device of that kind (virtio 1.2, 5: "Device Types").
 */
#include "banger-imaged/modules.h"
#include "common/err.h"

/* The file of the module at place `at`, "NNN-name.ko"; `cap` is at least MODULES_ORDER_FILE. */
#define MODULES_ORDER_FILE (MODULE_NAME_MAX + 16)
void modules_order_file(const struct modules *m, size_t at, char *ret, size_t cap);

/* The text for m->order[]; the caller frees it. */
int modules_order_write(const struct modules *m, char **ret, struct err *err);

/* The text of an initramfs that was made earlier, as it would be now: lists once had no devices,
 * and left vsock for late. The caller frees it. Fails with bad_input on what is no such list. */
int modules_order_renew(const char *old, char **ret, struct err *err);
