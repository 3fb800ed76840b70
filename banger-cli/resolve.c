/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-cli/resolve.h"

#include <json-c/json.h>
#include <string.h>

#include "banger-cli/object.h"
#include "common/str.h"

static const char *const keys[] = { "id", "name", "digest" };

static struct json_object *exact(struct json_object *list, const char *reference)
{
	for (size_t k = 0; k < ARRAY_SIZE(keys); k++)
		for (size_t i = 0; i < object_array_size(list); i++) {
			struct json_object *o = json_object_array_get_idx(list, i);

			if (str_eq(object_text(o, keys[k]), reference))
				return o;
		}
	return NULL;
}

static bool has_prefix(struct json_object *o, const char *reference)
{
	for (size_t k = 0; k < ARRAY_SIZE(keys); k++) {
		const char *value = object_text(o, keys[k]);

		if (value && str_starts(value, reference))
			return true;
	}
	return false;
}

int resolve(struct json_object *list, const char *kind, const char *reference,
	struct json_object **ret, struct err *err)
{
	struct json_object *found = exact(list, reference);

	for (size_t i = 0; !found && i < object_array_size(list); i++) {
		struct json_object *o = json_object_array_get_idx(list, i);

		if (!has_prefix(o, reference))
			continue;
		for (size_t j = i + 1; j < object_array_size(list); j++)
			if (has_prefix(json_object_array_get_idx(list, j), reference))
				return err_set(err, ERR_bad_request,
					"multiple %ss match '%s': give more of the name or id",
					kind, reference);
		found = o;
	}
	if (!found)
		return err_set(err, ERR_not_found, "there is no %s '%s'", kind, reference);
	*ret = found;
	return 0;
}
