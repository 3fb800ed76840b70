/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/firecracker_api.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bangerd/http_client.h"
#include "common/fd.h"
#include "common/json.h"
#include "common/str.h"

#define DEPTH_MAX  16
#define REASON_MAX 300 /* of Firecracker's words in a message */

struct firecracker_api {
	struct http_client *http;
	unsigned request_ms;
};

int firecracker_api_open(int fd, unsigned request_ms, struct firecracker_api **ret, struct err *err)
{
	struct firecracker_api *api = calloc(1, sizeof(*api));

	if (!api) {
		fd_closep(&fd);
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot speak to Firecracker");
	}
	api->request_ms = request_ms;
	if (http_client_open(fd, "Firecracker", &api->http, err) < 0) {
		free(api);
		return -1;
	}
	*ret = api;
	return 0;
}

void firecracker_api_close(struct firecracker_api *api)
{
	if (!api)
		return;
	http_client_close(api->http);
	free(api);
}

/* ---- what it answers ---- */

/* An object, or NULL. */
static struct json_object *reply_object(const struct http_reply *reply)
{
	struct err why = ERR_INIT;
	struct json_object *o;

	if (!reply->body || json_parse(reply->body, reply->body_len, DEPTH_MAX, &o, &why) < 0)
		return NULL;
	if (json_object_is_type(o, json_type_object))
		return o;
	json_object_put(o);
	return NULL;
}

/* The member of that name: a string. NULL when it is none. */
static const char *member_text(struct json_object *o, const char *key)
{
	struct json_object *member;

	if (!json_object_object_get_ex(o, key, &member) ||
		!json_object_is_type(member, json_type_string))
		return NULL;
	return json_object_get_string(member);
}

/* The errno that Rust's standard library writes behind the text of a system error, or 0. */
static int reason_errno(const char *reason)
{
	const char *at = strstr(reason, "(os error ");
	char digits[5];
	uint64_t v;
	size_t n;

	if (!at)
		return 0;
	at += strlen("(os error ");
	n = strcspn(at, ")");
	if (n >= sizeof(digits) || at[n] != ')')
		return 0;
	memcpy(digits, at, n);
	digits[n] = '\0';
	return str_to_u64(digits, 1, 4095, &v) ? (int)v : 0;
}

static enum err_code reason_code(int sys)
{
	switch (sys) {
	case ENOSPC:
		return ERR_no_space;
	case EBUSY:
		return ERR_busy;
	case ENOMEM:
		return ERR_unavailable;
	default:
		return ERR_operation_failed;
	}
}

/* A status that is no success: Firecracker's own "fault_message", or its HTTP server's "error". */
static int refused(const char *what, const struct http_reply *reply, struct err *err)
{
	_cleanup_json_ struct json_object *o = reply_object(reply);
	const char *reason = o ? member_text(o, "fault_message") : NULL;
	char text[REASON_MAX + 1];
	int sys;

	if (o && !reason)
		reason = member_text(o, "error");
	if (!reason)
		return err_set(err, ERR_protocol,
			"Firecracker refused %s (status %u) and its reason cannot be read", what,
			reply->status);
	sys = reason_errno(reason);
	str_format(text, sizeof(text), "%.*s", REASON_MAX, reason);
	str_sanitize(text);
	err_set(err, reason_code(sys), "Firecracker refused %s: %s", what, text);
	err->sys = sys;
	return -1;
}

/* ---- one request ---- */

/* The reply must have that status, and come in `ms`; the caller finishes it then. */
static int ask(struct firecracker_api *api, const char *method, const char *path, const char *what,
	const char *body, unsigned status, unsigned ms, const struct wait *w,
	struct http_reply *ret, struct err *err)
{
	struct wait own = wait_ms(w->cancel_fd, ms);
	_cleanup_http_reply_ struct http_reply reply = { 0 };

	if (w->deadline_ms != 0 && w->deadline_ms < own.deadline_ms) {
		own.deadline_ms = w->deadline_ms;
		ms = (unsigned)wait_left_ms(&own);
	}
	if (http_client_request(api->http, method, path, body, &own, &reply, err) < 0) {
		if (err->code == ERR_timeout)
			return err_set(err, ERR_timeout,
				"Firecracker does not answer (%s %s, %u%s)", method, path,
				ms < 1000 ? ms : ms / 1000, ms < 1000 ? " ms" : " s");
		return err_wrap(err, "%s %s", method, path);
	}
	if (reply.status >= 400)
		return refused(what, &reply, err);
	if (reply.status != status)
		return err_set(err, ERR_protocol, "Firecracker answered %s %s with status %u",
			method, path, reply.status);
	*ret = reply;
	reply = (struct http_reply){ 0 };
	return 0;
}

