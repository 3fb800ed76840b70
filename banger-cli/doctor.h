/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* `banger doctor`: checks that change nothing. Without the daemon they say what the caller can see.
 */
#include <stdbool.h>

#include "common/err.h"

struct client;
struct json_object;

enum health { HEALTH_pass, HEALTH_warn, HEALTH_fail };

/* What the checks go by; objects that could not be had are NULL. */
struct doctor {
	const char *socket;
	struct err no_daemon; /* why not, when there is no `status` */
	struct json_object *status, *host, *examined;
	struct json_object *images, *kernels, *problems, *vms; /* arrays */
};

struct finding {
	enum health health;
	bool unknown; /* for want of the daemon: the check's `fix` is not the one */
	char text[600];
};

struct check {
	const char *name, *what, *fix;
	void (*look)(const struct doctor *d, struct finding *f);
};

enum check_id {
#define CHECK(ident, name, what, fix) CHECK_##ident,
#include "banger-cli/doctor.tbl.h"
	CHECK__count
};

extern const struct check checks[CHECK__count];

const char *health_name(enum health h); /* "PASS" */

#define CHECK(ident, name, what, fix) void check_##ident(const struct doctor *d, struct finding *f);
#include "banger-cli/doctor.tbl.h"
