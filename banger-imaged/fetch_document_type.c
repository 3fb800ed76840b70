/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "banger-imaged/fetch_document.h"
#include "banger-imaged/image_json.h"
#include "common/str.h"

#define OCI_INDEX	"application/vnd.oci.image.index.v1+json"
#define OCI_MANIFEST	"application/vnd.oci.image.manifest.v1+json"
#define DOCKER_LIST	"application/vnd.docker.distribution.manifest.list.v2+json"
#define DOCKER_MANIFEST "application/vnd.docker.distribution.manifest.v2+json"

static bool is_known(const char *type)
{
	static const char *const known[] = { OCI_INDEX, OCI_MANIFEST, DOCKER_LIST,
		DOCKER_MANIFEST };

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (strcmp(type, known[i]) == 0)
			return true;
	return false;
}

/* What servers say that know nothing of it. */
static bool says_nothing(const char *type)
{
	static const char *const generic[] = { "", "application/json", "application/octet-stream",
		"binary/octet-stream", "text/plain" };

	for (size_t i = 0; i < ARRAY_SIZE(generic); i++)
		if (strcmp(type, generic[i]) == 0)
			return true;
	return false;
}

static bool is_schema_1(const char *type)
{
	return str_starts(type, "application/vnd.docker.distribution.manifest.v1+");
}

static int refuse_schema_1(struct err *err)
{
	return err_set(err, ERR_bad_input,
		"the manifest is of docker's schema 1, which says nothing of its layers' sizes and "
		"digests: push the image anew");
}

static int check_version(struct json_object *o, struct err *err)
{
	struct json_object *v;

	if (image_json_get(o, "schemaVersion", json_type_int, &v, err) < 0)
		return -1;
	if ((v && json_object_get_int64(v) == 1) || json_object_object_get_ex(o, "fsLayers", NULL))
		return refuse_schema_1(err);
	return 0;
}

/* Of one that says no type of its own. */
static int by_members(struct json_object *o, const char **ret, struct err *err)
{
	bool index = json_object_object_get_ex(o, "manifests", NULL);
	bool manifest = json_object_object_get_ex(o, "layers", NULL) ||
			json_object_object_get_ex(o, "config", NULL);

	if (index == manifest)
		return err_set(err, ERR_bad_input, "it is %s index %s manifest",
			index ? "both an" : "neither an", index ? "and a" : "nor a");
	*ret = index ? OCI_INDEX : OCI_MANIFEST;
	return 0;
}

static int find_type(struct json_object *o, const char *said, const char **ret, struct err *err)
{
	const char *own;

	if (!json_object_is_type(o, json_type_object))
		return err_set(err, ERR_bad_input, "it is no JSON object");
	if (check_version(o, err) < 0 || image_json_string(o, "mediaType", &own, err) < 0 ||
		by_members(o, ret, err) < 0)
		return -1;
	if (own && is_schema_1(own))
		return refuse_schema_1(err);
	if (own && !is_known(own))
		return err_set(err, ERR_bad_input,
			"it says to be of the media type '%.100s', which is no image's", own);
	if (own && is_known(said) && strcmp(own, said) != 0)
		return err_set(
			err, ERR_bad_input, "it says to be '%s', and came as '%s'", own, said);
	if (is_known(said))
		*ret = said;
	else if (own)
		*ret = own;
	return 0;
}

int document_type(const char *s, size_t n, const char *said, char ret[128], struct err *err)
{
	_cleanup_json_ struct json_object *o = NULL;
	const char *type;

	if (is_schema_1(said))
		return refuse_schema_1(err);
	if (!is_known(said) && !says_nothing(said))
		return err_set(
			err, ERR_bad_input, "it came as '%s', which is no image's manifest", said);
	if (image_json_parse(s, n, "the manifest", &o, err) < 0 ||
		find_type(o, said, &type, err) < 0)
		return -1;
	(void)str_copy(ret, 128, type);
	return 0;
}
