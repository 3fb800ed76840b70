/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/fetch_http.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "banger-imaged/fetch_http_reply.h"
#include "common/str.h"

#define BUFFER_SIZE	(256L << 10)
#define CONNECT_TIMEOUT 15L
#define LOW_SPEED_BYTES 512L /* a second */
#define ERROR_TEXT_MAX	4096

struct http {
	CURL *curl;
	const atomic_bool *stop;
	char curl_text[CURL_ERROR_SIZE];
	/* Of the exchange at work. */
	const struct http_request *q;
	struct http_reply *reply;
	struct err *err;
	bool failed;  /* a callback has put why into err */
	bool refused; /* an address */
	bool have_reply, started, enough;
	size_t n_headers, header_bytes;
	size_t discarded, n_text;
	char text[ERROR_TEXT_MAX]; /* of an error's body */
	enum address_class class;
};

void http_wipe(char *s)
{
	if (!s)
		return;
	explicit_bzero(s, strlen(s));
	free(s);
}

int http_create(const atomic_bool *stop, struct http **ret, struct err *err)
{
	struct http *h = calloc(1, sizeof(*h));

	if (h)
		h->curl = curl_easy_init();
	if (!h || !h->curl) {
		free(h);
		return err_set(err, ERR_operation_failed, "cannot start an HTTP client");
	}
	h->stop = stop;
	*ret = h;
	return 0;
}

bool http_stopped(const struct http *h)
{
	return h->stop && atomic_load(h->stop);
}

void http_destroy(struct http *h)
{
	if (!h)
		return;
	curl_easy_cleanup(h->curl);
	free(h);
}

static bool allowed(struct http *h, enum address_class c, const char *where)
{
	if (h->q->addresses & c)
		return true;
	if (!h->failed)
		err_set(h->err, ERR_bad_input, "%s is %s, where nobody may be sent from here",
			where, address_class_text(c));
	h->failed = h->refused = true;
	return false;
}

/* Before a connection is made. */
static curl_socket_t on_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *a)
{
	char host[256] = "its address";
	struct http *h = ctx;

	if (!allowed(h, address_class_of(&a->addr), host))
		return CURL_SOCKET_BAD;
	return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

/* Before anything is sent; the connection may be an old one. */
static int on_connected(void *ctx, char *ip, char *local_ip, int port, int local_port)
{
	struct http *h = ctx;

	h->class = address_class_of_text(ip);
	return allowed(h, h->class, ip) ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}

/* Called at least once a second. */
static int on_progress(
	void *ctx, curl_off_t to_get, curl_off_t got, curl_off_t to_put, curl_off_t put)
{
	return http_stopped(ctx);
}

/* The header is complete: 0 when the body may come. */
static int begin_body(struct http *h)
{
	if (h->have_reply)
		return 0;
	h->have_reply = true;
	if (http_reply_read(h->curl, h->reply, h->err) < 0) {
		h->failed = true;
		return -1;
	}
	h->started = h->reply->status / 100 == 2 && h->q->sink.take;
	if (h->started && h->q->sink.start &&
		h->q->sink.start(h->q->sink.ctx, h->reply, h->err) < 0) {
		h->failed = true;
		return -1;
	}
	return 0;
}

static size_t on_header(char *p, size_t size, size_t n, void *ctx)
{
	struct http *h = ctx;
	long status = 0;

	h->n_headers++;
	h->header_bytes += n;
	if (h->n_headers <= HTTP_HEADERS_MAX && h->header_bytes <= HTTP_HEADER_BYTES_MAX) {
		curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &status);
		/* The empty line ends it; of an interim answer, another one follows. */
		if ((p[0] == '\r' || p[0] == '\n') && status >= 200 && begin_body(h) < 0)
			return 0;
		return n;
	}
	err_set(h->err, ERR_bad_input, "the answer's header has more than %d lines or %u KiB",
		HTTP_HEADERS_MAX, HTTP_HEADER_BYTES_MAX >> 10);
	h->failed = true;
	return 0;
}

static size_t on_error_body(struct http *h, const char *p, size_t n)
{
	size_t room = sizeof(h->text) - h->n_text;

	memcpy(h->text + h->n_text, p, n < room ? n : room);
	h->n_text += n < room ? n : room;
	h->discarded += n;
	h->enough = h->discarded > HTTP_ERROR_BODY_MAX;
	return h->enough ? 0 : n;
}

