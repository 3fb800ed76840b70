/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * One HTTP exchange, by libcurl: no redirect is followed, nothing is retried, every size is
 * bounded, and an address is looked at before anything is sent to it.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "banger-imaged/fetch_address.h"
#include "common/err.h"
#include "common/types.h"

struct http; /* a thread's own; keeps its connections */

/* `stop` (may be NULL; outlives it) once true ends what is at work within a second: cancelled. */
int http_create(const atomic_bool *stop, struct http **ret, struct err *err);
bool http_stopped(const struct http *h);
void http_destroy(struct http *h); /* NULL is allowed */

/* Of all headers of one exchange. */
#define HTTP_HEADERS_MAX      256
#define HTTP_HEADER_BYTES_MAX (64U << 10)
/* What is read of an answer that is an error. */
#define HTTP_ERROR_BODY_MAX (64U << 10)

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_POST };

struct http_reply {
	long status;
	char type[128];		     /* Content-Type without parameters, lower case; "" */
	char location[8192];	     /* "" */
	char digest[DIGEST_MAX + 1]; /* Docker-Content-Digest, as it came; "" */
	char challenges[4096];	     /* WWW-Authenticate, all of them; "" */
	bool encoded;		     /* a Content-Encoding other than identity */
	bool has_length, has_range;
	uint64_t length;	       /* Content-Length */
	uint64_t range_from, range_to; /* Content-Range, inclusive */
	bool has_range_total;
	uint64_t range_total;
	uint64_t retry_after_s; /* 0: none */
	char message[256];	/* what a registry says of an error, sanitized; "" */
};

/* Where the body of a 2xx answer goes: `start` (may be NULL) when the header is there, also before
 * an empty body, then `take`. Either may fail: the exchange ends with its error. */
struct http_sink {
	int (*start)(void *ctx, const struct http_reply *r, struct err *err);
	int (*take)(void *ctx, const void *p, size_t n, struct err *err);
	void *ctx;
};

struct http_request {
	enum http_method method;
	const char *url;
	const char *authorization; /* the field's value; NULL: none */
	const char *accept;	   /* NULL: anything */
	const char *form;	   /* of HTTP_POST */
	uint64_t range_from;	   /* 0: all; else from this byte on */
	unsigned addresses;	   /* address classes that may be asked */
	bool insecure;		   /* the certificate is not looked at */
	bool probe;		   /* only connect, see that TLS is spoken, and ask nothing */
	const void *ca;		   /* PEM, trusted here; NULL: none besides the host's */
	size_t n_ca;
	bool ca_alone;	       /* ca in the place of the host's */
	unsigned stall_s;      /* nearly nothing comes for so long */
	unsigned total_s;      /* 0: as long as something comes */
	struct http_sink sink; /* of HTTP_GET and HTTP_POST */
};

enum http_failure {
	HTTP_FAILED_FINAL,   /* it would fail again, or is not to be tried again */
	HTTP_FAILED_CONNECT, /* nobody was reached */
	HTTP_FAILED_TLS,     /* who was reached does not speak TLS */
	HTTP_FAILED_MIDWAY,  /* cut off */
	HTTP_FAILED_STALLED, /* nothing came any more */
};

/* Ask. 0 when an answer came whole, whatever its status; *ret_class (may be NULL) is what kind of
 * address answered. On failure *ret_failure says what for. */
int http_perform(struct http *h, const struct http_request *q, struct http_reply *ret,
	enum address_class *ret_class, enum http_failure *ret_failure, struct err *err);

/* Overwrite a secret and free it. NULL is allowed. */
void http_wipe(char *s);
