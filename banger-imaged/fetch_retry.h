/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* How often and when a question is put again. */
#include "banger-imaged/fetch_http.h"

struct retry {
	unsigned n;	   /* that went wrong one after the other */
	unsigned connects; /* of them: nobody was there */
	unsigned stalls;   /* of them: somebody kept us waiting */
};

/* After a failure, or an answer that says "later" (`reply`, else NULL): wait, and true when it is
 * worth another try. Retry-After is kept to, up to a minute. */
bool retry_wait(struct retry *r, const struct http *h, enum http_failure failure,
	const struct http_reply *reply);
