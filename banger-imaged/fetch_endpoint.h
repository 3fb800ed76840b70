/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A registry or mirror as a job was told of it, what its user may show there, and what was learnt
 * of it since. Used by several threads. */
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "banger-imaged/fetch_challenge.h"
#include "banger-imaged/fetch_http.h"
#include "banger-imaged/fetch_url.h"
#include "common/err.h"
#include "common/proto_fetch.h"
#include "common/reference.h"

#define ENDPOINT_CA_MAX	    (64U << 10)
#define ENDPOINT_SECRET_MAX (16U << 10)

struct endpoint {
	char name[REFERENCE_REGISTRY_MAX + 1]; /* as it was told, for messages */
	char host[REFERENCE_REGISTRY_MAX + 1]; /* whom to ask */
	char prefix[REFERENCE_PATH_MAX + 1];
	bool plain_http, insecure;
	bool loopback;	 /* by its name */
	bool link_local; /* the very address was named */
	char *ca, *username, *secret, *identity_token;
	size_t n_ca;

	pthread_mutex_t lock; /* for what follows */
	bool http;	      /* asked without TLS */
	bool found;	      /* by a look at it */
	unsigned classes;     /* of the addresses that answered under its own name */
	char *authorization;  /* what its own origin is shown; NULL: nothing yet */
	unsigned generation;  /* of that */
};

/* Copies all; fails with bad_request. */
int endpoint_init(struct endpoint *e, const struct fetch_endpoint_in *in, struct err *err);
void endpoint_finish(struct endpoint *e); /* wipes the secrets */

bool endpoint_has_credentials(const struct endpoint *e);

/* "https://host/v2/prefix/path/what"; the caller frees it. */
int endpoint_url(
	struct endpoint *e, const char *path, const char *what, char **ret, struct err *err);

/* Whether it is still open if TLS is spoken there; of a loopback host that was not said to do
 * without. Found out: `tls` says what. Anybody else has to speak it. */
bool endpoint_is_open(struct endpoint *e);
void endpoint_found(struct endpoint *e, bool tls);

/*
 * How a URL may be asked on behalf of this endpoint: sets the request's addresses and trust. Its
 * own origin: at any address but a link-local one that was not itself named. Anywhere else (a
 * redirect's target, a token realm): public addresses, and private or loopback ones if its own are
 * such; http only if it is asked so itself. Fails with bad_input.
 */
int endpoint_permit(struct endpoint *e, const char *url, struct http_request *q, bool *ret_own,
	struct err *err);

void endpoint_saw(struct endpoint *e, enum address_class c);

/* What to show its own origin now (NULL: nothing); the caller wipes it. */
int endpoint_authorization(
	struct endpoint *e, char **ret, unsigned *ret_generation, struct err *err);
