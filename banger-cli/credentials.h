/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The user's credentials for registries, read with the user's rights and handed over for one pull:
 * of the first of these files that knows the registry
 *   $REGISTRY_AUTH_FILE (if that is set, no other)
 *   $XDG_RUNTIME_DIR/containers/auth.json
 *   $XDG_CONFIG_HOME (~/.config)/containers/auth.json
 *   $DOCKER_CONFIG (~/.docker)/config.json
 * or of the credential helper that it names.
 */
#include "banger-cli/auth_file.h"
#include "common/err.h"

/* 1, 0 when there are none that the caller may read, or -1: a file that is malformed, or a helper
 * that failed. The caller finishes *ret. */
int credentials_find(const char *host, const char *path, struct credentials *ret, struct err *err);
