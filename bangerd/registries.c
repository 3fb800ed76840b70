/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/registries.h"

#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/fd.h"
#include "common/str.h"

#define FILE_MAX_BYTES (256u << 10)
#define ENTRIES_MAX    256 /* short names, and hosts */
#define SHORT_NAMES    "short-names"
#define SECTION_CUT    49 /* libinih cuts a section's name to so many bytes, and does not say it */
#define MIRRORS_MAX    (REGISTRIES_ENDPOINTS - 1)

struct short_name {
	char name[REFERENCE_PATH_MAX + 1];
	char means[REFERENCE_MAX + 1];
};

struct mirror {
	char host[REFERENCE_REGISTRY_MAX + 1];
	char prefix[REFERENCE_PATH_MAX + 1];
};

struct host {
	char name[REFERENCE_REGISTRY_MAX + 1];
	bool plain_http, insecure;
	char ca[256];
	struct mirror mirrors[MIRRORS_MAX];
	size_t n_mirrors;
};

struct registries {
	struct short_name *names;
	struct host *hosts;
	size_t n_names, n_hosts;
};

void registries_free(struct registries *r)
{
	if (!r)
		return;
	free(r->names);
	free(r->hosts);
	free(r);
}

/* One more place in an array of `n`, cleared; NULL with err. */
static void *grow(void **array, size_t *n, size_t size, struct err *err)
{
	char *bigger;

	if (*n == ENTRIES_MAX) {
		err_set(err, ERR_bad_request, "there are more than %d entries", ENTRIES_MAX);
		return NULL;
	}
	bigger = realloc(*array, (*n + 1) * size);
	if (!bigger) {
		err_sys(err, ERR_operation_failed, ENOMEM, "cannot keep an entry");
		return NULL;
	}
	*array = bigger;
	memset(bigger + *n * size, 0, size);
	return bigger + (*n)++ * size;
}

/* ---- reading ---- */

/* Registries are lower case in references. */
static bool copy_lower(char *dst, size_t cap, const char *s)
{
	if (!str_copy(dst, cap, s))
		return false;
	for (; *dst; dst++)
		if (*dst >= 'A' && *dst <= 'Z')
			*dst = (char)(*dst - 'A' + 'a');
	return true;
}

static const struct host *find_host(const struct registries *r, const char *name)
{
	for (size_t i = 0; i < r->n_hosts; i++)
		if (str_eq(r->hosts[i].name, name))
			return &r->hosts[i];
	return NULL;
}

static int add_short_name(
	struct registries *r, const char *name, const char *means, struct err *err)
{
	struct reference ref;
	struct short_name *s;

	if (reference_parse(means, &ref, err) < 0)
		return -1;
	if (!ref.qualified)
		return err_set(err, ERR_bad_request,
			"'%s' must begin with its registry (docker.io/…): a short name has one "
			"meaning",
			means);
	if (strchr(name, ':') || strchr(name, '@') || reference_parse(name, &ref, err) < 0 ||
		ref.qualified)
		return err_set(err, ERR_bad_request,
			"'%s' is no short name: a path without registry, tag and digest", name);
	for (size_t i = 0; i < r->n_names; i++)
		if (str_eq(r->names[i].name, name))
			return err_set(err, ERR_bad_request, "'%s' is there twice", name);
	s = grow((void **)&r->names, &r->n_names, sizeof(*s), err);
	if (!s)
		return -1;
	if (!str_copy(s->name, sizeof(s->name), name) ||
		!str_copy(s->means, sizeof(s->means), means))
		return err_set(err, ERR_bad_request, "'%s' is too long", name);
	return 0;
}

static bool parse_boolean(const char *v, bool *ret)
{
	bool yes = str_eq(v, "yes") || str_eq(v, "true") || str_eq(v, "on");

	if (!yes && !str_eq(v, "no") && !str_eq(v, "false") && !str_eq(v, "off"))
		return false;
	*ret = yes;
	return true;
}

/* host[:port][/prefix] */
static int add_mirror(struct host *h, const char *value, struct err *err)
{
	size_t n = strcspn(value, "/");
	const char *prefix = value[n] ? value + n + 1 : "";
	struct mirror *m = &h->mirrors[h->n_mirrors];
	char host[REFERENCE_MAX + 1], path[REFERENCE_MAX + 1];
	struct reference ref;

	if (h->n_mirrors == MIRRORS_MAX)
		return err_set(
			err, ERR_bad_request, "a registry has at most %d mirrors", MIRRORS_MAX);
	if (!str_format(host, sizeof(host), "%.*s", (int)n, value) ||
		!copy_lower(m->host, sizeof(m->host), host) || !reference_is_registry(m->host) ||
		!str_copy(m->prefix, sizeof(m->prefix), prefix))
		return err_set(err, ERR_bad_request, "'%s' is no host[:port][/path]", value);
	/* The path must be one that a repository's could begin with. */
	if (value[n] &&
		(strpbrk(prefix, ":@") || !str_format(path, sizeof(path), "a.b/%s/x", prefix) ||
			reference_parse(path, &ref, err) < 0))
		return err_set(err, ERR_bad_request, "'%s' has no path of a registry", value);
	h->n_mirrors++;
	return 0;
}

static int set_host(struct registries *r, const char *section, const char *key, const char *value,
	struct err *err)
{
	char name[REFERENCE_REGISTRY_MAX + 1];
	struct host *h;