static size_t on_body(char *p, size_t size, size_t n, void *ctx)
{
	struct http *h = ctx;

	if (begin_body(h) < 0)
		return 0;
	if (!h->started)
		return on_error_body(h, p, n);
	if (n == 0 || h->q->sink.take(h->q->sink.ctx, p, n, h->err) == 0)
		return n;
	h->failed = true;
	return 0;
}

static struct curl_slist *field(struct curl_slist *list, const char *name, const char *value)
{
	struct curl_slist *longer;
	char *line = NULL;

	if (asprintf(&line, "%s: %s", name, value) < 0)
		return NULL;
	longer = curl_slist_append(list, line);
	http_wipe(line);
	return longer;
}

static void wipe_fields(struct curl_slist *list)
{
	for (struct curl_slist *i = list; i; i = i->next)
		explicit_bzero(i->data, strlen(i->data));
	curl_slist_free_all(list);
}

static int make_fields(const struct http_request *q, struct curl_slist **ret, struct err *err)
{
	struct curl_slist *list = curl_slist_append(NULL, "Expect:"), *longer = list;

	if (longer && q->accept)
		longer = field(list, "Accept", q->accept);
	list = longer ? longer : list;
	if (longer && q->authorization)
		longer = field(list, "Authorization", q->authorization);
	if (!longer) {
		wipe_fields(list);
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot write a request");
	}
	*ret = longer;
	return 0;
}

static void set_transport(CURL *c, const struct http_request *q)
{
	struct curl_blob ca = {
		.data = (void *)(uintptr_t)q->ca, .len = q->n_ca, .flags = CURL_BLOB_NOCOPY
	};

	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "https,http");
	curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(c, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
	curl_easy_setopt(c, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	/* No proxy of an environment that is nobody's. */
	curl_easy_setopt(c, CURLOPT_PROXY, "");
	curl_easy_setopt(c, CURLOPT_BUFFERSIZE, BUFFER_SIZE);
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT,
		q->stall_s < CONNECT_TIMEOUT ? (long)q->stall_s : CONNECT_TIMEOUT);
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, LOW_SPEED_BYTES);
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, (long)q->stall_s);
	curl_easy_setopt(c, CURLOPT_TIMEOUT, (long)q->total_s);
	curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, q->insecure ? 0L : 1L);
	curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, q->insecure ? 0L : 2L);
	if (q->probe) { /* and the host's certificates, which take a while, are not loaded */
		curl_easy_setopt(c, CURLOPT_CONNECT_ONLY, 1L);
		curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 0L);
		curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 0L);
		curl_easy_setopt(c, CURLOPT_CAINFO, NULL);
		curl_easy_setopt(c, CURLOPT_CAPATH, NULL);
	} else if (q->ca) {
		curl_easy_setopt(c, CURLOPT_CAINFO_BLOB, &ca);
		if (q->ca_alone)
			curl_easy_setopt(c, CURLOPT_CAPATH, NULL);
	}
}

static void set_callbacks(struct http *h)
{
	CURL *c = h->curl;

	curl_easy_setopt(c, CURLOPT_ERRORBUFFER, h->curl_text);
	curl_easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, on_socket);
	curl_easy_setopt(c, CURLOPT_OPENSOCKETDATA, h);
	curl_easy_setopt(c, CURLOPT_PREREQFUNCTION, on_connected);
	curl_easy_setopt(c, CURLOPT_PREREQDATA, h);
	curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(c, CURLOPT_XFERINFODATA, h);
	curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(c, CURLOPT_HEADERDATA, h);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, h);
}

static void set_request(CURL *c, const struct http_request *q, struct curl_slist *fields)
{
	char range[32];

	curl_easy_setopt(c, CURLOPT_URL, q->url);
	curl_easy_setopt(c, CURLOPT_USERAGENT, "banger");
	curl_easy_setopt(c, CURLOPT_HTTPHEADER, fields);
	if (q->method == HTTP_HEAD) {
		curl_easy_setopt(c, CURLOPT_NOBODY, 1L);
	} else if (q->method == HTTP_POST) {
		curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE, (long)strlen(q->form));
		curl_easy_setopt(c, CURLOPT_POSTFIELDS, q->form);
	} else if (q->range_from &&
		   str_format(range, sizeof(range), "%llu-", (unsigned long long)q->range_from)) {
		curl_easy_setopt(c, CURLOPT_RANGE, range);
	}
}

