/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What stands for the guest. */
#include <stdint.h>

#include "common/err.h"

struct machine;

struct engine {
	/* Run the machine that is described. On failure nothing runs, and it may be tried again. */
	int (*start)(struct machine *m, struct err *err);
	int (*pause)(struct machine *m, struct err *err);
	int (*resume)(struct machine *m, struct err *err);
	int (*ctrl_alt_del)(struct machine *m, struct err *err);
	/* The balloon is to have so much of the guest's memory. */
	int (*balloon)(struct machine *m, uint64_t mib, struct err *err);
};

extern const struct engine engine_qemu, engine_none;