	if (strlen(section) >= SECTION_CUT)
		return err_set(err, ERR_bad_request,
			"[%.48s…] is too long: a host has at most %d bytes here", section,
			SECTION_CUT - 1);
	if (!copy_lower(name, sizeof(name), section) || !reference_is_registry(name))
		return err_set(
			err, ERR_bad_request, "[%.100s] is no registry: host[:port]", section);
	h = (struct host *)find_host(r, name);
	if (!h)
		h = grow((void **)&r->hosts, &r->n_hosts, sizeof(*h), err);
	if (!h)
		return -1;
	memcpy(h->name, name, sizeof(h->name));
	if (str_eq(key, "mirror"))
		return add_mirror(h, value, err);
	if (str_eq(key, "ca")) {
		if (value[0] != '/' || !str_copy(h->ca, sizeof(h->ca), value))
			return err_set(err, ERR_bad_request, "ca must be an absolute path");
		return 0;
	}
	if (!str_eq(key, "plain_http") && !str_eq(key, "insecure"))
		return err_set(err, ERR_bad_request,
			"'%.64s' is not known: mirror, plain_http, insecure or ca", key);
	if (!parse_boolean(value, str_eq(key, "insecure") ? &h->insecure : &h->plain_http))
		return err_set(err, ERR_bad_request, "%s must be yes or no", key);
	return 0;
}

struct parsing {
	struct registries *r;
	struct err why;
};

static int on_value(void *ctx, const char *section, const char *key, const char *value)
{
	struct parsing *p = ctx;

	if (str_eq(section, SHORT_NAMES))
		return add_short_name(p->r, key, value, &p->why) == 0;
	return set_host(p->r, section, key, value, &p->why) == 0;
}

int registries_parse(
	const char *name, const char *content, struct registries **ret, struct err *err)
{
	_cleanup_registries_ struct registries *r = calloc(1, sizeof(*r));
	struct parsing p = { .r = r, .why = ERR_INIT };
	int line;

	if (!r)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot read %s", name);
	line = ini_parse_string(content, on_value, &p);
	if (line != 0) {
		if (p.why.code == ERR_none)
			err_set(&p.why, ERR_bad_request,
				"this is neither [section] nor key = value");
		*err = p.why;
		return err_wrap(err, "%s, line %d", name, line);
	}
	*ret = TAKE_PTR(r);
	return 0;
}

int registries_load(const char *path, struct registries **ret, struct err *err)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	_cleanup_free_ char *content = NULL;
	struct stat st;
	size_t n;

	if (fd < 0 && errno == ENOENT && str_eq(path, REGISTRIES_PATH))
		return registries_parse(path, "", ret, err);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot open %s", path);
	if (!S_ISREG(st.st_mode) || st.st_uid != 0 || (st.st_mode & (S_IWGRP | S_IWOTH)))
		return err_set(err, ERR_bad_request,
			"%s must be a regular file of root's that nobody else may write", path);
	if (fd_read_text(fd, FILE_MAX_BYTES, &content, &n, err) < 0)
		return err_wrap(err, "%s", path);
	return registries_parse(path, content, ret, err);
}

/* ---- asking ---- */

int registries_resolve(
	const struct registries *r, const char *reference, struct reference *ret, struct err *err)
{
	size_t n = strcspn(reference, ":@");
	struct reference ref, means;

	if (reference_parse(reference, &ref, err) < 0)
		return -1;
	*ret = ref;
	for (size_t i = 0; !ref.qualified && i < r->n_names; i++) {
		const char *name = r->names[i].name;

		if (strlen(name) != n || strncmp(name, reference, n) != 0)
			continue;
		if (reference_parse(r->names[i].means, &means, err) < 0)
			return -1;
		/* A tag or digest of the user's own comes before the short name's. */
		if (reference[n]) {
			memcpy(means.tag, ref.tag, sizeof(means.tag));
			means.digest = ref.digest;
		}
		*ret = means;
		break;
	}
	return 0;
}

static void put_endpoint(const struct registries *r, const char *host, const char *prefix,
	struct registry_endpoint *ret)
{
	const struct host *h = find_host(r, host);

	*ret = (struct registry_endpoint){ 0 };
	str_copy(ret->host, sizeof(ret->host), host);
	str_copy(ret->prefix, sizeof(ret->prefix), prefix);
	if (!h)
		return;
	ret->plain_http = h->plain_http;
	ret->insecure = h->insecure;
	ret->ca = h->ca[0] ? h->ca : NULL;
}

size_t registries_endpoints(const struct registries *r, const char *registry,
	struct registry_endpoint ret[REGISTRIES_ENDPOINTS])
{
	const struct host *h = find_host(r, registry);
	size_t n = 0;

	for (size_t i = 0; h && i < h->n_mirrors; i++)
		put_endpoint(r, h->mirrors[i].host, h->mirrors[i].prefix, &ret[n++]);
	put_endpoint(r, registry, "", &ret[n++]);
	return n;
}

int registries_read_ca(const char *path, char **ret, size_t *ret_n, struct err *err)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot open %s", path);
	if (fd_read_text(fd, REGISTRIES_CA_MAX, ret, ret_n, err) < 0)
		return err_wrap(err, "%s", path);
	return 0;
}
