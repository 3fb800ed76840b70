/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An image's documents: the first byte says as what the rest is read. What is accepted must keep
 * its promises. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "banger-imaged/choose.h"
#include "banger-imaged/image_config.h"
#include "banger-imaged/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct image_limits limits = IMAGE_LIMITS_DEFAULT;

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void as_index(const char *s, size_t n, const char *reference, bool top)
{
	const struct descriptor *d = NULL;
	struct err err = ERR_INIT;
	struct index x = { 0 };

	if (index_parse(s, n, "", &x, &err) < 0) {
		require(err.code != ERR_none);
		return;
	}
	if (choose_descriptor(&x, reference, top, &d, &err) == 0)
		require((d->media == MEDIA_INDEX || d->media == MEDIA_MANIFEST) &&
			strcmp(d->platform.os, "unknown") != 0);
	index_finish(&x);
}

static void as_manifest(const char *s, size_t n)
{
	struct err err = ERR_INIT;
	struct manifest m = { 0 };

	if (manifest_parse(s, n, "", &limits, &m, &err) < 0) {
		require(err.code != ERR_none);
		return;
	}
	require(m.n_layers <= limits.layers && m.config.media == MEDIA_CONFIG);
	for (uint32_t i = 0; i < m.n_layers; i++)
		require(m.layers[i].media == MEDIA_LAYER && m.layers[i].size < INT64_MAX);
	manifest_finish(&m);
}

static void as_config(const char *s, size_t n)
{
	struct image_config c = { 0 };
	struct err err = ERR_INIT;
	uint32_t count = 0;

	if (image_config_parse(s, n, &c, &err) < 0) {
		require(err.code != ERR_none);
		return;
	}
	for (const char *e = strv_next(&c.environment, NULL); e; e = strv_next(&c.environment, e))
		count++;
	require(count == c.environment.count);
	image_config_finish(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *s;

	if (size == 0 || size > limits.manifest)
		return 0;
	s = malloc(size);
	if (!s)
		return 0;
	memcpy(s, data + 1, size - 1);
	s[size - 1] = '\0';
	switch (data[0] % 4) {
	case 0:
		as_index(s, size - 1, "", true);
		break;
	case 1:
		as_index(s, size - 1, "latest", true);
		break;
	case 2:
		as_manifest(s, size - 1);
		break;
	default:
		as_config(s, size - 1);
	}
	free(s);
	return 0;
}
