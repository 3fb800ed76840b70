/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-cli/auth_file.h"

#include <json-c/json.h>
#include <stdbool.h>
#include <string.h>

#include "common/json.h"
#include "common/str.h"

#define DEPTH_MAX  8
#define BASE64_MAX (2 * AUTH_SECRET_MAX)

void credentials_finish(struct credentials *c)
{
	explicit_bzero(c, sizeof(*c));
}

/* ---- base64 (RFC 4648, section 4) ---- */

static int digit_of(char c)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* The bytes of `s` as a string in dst, which holds `cap`; false for what is not base64, has a NUL
 * in it, or does not fit. */
static bool decode_base64(const char *s, char *dst, size_t cap)
{
	size_t n = strcspn(s, "="), out = 0;
	unsigned bits = 0, have = 0;

	if (strspn(s + n, "=") != strlen(s + n) || strlen(s + n) > 2 || n % 4 == 1)
		return false;
	for (size_t i = 0; i < n; i++) {
		int d = digit_of(s[i]);

		if (d < 0)
			return false;
		bits = bits << 6 | (unsigned)d;
		have += 6;
		if (have < 8)
			continue;
		have -= 8;
		dst[out] = (char)(bits >> have & 0xff);
		if (dst[out++] == '\0' || out == cap)
			return false;
	}
	dst[out] = '\0';
	return true;
}

/* ---- entries ---- */

/* A key without its scheme, and without what follows docker's host of old. */
static void plain_key(const char *key, char *dst, size_t cap)
{
	const char *scheme = strstr(key, "://");
	size_t n;

	if (!str_copy(dst, cap, scheme ? scheme + 3 : key))
		return;
	n = strlen(dst);
	while (n > 0 && dst[n - 1] == '/')
		dst[--n] = '\0';
	for (size_t i = 0; i < 2; i++)
		if (str_ends(dst, i == 0 ? "/v1" : "/v2"))
			dst[strlen(dst) - 3] = '\0';
	if (str_eq(dst, "index.docker.io") || str_eq(dst, "registry-1.docker.io"))
		str_copy(dst, cap, "docker.io");
}

/* How well a key fits: 0 not at all, else more the longer it is. */
static size_t fits(const char *key, const char *host, const char *path)
{
	size_t n = strlen(host), rest;
	char plain[512];

	plain_key(key, plain, sizeof(plain));
	if (strncasecmp(plain, host, n) != 0)
		return 0;
	if (plain[n] == '\0')
		return n;
	rest = strlen(plain + n) - 1;
	if (plain[n] != '/' || strncmp(plain + n + 1, path, rest) != 0 ||
		(path[rest] != '\0' && path[rest] != '/'))
		return 0;
	return n + 1 + rest;
}

static const char *member_text(struct json_object *o, const char *key, size_t max)
{
	struct json_object *member;

	return json_object_object_get_ex(o, key, &member) ? json_text(member, max) : NULL;
}

/* user:password, maybe with a token in the password's place. False for what is malformed. */
static bool read_auth(struct json_object *o, struct credentials *ret)
{
	const char *auth = member_text(o, "auth", BASE64_MAX);
	const char *token = member_text(o, "identitytoken", AUTH_SECRET_MAX);
	char both[AUTH_USER_MAX + 1 + AUTH_SECRET_MAX + 1];
	bool ok = true;

	if (token && token[0])
		ok = str_copy(ret->token, sizeof(ret->token), token);
	if (ok && auth && auth[0]) {
		char *colon;

		ok = decode_base64(auth, both, sizeof(both)) && (colon = strchr(both, ':')) &&
		     (*colon = '\0', true) && str_copy(ret->user, sizeof(ret->user), both) &&
		     str_copy(ret->secret, sizeof(ret->secret), colon + 1);
		/* docker pads with NULs in the text; others end lines. */
		explicit_bzero(both, sizeof(both));
	}
	if (ret->token[0])
		explicit_bzero(ret->secret, sizeof(ret->secret));
	return ok && str_printable(ret->user, true);
}

static bool is_helper(const char *s)
{
	return s[0] && strlen(s) < 64 &&
	       strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
		       strlen(s) &&
	       s[0] != '.';
}

static int use_helper(const char *name, const char *key, struct auth_entry *ret, struct err *err)
{
	if (!is_helper(name) || !str_copy(ret->key, sizeof(ret->key), key))
		return err_set(err, ERR_bad_input, "it names a credential helper that cannot be");
	str_copy(ret->helper, sizeof(ret->helper), name);
	return 1;
}

/* The key of an object's member that fits best; NULL for none. */
static const char *best_key(
	struct json_object *o, const char *host, const char *path, struct json_object **ret)
{
	const char *best = NULL;
	size_t best_fit = 0;

	if (!json_object_is_type(o, json_type_object))
		return NULL;
	json_object_object_foreach(o, key, value)
	{
		size_t fit = fits(key, host, path);

		if (fit > best_fit) {
			best_fit = fit;
			best = key;
			*ret = value;
		}
	}
	return best;
}

static int find(struct json_object *root, const char *host, const char *path,
	struct auth_entry *ret, struct err *err)
{
	struct json_object *part, *value = NULL;
	const char *key, *helper;

	if (json_object_object_get_ex(root, "credHelpers", &part) &&
		(key = best_key(part, host, "", &value))) {
		helper = json_text(value, 64);
		return use_helper(helper ? helper : "", key, ret, err);
	}
	if (json_object_object_get_ex(root, "auths", &part) &&
		(key = best_key(part, host, path, &value)) &&
		json_object_is_type(value, json_type_object)) {
		if (!read_auth(value, &ret->credentials)) {
			credentials_finish(&ret->credentials);
			return err_set(err, ERR_bad_input, "its entry for %s is malformed", host);
		}
		if (ret->credentials.user[0] || ret->credentials.token[0])
			return 1;
	}
	helper = member_text(root, "credsStore", 64);
	if (helper && helper[0])
		return use_helper(helper,
			str_eq(host, "docker.io") ? "https://index.docker.io/v1/" : host, ret, err);
	return 0;
}

int auth_file_find(const char *s, size_t len, const char *host, const char *path,
	struct auth_entry *ret, struct err *err)
{
	_cleanup_json_ struct json_object *root = NULL;

	*ret = (struct auth_entry){ 0 };
	if (json_parse(s, len, DEPTH_MAX, &root, err) < 0)
		return -1;
	if (!json_object_is_type(root, json_type_object))
		return err_set(err, ERR_bad_input, "it holds no JSON object");
	return find(root, host, path, ret, err);
}

int auth_helper_answer(const char *s, size_t len, struct credentials *ret, struct err *err)
{
	_cleanup_json_ struct json_object *root = NULL;
	const char *user, *secret;

	if (json_parse(s, len, DEPTH_MAX, &root, err) < 0)
		return -1;
	user = member_text(root, "Username", AUTH_USER_MAX);
	secret = member_text(root, "Secret", AUTH_SECRET_MAX);
	if (!user || !secret || !str_printable(user, true))
		return err_set(err, ERR_bad_input, "it gave no user and secret");
	*ret = (struct credentials){ 0 };
	/* "<token>": the secret is an identity token. */
	if (str_eq(user, "<token>")) {
		str_copy(ret->token, sizeof(ret->token), secret);
	} else {
		str_copy(ret->user, sizeof(ret->user), user);
		str_copy(ret->secret, sizeof(ret->secret), secret);
	}
	return 0;
}
