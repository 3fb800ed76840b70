/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* From a method, a path and a body to the machine's handler. */
#include "tests/fake/machine.h"

/* Answer one request; len 0 is no body. */
void api_answer(struct machine *m, const char *method, const char *path, const char *body,
	size_t len, struct reply *r);
