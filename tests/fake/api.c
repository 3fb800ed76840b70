/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/fake/api.h"

#include <ctype.h>
#include <string.h>

#include "common/json.h"
#include "common/str.h"
#include "tests/fake/body.h"
#include "tests/fake/log.h"

enum when { ANY, BEFORE, AFTER };

/* A path is `first`, then `second` or an id, when the route has one; what follows is not looked
 * at. */
static const struct route {
	const char *method, *first, *second;
	const char *id; /* the body's member that must be the path's id */
	enum when when;
	const struct body *body;
	machine_handler *handler;
} routes[] = {
	{ "GET", "", .handler = machine_get_info },
	{ "GET", "version", .handler = machine_get_version },
	{ "GET", "machine-config", .handler = machine_get_config },
	{ "GET", "balloon", .handler = machine_get_balloon },
	{ "GET", "vm", "config", .handler = machine_get_all },
	{ "PUT", "actions", .body = &body_action, .handler = machine_action },
	{ "PUT", "balloon", .when = BEFORE, .body = &body_balloon, .handler = machine_put_balloon },
	{ "PUT", "boot-source", .when = BEFORE, .body = &body_boot_source,
		.handler = machine_put_boot },
	{ "PUT", "drives", .id = "drive_id", .body = &body_drive, .handler = machine_put_drive },
	{ "PUT", "entropy", .when = BEFORE, .body = &body_entropy, .handler = machine_put_entropy },
	{ "PUT", "logger", .when = BEFORE, .body = &body_logger, .handler = machine_put_logger },
	{ "PUT", "machine-config", .when = BEFORE, .body = &body_machine_config,
		.handler = machine_put_config },
	{ "PUT", "metrics", .when = BEFORE, .body = &body_metrics, .handler = machine_put_metrics },
	{ "PUT", "network-interfaces", .id = "iface_id", .body = &body_network,
		.handler = machine_put_nic },
	{ "PUT", "serial", .when = BEFORE, .body = &body_serial, .handler = machine_put_serial },
	{ "PUT", "snapshot", "create", .when = AFTER, .body = &body_snapshot_create,
		.handler = machine_put_snapshot },
	{ "PUT", "snapshot", "load", .when = BEFORE, .body = &body_snapshot_load,
		.handler = machine_put_snapshot },
	{ "PUT", "vsock", .when = BEFORE, .body = &body_vsock, .handler = machine_put_vsock },
	{ "PATCH", "balloon", "statistics", .when = AFTER, .body = &body_balloon_statistics,
		.handler = machine_patch_statistics },
	{ "PATCH", "balloon", .when = AFTER, .body = &body_balloon_update,
		.handler = machine_patch_balloon },
	{ "PATCH", "drives", .id = "drive_id", .when = AFTER, .body = &body_drive_update,
		.handler = machine_patch_drive },
	{ "PATCH", "machine-config", .when = BEFORE, .body = &body_machine_update,
		.handler = machine_patch_config },
	{ "PATCH", "network-interfaces", .id = "iface_id", .when = AFTER,
		.body = &body_network_update, .handler = machine_patch_nic },
	{ "PATCH", "vm", .when = AFTER, .body = &body_vm, .handler = machine_patch_vm },
};

/* The path's parts: at most `first` and `second` are of interest. */
struct path {
	char first[64], second[128];
};

static void split(const char *path, struct path *ret)
{
	size_t n;

	*ret = (struct path){ 0 };
	path += strspn(path, "/");
	n = strcspn(path, "/");
	/* What does not fit is nothing that there is. */
	if (n >= sizeof(ret->first))
		n = sizeof(ret->first) - 1;
	memcpy(ret->first, path, n);
	path += strcspn(path, "/");
	path += *path == '/';
	n = strcspn(path, "/");
	if (n >= sizeof(ret->second))
		n = sizeof(ret->second) - 1;
	memcpy(ret->second, path, n);
}

static const struct route *find_route(const char *method, const struct path *p)
{
	for (const struct route *t = routes; t < routes + ARRAY_SIZE(routes); t++)
		if (str_eq(t->method, method) && str_eq(t->first, p->first) &&
			(!t->second || str_eq(t->second, p->second)))
			return t;
	return NULL;
}

static bool id_is_good(const char *id, struct reply *r)
{
	if (*id == '\0') {
		reply_fault(r, "The ID cannot be empty.");
		return false;
	}
	for (const char *c = id; *c; c++)
		if (!isalnum((unsigned char)*c) && *c != '_') {
			reply_fault(r,
				"API Resource IDs can only contain alphanumeric characters and "
				"underscores.");
			return false;
		}
	return true;
}

static bool ids_agree(const struct route *t, const struct request *q, struct reply *r)
{
	struct json_object *in_body;

	if (!t->id || !json_object_object_get_ex(q->body, t->id, &in_body) ||
		str_eq(q->id, json_object_get_string(in_body)))
		return true;
	reply_fault(r, "The id from the path does not match the id from the body!");
	return false;
}

static bool is_time(const struct machine *m, enum when when, struct reply *r)
{
	bool started = m->state != MACHINE_NOT_STARTED;

	if (when == ANY || (when == AFTER) == started)
		return true;
	reply_fault(r, "The requested operation is not supported %s starting the microVM.",
		started ? "after" : "before");
	return false;
}

static void with_body(struct machine *m, const struct route *t, const struct path *p,
	const char *body, size_t len, struct reply *r)
{
	_cleanup_json_ struct json_object *o = NULL;
	struct request q = { .id = p->second };
	char why[1024];

	if (t->id && !id_is_good(p->second, r))
		return;
	q.body = o = body_parse(t->body, body, len, why, sizeof(why));
	if (!o) {
		reply_fault(r,
			"An error occurred when deserializing the json body of a request: %s.",
			why);
		return;
	}
	if (ids_agree(t, &q, r) && is_time(m, t->when, r))
		t->handler(m, &q, r);
}

void api_answer(struct machine *m, const char *method, const char *path, const char *body,
	size_t len, struct reply *r)
{
	const struct route *t;
	struct path p;

	split(path, &p);
	log_line(LOG_LINE_INFO, "The API server received a %s request on \"%s\"%s%.*s.", method,
		path, len ? " with body " : "", (int)len, len ? body : "");
	t = find_route(method, &p);
	if (str_eq(method, "GET") && len)
		reply_fault(r, "GET request cannot have a body.");
	else if (!str_eq(method, "GET") && !str_eq(method, "DELETE") && !len)
		reply_fault(r, "Empty %s request.", method);
	else if (!t)
		reply_fault(r, "Invalid request method and/or path: %s %s.", method, p.first);
	else if (t->body)
		with_body(m, t, &p, body, len, r);
	else
		t->handler(m, &(struct request){ 0 }, r);
	if (r->status >= 300)
		log_line(LOG_LINE_ERROR, "Received Error. Status code: %d. Message: %s", r->status,
			r->body);
}
