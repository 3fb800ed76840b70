/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/image_config.h"

#include <errno.h>
#include <json-c/json_object_iterator.h>
#include <stdlib.h>
#include <string.h>

#include "banger-imaged/image_json.h"
#include "common/str.h"

/* All strings of a configuration travel in one frame (FRAME_MAX), with room for the rest. */
#define STRINGS_MAX 98304U

static int take_text(struct json_object *o, const char *key, text *ret, struct err *err)
{
	const char *s;

	if (image_json_string(o, key, &s, err) < 0)
		return -1;
	if (s && !text_parse(s, ret))
		return err_set(err, ERR_bad_input, "'%s' is not one line of at most %d bytes", key,
			TEXT_MAX);
	return 0;
}

static int add_string(strv *v, char *buf, const char *s, uint32_t *left, struct err *err)
{
	uint32_t before = v->n;

	if (strlen(s) >= *left || !strv_add(v, buf, STRINGS_MAX, s))
		return err_set(err, ERR_bad_input,
			"the image's configuration has more than %u bytes of text", STRINGS_MAX);
	*left -= v->n - before;
	return 0;
}

/* An array of strings, or (ExposedPorts) the keys of an object. */
static int take_strings(struct json_object *o, const char *key, enum json_type type, strv *ret,
	char **ret_buf, uint32_t *left, struct err *err)
{
	struct json_object *v;
	const char *s;
	int r = 0;

	if (image_json_get(o, key, type, &v, err) < 0)
		return -1;
	if (!v)
		return 0;
	*ret_buf = malloc(STRINGS_MAX);
	if (!*ret_buf)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot read '%s'", key);
	if (type == json_type_object) {
		struct json_object_iterator at = json_object_iter_begin(v);
		struct json_object_iterator end = json_object_iter_end(v);

		for (; r == 0 && !json_object_iter_equal(&at, &end); json_object_iter_next(&at))
			r = add_string(ret, *ret_buf, json_object_iter_peek_name(&at), left, err);
		return r;
	}
	for (size_t i = 0; i < json_object_array_length(v); i++)
		if (image_json_item(v, i, key, &s, err) < 0 ||
			add_string(ret, *ret_buf, s, left, err) < 0)
			return -1;
	return 0;
}

static int take_run(struct json_object *o, struct image_config *c, struct err *err)
{
	uint32_t left = STRINGS_MAX;
	struct json_object *run;

	if (image_json_get(o, "config", json_type_object, &run, err) < 0)
		return -1;
	if (!run)
		return 0;
	if (take_strings(run, "Entrypoint", json_type_array, &c->entrypoint, &c->strings[0], &left,
		    err) < 0 ||
		take_strings(run, "Cmd", json_type_array, &c->command, &c->strings[1], &left, err) <
			0 ||
		take_strings(run, "Env", json_type_array, &c->environment, &c->strings[2], &left,
			err) < 0 ||
		take_strings(run, "ExposedPorts", json_type_object, &c->exposed_ports,
			&c->strings[3], &left, err) < 0)
		return -1;
	return take_text(run, "User", &c->user, err) < 0 ||
			       take_text(run, "WorkingDir", &c->directory, err) < 0 ||
			       take_text(run, "StopSignal", &c->stop_signal, err) < 0
		       ? -1
		       : 0;
}

static int take_platform(struct json_object *o, struct image_config *c, struct err *err)
{
	const char *os, *architecture;

	if (image_json_string(o, "os", &os, err) < 0 ||
		image_json_string(o, "architecture", &architecture, err) < 0)
		return -1;
	if (!os || !architecture || !str_copy(c->platform.os, sizeof(c->platform.os), os) ||
		!str_copy(c->platform.architecture, sizeof(c->platform.architecture), architecture))
		return err_set(err, ERR_bad_input, "'os' or 'architecture' is missing");
	return 0;
}

static int take_diff_ids(struct json_object *o, struct image_config *c, struct err *err)
{
	struct json_object *rootfs, *list = NULL;
	const char *s;
	size_t n;

	if (image_json_get(o, "rootfs", json_type_object, &rootfs, err) < 0 ||
		(rootfs && image_json_get(rootfs, "diff_ids", json_type_array, &list, err) < 0))
		return -1;
	if (!list)
		return err_set(err, ERR_bad_input, "'rootfs.diff_ids' is missing");
	if (image_json_string(rootfs, "type", &s, err) < 0)
		return -1;
	if (!s || strcmp(s, "layers") != 0)
		return err_set(err, ERR_bad_input, "'rootfs.type' is not 'layers'");
	n = json_object_array_length(list);
	c->diff_ids = calloc(n + 1, sizeof(*c->diff_ids));
	if (!c->diff_ids)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot read 'diff_ids'");
	for (size_t i = 0; i < n; i++) {
		if (image_json_item(list, i, "diff_ids", &s, err) < 0)
			return -1;
		if (!digest_parse(s, &c->diff_ids[i]))
			return err_set(err, ERR_bad_input, "'diff_ids' has '%.80s', no digest", s);
	}
	c->n_diff_ids = (uint32_t)n;
	return 0;
}

int image_config_parse(const char *s, size_t n, struct image_config *ret, struct err *err)
{
	_cleanup_json_ struct json_object *o = NULL;
	struct image_config c = { 0 };

	if (image_json_parse(s, n, "the image's configuration", &o, err) < 0)
		return -1;
	if (!json_object_is_type(o, json_type_object))
		return err_set(err, ERR_bad_input, "the image's configuration is no object");
	if (take_platform(o, &c, err) < 0 || take_diff_ids(o, &c, err) < 0 ||
		take_run(o, &c, err) < 0) {
		image_config_finish(&c);
		return err_wrap(err, "the image's configuration");
	}
	*ret = c;
	return 0;
}

void image_config_finish(struct image_config *c)
{
	for (size_t i = 0; i < ARRAY_SIZE(c->strings); i++)
		free(c->strings[i]);
	free(c->diff_ids);
	*c = (struct image_config){ 0 };
}
