/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A version of Firecracker, "1.16.1", as its binary and its API say it. */
#include <stdbool.h>

struct firecracker_version {
	unsigned major, minor, patch;
};

/* False when it is none; what follows the third number after a '-' ("1.17.0-dev") is ignored. */
bool firecracker_version_parse(const char *s, struct firecracker_version *ret);

bool firecracker_version_least(const struct firecracker_version *v, unsigned major, unsigned minor);
