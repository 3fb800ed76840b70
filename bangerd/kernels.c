/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/kernels.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "bangerd/blobs.h"
#include "bangerd/call.h"
#include "bangerd/guest_programs.h"
#include "bangerd/imaged_job.h"
#include "bangerd/refs.h"
#include "bangerd/saga.h"
#include "bangerd/store_owned.h"
#include "common/failpoint.h"
#include "common/fd.h"
#include "common/log.h"
#include "common/settings.h"
#include "common/str.h"

#define VMLINUX	  "vmlinux"
#define INITRAMFS "initramfs"

struct kernels {
	const struct settings *settings;
	struct store *store;
	struct ipc *imaged;
	struct blobs blobs;
	bool have_guest;
	struct guest_programs guest;
	struct err no_guest;	      /* why not */
	pthread_mutex_t refresh_lock; /* one initramfs is made anew at a time */
};

static int has_row(void *ctx, const vm_id *id, struct err *err)
{
	struct kernels *k = ctx;
	struct kernel_row row;
	struct err e = ERR_INIT;

	if (store_kernel_get(k->store, STORE_READ, id, &row, &e) == 0)
		return 1;
	if (e.code == ERR_not_found)
		return 0;
	*err = e;
	return -1;
}

int kernels_create(const struct settings *settings, struct store *store, struct ipc *imaged,
	int state_fd, struct kernels **ret, struct err *err)
{
	struct kernels *k = calloc(1, sizeof(*k));

	if (!k)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot look after kernels");
	*k = (struct kernels){ .settings = settings,
		.store = store,
		.imaged = imaged,
		.blobs = BLOBS_INIT,
		.guest = GUEST_PROGRAMS_INIT };
	pthread_mutex_init(&k->refresh_lock, NULL);
	k->have_guest =
		guest_programs_open(settings->paths_libexec_dir.s, &k->guest, &k->no_guest) == 0;
	if (!k->have_guest)
		log_warning("%s", k->no_guest.msg);
	if (blobs_open(state_fd, "kernels", &k->blobs, err) < 0) {
		kernels_destroy(k);
		return -1;
	}
	*ret = k;
	return 0;
}

int kernels_sweep(struct kernels *k, struct err *err)
{
	return blobs_sweep(&k->blobs, has_row, k, err);
}

void kernels_destroy(struct kernels *k)
{
	if (!k)
		return;
	blobs_close(&k->blobs);
	guest_programs_close(&k->guest);
	pthread_mutex_destroy(&k->refresh_lock);
	free(k);
}

/* ---- finding ---- */

struct pick {
	struct refs refs;
	struct kernel_row best;
	bool found; /* of the newest */
};

static int offer(void *ctx, const struct kernel_row *r, struct err *err)
{
	struct pick *p = ctx;

	if (refs_offer(&p->refs, r->id.s, r->name.s, r->owner, NULL))
		p->best = *r;
	return 0;
}

/* Its own before root's (before others', which root alone sees); a newer version before an older
 * one, and of one version what was imported last. */
static int offer_newest(void *ctx, const struct kernel_row *r, struct err *err)
{
	struct pick *p = ctx;
	bool own = r->owner == p->refs.uid, best_own = p->best.owner == p->refs.uid;

	if (!p->found || (own && !best_own) ||
		(own == best_own && strverscmp(r->version.s, p->best.version.s) >= 0))
		p->best = *r;
	p->found = true;
	return 0;
}

int kernels_find(
	struct kernels *k, uid_t uid, const char *ref, struct kernel_row *ret, struct err *err)
{
	struct pick p = { 0 };

	refs_begin(&p.refs, uid, ref);
	if (store_kernel_list(k->store, STORE_READ, uid, ref ? offer : offer_newest, &p, err) < 0)
		return -1;
	if (!ref && !p.found)
		return err_set(err, ERR_not_found,
			"there is no kernel yet: import one (banger kernel import)");
	if (ref && refs_end(&p.refs, "kernel", err) < 0)
		return -1;
	*ret = p.best;
	return 0;
}

/* ---- opening ---- */

