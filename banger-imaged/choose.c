/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/choose.h"

#include <stdio.h>
#include <string.h>

#include "common/str.h"

#if defined(__x86_64__)
const char *const host_architecture = "amd64";
#elif defined(__aarch64__)
const char *const host_architecture = "arm64";
#else
#error "banger does not know this architecture's name in OCI images"
#endif

static bool is_attestation(const struct descriptor *d)
{
	return d->has_platform && strcmp(d->platform.os, "unknown") == 0;
}

static bool is_document(const struct descriptor *d)
{
	return d->media == MEDIA_INDEX || d->media == MEDIA_MANIFEST;
}

/* How well it fits this host: 0 not at all; the higher, the better. */
static int fitness(const struct descriptor *d)
{
	const struct platform *p = &d->platform;

	if (!d->has_platform || p->os[0] == '\0')
		return 1; /* the configuration will tell */
	if (strcmp(p->os, "linux") != 0 || strcmp(p->architecture, host_architecture) != 0)
		return 0;
	/* arm64's v8 is the plain one. */
	if (p->variant[0] == '\0' ||
		(strcmp(host_architecture, "arm64") == 0 && strcmp(p->variant, "v8") == 0))
		return 3;
	return 2;
}

/* "a, b" of the names (or platforms) in an index. */
static void list_all(const struct index *x, bool platforms, char *dst, size_t cap)
{
	size_t at = 0;

	dst[0] = '\0';
	for (uint32_t i = 0; i < x->n && at < cap - 1; i++) {
		const struct descriptor *d = &x->list[i];
		int n;

		if (is_attestation(d) || (!platforms && d->reference[0] == '\0'))
			continue;
		if (platforms)
			n = snprintf(dst + at, cap - at, "%s%s/%s%s%s", at ? ", " : "",
				d->platform.os, d->platform.architecture,
				d->platform.variant[0] ? "/" : "", d->platform.variant);
		else
			n = snprintf(dst + at, cap - at, "%s%s", at ? ", " : "", d->reference);
		at += n > 0 ? (size_t)n : 0;
	}
}

void choose_platforms(const struct index *x, char *dst, size_t cap)
{
	list_all(x, true, dst, cap);
}

static bool matches(const struct descriptor *d, const char *reference)
{
	return reference[0] == '\0' || strcmp(d->reference, reference) == 0 ||
	       strcmp(d->digest.s, reference) == 0;
}

/* Without a choice all candidates must have one name, or be one image. */
static int check_names(const struct index *x, struct err *err)
{
	const struct descriptor *first = NULL;
	bool names = false, digests = false;
	char list[300];

	for (uint32_t i = 0; i < x->n; i++) {
		const struct descriptor *d = &x->list[i];

		if (is_attestation(d))
			continue;
		first = first ? first : d;
		names = names || strcmp(d->reference, first->reference) != 0;
		digests = digests || strcmp(d->digest.s, first->digest.s) != 0;
	}
	if (!names || !digests)
		return 0;
	list_all(x, false, list, sizeof(list));
	return err_set(err, ERR_bad_input, "the input has several images: choose one of: %s", list);
}

int choose_descriptor(const struct index *x, const char *reference, bool top,
	const struct descriptor **ret, struct err *err)
{
	const struct descriptor *best = NULL;
	bool any = false, twice = false;
	char list[300];

	if (!top)
		reference = "";
	if (top && reference[0] == '\0' && check_names(x, err) < 0)
		return -1;
	for (uint32_t i = 0; i < x->n; i++) {
		const struct descriptor *d = &x->list[i];
		int fit = fitness(d);

		if (is_attestation(d) || !matches(d, reference))
			continue;
		any = true;
		if (fit == 0)
			continue;
		if (best && fit == fitness(best))
			twice = twice || strcmp(best->digest.s, d->digest.s) != 0;
		if (!best || fit > fitness(best)) {
			best = d;
			twice = false;
		}
	}
	if (!any && reference[0]) {
		list_all(x, false, list, sizeof(list));
		return err_set(err, ERR_not_found, "the input has no image '%s'; it has: %s",
			reference, list[0] ? list : "one without a name");
	}
	if (!best) {
		list_all(x, true, list, sizeof(list));
		return err_set(err, any ? ERR_not_found : ERR_bad_input,
			"the input has no image for linux/%s; it has: %s", host_architecture,
			list[0] ? list : "none at all");
	}
	if (twice)
		return err_set(err, ERR_bad_input,
			"the input has several images that nothing tells apart (%s is one)",
			best->digest.s);
	if (!is_document(best))
		return err_set(err, ERR_bad_input,
			"%s has the media type '%s', which banger cannot read (schema 2 it can)",
			best->digest.s, best->type);
	*ret = best;
	return 0;
}
