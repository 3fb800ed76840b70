/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Answering a registry that asks who we are: Basic (RFC 7617), or a token from where it says
 * (distribution's "Token Authentication Specification"; with an identity token, its OAuth2 form).
 */
#include "banger-imaged/fetch_endpoint.h"
#include "banger-imaged/fetch_http.h"
#include "common/err.h"

/*
 * The endpoint answered 401 with these challenges to the request that showed `generation` of its
 * authorization: find a newer one. `path` is the repository's there, prefix included. Fails with
 * unauthorized when there is nothing better to show, and with bad_input when it asks what nobody
 * may answer.
 */
int auth_renew(struct http *h, struct endpoint *e, const char *path, const char *challenges,
	unsigned generation, unsigned stall_s, struct err *err);

/* A token out of the realm's answer; the caller wipes it. Visible ASCII alone, so that it can stand
 * in a header. */
int auth_parse_token(const char *body, size_t n, char **ret, struct err *err);
