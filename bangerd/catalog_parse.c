/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One file of a catalog, by libinih and the table of keys. */
#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bangerd/catalog.h"
#include "common/reference.h"
#include "common/str.h"

/* libinih cuts a section's name to so many bytes, and does not say it. */
#define SECTION_CUT 49
#define HTTPS	    "https://"

struct parsing {
	struct catalog *to;
	const char *at; /* the rest of the content */
	unsigned line;	/* that was read last */
	char section[SECTION_CUT + 1];
	struct catalog_entry *entries;
	size_t n;
	const char *file;
	bool vendor;
	struct err why;
	unsigned why_line;
};

static int fault(struct parsing *p, unsigned line)
{
	p->why_line = line;
	return -1;
}

/* ---- values ---- */

static int parse_text(const char *v, text *ret, struct err *err)
{
	if (!*v || !text_parse(v, ret))
		return err_set(err, ERR_bad_request, "must be one line of text, at most %d bytes",
			TEXT_MAX);
	return 0;
}

static int parse_digest(const char *v, digest *ret, struct err *err)
{
	if (!digest_parse(v, ret))
		return err_set(err, ERR_bad_request,
			"must be sha256: and 64 hex digits in lower case, or sha512: and 128");
	return 0;
}

static int parse_reference(const char *v, text *ret, struct err *err)
{
	struct reference r;
	char whole[REFERENCE_MAX + 1];

	if (reference_parse(v, &r, err) < 0)
		return -1;
	if (!r.qualified || r.digest.s[0])
		return err_set(err, ERR_bad_request,
			"must begin with its registry (docker.io/…) and have no digest: that is a "
			"key of its own");
	if (!text_parse(reference_format(&r, whole), ret))
		return err_set(err, ERR_bad_request, "is too long");
	return 0;
}

/* https://host[:port]/…, of printable ASCII. */
static int parse_url(const char *v, text *ret, struct err *err)
{
	const char *host = str_starts(v, HTTPS) ? v + strlen(HTTPS) : "";
	char name[REFERENCE_REGISTRY_MAX + 1];
	size_t n = strcspn(host, "/?#");

	for (const char *s = v; *s; s++)
		if (*s <= ' ' || *s > '~' || *s == '#' || *s == '\\')
			host = "";
	if (!*host || host[n] != '/' || !str_format(name, sizeof(name), "%.*s", (int)n, host) ||
		!reference_is_registry(name) || !text_parse(v, ret))
		return err_set(err, ERR_bad_request,
			"must be https://HOST[:PORT]/PATH, in lower case up to the path, without a "
			"name, a password or a fragment");
	return 0;
}

static int parse_bytes(const char *v, uint64_t *ret, struct err *err)
{
	if (!str_to_u64(v, 1, CATALOG_BYTES_MAX, ret))
		return err_set(err, ERR_bad_request, "must be a number of bytes, 1 to %llu",
			(unsigned long long)CATALOG_BYTES_MAX);
	return 0;
}

static int parse_boolean(const char *v, bool *ret, struct err *err)
{
	if (!str_eq(v, "yes") && !str_eq(v, "no"))
		return err_set(err, ERR_bad_request, "must be yes or no");
	*ret = str_eq(v, "yes");
	return 0;
}

/* ---- keys ---- */

enum { need_optional, need_required };

#define KEY(kind, key, type, need, doc)                                                        \
	static int set_##kind##_##key(struct catalog_entry *e, const char *v, struct err *err) \
	{                                                                                      \
		return parse_##type(v, &e->key, err);                                          \
	}
#include "common/proto/catalog.tbl.h"

static const struct key {
	enum catalog_kind kind;
	int need;
	const char *name;
	int (*set)(struct catalog_entry *e, const char *v, struct err *err);
} keys[] = {
#define KEY(kind, key, type, need, doc) { CATALOG_##kind, need_##need, #key, set_##kind##_##key },
#include "common/proto/catalog.tbl.h"
};

static const char *const kinds[] = { [CATALOG_image] = "image", [CATALOG_kernel] = "kernel" };

static int set_key(struct catalog_entry *e, const char *name, const char *value, struct err *err)
{
	for (unsigned i = 0; i < ARRAY_SIZE(keys); i++) {
		if (keys[i].kind != e->kind || !str_eq(keys[i].name, name))
			continue;
		if (e->seen & 1u << i)
			return err_set(err, ERR_bad_request, "'%s' is there twice", name);
		e->seen |= 1u << i;
		return keys[i].set(e, value, err) < 0 ? err_wrap(err, "%s", name) : 0;
	}
	return err_set(err, ERR_bad_request, "'%.64s' is not known of %ss", name, kinds[e->kind]);
}

/* All of an entry was read. */
static int complete(struct catalog_entry *e, struct err *err)
{
	struct reference r;
	text whole;

	for (unsigned i = 0; i < ARRAY_SIZE(keys); i++)
		if (keys[i].kind == e->kind && keys[i].need == need_required &&
			!(e->seen & 1u << i))
			return err_set(err, ERR_bad_request, "%s '%s' has no '%s'", kinds[e->kind],
				e->name, keys[i].name);
	if (e->kind != CATALOG_image)
		return 0;
	if (!str_format(whole.s, sizeof(whole.s), "%s@%s", e->reference.s, e->digest.s) ||
		reference_parse(whole.s, &r, err) < 0 ||
		!text_parse(reference_format(&r, whole.s), &e->reference))
		return err_set(
			err, ERR_bad_request, "image '%s': its reference is too long", e->name);
	return 0;
}

/* ---- sections ---- */

