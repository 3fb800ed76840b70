/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What else comes out of a registry: the first byte says as what the rest is read. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "banger-imaged/fetch_document.h"
#include "banger-imaged/fetch_http_reply.h"
#include "banger-imaged/fetch_url.h"
#include "common/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void as_document(const char *s, size_t n, const char *said)
{
	struct err err = ERR_INIT;
	char type[128] = "";

	if (document_type(s, n, said, type, &err) < 0)
		require(err.code == ERR_bad_input && !type[0]);
	else
		require(str_starts(type, "application/vnd."));
}

static void as_range(const char *s)
{
	struct http_reply r = { 0 };

	if (http_reply_parse_range(s, &r))
		require(r.has_range && r.range_from <= r.range_to &&
			(!r.has_range_total || r.range_to < r.range_total));
	else
		require(!r.has_range);
}

static void as_error(const char *s, size_t n)
{
	struct http_reply r = { 0 };

	http_reply_set_message(&r, s, n);
	require(strlen(r.message) < sizeof(r.message) && str_printable(r.message, true));
}

static void as_url(const char *s)
{
	struct err err = ERR_INIT;
	struct origin o, again;
	char *url = NULL;

	if (url_resolve("https://reg.example/v2/a/b", s, &url, &err) < 0) {
		require(err.code == ERR_bad_input && !url);
		return;
	}
	require(str_starts(url, "https://") || str_starts(url, "http://"));
	require(!strchr(url, '#') && str_printable(url, false) && strlen(url) <= URL_MAX);
	/* What is asked goes where it was said to go. */
	if (url_origin(url, &o, &err) == 0) {
		free(url);
		require(url_resolve("http://other.example/", s, &url, &err) == 0);
		if (strncasecmp(s, "http://", 7) == 0 || strncasecmp(s, "https://", 8) == 0)
			require(url_origin(url, &again, &err) == 0 && url_origin_equal(&o, &again));
	}
	free(url);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *s;

	if (size == 0)
		return 0;
	s = malloc(size);
	if (!s)
		return 0;
	memcpy(s, data + 1, size - 1);
	s[size - 1] = '\0';
	switch (data[0]) {
	case 'r':
		as_range(s);
		break;
	case 'e':
		as_error(s, size - 1);
		break;
	case 'u':
		as_url(s);
		break;
	case 'o':
		as_document(s, size - 1, "application/vnd.oci.image.manifest.v1+json");
		break;
	default:
		as_document(s, size - 1, "");
		break;
	}
	free(s);
	return 0;
}
