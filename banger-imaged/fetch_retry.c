/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/fetch_retry.h"

#include <errno.h>
#include <sys/random.h>
#include <time.h>

#define TRIES_MAX	5
#define CONNECTS_MAX	2
#define STALLS_MAX	2
#define FIRST_WAIT_MS	100U
#define STEP_MS		50U
#define RETRY_AFTER_MAX 60U /* seconds; who asks for more gets no second try */

/* In short steps, so that a stop is seen. */
static void sleep_ms(const struct http *h, uint64_t ms)
{
	while (ms > 0 && !http_stopped(h)) {
		uint64_t step = ms < STEP_MS ? ms : STEP_MS;
		struct timespec t = { 0, (long)step * 1000000L };

		while (clock_nanosleep(CLOCK_MONOTONIC, 0, &t, &t) == EINTR)
			;
		ms -= step;
	}
}

/* Each time about twice as long, not all at the same time. */
static uint64_t backoff_ms(unsigned n)
{
	uint64_t ms = (uint64_t)FIRST_WAIT_MS << (n - 1);
	uint8_t random = 0;

	if (getrandom(&random, 1, GRND_NONBLOCK) < 0)
		random = 128;
	return ms + ms * random / 512;
}

static bool says_later(const struct http_reply *r)
{
	return r->status == 408 || r->status == 425 || r->status == 429 || r->status == 500 ||
	       r->status == 502 || r->status == 503 || r->status == 504;
}

bool retry_wait(struct retry *r, const struct http *h, enum http_failure failure,
	const struct http_reply *reply)
{
	uint64_t ms;

	r->n++;
	if (!reply && (failure == HTTP_FAILED_CONNECT || failure == HTTP_FAILED_TLS))
		r->connects++;
	if (!reply && failure == HTTP_FAILED_STALLED)
		r->stalls++;
	if (r->n >= TRIES_MAX || r->connects >= CONNECTS_MAX || r->stalls >= STALLS_MAX ||
		(reply ? !says_later(reply) : failure == HTTP_FAILED_FINAL))
		return false;
	ms = backoff_ms(r->n);
	if (reply && reply->retry_after_s > RETRY_AFTER_MAX)
		return false;
	if (reply && reply->retry_after_s)
		ms = reply->retry_after_s * 1000;
	sleep_ms(h, ms);
	return !http_stopped(h);
}
