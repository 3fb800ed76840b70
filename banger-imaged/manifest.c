/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/manifest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "banger-imaged/image_json.h"
#include "common/str.h"

#define OCI	 "application/vnd.oci.image."
#define DOCKER	 "application/vnd.docker."
#define REF_NAME "org.opencontainers.image.ref.name"

static const struct {
	const char *type;
	enum media media;
	enum compression compression;
} media_types[] = {
	{ OCI "index.v1+json", MEDIA_INDEX, COMPRESSION_NONE },
	{ DOCKER "distribution.manifest.list.v2+json", MEDIA_INDEX, COMPRESSION_NONE },
	{ OCI "manifest.v1+json", MEDIA_MANIFEST, COMPRESSION_NONE },
	{ DOCKER "distribution.manifest.v2+json", MEDIA_MANIFEST, COMPRESSION_NONE },
	{ OCI "config.v1+json", MEDIA_CONFIG, COMPRESSION_NONE },
	{ DOCKER "container.image.v1+json", MEDIA_CONFIG, COMPRESSION_NONE },
	{ OCI "layer.v1.tar", MEDIA_LAYER, COMPRESSION_NONE },
	{ OCI "layer.v1.tar+gzip", MEDIA_LAYER, COMPRESSION_GZIP },
	{ OCI "layer.v1.tar+zstd", MEDIA_LAYER, COMPRESSION_ZSTD },
	{ DOCKER "image.rootfs.diff.tar", MEDIA_LAYER, COMPRESSION_NONE },
	{ DOCKER "image.rootfs.diff.tar.gzip", MEDIA_LAYER, COMPRESSION_GZIP },
	{ DOCKER "image.rootfs.diff.tar.zstd", MEDIA_LAYER, COMPRESSION_ZSTD },
};

static void set_media(struct descriptor *d)
{
	for (size_t i = 0; i < ARRAY_SIZE(media_types); i++)
		if (strcmp(media_types[i].type, d->type) == 0) {
			d->media = media_types[i].media;
			d->compression = media_types[i].compression;
		}
}

/* A short text member into a buffer; "" when it is absent. */
static int take_text(struct json_object *o, const char *key, char *dst, size_t cap, struct err *err)
{
	const char *s;

	if (image_json_string(o, key, &s, err) < 0)
		return -1;
	if (s && (!str_printable(s, true) || !str_copy(dst, cap, s)))
		return err_set(err, ERR_bad_input, "'%s' is not a text of at most %zu bytes", key,
			cap - 1);
	return 0;
}

static int take_platform(struct json_object *o, struct descriptor *d, struct err *err)
{
	struct json_object *p;

	if (image_json_get(o, "platform", json_type_object, &p, err) < 0)
		return -1;
	d->has_platform = p != NULL;
	if (p && (take_text(p, "os", d->platform.os, sizeof(d->platform.os), err) < 0 ||
			 take_text(p, "architecture", d->platform.architecture,
				 sizeof(d->platform.architecture), err) < 0 ||
			 take_text(p, "variant", d->platform.variant, sizeof(d->platform.variant),
				 err) < 0))
		return -1;
	return 0;
}

static int parse_descriptor(struct json_object *o, struct descriptor *ret, struct err *err)
{
	struct descriptor d = { 0 };
	struct json_object *notes;

	if (!json_object_is_type(o, json_type_object))
		return err_set(err, ERR_bad_input, "a descriptor is no object");
	if (take_text(o, "mediaType", d.type, sizeof(d.type), err) < 0 ||
		image_json_digest(o, "digest", &d.digest, err) < 0 ||
		image_json_size(o, "size", &d.size, err) < 0 || take_platform(o, &d, err) < 0 ||
		image_json_get(o, "annotations", json_type_object, &notes, err) < 0)
		return -1;
	if (notes && take_text(notes, REF_NAME, d.reference, sizeof(d.reference), err) < 0)
		return -1;
	set_media(&d);
	*ret = d;
	return 0;
}

/* What an index or manifest says of itself: `type` is what it was called, if it was, and `media`
 * what it has to be. */
