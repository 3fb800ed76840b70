/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/image_import.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "banger-imaged/ext4_data.h"
#include "banger-imaged/ext4_finish.h"
#include "banger-imaged/image.h"
#include "banger-imaged/image_source.h"
#include "banger-imaged/layer.h"
#include "banger-imaged/pipeline.h"
#include "banger-imaged/store.h"
#include "banger-imaged/tar.h"
#include "banger-imaged/tree.h"
#include "common/failpoint.h"
#include "common/fd.h"
#include "common/str.h"

/* Of each layer the digest and the size, as decimal digits. */
#define LAYER_TEXT_MAX (DIGEST_MAX + 1 + 20 + 1)

struct image_answer {
	struct image_config config;
	char *layers;
};

void image_answer_destroy(struct image_answer *a)
{
	if (!a)
		return;
	image_config_finish(&a->config);
	free(a->layers);
	free(a);
}

/* What one import holds. */
struct import {
	const struct progress *progress;
	const struct image_limits *limits;
	int target;
	struct image_source source;
	struct store *store;
	struct image image;
	struct pipeline_item *items;
	uint32_t n_items;
	struct pipeline *pipeline;
	struct tree *tree;
	struct ext4_data *data;
	uint64_t stored; /* bytes of all items, 0: not known */
	uint64_t entries;
};

/* The pipeline's flow, which tells how far it is. */
struct told_flow {
	struct flow flow;
	struct import *import;
};

static int told_next(struct flow *f, const uint8_t **ret_p, size_t *ret_n, struct err *err)
{
	struct import *i = ((struct told_flow *)f)->import;
	struct flow *from = pipeline_flow(i->pipeline);

	progress_tell(i->progress, job_stage_unpack, pipeline_taken(i->pipeline), i->stored);
	return from->next(from, ret_p, ret_n, err);
}

static int open_image(struct import *i, const char *reference, struct err *err)
{
	const struct image_source *s = &i->source;
	int r;

	r = s->ch ? store_open_directory(s->ch, &i->store, err)
		  : store_open_archive(s->fd, s->at, s->size, s->kind == image_kind_oci_archive,
			    i->limits, &i->store, err);
	if (r < 0)
		return -1;
	return s->kind == image_kind_docker_archive
		       ? image_open_docker(i->store, reference, i->limits, &i->image, err)
		       : image_open_oci(i->store, reference, i->limits, &i->image, err);
}

static int open_layer(void *ctx, struct pipeline_item *item, int cancel_fd, struct err *err)
{
	struct import *i = ctx;
	struct image_layer *l = &i->image.layers[item - i->items];

	if (image_layer_open(i->store, l, cancel_fd, err) < 0)
		return -1;
	input_range(&item->input, l->blob.fd, l->blob.at, l->blob.size);
	return 0;
}

/* Where an archive says nothing of a layer but its diff_id, that is checked in any case. */
static int plan_image(struct import *i, bool verify_diff_ids, struct err *err)
{
	i->items = calloc(i->image.n_layers + 1ULL, sizeof(*i->items));
	if (!i->items)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot read the image");
	i->n_items = i->image.n_layers;
	for (uint32_t k = 0; k < i->n_items; k++) {
		const struct image_layer *l = &i->image.layers[k];
		struct pipeline_item *item = &i->items[k];

		if (l->blob.fd < 0) {
			item->open = open_layer;
			item->ctx = i;
		} else {
			input_range(&item->input, l->blob.fd, l->blob.at, l->blob.size);
		}
		item->compression = l->compression;
		item->name = l->name;
		item->stored = l->has_digest ? &l->digest : NULL;
		if (verify_diff_ids || !l->has_digest)
			item->plain = &i->image.config.diff_ids[k];
		i->stored += l->blob.size;
	}
	return 0;
}

static int plan_rootfs(struct import *i, struct err *err)
{
	const struct image_source *s = &i->source;

	i->items = calloc(1, sizeof(*i->items));
	if (!i->items)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot read the input");
	i->n_items = 1;
	if (s->pipe)
		input_pipe(&i->items->input, s->fd, -1);
	else
		input_range(&i->items->input, s->fd, s->at, s->size);
	i->items->compression = COMPRESSION_ANY;
	i->items->name = "the root file system";
	i->items->ret_stored = &i->image.id;
	i->stored = s->size;
	return 0;
}

static int unpack_item(struct import *i, struct layer *l, struct err *err)
{
	struct told_flow flow = { .flow.next = told_next, .import = i };
	_cleanup_(tar_closep) struct tar *t = NULL;

	if (tar_open(&flow.flow, i->limits, &t, err) < 0)
		return -1;
	if (layer_apply(l, t, err) < 0)
		return pipeline_failed(i->pipeline)
			       ? -1
			       : err_wrap(err, "%s", i->items[l->number - 1].name);
	return pipeline_next(i->pipeline, err);
}

