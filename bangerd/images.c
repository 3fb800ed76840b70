/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/images.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "bangerd/blobs.h"
#include "bangerd/call.h"
#include "bangerd/imaged_job.h"
#include "bangerd/images_impl.h"
#include "bangerd/refs.h"
#include "bangerd/saga.h"
#include "bangerd/store_owned.h"
#include "common/failpoint.h"
#include "common/fd.h"
#include "common/log.h"
#include "common/settings.h"
#include "common/str.h"

static int has_row(void *ctx, const vm_id *id, struct err *err)
{
	struct images *im = ctx;
	_cleanup_(image_row_finish) struct image_row row = { 0 };
	struct err e = ERR_INIT;

	if (store_image_get(im->store, STORE_READ, id, &row, &e) == 0)
		return 1;
	if (e.code == ERR_not_found)
		return 0;
	*err = e;
	return -1;
}

int images_create(const struct settings *settings, struct store *store, struct ipc *imaged,
	int state_fd, struct images **ret, struct err *err)
{
	struct images *im = calloc(1, sizeof(*im));

	if (!im)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot look after images");
	*im = (struct images){
		.settings = settings, .store = store, .imaged = imaged, .blobs = BLOBS_INIT
	};
	if (blobs_open(state_fd, "images", &im->blobs, err) < 0) {
		images_destroy(im);
		return -1;
	}
	*ret = im;
	return 0;
}

int images_sweep(struct images *im, struct err *err)
{
	return blobs_sweep(&im->blobs, has_row, im, err);
}

void images_destroy(struct images *im)
{
	if (!im)
		return;
	blobs_close(&im->blobs);
	free(im);
}

/* ---- finding ---- */

struct pick {
	struct refs refs;
	struct image_row best;
};

static int offer(void *ctx, struct image_row *r, struct err *err)
{
	struct pick *p = ctx;

	if (refs_offer(&p->refs, r->id.s, r->name.s, r->owner, r->digest.s)) {
		image_row_finish(&p->best);
		p->best = *r;
		*r = (struct image_row){ 0 };
	}
	return 0;
}

int images_find(
	struct images *im, uid_t uid, const char *ref, struct image_row *ret, struct err *err)
{
	struct pick p = { 0 };

	refs_begin(&p.refs, uid, ref);
	if (store_image_list(im->store, STORE_READ, uid, offer, &p, err) < 0 ||
		refs_end(&p.refs, "image", err) < 0) {
		image_row_finish(&p.best);
		return -1;
	}
	*ret = p.best;
	return 0;
}

/* Nobody writes to an image's file once it is made: when that was says whether it is this one. In
 * seconds, which is what any backup brings back. */
static int stamp_of(int fd, text *ret, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot look at an image's file");
	str_format(ret->s, sizeof(ret->s), "written %lld", (long long)st.st_mtim.tv_sec);
	return 0;
}

