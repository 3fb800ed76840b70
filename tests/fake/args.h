/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Firecracker's command line, as far as a stand-in has a use for it. */
#include <stdbool.h>

#include "common/err.h"

struct args {
	const char *id, *api_sock, *log_path, *level;
	bool version;
};

/* Fails on what Firecracker does not know, on values left out, on what is said twice. */
int args_parse(int argc, char **argv, struct args *ret, struct err *err);
/* 1 to 64 letters, digits and hyphens. */
bool args_id_is_good(const char *id);
/* Open the log that was asked for. */
int args_apply_log(const struct args *a, struct err *err);
