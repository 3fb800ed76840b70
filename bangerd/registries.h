/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * registries.conf(5), an ini file: what short names mean, and how registries are reached.
 *
 *   [short-names]
 *   debian = registry.example.org/mirror/debian
 *
 *   [registry.example.org]            a registry, or a mirror, as host[:port]
 *   mirror = cache.example.net/hub    asked before it, in order; given several times for several
 *   plain_http = yes                  http, not https
 *   insecure = yes                    https, whoever the other end may be
 *   ca = /etc/banger/example.pem      trusted for it in the place of the host's own
 *
 * It is read for each pull: what an operator changes is true for the next.
 */
#include <stdbool.h>
#include <stddef.h>

#include "common/err.h"
#include "common/reference.h"

#define REGISTRIES_PATH	     "/etc/banger/registries.conf"
#define REGISTRIES_ENDPOINTS 8 /* mirrors, and the registry itself */
#define REGISTRIES_CA_MAX    65536

struct registries;

/* It must be a regular file of root's that nobody else may write. That REGISTRIES_PATH is missing
 * is no error; that another path is, is one. */
int registries_load(const char *path, struct registries **ret, struct err *err);

/* The same of text; `name` is for messages. */
int registries_parse(
	const char *name, const char *content, struct registries **ret, struct err *err);
void registries_free(struct registries *r); /* NULL is allowed */
static inline void registries_freep(struct registries **r)
{
	registries_free(*r);
}
#define _cleanup_registries_ __attribute__((cleanup(registries_freep)))

/* What a user's reference means, short names and defaults put in. */
int registries_resolve(
	const struct registries *r, const char *reference, struct reference *ret, struct err *err);

struct registry_endpoint {
	char host[REFERENCE_REGISTRY_MAX + 1];
	char prefix[REFERENCE_PATH_MAX + 1]; /* before the repository's path; "": nothing */
	bool plain_http, insecure;
	const char *ca; /* a path; NULL: the host's own authorities */
};

/* Where to ask for what is in `registry`, in order, the registry itself last; how many. Points into
 * `r`. */
size_t registries_endpoints(const struct registries *r, const char *registry,
	struct registry_endpoint ret[REGISTRIES_ENDPOINTS]);

/* The file behind `ca`, at most REGISTRIES_CA_MAX bytes; the caller frees. */
int registries_read_ca(const char *path, char **ret, size_t *ret_n, struct err *err);
