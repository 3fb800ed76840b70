/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What the database says about the host that it was used on last. */
#include "bangerd/store.h"

/* The kernel's boot id (36 characters) at the last start; "" when there was none. */
struct boot_id {
	char s[37];
};

int store_host_boot(struct store *s, struct boot_id *ret, struct err *err);

/* A transaction of its own. */
int store_host_set_boot(struct store *s, const struct boot_id *id, struct err *err);