static int check_document(struct json_object *o, const char *what, enum media media,
	const char *type, struct err *err)
{
	struct descriptor self = { 0 };
	char *own = self.type;
	struct json_object *v;

	if (!json_object_is_type(o, json_type_object))
		return err_set(err, ERR_bad_input, "the %s is no object", what);
	if (image_json_get(o, "schemaVersion", json_type_int, &v, err) < 0)
		return -1;
	if (!v || json_object_get_int64(v) != 2)
		return err_set(err, ERR_bad_input,
			"the %s is of schema version %lld; banger reads version 2", what,
			v ? (long long)json_object_get_int64(v) : 0LL);
	if (take_text(o, "mediaType", own, sizeof(self.type), err) < 0)
		return -1;
	set_media(&self);
	if (own[0] && self.media != media)
		return err_set(err, ERR_bad_input,
			"the %s has the media type '%s', which is none's", what, own);
	if (own[0] && type[0] && strcmp(own, type) != 0)
		return err_set(err, ERR_bad_input,
			"the %s has the media type '%s', and was called '%s'", what, own, type);
	if (json_object_object_get_ex(o, "manifests", NULL) &&
		(json_object_object_get_ex(o, "layers", NULL) ||
			json_object_object_get_ex(o, "config", NULL)))
		return err_set(err, ERR_bad_input,
			"the %s has both 'manifests' and 'layers': it is neither index nor "
			"manifest",
			what);
	return 0;
}

static int parse_list(struct json_object *o, const char *key, struct descriptor **ret,
	uint32_t *ret_n, struct err *err)
{
	_cleanup_free_ struct descriptor *list = NULL;
	struct json_object *array;
	size_t n;

	if (image_json_get(o, key, json_type_array, &array, err) < 0)
		return -1;
	if (!array)
		return err_set(err, ERR_bad_input, "'%s' is missing", key);
	n = json_object_array_length(array);
	list = calloc(n + 1, sizeof(*list));
	if (!list)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot read '%s'", key);
	for (size_t i = 0; i < n; i++)
		if (parse_descriptor(json_object_array_get_idx(array, i), &list[i], err) < 0)
			return err_wrap(err, "'%s'", key);
	*ret = TAKE_PTR(list);
	*ret_n = (uint32_t)n;
	return 0;
}

int index_parse(const char *s, size_t n, const char *type, struct index *ret, struct err *err)
{
	_cleanup_json_ struct json_object *o = NULL;

	if (image_json_parse(s, n, "the image index", &o, err) < 0 ||
		check_document(o, "image index", MEDIA_INDEX, type, err) < 0 ||
		parse_list(o, "manifests", &ret->list, &ret->n, err) < 0)
		return -1;
	return 0;
}

void index_finish(struct index *x)
{
	free(x->list);
	*x = (struct index){ 0 };
}

static int check_layers(
	const struct manifest *m, const struct image_limits *limits, struct err *err)
{
	if (m->n_layers > limits->layers)
		return err_set(err, ERR_bad_input, "the image has %u layers, banger takes %u",
			m->n_layers, limits->layers);
	if (m->config.media != MEDIA_CONFIG)
		return err_set(err, ERR_bad_input,
			"the manifest's configuration is '%s': an artifact, not an image",
			m->config.type);
	for (uint32_t i = 0; i < m->n_layers; i++) {
		const struct descriptor *d = &m->layers[i];

		if (strstr(d->type, "nondistributable") || strstr(d->type, "foreign"))
			return err_set(err, ERR_bad_input,
				"layer %s is foreign: its bytes are not part of the image",
				d->digest.s);
		if (d->media != MEDIA_LAYER)
			return err_set(err, ERR_bad_input,
				"layer %s has the media type '%s', which banger cannot read",
				d->digest.s, d->type);
	}
	return 0;
}

int manifest_parse(const char *s, size_t n, const char *type, const struct image_limits *limits,
	struct manifest *ret, struct err *err)
{
	_cleanup_json_ struct json_object *o = NULL;
	struct json_object *config;
	struct manifest m = { 0 };

	if (image_json_parse(s, n, "the manifest", &o, err) < 0 ||
		check_document(o, "manifest", MEDIA_MANIFEST, type, err) < 0 ||
		image_json_get(o, "config", json_type_object, &config, err) < 0)
		return -1;
	if (!config)
		return err_set(err, ERR_bad_input, "the manifest has no 'config'");
	if (parse_descriptor(config, &m.config, err) < 0)
		return err_wrap(err, "'config'");
	if (parse_list(o, "layers", &m.layers, &m.n_layers, err) < 0)
		return -1;
	if (check_layers(&m, limits, err) < 0) {
		manifest_finish(&m);
		return -1;
	}
	*ret = m;
	return 0;
}

void manifest_finish(struct manifest *m)
{
	free(m->layers);
	*m = (struct manifest){ 0 };
}
