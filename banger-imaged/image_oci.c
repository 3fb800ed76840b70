/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "banger-imaged/choose.h"
#include "banger-imaged/image.h"
#include "banger-imaged/image_json.h"
#include "banger-imaged/manifest.h"
#include "common/str.h"

static int check_layout(struct store *s, const struct image_limits *limits, struct err *err)
{
	_cleanup_json_ struct json_object *o = NULL;
	_cleanup_free_ char *buf = NULL;
	const char *version;
	size_t n = 0;

	if (store_load(s, "oci-layout", NULL, STORE_ANY_SIZE, limits, &buf, &n, NULL, err) < 0)
		return err_wrap(err, "this is no OCI image layout");
	if (image_json_parse(buf, n, "'oci-layout'", &o, err) < 0 ||
		image_json_string(o, "imageLayoutVersion", &version, err) < 0)
		return -1;
	if (!version || strcmp(version, "1.0.0") != 0)
		return err_set(err, ERR_bad_input,
			"the OCI layout is of version '%.40s'; banger reads 1.0.0",
			version ? version : "");
	return 0;
}

static int load_blob(struct store *s, const struct descriptor *d, const struct image_limits *limits,
	char **ret, size_t *ret_n, struct err *err)
{
	char path[BLOB_PATH_MAX];

	return store_load(s, store_blob_path(&d->digest, path), &d->digest, d->size, limits, ret,
		ret_n, NULL, err);
}

/* From index.json down through indexes to one manifest's descriptor. */
static int find_manifest(struct store *s, const char *reference, const struct image_limits *limits,
	struct descriptor *ret, char name[256], struct err *err)
{
	struct descriptor at = { .media = MEDIA_INDEX };

	for (uint32_t depth = 0; at.media == MEDIA_INDEX; depth++) {
		_cleanup_free_ char *buf = NULL;
		const struct descriptor *next = NULL;
		struct index x = { 0 };
		size_t n = 0;
		int r;

		/* A cycle of digests cannot be made; a deep chain can, and ends here, too. */
		if (depth > limits->index_depth)
			return err_set(err, ERR_bad_input,
				"image indexes are nested deeper than %u", limits->index_depth);
		r = depth == 0 ? store_load(s, "index.json", NULL, STORE_ANY_SIZE, limits, &buf, &n,
					 NULL, err)
			       : load_blob(s, &at, limits, &buf, &n, err);
		if (r < 0 || index_parse(buf, n, at.type, &x, err) < 0)
			return -1;
		r = choose_descriptor(&x, reference, depth == 0, &next, err);
		if (r == 0) {
			at = *next;
			if (depth == 0)
				memcpy(name, at.reference, sizeof(at.reference));
		}
		index_finish(&x);
		if (r < 0)
			return -1;
	}
	*ret = at;
	return 0;
}

int image_layer_open(struct store *s, struct image_layer *l, int cancel_fd, struct err *err)
{
	const uint64_t size = l->blob.size;
	char path[BLOB_PATH_MAX];

	if (store_find(s, store_blob_path(&l->digest, path), cancel_fd, &l->blob, err) < 0)
		return err_wrap(err, "a layer of the image");
	if (l->blob.size != size)
		return err_set(err, ERR_bad_input,
			"%s: its size is %llu bytes, not %llu as the image says", l->name,
			(unsigned long long)l->blob.size, (unsigned long long)size);
	return 0;
}

static int take_layers(struct store *s, const struct manifest *m, struct image *i, struct err *err)
{
	i->layers = calloc(m->n_layers + 1ULL, sizeof(*i->layers));
	if (!i->layers)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot read the image");
	i->n_layers = m->n_layers;
	for (uint32_t k = 0; k < m->n_layers; k++) {
		const struct descriptor *d = &m->layers[k];
		struct image_layer *l = &i->layers[k];

		l->blob = (struct blob){ .fd = -1, .size = d->size };
		l->compression = d->compression;
		l->has_digest = true;
		l->digest = d->digest;
		(void)str_format(l->name, sizeof(l->name), "layer %s", d->digest.s);
		if (!store_waits(s) && image_layer_open(s, l, -1, err) < 0)
			return -1;
	}
	return 0;
}

static int open_manifest(struct store *s, const struct descriptor *d,
	const struct image_limits *limits, struct image *i, struct err *err)
{
	_cleanup_free_ char *manifest = NULL, *config = NULL;
	struct manifest m = { 0 };
	size_t n = 0;
	int r;

	if (load_blob(s, d, limits, &manifest, &n, err) < 0 ||
		manifest_parse(manifest, n, d->type, limits, &m, err) < 0)
		return -1;
	i->config_digest = m.config.digest;
	r = load_blob(s, &m.config, limits, &config, &n, err);
	if (r == 0)
		r = image_config_parse(config, n, &i->config, err);
	if (r == 0)
		r = take_layers(s, &m, i, err);
	manifest_finish(&m);
	return r < 0 ? -1 : image_check_config(i, err);
}

int image_open_oci(struct store *s, const char *reference, const struct image_limits *limits,
	struct image *ret, struct err *err)
{
	struct descriptor d = { 0 };
	struct image i = { 0 };

	if (check_layout(s, limits, err) < 0 ||
		find_manifest(s, reference, limits, &d, i.reference, err) < 0)
		return -1;
	i.id = d.digest;
	if (open_manifest(s, &d, limits, &i, err) < 0) {
		image_finish(&i);
		return -1;
	}
	*ret = i;
	return 0;
}
