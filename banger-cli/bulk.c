/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-cli/bulk.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "banger-cli/client.h"
#include "banger-cli/ending.h"
#include "banger-cli/object.h"
#include "banger-cli/output.h"
#include "banger-cli/params.h"
#include "banger-cli/resolve.h"
#include "banger-cli/signals.h"
#include "common/fd.h"
#include "common/json.h"
#include "common/str.h"

/* Requests on their way at once: few enough that a daemon's share per user is no hindrance. */
#define IN_FLIGHT 8

struct target {
	const char *reference;
	struct json_object *object; /* borrowed from the list; NULL: not resolved */
	bool sent, failed;
	uint64_t request;
	struct err failure;
};

static bool seen_before(const struct target *targets, size_t n, const struct json_object *object)
{
	for (size_t i = 0; i < n; i++)
		if (targets[i].object == object)
			return true;
	return false;
}

static size_t resolve_all(const struct bulk *b, const struct words *references,
	struct json_object *list, struct target *targets)
{
	size_t n = 0;

	for (size_t i = 0; i < references->n; i++) {
		struct target *t = &targets[n];

		*t = (struct target){ .reference = references->items[i] };
		if (resolve(list, b->kind, geteuid(), t->reference, &t->object, &t->failure) < 0)
			t->failed = true;
		else if (seen_before(targets, n, t->object))
			continue;
		n++;
	}
	return n;
}

static void send_one(struct client *client, const struct bulk *b, struct target *t)
{
	struct json_object *o;
	struct params p;

	params_init(&p);
	params_text(&p, b->name, object_text(t->object, "id"));
	if (b->more)
		b->more(&p, b->args);
	o = params_finish(&p, &t->failure);
	t->failed = !o ||
		    client_send(client, b->method, o, NULL, 0, false, &t->request, &t->failure) < 0;
	t->sent = !t->failed;
}

static void finish_one(
	struct client *client, const struct client_wait *wait, struct target *t, enum format format)
{
	_cleanup_reply_ struct reply reply = REPLY_INIT;

	if (t->sent)
		t->failed = client_wait(client, t->request, wait, &reply, &t->failure) < 0;
	if (((const struct ending *)wait->watches->ctx)->came)
		return;
	if (t->failed) {
		fflush(stdout);
		cli_say("%s: %s", t->reference, t->failure.msg);
	} else if (format != format_json) {
		printf("%s\n", t->reference);
		fflush(stdout);
	}
}

/* ---- as JSON ---- */

static bool add(struct json_object *o, const char *name, const char *s)
{
	struct json_object *value = s ? json_object_new_string(s) : NULL;

	if ((value || !s) && json_object_object_add(o, name, value) == 0)
		return true;
	json_object_put(value);
	return false;
}

static bool add_failure(struct json_object *o, const struct target *t)
{
	struct json_object *error = t->failed ? json_object_new_object() : NULL;

	if (t->failed && (!error || !add(error, "code", err_code_name(t->failure.code)) ||
				 !add(error, "message", t->failure.msg))) {
		json_object_put(error);
		return false;
	}
	if (json_object_object_add(o, "error", error) == 0)
		return true;
	json_object_put(error);
	return false;
}

static int print_json(const struct target *targets, size_t n, struct err *err)
{
	_cleanup_json_ struct json_object *list = json_object_new_array();

	for (size_t i = 0; list && i < n; i++) {
		const struct target *t = &targets[i];
		struct json_object *o = json_object_new_object();

		if (o && add(o, "reference", t->reference) &&
			add(o, "id", object_text(t->object, "id")) &&
			add(o, "name", object_text(t->object, "name")) && add_failure(o, t) &&
			json_object_array_add(list, o) == 0)
			continue;
		json_object_put(o);
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot show what was done");
	}
	return list ? output_json(list, err)
		    : err_sys(err, ERR_operation_failed, ENOMEM, "cannot show what was done");
}

int bulk_run(struct cli *cli, const struct bulk *b, const struct words *references,
	enum format format, struct err *err)
{
	_cleanup_client_ struct client *client = NULL;
	_cleanup_reply_ struct reply list = REPLY_INIT;
	_cleanup_free_ struct target *targets = calloc(references->n, sizeof(*targets));
	_cleanup_fd_ int signals = -1;
	struct ending ending = { cli, ": what had not ended by now is cancelled", false };
	struct watch watch;
	struct client_wait wait = { .watches = &watch, .n_watches = 1 };
	size_t n, sent = 0;
	int status = 0;

	if (!targets)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot begin");
	if (cli_connect(cli, &client, err) < 0 ||
		client_call(client, b->list, NULL, &list, err) < 0 ||
		signals_open(&signals, err) < 0)
		return -1;
	watch = ending_watch(&ending, signals);
	n = resolve_all(b, references, object_array(list.result, b->list_member), targets);
	for (size_t i = 0; i < n; i++) {
		for (; sent < n && sent < i + IN_FLIGHT; sent++)
			if (!targets[sent].failed)
				send_one(client, b, &targets[sent]);
		finish_one(client, &wait, &targets[i], format);
		if (ending.came) {
			*err = targets[i].failure;
			return -1;
		}
		if (targets[i].failed)
			status = EXIT_ERROR;
	}
	if (format == format_json && print_json(targets, n, err) < 0)
		return -1;
	return status;
}
