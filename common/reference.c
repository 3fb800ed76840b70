/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/reference.h"

#include <string.h>

#include "common/str.h"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool is_upper(char c)
{
	return c >= 'A' && c <= 'Z';
}

static bool is_word(char c)
{
	return is_digit(c) || is_lower(c) || is_upper(c);
}

static bool is_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* Labels of letters, digits and inner hyphens with dots between (RFC 1123); an IPv4 address is
 * one, too. Underscores, which some resolvers take, are no host names. */
static bool is_host(const char *s, size_t n)
{
	for (size_t i = 0, label = 0; i <= n; i++) {
		if (i < n && s[i] != '.') {
			if (!is_word(s[i]) && (s[i] != '-' || i == label))
				return false;
			continue;
		}
		if (i == label || i - label > 63 || s[i - 1] == '-')
			return false;
		label = i + 1;
	}
	return true;
}

static bool is_ipv6(const char *s, size_t n)
{
	if (n < 4 || s[0] != '[' || s[n - 1] != ']')
		return false;
	for (size_t i = 1; i < n - 1; i++)
		if (!is_hex(s[i]) && s[i] != ':')
			return false;
	return memchr(s, ':', n) != NULL;
}

static bool is_registry(const char *s, size_t n)
{
	size_t host = n;
	char port[6] = "";
	uint64_t number;

	if (n == 0 || n > REFERENCE_REGISTRY_MAX)
		return false;
	while (host > 0 && is_digit(s[host - 1]))
		host--;
	if (host > 0 && s[host - 1] == ':' && (s[0] != '[' || (host > 1 && s[host - 2] == ']'))) {
		if (n - host > 5)
			return false;
		memcpy(port, s + host, n - host);
		if (!str_to_u64(port, 1, 65535, &number))
			return false;
		n = host - 1;
	}
	return s[0] == '[' ? is_ipv6(s, n) : is_host(s, n);
}

bool reference_is_registry(const char *s)
{
	return is_registry(s, strnlen(s, REFERENCE_REGISTRY_MAX + 1));
}

/* The first of a reference's components names a registry; else it belongs to the path. */
static bool names_registry(const char *s, size_t n)
{
	if (n == 9 && memcmp(s, "localhost", 9) == 0)
		return true;
	for (size_t i = 0; i < n; i++)
		if (s[i] == '.' || s[i] == ':')
			return true;
	return false;
}

/* What may stand between letters or digits of a path's component: one '.', one or two '_', any
 * number of '-'. Its length, or 0. */
static size_t separator(const char *s)
{
	if (s[0] == '.')
		return 1;
	if (s[0] == '_')
		return s[1] == '_' ? 2 : 1;
	return strspn(s, "-");
}

static bool is_path(const char *s)
{
	bool inside = false; /* a letter or digit of the component stands before */

	for (; *s; s++) {
		if (is_lower(*s) || is_digit(*s)) {
			inside = true;
			continue;
		}
		if (!inside)
			return false;
		inside = false;
		if (*s != '/') {
			size_t n = separator(s);

			if (n == 0)
				return false;
			s += n - 1;
			if (!is_lower(s[1]) && !is_digit(s[1]))
				return false;
		}
	}
	return inside;
}

/* A path that is the hexadecimal part of a digest would be taken for an image's id. */
static bool is_id(const char *s)
{
	return strlen(s) == 64 && strspn(s, "0123456789abcdef") == 64;
}

static bool is_tag(const char *s)
{
	size_t n = strlen(s);

	if (n == 0 || n > REFERENCE_TAG_MAX || (!is_word(s[0]) && s[0] != '_'))
		return false;
	for (size_t i = 1; i < n; i++)
		if (!is_word(s[i]) && !strchr("_.-", s[i]))
			return false;
	return true;
}

static int refuse(const char *s, const char *why, struct err *err)
{
	char shown[81];

	(void)str_format(shown, sizeof(shown), "%.80s", s);
	str_sanitize(shown);
	return err_set(err, ERR_bad_request, "'%s' is no image reference: %s", shown, why);
}

/* Cut the digest and the tag off the end of `s`; what is left is the name. */
static const char *take_ends(char *s, struct reference *r)
{
	char *at = strchr(s, '@'), *colon, *slash;

	if (at) {
		*at = '\0';
		if (!digest_parse(at + 1, &r->digest))
			return "behind '@' there must be sha256:… or sha512:…";
	}
	colon = strrchr(s, ':');
	slash = strrchr(s, '/');
	/* A colon before the last slash is a port's. */
	if (colon && (!slash || colon > slash)) {
		*colon = '\0';
		if (!is_tag(colon + 1))
			return "a tag has letters, digits, '_', '.' and '-', at most 128";
		(void)str_copy(r->tag, sizeof(r->tag), colon + 1);
	} else if (!at) {
		(void)str_copy(r->tag, sizeof(r->tag), REFERENCE_DEFAULT_TAG);
	}
	return NULL;
}

static void set_registry(struct reference *r, const char *s, size_t n)
{
	memcpy(r->registry, s, n);
	r->registry[n] = '\0';
	for (char *c = r->registry; *c; c++)
		if (is_upper(*c))
			*c = (char)(*c - 'A' + 'a');
	/* docker.io's former name. */
	if (strcmp(r->registry, "index." REFERENCE_DEFAULT_REGISTRY) == 0)
		strncpy(r->registry, REFERENCE_DEFAULT_REGISTRY, sizeof(r->registry));
}

static const char *take_name(const char *name, struct reference *r)
{
	const char *slash = strchr(name, '/'), *path = name;
	bool library;

	if (slash && names_registry(name, (size_t)(slash - name))) {
		if (!is_registry(name, (size_t)(slash - name)))
			return "the registry is no host[:port]";
		set_registry(r, name, (size_t)(slash - name));
		r->qualified = true;
		path = slash + 1;
	} else {
		set_registry(r, REFERENCE_DEFAULT_REGISTRY, sizeof(REFERENCE_DEFAULT_REGISTRY) - 1);
	}
	if (!is_path(path))
		return "a path has lower-case letters and digits, with '.', '_', '-' or '/' "
		       "between";
	library = strcmp(r->registry, REFERENCE_DEFAULT_REGISTRY) == 0 && !strchr(path, '/');
	if (library && is_id(path))
		return "64 hexadecimal digits are an id";
	if (!str_format(r->path, sizeof(r->path), "%s%s", library ? "library/" : "", path))
		return "its path has more than 255 characters";
	return NULL;
}

static size_t length(const struct reference *r)
{
	return strlen(r->registry) + 1 + strlen(r->path) + (r->tag[0] ? 1 + strlen(r->tag) : 0) +
	       (r->digest.s[0] ? 1 + strlen(r->digest.s) : 0);
}

int reference_parse(const char *s, struct reference *ret, struct err *err)
{
	char copy[REFERENCE_MAX + 1];
	struct reference r = { 0 };
	const char *why;

	if (!str_copy(copy, sizeof(copy), s))
		return refuse(s, "it has more than 511 characters", err);
	why = take_ends(copy, &r);
	if (!why)
		why = take_name(copy, &r);
	if (!why && length(&r) > REFERENCE_MAX)
		why = "it has more than 511 characters";
	if (why)
		return refuse(s, why, err);
	*ret = r;
	return 0;
}

const char *reference_format(const struct reference *r, char dst[REFERENCE_MAX + 1])
{
	(void)str_format(dst, REFERENCE_MAX + 1, "%s/%s%s%s%s%s", r->registry, r->path,
		r->tag[0] ? ":" : "", r->tag, r->digest.s[0] ? "@" : "", r->digest.s);
	return dst;
}