static int get(struct firecracker_api *api, const char *path, const char *what,
	const struct wait *w, struct json_object **ret, struct err *err)
{
	_cleanup_http_reply_ struct http_reply reply = { 0 };
	struct json_object *o;

	if (ask(api, "GET", path, what, NULL, 200, api->request_ms, w, &reply, err) < 0)
		return -1;
	o = reply_object(&reply);
	if (!o)
		return err_set(err, ERR_protocol,
			"Firecracker answered GET %s with what is no JSON object", path);
	*ret = o;
	return 0;
}

/* Takes the body. */
static int send_body(struct firecracker_api *api, const char *method, const char *path,
	const char *what, struct json_object *body, unsigned ms, const struct wait *w,
	struct err *err)
{
	const char *text =
		body ? json_object_to_json_string_ext(body, JSON_C_TO_STRING_NOSLASHESCAPE) : NULL;
	_cleanup_http_reply_ struct http_reply reply = { 0 };
	int r;

	if (!text)
		r = err_sys(
			err, ERR_operation_failed, ENOMEM, "cannot ask Firecracker for %s", what);
	else
		r = ask(api, method, path, what, text, 204, ms, w, &reply, err);
	json_object_put(body);
	return r;
}

int firecracker_api_put(struct firecracker_api *api, const char *path, const char *what,
	struct json_object *body, const struct wait *w, struct err *err)
{
	return send_body(api, "PUT", path, what, body, api->request_ms, w, err);
}

/* An object with one member; NULL without memory. */
static struct json_object *one_member(const char *key, const char *value)
{
	struct json_object *o = json_object_new_object();
	struct json_object *v = json_object_new_string(value);

	if (o && v && json_object_object_add(o, key, v) == 0)
		return o;
	json_object_put(v);
	json_object_put(o);
	return NULL;
}

/* ---- the calls ---- */

int firecracker_api_version(struct firecracker_api *api, const struct wait *w,
	struct firecracker_version *ret, struct err *err)
{
	_cleanup_json_ struct json_object *o = NULL;
	const char *version;

	if (get(api, "/version", "to say its version", w, &o, err) < 0)
		return -1;
	version = member_text(o, "firecracker_version");
	if (!version || !firecracker_version_parse(version, ret))
		return err_set(err, ERR_protocol, "Firecracker does not say its version");
	return 0;
}

int firecracker_api_state(struct firecracker_api *api, const struct wait *w,
	enum firecracker_state *ret, struct err *err)
{
	static const char *const names[] = {
		[FIRECRACKER_NOT_STARTED] = "Not started",
		[FIRECRACKER_RUNNING] = "Running",
		[FIRECRACKER_PAUSED] = "Paused",
	};
	_cleanup_json_ struct json_object *o = NULL;
	const char *state;

	if (get(api, "/", "to say its state", w, &o, err) < 0)
		return -1;
	state = member_text(o, "state");
	for (size_t i = 0; state && i < ARRAY_SIZE(names); i++)
		if (str_eq(state, names[i])) {
			*ret = (enum firecracker_state)i;
			return 0;
		}
	return err_set(err, ERR_protocol, "Firecracker does not say how its guest is");
}

int firecracker_api_config(struct firecracker_api *api, const struct wait *w,
	struct json_object **ret, struct err *err)
{
	return get(api, "/vm/config", "to say its configuration", w, ret, err);
}

int firecracker_api_action(struct firecracker_api *api, enum firecracker_action action,
	const struct wait *w, struct err *err)
{
	/* times: what it may take, in requests. A start reads the kernel and makes all devices. */
	static const struct {
		const char *name, *what;
		unsigned times;
	} actions[] = {
		[FIRECRACKER_INSTANCE_START] = { "InstanceStart", "to start the guest", 3 },
		[FIRECRACKER_FLUSH_METRICS] = { "FlushMetrics", "to write its metrics", 1 },
		[FIRECRACKER_SEND_CTRL_ALT_DEL] = { "SendCtrlAltDel", "to press Ctrl-Alt-Del", 1 },
	};

	return send_body(api, "PUT", "/actions", actions[action].what,
		one_member("action_type", actions[action].name),
		actions[action].times * api->request_ms, w, err);
}

int firecracker_api_pause(
	struct firecracker_api *api, bool pause, const struct wait *w, struct err *err)
{
	return send_body(api, "PATCH", "/vm", pause ? "to pause the guest" : "to resume the guest",
		one_member("state", pause ? "Paused" : "Resumed"), api->request_ms, w, err);
}
