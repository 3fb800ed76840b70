/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/fetch_resolve.h"

#include <stdlib.h>
#include <string.h>

#include "banger-imaged/choose.h"
#include "common/str.h"

static const struct image_limits limits = IMAGE_LIMITS_DEFAULT;

/* "linux/amd64/v2" → "v2", which is "" for any. */
static int parse_platform(const char *s, const char **ret_variant, struct err *err)
{
	char host[64];
	size_t n;

	*ret_variant = "";
	if (!s[0])
		return 0;
	(void)str_format(host, sizeof(host), "linux/%s", host_architecture);
	n = strlen(host);
	if (!str_starts(s, host) || (s[n] && (s[n] != '/' || !s[n + 1])))
		return err_set(err, ERR_bad_request,
			"the platform '%s' does not run here: this host's is %s", s, host);
	*ret_variant = s[n] ? s + n + 1 : "";
	return 0;
}

/* Leave what is of this variant. */
static int keep_variant(struct index *x, const char *variant, struct err *err)
{
	char list[300];
	uint32_t n = 0;

	if (!variant[0])
		return 0;
	choose_platforms(x, list, sizeof(list));
	for (uint32_t i = 0; i < x->n; i++)
		if (strcmp(x->list[i].platform.variant, variant) == 0)
			x->list[n++] = x->list[i];
	if (n == 0)
		return err_set(err, ERR_not_found,
			"the image is not there for linux/%s/%s; it is for: %s", host_architecture,
			variant, list[0] ? list : "none at all");
	x->n = n;
	return 0;
}

static int choose(
	const struct document *d, const char *variant, struct descriptor *ret, struct err *err)
{
	const struct descriptor *one = NULL;
	struct index x = { 0 };
	int r;

	if (index_parse(d->text, d->n, d->type, &x, err) < 0)
		return -1;
	r = keep_variant(&x, variant, err);
	if (r == 0)
		r = choose_descriptor(&x, "", false, &one, err);
	if (r == 0)
		*ret = *one;
	index_finish(&x);
	return r;
}

static bool is_index(const char *type)
{
	return strstr(type, ".index.") || strstr(type, ".manifest.list.");
}

/* Down from d, which is left finished. */
static int descend(struct fetch_job *j, struct http *h, struct document *d, const char *variant,
	struct descriptor *ret, struct err *err)
{
	struct descriptor at = { .media = MEDIA_MANIFEST, .digest = d->digest, .size = d->n };

	memcpy(at.type, d->type, sizeof(at.type));
	for (uint32_t depth = 1; is_index(at.type); depth++) {
		struct document_wanted w = { .digest = &at.digest, .type = at.type };

		/* A cycle of digests cannot be made; a deep chain can, and ends here, too. */
		if (depth > limits.index_depth)
			return err_set(err, ERR_bad_input,
				"image indexes are nested deeper than %u", limits.index_depth);
		if (depth > 1) {
			document_finish(d);
			w.reference = at.digest.s;
			w.size = at.size;
			if (document_get(j, h, &w, d, err) < 0)
				return -1;
		}
		if (choose(d, variant, &at, err) < 0)
			return -1;
		if (at.size > limits.manifest)
			return err_set(err, ERR_bad_input,
				"the manifest has %llu bytes, banger takes %u",
				(unsigned long long)at.size, limits.manifest);
	}
	*ret = at;
	return 0;
}

int fetch_resolve_run(struct fetch_job *j, struct http *h, const char *platform,
	struct resolved *ret, struct err *err)
{
	const struct reference *ref = &j->reference;
	struct document_wanted w = { .reference = ref->tag, .size = CACHE_ANY_SIZE, .type = "" };
	struct resolved found = { 0 };
	struct document d = { 0 };
	const char *variant;
	digest known;
	int r;

	if (parse_platform(platform, &variant, err) < 0)
		return -1;
	known = ref->digest;
	if (known.s[0] || document_head(j, h, ref->tag, &known)) {
		w.digest = &known;
		w.reference = known.s;
	}
	r = document_get(j, h, &w, &d, err);
	if (r == 0) {
		found.top = d.digest;
		found.cached = d.cached;
		r = descend(j, h, &d, variant, &found.manifest, err);
	}
	document_finish(&d);
	if (r == 0)
		*ret = found;
	return r;
}