int images_open(struct images *im, const vm_id *id, int *ret_fd, struct err *err)
{
	_cleanup_(image_row_finish) struct image_row row = { 0 };
	_cleanup_fd_ int fd = -1;
	text stamp = { "" };

	if (store_image_get(im->store, STORE_READ, id, &row, err) < 0)
		return -1;
	if (row.path.s[0])
		return err_set(err, ERR_bad_request,
			"image '%s' is a file of its owner's, %s: new VMs are made of it (banger "
			"vm "
			"run, vm create), and nothing else",
			row.name.s, row.path.s);
	if (blobs_open_whole(&im->blobs, id, IMAGES_SUFFIX, row.size, &fd, err) < 0 ||
		stamp_of(fd, &stamp, err) < 0)
		return -1;
	/* Of one from before nobody noted it. */
	if (row.stamp.s[0] && !str_eq(row.stamp.s, stamp.s))
		return err_set(err, ERR_bad_input,
			"the file of image '%s', %s.%s in the state directory, was written to "
			"since it "
			"was made, or is another (once no VM uses it, it can be deleted, and "
			"imported "
			"again)",
			row.name.s, id->s, IMAGES_SUFFIX);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* ---- deleting ---- */

int images_delete(struct images *im, struct call *call, const char *ref, struct err *err)
{
	_cleanup_(image_row_finish) struct image_row row = { 0 };
	_cleanup_(store_tx_end) struct store *tx = NULL;

	if (images_find(im, call->uid, ref, &row, err) < 0)
		return -1;
	if (!call_sees(call, row.owner))
		return err_set(err, ERR_unauthorized, "image '%s' is root's: only root deletes it",
			row.name.s);
	if (store_begin(im->store, err) < 0)
		return -1;
	tx = im->store;
	if (store_owned_delete(im->store, STORE_IMAGE, &row.id, &row.name, call->uid, err) < 0 ||
		store_tx_commit(&tx, err) < 0)
		return -1;
	/* The row decides. A file that stays in a crash here goes at the next start. */
	if (FAILPOINT(image_unlisted, err) < 0 ||
		blobs_remove(&im->blobs, &row.id, IMAGES_SUFFIX, err) < 0)
		return -1;
	log_info("image %s '%s' deleted", row.id.s, row.name.s);
	return 0;
}

/* ---- importing ---- */

/* A file's own size is the least that its content takes. */
static int check_space(struct images *im, int source, struct err *err)
{
	struct stat st;
	uint64_t need = 0;

	if (fstat(source, &st) < 0)
		return err_sys(err, ERR_bad_request, errno, "cannot look at the input");
	if (S_ISREG(st.st_mode))
		need = (uint64_t)st.st_size;
	else if (!S_ISFIFO(st.st_mode) && !S_ISSOCK(st.st_mode))
		return err_set(err, ERR_bad_request,
			"the input must be a file, a pipe, or a socket that serves a directory");
	return blobs_check_space(&im->blobs, need, im->settings->image_min_free, err);
}

/* Two strings for each layer. */
static int check_layers(const strv *layers, struct err *err)
{
	const char *size;
	uint64_t n;
	digest d;

	for (const char *s = strv_next(layers, NULL); s; s = strv_next(layers, size)) {
		size = strv_next(layers, s);
		if (!size || !digest_parse(s, &d) || !str_to_u64(size, 0, INT64_MAX, &n))
			return err_set(
				err, ERR_operation_failed, "the image worker describes no layers");
	}
	return 0;
}

/* What the worker said of the image, as a row: all of it the image's own claims, of proven form. */
static int make_row(const struct job_image_import_out *out, struct image_row *row, struct err *err)
{
	row->digest = out->id;
	row->size = out->size;
	row->entries = out->entries;
	row->reference = out->reference;
	row->user = out->user;
	row->directory = out->directory;
	row->stop_signal = out->stop_signal;
	if (out->config.s[0] && !digest_parse(out->config.s, &row->config))
		return err_set(err, ERR_operation_failed,
			"the image worker names its configuration by no digest");
	if (check_layers(&out->layers, err) < 0 || strv_dup(&out->layers, &row->layers, err) < 0 ||
		strv_dup(&out->entrypoint, &row->entrypoint, err) < 0 ||
		strv_dup(&out->command, &row->command, err) < 0 ||
		strv_dup(&out->environment, &row->env, err) < 0 ||
		strv_dup(&out->exposed_ports, &row->exposed_ports, err) < 0)
		return -1;
	return 0;
}

static int run_job(struct images *im, struct call *call, struct rpc_image_import_in *in, int target,
	struct image_row *row, struct err *err)
{
	_cleanup_(imaged_job_end) struct imaged_job job = { 0 };
	_cleanup_fd_ int spool = -1;
	struct job_image_import_in ask = { .kind = in->kind,
		.verify_diff_ids = im->settings->image_verify_diff_ids,
		.source = in->source,
		.target = target };
	struct job_image_import_out out;
	struct stat st;

	if (in->reference && !text_parse(in->reference, &ask.reference))
		return err_set(err, ERR_bad_request, "`reference` is not valid");
	if (blob_scratch(&im->blobs, call->op, &spool, err) < 0 ||
		imaged_job_begin(im->imaged, &im->blobs, im->settings->image_min_free, call,
			call->cancel_fd, &job, err) < 0)
		return -1;
	ask.spool = spool;
	if (imaged_job_call(&job, job_msg_image_import, &ask, &out, call->cancel_fd, err) < 0)
		return -1;
	if (fstat(target, &st) < 0 || st.st_size <= 0 || (uint64_t)st.st_size != out.size)
		return err_set(err, ERR_operation_failed,
			"the image worker made a file of another size than it says");
	return make_row(&out, row, err);
}

int images_commit_row(struct images *im, const struct image_row *row, bool replace, struct err *err)
{
	_cleanup_(store_tx_end) struct store *tx = NULL;
	int making_place = 0;
	vm_id gone;
	struct err ignored = ERR_INIT;

	if (store_begin(im->store, err) < 0)
		return -1;
	tx = im->store;
	if (replace)
		making_place = store_owned_make_place(
			im->store, STORE_IMAGE, row->owner, &row->name, &gone, err);
	if (making_place < 0)
		return -1;
	if (store_image_insert(im->store, row, err) < 0 || store_tx_commit(&tx, err) < 0)
		return -1;
	if (making_place > 0 && blobs_remove(&im->blobs, &gone, IMAGES_SUFFIX, &ignored) < 0)
		log_warning("%s", ignored.msg);
	return 0;
}

/* An import at work. */
struct import {
	struct images *im;
	struct call *call;
	struct rpc_image_import_in *in;
	const struct images_origin *origin; /* NULL: not of a registry */
	struct blob target;
	struct image_row row;
};

static int do_check(void *ctx, struct err *err)
{
	struct import *i = ctx;

	if (!ref_name_parse(i->in->name, &i->row.name))
		return err_set(err, ERR_bad_request, "'%s' is no name for an image", i->in->name);
	if (!i->in->replace &&
		store_owned_is_free(i->im->store, STORE_IMAGE, i->call->uid, i->in->name, err) < 0)
		return -1;
	return check_space(i->im, i->in->source, err);
}

/* The worker proved every blob by the digest that names it; the first of them is the fetcher's
 * word. */
static int check_origin(const struct images_origin *o, struct image_row *row, struct err *err)
{
	if (!str_eq(row->digest.s, o->digest->s))
		return err_set(err, ERR_operation_failed,
			"the fetcher served the image %s in the place of %s", row->digest.s,
			o->digest->s);
	if (!text_parse(o->reference, &row->reference))
		return err_set(err, ERR_operation_failed, "a reference is too long");
	return 0;
}

static int do_flatten(void *ctx, struct err *err)
{
	struct import *i = ctx;

	if (blob_begin(&i->im->blobs, i->call->op, IMAGES_SUFFIX, &i->target, err) < 0)
		return -1;
	if (run_job(i->im, i->call, i->in, i->target.fd, &i->row, err) < 0)
		return -1;
	return i->origin ? check_origin(i->origin, &i->row, err) : 0;
}

static void undo_flatten(void *ctx)
{
	struct import *i = ctx;

	blob_end(&i->target);
}

static int do_publish(void *ctx, struct err *err)
{
	struct import *i = ctx;

	call_progress(i->call, "store", 0, 0, 0, 0);
	if (blob_publish(&i->target, &i->row.id, IMAGES_SUFFIX, err) < 0 ||
		stamp_of(i->target.fd, &i->row.stamp, err) < 0)
		return -1;
	return blobs_sync(&i->im->blobs, err);
}

static void undo_publish(void *ctx)
{
	struct import *i = ctx;
	struct err err = ERR_INIT;

	if (blobs_remove(&i->im->blobs, &i->row.id, IMAGES_SUFFIX, &err) < 0)
		log_warning("%s", err.msg);
}

static int do_row(void *ctx, struct err *err)
{
	struct import *i = ctx;

	i->row.created_at = time(NULL);
	return images_commit_row(i->im, &i->row, i->in->replace, err);
}

static const struct saga_step import_steps[] = {
	{ "check", do_check, NULL },
	{ "flatten", do_flatten, undo_flatten },
	{ "publish", do_publish, undo_publish },
	{ "row", do_row, NULL },
};
static const struct saga import_saga = SAGA("image.import", import_steps);

int images_import(struct images *im, struct call *call, struct rpc_image_import_in *in,
	const struct images_origin *origin, struct image_row *ret, struct err *err)
{
	struct import i = { .im = im,
		.call = call,
		.in = in,
		.origin = origin,
		.target = BLOB_INIT,
		.row = { .id = vm_id_random(), .owner = call->uid } };
	int r = saga_run(&import_saga, &i, call->cancel_fd, NULL, err);

	blob_end(&i.target);
	if (r == 0) {
		log_info("image %s '%s' imported: %s", i.row.id.s, i.row.name.s, i.row.digest.s);
		*ret = i.row;
		i.row = (struct image_row){ 0 };
	}
	image_row_finish(&i.row);
	return r;
}