/* What a failure of libcurl's means. */
static enum http_failure failure_of(CURLcode code)
{
	static const struct {
		CURLcode code;
		enum http_failure failure;
	} known[] = {
		{ CURLE_COULDNT_RESOLVE_HOST, HTTP_FAILED_CONNECT },
		{ CURLE_COULDNT_CONNECT, HTTP_FAILED_CONNECT },
		{ CURLE_SSL_CONNECT_ERROR, HTTP_FAILED_TLS },
		{ CURLE_PARTIAL_FILE, HTTP_FAILED_MIDWAY },
		{ CURLE_OPERATION_TIMEDOUT, HTTP_FAILED_STALLED },
		{ CURLE_GOT_NOTHING, HTTP_FAILED_MIDWAY },
		{ CURLE_SEND_ERROR, HTTP_FAILED_MIDWAY },
		{ CURLE_RECV_ERROR, HTTP_FAILED_MIDWAY },
	};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (known[i].code == code)
			return known[i].failure;
	return HTTP_FAILED_FINAL;
}

static int explain(struct http *h, CURLcode code, struct err *err)
{
	const char *what = h->curl_text[0] ? h->curl_text : curl_easy_strerror(code);
	char clean[CURL_ERROR_SIZE];

	(void)str_format(clean, sizeof(clean), "%s", what);
	str_sanitize(clean);
	if (code == CURLE_ABORTED_BY_CALLBACK)
		return err_set(err, ERR_cancelled, "cancelled");
	/* libcurl's word for a line of more than 100 KB. */
	if (code == CURLE_OUT_OF_MEMORY && !h->have_reply)
		return err_set(err, ERR_bad_input,
			"the answer's header has a line that is too long (%s)", clean);
	if (code == CURLE_OPERATION_TIMEDOUT)
		return err_set(err, ERR_timeout, "%s", clean);
	if (code == CURLE_PEER_FAILED_VERIFICATION)
		return err_set(err, ERR_unavailable,
			"its certificate is not trusted (%s): registries.conf may name its CA",
			clean);
	if (code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_WEIRD_SERVER_REPLY)
		return err_set(
			err, ERR_bad_input, "it does not answer as HTTP/1.1 has it (%s)", clean);
	return err_set(err, ERR_unavailable, "%s", clean);
}

static int finish(struct http *h, CURLcode code, enum http_failure *ret_failure)
{
	*ret_failure = HTTP_FAILED_FINAL;
	/* Of several addresses one may have been fit. */
	if (code == CURLE_OK && h->refused)
		h->failed = false;
	if (h->failed)
		return -1;
	if (code != CURLE_OK && !h->enough) {
		*ret_failure = failure_of(code);
		return explain(h, code, h->err);
	}
	if (h->q->probe)
		return 0;
	if (begin_body(h) < 0)
		return -1;
	http_reply_set_message(h->reply, h->text, h->n_text);
	return 0;
}

int http_perform(struct http *h, const struct http_request *q, struct http_reply *ret,
	enum address_class *ret_class, enum http_failure *ret_failure, struct err *err)
{
	struct curl_slist *fields = NULL;
	CURL *curl = h->curl;
	CURLcode code;
	int r;

	*ret_failure = HTTP_FAILED_FINAL;
	if (make_fields(q, &fields, err) < 0)
		return -1;
	*h = (struct http){ .curl = curl, .stop = h->stop, .q = q, .reply = ret, .err = err };
	curl_easy_reset(curl);
	set_transport(curl, q);
	set_callbacks(h);
	set_request(curl, q, fields);
	code = curl_easy_perform(curl);
	r = finish(h, code, ret_failure);
	if (r == 0 && ret_class)
		*ret_class = h->class;
	curl_easy_reset(curl);
	wipe_fields(fields);
	return r;
}
