/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Images from registries: 'banger image pull', and what 'vm run' and 'vm create' pull on the way.
 */
#include <stdbool.h>

#include "banger-cli/cli.h"
#include "banger-cli/client.h"
#include "common/enums.h"
#include "common/err.h"

struct pull_ask {
	const char *reference;
	const char *name, *platform; /* or NULL */
	enum pull_policy policy;
	bool replace, quiet;
};

/* Ask for it, with the user's credentials for the hosts that it may come from; progress on standard
 * error. SIGINT and the like cancel. *ret is image.pull's answer. */
int pull_image(struct cli *cli, struct client *c, const struct pull_ask *ask, struct reply *ret,
	struct err *err);

/* What pull_for_vm() would do: *ret is "would pull REFERENCE from HOST, …" in one line, or "" when
 * what is here would be used. No registry is asked. Fails where pull_for_vm() would, as far as the
 * daemon knows by itself. */
int pull_would(
	struct client *c, const struct pull_ask *ask, char *ret, size_t cap, struct err *err);

/* The image that a VM is to be made of: what is here, or, if the policy has it so, what a registry
 * has. *ret (of cap bytes) is what to name it by. */
int pull_for_vm(struct cli *cli, struct client *c, const struct pull_ask *ask, char *ret,
	size_t cap, struct err *err);
