/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/image_pull.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "bangerd/call.h"
#include "bangerd/fetch_job.h"
#include "bangerd/image_name.h"
#include "bangerd/image_serve.h"
#include "bangerd/images.h"
#include "bangerd/pulls.h"
#include "bangerd/registries.h"
#include "common/fd.h"
#include "common/ipc.h"
#include "common/log.h"
#include "common/proto_fetch.h"
#include "common/settings.h"
#include "common/str.h"

/* One pull at work. */
struct pull {
	struct call *call;
	const struct rpc_image_pull_in *in;
	struct registries *registries;
	struct reference reference;
	char canonical[REFERENCE_MAX + 1];
	bool catalog;  /* it is a catalog's */
	ref_name name; /* of the image to be */
	struct ipc *fetcher;
	digest digest;		 /* of its manifest */
	struct image_row *image; /* what came of it */
	bool pulled;
};

static void pull_finish(struct pull *p)
{
	ipc_close(TAKE_PTR(p->fetcher));
	registries_free(TAKE_PTR(p->registries));
}

static int prepare(struct pull *p, struct err *err)
{
	const char *name = p->in->name ? p->in->name : p->in->reference;

	if (image_name_resolve(p->call->services->settings, p->in->reference, &p->registries,
		    &p->reference, &p->catalog, err) < 0)
		return -1;
	reference_format(&p->reference, p->canonical);
	if (!ref_name_parse(name, &p->name))
		return err_set(err, ERR_bad_request,
			"'%s' is no name for an image: give it one (--name)", name);
	return 0;
}

/* ---- the registry ---- */

struct credentials {
	const char *user, *secret, *token;
};

/* Four strings for each host; false when there are none for this one. */
static bool find_credentials(const strv *all, const char *host, struct credentials *ret)
{
	for (const char *at = strv_next(all, NULL); at;) {
		const char *s[4] = { at };

		for (int i = 1; i < 4; i++)
			s[i] = strv_next(all, s[i - 1]);
		if (str_eq(s[0], host)) {
			*ret = (struct credentials){ s[1], s[2], s[3] };
			return true;
		}
		at = strv_next(all, s[3]);
	}
	return false;
}

static bytes as_bytes(const char *s)
{
	return (bytes){ s, s ? (uint32_t)strlen(s) : 0 };
}

static int send_endpoint(struct pull *p, const struct registry_endpoint *e, struct err *err)
{
	struct fetch_endpoint_in in = { .plain_http = e->plain_http, .insecure = e->insecure };
	struct fetch_endpoint_out out;
	struct credentials c = { "", NULL, NULL };
	_cleanup_free_ char *ca = NULL;
	size_t n = 0;

	(void)find_credentials(&p->in->credentials, e->host, &c);
	if (e->ca && registries_read_ca(e->ca, &ca, &n, err) < 0)
		return err_wrap(err, "the certificate of %s", e->host);
	if (!text_parse(e->host, &in.host) || !text_parse(e->prefix, &in.prefix) ||
		!text_parse(c.user, &in.username))
		return err_set(
			err, ERR_bad_request, "the credentials for %s are not valid", e->host);
	in.ca = (bytes){ ca, (uint32_t)n };
	in.secret = as_bytes(c.secret);
	in.identity_token = as_bytes(c.token);
	return fetch_endpoint(p->fetcher, &in, &out, err);
}

static void on_note(void *ctx, uint16_t msg, const void *in)
{
	const struct fetch_note_in *note = in;

	if (msg == fetch_msg_note)
		log_notice("%s", note->text.s);
}

static int resolve(struct pull *p, struct err *err)
{
	struct registry_endpoint endpoints[REGISTRIES_ENDPOINTS];
	size_t n = registries_endpoints(p->registries, p->reference.registry, endpoints);
	struct fetch_resolve_in in = { 0 };
	struct fetch_resolve_out out;

	if (!text_parse(p->canonical, &in.reference) ||
		!text_parse(p->in->platform ? p->in->platform : "", &in.platform))
		return err_set(err, ERR_bad_request, "`reference` or `platform` is not valid");
	call_progress(p->call, "resolve", 0, 0, 0, 0);
	if (fetch_job_begin(p->call, &p->fetcher, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (send_endpoint(p, &endpoints[i], err) < 0)
			return -1;
	if (ipc_call_long(p->fetcher, fetch_msg_resolve, &in, &out, on_note, NULL,
		    p->call->cancel_fd, -1, err) < 0)
		return fetch_job_failed(p->fetcher, err);
	p->digest = out.digest;
	return 0;
}

/* ---- one pull ---- */

static int pull_now(struct pull *p, struct err *err)
{
	_cleanup_(image_row_finish) struct image_row have = { 0 };
	struct images *im = p->call->services->images;
	const struct images_origin origin = {
		.reference = p->canonical, .digest = &p->digest, .catalog = p->catalog
	};
	int found;

	if (images_check_pull(im, p->call->uid, &p->name, &origin, p->in->replace, err) < 0 ||
		resolve(p, err) < 0)
		return -1;
	found = images_find_digest(im, p->call->uid, &p->digest, &p->name, &have, err);
	if (found < 0)
		return -1;
	if (!found) {
		p->pulled = true;
		return image_serve(p->call, p->fetcher, &p->name, &origin, p->image, err);
	}
	if (!str_eq(have.name.s, p->name.s))
		return images_alias(im, p->call->uid, &have, &p->name, &origin, p->image, err);
	*p->image = have;
	have = (struct image_row){ 0 };
	return 0;
}

static int pull_once(void *ctx, vm_id *ret, struct err *err)
{
	struct pull *p = ctx;

	if (pull_now(p, err) < 0)
		return -1;
	*ret = p->image->id;
	return 0;
}

/* Do it, or wait for who does, and have what came of it. */
static int pull_or_wait(struct pull *p, struct err *err)
{
	char key[PULLS_KEY_MAX];
	vm_id id;
	int r;

	if (!str_format(key, sizeof(key), "%u %s %s %s", (unsigned)p->call->uid, p->canonical,
		    p->name.s, p->in->platform ? p->in->platform : ""))
		return err_set(err, ERR_bad_request, "`platform` is too long");
	r = pulls_once(p->call, key, pull_once, p, &id, err);
	if (r != 0)
		return r < 0 ? -1 : 0;
	return store_image_get(p->call->services->store, STORE_READ, &id, p->image, err);
}

static int find_local(struct pull *p, struct image_row *ret, struct err *err)
{
	return images_find_reference(
		p->call->services->images, p->call->uid, p->in->reference, p->canonical, ret, err);
}

int image_pull(struct call *call, const struct rpc_image_pull_in *in, struct image_row *ret,
	bool *ret_pulled, struct err *err)
{
	_cleanup_(pull_finish) struct pull p = { .call = call, .in = in, .image = ret };
	int found = 0;

	if (in->credentials.count % 4 != 0)
		return err_set(
			err, ERR_bad_request, "`credentials` are four strings for each host");
	if (prepare(&p, err) < 0)
		return -1;
	/* What is here says nothing of its platform: with one asked for, the registry does. */
	if (in->policy == pull_policy_never || (in->policy == pull_policy_missing && !in->platform))
		found = find_local(&p, ret, err);
	if (found < 0)
		return -1;
	if (found) {
		*ret_pulled = false;
		return 0;
	}
	if (in->policy == pull_policy_never)
		return err_set(err, ERR_not_found,
			"there is no image '%s', and it is not to be pulled", in->reference);
	if (pull_or_wait(&p, err) < 0)
		return -1;
	*ret_pulled = p.pulled;
	return 0;
}
