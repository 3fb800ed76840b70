/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-cli/pull.h"

#include <json-c/json.h>
#include <string.h>

#include "banger-cli/credentials.h"
#include "banger-cli/ending.h"
#include "banger-cli/layers.h"
#include "banger-cli/object.h"
#include "banger-cli/params.h"
#include "banger-cli/signals.h"
#include "banger-cli/wanted.h"
#include "common/fd.h"
#include "common/str.h"

/* The repository in a whole reference: what stands between its registry and the tag or digest. */
static void path_of(const char *reference, char *ret, size_t cap)
{
	const char *slash = strchr(reference, '/');
	const char *path = slash ? slash + 1 : reference;

	str_format(ret, cap, "%.*s", (int)strcspn(path, ":@"), path);
}

static int add_credentials(struct params *p, const char *host, const char *path, struct err *err)
{
	struct credentials c = { 0 };
	int r = credentials_find(host, path, &c, err);

	if (r > 0) {
		params_word(p, "credentials", host);
		params_word(p, "credentials", c.user);
		params_word(p, "credentials", c.secret);
		params_word(p, "credentials", c.token);
	}
	credentials_finish(&c);
	return r < 0 ? err_wrap(err, "the credentials for %s", host) : 0;
}

/* For each host that may be asked. Paths are the registry's own: a mirror has others. */
static int add_all(struct params *p, struct client *c, const char *reference, struct err *err)
{
	_cleanup_reply_ struct reply reply = REPLY_INIT;
	struct json_object *hosts;
	const char *whole;
	char path[512];
	size_t n;

	if (client_ask(c, RPC_METHOD_image_reference, "reference", reference, &reply, err) < 0)
		return -1;
	whole = object_text(reply.result, "reference");
	hosts = object_array(reply.result, "hosts");
	n = object_array_size(hosts);
	if (!whole || n == 0)
		return err_set(err, ERR_protocol, "the daemon answered without a reference");
	path_of(whole, path, sizeof(path));
	for (size_t i = 0; i < n; i++) {
		const char *host = json_object_get_string(json_object_array_get_idx(hosts, i));

		if (host && add_credentials(p, host, i + 1 == n ? path : "", err) < 0)
			return -1;
	}
	return 0;
}

static int make_params(
	struct params *p, struct client *c, const struct pull_ask *ask, struct err *err)
{
	params_text(p, "reference", ask->reference);
	params_text(p, "name", ask->name);
	params_text(p, "platform", ask->platform);
	params_flag(p, "replace", ask->replace);
	params_text(p, "policy", pull_policy_to_name(ask->policy));
	return ask->policy == pull_policy_never ? 0 : add_all(p, c, ask->reference, err);
}

int pull_image(struct cli *cli, struct client *c, const struct pull_ask *ask, struct reply *ret,
	struct err *err)
{
	_cleanup_fd_ int signals = -1;
	struct ending ending = { cli, ": what was fetched by now is kept for the next pull" };
	struct watch watch;
	static struct layers layers; /* large, and one at a time */
	struct client_wait wait = { layers_stage, &layers, &watch, 1 };
	struct json_object *params;
	struct params p;
	uint64_t id;
	int r;

	params_init(&p);
	r = make_params(&p, c, ask, err);
	if (r < 0) {
		json_object_put(p.object);
		return -1;
	}
	params = params_finish(&p, err);
	if (!params)
		return -1;
	if (signals_open(&signals, err) < 0) {
		json_object_put(params);
		return -1;
	}
	watch = ending_watch(&ending, signals);
	layers_init(&layers, ask->quiet);
	if (client_send(c, RPC_METHOD_image_pull, params, NULL, 0, true, &id, err) < 0)
		return -1;
	r = client_wait(c, id, &wait, ret, err);
	layers_clear(&layers);
	return r;
}

/* By its name, or as an image of that reference under another one. */
static int is_here(
	struct client *c, const struct pull_ask *ask, bool *ret, struct err *why, struct err *err)
{
	_cleanup_reply_ struct reply found = REPLY_INIT;
	bool may_pull = ask->policy != pull_policy_never;
	struct err unfound = ERR_INIT;
	struct json_object *params;
	struct params p;
	int r = wanted_is_here(c, WANTED_image, ask->reference, may_pull, why, err);

	if (r < 0)
		return -1;
	if (r > 0) {
		*ret = true;
		return 0;
	}
	if (!may_pull) {
		*err = *why;
		return -1;
	}
	params_init(&p);
	params_text(&p, "reference", ask->reference);
	params_text(&p, "policy", pull_policy_to_name(pull_policy_never));
	params = params_finish(&p, err);
	if (!params)
		return -1;
	*ret = client_call(c, RPC_METHOD_image_pull, params, &found, &unfound) == 0;
	if (*ret || unfound.code == ERR_not_found)
		return 0;
	*err = unfound;
	return err_wrap(err, "%s here, and it cannot be pulled", why->msg);
}

int pull_would(struct client *c, const struct pull_ask *ask, char *ret, size_t cap, struct err *err)
{
	_cleanup_reply_ struct reply reply = REPLY_INIT;
	struct err why = ERR_INIT;
	struct json_object *hosts;
	bool here = false;
	const char *whole;
	char line[1024];
	size_t n;

	if (ask->policy != pull_policy_always && is_here(c, ask, &here, &why, err) < 0)
		return -1;
	if (here) {
		ret[0] = '\0';
		return 0;
	}
	if (client_ask(c, RPC_METHOD_image_reference, "reference", ask->reference, &reply, err) < 0)
		return why.code == ERR_none
			       ? -1
			       : err_wrap(err, "%s here, and it cannot be pulled", why.msg);
	whole = object_text(reply.result, "reference");
	hosts = object_array(reply.result, "hosts");
	n = object_array_size(hosts);
	if (!whole || n == 0)
		return err_set(err, ERR_protocol, "the daemon answered without a reference");
	str_format(line, sizeof(line), "would pull %s", whole);
	for (size_t i = 0; i < n; i++) {
		const char *host = json_object_get_string(json_object_array_get_idx(hosts, i));
		size_t used = strlen(line);

		str_format(line + used, sizeof(line) - used, "%s%s", i > 0 ? ", then " : " from ",
			host ? host : "?");
	}
	if (!str_copy(ret, cap, line))
		return err_set(err, ERR_protocol, "the daemon's answer is too long");
	return 0;
}

int pull_for_vm(struct cli *cli, struct client *c, const struct pull_ask *ask, char *ret,
	size_t cap, struct err *err)
{
	_cleanup_reply_ struct reply pulled = REPLY_INIT;
	bool may_pull = ask->policy != pull_policy_never;
	struct err why = ERR_INIT;
	const char *name;
	int r;

	if (!str_copy(ret, cap, ask->reference))
		return err_set(err, ERR_bad_request, "a reference is too long");
	if (ask->policy != pull_policy_always) {
		r = wanted_is_here(c, WANTED_image, ask->reference, may_pull, &why, err);
		if (r != 0)
			return r < 0 ? -1 : 0;
		if (!may_pull) {
			*err = why;
			return -1;
		}
	}
	if (pull_image(cli, c, ask, &pulled, err) < 0) {
		if (why.code == ERR_none || err->code == ERR_cancelled)
			return -1;
		return err_wrap(err, "%s here, and it cannot be pulled", why.msg);
	}
	name = object_text(object_child(pulled.result, "image"), "name");
	if (!name || !str_copy(ret, cap, name))
		return err_set(err, ERR_protocol, "the daemon answered without an image");
	return 0;
}
