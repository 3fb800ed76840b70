/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
#include <stdbool.h>

#include "common/proto_agent.h"

/* Who this guest is: the answer to hello. What cannot be read stays empty. */
void identity_hello(int tree, bool ready, struct agent_hello_out *out);

/* The kernel's id of this boot; empty when it cannot be read. */
void identity_boot(int tree, text *ret);