bool catalog_is_name(const char *s)
{
	static const char first[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	static const char more[] = "abcdefghijklmnopqrstuvwxyz0123456789._+-";
	size_t n = strlen(s);

	return n > 0 && n <= CATALOG_NAME_MAX && strchr(first, *s) && strspn(s, more) == n;
}

static int parse_section(const char *s, enum catalog_kind *ret_kind, const char **ret_name)
{
	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
		size_t n = strlen(kinds[i]);

		if (!str_starts(s, kinds[i]) || s[n] != ' ' || !catalog_is_name(s + n + 1))
			continue;
		*ret_kind = (enum catalog_kind)i;
		*ret_name = s + n + 1;
		return 0;
	}
	return -1;
}

static bool has(const struct catalog_entry *v, size_t n, enum catalog_kind kind, const char *name,
	bool vendor)
{
	for (size_t i = 0; i < n; i++)
		if (v[i].kind == kind && v[i].vendor == vendor && str_eq(v[i].name, name))
			return true;
	return false;
}

static int begin_entry(struct parsing *p, const char *section, struct err *err)
{
	struct catalog_entry *bigger, *e;
	enum catalog_kind kind;
	const char *name;

	if (strlen(section) >= SECTION_CUT || parse_section(section, &kind, &name) < 0)
		return err_set(err, ERR_bad_request,
			"[%.48s] is neither [image NAME] nor [kernel NAME], with at most %d of a-z "
			"0-9 . _ + -",
			section, CATALOG_NAME_MAX);
	if (has(p->entries, p->n, kind, name, p->vendor) ||
		has(p->to->entries, p->to->n, kind, name, p->vendor))
		return err_set(err, ERR_bad_request, "%s '%s' is there twice", kinds[kind], name);
	if (p->to->n + p->n == CATALOG_ENTRIES)
		return err_set(err, ERR_bad_request, "there are more than %d entries in all",
			CATALOG_ENTRIES);
	bigger = realloc(p->entries, (p->n + 1) * sizeof(*bigger));
	if (!bigger)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot keep an entry");
	p->entries = bigger;
	e = &p->entries[p->n++];
	*e = (struct catalog_entry){ .kind = kind, .vendor = p->vendor, .line = p->line };
	str_copy(e->name, sizeof(e->name), name);
	str_copy(e->file, sizeof(e->file), p->file);
	str_copy(p->section, sizeof(p->section), section);
	return 0;
}

static int end_entry(struct parsing *p)
{
	struct catalog_entry *e = p->n > 0 ? &p->entries[p->n - 1] : NULL;

	return e && complete(e, &p->why) < 0 ? fault(p, e->line) : 0;
}

static int take(struct parsing *p, const char *section, const char *key, const char *value)
{
	if (p->n == 0 || !str_eq(p->section, section)) {
		if (end_entry(p) < 0)
			return -1;
		if (begin_entry(p, section, &p->why) < 0)
			return fault(p, p->line);
	}
	if (set_key(&p->entries[p->n - 1], key, value, &p->why) < 0)
		return fault(p, p->line);
	return 0;
}

static int on_value(void *ctx, const char *section, const char *key, const char *value)
{
	struct parsing *p = ctx;

	return p->why.code == ERR_none && take(p, section, key, value) == 0;
}

/* The next line. libinih would go on with the rest of one that is too long as with a new one. */
static char *next_line(char *buf, int cap, void *ctx)
{
	struct parsing *p = ctx;
	size_t n = strcspn(p->at, "\n");

	if (!*p->at || p->why.code != ERR_none)
		return NULL;
	p->line++;
	if (n + 2 > (size_t)cap) {
		err_set(&p->why, ERR_bad_request, "the line is longer than %d bytes", cap - 2);
		fault(p, p->line);
		return NULL;
	}
	n += p->at[n] == '\n';
	memcpy(buf, p->at, n);
	buf[n] = '\0';
	p->at += n;
	return buf;
}

static int merge(struct parsing *p, struct err *err)
{
	struct catalog *c = p->to;
	struct catalog_entry *bigger;

	if (p->n == 0)
		return 0;
	bigger = realloc(c->entries, (c->n + p->n) * sizeof(*bigger));
	if (!bigger)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot keep a catalog");
	c->entries = bigger;
	/* The host's own stand before the packages'. */
	for (size_t i = 0; i < p->n; i++)
		if (!p->vendor ||
			!has(c->entries, c->n, p->entries[i].kind, p->entries[i].name, false))
			c->entries[c->n++] = p->entries[i];
	return 0;
}

int catalog_parse(struct catalog *c, const char *name, const char *file, bool vendor,
	const char *content, struct err *err)
{
	struct parsing p = {
		.to = c, .at = content, .file = file, .vendor = vendor, .why = ERR_INIT
	};
	int line = ini_parse_stream(next_line, &p, on_value, &p), r = 0;

	if (p.why.code == ERR_none && line < 0)
		err_sys(&p.why, ERR_operation_failed, ENOMEM, "cannot read it");
	/* The first fault is the one to be told. */
	if (line > 0 && (p.why.code == ERR_none || (unsigned)line < p.why_line)) {
		err_set(&p.why, ERR_bad_request, "this is neither [section] nor key = value");
		fault(&p, (unsigned)line);
	}
	if (p.why.code == ERR_none)
		(void)end_entry(&p);
	if (p.why.code != ERR_none) {
		*err = p.why;
		r = err_wrap(err, "%s, line %u", name, p.why_line);
	} else {
		r = merge(&p, err);
	}
	free(p.entries);
	return r;
}
