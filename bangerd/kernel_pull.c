/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/kernel_pull.h"

#include <errno.h>
#include <string.h>

#include "bangerd/call.h"
#include "bangerd/catalog.h"
#include "bangerd/fetch_job.h"
#include "bangerd/kernels.h"
#include "bangerd/pulls.h"
#include "bangerd/registries.h"
#include "bangerd/store_owned.h"
#include "common/fd.h"
#include "common/ipc.h"
#include "common/log.h"
#include "common/proto_fetch.h"
#include "common/settings.h"
#include "common/str.h"

#define HTTPS "https://"

/* One pull at work. */
struct pull {
	struct call *call;
	const struct rpc_kernel_pull_in *in;
	struct catalog *catalog;
	const struct catalog_entry *entry;
	const char *name;	   /* of the kernel to be */
	struct kernel_row *kernel; /* what came of it */
	bool pulled;
};

/* ---- what is here ---- */

struct find {
	const struct call *call;
	const digest *digest;
	const char *name; /* NULL: any */
	struct kernel_row best;
	bool found;
};

/* Oldest first. */
static int offer(void *ctx, const struct kernel_row *r, struct err *err)
{
	struct find *f = ctx;
	bool own = r->owner == f->call->uid;

	/* Root sees everybody's, and uses its own. */
	if ((!own && r->owner != 0) || !str_eq(r->digest.s, f->digest->s) ||
		(f->name && !str_eq(r->name.s, f->name)))
		return 0;
	if (f->found && !own && f->best.owner == f->call->uid)
		return 0;
	f->best = *r;
	f->found = true;
	return 0;
}

int kernel_pull_find(const struct call *call, const digest *d, const char *name,
	struct kernel_row *ret, struct err *err)
{
	struct find f = { .call = call, .digest = d, .name = name };

	if (store_kernel_list(call->services->store, STORE_READ, call->uid, offer, &f, err) < 0)
		return -1;
	if (!f.found)
		return 0;
	*ret = f.best;
	return 1;
}

/* Whether the caller has a kernel of that name: an older one of a catalog makes place by itself. */
static int check_name(const struct pull *p, bool *ret_replace, struct err *err)
{
	struct store *s = p->call->services->store;
	struct kernel_row own;
	vm_id id;
	int found = store_owned_find(s, STORE_READ, STORE_KERNEL, p->call->uid, p->name, &id, err);

	if (found < 0 || (found > 0 && store_kernel_get(s, STORE_READ, &id, &own, err) < 0))
		return -1;
	if (found > 0 && !own.digest.s[0] && !p->in->replace)
		return err_set(err, ERR_already_exists,
			"you have a kernel '%s' already, which is of no catalog: choose another "
			"name, or replace it",
			p->name);
	*ret_replace = found > 0;
	return 0;
}

/* ---- the file ---- */

static void on_notice(void *ctx, uint16_t msg, const void *in)
{
	const struct fetch_progress_in *progress = in;
	const struct fetch_note_in *note = in;

	if (msg == fetch_msg_note)
		log_notice("%s", note->text.s);
	if (msg == fetch_msg_progress)
		call_progress(ctx, "fetch", 0, 0, progress->done, progress->total);
}

/* The host of the URL, with what registries.conf says of its certificate. */
static int send_endpoint(const struct pull *p, struct ipc *fetcher, struct err *err)
{
	_cleanup_registries_ struct registries *registries = NULL;
	struct registry_endpoint all[REGISTRIES_ENDPOINTS], *e;
	const char *host = p->entry->url.s + strlen(HTTPS);
	struct fetch_endpoint_in in = { 0 };
	struct fetch_endpoint_out out;
	_cleanup_free_ char *ca = NULL;
	char name[REFERENCE_REGISTRY_MAX + 1];
	size_t n = 0;

	if (!str_format(name, sizeof(name), "%.*s", (int)strcspn(host, "/"), host) ||
		!text_parse(name, &in.host))
		return err_set(err, ERR_bad_request, "%s has no host", p->entry->url.s);
	if (registries_load(p->call->services->settings->image_registries.s, &registries, err) < 0)
		return -1;
	e = &all[registries_endpoints(registries, name, all) - 1];
	if (e->ca && registries_read_ca(e->ca, &ca, &n, err) < 0)
		return err_wrap(err, "the certificate of %s", name);
	in.insecure = e->insecure;
	in.ca = (bytes){ ca, (uint32_t)n };
	return fetch_endpoint(fetcher, &in, &out, err);
}

