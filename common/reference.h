/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * References to images in registries: [registry[:port]/]path[:tag][@digest].
 * Grammar: OCI distribution-spec, "Pulling manifests" (path, tag); which first component is a
 * registry and the defaults are what docker and containers do: one with '.' or ':' in it, or
 * `localhost`; else docker.io, where a path of one component is below library/. (docker takes an
 * upper-case first component, too: it could not be written in lower case, so it is refused here.)
 */
#include <stdbool.h>

#include "common/err.h"
#include "common/types.h"

#define REFERENCE_DEFAULT_REGISTRY "docker.io"
#define REFERENCE_DEFAULT_TAG	   "latest"

#define REFERENCE_REGISTRY_MAX 255
#define REFERENCE_PATH_MAX     255
#define REFERENCE_TAG_MAX      128
/* Of the whole in its canonical form, so that it is always a `text`. */
#define REFERENCE_MAX TEXT_MAX

struct reference {
	char registry[REFERENCE_REGISTRY_MAX + 1]; /* lower case; "[::1]:5000" */
	char path[REFERENCE_PATH_MAX + 1];
	char tag[REFERENCE_TAG_MAX + 1]; /* "" when there is a digest and no tag */
	digest digest;			 /* "": none */
	bool qualified;			 /* the registry was said, not the default */
};

/* Any reference, with the defaults put in. Fails with bad_request. */
int reference_parse(const char *s, struct reference *ret, struct err *err);

/* "docker.io/library/debian:12@sha256:…": parsed again it gives the same. dst has at least
 * REFERENCE_MAX + 1 bytes; returns it. */
const char *reference_format(const struct reference *r, char dst[REFERENCE_MAX + 1]);

/* Whether s is host[:port] as in a reference: a DNS name, an IPv4 address, or an IPv6 address in
 * brackets. */
bool reference_is_registry(const char *s);
