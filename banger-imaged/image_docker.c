/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "banger-imaged/image.h"
#include "banger-imaged/image_json.h"
#include "common/fd.h"
#include "common/str.h"

/* The digest that a file's name promises: "blobs/sha256/HEX", "HEX.json", "HEX.tar". Other names
 * promise nothing. */
static bool named_digest(const char *path, digest *ret)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	size_t n = strcspn(name, ".");
	char full[DIGEST_MAX + 1];

	return (name[n] == '\0' || strcmp(name + n, ".json") == 0) &&
	       str_format(full, sizeof(full), "sha256:%.*s", (int)n, name) &&
	       digest_parse(full, ret);
}

static bool tag_is(const char *tag, const char *reference)
{
	size_t n = strlen(reference);

	/* "name" means "name:latest", as docker has it. */
	return strcmp(tag, reference) == 0 ||
	       (strncmp(tag, reference, n) == 0 && strcmp(tag + n, ":latest") == 0);
}

static void add_name(char *list, size_t cap, const char *name)
{
	size_t at = strlen(list);

	(void)str_format(list + at, cap - at, "%s%s", at ? ", " : "", name);
}

/* Look through an image's tags: true when `reference` ("": any) is among them. Its name, the one
 * that was asked for or the first, goes to `name`; all go to `list`. */
static int match_tags(struct json_object *image, const char *reference, char name[256], char *list,
	size_t cap, bool *ret, struct err *err)
{
	struct json_object *tags;
	const char *tag;

	*ret = reference[0] == '\0';
	name[0] = '\0';
	if (!json_object_is_type(image, json_type_object))
		return err_set(
			err, ERR_bad_input, "'manifest.json' has something else than images");
	if (image_json_get(image, "RepoTags", json_type_array, &tags, err) < 0)
		return -1;
	for (size_t i = 0; tags && i < json_object_array_length(tags); i++) {
		if (image_json_item(tags, i, "RepoTags", &tag, err) < 0)
			return -1;
		if (!str_printable(tag, true) || strlen(tag) > 255)
			return err_set(err, ERR_bad_input, "'RepoTags' has a name that is none");
		add_name(list, cap, tag);
		if (reference[0] ? tag_is(tag, reference) : i == 0) {
			(void)str_copy(name, 256, tag);
			*ret = true;
		}
	}
	return 0;
}

static int choose(struct json_object *images, const char *reference, struct json_object **ret,
	char name[256], struct err *err)
{
	const char *config = NULL, *other;
	char list[300] = "", one[256];
	struct json_object *found = NULL;
	bool match;

	if (!json_object_is_type(images, json_type_array))
		return err_set(err, ERR_bad_input, "'manifest.json' is no list of images");
	for (size_t i = 0; i < json_object_array_length(images); i++) {
		struct json_object *image = json_object_array_get_idx(images, i);

		if (match_tags(image, reference, one, list, sizeof(list), &match, err) < 0)
			return -1;
		if (!match)
			continue;
		if (image_json_string(image, "Config", &other, err) < 0)
			return -1;
		if (!other)
			return err_set(err, ERR_bad_input,
				"an image in 'manifest.json' has no "
				"'Config'");
		if (found && strcmp(config, other) != 0)
			return err_set(err, ERR_bad_input,
				"the input has several images: choose one of: %s", list);
		if (!found)
			memcpy(name, one, sizeof(one));
		found = found ? found : image;
		config = other;
	}
	if (!found)
		return err_set(err, ERR_not_found, "the input has no image '%s'; it has: %s",
			reference, list[0] ? list : "none with a name");
	*ret = found;
	return 0;
}

static int take_layer(struct store *s, const char *path, struct image_layer *l, struct err *err)
{
	uint8_t head[6];
	ssize_t n;

	if (store_find(s, path, -1, &l->blob, err) < 0)
		return err_wrap(err, "a layer of the image");
	n = fd_pread_full(
		l->blob.fd, head, l->blob.size < 6 ? (size_t)l->blob.size : 6, l->blob.at);
	if (n < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot read '%s'", path);
	/* Nothing says what a layer here is but its bytes. */
	l->compression = compression_of(head, (size_t)n);
	if (l->compression == COMPRESSION_XZ)
		return err_set(err, ERR_bad_input, "layer '%s' is xz, which no image has", path);
	l->has_digest = str_starts(path, "blobs/") && named_digest(path, &l->digest);
	(void)str_format(l->name, sizeof(l->name), "layer '%.120s'", path);
	return 0;
}

static int take_layers(struct store *s, struct json_object *image,
	const struct image_limits *limits, struct image *i, struct err *err)
{
	struct json_object *list;
	const char *path;
	size_t n;

	if (image_json_get(image, "Layers", json_type_array, &list, err) < 0)
		return -1;
	if (!list)
		return err_set(err, ERR_bad_input, "an image in 'manifest.json' has no 'Layers'");
	n = json_object_array_length(list);
	if (n > limits->layers)
		return err_set(err, ERR_bad_input, "the image has %zu layers, banger takes %u", n,
			limits->layers);
	i->layers = calloc(n + 1, sizeof(*i->layers));
	if (!i->layers)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot read the image");
	i->n_layers = (uint32_t)n;
	for (size_t k = 0; k < n; k++)
		if (image_json_item(list, k, "Layers", &path, err) < 0 ||
			take_layer(s, path, &i->layers[k], err) < 0)
			return -1;
	return 0;
}

static int open_image(struct store *s, struct json_object *o, const struct image_limits *limits,
	struct image *i, struct err *err)
{
	_cleanup_free_ char *config = NULL;
	const char *path;
	size_t n = 0;
	bool named;

	if (image_json_string(o, "Config", &path, err) < 0)
		return -1;
	named = named_digest(path, &i->id);
	if (store_load(s, path, named ? &i->id : NULL, STORE_ANY_SIZE, limits, &config, &n, &i->id,
		    err) < 0 ||
		image_config_parse(config, n, &i->config, err) < 0 ||
		take_layers(s, o, limits, i, err) < 0)
		return -1;
	i->config_digest = i->id;
	return image_check_config(i, err);
}

int image_open_docker(struct store *s, const char *reference, const struct image_limits *limits,
	struct image *ret, struct err *err)
{
	_cleanup_json_ struct json_object *o = NULL;
	_cleanup_free_ char *buf = NULL;
	struct json_object *chosen = NULL;
	struct image i = { 0 };
	size_t n = 0;

	if (store_load(s, "manifest.json", NULL, STORE_ANY_SIZE, limits, &buf, &n, NULL, err) < 0)
		return err_wrap(err, "this is no docker archive");
	if (image_json_parse(buf, n, "'manifest.json'", &o, err) < 0 ||
		choose(o, reference, &chosen, i.reference, err) < 0)
		return -1;
	if (open_image(s, chosen, limits, &i, err) < 0) {
		image_finish(&i);
		return -1;
	}
	*ret = i;
	return 0;
}