void kernel_files_close(struct kernel_files *f)
{
	fd_closep(&f->vmlinux);
	fd_closep(&f->initramfs);
}

/* A VMM reads what it boots under a uid of its own, by the fds it is given. */
static int publish(struct blob *b, const vm_id *id, const char *suffix, struct err *err)
{
	if (fchmod(b->fd, 0644) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot make %s readable", suffix);
	return blob_publish(b, id, suffix, err);
}

/* Both files, as large as they were made. */
static int open_files(
	struct kernels *k, const struct kernel_row *row, struct kernel_files *ret, struct err *err)
{
	_cleanup_(kernel_files_close) struct kernel_files files = KERNEL_FILES_INIT;
	struct stat vmlinux, initramfs;

	if (blobs_open_file(&k->blobs, &row->id, VMLINUX, &files.vmlinux, err) < 0 ||
		blobs_open_file(&k->blobs, &row->id, INITRAMFS, &files.initramfs, err) < 0)
		return -1;
	if (fstat(files.vmlinux, &vmlinux) < 0 || fstat(files.initramfs, &initramfs) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot look at a kernel");
	if ((uint64_t)vmlinux.st_size + (uint64_t)initramfs.st_size != row->size ||
		!fd_has_data(files.vmlinux) || !fd_has_data(files.initramfs))
		return err_set(err, ERR_bad_input,
			"the files of kernel '%s' (%s) are not as large as they were made, or have "
			"nothing in them any more (once no VM uses it, it can be deleted, and "
			"imported again)",
			row->name.s, row->id.s);
	ret->vmlinux = TAKE_FD(files.vmlinux);
	ret->initramfs = TAKE_FD(files.initramfs);
	return 0;
}

/* This build's guest programs into a kernel's initramfs. With refresh_lock held. */
static int refresh(struct kernels *k, struct kernel_row *row, int cancel_fd, struct err *err)
{
	_cleanup_(imaged_job_end) struct imaged_job job = { 0 };
	_cleanup_(store_tx_end) struct store *tx = NULL;
	_cleanup_(blob_end) struct blob made = BLOB_INIT;
	_cleanup_(kernel_files_close) struct kernel_files files = KERNEL_FILES_INIT;
	struct job_initramfs_refresh_out out;
	struct stat st;

	log_info("kernel %s '%s': its initramfs gets this build's guest programs", row->id.s,
		row->name.s);
	if (open_files(k, row, &files, err) < 0 ||
		blob_begin(&k->blobs, log_op(), INITRAMFS, &made, err) < 0 ||
		imaged_job_begin_brief(k->imaged, cancel_fd, &job, err) < 0)
		return -1;
	if (imaged_job_call(&job, job_msg_initramfs_refresh,
		    &(struct job_initramfs_refresh_in){ .old = files.initramfs,
			    .init = k->guest.init,
			    .agent = k->guest.agent,
			    .initramfs = made.fd },
		    &out, cancel_fd, err) < 0)
		return -1;
	if (fstat(files.vmlinux, &st) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot look at a kernel");
	if (publish(&made, &row->id, INITRAMFS, err) < 0 || blobs_sync(&k->blobs, err) < 0 ||
		store_begin(k->store, err) < 0)
		return -1;
	tx = k->store;
	if (store_kernel_refreshed(
		    k->store, &row->id, &k->guest.digest, out.size + (uint64_t)st.st_size, err) < 0)
		return -1;
	if (store_tx_commit(&tx, err) < 0)
		return -1;
	row->guest = k->guest.digest;
	row->size = out.size + (uint64_t)st.st_size;
	return 0;
}

static int refresh_if_old(
	struct kernels *k, const vm_id *id, int cancel_fd, struct kernel_row *ret, struct err *err)
{
	struct kernel_row row = { 0 };
	int r;

	if (!k->have_guest) {
		*err = k->no_guest;
		return -1;
	}
	pthread_mutex_lock(&k->refresh_lock);
	r = store_kernel_get(k->store, STORE_READ, id, &row, err);
	if (r == 0 && !str_eq(row.guest.s, k->guest.digest.s)) {
		r = refresh(k, &row, cancel_fd, err);
		if (r < 0)
			err_wrap(err, "kernel '%s': cannot renew its initramfs", row.name.s);
	}
	pthread_mutex_unlock(&k->refresh_lock);
	if (r == 0)
		*ret = row;
	return r;
}

int kernels_open(struct kernels *k, const vm_id *id, int cancel_fd, struct kernel_files *ret,
	struct err *err)
{
	struct kernel_row row = { 0 };

	if (refresh_if_old(k, id, cancel_fd, &row, err) < 0)
		return -1;
	return open_files(k, &row, ret, err);
}

/* ---- deleting ---- */

static void remove_files(struct kernels *k, const vm_id *id)
{
	struct err err = ERR_INIT;

	/* The row decided. What stays goes at the next start. */
	if (blobs_remove(&k->blobs, id, VMLINUX, &err) < 0 ||
		blobs_remove(&k->blobs, id, INITRAMFS, &err) < 0)
		log_warning("%s", err.msg);
}

int kernels_delete(struct kernels *k, struct call *call, const char *ref, struct err *err)
{
	_cleanup_(store_tx_end) struct store *tx = NULL;
	struct kernel_row row;

	if (kernels_find(k, call->uid, ref, &row, err) < 0)
		return -1;
	if (!call_sees(call, row.owner))
		return err_set(err, ERR_unauthorized, "kernel '%s' is root's: only root deletes it",
			row.name.s);
	if (store_begin(k->store, err) < 0)
		return -1;
	tx = k->store;
	if (store_owned_delete(k->store, STORE_KERNEL, &row.id, &row.name, call->uid, err) < 0 ||
		store_tx_commit(&tx, err) < 0)
		return -1;
	if (FAILPOINT(kernel_unlisted, err) < 0)
		return -1;
	remove_files(k, &row.id);
	log_info("kernel %s '%s' deleted", row.id.s, row.name.s);
	return 0;
}

/* ---- importing ---- */

int kernels_check_space(struct kernels *k, uint64_t need, struct err *err)
{
	return blobs_check_space(&k->blobs, need, k->settings->image_min_free, err);
}

static int check(
	struct kernels *k, uid_t uid, const struct rpc_kernel_import_in *in, struct err *err)
{
	struct stat st;

	if (!k->have_guest) {
		*err = k->no_guest;
		return -1;
	}
	if (in->name && !in->replace &&
		store_owned_is_free(k->store, STORE_KERNEL, uid, in->name, err) < 0)
		return -1;
	/* A file's own size is the least that what is in it takes. */
	if (fstat(in->kernel, &st) < 0)
		return err_sys(err, ERR_bad_request, errno, "cannot look at the input");
	return kernels_check_space(k, S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0, err);
}

struct made {
	struct blob vmlinux, initramfs;
};

static void made_end(struct made *m)
{
	blob_end(&m->vmlinux);
	blob_end(&m->initramfs);
}

static int run_job(struct kernels *k, struct call *call, struct rpc_kernel_import_in *in,
	const struct made *made, struct kernel_row *row, struct err *err)
{
	_cleanup_(imaged_job_end) struct imaged_job job = { 0 };
	_cleanup_fd_ int spool = -1;
	struct job_kernel_import_in ask = { .kernel = in->kernel,
		.modules = in->modules,
		.init = k->guest.init,
		.agent = k->guest.agent,
		.vmlinux = made->vmlinux.fd,
		.initramfs = made->initramfs.fd };
	struct job_kernel_import_out out;
	struct stat vmlinux, initramfs;

	if (row->digest.s[0] && (blob_scratch(&k->blobs, call->op, &spool, err) < 0 ||
					!text_parse(row->digest.s, &ask.digest)))
		return -1;
	ask.spool = spool;
	if (imaged_job_begin(k->imaged, &k->blobs, k->settings->image_min_free, call,
		    call->cancel_fd, &job, err) < 0 ||
		imaged_job_call(&job, job_msg_kernel_import, &ask, &out, call->cancel_fd, err) < 0)
		return -1;
	if (fstat(made->vmlinux.fd, &vmlinux) < 0 || fstat(made->initramfs.fd, &initramfs) < 0 ||
		vmlinux.st_size <= 0 || initramfs.st_size <= 0)
		return err_set(err, ERR_operation_failed, "the image worker made no kernel");
	row->version = out.version;
	row->arch = out.arch;
	row->size = (uint64_t)vmlinux.st_size + (uint64_t)initramfs.st_size;
	row->n_modules = out.n_modules;
	row->guest = k->guest.digest;
	if (!ref_name_parse(in->name ? in->name : out.version.s, &row->name))
		return err_set(err, ERR_bad_input,
			"the kernel's version '%s' is no name: give it one (--name)",
			out.version.s);
	return 0;
}

static int commit_row(
	struct kernels *k, const struct kernel_row *row, bool replace, struct err *err)
{
	_cleanup_(store_tx_end) struct store *tx = NULL;
	int making_place = 0;
	vm_id gone;

	if (store_begin(k->store, err) < 0)
		return -1;
	tx = k->store;
	if (replace)
		making_place = store_owned_make_place(
			k->store, STORE_KERNEL, row->owner, &row->name, &gone, err);
	if (making_place < 0)
		return -1;
	if (store_kernel_insert(k->store, row, err) < 0 || store_tx_commit(&tx, err) < 0)
		return -1;
	if (making_place > 0)
		remove_files(k, &gone);
	return 0;
}

/* An import at work. */
struct import {
	struct kernels *k;
	struct call *call;
	struct rpc_kernel_import_in *in;
	struct made made;
	struct kernel_row row;
};

static int do_check(void *ctx, struct err *err)
{
	struct import *i = ctx;

	return check(i->k, i->call->uid, i->in, err);
}

static int do_unpack(void *ctx, struct err *err)
{
	struct import *i = ctx;
	const struct blobs *blobs = &i->k->blobs;

	if (blob_begin(blobs, i->call->op, VMLINUX, &i->made.vmlinux, err) < 0 ||
		blob_begin(blobs, i->call->op, INITRAMFS, &i->made.initramfs, err) < 0)
		return -1;
	return run_job(i->k, i->call, i->in, &i->made, &i->row, err);
}

static void undo_unpack(void *ctx)
{
	struct import *i = ctx;

	made_end(&i->made);
}

static int do_publish(void *ctx, struct err *err)
{
	struct import *i = ctx;

	call_progress(i->call, "store", 0, 0, 0, 0);
	if (publish(&i->made.vmlinux, &i->row.id, VMLINUX, err) < 0 ||
		publish(&i->made.initramfs, &i->row.id, INITRAMFS, err) < 0)
		return -1;
	return blobs_sync(&i->k->blobs, err);
}

static void undo_publish(void *ctx)
{
	struct import *i = ctx;

	remove_files(i->k, &i->row.id);
}

static int do_row(void *ctx, struct err *err)
{
	struct import *i = ctx;

	i->row.created_at = time(NULL);
	return commit_row(i->k, &i->row, i->in->replace, err);
}

static const struct saga_step import_steps[] = {
	{ "check", do_check, NULL },
	{ "unpack", do_unpack, undo_unpack },
	{ "publish", do_publish, undo_publish },
	{ "row", do_row, NULL },
};
static const struct saga import_saga = SAGA("kernel.import", import_steps);

int kernels_import(struct kernels *k, struct call *call, struct rpc_kernel_import_in *in,
	const digest *pin, struct kernel_row *ret, struct err *err)
{
	struct import i = { .k = k,
		.call = call,
		.in = in,
		.made = { BLOB_INIT, BLOB_INIT },
		.row = { .id = vm_id_random(), .owner = call->uid } };
	int r;

	if (pin)
		i.row.digest = *pin;
	r = saga_run(&import_saga, &i, call->cancel_fd, NULL, err);
	made_end(&i.made);
	if (r < 0)
		return -1;
	log_info("kernel %s '%s' imported: %s, %u modules", i.row.id.s, i.row.name.s,
		i.row.version.s, i.row.n_modules);
	*ret = i.row;
	return 0;
}
