/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-cli/resolve.h"

#include <json-c/json.h>
#include <string.h>

#include "banger-cli/object.h"
#include "common/str.h"

/* How well an object fits; the best fit counts, if it is one object's alone. */
enum fit { FIT_NONE, FIT_PREFIX, FIT_DIGEST, FIT_NAME, FIT_ROOTS_NAME, FIT_OWN_NAME, FIT_ID };

static enum fit fit_of_name(struct json_object *o, uid_t uid)
{
	int64_t owner = object_number(o, "owner_uid", -1);

	if (owner == (int64_t)uid)
		return FIT_OWN_NAME;
	return owner == 0 ? FIT_ROOTS_NAME : FIT_NAME;
}

static enum fit fit_of(struct json_object *o, uid_t uid, const char *reference)
{
	static const char *const keys[] = { "id", "name", "digest" };

	if (str_eq(object_text(o, "id"), reference))
		return FIT_ID;
	if (str_eq(object_text(o, "name"), reference))
		return fit_of_name(o, uid);
	if (str_eq(object_text(o, "digest"), reference))
		return FIT_DIGEST;
	for (size_t k = 0; k < ARRAY_SIZE(keys); k++) {
		const char *value = object_text(o, keys[k]);

		if (value && str_starts(value, reference))
			return FIT_PREFIX;
	}
	return FIT_NONE;
}

static int ambiguous(struct json_object *list, const char *kind, uid_t uid, const char *reference,
	enum fit best, struct err *err)
{
	static const char more[] = ", …";
	char all[300] = "";

	for (size_t i = 0; i < object_array_size(list); i++) {
		struct json_object *o = json_object_array_get_idx(list, i);
		const char *id = object_text(o, "id"), *name = object_text(o, "name");
		size_t n = strlen(all);

		if (fit_of(o, uid, reference) != best)
			continue;
		if (!str_format(all + n, sizeof(all) - sizeof(more) - n, "%s%s (%s)", n ? ", " : "",
			    name ? name : "-", id ? id : "-")) {
			str_copy(all + n, sizeof(more), more);
			break;
		}
	}
	return err_set(err, ERR_bad_request, "multiple %ss match '%s': %s", kind, reference, all);
}

int resolve(struct json_object *list, const char *kind, uid_t uid, const char *reference,
	struct json_object **ret, struct err *err)
{
	struct json_object *found = NULL;
	enum fit best = FIT_NONE;
	unsigned count = 0;

	for (size_t i = 0; i < object_array_size(list); i++) {
		struct json_object *o = json_object_array_get_idx(list, i);
		enum fit fit = fit_of(o, uid, reference);

		if (fit == FIT_NONE || fit < best)
			continue;
		count = fit > best ? 1 : count + 1;
		best = fit;
		found = o;
	}
	if (!found)
		return err_set(err, ERR_not_found, "there is no %s '%s'", kind, reference);
	if (count > 1)
		return ambiguous(list, kind, uid, reference, best, err);
	*ret = found;
	return 0;
}
