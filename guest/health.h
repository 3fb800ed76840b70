/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
#include "common/proto_agent.h"

/* Memory and disk as the kernel tells them; what it does not tell is 0. The rest of the answer is
 * the caller's. */
void health_measure(int tree, struct agent_health_out *out);