static int unpack(struct import *i, struct err *err)
{
	struct layer l = {
		.limits = i->limits,
		.whiteouts = i->source.kind != image_kind_rootfs,
	};

	if (tree_create(i->limits, &i->tree, err) < 0 ||
		ext4_data_open(i->target, &i->data, err) < 0 ||
		pipeline_open(i->items, i->n_items, i->limits, &i->pipeline, err) < 0)
		return -1;
	l.tree = i->tree;
	l.data = i->data;
	for (uint32_t k = 0; k < i->n_items; k++) {
		l.number = (uint16_t)(k + 1);
		if (unpack_item(i, &l, err) < 0)
			return -1;
	}
	pipeline_close(TAKE_PTR(i->pipeline));
	i->entries = tree_nodes(i->tree);
	return 0;
}

static int write_image(struct import *i, uint64_t *ret_size, struct err *err)
{
	progress_tell(i->progress, job_stage_write, 0, 0);
	if (FAILPOINT(image_unpacked, err) < 0 ||
		ext4_finish(i->target, i->tree, i->data, &i->image.id, 0, ret_size, err) < 0)
		return -1;
	progress_tell(i->progress, job_stage_sync, 0, 0);
	if (FAILPOINT(image_written, err) < 0)
		return -1;
	return fsync(i->target) < 0 ? ext4_write_error(errno, err) : 0;
}

static int run(
	struct import *i, struct job_image_import_in *in, uint64_t *ret_size, struct err *err)
{
	if (image_source_open(
		    i->progress, in->kind, &in->source, in->spool, i->limits, &i->source, err) < 0)
		return -1;
	progress_tell(i->progress, job_stage_verify, 0, 0);
	if (i->source.kind == image_kind_rootfs) {
		if (in->reference.s[0])
			return err_set(err, ERR_bad_request,
				"a root file system has no image '%s' in it", in->reference.s);
		if (plan_rootfs(i, err) < 0)
			return -1;
	} else if (open_image(i, in->reference.s, err) < 0 ||
		   plan_image(i, in->verify_diff_ids, err) < 0) {
		return -1;
	}
	return unpack(i, err) < 0 || write_image(i, ret_size, err) < 0 ? -1 : 0;
}

/* A docker archive names no layer by a digest: then it is that of what is in it. */
static int list_layers(const struct image *i, struct image_answer *a, strv *ret, struct err *err)
{
	const uint32_t cap = i->n_layers * LAYER_TEXT_MAX;
	strv v = { 0 };

	a->layers = malloc(cap + 1);
	if (!a->layers)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot answer");
	for (uint32_t k = 0; k < i->n_layers; k++) {
		const struct image_layer *l = &i->layers[k];
		const digest *d = l->has_digest ? &l->digest : &i->config.diff_ids[k];
		char size[21];

		(void)str_format(size, sizeof(size), "%llu", (unsigned long long)l->blob.size);
		if (!strv_add(&v, a->layers, cap, d->s) || !strv_add(&v, a->layers, cap, size))
			return err_set(err, ERR_operation_failed, "the layers take too much room");
	}
	*ret = v;
	return 0;
}

static int answer(struct import *i, struct job_image_import_out *out, uint64_t size,
	struct image_answer **ret_answer, struct err *err)
{
	struct image_answer *a = calloc(1, sizeof(*a));
	struct image_config *c = &i->image.config;
	strv layers;

	if (!a)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot answer");
	if (list_layers(&i->image, a, &layers, err) < 0) {
		image_answer_destroy(a);
		return -1;
	}
	*out = (struct job_image_import_out){
		.id = i->image.id,
		.size = size,
		.entries = i->entries,
		.entrypoint = c->entrypoint,
		.command = c->command,
		.environment = c->environment,
		.exposed_ports = c->exposed_ports,
		.user = c->user,
		.directory = c->directory,
		.stop_signal = c->stop_signal,
		.layers = layers,
	};
	(void)text_parse(i->image.config_digest.s, &out->config);
	(void)text_parse(i->image.reference, &out->reference);
	a->config = *c;
	*c = (struct image_config){ 0 };
	*ret_answer = a;
	return 0;
}

int image_import(const struct progress *progress, struct job_image_import_in *in,
	const struct image_limits *limits, struct job_image_import_out *out,
	struct image_answer **ret_answer, struct err *err)
{
	static const struct image_limits usual = IMAGE_LIMITS_DEFAULT;
	struct import i = {
		.progress = progress,
		.limits = limits ? limits : &usual,
		.target = in->target,
	};
	uint64_t size = 0;
	int r = run(&i, in, &size, err);

	if (r == 0)
		r = answer(&i, out, size, ret_answer, err);
	pipeline_close(i.pipeline);
	ext4_data_close(i.data);
	tree_destroy(i.tree);
	free(i.items);
	image_finish(&i.image);
	store_close(i.store);
	image_source_close(&i.source);
	return r;
}
