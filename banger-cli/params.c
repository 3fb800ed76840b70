/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-cli/params.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "banger-cli/text.h"
#include "common/str.h"

void params_init(struct params *p)
{
	*p = (struct params){ .object = json_object_new_object() };
	p->failed = !p->object;
}

static void add(struct params *p, const char *name, struct json_object *value)
{
	if (!p->failed && value && json_object_object_add(p->object, name, value) == 0)
		return;
	json_object_put(value);
	p->failed = true;
}

static bool is_text(struct params *p, const char *s)
{
	p->not_utf8 = p->not_utf8 || !text_is_utf8(s);
	p->failed = p->failed || p->not_utf8;
	return !p->not_utf8;
}

void params_text(struct params *p, const char *name, const char *value)
{
	if (value && is_text(p, value))
		add(p, name, json_object_new_string(value));
}

void params_number(struct params *p, const char *name, uint64_t value)
{
	if (value > 0)
		add(p, name, json_object_new_int64((int64_t)value));
}

void params_seconds(struct params *p, const char *name, struct seconds value)
{
	if (value.given)
		add(p, name, json_object_new_int64(value.n));
}

void params_flag(struct params *p, const char *name, bool value)
{
	if (value)
		add(p, name, json_object_new_boolean(true));
}

void params_word(struct params *p, const char *name, const char *word)
{
	struct json_object *list = NULL, *item;

	if (!is_text(p, word))
		return;
	if (!p->failed && !json_object_object_get_ex(p->object, name, &list)) {
		list = json_object_new_array();
		add(p, name, list);
	}
	if (p->failed)
		return;
	item = json_object_new_string(word);
	if (item && json_object_array_add(list, item) == 0)
		return;
	json_object_put(item);
	p->failed = true;
}

void params_words(struct params *p, const char *name, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		params_word(p, name, words[i]);
}

void params_env(struct params *p, const char *name, const struct words *env)
{
	for (size_t i = 0; i < env->n; i++) {
		_cleanup_free_ char *whole = NULL;
		const char *value;

		if (strchr(env->items[i], '=')) {
			params_word(p, name, env->items[i]);
			continue;
		}
		value = getenv(env->items[i]);
		if (!value)
			continue;
		if (asprintf(&whole, "%s=%s", env->items[i], value) < 0) {
			whole = NULL;
			p->failed = true;
			return;
		}
		params_word(p, name, whole);
	}
}

struct json_object *params_finish(struct params *p, struct err *err)
{
	if (!p->failed)
		return TAKE_PTR(p->object);
	json_object_put(TAKE_PTR(p->object));
	if (p->not_utf8) {
		err_set(err, ERR_bad_request, "an argument or a variable is not valid UTF-8");
		return NULL;
	}
	err_sys(err, ERR_operation_failed, ENOMEM, "cannot write a request");
	return NULL;
}
