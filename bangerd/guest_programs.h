/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The programs that go into each kernel's initramfs. */
#include "common/err.h"
#include "common/types.h"

struct guest_programs {
	int init, agent; /* read-only */
	digest digest;	 /* of this build's */
};
#define GUEST_PROGRAMS_INIT             \
	{                               \
		.init = -1, .agent = -1 \
	}

int guest_programs_open(const char *libexec_dir, struct guest_programs *ret, struct err *err);
void guest_programs_close(struct guest_programs *g);