static int fetch(const struct pull *p, int *ret_fd, struct err *err)
{
	const struct fetch_file_fetch_in in = {
		.url = p->entry->url, .digest = p->entry->digest, .size = p->entry->size
	};
	struct fetch_file_fetch_out out = { .file = -1 };
	struct ipc *fetcher = NULL;
	int r;

	call_progress(p->call, "fetch", 0, 0, 0, p->entry->size);
	if (fetch_job_begin(p->call, &fetcher, err) < 0)
		return -1;
	r = send_endpoint(p, fetcher, err);
	if (r == 0)
		r = ipc_call_long(fetcher, fetch_msg_file_fetch, &in, &out, on_notice, p->call,
			p->call->cancel_fd, -1, err);
	if (r < 0)
		(void)fetch_job_failed(fetcher, err);
	ipc_close(fetcher);
	if (r < 0)
		return -1;
	log_info("fetched %llu bytes of %s", (unsigned long long)out.fetched, p->entry->url.s);
	*ret_fd = out.file;
	return 0;
}

/* ---- one pull ---- */

static int pull_now(struct pull *p, struct err *err)
{
	struct rpc_kernel_import_in in = { .name = p->name, .modules = -1 };
	struct kernels *kernels = p->call->services->kernels;
	_cleanup_fd_ int fd = -1;
	int found = kernel_pull_find(p->call, &p->entry->digest, p->in->name, p->kernel, err);

	if (found != 0)
		return found < 0 ? -1 : 0;
	/* Once in the cache, and once more while it is proven. */
	if (check_name(p, &in.replace, err) < 0 ||
		kernels_check_space(kernels, 2 * p->entry->size, err) < 0 || fetch(p, &fd, err) < 0)
		return -1;
	in.kernel = fd;
	if (kernels_import(kernels, p->call, &in, &p->entry->digest, p->kernel, err) < 0)
		return -1;
	p->pulled = true;
	return 0;
}

static int pull_once(void *ctx, vm_id *ret, struct err *err)
{
	struct pull *p = ctx;

	if (pull_now(p, err) < 0)
		return -1;
	*ret = p->kernel->id;
	return 0;
}

/* Do it, or wait for who does, and have what came of it. */
static int pull_or_wait(struct pull *p, struct err *err)
{
	char key[PULLS_KEY_MAX];
	vm_id id;
	int r;

	if (!str_format(key, sizeof(key), "kernel %u %s %s", (unsigned)p->call->uid,
		    p->entry->digest.s, p->name))
		return err_set(err, ERR_bad_request, "`name` is too long");
	r = pulls_once(p->call, key, pull_once, p, &id, err);
	if (r != 0)
		return r < 0 ? -1 : 0;
	return store_kernel_get(p->call->services->store, STORE_READ, &id, p->kernel, err);
}

static int look_up(struct pull *p, struct err *err)
{
	const struct settings *s = p->call->services->settings;
	int r;

	if (catalog_load(s->paths_catalog_dir.s, s->paths_vendor_catalog_dir.s, &p->catalog, err) <
		0)
		return -1;
	r = catalog_find(p->catalog, CATALOG_kernel, p->in->kernel, &p->entry, err);
	if (r == 0 && p->in->kernel)
		return err_set(err, ERR_not_found, "no catalog has a kernel '%s'", p->in->kernel);
	if (r == 0)
		return err_set(err, ERR_not_found,
			"no catalog has a preferred kernel: import one (banger kernel import)");
	return r < 0 ? -1 : 0;
}

int kernel_pull(struct call *call, const struct rpc_kernel_pull_in *in, struct kernel_row *ret,
	bool *ret_pulled, struct err *err)
{
	struct pull p = { .call = call, .in = in, .kernel = ret };
	int r = look_up(&p, err);

	if (r == 0) {
		p.name = in->name ? in->name : p.entry->name;
		r = pull_or_wait(&p, err);
	}
	if (r == 0)
		*ret_pulled = p.pulled;
	catalog_free(p.catalog);
	return r;
}
